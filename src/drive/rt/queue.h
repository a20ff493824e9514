#pragma once
#include <sockit/bytes.h>

#include <sys/uio.h>

/* queue: what waits for one socket: slices of counted bytes, in order. Slices that touch merge, so that what an engine
 * formats into one block for one link goes out as one iovec. One slice lives inside; more only when there are more. */
struct slice {
    struct skt_buf *buf; /* one reference held */
    uint32_t off, len;
};

struct queue {
    struct slice one;     /* the oldest, when more is NULL */
    struct slice *more;   /* all of them, from head; grows to QUEUE_SLICES_MAX */
    uint32_t head, n;     /* slices: n of them */
    uint32_t room;        /* of more */
    uint32_t bytes;       /* sum of len */
    struct skt_buf *tail; /* of the last slice, when it was made by queue_copy: nobody else sees it */
};
enum { QUEUE_SLICES_MAX = 16384 };

void queue_done(struct queue *q);
/* Takes a reference of its own. -ENOBUFS: too many slices; -ENOMEM. */
int queue_add(struct queue *q, struct skt_buf *buf, struct skt_span bytes);
/* The same by a copy, for small pieces of a queue that lasts: a slice of 50 bytes would keep a block of 16 KiB alive. */
int queue_copy(struct queue *q, struct skt_span bytes);
/* The oldest slices as iovecs; how many, <= max. */
int queue_iov(const struct queue *q, struct iovec *iov, int max);
void queue_drop(struct queue *q, size_t n); /* the oldest n bytes went out; n <= bytes */
