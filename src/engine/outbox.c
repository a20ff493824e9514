/* outbox: the outputs of an engine, a flat queue of deliveries over blocks of counted text. */
#include "engine/outbox.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

enum { FIRST_ROOM = 64, KEEP_ROOM = 64 * 1024 }; /* deliveries: at first; kept when drained */

void skt_outbox_init(struct skt_outbox *ob, uint32_t limit, uint32_t max)
{
    assert(0 < limit && limit <= max);
    *ob = (struct skt_outbox){ .limit = limit, .max = max };
}

void skt_outbox_done(struct skt_outbox *ob)
{
    for (; ob->head < ob->tail; ob->head++)
        skt_buf_put(ob->queue[ob->head].buf);
    skt_buf_put(ob->lent);
    skt_buf_put(ob->block);
    free(ob->queue);
    *ob = (struct skt_outbox){ 0 };
}

struct skt_room skt_outbox_room(struct skt_outbox *ob, size_t n)
{
    assert(n <= SKT_OUTBOX_BLOCK);
    if (ob->block && ob->block->refs == 1)
        ob->used = 0; /* all that was in it has left: write over it, it is still in the cache */
    if (!ob->block || ob->block->size - ob->used < n) {
        struct skt_buf *block = skt_buf_new(SKT_OUTBOX_BLOCK);

        if (!block)
            return (struct skt_room){ .bad = true };
        skt_buf_put(ob->block);
        ob->block = block;
        ob->used = 0;
    }
    return skt_room_of(ob->block->data + ob->used, ob->block->size - ob->used);
}

struct skt_slice skt_outbox_took(struct skt_outbox *ob, struct skt_room room)
{
    uint32_t at = ob->used;

    if (room.bad)
        return (struct skt_slice){ 0 };
    assert(ob->block && room.end == ob->block->data + ob->block->size);
    ob->used = (uint32_t)(room.p - ob->block->data);
    return (struct skt_slice){ ob->block, at, ob->used - at };
}

struct skt_slice skt_outbox_put(struct skt_outbox *ob, struct skt_span bytes)
{
    struct skt_room room = skt_outbox_room(ob, skt_len(bytes));

    skt_put(&room, bytes);
    return skt_outbox_took(ob, room);
}

/* Makes room for one more at the tail: by moving what waits to the front when the gap there is great, else by doubling. */
static bool grow(struct skt_outbox *ob)
{
    uint32_t waiting = skt_outbox_count(ob), room = ob->room ? 2 * ob->room : FIRST_ROOM;
    struct skt_delivery *queue;

    if (waiting >= ob->max)
        return false;
    if (ob->head && (ob->head >= waiting || ob->room >= ob->max)) {
        memmove(ob->queue, ob->queue + ob->head, waiting * sizeof *queue);
        ob->head = 0;
        ob->tail = waiting;
        return true;
    }
    room = room < ob->max ? room : ob->max;
    queue = realloc(ob->queue, room * sizeof *queue);
    if (!queue)
        return false;
    ob->queue = queue;
    ob->room = room;
    return true;
}

int skt_outbox_reserve(struct skt_outbox *ob) { return ob->room || grow(ob) ? 0 : -ENOMEM; }

bool skt_outbox_add(struct skt_outbox *ob, struct skt_delivery d)
{
    if (ob->tail == ob->room && !grow(ob)) {
        skt_buf_put(d.buf);
        ob->lost++;
        return false;
    }
    ob->queue[ob->tail++] = d;
    return true;
}

bool skt_outbox_eof(struct skt_outbox *ob, skt_link link)
{
    return skt_outbox_add(ob, (struct skt_delivery){ .link = link, .kind = SKT_EOF });
}

bool skt_outbox_close(struct skt_outbox *ob, skt_link link, int why)
{
    return skt_outbox_add(ob, (struct skt_delivery){ .link = link, .kind = SKT_CLOSE, .at = (uint32_t)why });
}

bool skt_outbox_move(struct skt_outbox *ob, skt_link to, skt_link from, uint32_t len)
{
    return skt_outbox_add(ob, (struct skt_delivery){ .link = to, .kind = SKT_MOVE, .at = from, .len = len });
}

/* A great burst is over: do not keep its memory for ever, but never again less than at first. */
static void drained(struct skt_outbox *ob)
{
    struct skt_delivery *queue;

    ob->head = ob->tail = 0;
    if (ob->room <= KEEP_ROOM)
        return;
    queue = realloc(ob->queue, FIRST_ROOM * sizeof *queue);
    if (queue) {
        ob->queue = queue;
        ob->room = FIRST_ROOM;
    }
}

/* All but SHARE. */
static void show(const struct skt_delivery *d, struct skt_out *out)
{
    switch (out->kind) {
    case SKT_MOVE:
        out->from = d->at;
        out->len = d->len == UINT32_MAX ? UINT64_MAX : d->len;
        break;
    case SKT_CLOSE: out->why = (int)d->at; break;
    case SKT_EOF: break;
    case SKT_SHARE:
    case SKT_DATA:
    case SKT_OPEN:
    case SKT_FULL:
    case SKT_ROOM: assert(!"an outbox holds none of these");
    }
}

/* The reference of a delivery is held on to until the next send, when the driver has taken its own. */
static void lend(struct skt_outbox *ob, struct skt_buf *buf)
{
    if (buf && buf == ob->lent) {
        buf->refs--; /* a fan-out: the one that is lent will do */
    } else {
        skt_buf_put(ob->lent);
        ob->lent = buf;
    }
}

/* A fan-out: those behind it that get the same bytes go with it, as many as the driver takes at once. */
static void gather(struct skt_outbox *ob, const struct skt_delivery first, struct skt_out *out)
{
    assert(first.buf);
    while (out->also_n < out->also_max && ob->head < ob->tail) {
        const struct skt_delivery *d = &ob->queue[ob->head];
        if (d->buf != first.buf || d->at != first.at || d->len != first.len)
            break;
        out->also[out->also_n++] = d->link;
        first.buf->refs--; /* the one that is lent will do */
        ob->head++;
    }
}

bool skt_outbox_send(struct skt_outbox *ob, struct skt_out *out)
{
    const struct skt_delivery *d;

    if (ob->head == ob->tail) {
        lend(ob, NULL);
        drained(ob);
        return false;
    }
    d = &ob->queue[ob->head++];
    out->link = d->link;
    out->kind = (enum skt_kind)d->kind;
    lend(ob, d->buf);
    if (out->kind == SKT_SHARE) {
        out->share = (struct skt_span){ .p = d->buf->data + d->at, .end = d->buf->data + d->at + d->len };
        out->buf = d->buf;
        gather(ob, *d, out);
    } else {
        show(d, out);
    }
    return true;
}
