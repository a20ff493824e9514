/* stream: connections, each led to the target. Start reading at impair_stream_recv(). */
#include "engine/impair/proxy.h"

#include <errno.h>

#include "base/banned.h"

/* Nobody has to look at its bytes, now and later. */
static bool may_move(const struct skt_impair *m, const struct pair *p, bool from)
{
    return !p->hit || m->way[from].still;
}

static bool swallowed(const struct skt_impair *m, const struct pair *p) { return m->conf.blackhole && p->hit; }

static void close_both(struct skt_impair *m, struct pair *p, int why)
{
    impair_close(m, p, NEAR, why);
    impair_close(m, p, FAR, why);
}

static void broken(struct skt_impair *m, struct pair *p, int why)
{
    if (!p->why)
        p->why = why;
    close_both(m, p, why);
}

/* --- time --- */

static skt_time reset_time(const struct skt_impair *m, const struct pair *p)
{
    bool there = (p->side[NEAR].link && p->side[NEAR].closing < 2) || (p->side[FAR].link && p->side[FAR].closing < 2);

    return m->conf.reset_after && p->hit && there ? p->since + m->conf.reset_after : SKT_NEVER;
}

/* Its entry in the heap is for the earliest thing that can be done. Later ones that are there from before do no harm. */
static void arm(struct skt_impair *m, struct pair *p, bool from)
{
    struct line *l = &p->line[from];
    skt_time at = streamline_next(p, from), reset = from == NEAR ? reset_time(m, p) : SKT_NEVER;

    at = reset < at ? reset : at;
    if (at >= l->armed)
        return;
    l->armed = at;
    if (skt_heap_push(&m->due, at, (uint32_t)(p - m->pairs) * 2 + (uint32_t)from))
        broken(m, p, -ENOMEM);
}

void impair_stream_tick(struct skt_impair *m, skt_time now)
{
    skt_time at;
    uint32_t id;

    while (m->batch < BATCH && skt_heap_top(&m->due, &at, &id) && at <= now) {
        struct pair *p = &m->pairs[id / 2];
        bool from = id % 2;

        skt_heap_pop(&m->due);
        if (!p->used || at != p->line[from].armed)
            continue;
        p->line[from].armed = SKT_NEVER;
        if (reset_time(m, p) <= now)
            broken(m, p, -ECONNRESET);
        streamline_tick(m, p, from, now);
        arm(m, p, from);
    }
}

/* --- who comes and goes --- */

static void came(struct skt_impair *m, skt_time now, const struct skt_in *in)
{
    struct pair *p = impair_pair_new(m, now, in->link, in->peer);

    if (!p || !impair_side_set(m, p, NEAR, in->link)) {
        if (p)
            impair_pair_free(m, p);
        (void)skt_outbox_close(&m->box, in->link, -ENOMEM);
        return;
    }
    p->side[NEAR].open = true;
    impair_tell(m, p, SKT_IMPAIR_CAME, now, 0);
    impair_ask(m, p);
    arm(m, p, NEAR);
}

void impair_stream_refused(struct skt_impair *m, struct pair *p, int why)
{
    m->refused++;
    p->why = why;
    impair_close(m, p, NEAR, why);
}

static void lead(struct skt_impair *m, struct pair *p, bool from)
{
    struct side *s = &p->side[from], *to = &p->side[!from];

    if (may_move(m, p, from) && !s->ended && !s->closing && !to->closing && s->open && to->open)
        s->moving = skt_outbox_move(&m->box, to->link, s->link, UINT32_MAX);
}

/* The target is there. */
static void joined(struct skt_impair *m, struct pair *p, skt_time now)
{
    p->side[FAR].open = true;
    p->line[NEAR].ready = now;
    lead(m, p, NEAR);
    lead(m, p, FAR);
    arm(m, p, NEAR);
}

void impair_stream_arrived(struct skt_impair *m, struct pair *p, bool from, enum piece_kind kind)
{
    struct side *to = &p->side[!from];

    switch (kind) {
    case END:
        to->told = true;
        if (to->link && !to->closing)
            (void)skt_outbox_eof(&m->box, to->link);
        if (p->side[from].told)
            close_both(m, p, 0);
        break;
    case CLOSED: impair_close(m, p, !from, 0); break;
    case RESET: impair_close(m, p, !from, -ECONNRESET); break;
    case RESET_BOTH: broken(m, p, -ECONNRESET); break;
    case CLOSE_BOTH: close_both(m, p, 0); break;
    case BYTES: break;
    }
}

static void ending(struct skt_impair *m, struct pair *p, bool side, skt_time now, enum piece_kind kind)
{
    if (streamline_end(m, p, side, now, kind))
        broken(m, p, -ENOMEM);
    arm(m, p, side);
}

/* One side is gone. What is on its way to the other arrives there, then the same end. */
static void gone(struct skt_impair *m, struct pair *p, bool side, skt_time now, int why)
{
    struct side *s = &p->side[side];
    bool failed = side == FAR && !s->open;

    if (why && !p->why) {
        p->why = why;
        p->guilty = (uint8_t)side;
    }
    if (failed)
        impair_tell(m, p, SKT_IMPAIR_FAILED, now, why);
    *s = (struct side){ .link = s->link, .closing = 2, .ended = true, .told = s->told };
    streamline_clear(m, p, !side);
    p->line[!side].shut = true;
    if (failed || swallowed(m, p))
        impair_close(m, p, !side, failed ? why : 0);
    else if (p->side[!side].link && p->side[!side].closing < 2)
        ending(m, p, side, now, why < 0 && why != -ETIMEDOUT ? RESET : CLOSED);
}

/* Frees the pair when neither side is there any more. */
static void closed(struct skt_impair *m, struct pair *p, bool side, skt_time now, int why)
{
    gone(m, p, side, now, why);
    impair_side_drop(m, p, side);
    if (p->side[!side].link)
        return;
    impair_tell(m, p, SKT_IMPAIR_LEFT, now, p->why);
    impair_pair_free(m, p);
}

/* --- bytes --- */

/* When it came. What is not known came before it was held; who was held by others than the queue comes now. */
static skt_time came_at(const struct line *l, skt_time now, const struct skt_in *in)
{
    if (l->waits)
        return in->at ? in->at : l->held;
    return !in->at ? now : in->at < l->held ? l->held : in->at;
}

static void on_data(struct skt_impair *m, struct pair *p, bool side, skt_time now, struct skt_in *in, bool all)
{
    const struct side *s = &p->side[side], *o = &p->side[!side];

    if (s->closing || o->closing) {
        in->data.p = in->data.end; /* it comes too late */
    } else if (swallowed(m, p)) {
        m->way[side].in++;
        m->way[side].in_bytes += skt_len(in->data);
        m->way[side].lost++;
        in->data.p = in->data.end;
    } else if (may_move(m, p, side) && !all) {
        in->hold = true; /* until the target is there: then they are moved */
    } else {
        skt_time came = came_at(&p->line[side], now, in);

        if (streamline_take(m, p, side, came, now, in->buf, &in->data, all))
            broken(m, p, -ENOMEM);
        in->hold = skt_len(in->data) != 0;
        arm(m, p, side);
    }
}

static void on_end(struct skt_impair *m, struct pair *p, bool side, skt_time now)
{
    struct side *s = &p->side[side];

    if (s->ended)
        return;
    s->ended = true;
    if (!swallowed(m, p))
        ending(m, p, side, now, END);
    else if (p->side[!side].ended)
        close_both(m, p, 0);
}

/* to: the side that the bytes were moved to. */
static void on_move(struct skt_impair *m, struct pair *p, bool to, skt_time now, const struct skt_in *in)
{
    struct way *w = &m->way[!to];

    w->in_bytes += in->len;
    w->out_bytes += in->len;
    p->bytes[!to] += in->len;
    if (in->why)
        p->side[!to].moving = false;
    if (in->why == 1)
        on_end(m, p, !to, now);
}

void impair_stream_recv(struct skt_impair *m, skt_time now, struct skt_in *in)
{
    bool side = NEAR;
    struct pair *p = impair_pair(m, in->link, &side);

    if (!p) {
        if (in->kind == SKT_OPEN)
            came(m, now, in);
        return;
    }
    switch (in->kind) {
    case SKT_OPEN: joined(m, p, now); break;
    case SKT_DATA: on_data(m, p, side, now, in, false); break;
    case SKT_EOF:
        if (skt_len(in->data))
            on_data(m, p, side, now, in, true);
        on_end(m, p, side, now);
        break;
    case SKT_MOVE: on_move(m, p, side, now, in); break;
    case SKT_CLOSE: closed(m, p, side, now, in->why); break;
    case SKT_FULL: p->side[side].full = true; break;
    case SKT_ROOM:
        p->side[side].full = false;
        p->line[!side].ready = p->line[!side].ready > now ? p->line[!side].ready : now;
        arm(m, p, !side);
        break;
    case SKT_SHARE: break; /* never said */
    }
}
