#pragma once
#include "base/map.h"
#include "drive/file/beneath.h"
#include "drive/file/fds.h"
#include "drive/file/store.h"
#include "drive/file/storepath.h"

#include <stdatomic.h>
#include <sys/types.h>
#include <time.h>

/* storeinside: what the files of the store share. store.c does what events of files ask for, storemake.c begins them and makes what is
 * no file, storeleave.c copies those that are replaced, storework.c knows those that were begun, and touches the directory. */
struct stat;

/* A file that was begun. */
struct store_work {
    char *path;   /* NULL: a free slot */
    uint64_t key; /* session and file; of a free slot: the next one */
    uint64_t size;
    uint64_t data; /* of size: what its sender's disk has. The others are zeros, or he lies */
    uint64_t left; /* of size: what was not given yet */
    uint64_t owed; /* promised to it, and not written; at most left */
    int64_t mtime;
    size_t last; /* where the last part of path begins */
    dev_t dev;   /* and ino: of what is or was open */
    ino_t ino;
    uint16_t mode;
    bool old; /* the file of that name itself is open, as long as nothing differs from it; else its .part */
    bool
        unmade; /* there is no .part yet: it comes with the first byte, so that what is begun ahead is neither open nor left behind */
    bool blank; /* its .part was there, with nothing in it */
};

struct skt_store {
    struct skt_store_conf conf; /* with its defaults */
    atomic_bool stop;           /* copies end */
    struct skt_beneath base;
    uint64_t max_size; /* of a file: what this process may write */
    size_t name_max;   /* bytes, of this file system */
    struct store_work *works;
    uint32_t n, size, free; /* slots that were used, that there are; first free one or UINT32_MAX */
    struct skt_fds fds;     /* by slot */
    struct skt_map by_key;
    struct skt_names by_path;
    uint64_t owed; /* of all works */
    size_t path_bytes;
};

/* Where something is or will be. */
struct store_place {
    int parent;       /* O_PATH; -1: not open */
    const char *name; /* the last part of path */
    char path[SKT_STOREPATH_MAX + 1];
    char part[SKT_STOREPATH_NAME_MAX + 1]; /* its name until it is whole */
};
int store_place(struct skt_store *store, struct skt_span path, struct store_place *ret_place);
static inline int store_place_of(struct skt_store *store, const struct store_work *work, struct store_place *ret_place)
{
    return store_place(store, skt_span_str(work->path), ret_place);
}
void store_place_done(struct store_place *place);

/* A file, also one of ours whose mode forbids it. The descriptor; -EEXIST: it is no file; -errno. */
int store_open(struct skt_store *store, int parent, const char *name, int flags, struct stat *ret_st);
int store_chmod(int parent, const char *name, mode_t mode);
/* A new .part of work's size, locked. */
int store_create(struct skt_store *store, const struct store_place *place, struct store_work *work);
int store_resize(int fd, uint64_t size);    /* 0 or -errno */
int store_lock(int fd);                     /* against other programs, as long as it is open. -EBUSY: they have it */
struct timespec store_timespec(int64_t ns); /* since 1970, also before */
/* lenient: a file system without modes is good enough. */
int store_stamp(struct skt_store *store, int fd, uint16_t mode, int64_t mtime, bool lenient);
int store_promise(struct skt_store *store, int dir, struct store_work *work, uint64_t n); /* -ENOSPC */
void store_paid(struct skt_store *store, struct store_work *work, uint64_t n);            /* at most what is owed */
/* n bytes came for work, and `written` of them take room now. */
void store_given(struct skt_store *store, struct store_work *work, uint64_t n, uint64_t written);

/* Nobody is at this path. -EBUSY: the session has such a number already; -ENFILE, -ENOMEM. */
int store_work_new(
    struct skt_store *store, uint64_t key, const struct store_place *place, struct store_work **ret_work);
void store_work_free(struct skt_store *store, struct store_work *work);
struct store_work *store_work_get(struct skt_store *store, uint64_t key); /* NULL: none */
static inline uint32_t store_slot(const struct skt_store *store, const struct store_work *work)
{
    return (uint32_t)(work - store->works);
}
static inline uint64_t store_key(const struct skt_xfer_event *event)
{
    return (uint64_t)event->session << 32 | event->file;
}

int64_t store_make(struct skt_store *store, const struct skt_xfer_event *event);

/* storeleave.c: a copy at which is worked from the first byte on that differs; the file itself is as it was until that one is whole.
 * -EEXIST, -ENOSPC; -ECANCELED: the store is stopped. */
int store_leave(struct skt_store *store, struct store_work *work);
