/* store: the receiver's directory. Start reading at skt_store_do(). */
#include "drive/file/store.h"

#include "drive/file/fileio.h"
#include "drive/file/storeinside.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

/* ---- the file of a work ---- */

/* Open again, if it is still the one that we had. */
static int open_again(struct skt_store *store, struct store_work *work)
{
    struct store_place place;
    struct stat st;
    int fd, r = store_place_of(store, work, &place);

    if (r)
        return r;
    fd = store_open(store, place.parent, work->old ? place.name : place.part, work->old ? O_RDONLY : O_RDWR, &st);
    store_place_done(&place);
    if (fd < 0)
        return fd == -ENOENT || fd == -EEXIST ? -ESTALE : fd;
    r = st.st_dev != work->dev || st.st_ino != work->ino ? -ESTALE : work->old ? 0 : store_lock(fd);
    if (r) {
        (void)close(fd); /* nothing was written */
        return r;
    }
    r = skt_fds_put(&store->fds, store_slot(store, work), fd);
    return r ? r : fd;
}

static int open_first(struct skt_store *store, struct store_work *work)
{
    struct store_place place;
    int fd, r = store_place_of(store, work, &place);

    if (r)
        return r;
    fd = store_create(store, &place, work);
    store_place_done(&place);
    if (fd < 0)
        return fd;
    work->unmade = false;
    r = skt_fds_put(&store->fds, store_slot(store, work), fd);
    return r ? r : fd;
}

static int store_fd(struct skt_store *store, struct store_work *work)
{
    int fd = skt_fds_get(&store->fds, store_slot(store, work));

    return fd >= 0 ? fd : work->unmade ? open_first(store, work) : open_again(store, work);
}

/* ---- bytes ---- */

static int64_t do_read(struct skt_store *store, struct store_work *work, const struct skt_xfer_event *event)
{
    struct skt_room to = event->room;
    uint64_t left, n = skt_left(to);
    int64_t got;
    int fd;

    if (event->offset > work->size)
        return -EINVAL;
    left = work->size - event->offset;
    to.end = to.p + (n < left ? n : left);
    if (to.p == to.end)
        return 0;
    if (work->unmade)
        return SKT_XFER_ALL_ZEROS;
    fd = store_fd(store, work);
    if (fd < 0)
        return fd;
    if (skt_file_is_hole(fd, event->offset, skt_left(to)))
        return SKT_XFER_ALL_ZEROS;
    got = skt_file_read(fd, to, event->offset);
    if (got < 0)
        return got;
    memset(to.p + got, 0, skt_left(to) - (size_t)got); /* so it will be behind the end of a shorter one */
    return (int64_t)skt_left(to);
}

/* More than was promised is asked for when it comes: its sender had less when he said it, or he lies. */
static int64_t put_bytes(struct skt_store *store, struct store_work *work, int fd, struct skt_span data, uint64_t at)
{
    uint64_t n = skt_len(data), owed = work->owed;
    int64_t written = n > owed ? store_promise(store, fd, work, n - owed) : 0;

    if (!written)
        written = skt_file_write(fd, data, at);
    store_paid(store, work, work->owed - owed);
    if (written >= 0)
        store_given(store, work, n, (uint64_t)written);
    return written < 0 ? written : 0;
}

static int64_t put_zeros(struct skt_store *store, struct store_work *work, int fd, uint64_t at, uint64_t n)
{
    int r = skt_file_write_zeros(fd, at, n);

    if (!r)
        store_given(store, work, n, 0);
    return r;
}

static int64_t do_write(struct skt_store *store, struct store_work *work, const struct skt_xfer_event *event)
{
    uint64_t n = event->data.p ? skt_len(event->data) : event->len;
    int fd, r = 0;

    if (event->offset > work->size || n > work->size - event->offset)
        return -EINVAL;
    if (work->unmade && !event->data.p) {
        store_given(store, work, n, 0);
        return 0; /* they are there when it is */
    }
    if (work->old)
        r = store_leave(store, work);
    fd = r ? r : store_fd(store, work);
    if (fd < 0)
        return fd;
    work->blank = false;
    return event->data.p ? put_bytes(store, work, fd, event->data, event->offset)
                         : put_zeros(store, work, fd, event->offset, n);
}

/* ---- the end of a file ---- */

/* For file systems that cannot rename without replacing. */
static int name_by_link(const struct store_place *place)
{
    struct stat st;

    if (!linkat(place->parent, place->part, place->parent, place->name, 0))
        return unlinkat(place->parent, place->part, 0) ? -errno : 0;
    if (errno == EEXIST)
        return -EEXIST;
    /* Nor links. Then there is a moment between looking and renaming. */
    if (!fstatat(place->parent, place->name, &st, AT_SYMLINK_NOFOLLOW))
        return -EEXIST;
    return renameat(place->parent, place->part, place->parent, place->name) ? -errno : 0;
}

static bool is_part_of(const struct store_place *place, const struct store_work *work)
{
    struct stat st;

    return !fstatat(place->parent, place->part, &st, AT_SYMLINK_NOFOLLOW) && st.st_dev == work->dev &&
           st.st_ino == work->ino;
}

static int give_name(struct skt_store *store, const struct store_work *work)
{
    struct store_place place;
    int r = store_place_of(store, work, &place);

    if (r)
        return r;
    if (!is_part_of(&place, work))
        r = -ESTALE;
    else if (renameat2(
                 place.parent, place.part, place.parent, place.name, store->conf.overwrite ? 0 : RENAME_NOREPLACE))
        r = errno == EINVAL || errno == ENOSYS ? name_by_link(&place) : -errno;
    store_place_done(&place);
    return r;
}

static int64_t do_finish(struct skt_store *store, struct store_work *work)
{
    int fd = store_fd(store, work), r = 0;
    struct stat st;

    if (fd < 0)
        return fd;
    if (work->old && (fstat(fd, &st) || (uint64_t)st.st_size != work->size)) {
        r = store_leave(store, work); /* only its length differs */
        fd = r ? r : store_fd(store, work);
        if (fd < 0)
            return fd;
    }
    r = store_stamp(store, fd, work->mode, work->mtime, !work->old);
    if (!r && !work->old)
        r = give_name(store, work);
    if (!r)
        store_work_free(store, work);
    return r;
}

/* What has nothing that could be resumed is not left behind. */
static void drop(struct skt_store *store, struct store_work *work)
{
    struct store_place place;

    if (work->blank && !store_place_of(store, work, &place)) {
        if (is_part_of(&place, work))
            (void)unlinkat(place.parent, place.part, 0); /* else there is an empty file more */
        store_place_done(&place);
    }
    store_work_free(store, work);
}

static void drop_session(struct skt_store *store, uint32_t session)
{
    for (uint32_t i = 0; i < store->n; i++) {
        if (store->works[i].path && store->works[i].key >> 32 == session)
            drop(store, &store->works[i]);
    }
}

/* ---- all ---- */

int64_t skt_store_do(struct skt_store *store, const struct skt_xfer_event *event)
{
    struct store_work *work = store_work_get(store, store_key(event));

    switch (event->kind) {
    case SKT_XFER_MAKE: return store_make(store, event);
    case SKT_XFER_READ: return work ? do_read(store, work, event) : -EBADF;
    case SKT_XFER_WRITE: return work ? do_write(store, work, event) : -EBADF;
    case SKT_XFER_FINISH: return work ? do_finish(store, work) : -EBADF;
    case SKT_XFER_SYNC: return syncfs(store->base.dir) ? -errno : 0;
    case SKT_XFER_DROP:
        if (work)
            drop(store, work);
        return 0;
    case SKT_XFER_CLOSED_SESSION: drop_session(store, event->session); return 0;
    case SKT_XFER_PLAIN:
    case SKT_XFER_OPEN_SESSION:
    case SKT_XFER_FILE_DONE:
    case SKT_XFER_FILE_FAILED:
    case SKT_XFER_PUT_OFF:
    case SKT_XFER_WALK:
    case SKT_XFER_FORGET:
    case SKT_XFER_LAST:
    case SKT_XFER_SECRET_SPENT: return 0; /* nothing to do with files of ours */
    }
    return -EINVAL;
}

/* Above the limit a write would not only fail: the process would be told by a signal that ends it. */
static uint64_t largest_file(void)
{
    struct rlimit limit;

    return !getrlimit(RLIMIT_FSIZE, &limit) && limit.rlim_cur < INT64_MAX ? limit.rlim_cur : INT64_MAX;
}

static void with_defaults(struct skt_store_conf *conf)
{
    conf->max_depth = conf->max_depth ? conf->max_depth : 128;
    conf->fds = conf->fds ? conf->fds : 128;
    conf->max_files = conf->max_files ? conf->max_files : 262144;
}

static int open_dir(struct skt_store *store, const char *dir)
{
    struct statfs fs;

    if (mkdir(dir, 0777) && errno != EEXIST)
        return -errno;
    store->base.dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (store->base.dir < 0 || faccessat(store->base.dir, ".", W_OK | X_OK, AT_EACCESS))
        return -errno;
    store->name_max = !fstatfs(store->base.dir, &fs) && fs.f_namelen >= 64 ? (size_t)fs.f_namelen : 64;
    return 0;
}

int skt_store_new(const char *dir, const struct skt_store_conf *conf, struct skt_store **ret_store)
{
    skt_auto(skt_store) struct skt_store *store = calloc(1, sizeof *store);
    uint64_t seed;
    int r;

    if (!store)
        return -ENOMEM;
    store->conf = *conf;
    store->base.dir = -1;
    store->free = UINT32_MAX;
    with_defaults(&store->conf);
    store->max_size = largest_file();
    skt_fds_init(&store->fds, store->conf.max_files, store->conf.fds);
    if (getrandom(&seed, sizeof seed, 0) != sizeof seed)
        return -EIO;
    r = skt_map_init(&store->by_key, store->conf.max_files, seed);
    if (!r)
        r = skt_names_init(&store->by_path, store->conf.max_files, seed);
    if (!r)
        r = open_dir(store, dir);
    if (r)
        return r;
    *ret_store = store;
    store = NULL;
    return 0;
}

void skt_store_stop(struct skt_store *store) { atomic_store(&store->stop, true); }

void skt_store_free(struct skt_store *store)
{
    if (!store)
        return;
    for (uint32_t i = 0; i < store->n; i++) {
        if (store->works[i].path)
            drop(store, &store->works[i]);
    }
    skt_fds_done(&store->fds);
    skt_map_done(&store->by_key);
    skt_names_done(&store->by_path);
    free(store->works);
    if (store->base.dir >= 0)
        (void)close(store->base.dir); /* only looked at */
    free(store);
}
