/* queue: slices of counted bytes that wait for one socket. */
#include "drive/rt/queue.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

enum { MORE_FIRST = 8, TAIL_SIZE = 4096 };

static struct slice *at(const struct queue *q, uint32_t i)
{
    return q->more ? &q->more[q->head + i] : (struct slice *)&q->one;
}

void queue_done(struct queue *q)
{
    for (uint32_t i = 0; i < q->n; i++)
        skt_buf_put(at(q, i)->buf);
    free(q->more);
    *q = (struct queue){ 0 };
}

/* Space for one more slice behind the last. */
static int grow(struct queue *q)
{
    uint32_t room = q->room ? q->room * 2 : MORE_FIRST;
    struct slice *more;

    if (q->more && q->head + q->n < q->room)
        return 0;
    if (q->more && q->head >= q->room / 2) { /* half of it went out: move the rest down instead */
        memmove(q->more, q->more + q->head, q->n * sizeof *q->more);
        q->head = 0;
        return 0;
    }
    if (q->n >= QUEUE_SLICES_MAX)
        return -ENOBUFS;
    more = realloc(q->more, room * sizeof *more);
    if (!more)
        return -ENOMEM;
    if (!q->more)
        more[0] = q->one;
    q->more = more;
    q->room = room;
    return 0;
}

int queue_add(struct queue *q, struct skt_buf *buf, struct skt_span bytes)
{
    uint32_t off = (uint32_t)(bytes.p - buf->data), len = (uint32_t)skt_len(bytes);
    struct slice *last = q->n ? at(q, q->n - 1) : NULL;
    int r = 0;

    assert(off <= buf->size && len <= buf->size - off);
    if (!len)
        return 0;
    if (last && last->buf == buf && last->off + last->len == off) {
        last->len += len;
        q->bytes += len;
        return 0;
    }
    if (q->n && (r = grow(q)))
        return r;
    q->n++;
    q->bytes += len;
    q->tail = NULL; /* its last slice is another's now */
    *at(q, q->n - 1) = (struct slice){ skt_buf_ref(buf), off, len };
    return 0;
}

int queue_copy(struct queue *q, struct skt_span bytes)
{
    struct slice *last = q->n ? at(q, q->n - 1) : NULL;
    uint32_t len = (uint32_t)skt_len(bytes), end = last ? last->off + last->len : 0;
    struct skt_buf *buf;
    int r;

    if (last && last->buf == q->tail && q->tail->size - end >= len) {
        memcpy(q->tail->data + end, bytes.p, len);
        last->len += len;
        q->bytes += len;
        return 0;
    }
    buf = skt_buf_new(len < TAIL_SIZE ? TAIL_SIZE : len);
    if (!buf)
        return -ENOMEM;
    memcpy(buf->data, bytes.p, len);
    r = queue_add(q, buf, skt_span_of(buf->data, len));
    skt_buf_put(buf); /* the slice has its own reference, or there is none */
    if (!r)
        q->tail = buf;
    return r;
}

int queue_iov(const struct queue *q, struct iovec *iov, int max)
{
    int n = 0;

    for (; n < max && (uint32_t)n < q->n; n++) {
        const struct slice *s = at(q, (uint32_t)n);
        iov[n] = (struct iovec){ s->buf->data + s->off, s->len };
    }
    return n;
}

void queue_drop(struct queue *q, size_t n)
{
    assert(n <= q->bytes);
    q->bytes -= (uint32_t)n;
    while (n) {
        struct slice *s = at(q, 0);
        uint32_t take = n < s->len ? (uint32_t)n : s->len;

        s->off += take;
        s->len -= take;
        n -= take;
        if (s->len)
            continue;
        skt_buf_put(s->buf);
        q->n--;
        q->head += q->more != NULL;
    }
    if (!q->n && q->more) { /* idle links keep no array */
        free(q->more);
        *q = (struct queue){ 0 };
    }
}
