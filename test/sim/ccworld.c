/* ccworld: flows that share one bottleneck. Start reading at ccw_run(); a packet goes send_one(), data_arrives(),
 * send_ack(), ack_arrives(). */
#include "ccworld.h"

#include "base/heap.h"
#include "cctcp.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum { EVENTS = 1 << 20, ACK_PACKETS = 64, TCP_ACK_PACKETS = 2, IN_ORDER = 3 };
static const skt_time ack_least = SKT_MS, tcp_ack_least = 40 * SKT_MS, rto_least = 200 * SKT_MS;

struct packet {
    skt_time sent, first_sent, delivered_at; /* as draft-cheng-iccrg-delivery-rate-estimation */
    uint64_t delivered;
    uint32_t chunk;
    enum { FLYING, ACKED, LOST } is;
    bool got, app_limited;
};

struct flow {
    struct ccw_flow_conf conf;
    struct skt_cc *cc;
    struct cctcp tcp;
    uint32_t index, payload;
    bool began, done;
    skt_time done_at, timer; /* the event that is set already */

    struct packet *packets;      /* by number */
    uint64_t next, room, oldest; /* oldest: all before are settled */
    uint8_t *chunk_done;
    uint32_t *again;                              /* chunks to be sent again: a ring */
    uint64_t again_first, again_n, chunks, fresh; /* fresh: first never sent */
    uint64_t chunks_room;

    uint64_t inflight, delivered; /* bytes */
    skt_time delivered_at, first_sent;
    uint64_t app_limited;                                    /* until so much is delivered; 0: not */
    skt_time srtt, rttvar, rtt_min, pace_at, heard, reorder; /* reorder: how much later than 9/8 */
    uint32_t backoff;
    uint64_t twice; /* what was sent before went once more */
    skt_time app_at;

    uint64_t *log; /* numbers in the order of their arrival */
    uint64_t log_n, log_read;
    uint64_t largest, got_n, unacked;
    skt_time ack_due, largest_at; /* ack_due 0: none */
    uint64_t acks;
    struct ccw_result result;
    double queue_sum;
};

struct event {
    enum { WAKE, DATA, ACK, ACK_TIMER, STEP } what;
    uint32_t flow, next_free;
    uint64_t n;
    skt_time delay;
};

struct ccw {
    struct ccw_conf conf;
    skt_time now, gathered;
    struct skt_path there, back;
    bool dead;
    uint64_t index_there, index_back;
    struct skt_heap heap;
    struct event *events;
    uint32_t free_event, events_n;
    skt_time told;
    struct flow flow[CCW_FLOWS];
};

/* ---- events ---- */

static void at(struct ccw *w, skt_time when, struct event e)
{
    uint32_t id = w->free_event;

    if (id)
        w->free_event = w->events[id].next_free;
    else
        id = ++w->events_n;
    assert(id < EVENTS);
    w->events[id] = e;
    if (skt_heap_push(&w->heap, when > w->now ? when : w->now, id))
        abort();
}

static void wake_flow(struct ccw *w, struct flow *f, skt_time when)
{
    if (f->timer && f->timer <= when && w->now < f->timer)
        return;
    f->timer = when;
    at(w, when, (struct event){ .what = WAKE, .flow = f->index });
}

/* ---- the path ---- */

static struct skt_path_conf path_of(const struct ccw_conf *c, bool there)
{
    struct skt_path_conf p = there ? c->more : (struct skt_path_conf){ 0 };
    uint64_t bdp = c->rate_bytes * (uint64_t)c->rtt / (uint64_t)SKT_SEC;

    p.delay = c->rtt / 2;
    if (c->loss > 0)
        p.loss = c->loss;
    if (there && c->rate_bytes) {
        p.rate_bytes = c->rate_bytes;
        p.queue_bytes = c->queue_bytes ? c->queue_bytes : bdp > 128 << 10 ? bdp : 128 << 10;
    }
    return p;
}

static void step(struct ccw *w, const struct ccw_step *s)
{
    w->there.conf.delay = w->back.conf.delay = s->delay;
    w->there.conf.loss = w->back.conf.loss = s->loss;
    w->there.conf.rate_bytes = s->rate_bytes ? s->rate_bytes : w->there.conf.rate_bytes;
    w->dead = s->dead;
}

static void pass(struct ccw *w, bool there, struct event e, size_t len, skt_time more)
{
    struct skt_path *path = there ? &w->there : &w->back;
    uint64_t index = there ? w->index_there++ : w->index_back++;
    struct skt_path_fate fate = skt_path_pass(path, w->now, len, index);

    for (uint32_t i = 0; i < fate.copies && !w->dead; i++) {
        skt_time when = fate.at[i] + more;
        if (!there && w->conf.gather)
            when = (when / w->conf.gather + 1) * w->conf.gather;
        at(w, when, e);
    }
}

/* ---- the receiver ---- */

static void send_ack(struct ccw *w, struct flow *f)
{
    f->ack_due = 0;
    f->unacked = 0;
    pass(w, false, (struct event){ .what = ACK, .flow = f->index, .n = f->log_n, .delay = w->now - f->largest_at }, 80,
        f->conf.more_delay);
}

static void ack_later(struct ccw *w, struct flow *f)
{
    skt_time wait = w->conf.rtt / 8 + f->conf.more_delay / 4;

    if (f->ack_due)
        return;
    wait = wait > ack_least ? wait : ack_least;
    if (f->conf.kind == CCW_CUBIC)
        wait = tcp_ack_least;
    f->ack_due = w->now + wait;
    at(w, f->ack_due, (struct event){ .what = ACK_TIMER, .flow = f->index });
}

static void data_arrives(struct ccw *w, struct flow *f, uint64_t n)
{
    struct packet *p = &f->packets[n];
    bool newer = !f->got_n || n > f->largest, gap, tcp = f->conf.kind == CCW_CUBIC;

    if (p->got)
        return;
    p->got = true;
    gap = newer && n > (f->got_n ? f->largest + 1 : 0);
    f->got_n++;
    f->log[f->log_n++] = n;
    f->queue_sum += (double)(w->now - p->sent - w->there.conf.delay - f->conf.more_delay) / (double)SKT_MS;
    if (newer) {
        f->largest = n;
        f->largest_at = w->now;
    }
    f->unacked++;
    if (gap || (tcp && !newer) || f->unacked >= (tcp ? TCP_ACK_PACKETS : ACK_PACKETS))
        send_ack(w, f);
    else
        ack_later(w, f);
}

/* ---- the sender: acknowledgements ---- */

static bool take_chunk(struct flow *f, uint32_t chunk)
{
    if (f->chunk_done[chunk])
        return false;
    f->chunk_done[chunk] = 1;
    f->result.payload += f->payload;
    return true;
}

static void take_rtt(struct flow *f, skt_time rtt)
{
    skt_time off = f->srtt > rtt ? f->srtt - rtt : rtt - f->srtt;

    f->rttvar = f->srtt ? f->rttvar + (off - f->rttvar) / 4 : rtt / 2;
    f->srtt = f->srtt ? f->srtt + (rtt - f->srtt) / 8 : rtt;
    f->rtt_min = !f->rtt_min || rtt < f->rtt_min ? rtt : f->rtt_min;
}

static void lose(struct flow *f, uint64_t n)
{
    struct packet *p = &f->packets[n];

    p->is = LOST;
    f->inflight -= CCW_WIRE;
    f->result.lost++;
    if (!f->chunk_done[p->chunk])
        f->again[(f->again_first + f->again_n++) % f->chunks_room] = p->chunk;
}

/* RFC 9002, 6.1: by time; TCP also by three later ones. What is lost, in bytes. */
static uint64_t find_lost(struct ccw *w, struct flow *f, uint64_t largest, skt_time latest)
{
    skt_time rtt = f->srtt > latest ? f->srtt : latest, late = rtt + rtt / 8 + f->reorder;
    uint64_t lost = 0;

    for (uint64_t n = f->oldest; n < largest; n++) {
        struct packet *p = &f->packets[n];
        if (p->is != FLYING) {
            f->oldest += n == f->oldest;
            continue;
        }
        if (w->now - p->sent < late && !(f->conf.kind == CCW_CUBIC && n + 3 <= largest))
            break;
        lose(f, n);
        lost += CCW_WIRE;
        if (f->conf.kind == CCW_CUBIC)
            cctcp_lost(&f->tcp, w->now, n, f->next);
    }
    return lost;
}

/* The newest packet that this acknowledgement settles, or NULL; ret_acked: bytes. */
static struct packet *settle(struct ccw *w, struct flow *f, uint64_t log_n, uint64_t *ret_acked)
{
    struct packet *newest = NULL;

    *ret_acked = 0;
    for (; f->log_read < log_n; f->log_read++) {
        struct packet *p = &f->packets[f->log[f->log_read]];
        f->result.spurious += p->is == LOST;
        if (p->is == LOST && f->reorder < f->srtt / 2)
            f->reorder += f->srtt / 8; /* RFC 8985 */
        if (p->is == FLYING)
            f->inflight -= CCW_WIRE;
        p->is = ACKED;
        *ret_acked += CCW_WIRE;
        take_chunk(f, p->chunk);
        if (!newest || p > newest)
            newest = p;
    }
    f->delivered += *ret_acked;
    f->delivered_at = w->now;
    return newest;
}

static uint64_t delivery_rate(struct ccw *w, struct flow *f, const struct packet *p)
{
    skt_time took = w->now - p->delivered_at, sending = p->sent - p->first_sent;

    took = took > sending ? took : sending;
    f->first_sent = p->sent;
    if (took < f->rtt_min || took <= 0)
        return 0;
    return (uint64_t)((double)(f->delivered - p->delivered) * (double)SKT_SEC / (double)took);
}

/* A packet that overtook others says nothing of the path's length. */
static bool in_order(const struct flow *f, uint64_t number)
{
    for (uint64_t i = 1; i <= IN_ORDER && i <= number; i++)
        if (!f->packets[number - i].got)
            return !f->srtt;
    return true;
}

static void send_now(struct ccw *w, struct flow *f);
static void check_timers(struct ccw *w, struct flow *f);
static void check_late(struct ccw *w, struct flow *f);

static void ack_arrives(struct ccw *w, struct flow *f, uint64_t log_n, skt_time delay)
{
    struct skt_cc_sample s = { .now = w->now };
    struct packet *newest = settle(w, f, log_n, &s.acked);
    uint64_t number;

    if (!newest)
        return;
    number = (uint64_t)(newest - f->packets);
    f->heard = w->now;
    f->backoff = 0;
    if (!f->conf.rare_rtt || in_order(f, number)) {
        s.rtt = w->now - newest->sent - delay;
        s.rtt = s.rtt > 1 ? s.rtt : 1;
        take_rtt(f, s.rtt);
    }
    s.rate = delivery_rate(w, f, newest);
    s.prior = newest->delivered;
    s.app_limited = newest->app_limited;
    if (f->delivered > f->app_limited)
        f->app_limited = 0;
    s.lost = find_lost(w, f, number, s.rtt);
    s.inflight = f->inflight;
    s.delivered = f->delivered;
    s.rtt_min = f->rtt_min;
    if (f->cc)
        skt_cc_acked(f->cc, &s);
    else
        cctcp_acked(&f->tcp, w->now, (double)s.acked / CCW_WIRE, number, f->next, s.rtt, f->srtt);
    if (f->conf.bytes && f->result.payload >= f->conf.bytes && !f->done) {
        f->done = true;
        f->done_at = w->now;
    }
    check_late(w, f);
    send_now(w, f);
    check_timers(w, f);
}

/* ---- the sender: sending ---- */

static void *grown(void *p, uint64_t n, size_t size)
{
    p = realloc(p, n * size);
    if (!p)
        abort();
    return p;
}

/* Rings of chunks are unrolled when they grow. */
static void make_room(struct flow *f)
{
    if (f->next == f->room) {
        f->room = f->room ? 2 * f->room : 4096;
        f->packets = grown(f->packets, f->room, sizeof *f->packets);
        f->log = grown(f->log, f->room, sizeof *f->log);
    }
    if (f->fresh == f->chunks_room) {
        uint64_t room = f->chunks_room ? 2 * f->chunks_room : 4096;
        uint32_t *again = grown(NULL, room, sizeof *again);
        for (uint64_t i = 0; i < f->again_n; i++)
            again[i] = f->again[(f->again_first + i) % f->chunks_room];
        free(f->again);
        f->again = again;
        f->again_first = 0;
        f->chunk_done = grown(f->chunk_done, room, 1);
        memset(f->chunk_done + f->chunks_room, 0, room - f->chunks_room);
        f->chunks_room = room;
    }
}

/* At the end, where a loss costs a round trip and nothing else waits: what is still on its way goes once more. */
static bool next_twice(struct ccw *w, struct flow *f, uint32_t *ret_chunk)
{
    for (f->twice = f->twice > f->oldest ? f->twice : f->oldest; f->twice < f->next; f->twice++) {
        const struct packet *p = &f->packets[f->twice];
        if (p->is != FLYING || f->chunk_done[p->chunk] || w->now - p->sent < f->srtt / 4)
            continue;
        *ret_chunk = p->chunk;
        f->twice++;
        return true;
    }
    return false;
}

/* False: the application has nothing (now). */
static bool next_chunk(struct ccw *w, struct flow *f, uint32_t *ret_chunk)
{
    while (f->again_n) {
        *ret_chunk = f->again[f->again_first];
        f->again_first = (f->again_first + 1) % f->chunks_room;
        f->again_n--;
        if (!f->chunk_done[*ret_chunk])
            return true;
    }
    if (f->conf.bytes && f->fresh >= f->chunks)
        return f->conf.twice && next_twice(w, f, ret_chunk);
    if (f->conf.stop && w->now > f->conf.stop)
        return false;
    if (f->conf.app_rate) {
        if (f->app_at > w->now) {
            wake_flow(w, f, f->app_at);
            return false;
        }
        f->app_at = (f->app_at ? f->app_at : w->now) +
                    (skt_time)((double)CCW_WIRE * (double)SKT_SEC / (double)f->conf.app_rate);
    }
    *ret_chunk = (uint32_t)f->fresh++;
    return true;
}

static void send_one(struct ccw *w, struct flow *f, uint32_t chunk)
{
    struct packet *p;

    if (!f->inflight)
        f->first_sent = f->delivered_at = w->now;
    p = &f->packets[f->next];
    *p = (struct packet){ .sent = w->now,
        .first_sent = f->first_sent,
        .delivered_at = f->delivered_at,
        .delivered = f->delivered,
        .chunk = chunk,
        .app_limited = f->app_limited > 0 };
    if (f->cc)
        skt_cc_sent(f->cc, w->now, CCW_WIRE, f->inflight);
    f->inflight += CCW_WIRE;
    f->result.sent++;
    pass(w, true, (struct event){ .what = DATA, .flow = f->index, .n = f->next++ }, CCW_WIRE, f->conf.more_delay);
}

static uint64_t window(const struct flow *f)
{
    return f->cc ? skt_cc_window(f->cc) : (uint64_t)(f->tcp.window * CCW_WIRE);
}

static skt_time tick(const struct ccw *w) { return w->conf.tick ? w->conf.tick : SKT_MS; }

/* Until the window, the pace or the application says stop. */
static void send_now(struct ccw *w, struct flow *f)
{
    if (!f->began)
        return;
    while (f->inflight + CCW_WIRE <= window(f)) {
        uint64_t rate = f->cc ? skt_cc_rate(f->cc) : UINT64_MAX;
        uint32_t chunk;
        make_room(f);
        if (rate != UINT64_MAX && f->pace_at > w->now) {
            wake_flow(w, f, (f->pace_at / tick(w) + 1) * tick(w));
            break;
        }
        if (!next_chunk(w, f, &chunk)) {
            f->app_limited = f->delivered + f->inflight;
            break;
        }
        if (f->pace_at < w->now - tick(w))
            f->pace_at = w->now - tick(w);
        if (rate != UINT64_MAX)
            f->pace_at += (skt_time)((double)CCW_WIRE * (double)SKT_SEC / (double)rate);
        send_one(w, f, chunk);
    }
}

static skt_time probe_time(const struct ccw *w, const struct flow *f)
{
    skt_time ack = f->conf.kind == CCW_OURS ? w->conf.rtt / 8 + ack_least : 0;
    skt_time t = f->srtt ? f->srtt + 4 * f->rttvar + ack : SKT_SEC;

    if (f->conf.kind == CCW_CUBIC && t < rto_least)
        t = rto_least;
    return t << (f->backoff < 6 ? f->backoff : 6);
}

/* All in flight is given up. */
static void time_out(struct ccw *w, struct flow *f)
{
    f->result.timeouts++;
    for (uint64_t n = f->oldest; n < f->next; n++)
        if (f->packets[n].is == FLYING)
            lose(f, n);
    f->oldest = f->next;
    if (f->cc)
        skt_cc_timeout(f->cc, w->now);
    else
        cctcp_timeout(&f->tcp, f->next);
}

/* What is late: a loss that no acknowledgement told (again RFC 9002), a probe, in the end all. */
static void check_timers(struct ccw *w, struct flow *f)
{
    skt_time last = f->heard, due;

    if (!f->inflight)
        return;
    if (f->next && f->packets[f->next - 1].sent > last)
        last = f->packets[f->next - 1].sent;
    due = last + probe_time(w, f);
    if (w->now < due) {
        wake_flow(w, f, due);
        return;
    }
    f->backoff++;
    if (f->conf.kind == CCW_CUBIC || f->backoff > 3) {
        time_out(w, f);
    } else { /* the oldest again, as a probe */
        while (f->oldest < f->next && f->packets[f->oldest].is != FLYING)
            f->oldest++;
        make_room(f);
        if (f->oldest < f->next)
            send_one(w, f, f->packets[f->oldest].chunk);
    }
    f->heard = w->now;
    wake_flow(w, f, w->now + probe_time(w, f));
}

/* Losses that the last acknowledgement could not tell yet, because they were too young. */
static void check_late(struct ccw *w, struct flow *f)
{
    struct skt_cc_sample s = { .now = w->now };

    if (!f->log_read || f->conf.kind == CCW_CUBIC)
        return;
    s.lost = find_lost(w, f, f->largest, f->srtt);
    s.inflight = f->inflight;
    s.delivered = f->delivered;
    s.prior = 0;
    s.rtt_min = f->rtt_min;
    if (s.lost)
        skt_cc_acked(f->cc, &s);
    if (f->oldest < f->next && f->packets[f->oldest].is == FLYING && f->oldest < f->largest)
        wake_flow(w, f, f->packets[f->oldest].sent + f->srtt + f->srtt / 8 + f->reorder + SKT_MS);
}

static void begin(struct ccw *w, struct flow *f)
{
    struct skt_cc_conf cc = { .packet = CCW_WIRE,
        .rate_max = f->conf.rate_max,
        .seed = w->conf.seed,
        .rtt = w->conf.rtt + 2 * f->conf.more_delay };

    f->began = true;
    f->heard = f->delivered_at = f->first_sent = w->now;
    if (f->conf.kind == CCW_CUBIC)
        cctcp_init(&f->tcp, f->conf.hystart);
    else if (!(f->cc = skt_cc_new(&cc, w->now)))
        abort();
}

static void run_flow(struct ccw *w, struct flow *f)
{
    skt_time open = f->conf.start + (f->conf.kind == CCW_OURS ? 3 : 1) * (w->conf.rtt + 2 * f->conf.more_delay);

    if (w->now < open) {
        wake_flow(w, f, open);
        return;
    }
    if (!f->began)
        begin(w, f);
    check_late(w, f);
    check_timers(w, f);
    send_now(w, f);
    if (f->inflight)
        check_timers(w, f);
}

/* ---- the world ---- */

struct ccw *ccw_new(const struct ccw_conf *conf)
{
    struct ccw *w = calloc(1, sizeof *w);
    struct skt_path_conf there = path_of(conf, true), back = path_of(conf, false);

    if (!w)
        return NULL;
    w->conf = *conf;
    w->events = calloc(EVENTS, sizeof *w->events);
    skt_path_init(&w->there, &there, conf->seed, 0);
    skt_path_init(&w->back, &back, conf->seed, 1);
    if (!w->events || skt_heap_init(&w->heap, EVENTS)) {
        free(w->events);
        free(w);
        return NULL;
    }
    for (uint32_t i = 0; i < conf->flows; i++) {
        struct flow *f = &w->flow[i];
        *f = (struct flow){ .conf = conf->flow[i], .index = i };
        f->payload = f->conf.kind == CCW_OURS ? CCW_PAYLOAD : CCW_TCP_PAYLOAD;
        f->chunks = (f->conf.bytes + f->payload - 1) / f->payload;
        wake_flow(w, f, f->conf.start);
    }
    for (uint32_t i = 0; i < conf->steps; i++)
        at(w, conf->step[i].at, (struct event){ .what = STEP, .n = i });
    return w;
}

void ccw_free(struct ccw *w)
{
    if (!w)
        return;
    for (uint32_t i = 0; i < w->conf.flows; i++) {
        struct flow *f = &w->flow[i];
        skt_cc_free(f->cc);
        free(f->packets);
        free(f->log);
        free(f->again);
        free(f->chunk_done);
    }
    skt_path_done(&w->there);
    skt_path_done(&w->back);
    skt_heap_done(&w->heap);
    free(w->events);
    free(w);
}

static void happen(struct ccw *w, const struct event *e)
{
    struct flow *f = &w->flow[e->flow];

    switch (e->what) {
    case WAKE: run_flow(w, f); break;
    case DATA: data_arrives(w, f, e->n); break;
    case ACK: ack_arrives(w, f, e->n, e->delay); break;
    case ACK_TIMER:
        if (f->ack_due && f->ack_due <= w->now)
            send_ack(w, f);
        break;
    case STEP: step(w, &w->conf.step[e->n]); break;
    }
}

static void trace(struct ccw *w)
{
    uint64_t queue;
    uint32_t packets;

    if (!w->conf.trace || w->now < w->told)
        return;
    w->told = w->now + w->conf.trace;
    skt_path_occupancy(&w->there, w->now, &queue, &packets);
    printf("%7.3f q%5.1fms drop %6lu", (double)w->now / 1e9,
        w->there.conf.rate_bytes ? (double)queue * 1e3 / (double)w->there.conf.rate_bytes : 0,
        (unsigned long)w->there.dropped);
    for (uint32_t i = 0; i < w->conf.flows; i++) {
        const struct flow *f = &w->flow[i];
        printf(" | %-7s w%6lu in%6lu %7.2f Mb rtt %5.1f/%5.1f %8.2f MB", f->cc ? skt_cc_state(f->cc) : "tcp",
            (unsigned long)(f->began ? window(f) / CCW_WIRE : 0), (unsigned long)(f->inflight / CCW_WIRE),
            f->cc ? (double)skt_cc_rate(f->cc) * 8e-6 : 0, (double)f->srtt / 1e6, (double)f->rtt_min / 1e6,
            (double)f->result.payload / 1e6);
    }
    printf("\n");
}

static bool all_done(const struct ccw *w)
{
    for (uint32_t i = 0; i < w->conf.flows; i++)
        if (!w->flow[i].done)
            return false;
    return true;
}

void ccw_run(struct ccw *w, skt_time until)
{
    skt_time when;
    uint32_t id;

    while (!all_done(w) && skt_heap_top(&w->heap, &when, &id) && when <= until) {
        struct event e = w->events[id];
        skt_heap_pop(&w->heap);
        w->events[id].next_free = w->free_event;
        w->free_event = id;
        w->now = when;
        trace(w);
        happen(w, &e);
    }
    if (!all_done(w))
        w->now = until;
}

skt_time ccw_now(const struct ccw *w) { return w->now; }
struct skt_cc *ccw_cc(const struct ccw *w, uint32_t flow) { return w->flow[flow].cc; }

struct ccw_result ccw_result(const struct ccw *w, uint32_t flow)
{
    const struct flow *f = &w->flow[flow];
    struct ccw_result r = f->result;

    r.done = f->done;
    r.took = (f->done ? f->done_at : w->now) - f->conf.start;
    r.queue_mean = f->got_n ? f->queue_sum / (double)f->got_n : 0;
    return r;
}
