#pragma once
#include <sockit/engine.h>

/* outbox: what an engine wants done, in the order in which it came to want it; drained by skt_outbox_send.
 * Text is written once, into counted blocks, and given to any number of links. Slices that follow each other in a block
 * and go to the same link touch, so that a driver can write them as one. Nothing here is atomic: one thread. */

enum { SKT_OUTBOX_BLOCK = 16 * 1024 };

/* Part of a counted buf. Borrowed: a delivery takes a reference of its own. buf NULL: nothing, out of memory. */
struct skt_slice {
    struct skt_buf *buf;
    uint32_t at, len;
};

/* 24 bytes: a fan-out to 500 links walks over 12 KB in order. */
struct skt_delivery {
    struct skt_buf *buf; /* SHARE; else NULL */
    uint32_t at;         /* SHARE: offset in buf; MOVE: the link `from`; CLOSE: why */
    uint32_t len;        /* SHARE: bytes; MOVE: bytes, UINT32_MAX: until the source ends */
    skt_link link;
    uint32_t kind; /* enum skt_kind: SHARE, MOVE, EOF, CLOSE */
};

struct skt_outbox {
    struct skt_delivery *queue; /* [head, tail) of room; starts again at 0 when it is drained */
    uint32_t head, tail, room;
    uint32_t limit, max;   /* full() from limit on; never more than max */
    struct skt_buf *block; /* being filled; NULL: none yet */
    uint32_t used;         /* of block */
    struct skt_buf *lent;  /* shown to the driver by the last send, which takes its own reference after that */
    uint64_t lost;         /* deliveries refused: over max, or out of memory */
};

/* limit: where full() begins, so that the engine stops taking input; max: the hard cap, with room for all that one input
 * may cause. Allocates nothing yet. done takes a zeroed outbox. */
void skt_outbox_init(struct skt_outbox *ob, uint32_t limit, uint32_t max);
void skt_outbox_done(struct skt_outbox *ob);

/* So that from now on a few deliveries fit into a drained outbox whatever happens, such as the close of one who could not
 * be let in for want of memory. 0, -ENOMEM. */
int skt_outbox_reserve(struct skt_outbox *ob);

/* Room for n bytes of text at least (n <= SKT_OUTBOX_BLOCK), valid until the next call; bad: out of memory. */
struct skt_room skt_outbox_room(struct skt_outbox *ob, size_t n);
/* What was written into that room becomes a slice, frozen; nothing when the room is bad. Valid until the next room. */
struct skt_slice skt_outbox_took(struct skt_outbox *ob, struct skt_room room);
/* room, skt_put, took in one. n <= SKT_OUTBOX_BLOCK. */
struct skt_slice skt_outbox_put(struct skt_outbox *ob, struct skt_span bytes);
/* Bytes that lie in a counted buf already, such as in->data with in->buf. */
static inline struct skt_slice skt_slice_of(struct skt_buf *buf, struct skt_span part)
{
    return (struct skt_slice){ buf, (uint32_t)(part.p - buf->data), (uint32_t)skt_len(part) };
}

/* Each is false, and the delivery lost and counted, when there is no room for it: the caller ought to end that link, as a
 * stream with a hole is worse than none. */
bool skt_outbox_add(struct skt_outbox *ob, struct skt_delivery d); /* d.buf: takes over the caller's reference */
bool skt_outbox_eof(struct skt_outbox *ob, skt_link link);
bool skt_outbox_close(struct skt_outbox *ob, skt_link link, int why);
bool skt_outbox_move(struct skt_outbox *ob, skt_link to, skt_link from, uint32_t len); /* UINT32_MAX: to the end */

static inline bool skt_outbox_to(struct skt_outbox *ob, skt_link link, struct skt_slice s)
{
    struct skt_delivery d = { s.buf, s.at, s.len, link, SKT_SHARE };

    if (!s.buf) {
        ob->lost++;
        return false;
    }
    skt_buf_ref(s.buf);
    if (ob->tail == ob->room) /* the rare path grows the queue */
        return skt_outbox_add(ob, d);
    ob->queue[ob->tail++] = d;
    return true;
}

/* For the engine's send: the next delivery. False: nothing left. */
bool skt_outbox_send(struct skt_outbox *ob, struct skt_out *out);

static inline uint32_t skt_outbox_count(const struct skt_outbox *ob) { return ob->tail - ob->head; }
static inline bool skt_outbox_full(const struct skt_outbox *ob) { return skt_outbox_count(ob) >= ob->limit; }
