/* storeleave: a file that is there is replaced. Start reading at store_leave(). */
#include "drive/file/fileio.h"
#include "drive/file/storeinside.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* The copy that is being made. */
struct store_copy {
    int from, to; /* descriptors of its own */
    uint64_t n;   /* bytes of from that are wanted */
    uint64_t size, need;
    dev_t dev;
    ino_t ino;
};

/* What it has now and what comes, if nothing of that is in the same place. */
static uint64_t room_to_replace(const struct store_work *work, const struct stat *st)
{
    uint64_t there = (uint64_t)st->st_blocks * 512;

    return there < work->size && work->data < work->size - there ? there + work->data : work->size;
}

/* The file of that name, if it is still ours, by a descriptor that nobody else moves. */
static int open_old(
    struct skt_store *store, const struct store_place *place, const struct store_work *work, struct stat *ret_st)
{
    int fd = store_open(store, place->parent, place->name, O_RDONLY, ret_st);

    if (fd < 0)
        return fd == -ENOENT || fd == -EEXIST ? -ESTALE : fd;
    if (ret_st->st_dev == work->dev && ret_st->st_ino == work->ino)
        return fd;
    (void)close(fd); /* only looked at */
    return -ESTALE;
}

static int begin_at(
    struct skt_store *store, const struct store_place *place, struct store_work *work, struct store_copy *ret_copy)
{
    struct store_work copy = *work; /* its identity is the new one's */
    struct stat st;
    int to, from = open_old(store, place, work, &st), r;
    uint64_t need;

    if (from < 0)
        return from;
    need = room_to_replace(work, &st);
    r = store_promise(store, place->parent, work, need);
    to = r ? r : store_create(store, place, &copy);
    if (to < 0) {
        if (!r)
            store_paid(store, work, need);
        (void)close(from); /* only looked at */
        return to;
    }
    *ret_copy = (struct store_copy){ .from = from,
        .to = to,
        .n = (uint64_t)st.st_size < work->size ? (uint64_t)st.st_size : work->size,
        .size = work->size,
        .need = need,
        .dev = copy.dev,
        .ino = copy.ino };
    return 0;
}

static int leave_begin(struct skt_store *store, struct store_work *work, struct store_copy *ret_copy)
{
    struct store_place place;
    int r = store->conf.overwrite ? store_place_of(store, work, &place) : -EEXIST;

    if (r)
        return r;
    r = begin_at(store, &place, work, ret_copy);
    store_place_done(&place);
    return r;
}

static int leave_copy(const struct store_copy *copy, const atomic_bool *stop)
{
    int r = skt_file_copy(copy->from, copy->to, copy->n, stop);

    return r ? r : store_resize(copy->to, copy->size);
}

/* A copy that is not whole has nothing that the file itself has not. */
static void forget(struct skt_store *store, const struct store_work *work, const struct store_copy *copy)
{
    struct store_place place;
    struct stat st;

    if (store_place_of(store, work, &place))
        return; /* it will be resumed */
    if (!fstatat(place.parent, place.part, &st, AT_SYMLINK_NOFOLLOW) && st.st_dev == copy->dev &&
        st.st_ino == copy->ino)
        (void)unlinkat(place.parent, place.part, 0); /* the first failure is told */
    store_place_done(&place);
}

static int leave_end(struct skt_store *store, struct store_work *work, struct store_copy *copy, int r)
{
    (void)close(copy->from); /* only looked at */
    if (r) {
        store_paid(store, work, copy->need);
        forget(store, work, copy);
        (void)close(copy->to); /* nobody wants it */
        return r;
    }
    skt_fds_close(&store->fds, store_slot(store, work));
    work->old = false;
    work->dev = copy->dev;
    work->ino = copy->ino;
    return skt_fds_put(&store->fds, store_slot(store, work), copy->to);
}

int store_leave(struct skt_store *store, struct store_work *work)
{
    struct store_copy copy;
    int r = leave_begin(store, work, &copy);

    return r ? r : leave_end(store, work, &copy, leave_copy(&copy, &store->stop));
}
