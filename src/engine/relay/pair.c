/* pair: streams, two by two. Bytes are moved by the driver unseen, or, to be watched, changed or slowed, pass through
 * here. Start reading at pair_recv(). */
#include "engine/relay/inside.h"

#include "wire/proxy.h"

#include <errno.h>

/* local's bytes go to the peer, the peer's to local; else who came is led to the target. */
static bool is_local(const struct skt_relay *r, const struct pair *p, bool side)
{
    return side == FAR && r->conf.local && p->side[FAR].link == r->conf.local;
}

static bool through_here(const struct skt_relay *r) { return r->conf.watch || r->conf.crlf || r->conf.rate; }

void relay_close(struct skt_relay *r, struct pair *p, bool side, int why)
{
    if (!p->side[side].link || p->side[side].closing)
        return;
    if (is_local(r, p, side) && r->conf.keep) {
        relay_side_drop(r, p, side);
        r->local_pair = 0;
    } else {
        p->side[side].closing = true;
        if (!skt_outbox_close(&r->box, p->side[side].link, why))
            r->doomed = p->side[side].doomed = true;
    }
}

static void tell_end(struct skt_relay *r, struct pair *p, bool side)
{
    struct side *s = &p->side[side];

    if (s->told || !s->open || s->closing) /* a target that is not there yet hears it when it is */
        return;
    s->told = true;
    if (!(is_local(r, p, side) && r->conf.keep) && !skt_outbox_eof(&r->box, s->link))
        relay_close(r, p, side, -ENOMEM); /* it would wait for an end that never comes */
}

/* Standard input ended without a byte and we were the one to wait: there was never anything to say, so the end of it is no
 * news, and a peer that takes a half-close for the end of all would stop sending. */
static bool only_receives(const struct skt_relay *r, const struct pair *p)
{
    return r->conf.waits && p->end_waits && !p->side[FAR].got;
}

/* Both directions are over when both sides have ended. */
static void side_ended(struct skt_relay *r, struct pair *p, bool side, skt_time now)
{
    p->side[side].ended = true;
    if (is_local(r, p, side) && !p->side[NEAR].ended &&
        (r->conf.late_end || (!p->side[FAR].got && !r->conf.say_only))) {
        p->end_waits = true;
        p->heard = now;
        if (!only_receives(r, p))
            relay_wake_at(r, now + r->conf.linger);
        return;
    }
    tell_end(r, p, !side);
    if (p->side[NEAR].ended && p->side[FAR].ended) {
        relay_close(r, p, NEAR, 0);
        relay_close(r, p, FAR, 0);
    } else if (is_local(r, p, !side)) { /* the peer has ended: what our input still gives is sent, silence ends it */
        p->heard = now;
        relay_wake_at(r, now + r->conf.linger);
        if (r->conf.say_only && !r->say_len)
            relay_close(r, p, NEAR, 0);
    }
}

static void lead(struct skt_relay *r, struct pair *p, bool from)
{
    struct side *s = &p->side[from], *o = &p->side[!from];

    s->filled = p->since;
    if (s->closing || o->closing)
        return;
    if (through_here(r) || s->ended || (is_local(r, p, from) && r->conf.say_only))
        return;
    s->moving = skt_outbox_move(&r->box, o->link, s->link, UINT32_MAX);
}

static void joined(struct skt_relay *r, struct pair *p)
{
    if (r->conf.proxy && r->conf.to) {
        struct skt_room room = skt_outbox_room(&r->box, SKT_PROXY_MAX);
        skt_proxy_put(&room, &p->peer, &r->conf.here);
        (void)skt_outbox_to(&r->box, p->side[FAR].link, skt_outbox_took(&r->box, room));
    }
    lead(r, p, NEAR);
    lead(r, p, FAR);
}

/* local was there before; now it has somebody to talk to. */
void pair_local_joined(struct skt_relay *r, struct pair *p, skt_time now)
{
    if (r->local_gone) { /* a directory as standard input, a broken pipe, ... */
        p->why = r->local_why;
        p->guilty = FAR;
        relay_close(r, p, NEAR, 0);
        return;
    }
    if (r->local_pair || !relay_side_set(r, (uint32_t)(p - r->pairs), FAR, r->conf.local)) {
        relay_close(r, p, NEAR, -EBUSY); /* one at a time: the listener knows that, too */
        return;
    }
    r->local_pair = (uint32_t)(p - r->pairs);
    p->side[FAR].open = true;
    joined(r, p);
    pair_say(r, p, now);
    if (r->local_ended && !p->side[FAR].moving && !r->conf.say_only)
        side_ended(r, p, FAR, now);
}

static void opened(struct skt_relay *r, struct pair *p, skt_time now, const struct skt_in *in)
{
    p->side[NEAR].open = true;
    p->peer = *in->peer;
    p->since = p->heard = now;
    relay_event(r, &(struct skt_relay_event){ .what = SKT_RELAY_CAME, .link = in->link, .peer = p->peer }, NULL);
    if (r->conf.to)
        relay_ask(r, p);
    else
        pair_local_joined(r, p, now);
}

void pair_came(struct skt_relay *r, skt_time now, struct skt_in *in)
{
    uint32_t i = relay_pair_new(r, now);

    if (!i || !relay_side_set(r, i, NEAR, in->link)) {
        (void)skt_outbox_close(&r->box, in->link, -ENOMEM);
        return;
    }
    opened(r, &r->pairs[i], now, in);
}

/* --- bytes that pass through here --- */

static void watch(struct skt_relay *r, struct pair *p, bool from, struct skt_span bytes, struct skt_buf *buf)
{
    if (r->conf.watch && skt_len(bytes))
        relay_event(r,
            &(struct skt_relay_event){ .what = SKT_RELAY_BYTES,
                .link = p->side[NEAR].link,
                .peer = p->peer,
                .outward = (from == FAR) == !r->conf.to,
                .bytes = bytes },
            buf);
}

static bool pass(struct skt_relay *r, struct pair *p, bool from, struct skt_slice s)
{
    if (!s.buf)
        return false;
    if (p->side[!from].closing)
        return true; /* it has ended: what still comes for it is lost, as it would be in its socket */
    watch(r, p, from, skt_span_of(s.buf->data + s.at, s.len), s.buf);
    return skt_outbox_to(&r->box, p->side[!from].link, s);
}

static bool pass_copy(struct skt_relay *r, struct pair *p, bool from, struct skt_span bytes)
{
    bool ok = true;

    while (ok && skt_len(bytes)) {
        size_t n = skt_len(bytes) < SKT_OUTBOX_BLOCK ? skt_len(bytes) : SKT_OUTBOX_BLOCK;
        ok = pass(r, p, from, skt_outbox_put(&r->box, skt_span_of(bytes.p, n)));
        bytes.p += n;
    }
    return ok;
}

/* LF becomes CRLF, but CRLF stays. */
static bool pass_crlf(struct skt_relay *r, struct pair *p, bool from, struct skt_span bytes)
{
    bool ok = true;

    while (ok && skt_len(bytes)) {
        struct skt_room room = skt_outbox_room(&r->box, SKT_OUTBOX_BLOCK);
        while (skt_len(bytes) && skt_left(room) >= 2 && !room.bad) {
            uint8_t c = *bytes.p++;
            if (c == '\n' && !p->last_cr)
                skt_put_u8(&room, '\r');
            skt_put_u8(&room, c);
            p->last_cr = c == '\r';
        }
        ok = pass(r, p, from, skt_outbox_took(&r->box, room));
    }
    return ok;
}

static void on_data(struct skt_relay *r, struct pair *p, bool from, skt_time now, struct skt_in *in)
{
    struct side *s = &p->side[from], *o = &p->side[!from];
    struct skt_span bytes = in->data;
    bool ok;

    if (!o->open || o->full || skt_outbox_full(&r->box) || (r->conf.watch && relay_events_full(r)) ||
        (is_local(r, p, from) && r->conf.say_only)) {
        in->hold = true;
        return;
    }
    bytes.end = bytes.p + relay_allowed(r, s, now, skt_len(bytes));
    in->data.p = bytes.end;
    in->hold = skt_len(in->data) != 0;
    s->got += skt_len(bytes);
    p->heard = now;
    if (r->conf.crlf && is_local(r, p, from))
        ok = pass_crlf(r, p, from, bytes);
    else if (in->buf && skt_len(bytes))
        ok = pass(r, p, from, skt_slice_of(in->buf, bytes));
    else
        ok = pass_copy(r, p, from, bytes);
    if (!ok)
        relay_close(r, p, NEAR, -ENOBUFS);
}

static void on_move(struct skt_relay *r, struct pair *p, bool to, skt_time now, const struct skt_in *in)
{
    struct side *s = &p->side[!to];

    s->got += in->len;
    if (in->len)
        p->heard = now;
    if (in->why)
        s->moving = false;
    if (in->why == 1)
        side_ended(r, p, !to, now);
}

/* One side is gone: the other gets what is queued for it, then the same end; a reset is passed on as one. */
static void on_close(struct skt_relay *r, struct pair *p, bool side, skt_time now, int why)
{
    if (why && !p->why) {
        p->why = why;
        p->guilty = (uint8_t)side;
    }
    if (side == FAR && p->asked && !p->side[FAR].open)
        relay_failed(r, p, FAR, why);
    if (side == NEAR && !p->side[NEAR].open && !p->asked) /* our own connect failed */
        relay_failed(r, p, NEAR, why);
    p->side[side].open = false;
    p->side[side].closing = true; /* it is gone: nothing goes there */
    if (is_local(r, p, side)) {
        r->local_pair = 0;
        r->wake = SKT_NEVER; /* nothing to wait for: who drives us may end */
    }
    relay_close(r, p, !side, why == -ECONNRESET && !is_local(r, p, !side) ? why : 0);
    if (side == FAR)
        relay_side_drop(r, p, FAR);
    else
        p->side[NEAR].ended = true;
    if (side == NEAR) {
        if (!p->side[FAR].link) {
            relay_left(r, p, now);
            relay_pair_free(r, p);
            return;
        }
        p->gone = true;
    } else if (p->gone) {
        relay_left(r, p, now);
        relay_pair_free(r, p);
    }
}

void pair_recv(struct skt_relay *r, struct pair *p, bool side, skt_time now, struct skt_in *in)
{
    struct side *s = &p->side[side];

    switch (in->kind) {
    case SKT_OPEN:
        if (side == NEAR) {
            opened(r, p, now, in);
        } else {
            s->open = true;
            joined(r, p);
            if (p->side[NEAR].ended)
                tell_end(r, p, FAR);
        }
        break;
    case SKT_DATA: on_data(r, p, side, now, in); break;
    case SKT_MOVE: on_move(r, p, side, now, in); break;
    case SKT_EOF:
        if (skt_len(in->data)) /* nothing is ever left unread without a hold */
            in->data.p = in->data.end;
        side_ended(r, p, side, now);
        break;
    case SKT_CLOSE: on_close(r, p, side, now, in->why); break;
    case SKT_FULL: s->full = true; break;
    case SKT_ROOM:
        s->full = false;
        if (is_local(r, p, !side))
            pair_say(r, p, now);
        break;
    case SKT_SHARE: break; /* never said */
    }
}

/* --- local --- */

void pair_say(struct skt_relay *r, struct pair *p, skt_time now)
{
    if (!p->side[NEAR].open || p->side[NEAR].full || p->side[NEAR].closing)
        return;
    if (r->say_len) {
        struct skt_span text = skt_span_of(r->say, r->say_len);
        p->side[FAR].got += r->say_len;
        (void)(r->conf.crlf ? pass_crlf : pass_copy)(r, p, FAR, text);
        r->say_len = 0;
    }
    if (r->say_ended && !p->side[FAR].ended) {
        side_ended(r, p, FAR, now);
    }
}

void pair_tick(struct skt_relay *r, struct pair *p, skt_time now)
{
    skt_time due = p->heard + r->conf.linger;

    pair_say(r, p, now);
    if (!p->side[NEAR].link || only_receives(r, p) || (!p->end_waits && (!p->side[NEAR].ended || p->side[FAR].ended)))
        return;
    if (now < due || p->side[NEAR].full) { /* full: that is no silence of our input */
        relay_wake_at(r, now < due ? due : now + r->conf.linger);
        return;
    }
    if (p->end_waits) {
        p->end_waits = false;
        tell_end(r, p, NEAR);
    } else {
        relay_close(r, p, NEAR, 0);
    }
}
