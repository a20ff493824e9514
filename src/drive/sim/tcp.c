/* tcp: connections. Bytes in order, whatever the path does to packets: a lost one is a stall of all behind it. Socket
 * buffers and windows are bounded, deliveries are cut anywhere. The handshake and the end are in conn.c. */
#include "drive/sim/inside.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

enum { HEAD = 40, TRIES_MAX = 12, CRUMBS = 4096, LINGER_MAX = 1 << 20, MSS = 1460 };
#define RTO         (200 * SKT_MS)
#define RTO_MAX     (10 * SKT_SEC)
#define LINGER_TIME (2 * SKT_SEC)
#define READ_LATER  (20 * SKT_US)

/* ---- bytes in order ---- */

/* The bytes stay in one piece, so that any part of them can be offered without a copy on the way. */
static void fifo_put(struct fifo *f, struct skt_span bytes)
{
    size_t n = skt_len(bytes);

    if (f->off + f->len + n > f->size) {
        if (f->len)
            memmove(f->p, f->p + f->off, f->len);
        f->off = 0;
        if (f->len + n > f->size) {
            f->size = 2 * (f->len + n);
            f->p = sim_mem(f->p, f->size, 1);
        }
    }
    if (n)
        memcpy(f->p + f->off + f->len, bytes.p, n);
    f->len += n;
}

static struct skt_span fifo_at(const struct fifo *f, size_t at, size_t n)
{
    assert(at + n <= f->len);
    return skt_span_of(n ? f->p + f->off + at : NULL, n);
}

static void fifo_drop(struct fifo *f, size_t n)
{
    assert(n <= f->len);
    f->off += n;
    f->len -= n;
}

/* ---- acknowledgements: what the sender hears of arrived bytes and of the window ---- */

static struct pipe *out_pipe(struct sim *sim, const struct link *l) { return &sim->conns[l->conn]->pipe[l->side]; }
static struct pipe *in_pipe(struct sim *sim, const struct link *l) { return &sim->conns[l->conn]->pipe[!l->side]; }

static struct event conn_event(const struct conn *c, enum event_kind kind, uint8_t side, skt_time at)
{
    return (struct event){ .at = at, .kind = (uint8_t)kind, .side = side, .who = c->index, .gen = c->gen };
}

/* What was on its way to the sender and has arrived by now. Done when somebody looks: no event is spent on it. */
static void settle(struct sim *sim, struct pipe *p)
{
    while (p->ack_n && p->acks[p->ack_first].at <= sim->now) {
        struct ack *a = &p->acks[p->ack_first];
        p->acked = a->got;
        p->window = a->window;
        p->ack_first = (p->ack_first + 1) % ACKS;
        p->ack_n--;
    }
}

/* An acknowledgement is an event only if someone waits for it. */
static void plan_ack(struct sim *sim, struct conn *c, uint8_t side)
{
    struct pipe *p = &c->pipe[side];
    struct link *l = c->link[side];
    bool waits = p->sent < p->written || (l && (l->queued || l->feeder));

    if (!waits || p->ack_event || !p->ack_n)
        return;
    p->ack_event = true;
    sim_at(sim, conn_event(c, EV_ACK, side, p->acks[p->ack_first].at));
}

/* Tells the sender what arrived and how far it may send. They take the path's delay back, and are never lost: a lost one
 * is made good by the next. Those that do not find room in the ring ride on the last one. */
static void acknowledge(struct sim *sim, struct conn *c, uint8_t side)
{
    struct pipe *p = &c->pipe[side];
    struct ack *last, ack = { .at = sim->now + p->back->path.conf.delay, .got = p->arrived };

    p->told_window = ack.window = p->read + p->recv_buf;
    settle(sim, p);
    last = &p->acks[(p->ack_first + p->ack_n + ACKS - 1) % ACKS];
    if (p->ack_n && last->at > ack.at)
        ack.at = last->at;
    if (!p->ack_n || (p->ack_n < ACKS && last->at != ack.at))
        last = &p->acks[(p->ack_first + p->ack_n++) % ACKS];
    *last = ack;
    plan_ack(sim, c, side);
}

/* The window is told when half of it opened again (RFC 9293 3.8.6.2.2: no silly windows). */
static void open_window(struct sim *sim, struct conn *c, uint8_t side)
{
    struct pipe *p = &c->pipe[side];
    uint64_t half = p->recv_buf > 1 ? p->recv_buf / 2 : 1;

    if (p->told_window < p->arrived + half && p->told_window < p->read + p->recv_buf)
        acknowledge(sim, c, side);
}

/* ---- segments ---- */

/* Segments in flight, in order. */
static struct segment *segment_add(struct pipe *p)
{
    if (p->seg_n == p->seg_room) {
        struct segment *bigger = sim_mem(NULL, p->seg_room ? 2 * p->seg_room : 8, sizeof *bigger);
        for (uint32_t i = 0; i < p->seg_n; i++)
            bigger[i] = p->segs[(p->seg_first + i) % p->seg_room];
        free(p->segs);
        p->segs = bigger;
        p->seg_first = 0;
        p->seg_room = p->seg_room ? 2 * p->seg_room : 8;
    }
    return &p->segs[(p->seg_first + p->seg_n++) % p->seg_room];
}

/* How long until a loss is noticed: a round trip when enough follows it (RFC 5681: three duplicates), else the timer of
 * RFC 6298, doubled each time. */
static skt_time retry_time(const struct pipe *p, const struct segment *s)
{
    const struct skt_path_conf *c = &p->wire->path.conf;
    skt_time rtt = 2 * (c->delay + c->jitter), rto = (RTO + rtt) << (s->tries < 6 ? s->tries : 6);

    if (!s->tries && p->seg_n > 3)
        return rtt; /* those behind it tell of the gap */
    return rto < RTO_MAX ? rto : RTO_MAX;
}

/* The path decides when it arrives; lost: when it is sent again. */
static void segment_go(struct sim *sim, struct pipe *p, struct segment *s, size_t len)
{
    struct skt_path_fate fate = skt_path_pass(&p->wire->path, sim->now, len + HEAD, p->wire->index++);

    sim->stats.segments++;
    s->lost = !fate.copies || fate.flip[0] || p->wire->cut; /* a flipped bit does not pass TCP's checksum */
    sim->stats.segments_lost += s->lost;
    s->at = s->lost ? sim->now + retry_time(p, s) : fate.at[0];
    if (s->at < p->last_at)
        s->at = p->last_at;
}

/* The capture shows the network from the opener's side: out is what the opener sent. */
static void tap_segment(struct sim *sim, struct conn *c, uint8_t side, const struct segment *s, struct skt_span bytes)
{
    enum skt_tap_dir dir = side ? SKT_TAP_IN : SKT_TAP_OUT;

    if (!sim->tap)
        return;
    if (s->lost)
        skt_tap_note(sim->tap, "lost: sent again");
    skt_tap_stream_data(sim->tap, sim->now, &c->flow, dir, bytes);
    if (s->fin)
        skt_tap_stream_eof(sim->tap, sim->now, &c->flow, dir);
}

/* Only the oldest one in flight has an event: none behind it can be of use before it arrived. */
static void plan_segment(struct sim *sim, struct conn *c, uint8_t side)
{
    struct pipe *p = &c->pipe[side];

    if (p->segment_event || !p->seg_n)
        return;
    p->segment_event = true;
    sim_at(sim,
        conn_event(c, EV_SEGMENT, side, p->segs[p->seg_first].at > sim->now ? p->segs[p->seg_first].at : sim->now));
}

static size_t segment_len(struct sim *sim, const struct conn *c, const struct pipe *p)
{
    if (c->tear == 2 && p->sent < CRUMBS)
        return 1 + sim_below(sim, 16);
    return MSS;
}

/* As much as the window takes; the end of the stream needs no window. */
static void transmit(struct sim *sim, struct conn *c, uint8_t side)
{
    struct pipe *p = &c->pipe[side];

    while ((p->sent < p->written && p->sent < p->window) || (p->fin_wanted && !p->fin_sent && p->sent == p->written)) {
        size_t most = segment_len(sim, c, p), n = p->written - p->sent;
        struct segment *s = segment_add(p);
        if (n && n > p->window - p->sent)
            n = p->window - p->sent;
        if (n > most)
            n = most;
        *s = (struct segment){ .end = p->sent + n, .fin = p->fin_wanted && p->sent + n == p->written };
        segment_go(sim, p, s, n);
        tap_segment(sim, c, side, s, fifo_at(&p->bytes, p->sent - p->taken, n));
        p->sent += n;
        p->fin_sent |= s->fin;
    }
    plan_segment(sim, c, side);
    plan_ack(sim, c, side);
}

/* ---- inwards ---- */

static void read_later(struct sim *sim, struct link *l, skt_time within)
{
    struct pipe *p = in_pipe(sim, l);

    if (p->read_event)
        return;
    p->read_event = true;
    sim_at(sim, conn_event(sim->conns[l->conn], EV_READ, l->side,
                    sim->now + (skt_time)(within ? sim_below(sim, (uint64_t)within) : 0)));
}

/* The engine is done with n bytes; the window opens by them. */
static void take(struct sim *sim, struct link *l, size_t n)
{
    struct pipe *p = in_pipe(sim, l);

    fifo_drop(&p->bytes, n);
    p->taken += n;
    if (p->read < p->taken)
        p->read = p->taken;
    open_window(sim, sim->conns[l->conn], !l->side);
}

/* Offers what was read and not taken. The bytes live in memory of their own, which is gone after recv unless the engine
 * took a reference, so that a pointer kept by mistake is found. */
void sim_tcp_offer(struct sim *sim, struct link *l)
{
    struct pipe *p = in_pipe(sim, l);
    size_t n = p->read - p->taken;
    struct skt_span from = fifo_at(&p->bytes, 0, n);
    struct skt_buf *buf;
    struct skt_in in = { .kind = SKT_DATA };
    skt_link id = sim_link_id(l);
    int host = l->host;
    size_t left;

    if (l->closing) {
        take(sim, l, p->arrived - p->taken); /* nothing after CLOSE */
        return;
    }
    buf = skt_buf_new(n);
    if (!buf)
        abort();
    if (n)
        memcpy(buf->data, from.p, n);
    in.data = skt_span_of(buf->data, n);
    in.buf = sim_below(sim, 2) ? buf : NULL;
    sim_recv(sim, l, &in);
    left = skt_len(in.data);
    sim->stats.stream_bytes += n - left;
    skt_buf_put(buf);
    take(sim, l, n - left);
    if (in.hold && left)
        sim_hold(sim, l);
    sim_pump(sim, host);
    l = sim_link_of(sim, host, id);
    if (!l || l->move_to)
        return;
    if (!l->held && left >= UNREAD_MAX)
        sim_link_gone(sim, l, -EMSGSIZE);
    else if (!l->held && (p->read < p->arrived || (p->fin_arrived && !l->eof_told)))
        read_later(sim, l, READ_LATER);
}

/* The peer sends no more: what the engine left of the last bytes comes with it. */
static void tell_eof(struct sim *sim, struct link *l)
{
    struct pipe *p = in_pipe(sim, l);
    size_t n = p->read - p->taken;
    struct skt_buf *rest = skt_buf_new(n);
    struct skt_in in = { .kind = SKT_EOF };
    int host = l->host;

    if (!rest)
        abort();
    if (n)
        memcpy(rest->data, fifo_at(&p->bytes, 0, n).p, n);
    in.data = skt_span_of(rest->data, n);
    l->eof_told = true;
    take(sim, l, n);
    sim_recv(sim, l, &in);
    skt_buf_put(rest);
    sim_pump(sim, host);
}

/* How many of these bytes one read gives. */
static size_t cut(struct sim *sim, const struct conn *c, const struct pipe *p, size_t n)
{
    if (c->tear == 0 || n < 2)
        return n;
    if (c->tear == 2 && p->read < CRUMBS && sim_below(sim, 4))
        return 1;
    return 1 + sim_below(sim, (uint64_t)1 << sim_below(sim, 17)) % n;
}

/* One read of a driver: bytes, or what comes in their place. */
static void read_some(struct sim *sim, struct link *l)
{
    struct conn *c = sim->conns[l->conn];
    struct pipe *p = in_pipe(sim, l);
    size_t n = p->arrived - p->read;

    if (l->what != STREAM || l->held)
        return;
    if (l->closing) {
        take(sim, l, p->arrived - p->taken); /* nobody hears it */
    } else if (l->move_to) {
        sim_move_step(sim, l);
    } else if (n) {
        p->read += cut(sim, c, p, n);
        sim_tcp_offer(sim, l);
    } else if (p->fin_arrived && !l->eof_told) {
        tell_eof(sim, l);
    }
}

/* Its side has closed: as a kernel does, read and drop for a while, then answer with a reset. */
static void drop_late(struct sim *sim, struct conn *c, uint8_t side, size_t n)
{
    struct pipe *p = &c->pipe[side];

    fifo_drop(&p->bytes, p->arrived - p->taken);
    p->read = p->taken = p->arrived;
    c->dropped[!side] += n;
    if (n && (c->dropped[!side] > LINGER_MAX || sim->now > c->left_at[!side] + LINGER_TIME))
        sim_tcp_reset(sim, c, !side);
}

/* It did not arrive: again, or the sender gives up. False: the connection is over. */
static bool try_again(struct sim *sim, struct conn *c, uint8_t side, struct segment *s, size_t n)
{
    struct pipe *p = &c->pipe[side];

    if (s->tries++ < TRIES_MAX) {
        segment_go(sim, p, s, n);
        tap_segment(sim, c, side, s, skt_span_of(NULL, 0));
        return true;
    }
    sim_tcp_lost(sim, c);
    return false;
}

/* The oldest in flight is due, and with it all that overtook it. */
static void on_segment(struct sim *sim, struct conn *c, uint8_t side)
{
    struct pipe *p = &c->pipe[side];
    uint64_t before = p->arrived;

    p->segment_event = false;
    while (p->seg_n && p->segs[p->seg_first].at <= sim->now) {
        struct segment *s = &p->segs[p->seg_first];
        if (s->lost || p->wire->cut) {
            if (!try_again(sim, c, side, s, s->end - p->arrived))
                return;
            break;
        }
        p->arrived = s->end;
        p->fin_arrived |= s->fin;
        p->seg_first = (p->seg_first + 1) % p->seg_room;
        p->seg_n--;
    }
    plan_segment(sim, c, side);
    if (p->arrived == before && !p->fin_arrived)
        return;
    if (!c->link[!side])
        drop_late(sim, c, side, p->arrived - before);
    if (c->reset)
        return;
    acknowledge(sim, c, side);
    if (c->link[!side])
        read_some(sim, c->link[!side]);
}

/* ---- outwards ---- */

/* A socket's buffer keeps what is not acknowledged. */
static size_t space(const struct pipe *p)
{
    uint64_t waiting = p->written - p->acked;

    return waiting < p->send_buf ? p->send_buf - waiting : 0;
}

/* Into the socket's buffer; a piece that does not fit is cut. */
static void write_queue(struct sim *sim, struct link *l, struct pipe *p)
{
    struct piece *piece;

    while ((piece = sim_queue_first(sim, l))) {
        size_t n = skt_len(piece->bytes) < space(p) ? skt_len(piece->bytes) : space(p);
        if (!n && skt_len(piece->bytes))
            return;
        fifo_put(&p->bytes, skt_span_of(piece->bytes.p, n));
        p->written += n;
        if (n == skt_len(piece->bytes))
            sim_queue_pop(l);
        else
            sim_queue_cut(l, n);
    }
}

/* The queue is empty: what was to come after it. */
static void drained(struct sim *sim, struct link *l)
{
    struct conn *c = sim->conns[l->conn];
    skt_link id = sim_link_id(l);
    uint8_t side = l->side;
    int host = l->host;

    if (l->full) {
        l->full = false;
        sim_tell_kind(sim, l, SKT_ROOM, 0);
    }
    l = sim_link_of(sim, host, id);
    if (!l || l->queued)
        return;
    if ((l->out_eof || l->closing) && !c->pipe[side].fin_wanted) {
        c->pipe[side].fin_wanted = true;
        transmit(sim, c, side);
    }
    if (l->closing)
        sim_link_gone(sim, l, 0);
    else if (l->feeder)
        sim_move_step(sim, l->feeder);
}

void sim_tcp_flush(struct sim *sim, struct link *l)
{
    struct conn *c = sim->conns[l->conn];
    struct pipe *p = out_pipe(sim, l);

    if (c->reset)
        return;
    settle(sim, p);
    write_queue(sim, l, p);
    transmit(sim, c, l->side);
    if (!l->queued) {
        drained(sim, l);
    } else if (!l->full) {
        l->full = true;
        sim_tell_kind(sim, l, SKT_FULL, 0);
    }
}

/* The sender hears something: it may have room, and go on. */
static void on_ack(struct sim *sim, struct conn *c, uint8_t side, const struct event *e)
{
    struct pipe *p = &c->pipe[side];

    p->ack_event = false;
    if (p->back->cut && e->why < TRIES_MAX) { /* asked for again, as by a probe of the window */
        struct event again = *e;
        again.at = sim->now + (RTO << (e->why < 6 ? e->why : 6));
        again.why++;
        p->ack_event = true;
        sim_at(sim, again);
        return;
    }
    if (p->back->cut) {
        sim_tcp_lost(sim, c);
        return;
    }
    settle(sim, p);
    if (c->link[side])
        sim_tcp_flush(sim, c->link[side]);
    else
        transmit(sim, c, side);
}

/* ---- MOVE ---- */

/* What the engine left unread before goes first, in order: it is in the same bytes. */
void sim_move(struct sim *sim, struct link *from, struct link *to, uint64_t len)
{
    from->move_to = to;
    to->feeder = from;
    from->move_left = len;
    from->moved = 0;
    sim_unhold(sim, from);
    read_later(sim, from, READ_LATER);
}

/* why: 0 all was moved; 1 the source ended, which is not told by EOF then; -errno. */
void sim_move_end(struct sim *sim, struct link *from, int why)
{
    struct link *to = from->move_to;
    struct skt_in in = { .kind = SKT_MOVE, .len = from->moved, .why = why };

    from->move_to = to->feeder = NULL;
    from->moved = 0;
    if (why == 1)
        from->eof_told = true; /* by this */
    else if (from->what == STREAM)
        read_later(sim, from, READ_LATER);
    if (!to->closing && !to->closed)
        sim_tell(sim, to, &in);
}

/* Moves what is there, as far as the target takes it; tells of it at once or with the end. */
void sim_move_step(struct sim *sim, struct link *from)
{
    struct link *to = from->move_to;
    struct pipe *p = in_pipe(sim, from), *q = out_pipe(sim, to);
    skt_link id = sim_link_id(to);
    int host = to->host;
    size_t n;

    if (to->what != STREAM || to->queued)
        return; /* its turn comes when that is written */
    settle(sim, q);
    n = p->arrived - p->taken < space(q) ? p->arrived - p->taken : space(q);
    if (n > from->move_left)
        n = from->move_left;
    fifo_put(&q->bytes, fifo_at(&p->bytes, 0, n));
    q->written += n;
    take(sim, from, n);
    sim->stats.stream_bytes += n;
    from->moved += n;
    from->move_left -= from->move_left == UINT64_MAX ? 0 : n;
    transmit(sim, sim->conns[to->conn], to->side);
    if (from->moved && from->move_left && sim_below(sim, 2)) { /* the report that makes len whole is the last */
        struct skt_in in = { .kind = SKT_MOVE, .len = from->moved };
        from->moved = 0;
        sim_tell(sim, to, &in);
        to = sim_link_of(sim, host, id);
        if (!to || to->feeder != from)
            return; /* the engine ended it */
    }
    if (!from->move_left)
        sim_move_end(sim, from, 0);
    else if (p->fin_arrived && p->taken == p->arrived)
        sim_move_end(sim, from, 1);
    else if (p->taken < p->arrived && space(q))
        read_later(sim, from, READ_LATER);
}

/* ---- events ---- */

void sim_tcp_event(struct sim *sim, const struct event *e)
{
    struct conn *c = sim->conns[e->who];

    if (!c->used || c->gen != e->gen)
        return;
    switch ((enum event_kind)e->kind) {
    case EV_SEGMENT:
        if (!c->reset)
            on_segment(sim, c, e->side);
        break;
    case EV_ACK:
        if (!c->reset)
            on_ack(sim, c, e->side, e);
        break;
    case EV_READ:
        c->pipe[!e->side].read_event = false;
        if (c->link[e->side] && !c->reset)
            read_some(sim, c->link[e->side]);
        break;
    default: sim_conn_event(sim, c, e);
    }
}
