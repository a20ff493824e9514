/* datagram: flows of datagrams, each led to the target through a socket of its own, so that answers find back. What
 * is on its way is one heap for all. Start reading at impair_flows_recv() and impair_flows_send(). */
#include "engine/impair/proxy.h"

#include "engine/addrkey.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/banned.h"

enum { JOINED_MAX = 64 /* datagrams of one train: UDP_MAX_SEGMENTS */ };
#define NONE UINT32_MAX

int impair_flows_init(struct skt_impair *m)
{
    int r = skt_names_init(&m->flows, m->conf.max_flows, m->conf.secret);

    if (!r)
        r = skt_heap_init(&m->due, m->conf.max_flows * 2);
    return r ? r : grams_init(&m->grams, m->conf.max_datagrams);
}

void impair_flows_done(struct skt_impair *m)
{
    parcel_done(&m->parcel);
    skt_buf_put(m->lent);
    if (!m->conf.datagrams)
        return;
    skt_names_done(&m->flows);
    grams_done(&m->grams);
}

/* --- flows --- */

static void idle_in(struct skt_impair *m, const struct pair *p, skt_time at)
{
    (void)skt_heap_push(&m->due, at, (uint32_t)(p - m->pairs)); /* one entry a flow: there is room */
}

static struct pair *flow_new(struct skt_impair *m, skt_time now, const struct skt_in *in)
{
    struct pair *p;
    struct key key;

    if (skt_names_full(&m->flows)) { /* who is there already goes on */
        m->refused++;
        return NULL;
    }
    p = impair_pair_new(m, now, in->link, in->peer);
    if (!p)
        return NULL;
    if (skt_names_put(&m->flows, key_of(in->peer, &key), (uint32_t)(p - m->pairs))) {
        impair_pair_free(m, p);
        m->refused++;
        return NULL;
    }
    p->side[NEAR].open = true; /* the listener's link is shared: not in sides */
    impair_tell(m, p, SKT_IMPAIR_CAME, now, 0);
    impair_ask(m, p);
    idle_in(m, p, now + m->conf.flow_idle);
    return p;
}

static void lose(struct skt_impair *m, struct gram *gram)
{
    struct way *w = &m->way[gram->from];

    w->bytes -= gram->len;
    w->packets--;
    grams_drop(&m->grams, gram);
}

/* What still waited for its socket is dropped; what is on the way finds no flow when it is due. */
static void flow_end(struct skt_impair *m, struct pair *p, skt_time now, int why)
{
    struct key key;

    p->why = why;
    p->guilty = FAR;
    if (!p->side[FAR].open && why)
        impair_tell(m, p, SKT_IMPAIR_FAILED, now, why);
    for (uint32_t i = p->wait_first, next; i != NONE; i = next) {
        next = m->grams.grams[i].next;
        m->way[NEAR].dropped++;
        lose(m, &m->grams.grams[i]);
    }
    impair_tell(m, p, SKT_IMPAIR_LEFT, now, why);
    (void)skt_names_del(&m->flows, key_of(&p->peer, &key));
    impair_pair_free(m, p);
}

void impair_flows_refused(struct skt_impair *m, struct pair *p, skt_time now, int why)
{
    m->refused++;
    flow_end(m, p, now, why);
}

static void idle_tick(struct skt_impair *m, skt_time now)
{
    skt_time at;
    uint32_t i;

    while (skt_heap_top(&m->due, &at, &i) && at <= now) {
        struct pair *p = &m->pairs[i];
        skt_heap_pop(&m->due);
        if (!p->used || p->side[FAR].closing)
            continue;
        if (p->heard + m->conf.flow_idle > now)
            idle_in(m, p, p->heard + m->conf.flow_idle);
        else if (p->side[FAR].link)
            impair_close(m, p, FAR, 0); /* its CLOSE ends the flow */
        else
            flow_end(m, p, now, -ENFILE);
    }
}

/* --- in --- */

/* A copy with that bit flipped. NULL: no memory. */
static struct skt_buf *flipped(struct skt_span one, uint32_t bit)
{
    size_t n = skt_len(one);
    struct skt_buf *buf = skt_buf_new(n);

    if (!buf)
        return NULL;
    memcpy(buf->data, one.p, n);
    buf->data[(bit - 1) / 8 % n] ^= (uint8_t)(1 << (bit - 1) % 8);
    return buf;
}

/* One copy on its way. */
static void depart(struct skt_impair *m, struct pair *p, bool from, skt_time now, struct skt_buf *buf,
    struct skt_span one, skt_time at, uint32_t flip)
{
    struct way *w = &m->way[from];
    size_t n = skt_len(one);
    struct gram *gram = m->way[NEAR].bytes + m->way[FAR].bytes + n > m->conf.total_bytes ? NULL : grams_new(&m->grams);

    if (!gram) {
        w->dropped++;
        return;
    }
    flip = n ? flip : 0; /* an empty one has no bit to flip */
    gram->buf = flip ? flipped(one, flip) : buf ? skt_buf_ref(buf) : skt_buf_new(n ? n : 1);
    if (!gram->buf) {
        w->dropped++;
        grams_drop(&m->grams, gram);
        return;
    }
    if (!flip && !buf && n)
        memcpy(gram->buf->data, one.p, n);
    gram->off = flip || !buf ? 0 : (uint32_t)(one.p - buf->data);
    gram->len = (uint32_t)n;
    gram->at = at;
    gram->timed = at > now;
    gram->flow = (uint32_t)(p - m->pairs);
    gram->number = p->number;
    gram->from = (uint8_t)from;
    w->bytes += n;
    w->packets++;
    grams_push(&m->grams, gram);
}

static void enter(
    struct skt_impair *m, struct pair *p, bool from, skt_time now, struct skt_buf *buf, struct skt_span one)
{
    struct way *w = &m->way[from];
    struct skt_path_fate fate;

    if (!p->hit || w->clean) {
        w->next++;
        depart(m, p, from, now, buf, one, now, 0);
        return;
    }
    fate = skt_path_pass(&w->path, now, skt_len(one), w->next++);
    for (uint32_t i = 0; i < fate.copies; i++)
        depart(m, p, from, now, buf, one, fate.at[i], fate.flip[i]);
}

/* Trains that nothing bad happens to go through whole. */
static bool through(struct skt_impair *m, struct pair *p, bool from, struct skt_in *in, uint32_t grams)
{
    static const struct skt_addr connected;
    struct way *w = &m->way[from];
    size_t n = skt_len(in->data);

    if ((p->hit && !w->clean) || w->packets || !p->side[FAR].open || p->side[!from].full)
        return false;
    if (!parcel_take(&m->parcel, in, from == NEAR ? p->side[FAR].link : p->near, from == NEAR ? &connected : &p->peer))
        return true; /* held: it comes again */
    w->next += grams;
    w->in += grams;
    w->out += grams;
    w->in_bytes += n;
    w->out_bytes += n;
    p->bytes[from] += n;
    return true;
}

static void on_data(struct skt_impair *m, struct pair *p, bool from, skt_time now, struct skt_in *in)
{
    size_t len = skt_len(in->data), seg = in->seg ? in->seg : len;
    uint32_t grams = len > seg ? (uint32_t)((len + seg - 1) / seg) : 1;
    struct way *w = &m->way[from];

    p->heard = now;
    if (m->conf.blackhole && p->hit) {
        w->lost += grams;
    } else if (p->side[FAR].closing) {
        w->dropped += grams; /* it ends */
    } else if (through(m, p, from, in, grams)) {
        return;
    } else {
        skt_time came = impair_entry(w, now, in->at ? in->at : now);

        for (struct skt_span left = in->data; grams; grams--) {
            size_t n = skt_len(left) < seg ? skt_len(left) : seg;
            w->in++;
            w->in_bytes += n;
            enter(m, p, from, came, in->buf, skt_span_of(left.p, n));
            left.p += n;
        }
        in->data.p = in->data.end;
        return;
    }
    w->in += grams;
    w->in_bytes += len;
    in->data.p = in->data.end;
}

static void from_peer(struct skt_impair *m, skt_time now, struct skt_in *in)
{
    struct pair *p;
    struct key key;
    uint32_t i;

    if (!in->peer) { /* no datagram socket: whose it is cannot be told */
        in->data.p = in->data.end;
        return;
    }
    if (skt_names_get(&m->flows, key_of(in->peer, &key), &i))
        p = &m->pairs[i];
    else
        p = flow_new(m, now, in);
    if (p) {
        on_data(m, p, NEAR, now, in);
        return;
    }
    m->way[NEAR].in++; /* a train of one who has no flow counts as one */
    m->way[NEAR].in_bytes += skt_len(in->data);
    m->way[NEAR].dropped++;
    in->data.p = in->data.end;
}

/* The socket to the target is there: what waited for it is due. */
static void target_open(struct skt_impair *m, struct pair *p, skt_time now)
{
    p->side[FAR].open = true;
    for (uint32_t i = p->wait_first, next; i != NONE; i = next) {
        next = m->grams.grams[i].next;
        m->grams.grams[i].at = now;
        m->grams.grams[i].timed = false;
        grams_push(&m->grams, &m->grams.grams[i]);
    }
    p->wait_first = p->wait_last = NONE;
}

static void set_full(struct skt_impair *m, struct pair *p, bool full)
{
    if (p)
        p->side[FAR].full = full;
    (void)m; /* the listener's: what it cannot take the driver counts */
}

void impair_flows_recv(struct skt_impair *m, skt_time now, struct skt_in *in)
{
    bool side = NEAR;
    struct pair *p = impair_pair(m, in->link, &side);

    switch (in->kind) {
    case SKT_OPEN:
        if (p)
            target_open(m, p, now);
        break;
    case SKT_DATA: p ? on_data(m, p, FAR, now, in) : from_peer(m, now, in); break;
    case SKT_CLOSE:
        if (p)
            flow_end(m, p, now, in->why);
        break;
    case SKT_FULL:
    case SKT_ROOM: set_full(m, p, in->kind == SKT_FULL); break;
    case SKT_EOF:
    case SKT_MOVE:
    case SKT_SHARE: break;
    }
}

/* --- out --- */

static struct pair *flow_of(const struct skt_impair *m, const struct gram *gram)
{
    struct pair *p = &m->pairs[gram->flow];

    return p->used && p->number == gram->number ? p : NULL;
}

static void wait_for_target(struct skt_impair *m, struct pair *p, struct gram *gram)
{
    uint32_t i = (uint32_t)(gram - m->grams.grams);

    gram->next = NONE;
    if (p->wait_last == NONE)
        p->wait_first = i;
    else
        m->grams.grams[p->wait_last].next = i;
    p->wait_last = i;
}

/* The next that is due and can go; the others are put where they belong. NULL: none. */
static struct gram *next_due(struct skt_impair *m, skt_time now)
{
    struct gram *gram;

    while ((gram = grams_top(&m->grams)) && gram->at <= now) {
        struct pair *p = flow_of(m, gram);
        if (p && p->side[FAR].open && !p->side[FAR].closing && !(gram->from == NEAR && p->side[FAR].full))
            return gram;
        (void)grams_pop(&m->grams);
        if (p && !p->side[FAR].open && !p->side[FAR].closing) {
            wait_for_target(m, p, gram);
        } else {
            m->way[gram->from].dropped++;
            lose(m, gram);
        }
    }
    return NULL;
}

/* Takes the one on top off the line, and counts. */
static void departed(struct skt_impair *m, skt_time now)
{
    struct gram *gram = grams_pop(&m->grams);
    struct way *w = &m->way[gram->from];
    struct pair *p = flow_of(m, gram);

    assert(p); /* who has no flow does not depart: next_due and follows see to it */
    if (gram->timed)
        skt_lag_add(&w->lag, now - gram->at);
    w->out++;
    w->out_bytes += gram->len;
    p->bytes[gram->from] += gram->len;
    p->heard = now;
    lose(m, gram);
}

/* May it follow in the same train, as far as borders go? All are equal but the last, which is shorter. */
static bool follows(const struct gram *next, const struct gram *first, uint32_t last_len)
{
    return next && next->flow == first->flow && next->from == first->from && last_len == first->len && 0 < next->len &&
           next->len <= first->len;
}

static void put(struct skt_room *room, const struct gram *gram)
{
    skt_put(room, skt_span_of(gram->buf->data + gram->off, gram->len));
}

/* Datagrams that touch in memory go out as they lie there; others that leave together are copied into one train. */
static void join(struct skt_impair *m, skt_time now, struct skt_out *out)
{
    struct gram first = *grams_top(&m->grams), *next;
    uint32_t count = 1, len = first.len, end = first.off + first.len;
    struct skt_room room = out->data;

    skt_buf_put(m->lent);
    m->lent = skt_buf_ref(first.buf);
    departed(m, now);
    for (; count < JOINED_MAX && follows(next = next_due(m, now), &first, len) && next->buf == first.buf &&
           next->off == end;
         count++, departed(m, now)) {
        len = next->len;
        end += len;
    }
    out->kind = SKT_SHARE;
    out->buf = m->lent;
    out->share = skt_span_of(m->lent->data + first.off, end - first.off);
    if (count == 1) {
        skt_put(&room, out->share);
        for (; !room.bad && count < JOINED_MAX && follows(next = next_due(m, now), &first, len) &&
               next->len <= skt_left(room);
             count++, departed(m, now)) {
            len = next->len;
            put(&room, next);
        }
        if (count > 1) {
            out->kind = SKT_DATA;
            out->data = room;
        }
    }
    out->seg = count > 1 ? first.len : 0;
}

bool impair_flows_send(struct skt_impair *m, skt_time now, struct skt_out *out)
{
    static const struct skt_addr connected;
    const struct gram *gram;
    const struct pair *p;

    if (parcel_send(&m->parcel, out))
        return true;
    gram = next_due(m, now);
    if (!gram) {
        skt_buf_put(m->lent);
        m->lent = NULL;
        return false;
    }
    p = flow_of(m, gram);
    out->link = gram->from == NEAR ? p->side[FAR].link : p->near;
    out->peer = gram->from == NEAR ? connected : p->peer;
    join(m, now, out);
    return true;
}

void impair_flows_tick(struct skt_impair *m, skt_time now) { idle_tick(m, now); }
