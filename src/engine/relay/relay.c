/* relay: the contract: who is paired with whom, what is to be opened, what happened. */
#include "engine/relay/inside.h"

#include <errno.h>
#include <stdlib.h>

/* --- pairs and their sides --- */

struct pair *relay_pair(struct skt_relay *r, skt_link link, bool *ret_side)
{
    const uint32_t *chunk = r->sides[skt_slot(link) / CHUNK];
    uint32_t at = chunk ? chunk[skt_slot(link) % CHUNK] : 0;

    if (!at || r->pairs[at / 2].side[at % 2].link != link)
        return NULL;
    *ret_side = at % 2;
    return &r->pairs[at / 2];
}

uint32_t relay_pair_new(struct skt_relay *r, skt_time now)
{
    uint32_t i = r->free_pair;

    if (i) {
        r->free_pair = r->pairs[i].next_free;
    } else {
        uint32_t n = r->n_pairs ? r->n_pairs * 2 : 16;
        struct pair *pairs;
        uint32_t *asks;
        if (n > SKT_LINKS_MAX / 2)
            return 0;
        pairs = realloc(r->pairs, n * sizeof *pairs);
        if (!pairs)
            return 0;
        r->pairs = pairs;
        asks = realloc(r->asks, n * sizeof *asks);
        if (!asks)
            return 0;
        r->asks = asks;
        for (uint32_t k = n - 1; k > (r->n_pairs ? r->n_pairs - 1 : 1); k--) {
            r->pairs[k] = (struct pair){ .next_free = r->free_pair };
            r->free_pair = k;
        }
        if (!r->n_pairs)
            r->pairs[1] = (struct pair){ 0 };
        i = r->n_pairs ? r->free_pair : 1;
        if (r->n_pairs)
            r->free_pair = r->pairs[i].next_free;
        r->n_pairs = n;
    }
    r->pairs[i] = (struct pair){
        .used = true, .timed = r->pairs[i].timed, .asking = r->pairs[i].asking, .since = now, .heard = now
    };
    return i;
}

bool relay_side_set(struct skt_relay *r, uint32_t pair, bool side, skt_link link)
{
    uint32_t **chunk = &r->sides[skt_slot(link) / CHUNK];

    if (!*chunk && !(*chunk = calloc(CHUNK, sizeof **chunk)))
        return false;
    (*chunk)[skt_slot(link) % CHUNK] = pair * 2 + (uint32_t)side;
    r->pairs[pair].side[side].link = link;
    return true;
}

void relay_side_drop(struct skt_relay *r, struct pair *p, bool side)
{
    skt_link link = p->side[side].link;

    if (link && r->sides[skt_slot(link) / CHUNK])
        r->sides[skt_slot(link) / CHUNK][skt_slot(link) % CHUNK] = 0;
    p->side[side].link = 0;
}

void relay_pair_free(struct skt_relay *r, struct pair *p)
{
    relay_side_drop(r, p, NEAR);
    relay_side_drop(r, p, FAR);
    skt_buf_put(p->kept);
    *p = (struct pair){ .timed = p->timed, .asking = p->asking, .next_free = r->free_pair };
    r->free_pair = (uint32_t)(p - r->pairs);
}

void relay_ask(struct skt_relay *r, struct pair *p)
{
    p->asked = true;
    if (!p->asking) /* a pair is there once: there is room */
        r->asks[r->n_asks++] = (uint32_t)(p - r->pairs);
    p->asking = true;
}

/* --- events --- */

bool relay_events_full(const struct skt_relay *r) { return r->n_events >= EVENTS_MAX / 2; }

void relay_event(struct skt_relay *r, const struct skt_relay_event *ev, struct skt_buf *buf)
{
    if (r->n_events == EVENTS_MAX) { /* the verb does not listen: the oldest goes */
        skt_buf_put(r->events[r->first].buf);
        r->first = (r->first + 1) % EVENTS_MAX;
        r->n_events--;
    }
    r->events[(r->first + r->n_events++) % EVENTS_MAX] = (struct happened){ *ev, buf ? skt_buf_ref(buf) : NULL };
}

bool skt_relay_next(struct skt_relay *r, struct skt_relay_event *ret_event)
{
    skt_buf_put(r->shown);
    r->shown = NULL;
    if (!r->n_events)
        return false;
    *ret_event = r->events[r->first].ev;
    r->shown = r->events[r->first].buf;
    r->first = (r->first + 1) % EVENTS_MAX;
    r->n_events--;
    return true;
}

void relay_left(struct skt_relay *r, struct pair *p, skt_time now)
{
    relay_event(r,
        &(struct skt_relay_event){ .what = SKT_RELAY_LEFT,
            .link = p->side[NEAR].link,
            .target = p->target,
            .peer = p->peer,
            .failed = p->failed,
            .outward = p->guilty == FAR,
            .in = p->side[NEAR].got,
            .out = p->side[FAR].got,
            .stayed = now - p->since,
            .why = p->why },
        NULL);
}

void relay_failed(struct skt_relay *r, struct pair *p, bool side, int why)
{
    p->failed = true;
    relay_event(r,
        &(struct skt_relay_event){ .what = SKT_RELAY_FAILED, .link = p->side[side].link, .peer = p->peer, .why = why },
        NULL);
}

/* --- time --- */

void relay_wake_at(struct skt_relay *r, skt_time at) { r->wake = at < r->wake ? at : r->wake; }

size_t relay_allowed(struct skt_relay *r, struct side *s, skt_time now, size_t n)
{
    if (!r->conf.rate)
        return n;
    skt_time span = r->conf.rate < 50 ? (skt_time)(SKT_SEC / r->conf.rate) + 1 : SKT_SEC / 50; /* a byte's, at least */
    if (now - s->filled > span)
        s->filled = now - span;
    uint64_t tokens = (uint64_t)(now - s->filled) * r->conf.rate / SKT_SEC;
    if (n > tokens) {
        n = (size_t)tokens;
        relay_wake_at(r, now + SKT_SEC / 50 + (skt_time)(SKT_SEC / r->conf.rate));
    }
    s->filled += (skt_time)(n * SKT_SEC / r->conf.rate);
    return n;
}

static void tick(struct skt_relay *r, skt_time now)
{
    if (now < r->wake)
        return;
    r->wake = SKT_NEVER;
    if (r->local_pair) {
        if (r->conf.datagrams)
            wire_tick(r, now);
        else
            pair_tick(r, &r->pairs[r->local_pair], now);
    }
}

/* --- the contract --- */

static void relay_recv(void *self, skt_time now, struct skt_in *in)
{
    struct skt_relay *r = self;
    struct pair *p;
    bool side;

    if (r->conf.datagrams) {
        (r->conf.to ? flows_recv : wire_recv)(r, now, in);
        return;
    }
    p = relay_pair(r, in->link, &side);
    if (p) {
        pair_recv(r, p, side, now, in);
    } else if (in->kind == SKT_OPEN) {
        pair_came(r, now, in);
    } else if (in->link == r->conf.local) { /* nobody is there yet */
        in->hold = in->kind == SKT_DATA;
        r->local_ended |= in->kind == SKT_EOF;
        if (in->kind == SKT_CLOSE) {
            r->local_gone = true;
            r->local_why = in->why;
        }
    }
}

static bool send_ask(struct skt_relay *r, skt_time now, struct skt_out *out)
{
    while (r->n_asks) {
        uint32_t i = r->asks[--r->n_asks];
        struct pair *p = &r->pairs[i];
        p->asking = false;
        if (!p->used || !p->asked || p->side[FAR].link)
            continue;
        if (!out->link || !relay_side_set(r, i, FAR, out->link)) {
            p->why = -ENFILE;
            if (r->conf.datagrams) /* NEAR is the socket of all */
                flows_refused(r, p, now);
            else
                relay_close(r, p, NEAR, -ENFILE);
            continue;
        }
        p->target = out->link;
        out->kind = SKT_OPEN;
        skt_put_str(&out->data, r->conf.to);
        return true;
    }
    return false;
}

/* Sides whose CLOSE found no room in the outbox. */
static bool send_doomed(struct skt_relay *r, struct skt_out *out)
{
    for (uint32_t i = 1; r->doomed && i < r->n_pairs; i++) {
        for (int side = NEAR; side <= FAR; side++) {
            struct side *s = &r->pairs[i].side[side];
            if (!s->doomed)
                continue;
            s->doomed = false;
            out->link = s->link;
            out->kind = SKT_CLOSE;
            out->why = -ENOMEM;
            if (s->link)
                return true;
        }
    }
    r->doomed = false;
    return false;
}

static bool relay_send(void *self, skt_time now, struct skt_out *out)
{
    struct skt_relay *r = self;

    tick(r, now);
    if (r->conf.datagrams && r->conf.to)
        flows_tick(r, now);
    return parcel_send(&r->parcel, out) || send_ask(r, now, out) || skt_outbox_send(&r->box, out) ||
           send_doomed(r, out);
}

static skt_time relay_wake(const void *self)
{
    const struct skt_relay *r = self;
    skt_time at = SKT_NEVER;
    uint32_t id;

    (void)skt_heap_top(&r->idle, &at, &id);
    return r->wake < at ? r->wake : at;
}

static const struct skt_engine_ops relay_ops = { relay_recv, relay_send, relay_wake };

struct skt_engine skt_relay_engine(struct skt_relay *r) { return (struct skt_engine){ &relay_ops, r }; }

static int init(struct skt_relay *r, const struct skt_relay_conf *conf)
{
    r->conf = *conf;
    if (!conf->linger)
        r->conf.linger = conf->datagrams || conf->late_end ? SKT_SEC : 2 * SKT_SEC;
    if (!conf->max_flows)
        r->conf.max_flows = 4096;
    if (!conf->flow_idle)
        r->conf.flow_idle = 60 * SKT_SEC;
    r->wake = SKT_NEVER;
    skt_outbox_init(&r->box, 4096, 1 << 20);
    r->sides = calloc(SKT_LINKS_MAX / CHUNK, sizeof *r->sides);
    if (!r->sides || skt_outbox_reserve(&r->box))
        return -ENOMEM;
    return conf->datagrams && conf->to ? flows_init(r) : 0;
}

struct skt_relay *skt_relay_new(const struct skt_relay_conf *conf)
{
    struct skt_relay *r = calloc(1, sizeof *r);

    if (r && init(r, conf)) {
        skt_relay_free(r);
        return NULL;
    }
    return r;
}

void skt_relay_free(struct skt_relay *r)
{
    struct skt_relay_event ev;

    if (!r)
        return;
    while (skt_relay_next(r, &ev))
        ;
    if (r->conf.datagrams && r->conf.to)
        flows_done(r);
    for (uint32_t i = 0; r->sides && i < SKT_LINKS_MAX / CHUNK; i++)
        free(r->sides[i]);
    free(r->sides);
    for (uint32_t i = 1; i < r->n_pairs; i++)
        skt_buf_put(r->pairs[i].kept);
    free(r->pairs);
    free(r->asks);
    free(r->say);
    parcel_done(&r->parcel);
    skt_outbox_done(&r->box);
    free(r);
}

/* --- local's own words --- */

void skt_relay_expect(struct skt_relay *r, skt_link peer)
{
    uint32_t i = relay_pair_new(r, 0);

    if (!i)
        return; /* its OPEN will be taken for somebody who came: the same */
    if (!relay_side_set(r, i, NEAR, peer))
        relay_pair_free(r, &r->pairs[i]);
}

int skt_relay_say(struct skt_relay *r, struct skt_span text)
{
    struct skt_room room;

    if (r->say_ended)
        return -EPIPE;
    if (r->conf.datagrams && skt_len(text) > DATAGRAM_MAX)
        return -EMSGSIZE;
    if (!r->say && !(r->say = malloc(SAY_MAX)))
        return -ENOMEM;
    room = skt_room_of(r->say + r->say_len, SAY_MAX - r->say_len);
    if (r->conf.datagrams) /* each is one: wire.c */
        skt_put_u16(&room, (uint16_t)skt_len(text));
    skt_put(&room, text);
    if (room.bad)
        return -EAGAIN;
    r->say_len = (uint32_t)(room.p - r->say);
    r->wake = 0; /* at once */
    return 0;
}

int skt_relay_say_end(struct skt_relay *r)
{
    r->say_ended = true;
    r->wake = 0;
    return 0;
}
