/* source: what a sender has. Start reading at skt_source_next() and skt_source_do(). */
#include "drive/file/store.h"

#include "base/grow.h"
#include "base/map.h"
#include "base/text.h"
#include "drive/file/beneath.h"
#include "drive/file/fds.h"
#include "drive/file/fileio.h"
#include "drive/file/sourcelate.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/random.h>
#include <unistd.h>

enum {
    FILES_MAX = 1024 * 1024,           /* told and not forgotten */
    FDS = 128,                         /* open for reading */
    SEQUENTIAL_ABOVE = 4 * 1024 * 1024 /* bytes; below it the kernel reads ahead enough by itself */
};
static const uint32_t NOBODY = UINT32_MAX;

/* A file that was told, as it was then. */
struct source_file {
    char *path; /* NULL: a free slot */
    uint64_t size;
    struct timespec mtime, ctime;
    dev_t dev;
    ino_t ino;
    uint32_t root, number; /* number: the engine's; of a free slot: the next one */
    bool sparse;           /* it may have holes */
};
struct skt_source {
    struct sourcewalk_named *named;
    uint32_t named_n;
    uint64_t total_files, total_bytes;
    struct sourcewalk walk;
    uint64_t passed_told; /* of what walk has passed over */
    uint32_t number;      /* of the next entry */
    struct source_file *files;
    uint32_t files_n, files_size, free;
    struct skt_map by_number;
    struct skt_fds fds;
    struct skt_beneath base; /* of the root that was read last */
    uint32_t base_root;
    struct sourcelate late;
    char text[PATH_MAX]; /* of the last symbolic link */
};

/* ---- files that were told ---- */

static uint32_t slot_new(struct skt_source *source)
{
    struct source_file *grown;
    uint32_t slot = source->free;

    if (slot != NOBODY) {
        source->free = source->files[slot].number;
        return slot;
    }
    if (source->files_n == source->files_size) {
        grown = source->files_n < FILES_MAX
                    ? skt_grow(source->files, &source->files_size, FILES_MAX, sizeof *source->files)
                    : NULL;
        if (!grown)
            return NOBODY;
        source->files = grown;
    }
    return source->files_n++;
}

static void slot_free(struct skt_source *source, uint32_t slot)
{
    free(source->files[slot].path);
    source->files[slot] = (struct source_file){ .number = source->free };
    source->free = slot;
}

/* False: no memory, or more than we can hold. */
static bool file_learn(struct skt_source *source)
{
    const struct sourcewalk *walk = &source->walk;
    const struct stat *st = &walk->st;
    uint32_t slot = slot_new(source);

    if (slot == NOBODY)
        return false;
    source->files[slot] = (struct source_file){
        .path = strdup(walk->path),
        .size = (uint64_t)st->st_size,
        .mtime = st->st_mtim,
        .ctime = st->st_ctim,
        .dev = st->st_dev,
        .ino = st->st_ino,
        .root = walk->root - 1,
        .number = source->number,
        .sparse = st->st_blocks < st->st_size / 512,
    };
    if (source->files[slot].path && !skt_map_put(&source->by_number, source->number, slot))
        return true;
    slot_free(source, slot);
    return false;
}

static void file_forget(struct skt_source *source, uint32_t number, uint32_t slot)
{
    (void)skt_map_del(&source->by_number, number);
    skt_fds_close(&source->fds, slot);
    slot_free(source, slot);
}

/* ---- entries ---- */

static bool entry_dir(struct skt_source *source, struct skt_xfer_meta *meta)
{
    meta->kind = SKT_XFER_DIR;
    if (!sourcelate_dir(
            &source->late, &source->walk)) /* it comes, and what is in it, but with a mode and time of there */
        sourcewalk_pass(&source->walk, 0, "has a mode and time that will not be set: too many directories");
    return true;
}

static bool entry_symlink(struct skt_source *source, struct skt_xfer_meta *meta)
{
    ssize_t n = readlinkat(source->walk.dir, source->walk.name, source->text, sizeof source->text);

    if (n < 0) {
        sourcewalk_pass(&source->walk, errno, strerror(errno));
        return false;
    }
    meta->kind = SKT_XFER_SYMLINK;
    meta->target = skt_span_of(source->text, (size_t)n);
    return true;
}

/* Bytes that its file system has for it. None may mean that it does not say, or that it keeps them elsewhere. */
static uint64_t data_of(const struct sourcewalk *walk)
{
    uint64_t size = (uint64_t)walk->st.st_size, data = (uint64_t)walk->st.st_blocks * 512;
    bool empty;
    int fd;

    if (data || !size)
        return data < size ? data : size;
    fd = openat(walk->dir, walk->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return size;
    empty = skt_file_is_hole(fd, 0, size);
    (void)close(fd); /* nothing was read */
    return empty ? 0 : size;
}

static bool entry_file(struct skt_source *source, struct skt_xfer_meta *meta)
{
    if (sourcelate_link(&source->late, &source->walk))
        return false; /* it comes later */
    if (!file_learn(source)) {
        sourcewalk_pass(&source->walk, 0, "too many files at once");
        return false;
    }
    meta->kind = SKT_XFER_FILE;
    meta->size = (uint64_t)source->walk.st.st_size;
    meta->data = data_of(&source->walk);
    return true;
}

static bool entry(struct skt_source *source, struct skt_xfer_meta *ret_meta)
{
    const struct sourcewalk *walk = &source->walk;
    struct skt_xfer_meta meta = {
        .mode = walk->st.st_mode & 07777,
        .mtime = sourcelate_ns(walk->st.st_mtim),
        .path = skt_span_of(walk->path, walk->path_len),
    };
    bool is = S_ISDIR(walk->st.st_mode)   ? entry_dir(source, &meta)
              : S_ISLNK(walk->st.st_mode) ? entry_symlink(source, &meta)
                                          : entry_file(source, &meta);

    if (is)
        *ret_meta = meta;
    return is;
}

/* Whether something was passed over that was not told. */
static bool is_passed(struct skt_source *source)
{
    bool is = source->passed_told < source->walk.passed;

    source->passed_told += is;
    return is;
}

enum skt_source_found skt_source_step(struct skt_source *source, struct skt_xfer_meta *ret_meta)
{
    bool is = false;

    if (is_passed(source)) /* with the entry that was given last */
        return SKT_SOURCE_PASSED;
    while (!is && sourcewalk_more(&source->walk)) {
        is = sourcewalk_step(&source->walk) && entry(source, ret_meta);
        if (!is && is_passed(source))
            return SKT_SOURCE_PASSED;
    }
    is = is || sourcelate_next(&source->late, ret_meta);
    source->number += is;
    return is ? SKT_SOURCE_ENTRY : SKT_SOURCE_END;
}

bool skt_source_next(struct skt_source *source, struct skt_xfer_meta *ret_meta)
{
    enum skt_source_found found;

    while ((found = skt_source_step(source, ret_meta)) == SKT_SOURCE_PASSED) {
    }
    return found == SKT_SOURCE_ENTRY;
}

struct skt_source_pass skt_source_pass(const struct skt_source *source)
{
    const struct sourcewalk *walk = &source->walk;

    return (struct skt_source_pass){
        .path = skt_span_of(walk->path, walk->path_len), .error = walk->error, .why = walk->why + walk->why_at
    };
}

uint64_t skt_source_passed(const struct skt_source *source, struct skt_room *ret_why)
{
    if (ret_why)
        skt_put_str(ret_why, source->walk.why);
    return source->walk.passed;
}

void skt_source_totals(const struct skt_source *source, uint64_t *ret_files, uint64_t *ret_bytes)
{
    *ret_files = source->total_files;
    *ret_bytes = source->total_bytes;
}

/* ---- reading ---- */

static bool is_same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool is_same(const struct source_file *file, const struct stat *st)
{
    return st->st_dev == file->dev && st->st_ino == file->ino && (uint64_t)st->st_size == file->size &&
           is_same_time(st->st_mtim, file->mtime) && is_same_time(st->st_ctim, file->ctime);
}

/* The directory that the user named, or in which the named file is. */
static int base_open(struct skt_source *source, uint32_t root)
{
    int fd;

    if (source->base.dir >= 0 && source->base_root == root)
        return 0;
    fd = open(source->named[root].base, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (source->base.dir >= 0)
        (void)close(source->base.dir); /* O_PATH: nothing can fail */
    source->base.dir = fd;
    source->base_root = root;
    return 0;
}

/* Reading is no use that the file should remember: without O_NOATIME where it is not ours. And fewer files are open, where there are
 * too many. */
static int open_below(struct skt_source *source, const char *path)
{
    int flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_NOATIME, fd;

    for (;;) {
        fd = skt_beneath_open(&source->base, path, flags);
        if (fd == -EPERM && (flags & O_NOATIME))
            flags &= ~O_NOATIME;
        else if ((fd != -EMFILE && fd != -ENFILE) || !skt_fds_shed(&source->fds))
            return fd;
    }
}

static int file_open(struct skt_source *source, const struct source_file *file)
{
    const struct sourcewalk_named *named = &source->named[file->root];
    size_t skip = named->kind == SOURCEWALK_TREE ? strlen(named->name) + 1 : 0;
    int fd = base_open(source, file->root);
    struct stat st;

    if (!fd)
        fd = open_below(source, file->path + skip);
    if (fd < 0)
        return fd == -ENOTDIR || fd == -ELOOP ? -ESTALE : fd;
    if (fstat(fd, &st) || st.st_dev != file->dev || st.st_ino != file->ino) {
        (void)close(fd); /* nothing was read */
        return -ESTALE;
    }
    if (file->size > SEQUENTIAL_ABOVE)
        (void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL); /* it reads as well without */
    return fd;
}

static int file_fd(struct skt_source *source, uint32_t slot)
{
    int fd = skt_fds_get(&source->fds, slot), r;

    if (fd >= 0)
        return fd;
    fd = file_open(source, &source->files[slot]);
    r = fd < 0 ? fd : skt_fds_put(&source->fds, slot, fd);
    return r ? r : fd;
}

static int64_t do_read(struct skt_source *source, uint32_t slot, const struct skt_xfer_event *event)
{
    const struct source_file *file = &source->files[slot];
    struct skt_room to = event->room;
    uint64_t left, n = skt_left(to);
    int64_t got;
    int fd;

    if (event->offset > file->size)
        return -EINVAL;
    left = file->size - event->offset;
    to.end = to.p + (n < left ? n : left);
    fd = file_fd(source, slot);
    if (fd < 0 || to.p == to.end)
        return fd < 0 ? fd : 0;
    if (file->sparse && skt_file_is_hole(fd, event->offset, skt_left(to)))
        return SKT_XFER_ALL_ZEROS;
    got = skt_file_read(fd, to, event->offset);
    if (got >= 0 && (size_t)got < skt_left(to))
        return -ESTALE; /* it was longer */
    return got > 0 && skt_is_zero(skt_span_of(to.p, (size_t)got)) ? SKT_XFER_ALL_ZEROS : got;
}

static int64_t do_last(struct skt_source *source, uint32_t slot)
{
    int fd = file_fd(source, slot);
    struct stat st;

    if (fd < 0)
        return fd;
    return fstat(fd, &st) ? -errno : is_same(&source->files[slot], &st) ? 0 : -ESTALE;
}

int64_t skt_source_do(struct skt_source *source, const struct skt_xfer_event *event)
{
    uint32_t slot;
    bool is = skt_map_get(&source->by_number, event->file, &slot);

    switch (event->kind) {
    case SKT_XFER_READ: return is ? do_read(source, slot, event) : -EBADF;
    case SKT_XFER_LAST: return is ? do_last(source, slot) : -EBADF;
    case SKT_XFER_FORGET:
        if (is)
            file_forget(source, event->file, slot);
        return 0;
    case SKT_XFER_PLAIN:
    case SKT_XFER_OPEN_SESSION:
    case SKT_XFER_CLOSED_SESSION:
    case SKT_XFER_FILE_DONE:
    case SKT_XFER_FILE_FAILED:
    case SKT_XFER_PUT_OFF:
    case SKT_XFER_WALK:
    case SKT_XFER_MAKE:
    case SKT_XFER_WRITE:
    case SKT_XFER_FINISH:
    case SKT_XFER_SYNC:
    case SKT_XFER_DROP:
    case SKT_XFER_SECRET_SPENT: return 0; /* nothing to do with files of ours */
    }
    return -EINVAL;
}

/* ---- begin and end ---- */

/* Two that arrive under one name would be one file, or one directory, there. */
static int name_all(struct skt_source *source, const char *const *paths, struct skt_names *seen, struct skt_room *why)
{
    for (uint32_t i = 0; i < source->named_n; i++) {
        struct skt_span given = skt_span_str(paths[i]);
        struct sourcewalk_named *named = &source->named[i];
        uint32_t other;
        int r = sourcewalk_named(paths[i], named);
        if (r == -EINVAL)
            return skt_refuse(why, r, "path", given, "is no file, directory or symbolic link that can be sent");
        if (r)
            return skt_refuse(why, r, "path", given, "cannot be sent: %s", strerror(-r));
        if (!*named->name)
            continue;
        if (skt_names_get(seen, skt_span_str(named->name), &other))
            return skt_refuse(
                why, -EEXIST, "path", given, "would arrive under the name of another one: send it by itself");
        r = skt_names_put(seen, skt_span_str(named->name), i);
        if (r)
            return skt_refuse(why, r, "path", given, "cannot be sent: %s", strerror(-r));
    }
    return 0;
}

static int names_new(struct skt_source *source, const char *const *paths, uint64_t seed, struct skt_room *why)
{
    struct skt_names seen;
    int r;

    while (paths[source->named_n])
        source->named_n++;
    source->named = calloc(source->named_n + 1, sizeof *source->named);
    r = source->named ? skt_names_init(&seen, source->named_n, seed) : -ENOMEM;
    if (r)
        return r;
    r = name_all(source, paths, &seen, why);
    skt_names_done(&seen);
    return r;
}

/* From the beginning. */
static int walk_begin(struct skt_source *source, uint64_t seed)
{
    int r = sourcelate_init(&source->late, seed);

    return r ? r : sourcewalk_init(&source->walk, source->named, source->named_n);
}

static void walk_end(struct skt_source *source)
{
    sourcewalk_done(&source->walk);
    sourcelate_done(&source->late);
}

/* What it is all together: the same way, without keeping it. */
static int count(struct skt_source *source, uint64_t seed)
{
    int r = walk_begin(source, seed);

    while (!r && sourcewalk_next(&source->walk)) {
        if (!S_ISREG(source->walk.st.st_mode) || sourcelate_link(&source->late, &source->walk))
            continue;
        source->total_files++;
        source->total_bytes += (uint64_t)source->walk.st.st_size;
    }
    walk_end(source);
    return r;
}

int skt_source_new(const char *const *paths, struct skt_source **ret_source, struct skt_room *why)
{
    skt_auto(skt_source) struct skt_source *source = calloc(1, sizeof *source);
    uint64_t seed;
    int r;

    if (!source)
        return -ENOMEM;
    source->base.dir = -1;
    source->free = NOBODY;
    source->walk.base = -1;
    skt_fds_init(&source->fds, FILES_MAX, FDS);
    if (getrandom(&seed, sizeof seed, 0) != sizeof seed)
        return -EIO;
    r = names_new(source, paths, seed, why);
    if (!r)
        r = skt_map_init(&source->by_number, FILES_MAX, seed);
    if (!r)
        r = count(source, seed);
    if (!r)
        r = walk_begin(source, seed);
    if (r)
        return r;
    *ret_source = source;
    source = NULL;
    return 0;
}

void skt_source_free(struct skt_source *source)
{
    if (!source)
        return;
    walk_end(source);
    skt_fds_done(&source->fds);
    for (uint32_t i = 0; i < source->files_n; i++)
        free(source->files[i].path);
    for (uint32_t i = 0; i < source->named_n && source->named; i++)
        sourcewalk_named_done(&source->named[i]);
    if (source->base.dir >= 0)
        (void)close(source->base.dir); /* O_PATH: nothing can fail */
    skt_map_done(&source->by_number);
    free(source->files);
    free(source->named);
    free(source);
}
