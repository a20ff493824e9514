/* flows: datagrams of many peers, each led to the target through a socket of its own, so that answers find back. */
#include "engine/relay/inside.h"

#include "engine/addrkey.h"

#include <errno.h>
#include <stdlib.h>

int flows_init(struct skt_relay *r)
{
    int e = skt_names_init(&r->flows, r->conf.max_flows, r->conf.seed);

    return e ? e : skt_heap_init(&r->idle, r->conf.max_flows * 2);
}

void flows_done(struct skt_relay *r)
{
    skt_names_done(&r->flows);
    skt_heap_done(&r->idle);
}

static void idle_in(struct skt_relay *r, struct pair *p, skt_time at)
{
    if (p->timed) /* left by the flow that had this pair before: it is early, and looks again */
        return;
    p->timed = true;
    (void)skt_heap_push(&r->idle, at, (uint32_t)(p - r->pairs)); /* one entry a pair: there is room */
}

static struct pair *flow_new(struct skt_relay *r, skt_time now, const struct skt_in *in)
{
    uint32_t i = relay_pair_new(r, now);
    struct pair *p = i ? &r->pairs[i] : NULL;
    struct key key;

    if (!p)
        return NULL;
    if (skt_names_put(&r->flows, key_of(in->peer, &key), i)) { /* full: who is there already goes on */
        relay_pair_free(r, p);
        return NULL;
    }
    p->side[NEAR].link = in->link; /* the listener's, shared: not in sides */
    p->side[NEAR].open = true;
    p->peer = *in->peer;
    relay_ask(r, p);
    idle_in(r, p, now + r->conf.flow_idle);
    relay_event(r, &(struct skt_relay_event){ .what = SKT_RELAY_CAME, .link = in->link, .peer = p->peer }, NULL);
    return p;
}

static void flow_end(struct skt_relay *r, struct pair *p, skt_time now, int why)
{
    struct key key;

    p->why = why;
    p->guilty = FAR;
    if (p->asked && !p->side[FAR].open)
        relay_failed(r, p, FAR, why);
    relay_left(r, p, now);
    (void)skt_names_del(&r->flows, key_of(&p->peer, &key));
    p->side[NEAR].link = 0;
    relay_pair_free(r, p);
}

void flows_refused(struct skt_relay *r, struct pair *p, skt_time now) { flow_end(r, p, now, -ENFILE); }

static struct skt_buf *keep(const struct skt_in *in, struct skt_span *ret_bytes)
{
    size_t n = skt_len(in->data);
    struct skt_buf *buf = in->buf ? skt_buf_ref(in->buf) : skt_buf_new(n);

    *ret_bytes = in->data;
    if (buf && !in->buf) {
        memcpy(buf->data, in->data.p, n);
        *ret_bytes = skt_span_of(buf->data, n);
    }
    return buf;
}

/* From a peer. The first datagrams wait in the kernel until the target's socket is there. */
static void inward(struct skt_relay *r, skt_time now, struct skt_in *in)
{
    static const struct skt_addr connected;
    size_t n = skt_len(in->data);
    struct pair *p;
    struct key key;
    uint32_t i;

    if (skt_names_get(&r->flows, key_of(in->peer, &key), &i))
        p = &r->pairs[i];
    else
        p = flow_new(r, now, in);
    if (!p) {
        in->data.p = in->data.end; /* over the cap: lost */
        return;
    }
    p->heard = now;
    if (!p->side[FAR].open && !p->kept && (p->kept = keep(in, &p->kept_bytes))) {
        p->kept_seg = in->seg; /* the first one is sent as soon as there is a socket */
        p->side[NEAR].got += n;
        in->data.p = in->data.end;
    } else if (!p->side[FAR].open || p->side[FAR].full) {
        in->data.p = in->data.end; /* not yet: lost, as on any network */
    } else if (parcel_take(&r->parcel, in, p->side[FAR].link, &connected)) {
        p->side[NEAR].got += n;
    }
}

static void outward(struct skt_relay *r, struct pair *p, skt_time now, struct skt_in *in)
{
    size_t n = skt_len(in->data);

    if (parcel_take(&r->parcel, in, p->side[NEAR].link, &p->peer)) {
        p->heard = now;
        p->side[FAR].got += n;
    }
}

static void target_open(struct skt_relay *r, struct pair *p)
{
    struct skt_in in = { .data = p->kept_bytes, .buf = p->kept, .seg = p->kept_seg };
    static const struct skt_addr connected;

    p->side[FAR].open = true;
    if (p->kept)
        (void)parcel_take(&r->parcel, &in, p->side[FAR].link, &connected);
    skt_buf_put(p->kept);
    p->kept = NULL;
}

void flows_recv(struct skt_relay *r, skt_time now, struct skt_in *in)
{
    bool side = NEAR;
    struct pair *p = relay_pair(r, in->link, &side);

    switch (in->kind) {
    case SKT_OPEN:
        if (p)
            target_open(r, p);
        break;
    case SKT_DATA: p ? outward(r, p, now, in) : inward(r, now, in); break;
    case SKT_CLOSE:
        if (p)
            flow_end(r, p, now, in->why);
        break;
    case SKT_FULL:
    case SKT_ROOM:
        if (p)
            p->side[FAR].full = in->kind == SKT_FULL;
        break;
    case SKT_EOF:
    case SKT_MOVE:
    case SKT_SHARE: break;
    }
}

void flows_tick(struct skt_relay *r, skt_time now)
{
    skt_time at;
    uint32_t i;

    while (skt_heap_top(&r->idle, &at, &i) && at <= now) {
        struct pair *p = &r->pairs[i];
        skt_heap_pop(&r->idle);
        p->timed = false;
        if (!p->used)
            continue;
        if (p->heard + r->conf.flow_idle > now)
            idle_in(r, p, p->heard + r->conf.flow_idle);
        else if (p->side[FAR].link)
            relay_close(r, p, FAR, 0); /* its CLOSE ends the flow */
        else
            flow_end(r, p, now, -ENFILE);
    }
}
