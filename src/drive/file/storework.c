/* storework: the files that were begun, the room that they were promised, and how they are opened. */
#include "drive/file/storeinside.h"

#include "base/grow.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { PATH_BYTES_MAX = 64 * 1024 * 1024 }; /* of all works */
static const uint32_t NOBODY = UINT32_MAX;

/* ---- places ---- */

int store_place(struct skt_store *store, struct skt_span path, struct store_place *ret_place)
{
    size_t last, n = skt_len(path);
    int parent = skt_storepath_check(path, store->conf.max_depth, &last);

    if (parent)
        return parent;
    memcpy(ret_place->path, path.p, n);
    ret_place->path[n] = 0;
    do
        parent = skt_beneath_parent(&store->base, ret_place->path, last);
    while ((parent == -EMFILE || parent == -ENFILE) && skt_fds_shed(&store->fds));
    if (parent < 0)
        return parent;
    ret_place->parent = parent;
    ret_place->name = ret_place->path + last;
    skt_storepath_part(ret_place->name, store->name_max, ret_place->part);
    return 0;
}

void store_place_done(struct store_place *place)
{
    if (place->parent >= 0)
        (void)close(place->parent); /* O_PATH: nothing can fail */
    place->parent = -1;
}

/* ---- opening ---- */

/* With fewer files open, where there are too many. */
static int open_at(struct skt_store *store, int parent, const char *name, int flags)
{
    int fd;

    do
        fd = openat(parent, name, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);
    while (fd < 0 && (errno == EINTR || ((errno == EMFILE || errno == ENFILE) && skt_fds_shed(&store->fds))));
    return fd < 0 ? -errno : fd;
}

/* Not what a symbolic link of that name leads to. By hand: the library's own way needs a call that the sandbox does not allow. */
int store_chmod(int parent, const char *name, mode_t mode)
{
    int fd = openat(parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC), r;
    char path[32];

    if (fd < 0)
        return -errno;
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    r = fchmodat(AT_FDCWD, path, mode, 0) ? -errno : 0;
    (void)close(fd); /* O_PATH: nothing can fail */
    return r;
}

/* A file of ours with a mode such as 000, as it was sent: readable for a moment. */
static int open_shut(struct skt_store *store, int parent, const char *name, int flags, mode_t mode)
{
    int fd;

    if (store_chmod(parent, name, mode | 0600))
        return -EACCES;
    fd = open_at(store, parent, name, flags);
    if (fd < 0)
        (void)store_chmod(parent, name, mode); /* the first failure is told */
    if (fd >= 0 && fchmod(fd, mode)) {
        (void)close(fd); /* nothing was written */
        fd = -EACCES;
    }
    return fd;
}

int store_open(struct skt_store *store, int parent, const char *name, int flags, struct stat *ret_st)
{
    struct stat st;
    int fd;

    if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW))
        return -errno;
    if (!S_ISREG(st.st_mode)) /* to open a device may already do something */
        return -EEXIST;
    fd = open_at(store, parent, name, flags);
    if (fd == -EACCES && st.st_uid == geteuid())
        fd = open_shut(store, parent, name, flags, st.st_mode & 07777);
    if (fd < 0)
        return fd;
    if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
        (void)close(fd);
        return -ESTALE;
    }
    *ret_st = st;
    return fd;
}

int store_resize(int fd, uint64_t size)
{
    int r;

    do
        r = ftruncate(fd, (off_t)size);
    while (r && errno == EINTR);
    return r ? -errno : 0;
}

int store_lock(int fd)
{
    /* Other failures: a file system without locks, and then we are alone as far as can be told. */
    return flock(fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK ? -EBUSY : 0;
}

int store_create(struct skt_store *store, const struct store_place *place, struct store_work *work)
{
    int fd = open_at(store, place->parent, place->part, O_RDWR | O_CREAT | O_EXCL), r;
    struct stat st = { 0 };

    if (fd < 0)
        return fd == -EEXIST ? -EBUSY : fd;
    r = store_lock(fd);
    if (!r && work->size)
        r = store_resize(fd, work->size);
    if (!r && fstat(fd, &st))
        r = -errno;
    if (r) {
        if (r != -EBUSY)                                   /* then somebody has it already */
            (void)unlinkat(place->parent, place->part, 0); /* it has nothing */
        (void)close(fd);
        return r;
    }
    work->dev = st.st_dev;
    work->ino = st.st_ino;
    return fd;
}

struct timespec store_timespec(int64_t ns)
{
    int64_t s = ns / SKT_SEC, rest = ns % SKT_SEC;

    return rest < 0 ? (struct timespec){ s - 1, rest + SKT_SEC } : (struct timespec){ s, rest };
}

/* The time first: after the mode it might not be allowed. What is so already is not set: it might be somebody else's. */
int store_stamp(struct skt_store *store, int fd, uint16_t mode, int64_t mtime, bool lenient)
{
    struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, store_timespec(mtime) };
    mode_t want = mode & (store->conf.special_modes ? 07777 : 0777);
    struct stat st;

    if (fstat(fd, &st))
        return -errno;
    if (S_ISDIR(st.st_mode) && !store->conf.special_modes)
        want |= st.st_mode & 07000; /* as they came from the directory above */
    if ((st.st_mtim.tv_sec != times[1].tv_sec || st.st_mtim.tv_nsec != times[1].tv_nsec) && futimens(fd, times))
        return -errno;
    if ((st.st_mode & 07777) != want && fchmod(fd, want) && !(lenient && (errno == EPERM || errno == EOPNOTSUPP)))
        return -errno;
    return 0;
}

/* ---- room on the disk ---- */

int store_promise(struct skt_store *store, int dir, struct store_work *work, uint64_t n)
{
    struct statfs fs;
    uint64_t left;

    if (n && !fstatfs(dir, &fs) && fs.f_blocks) { /* 0 of 0 free: it does not say */
        left = (uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize;
        if (left < store->conf.keep_free || left - store->conf.keep_free < store->owed ||
            left - store->conf.keep_free - store->owed < n)
            return -ENOSPC;
    }
    work->owed += n;
    store->owed += n;
    return 0;
}

void store_paid(struct skt_store *store, struct store_work *work, uint64_t n)
{
    if (n > work->owed)
        n = work->owed;
    work->owed -= n;
    store->owed -= n;
}

void store_given(struct skt_store *store, struct store_work *work, uint64_t n, uint64_t written)
{
    work->left -= n < work->left ? n : work->left;
    store_paid(store, work, written);
    if (work->owed > work->left) /* it came as zeros */
        store_paid(store, work, work->owed - work->left);
}

/* ---- works ---- */

static uint32_t slot_new(struct skt_store *store)
{
    struct store_work *grown;
    uint32_t slot = store->free;

    if (slot != NOBODY) {
        store->free = (uint32_t)store->works[slot].key;
        return slot;
    }
    if (store->n == store->size) {
        grown = skt_grow(store->works, &store->size, store->conf.max_files, sizeof *store->works);
        if (!grown)
            return NOBODY;
        store->works = grown;
    }
    return store->n++;
}

static void slot_free(struct skt_store *store, uint32_t slot)
{
    store->works[slot] = (struct store_work){ .key = store->free };
    store->free = slot;
}

/* Its two names; the first is taken back when the second cannot be had. */
static int enter(struct skt_store *store, struct store_work *work, uint32_t slot)
{
    int r = skt_map_put(&store->by_key, work->key, slot);

    if (!r && (r = skt_names_put(&store->by_path, skt_span_str(work->path), slot)))
        (void)skt_map_del(&store->by_key, work->key);
    return r;
}

int store_work_new(struct skt_store *store, uint64_t key, const struct store_place *place, struct store_work **ret_work)
{
    struct skt_span path = skt_span_str(place->path);
    struct store_work *work;
    uint32_t slot;
    int r;

    if (skt_map_get(&store->by_key, key, &slot))
        return -EBUSY;
    if (skt_map_full(&store->by_key) || skt_len(path) > PATH_BYTES_MAX - store->path_bytes)
        return -ENFILE;
    slot = slot_new(store);
    if (slot == NOBODY)
        return -ENOMEM;
    work = &store->works[slot];
    *work = (struct store_work){ .path = strdup(place->path), .key = key, .last = (size_t)(place->name - place->path) };
    r = work->path ? enter(store, work, slot) : -ENOMEM;
    if (r) {
        free(work->path);
        slot_free(store, slot);
        return r;
    }
    store->path_bytes += skt_len(path);
    *ret_work = work;
    return 0;
}

void store_work_free(struct skt_store *store, struct store_work *work)
{
    uint32_t slot = store_slot(store, work);

    skt_fds_close(&store->fds, slot);
    store_paid(store, work, work->owed);
    store->path_bytes -= strlen(work->path);
    (void)skt_map_del(&store->by_key, work->key);
    (void)skt_names_del(&store->by_path, skt_span_str(work->path));
    free(work->path);
    slot_free(store, slot);
}

struct store_work *store_work_get(struct skt_store *store, uint64_t key)
{
    uint32_t slot;

    return skt_map_get(&store->by_key, key, &slot) ? &store->works[slot] : NULL;
}
