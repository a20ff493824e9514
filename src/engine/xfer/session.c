/* session: conversations of an xfer engine: how they begin, what their packets tell, and how they end. Start reading at
 * xfer_packet(). */
#include "engine/xfer/inside.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* --- chance --- */

void xfer_draw(struct skt_xfer *x, const char *label, uint8_t *ret, size_t n)
{
    uint8_t count[8];
    struct skt_room room = skt_room_of(count, sizeof count);

    skt_put_u64(&room, x->drawn++);
    x->conf.crypt->expand(x->conf.chance, label, skt_span_of(count, sizeof count), ret, n);
}

/* --- the end --- */

static int why_of(uint16_t code)
{
    switch (code) {
    case SKT_XFER_STOPPED: return -ECANCELED;
    case SKT_XFER_SILENT: return -ETIMEDOUT;
    case SKT_XFER_NO_MEMORY: return -ENOMEM;
    case SKT_XFER_DISK: return -EIO;
    case SKT_XFER_REFUSED: return -EACCES;
    case SKT_XFER_DIFFERS: return -EBADMSG;
    default: return -EPROTO;
    }
}

void xfer_closed(struct session *s, int why, const char *text)
{
    if (s->closed)
        return;
    s->closed = true;
    s->why = why;
    (void)snprintf(s->text, sizeof s->text, "%s", text);
    if (s->take)
        skt_take_end(s->take);
    if (s->offer)
        skt_offer_end(s->offer);
}

/* Everything is in its place, and both ends know that they mean the same? CLOSE 0 says so as well as SUM, which it may
 * overtake. */
static bool all_is_well(const struct session *s, const struct skt_conn_event *ev)
{
    if (s->offer)
        return skt_offer_done(s->offer);
    return s->take && ev->code != SKT_XFER_DIFFERS &&
           (skt_take_agreed(s->take) || (skt_take_done(s->take) && ev->by_peer && ev->code == SKT_XFER_DONE_WELL));
}

static const char *words(const struct session *s, const struct skt_conn_event *ev)
{
    switch (ev->why) {
    case -EKEYREJECTED: return "the secret is wrong";
    case -EKEYREVOKED: return "the code is locked: too many wrong guesses";
    case -EBUSY: return "the receiver is busy, or waits for a new code";
    case -ECONNREFUSED: return "the receiver was there a moment ago, and has ended";
    case -EPROTOTYPE: return "the receiver wants the other kind of secret (pair code or key file)";
    case -EPROTONOSUPPORT: return "the receiver speaks another version";
    }
    if (*ev->text)
        return ev->text;
    if (s->take && skt_take_done(s->take))
        return "all is stored, but the sender did not say that it agrees";
    if (ev->code == SKT_XFER_SILENT)
        return "the other end does not answer";
    return ev->by_peer ? "the other end stopped" : "";
}

static void on_closed(struct session *s, const struct skt_conn_event *ev)
{
    char failed[64], said[sizeof s->text];

    if (all_is_well(s, ev)) {
        if (s->take)
            skt_take_sum(s->take, s->hash);
        else
            skt_offer_sum(s->offer, s->hash);
        s->agreed = true;
        (void)snprintf(failed, sizeof failed, "%u files did not go over", s->desk.failures);
        xfer_closed(s, s->desk.first_why, s->desk.failures ? failed : "");
        return;
    }
    /* The other end's words are told as such: they could be those with which we tell of a success. */
    (void)snprintf(said, sizeof said, "%s%s", ev->by_peer && *ev->text ? "the other end says: " : "", words(s, ev));
    xfer_closed(s, ev->why ? ev->why : why_of(ev->code), said);
}

bool xfer_over(const struct skt_xfer *x, const struct session *s)
{
    return s->closed && s->told_closed && s->conn && skt_conn_over(s->conn, x->now);
}

void xfer_session_free(struct session *s)
{
    if (!s)
        return;
    skt_take_free(s->take);
    skt_offer_free(s->offer);
    skt_conn_free(s->conn);
    free(s);
}

/* --- what a conversation tells --- */

/* The names may go with CONFIRM, a round trip sooner. Who does not know the secret cannot read them, and nothing that comes is
 * believed before OPENED. */
static void on_keyed(struct skt_xfer *x, struct session *s)
{
    s->offer = skt_offer_new(&s->desk);
    if (s->offer)
        skt_offer_open(s->offer, x->files, x->bytes);
    else
        skt_desk_no_memory(&s->desk);
}

static void on_opened(struct skt_xfer *x, struct session *s)
{
    struct skt_take_conf take = { .window = x->conf.window,
        .max_bytes = x->conf.max_bytes,
        .max_files = x->conf.max_files,
        .jobs = (SKT_JOBS_MAX - 1) / x->conf.sessions };

    s->opened = true;
    s->desk.moved = x->now;
    if (x->conf.pair)
        x->secret_len = 0; /* the code is used up */
    if (x->conf.send)
        return;
    if (x->shut) {
        skt_desk_close(&s->desk, SKT_XFER_REFUSED, "the receiver has just ended");
        return;
    }
    xfer_draw(x, "take", (uint8_t *)&take.seed, sizeof take.seed);
    s->take = skt_take_new(&take, &s->desk);
    if (!s->take)
        skt_desk_no_memory(&s->desk);
}

static void on_spent(struct skt_xfer *x)
{
    if (!x->conf.pair)
        return;
    x->wrong++;
    x->secret_len = 0;
    x->locked = x->wrong >= GUESSES;
}

static void on_event(struct skt_xfer *x, struct session *s, const struct skt_conn_event *ev)
{
    switch (ev->kind) {
    case SKT_CONN_KEYED: on_keyed(x, s); break;
    case SKT_CONN_OPENED: on_opened(x, s); break;
    case SKT_CONN_MESSAGE:
        if (s->take)
            skt_take_message(s->take, &ev->message);
        else if (s->offer)
            skt_offer_message(s->offer, &ev->message);
        break;
    case SKT_CONN_BLOCK:
        if (s->take)
            skt_take_block(s->take, ev->file, ev->offset, ev->bytes);
        break;
    case SKT_CONN_ACKED:
        if (s->offer)
            skt_offer_acked(s->offer, &ev->piece);
        break;
    case SKT_CONN_LOST:
        if (s->offer)
            skt_offer_lost(s->offer, &ev->piece);
        break;
    case SKT_CONN_SPENT: on_spent(x); break;
    case SKT_CONN_CLOSED: on_closed(s, ev); break;
    }
}

void xfer_settle(struct skt_xfer *x, struct session *s)
{
    struct skt_conn_event ev;
    bool closing = false;

    while (s->conn && !s->closed) {
        /* What failed before it is open is said when it is, so that the other end hears of it; but a user does not wait. */
        if (s->desk.closing && !closing && (s->opened || x->stopped)) {
            closing = true;
            skt_conn_close(s->conn, x->now, s->desk.code, s->desk.text);
        }
        if (!skt_conn_next(s->conn, x->now, &ev))
            return;
        on_event(x, s, &ev);
    }
    while (s->conn && skt_conn_next(s->conn, x->now, &ev)) /* after the end it only looks for the other's CLOSE */
        ;
}

/* --- how it begins --- */

static struct session *session_new(struct skt_xfer *x, uint32_t slot)
{
    struct session *s = calloc(1, sizeof *s);

    if (s)
        s->desk = (struct skt_desk){
            .jobs = &x->jobs, .pool = &x->pool, .cells.pool = &x->pool, .session = slot, .now = x->now
        };
    return s;
}

static int conn_new(
    struct skt_xfer *x, struct session *s, const struct skt_xfer_packet *init, const struct skt_addr *peer)
{
    struct skt_conn_conf conf = { .crypt = x->conf.crypt,
        .sender = x->conf.send,
        .mode = x->conf.pair ? SKT_XFER_PAIR : SKT_XFER_KEY,
        .secret = skt_span_of(x->secret, x->secret_len),
        .deadline = x->conf.send ? x->conf.deadline : 0,
        .silence = x->conf.silence,
        .rate_max = x->conf.rate,
        .packet_max = x->conf.max_packet,
        .peer = *peer,
        .init = init,
        .plain = &x->plain };
    uint8_t number[4];
    struct skt_span in = skt_span_of(number, sizeof number);
    int r;

    xfer_draw(x, "conn", conf.chance, sizeof conf.chance);
    xfer_draw(x, "number", number, sizeof number);
    conf.conn = skt_get_u32(&in) << SLOT_BITS | s->desk.session;
    r = skt_conn_new(&conf, x->now, &s->conn);
    memset(conf.chance, 0, sizeof conf.chance);
    s->desk.conn = s->conn;
    return r;
}

int xfer_begin(struct skt_xfer *x)
{
    struct session *s = x->sessions[0];
    int r = conn_new(x, s, NULL, &x->to);

    s->desk.now = x->now;
    if (r)
        xfer_closed(s, r, "the conversation could not begin");
    return r;
}

/* What one person may have all to himself: an address of IPv4; of IPv6 the first 48 bits, which is what a site gets. */
static bool same_net(const struct skt_addr *a, const struct skt_addr *b)
{
    static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
    size_t n = a->family != SKT_IP6 ? 4 : memcmp(a->ip, mapped, sizeof mapped) != 0 ? 6 : 16;

    return a->family == b->family && !memcmp(a->ip, b->ip, n);
}

/* It takes a place and its sender has not proven the key, or has proven that he does not know it. */
static bool is_stranger(const struct session *s) { return s && s->conn && !s->opened; }

static uint32_t strangers_of(const struct skt_xfer *x, const struct skt_addr *net)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < x->conf.sessions; i++)
        n += is_stranger(x->sessions[i]) && same_net(skt_conn_peer(x->sessions[i]->conn), net);
    return n;
}

/* Who has begun more often than the one who is new, and proven nothing, makes room for him: so one address cannot keep
 * others out, and none gains by being driven out and coming back. */
static bool make_room(struct skt_xfer *x, uint32_t own, uint32_t *ret_slot)
{
    uint32_t most = own + 1, slot = x->conf.sessions;

    for (uint32_t i = 0; i < x->conf.sessions; i++) {
        uint32_t n = is_stranger(x->sessions[i]) ? strangers_of(x, skt_conn_peer(x->sessions[i]->conn)) : 0;

        if (n > most) {
            most = n;
            slot = i;
        }
    }
    if (slot == x->conf.sessions)
        return false;
    xfer_session_free(x->sessions[slot]);
    x->sessions[slot] = NULL;
    *ret_slot = slot;
    return true;
}

/* With a key file: is there room for one more stranger, from there? */
static bool finds_room(struct skt_xfer *x, const struct skt_addr *from, uint32_t strangers, uint32_t *slot)
{
    uint32_t own = strangers_of(x, from);

    if (own >= SHAKING_EACH)
        return false;
    return (strangers < SHAKING_MAX && *slot < x->conf.sessions) || make_room(x, own, slot);
}

/* Why a new conversation is not let in; 0: it is. A pair code is good for one guess, so one of them at a time. */
static enum skt_xfer_reject refuses(struct skt_xfer *x, const struct skt_addr *from, uint32_t *ret_slot)
{
    uint32_t strangers = 0, shaking = 0, slot = x->conf.sessions;

    for (uint32_t i = x->conf.sessions; i-- > 0;) {
        const struct session *s = x->sessions[i];

        slot = s ? slot : i;
        strangers += is_stranger(s);
        shaking += is_stranger(s) && !s->closed;
    }
    if (x->locked)
        return SKT_XFER_LOCKED;
    if (!x->secret_len || x->stopped || x->shut)
        return SKT_XFER_BUSY;
    if (x->conf.pair ? shaking || slot == x->conf.sessions : !finds_room(x, from, strangers, &slot))
        return SKT_XFER_BUSY;
    *ret_slot = slot;
    return 0;
}

static void answer(struct skt_xfer *x, const struct skt_addr *to, const struct skt_room *room, const uint8_t *bytes)
{
    struct answer *a = &x->answers[(x->first_answer + x->n_answers) % ANSWERS];

    if (x->n_answers == ANSWERS || room->bad)
        return;
    a->to = *to;
    a->len = (uint32_t)(room->p - bytes);
    memcpy(a->bytes, bytes, a->len);
    x->n_answers++;
}

static void let_in(struct skt_xfer *x, struct skt_span datagram, const struct skt_xfer_packet *init,
    const struct skt_addr *from, struct skt_room *room)
{
    enum skt_xfer_reject code;
    struct session *s;
    uint32_t slot = 0;

    for (uint32_t i = 0; i < x->conf.sessions; i++) {
        s = x->sessions[i];
        if (s && s->conn && skt_conn_begun_by(s->conn, init)) {
            skt_conn_recv(s->conn, x->now, datagram, init, from, NULL);
            xfer_settle(x, s);
            return;
        }
    }
    if (!x->conf.crypt->is_point(init->share))
        return; /* before anything is computed or anybody makes room for it */
    code = refuses(x, from, &slot);
    s = code ? NULL : session_new(x, slot);
    if (s && !conn_new(x, s, init, from)) {
        x->sessions[slot] = s;
        return;
    }
    xfer_session_free(s);
    skt_gate_reject(room, init, code ? code : SKT_XFER_BUSY);
}

static void on_init(
    struct skt_xfer *x, struct skt_span datagram, const struct skt_xfer_packet *packet, const struct skt_addr *from)
{
    uint8_t bytes[ANSWER];
    struct skt_room room = skt_room_of(bytes, sizeof bytes);

    switch (skt_gate_look(&x->gate, x->now, datagram, packet, from, &room)) {
    case SKT_GATE_IGNORE: return;
    case SKT_GATE_ANSWER: break;
    case SKT_GATE_PASS: let_in(x, datagram, packet, from, &room); break;
    }
    if (room.p != bytes)
        answer(x, from, &room, bytes);
}

void xfer_packet(struct skt_xfer *x, struct skt_span datagram, const struct skt_addr *from)
{
    struct skt_xfer_packet packet;
    struct skt_conn_place place;
    struct session *s;
    uint32_t slot;

    if (!skt_xfer_get(datagram, &packet))
        return;
    if (packet.type == SKT_XFER_INIT) {
        if (!x->conf.send && from)
            on_init(x, datagram, &packet, from);
        return;
    }
    slot = packet.conn & ((1 << SLOT_BITS) - 1);
    s = slot < x->conf.sessions ? x->sessions[slot] : NULL;
    if (!s || !s->conn || skt_conn_number(s->conn) != packet.conn)
        return;
    s->desk.now = x->now;
    skt_conn_recv(s->conn, x->now, datagram, &packet, from, s->take && skt_take_place(s->take, &place) ? &place : NULL);
    xfer_settle(x, s);
}

/* --- out --- */

/* PING would keep a place for ever, and so would what is said or sent again. Who waits for our own disk may. */
skt_time xfer_idle_until(const struct skt_xfer *x, const struct session *s)
{
    return s->take && !s->closed && !s->desk.out ? s->desk.moved + x->conf.idle : SKT_NEVER;
}

bool xfer_train(struct skt_xfer *x, struct session *s, struct skt_out *out)
{
    size_t n;

    if (!s->conn)
        return false;
    s->desk.now = x->now;
    if (x->now >= xfer_idle_until(x, s))
        skt_desk_close(&s->desk, SKT_XFER_SILENT, "nothing new came for %u s", (unsigned)(x->conf.idle / SKT_SEC));
    if (s->take && !s->closed)
        skt_take_pump(s->take);
    xfer_settle(x, s); /* time may have ended it, or declared something lost, which is then among the blocks */
    if (!skt_conn_train(s->conn, x->now, out->data, s->offer && skt_offer_has_blocks(s->offer)))
        return false;
    if (s->offer && !s->closed)
        skt_offer_put_blocks(s->offer);
    n = skt_conn_sealed(s->conn, x->now, &out->seg, &out->peer);
    xfer_settle(x, s);
    if (!n)
        return false;
    out->link = x->link;
    out->kind = SKT_DATA;
    out->data.p += n;
    return true;
}
