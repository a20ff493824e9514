/* sim: the tests' world. Hosts, what engines are told and what they want, and the rules that they keep.
 * Start reading at sim_step(). */
#include "drive/sim/inside.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CLOSE_TIME (30 * SKT_SEC) /* for what is queued behind a close */
#define LATE       (50 * SKT_US)  /* drivers come late to a wake */
enum {
    ALSO_MAX = 16,         /* links besides the first that one SHARE is taken for */
    OUTPUTS_MAX = 1 << 20, /* of one engine without a pause: more is a loop without end */
    DATAGRAM_MAX = 65507,
    TRAINS_MAX = 1024, /* that wait for a full socket; more are lost, as on any network */
};

void *sim_mem(void *old, size_t n, size_t size)
{
    void *p = reallocarray(old, n ? n : 1, size);

    if (!p) {
        (void)fputs("sim: out of memory\n", stderr);
        abort();
    }
    if (!old)
        memset(p, 0, n * size);
    return p;
}

/* ---- what an engine wants ---- */

/* The link meant, or NULL: it is gone, which is counted; one that never was is a broken rule. */
static struct link *meant(struct sim *sim, struct host *h, int host, skt_link id)
{
    struct link *l = sim_link_of(sim, host, id);

    if (!skt_slot(id) || skt_slot(id) >= h->n_slots)
        sim_broken(sim, h, "rule: links are given out by the driver, but %#x never was", id);
    sim->stats.stale += !l;
    return l;
}

/* Into the link's queue: its own bytes are copied, since the room is the next output's; shared ones are referred to. */
static struct piece *keep(struct link *l, const struct skt_out *out, struct skt_span bytes)
{
    struct skt_buf *buf;

    if (out->kind == SKT_SHARE)
        return sim_queue_add(l, skt_buf_ref(out->buf), bytes, true);
    buf = skt_buf_new(skt_len(bytes));
    if (!buf)
        abort();
    if (skt_len(bytes))
        memcpy(buf->data, bytes.p, skt_len(bytes));
    return sim_queue_add(l, buf, skt_span_of(buf->data, skt_len(bytes)), false);
}

/* Bytes for a stream wait in the driver until the end of the turn, when they are written together: so does the runtime. */
static void out_stream(
    struct sim *sim, struct host *h, struct link *l, const struct skt_out *out, struct skt_span bytes)
{
    if (l->out_eof)
        sim_broken(
            sim, h, "rule: after EOF nothing more is sent, but %zu bytes are, to link %u", skt_len(bytes), l->slot);
    if (l->feeder)
        sim_broken(sim, h, "rule: while a MOVE lasts nothing else is sent to its target, but %zu bytes are, to link %u",
            skt_len(bytes), l->slot);
    if (sim_chance(sim, sim->conf.no_memory)) {
        sim_link_gone(sim, l, -ENOMEM);
        return;
    }
    if (skt_len(bytes) > sim->conf.queue_bytes - l->queued) {
        sim->stats.no_buffer++;
        sim_link_gone(sim, l, -ENOBUFS);
        return;
    }
    (void)keep(l, out, bytes);
    if (l->queued >= FLUSH_AT && l->what == STREAM && !l->full)
        sim_tcp_flush(sim, l);
    else
        sim_dirty(sim, l);
}

/* A datagram does not wait for the end of the turn, only for a socket that is full. */
static void out_datagrams(
    struct sim *sim, struct host *h, struct link *l, const struct skt_out *out, struct skt_span bytes)
{
    const struct skt_addr *to = out->peer.family == SKT_NOWHERE || l->peer.family ? &l->peer : &out->peer;

    if (to->family == SKT_NOWHERE)
        sim_broken(
            sim, h, "rule: a datagram needs a peer, but link %u is not connected and out->peer is nowhere", l->slot);
    if ((out->seg ? out->seg : skt_len(bytes)) > DATAGRAM_MAX)
        sim_broken(sim, h, "rule: a datagram has at most %d bytes, but one of %zu is sent", DATAGRAM_MAX,
            out->seg ? out->seg : skt_len(bytes));
    if (!l->full && sim_chance(sim, sim->conf.busy))
        sim_udp_full(sim, l);
    if (!l->full) {
        sim_udp_send(sim, l, to, bytes, out->seg);
    } else if (l->pieces < TRAINS_MAX) {
        struct piece *p = keep(l, out, bytes);
        p->seg = out->seg;
        p->to = *to;
    }
}

/* DATA lies in the room, SHARE in a counted buffer of the engine's. */
static void out_bytes(struct sim *sim, struct host *h, struct link *l, struct skt_out *out)
{
    struct skt_span bytes = { .p = sim->room, .end = out->data.p };

    if (out->kind == SKT_SHARE) {
        bytes = out->share;
        if (!out->buf || !out->buf->refs || bytes.p < out->buf->data || bytes.end < bytes.p ||
            bytes.end > out->buf->data + out->buf->size)
            sim_broken(sim, h, "rule: share lies in its buf, but it does not (link %u)", l->slot);
    }
    if (l->what == LISTENER)
        sim_broken(sim, h, "rule: a listener takes no bytes, but link %u is sent %zu", l->slot, skt_len(bytes));
    if (l->what == DGRAM)
        out_datagrams(sim, h, l, out, bytes);
    else
        out_stream(sim, h, l, out, bytes);
}

/* What fails at once is told later all the same: an engine has not finished its send yet. */
static void closed_later(struct sim *sim, struct link *l, int why)
{
    sim_at(sim, (struct event){
                    .at = sim->now, .kind = EV_CLOSED, .who = (uint32_t)l->host, .gen = sim_link_id(l), .why = why });
}

/* The text is the engine's, or the test's: a wrong one is a CLOSE with the reason, as from the runtime. */
static void open_link(struct sim *sim, struct link *l, const char *text)
{
    uint16_t port = 0;
    bool udp = false;
    int to = -1, r = sim_parse(sim, l->host, text, &udp, &to, &port);

    l->what = OPENING;
    if (!r && sim_chance(sim, sim->conf.no_memory))
        r = -ENOMEM;
    if (r) {
        closed_later(sim, l, r);
    } else if (udp) {
        l->peer = sim->hosts[to]->addr;
        l->peer.port = port;
        sim_bind(sim, l, true, sim_free_port(sim, l->host));
        sim_at(sim, (struct event){
                        .at = sim->now, .kind = EV_TRAIN, .side = 1, .who = (uint32_t)l->host, .gen = sim_link_id(l) });
    } else {
        sim_tcp_open(sim, l, to, port);
    }
}

/* OPEN takes the fresh link, so that the engine knows its name before anything is told of it. */
static void out_open(struct sim *sim, struct host *h, struct skt_out *out)
{
    size_t n = (size_t)(out->data.p - sim->room);
    struct link *l = h->fresh;
    char text[512];

    if (!l || out->link != sim_link_id(l))
        sim_broken(sim, h, "rule: OPEN takes the fresh link of out, but it says %#x where %#x was given", out->link,
            l ? sim_link_id(l) : 0);
    if (!n || n >= sizeof text)
        sim_broken(sim, h, "rule: OPEN puts a text into out->data, but it has %zu bytes", n);
    memcpy(text, sim->room, n);
    text[n] = 0;
    h->fresh = NULL;
    open_link(sim, l, text);
}

/* MOVE: a source that is gone is the world's fault and ends the target; all else is the engine's. */
static void out_move(struct sim *sim, struct host *h, struct link *to, const struct skt_out *out)
{
    struct link *from = meant(sim, h, to->host, out->from);

    if (from == to || (from && from->what != STREAM) || (to->what != STREAM && to->what != OPENING))
        sim_broken(sim, h, "rule: MOVE joins two streams, but it was asked for from link %u to %u",
            from ? from->slot : 0, to->slot);
    if (to->out_eof || to->feeder || (from && from->move_to))
        sim_broken(sim, h, "rule: one MOVE at a time, and none after EOF, but it was asked for to link %u", to->slot);
    if (from)
        sim_move(sim, from, to, out->len);
    else
        sim_link_gone(sim, to, -ESTALE);
}

static void out_eof(struct sim *sim, struct host *h, struct link *l)
{
    if (l->out_eof || l->what == LISTENER)
        sim_broken(sim, h, "rule: a stream has one EOF, but link %u gets %s", l->slot, l->out_eof ? "another" : "one");
    if (l->what == DGRAM)
        return;
    if (l->feeder)
        sim_broken(
            sim, h, "rule: while a MOVE lasts nothing else is sent to its target, but link %u gets EOF", l->slot);
    l->out_eof = true;
    sim_dirty(sim, l);
}

/* Graceful: after what is queued, but not for ever. With a reason: now, and the peer sees a reset. */
static void out_close(struct sim *sim, struct link *l, int why)
{
    if (why < 0 || l->what != STREAM) {
        if (why < 0 && l->conn != NO_CONN)
            sim_tcp_reset(sim, sim->conns[l->conn], l->side);
        sim_link_gone(sim, l, why);
        return;
    }
    l->closing = true;
    if (l->queued)
        sim_at(sim, (struct event){ .at = sim->now + CLOSE_TIME,
                        .kind = EV_CLOSED,
                        .who = (uint32_t)l->host,
                        .gen = sim_link_id(l),
                        .why = -ETIMEDOUT });
    if (l->feeder)
        sim_move_end(sim, l->feeder, -EPIPE);
    sim_dirty(sim, l);
}

/* One output. What can only be the engine's bug ends the run; what the world may cause is counted. */
static void out_do(struct sim *sim, struct host *h, int host, struct skt_out *out, const uint8_t *end)
{
    struct link *l;

    sim->stats.outputs++;
    if (out->data.p < sim->room || out->data.p > end || out->data.end != end)
        sim_broken(sim, h, "rule: send writes into its room, but it wrote %td bytes of %td", out->data.p - sim->room,
            end - sim->room);
    if (out->kind == SKT_OPEN) {
        out_open(sim, h, out);
        return;
    }
    l = meant(sim, h, host, out->link);
    if (!l)
        return;
    if (l->what == RESERVED)
        sim_broken(sim, h, "rule: a fresh link is for OPEN, but it is used for kind %d", out->kind);
    if (l->closing && !(out->kind == SKT_CLOSE && out->why < 0))
        sim_broken(sim, h, "rule: nothing after CLOSE, but link %u gets kind %d", l->slot, out->kind);
    switch (out->kind) {
    case SKT_DATA:
    case SKT_SHARE: out_bytes(sim, h, l, out); break;
    case SKT_MOVE: out_move(sim, h, l, out); break;
    case SKT_EOF: out_eof(sim, h, l); break;
    case SKT_CLOSE: out_close(sim, l, out->why); break;
    case SKT_OPEN:
    case SKT_FULL:
    case SKT_ROOM: sim_broken(sim, h, "rule: an engine does not say kind %d", out->kind);
    }
}

/* A SHARE may be for several; each gets it as if it stood alone. */
static void out_all(struct sim *sim, struct host *h, int host, struct skt_out *out, const uint8_t *end)
{
    uint32_t n = out->also_n;

    if (n > ALSO_MAX || (n && out->kind != SKT_SHARE))
        sim_broken(sim, h, "rule: a SHARE goes to %u more links at most, but kind %d to %u", ALSO_MAX, out->kind, n);
    out_do(sim, h, host, out, end);
    for (uint32_t i = 0; i < n; i++) {
        out->link = out->also[i];
        out_do(sim, h, host, out, end);
    }
}

/* One WAKE event a host is meant at any time; an older one that is still in the queue is known by its number. */
static void plan_wake(struct sim *sim, struct host *h, int host)
{
    skt_time at = h->engine.ops->wake(h->engine.self), late;

    if (at <= sim->now)
        sim_broken(sim, h, "rule: wake lies ahead after send said false, but it is %" PRId64 " ns ago", sim->now - at);
    if (at >= h->woken || at == SKT_NEVER)
        return; /* an event comes before that, and looks again */
    h->woken = at;
    late = (skt_time)(sim_below(sim, 2) * sim_below(sim, LATE));
    sim_at(sim, (struct event){ .at = at + late, .kind = EV_WAKE, .who = (uint32_t)host, .gen = ++h->wakes });
}

/* Asks the engine for all that it wants. Not re-entered: what an output makes known to it is received between two sends. */
void sim_pump(struct sim *sim, int host)
{
    struct host *h = sim->hosts[host];
    uint8_t *end = sim->room + SKT_ROOM_MIN;
    skt_link also[ALSO_MAX];
    uint32_t n = 0;

    sim_work(sim, host);
    if (h->pumping)
        return;
    h->pumping = true;
    for (;; n++) {
        struct skt_out out = { .kind = SKT_DATA,
            .data = { .p = sim->room, .end = end },
            .len = 0xdead,
            .from = 0xdead,
            .also = also,
            .also_max = ALSO_MAX };
        if (!h->fresh)
            h->fresh = sim_link_new(sim, host, RESERVED);
        sim->stats.no_link += !h->fresh;
        out.link = h->fresh ? sim_link_id(h->fresh) : 0;
        if (!h->engine.ops->send(h->engine.self, sim->now, &out))
            break;
        if (n == OUTPUTS_MAX)
            sim_broken(sim, h, "rule: send says false in the end, but it did not in %u calls", n);
        out_all(sim, h, host, &out, end);
    }
    h->active |= n > 0;
    h->pumping = false;
    plan_wake(sim, h, host);
}

/* The engine hears it, and may not touch more than the contract allows. Those who call it ask the engine later. */
void sim_recv(struct sim *sim, struct link *l, struct skt_in *in)
{
    struct host *h = sim->hosts[l->host];
    struct skt_in before;

    in->link = sim_link_id(l);
    before = *in;
    sim->stats.recvs++;
    h->engine.ops->recv(h->engine.self, sim->now, in);
    if (in->link != before.link || in->kind != before.kind || in->data.end != before.data.end ||
        in->data.p < before.data.p || in->data.p > in->data.end)
        sim_broken(sim, h, "rule: recv changes nothing of in but data.p and hold, but it did (link %u, kind %d)",
            l->slot, before.kind);
    h->active |= in->kind != SKT_DATA || in->data.p != before.data.p;
}

void sim_tell(struct sim *sim, struct link *l, struct skt_in *in)
{
    int host = l->host;

    sim_recv(sim, l, in);
    sim_pump(sim, host);
}

void sim_tell_kind(struct sim *sim, struct link *l, enum skt_kind kind, int why)
{
    struct skt_in in = { .kind = kind, .why = why };

    if (l->closing || l->closed)
        return; /* nothing after CLOSE from either side */
    sim_tell(sim, l, &in);
}

/* ---- a turn ---- */

/* The gathered writes at the end of a turn. A write may tell FULL or ROOM, and so add to the list. */
static void flush(struct sim *sim, struct host *h)
{
    for (uint32_t i = 0; i < h->n_dirty; i++) {
        struct link *l = h->dirty[i];
        if (!l)
            continue;
        l->dirty = false;
        h->dirty[i] = NULL;
        if (l->what == STREAM)
            sim_tcp_flush(sim, l);
    }
    h->n_dirty = 0;
}

/* What was held is offered again after a turn in which the engine did anything, until it does nothing more. */
static void offer_held(struct sim *sim, struct host *h)
{
    uint32_t n = h->n_held;

    for (uint32_t i = 0; i < n; i++) {
        struct link *l = h->held[i];
        h->held[i] = NULL;
        if (!l)
            continue;
        l->held = false;
        if (l->what == DGRAM)
            sim_udp_offer(sim, l);
        else
            sim_tcp_offer(sim, l);
    }
    h->n_held -= n;
    if (h->n_held)
        memmove(h->held, h->held + n, h->n_held * sizeof *h->held);
}

/* Until nobody has anything more to do at this moment. */
static void end_turn(struct sim *sim)
{
    while (sim->n_active) {
        int host = sim->active[sim->n_active - 1];
        struct host *h = sim->hosts[host];
        while (h->n_dirty || (h->active && h->n_held)) {
            flush(sim, h);
            if (h->active) {
                h->active = false;
                offer_held(sim, h);
            }
        }
        h->active = h->listed = false;
        for (int i = 0; i < sim->n_active; i++)
            if (sim->active[i] == host)
                sim->active[i] = sim->active[--sim->n_active];
    }
}

/* The engine may have put its wake off since this was planned: then it is not disturbed. */
static void wake(struct sim *sim, int host, uint32_t number)
{
    struct host *h = sim->hosts[host];

    if (number != h->wakes)
        return; /* an earlier one took its place */
    h->woken = SKT_NEVER;
    if (h->begun && h->engine.ops->wake(h->engine.self) > sim->now) {
        plan_wake(sim, h, host); /* it was put off */
        return;
    }
    h->begun = h->active = true;
    sim_pump(sim, host);
}

static void happen(struct sim *sim, const struct event *e)
{
    struct link *l;

    switch ((enum event_kind)e->kind) {
    case EV_WAKE: wake(sim, (int)e->who, e->gen); break;
    case EV_DATAGRAM:
    case EV_DRAIN:
    case EV_TRAIN: sim_udp_event(sim, e); break;
    case EV_CLOSED:
        l = sim_link_of(sim, (int)e->who, e->gen);
        if (l)
            sim_link_gone(sim, l, e->why);
        break;
    case EV_SYN:
    case EV_SYNACK:
    case EV_ACCEPT:
    case EV_REFUSED:
    case EV_PATIENCE:
    case EV_SEGMENT:
    case EV_ACK:
    case EV_READ:
    case EV_RESET:
    case EV_BREAK: sim_tcp_event(sim, e); break;
    }
}

bool sim_step(struct sim *sim)
{
    struct event e;

    if (!sim_next_event(sim, &e))
        return false;
    assert(e.at >= sim->now);
    sim->now = e.at;
    sim->stats.steps++;
    happen(sim, &e);
    end_turn(sim);
    return true;
}

void sim_kick(struct sim *sim, int host)
{
    sim->hosts[host]->begun = sim->hosts[host]->active = true;
    sim_pump(sim, host);
    end_turn(sim);
}

skt_link sim_open(struct sim *sim, int host, const char *to)
{
    struct link *l = sim_link_new(sim, host, OPENING);

    if (!l)
        return 0;
    open_link(sim, l, to);
    return sim_link_id(l);
}

void sim_break(struct sim *sim, int host, skt_link link, int why)
{
    struct link *l = sim_link_of(sim, host, link);

    if (!l)
        return;
    if (l->conn != NO_CONN)
        sim_tcp_reset(sim, sim->conns[l->conn], l->side);
    sim_link_gone(sim, l, why);
    end_turn(sim);
}
