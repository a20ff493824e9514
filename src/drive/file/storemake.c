/* storemake: what a MAKE asks for. Start reading at store_make(). */
#include "drive/file/fileio.h"
#include "drive/file/storeinside.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PAGE = 4096 }; /* what common file systems give out */

/* ---- files ---- */

/* The work is now about this open file. 1, or -errno with fd closed. */
static int compare(struct skt_store *store, struct store_work *work, int fd, const struct stat *st)
{
    int r = skt_fds_put(&store->fds, store_slot(store, work), fd);

    work->dev = st->st_dev;
    work->ino = st->st_ino;
    return r ? r : 1;
}

/* The name is: something else of that name, or what also has another, is not what we left there. */
static bool is_ours(const struct stat *st)
{
    return S_ISREG(st->st_mode) && st->st_nlink == 1 && st->st_uid == geteuid();
}

/* What an earlier transfer left. 1: it has something; 0: it has nothing but holes; -ENOENT: there is none, or none any more. */
static int resume(struct skt_store *store, const struct store_place *place, struct store_work *work)
{
    struct stat st;
    uint64_t there;
    int fd, r;

    if (fstatat(place->parent, place->part, &st, AT_SYMLINK_NOFOLLOW))
        return -errno;
    if (!is_ours(&st))
        return unlinkat(place->parent, place->part, 0) ? -errno : -ENOENT;
    fd = store_open(store, place->parent, place->part, O_RDWR, &st);
    if (fd < 0)
        return fd;
    if (!is_ours(&st)) { /* exchanged since we looked */
        (void)close(fd);
        return -ESTALE;
    }
    there = (uint64_t)st.st_blocks * 512;
    r = store_lock(fd);
    if (!r)
        r = store_promise(store, fd, work, there < work->data ? work->data - there : 0);
    if (!r && (uint64_t)st.st_size != work->size)
        r = store_resize(fd, work->size);
    if (r) {
        (void)close(fd); /* nothing was written */
        return r;
    }
    work->blank = skt_file_is_hole(fd, 0, work->size);
    r = compare(store, work, fd, &st);
    return r == 1 && work->blank ? 0 : r;
}

static int begin_part(struct skt_store *store, const struct store_place *place, struct store_work *work)
{
    int r = resume(store, place, work);

    if (r != -ENOENT)
        return r;
    r = store_promise(store, place->parent, work, work->data);
    work->unmade = !r;
    return r;
}

static int begin_old(struct skt_store *store, const struct store_place *place, struct store_work *work)
{
    struct stat st;
    int fd = store_open(store, place->parent, place->name, O_RDONLY, &st);

    work->old = true;
    return fd < 0 ? fd : compare(store, work, fd, &st);
}

static int begin(struct skt_store *store, const struct store_place *place, struct store_work *work)
{
    struct stat st;
    int r;

    if (fstatat(place->parent, place->name, &st, AT_SYMLINK_NOFOLLOW))
        return errno == ENOENT ? begin_part(store, place, work) : -errno;
    if (S_ISDIR(st.st_mode))
        return -EISDIR;
    if (S_ISLNK(st.st_mode) && store->conf.overwrite)
        return begin_part(store, place, work); /* it is replaced, not followed */
    if (!S_ISREG(st.st_mode))
        return -EEXIST;
    if (!store->conf.overwrite)
        return (uint64_t)st.st_size == work->size ? begin_old(store, place, work) : -EEXIST;
    r = resume(store, place, work); /* it was being replaced */
    return r == -ENOENT ? begin_old(store, place, work) : r;
}

/* The room that it needs here, in pages. */
static uint64_t room_of(const struct skt_xfer_meta *meta)
{
    uint64_t pages = meta->data / PAGE + (meta->data % PAGE != 0);

    return meta->data < meta->size && pages < meta->size / PAGE ? pages * PAGE : meta->size;
}

static int make_file(
    struct skt_store *store, const struct store_place *place, uint64_t key, const struct skt_xfer_meta *meta)
{
    struct store_work *work;
    int r = meta->size > store->max_size ? -EFBIG : store_work_new(store, key, place, &work);

    if (r)
        return r;
    work->size = work->left = meta->size;
    work->data = room_of(meta);
    work->mode = meta->mode;
    work->mtime = meta->mtime;
    r = begin(store, place, work);
    if (r < 0)
        store_work_free(store, work);
    return r;
}

/* ---- directories ---- */

/* While its content comes, we must be able to write into it; DIR_AGAIN sets the rest. */
static int make_dir(const struct store_place *place)
{
    struct stat st;

    if (!mkdirat(place->parent, place->name, 0700))
        return 0;
    if (errno != EEXIST)
        return -errno;
    if (fstatat(place->parent, place->name, &st, AT_SYMLINK_NOFOLLOW))
        return -errno;
    if (!S_ISDIR(st.st_mode))
        return -EEXIST;
    if ((st.st_mode & 0700) == 0700 || st.st_uid != geteuid())
        return 0;
    return store_chmod(place->parent, place->name, (st.st_mode & 07777) | 0700);
}

static int make_dir_again(struct skt_store *store, const struct store_place *place, const struct skt_xfer_meta *meta)
{
    int fd = openat(place->parent, place->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), r;

    if (fd < 0)
        return -errno;
    r = store_stamp(store, fd, meta->mode, meta->mtime, true);
    (void)close(fd); /* only looked at */
    return r;
}

/* ---- links ---- */

/* What has the name may go: it is a file or a symbolic link, and the user asked for it. */
static bool may_replace(struct skt_store *store, const struct store_place *place)
{
    struct stat st;

    return store->conf.overwrite && !fstatat(place->parent, place->name, &st, AT_SYMLINK_NOFOLLOW) &&
           (S_ISREG(st.st_mode) || S_ISLNK(st.st_mode));
}

/* Made under the other name, so that there is no moment without either. */
static int replace_by_part(const struct store_place *place)
{
    int r = renameat(place->parent, place->part, place->parent, place->name) ? -errno : 0;

    if (r)
        (void)unlinkat(place->parent, place->part, 0); /* the first failure is told */
    return r;
}

static int make_symlink_again(struct skt_store *store, const struct store_place *place, const char *text)
{
    char is[PATH_MAX];
    ssize_t n = readlinkat(place->parent, place->name, is, sizeof is);

    if (n >= 0 && skt_span_is(skt_span_of(is, (size_t)n), text))
        return 0;
    if (!may_replace(store, place))
        return -EEXIST;
    if (unlinkat(place->parent, place->part, 0) && errno != ENOENT)
        return -errno;
    return symlinkat(text, place->parent, place->part) ? -errno : replace_by_part(place);
}

static int make_symlink(struct skt_store *store, const struct store_place *place, const struct skt_xfer_meta *meta)
{
    struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, store_timespec(meta->mtime) };
    size_t n = skt_len(meta->target);
    char text[PATH_MAX];
    int r;

    if (!n || memchr(meta->target.p, 0, n))
        return -EINVAL;
    if (n >= sizeof text)
        return -ENAMETOOLONG;
    memcpy(text, meta->target.p, n);
    text[n] = 0;
    r = symlinkat(text, place->parent, place->name) ? -errno : 0;
    if (r == -EEXIST)
        r = make_symlink_again(store, place, text);
    if (!r && utimensat(place->parent, place->name, times, AT_SYMLINK_NOFOLLOW) && errno != EOPNOTSUPP)
        r = -errno;
    return r;
}

static int link_again(
    struct skt_store *store, const struct store_place *place, const struct store_place *target, const struct stat *want)
{
    struct stat st;

    if (!fstatat(place->parent, place->name, &st, AT_SYMLINK_NOFOLLOW) && st.st_dev == want->st_dev &&
        st.st_ino == want->st_ino)
        return 0;
    if (!may_replace(store, place))
        return -EEXIST;
    if (unlinkat(place->parent, place->part, 0) && errno != ENOENT)
        return -errno;
    return linkat(target->parent, target->name, place->parent, place->part, 0) ? -errno : replace_by_part(place);
}

static int link_to(struct skt_store *store, const struct store_place *place, const struct store_place *target)
{
    struct stat st;
    uint32_t slot;

    if (skt_names_get(&store->by_path, skt_span_str(target->path), &slot))
        return -EAGAIN;
    if (fstatat(target->parent, target->name, &st, AT_SYMLINK_NOFOLLOW))
        return -errno;
    if (!S_ISREG(st.st_mode))
        return -EINVAL;
    if (!linkat(target->parent, target->name, place->parent, place->name, 0))
        return 0;
    return errno == EEXIST ? link_again(store, place, target, &st) : -errno;
}

static int make_hardlink(struct skt_store *store, const struct store_place *place, const struct skt_xfer_meta *meta)
{
    struct store_place target;
    int r = store_place(store, meta->target, &target);

    if (r)
        return r;
    r = link_to(store, place, &target);
    store_place_done(&target);
    return r;
}

/* ---- all ---- */

static int make_at(struct skt_store *store, const struct store_place *place, const struct skt_xfer_event *event)
{
    const struct skt_xfer_meta *meta = event->meta;
    uint32_t slot;

    if (skt_names_get(&store->by_path, skt_span_str(place->path), &slot))
        return -EBUSY;
    switch ((enum skt_xfer_kind)meta->kind) {
    case SKT_XFER_FILE: return make_file(store, place, store_key(event), meta);
    case SKT_XFER_DIR: return make_dir(place);
    case SKT_XFER_SYMLINK: return make_symlink(store, place, meta);
    case SKT_XFER_HARDLINK: return make_hardlink(store, place, meta);
    case SKT_XFER_DIR_AGAIN: return make_dir_again(store, place, meta);
    }
    return -EINVAL;
}

int64_t store_make(struct skt_store *store, const struct skt_xfer_event *event)
{
    struct store_place place;
    int r = store_place(store, event->meta->path, &place);

    if (r)
        return r;
    r = make_at(store, &place, event);
    store_place_done(&place);
    return r;
}
