/* wire: datagrams between a peer and local: each read of local is one datagram, each datagram is written whole. */
#include "engine/relay/inside.h"

#include <assert.h>
#include <errno.h>

/* The socket: connected (it says OPEN), or a listener's, whose peer is who spoke last. Its pair is made when it is
 * first heard of. */
static bool wire_pair(struct skt_relay *r, skt_time now, skt_link link, struct pair **ret_pair)
{
    uint32_t i = r->local_pair ? r->local_pair : relay_pair_new(r, now);

    if (!i || (r->pairs[i].side[NEAR].link != link && !relay_side_set(r, i, NEAR, link)))
        return false;
    if (!r->local_pair) {
        r->local_pair = i;
        (void)relay_side_set(r, i, FAR, r->conf.local);
        r->pairs[i].side[FAR].open = true;
    }
    *ret_pair = &r->pairs[i];
    return true;
}

static void watch(struct skt_relay *r, const struct pair *p, const struct skt_in *in, bool outward)
{
    if (r->conf.watch)
        relay_event(r,
            &(struct skt_relay_event){ .what = SKT_RELAY_BYTES,
                .link = p->side[NEAR].link,
                .peer = p->peer,
                .outward = outward,
                .bytes = in->data },
            in->buf);
}

static void from_peer(struct skt_relay *r, struct pair *p, skt_time now, struct skt_in *in)
{
    if (p->side[FAR].full || (r->conf.watch && relay_events_full(r))) {
        in->hold = true;
        return;
    }
    if (!p->side[NEAR].open) {
        p->side[NEAR].open = true;
        relay_event(r, &(struct skt_relay_event){ .what = SKT_RELAY_CAME, .link = in->link, .peer = *in->peer }, NULL);
    }
    p->peer = *in->peer;
    p->heard = now;
    p->side[NEAR].got += skt_len(in->data);
    watch(r, p, in, false);
    if (in->buf)
        (void)skt_outbox_to(&r->box, r->conf.local, skt_slice_of(in->buf, in->data));
    else
        (void)skt_outbox_to(&r->box, r->conf.local, skt_outbox_put(&r->box, in->data));
    in->data.p = in->data.end;
}

static void from_local(struct skt_relay *r, struct pair *p, skt_time now, struct skt_in *in)
{
    size_t n = skt_len(in->data);
    struct skt_in one = *in;

    if (p && p->side[NEAR].closing) {
        in->data.p = in->data.end; /* it comes too late */
        return;
    }
    if (!p || !p->side[NEAR].open || p->side[NEAR].full || r->conf.say_only) {
        in->hold = true;
        return;
    }
    if (n > DATAGRAM_MAX)
        one.data.end = one.data.p + DATAGRAM_MAX;
    watch(r, p, &one, true);
    n = skt_len(one.data);
    if (parcel_take(&r->parcel, &one, p->side[NEAR].link, &p->peer)) {
        p->side[FAR].got += n;
        p->heard = now;
        in->data.p += n;
    }
    in->hold = skt_len(in->data) != 0 || one.hold;
}

static void local_ended(struct skt_relay *r, skt_time now)
{
    struct pair *p = r->local_pair ? &r->pairs[r->local_pair] : NULL;

    if (r->conf.keep)
        return; /* we go on listening */
    r->say_ended = true;
    if (p)
        p->heard = now;
    relay_wake_at(r, now + r->conf.linger);
}

static void over(struct skt_relay *r, struct pair *p, skt_time now, bool side, int why)
{
    p->why = why;
    p->guilty = (uint8_t)side;
    if (!p->side[NEAR].open && side == NEAR)
        relay_failed(r, p, NEAR, why);
    relay_left(r, p, now);
    r->local_gone |= side == FAR;
    relay_close(r, p, !side, 0);
    relay_pair_free(r, p);
    r->local_pair = 0;
    r->wake = SKT_NEVER;
}

void wire_recv(struct skt_relay *r, skt_time now, struct skt_in *in)
{
    struct pair *p = r->local_pair ? &r->pairs[r->local_pair] : NULL;
    bool local = in->link == r->conf.local;

    if (in->kind == SKT_CLOSE && !r->local_pair &&
        (local || r->local_gone)) { /* local before it had a peer; a socket because of it */
        r->local_why = r->local_gone ? r->local_why : in->why;
        r->local_gone = true;
        return;
    }
    bool known = local || wire_pair(r, now, in->link, &p);
    if (!known && in->kind != SKT_CLOSE) {
        in->data.p = in->data.end;
        return;
    }
    switch (in->kind) {
    case SKT_OPEN:
        if (local)
            break; /* it was open before us */
        p->side[NEAR].open = true;
        p->heard = p->since = now;
        p->peer = *in->peer;
        relay_event(r, &(struct skt_relay_event){ .what = SKT_RELAY_CAME, .link = in->link, .peer = p->peer }, NULL);
        relay_wake_at(r, now); /* what was said before */
        break;
    case SKT_DATA: local ? from_local(r, p, now, in) : from_peer(r, p, now, in); break;
    case SKT_EOF: local_ended(r, now); break;
    case SKT_CLOSE:
        if (!known)
            break;
        assert(p); /* local without a pair has left above */
        over(r, p, now, local ? FAR : NEAR, in->why);
        break;
    case SKT_FULL:
    case SKT_ROOM:
        if (r->local_pair)
            p->side[local ? FAR : NEAR].full = in->kind == SKT_FULL;
        break;
    case SKT_MOVE:
    case SKT_SHARE: break; /* never asked for */
    }
    if (!local && r->local_gone && r->local_pair)
        over(r, &r->pairs[r->local_pair], now, FAR, r->local_why);
}

/* What skt_relay_say gave: each one datagram, two bytes of length before it. */
static void say_one(struct skt_relay *r, struct pair *p, skt_time now)
{
    struct skt_span said = skt_span_of(r->say, r->say_len);
    size_t n = skt_get_u16(&said);
    struct skt_in in = { .kind = SKT_DATA, .data = skt_span_of(said.p, n) };

    watch(r, p, &in, true);
    (void)parcel_take(&r->parcel, &in, p->side[NEAR].link, &p->peer);
    p->side[FAR].got += n;
    p->heard = now;
    r->say_len -= (uint32_t)n + 2;
    memmove(r->say, r->say + n + 2, r->say_len);
    if (r->say_len)
        relay_wake_at(r, now);
}

void wire_tick(struct skt_relay *r, skt_time now)
{
    struct pair *p = &r->pairs[r->local_pair];

    if (r->say_len && p->side[NEAR].open && !p->side[NEAR].full && !r->parcel.buf)
        say_one(r, p, now);
    if (!r->say_ended || r->say_len)
        return;
    if (now < p->heard + r->conf.linger) {
        relay_wake_at(r, p->heard + r->conf.linger);
        return;
    }
    relay_close(r, p, NEAR, 0);
}
