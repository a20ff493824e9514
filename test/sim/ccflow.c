/* ccflow: both ends of a flow. Start reading at ccf_run(); a packet goes send_one(), ccf_data(), send_ack(), ccf_ack(). */
#include "ccinside.h"

#include <stdlib.h>

enum { ACK_PACKETS = 64, TCP_ACK_PACKETS = 2, IN_ORDER = 3 };
static const skt_time ack_least = SKT_MS, tcp_ack_least = 40 * SKT_MS, rto_least = 200 * SKT_MS;

/* ---- the receiver ---- */

static void send_ack(struct ccw *w, struct flow *f)
{
    f->ack_due = 0;
    f->unacked = 0;
    ccw_pass(w, false, (struct event){ .what = ACK, .flow = f->index, .n = f->log_n, .delay = w->now - f->largest_at },
        80, f->conf.more_delay);
}

void ccf_ack_timer(struct ccw *w, struct flow *f)
{
    if (f->ack_due && f->ack_due <= w->now)
        send_ack(w, f);
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
    ccw_at(w, f->ack_due, (struct event){ .what = ACK_TIMER, .flow = f->index });
}

void ccf_data(struct ccw *w, struct flow *f, uint64_t n)
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
            cctcp_lost(&f->tcp, n, f->next);
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

void ccf_ack(struct ccw *w, struct flow *f, uint64_t log_n, skt_time delay)
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
            ccw_wake(w, f, f->app_at);
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
    ccw_pass(w, true, (struct event){ .what = DATA, .flow = f->index, .n = f->next++ }, CCW_WIRE, f->conf.more_delay);
}

uint64_t ccf_window(const struct flow *f)
{
    return f->cc ? skt_cc_window(f->cc) : (uint64_t)(f->tcp.window * CCW_WIRE);
}

static skt_time tick(const struct ccw *w) { return w->conf.tick ? w->conf.tick : SKT_MS; }

/* Until the window, the pace or the application says stop. */
static void send_now(struct ccw *w, struct flow *f)
{
    if (!f->began)
        return;
    while (f->inflight + CCW_WIRE <= ccf_window(f)) {
        uint64_t rate = f->cc ? skt_cc_rate(f->cc) : UINT64_MAX;
        uint32_t chunk;
        make_room(f);
        if (rate != UINT64_MAX && f->pace_at > w->now) {
            ccw_wake(w, f, (f->pace_at / tick(w) + 1) * tick(w));
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
        ccw_wake(w, f, due);
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
    ccw_wake(w, f, w->now + probe_time(w, f));
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
        ccw_wake(w, f, f->packets[f->oldest].sent + f->srtt + f->srtt / 8 + f->reorder + SKT_MS);
}

static void begin(struct ccw *w, struct flow *f)
{
    struct skt_cc_conf cc = {
        .packet = CCW_WIRE, .rate_max = f->conf.rate_max, .rtt = w->conf.rtt + 2 * f->conf.more_delay
    };

    f->began = true;
    f->heard = f->delivered_at = f->first_sent = w->now;
    if (f->conf.kind == CCW_CUBIC)
        cctcp_init(&f->tcp, f->conf.hystart);
    else if (!(f->cc = skt_cc_new(&cc, w->now)))
        abort();
}

void ccf_run(struct ccw *w, struct flow *f)
{
    skt_time open = f->conf.start + (f->conf.kind == CCW_OURS ? 3 : 1) * (w->conf.rtt + 2 * f->conf.more_delay);

    if (w->now < open) {
        ccw_wake(w, f, open);
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

void ccf_done(struct flow *f)
{
    skt_cc_free(f->cc);
    free(f->packets);
    free(f->log);
    free(f->again);
    free(f->chunk_done);
}
