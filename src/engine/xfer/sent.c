/* sent: one record a packet, from its sending until nobody asks for it. Start reading at skt_sent_ack(). */
#include "engine/xfer/sent.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

enum { FIRST_SIZE = 64, ACKED_RANGES = 1024, CALM_ROUNDS = 6, IN_ORDER = 4 };
#define GRANULARITY SKT_MS /* RFC 9002, 6.1.2 */
#define RTT_UNKNOWN (333 * SKT_MS)
#define LATE_MOST   SKT_SEC
#define MIN_WINDOW  (5 * SKT_SEC)

void skt_sent_init(struct skt_sent *sent)
{
    *sent = (struct skt_sent){ .loss_at = SKT_NEVER };
    (void)skt_ranges_init(&sent->acked, ACKED_RANGES); /* allocates nothing */
}

void skt_sent_done(struct skt_sent *sent)
{
    free(sent->packets);
    free(sent->pieces);
    free(sent->told);
    skt_ranges_done(&sent->acked);
    sent->packets = NULL;
    sent->pieces = NULL;
    sent->told = NULL;
}

/* --- room --- */

/* A ring of twice the size; what was at number % size goes to number % (2 * size). */
static void *doubled(const void *ring, uint32_t size, uint32_t grown, uint64_t first, uint64_t next, size_t item)
{
    uint8_t *fresh = malloc(grown * item);

    for (uint64_t i = first; fresh && i < next; i++)
        memcpy(fresh + (i & (grown - 1)) * item, (const uint8_t *)ring + (i & (size - 1)) * item, item);
    return fresh;
}

static bool grow_packets(struct skt_sent *sent)
{
    uint32_t grown = sent->size ? sent->size * 2 : FIRST_SIZE;
    struct skt_sent_packet *packets =
        doubled(sent->packets, sent->size, grown, sent->first, sent->next, sizeof *packets);
    struct skt_sent_told *told =
        doubled(sent->told, sent->size * 2, grown * 2, sent->told_first, sent->told_next, sizeof *told);

    if (!packets || !told) {
        free(packets);
        free(told);
        return false;
    }
    free(sent->packets);
    free(sent->told);
    sent->packets = packets;
    sent->told = told;
    sent->size = grown;
    return true;
}

static bool grow_pieces(struct skt_sent *sent)
{
    uint32_t grown = sent->pieces_size ? sent->pieces_size * 2 : FIRST_SIZE;
    struct skt_conn_piece *pieces =
        doubled(sent->pieces, sent->pieces_size, grown, sent->piece_first, sent->piece_next, sizeof *pieces);

    if (!pieces)
        return false;
    free(sent->pieces);
    sent->pieces = pieces;
    sent->pieces_size = grown;
    return true;
}

bool skt_sent_room(struct skt_sent *sent, uint32_t packets)
{
    if (sent->piece_next - sent->piece_first >= sent->pieces_size &&
        (sent->pieces_size >= SKT_PIECES_MAX || !grow_pieces(sent)))
        return false;
    while (sent->next - sent->first + packets > sent->size)
        if (sent->size >= SKT_SENT_MAX || !grow_packets(sent))
            return false;
    return true;
}

bool skt_sent_piece(struct skt_sent *sent, const struct skt_conn_piece *piece)
{
    if (sent->piece_next - sent->piece_first >= sent->pieces_size)
        return false;
    sent->pieces[sent->piece_next++ & (sent->pieces_size - 1)] = *piece;
    return true;
}

/* --- out --- */

void skt_sent_skip(struct skt_sent *sent)
{
    *skt_sent_at(sent, sent->next++) = (struct skt_sent_packet){ .state = SKT_SENT_SKIPPED, .piece = sent->piece_next };
}

void skt_sent_push(struct skt_sent *sent, skt_time now, const struct skt_sent_packet *packet)
{
    struct skt_sent_packet *p = skt_sent_at(sent, sent->next);

    assert(sent->next - sent->first < sent->size);
    *p = *packet;
    p->at = now;
    sent->next++;
    sent->packets_n++;
    if (p->state != SKT_SENT_OUT)
        return;
    if (!sent->inflight)
        sent->first_at = sent->delivered_at = now;
    p->first_at = sent->first_at;
    p->delivered_at = sent->delivered_at;
    p->delivered = sent->delivered;
    p->limited = sent->limited != 0;
    sent->inflight += p->bytes;
    sent->eliciting++;
    sent->last_at = now;
}

/* --- round trips, RFC 9002, 5 --- */

static void note_min(struct skt_sent *sent, skt_time now, skt_time rtt)
{
    if (!sent->min_now || now - sent->min_since > MIN_WINDOW) { /* the path may have become longer */
        sent->min_last = sent->min_now ? sent->min_now : rtt;
        sent->min_now = rtt;
        sent->min_since = now;
    }
    if (rtt < sent->min_now)
        sent->min_now = rtt;
    sent->rtt_min = sent->min_now < sent->min_last ? sent->min_now : sent->min_last;
}

static void smooth(struct skt_sent *sent, skt_time rtt)
{
    skt_time off = rtt > sent->srtt ? rtt - sent->srtt : sent->srtt - rtt;

    sent->var = sent->srtt ? (3 * sent->var + off) / 4 : rtt / 2;
    sent->srtt = sent->srtt ? (7 * sent->srtt + rtt) / 8 : rtt;
}

void skt_sent_rtt(struct skt_sent *sent, skt_time now, skt_time rtt, skt_time delay)
{
    rtt = rtt > 0 ? rtt : 1;
    if (sent->rtt_min && rtt - delay >= sent->rtt_min) /* RFC 9002, 5.3: never below the shortest */
        rtt -= delay;
    note_min(sent, now, rtt);
    sent->latest = rtt;
    smooth(sent, rtt);
}

skt_time skt_sent_pto(const struct skt_sent *sent)
{
    skt_time srtt = sent->srtt ? sent->srtt : RTT_UNKNOWN, var = sent->srtt ? sent->var : RTT_UNKNOWN / 2;
    skt_time delay = srtt / 8 > SKT_MS ? srtt / 8 : SKT_MS; /* section 4: how long the other end may keep an ACK */

    return srtt + (4 * var > GRANULARITY ? 4 * var : GRANULARITY) + delay;
}

skt_time skt_sent_timeout(const struct skt_sent *sent)
{
    uint32_t shift = sent->timeouts < 10 ? sent->timeouts : 10;

    return sent->eliciting ? sent->last_at + (skt_sent_pto(sent) << shift) : SKT_NEVER;
}

/* --- in --- */

static void tell(struct skt_sent *sent, uint64_t number, bool acked)
{
    assert(sent->told_next - sent->told_first < 2 * (uint64_t)sent->size);
    sent->told[sent->told_next++ & (2 * (uint64_t)sent->size - 1)] = (struct skt_sent_told){ number, acked };
}

/* It was taken for lost and was only late. Be that patient from now on. */
static void came_late(struct skt_sent *sent, skt_time now, const struct skt_sent_packet *p)
{
    skt_time age = now - p->at;

    if (age > LATE_MOST)
        age = LATE_MOST;
    if (sent->late < age)
        sent->late = age;
    sent->calm_since = now;
}

/* The rate sample is taken over the flight of the packet that was sent last, of those that have overtaken none, as its
 * snapshots say. */
static void arrived(struct skt_sent *sent, skt_time now, uint64_t number, uint64_t in_order, struct skt_sent_news *news,
    struct skt_sent_packet *newest)
{
    struct skt_sent_packet *p = skt_sent_at(sent, number);

    if (p->state == SKT_SENT_LOST) {
        if (!p->early)
            came_late(sent, now, p);
        sent->lost_n--;
        sent->lost_bytes -= p->bytes;
    } else if (p->state == SKT_SENT_OUT) {
        sent->inflight -= p->bytes;
        sent->eliciting--;
    } else {
        return;
    }
    p->state = SKT_SENT_ACKED;
    sent->delivered += p->bytes;
    sent->delivered_at = now;
    news->acked += p->bytes;
    if (number < in_order &&
        (!newest->bytes || p->at > newest->at || (p->at == newest->at && p->delivered >= newest->delivered)))
        *newest = *p;
    news->any = true;
    tell(sent, number, true);
}

/* Those of from..to - 1 that were not acknowledged before. -EBADMSG: one of them was never sent. */
static int take_range(struct skt_sent *sent, skt_time now, uint64_t from, uint64_t to, uint64_t in_order,
    struct skt_sent_news *news, struct skt_sent_packet *newest)
{
    uint64_t at = from;

    while (at < to) {
        struct skt_range known;
        uint64_t end = to;

        at = skt_ranges_gap(&sent->acked, at);
        if (at >= to)
            break;
        if (skt_ranges_next(&sent->acked, at, &known) && known.from < to)
            end = known.from;
        for (; at < end; at++) {
            if (skt_sent_at(sent, at)->state == SKT_SENT_SKIPPED)
                return -EBADMSG;
            arrived(sent, now, at, in_order, news, newest);
        }
    }
    (void)skt_ranges_take(&sent->acked, from, to, NULL); /* full: this range will be walked again, no more than that */
    return 0;
}

static void sample_rate(struct skt_sent *sent, const struct skt_sent_packet *newest, struct skt_sent_news *news)
{
    skt_time send = newest->at - newest->first_at, ack = sent->delivered_at - newest->delivered_at;
    skt_time span = send > ack ? send : ack;
    uint64_t bytes = sent->delivered - newest->delivered;

    if (sent->prior < newest->delivered)
        sent->prior = newest->delivered;
    news->limited = newest->limited;
    sent->first_at = newest->at;
    if (sent->limited && sent->delivered > sent->limited)
        sent->limited = 0;
    if (span <= 0 || span < sent->rtt_min) /* too short to mean anything: several ACKs came at once */
        return;
    news->rate = (uint64_t)((double)bytes * 1e9 / (double)span);
}

static skt_time patience(const struct skt_sent *sent)
{
    skt_time rtt = sent->srtt > sent->latest ? sent->srtt : sent->latest;
    skt_time wait;

    rtt = rtt ? rtt : RTT_UNKNOWN;
    wait = rtt + rtt / 8;
    if (wait < sent->late + sent->late / 8)
        wait = sent->late + sent->late / 8;
    return wait > GRANULARITY ? wait : GRANULARITY;
}

static void lose(struct skt_sent *sent, uint64_t number, struct skt_sent_news *news)
{
    struct skt_sent_packet *p = skt_sent_at(sent, number);

    p->state = SKT_SENT_LOST;
    sent->inflight -= p->bytes;
    sent->eliciting--;
    if (!p->probe)
        news->lost += p->bytes;
    sent->lost_n++;
    sent->lost_bytes += p->bytes;
    tell(sent, number, false);
}

/* Sent before one that was acknowledged, and longer ago than the patience: lost, RFC 9002, 6.1.2. Numbers are in the order of
 * their times, so that `judge` only ever goes up. */
void skt_sent_late(struct skt_sent *sent, skt_time now, struct skt_sent_news *news)
{
    skt_time wait = patience(sent);

    sent->loss_at = SKT_NEVER;
    if (sent->judge < sent->first)
        sent->judge = sent->first;
    for (; sent->judge < sent->largest; sent->judge++) {
        struct skt_sent_packet *p = skt_sent_at(sent, sent->judge);

        if (p->state != SKT_SENT_OUT)
            continue;
        if (p->at + wait > now) {
            sent->loss_at = p->at + wait;
            return;
        }
        lose(sent, sent->judge, news);
    }
}

void skt_sent_probe(struct skt_sent *sent)
{
    struct skt_sent_news none = { 0 }; /* the path may be innocent: nobody is told */

    for (uint64_t i = sent->next, n = 0, looked = 0; i-- > sent->first && n < 2 && looked < 64; looked++) {
        if (skt_sent_at(sent, i)->state != SKT_SENT_OUT)
            continue;
        skt_sent_at(sent, i)->early = true;
        lose(sent, i, &none);
        n++;
    }
}

void skt_sent_give_up(struct skt_sent *sent, skt_time now, struct skt_sent_news *news)
{
    for (uint64_t i = sent->judge > sent->first ? sent->judge : sent->first; i < sent->next; i++)
        if (skt_sent_at(sent, i)->state == SKT_SENT_OUT) {
            skt_sent_at(sent, i)->early = true;
            lose(sent, i, news);
        }
    sent->loss_at = SKT_NEVER;
}

/* The newest row of some that have arrived without a gap ends here: what is above has overtaken others, and would make the path
 * look short. */
static uint64_t row_end(const struct skt_sent *sent, const struct skt_xfer_ack *ack)
{
    for (uint32_t i = 0; i < ack->n && ack->range[i].to > sent->first; i++)
        if (ack->range[i].to - ack->range[i].from >= IN_ORDER || ack->range[i].from <= sent->first || !sent->srtt)
            return ack->range[i].to;
    return 0;
}

/* delay: what the frame tells is that of the top one. An ACK that has overtaken others makes no path shorter. */
static void take_rtt(
    struct skt_sent *sent, skt_time now, skt_time rtt, skt_time delay, bool overtook, struct skt_sent_news *news)
{
    if (overtook && rtt - delay < sent->rtt_min)
        return;
    skt_sent_rtt(sent, now, rtt, delay);
    news->rtt = sent->latest;
}

int skt_sent_ack(
    struct skt_sent *sent, skt_time now, const struct skt_xfer_ack *ack, bool overtook, struct skt_sent_news *news)
{
    struct skt_sent_packet newest = { 0 };
    uint64_t top = ack->range[0].to, in_order;
    bool timed;

    if (top > sent->next)
        return -EBADMSG;
    in_order = row_end(sent, ack);
    timed = in_order > sent->first && skt_sent_at(sent, in_order - 1)->state == SKT_SENT_OUT;
    for (uint32_t i = 0; i < ack->n && ack->range[i].to > sent->first; i++) {
        const struct skt_xfer_range *range = &ack->range[i];
        int r = take_range(
            sent, now, range->from < sent->first ? sent->first : range->from, range->to, in_order, news, &newest);

        if (r)
            return r;
    }
    if (sent->largest < top)
        sent->largest = top;
    if (news->any) {
        sent->timeouts = 0;
        if (timed)
            take_rtt(sent, now, now - skt_sent_at(sent, in_order - 1)->at,
                in_order == top ? (skt_time)ack->delay * SKT_US : 0, overtook, news);
        if (newest.bytes)
            sample_rate(sent, &newest, news);
        news->prior = sent->prior;
        if (sent->late && now - sent->calm_since > CALM_ROUNDS * sent->srtt) {
            sent->late -= sent->late / 8 + 1;
            sent->calm_since = now;
        }
    }
    skt_sent_late(sent, now, news);
    return 0;
}

/* --- settled --- */

bool skt_sent_told(struct skt_sent *sent, struct skt_sent_told *ret_told)
{
    if (sent->told_first == sent->told_next)
        return false;
    *ret_told = sent->told[sent->told_first++ & (2 * (uint64_t)sent->size - 1)];
    return true;
}

/* A lost one is kept for a while, for the case that it was only late; and a skipped number until an ACK has gone over it. */
static bool is_over(const struct skt_sent *sent, skt_time now, uint64_t number)
{
    const struct skt_sent_packet *p = &sent->packets[number & (sent->size - 1)];

    switch ((enum skt_sent_state)p->state) {
    case SKT_SENT_NONE:
    case SKT_SENT_ACKED: return true;
    case SKT_SENT_OUT: return false;
    case SKT_SENT_LOST: return now - p->at > 4 * patience(sent) || sent->next - sent->first > SKT_SENT_MAX / 2;
    case SKT_SENT_SKIPPED: return number + 1 < sent->largest;
    }
    return true;
}

void skt_sent_forget(struct skt_sent *sent, skt_time now)
{
    uint64_t from = sent->first;

    if (sent->told_first != sent->told_next)
        return;
    while (sent->first < sent->next && is_over(sent, now, sent->first)) {
        const struct skt_sent_packet *p = skt_sent_at(sent, sent->first);

        if (p->state != SKT_SENT_SKIPPED)
            sent->piece_first = p->piece + p->pieces;
        sent->first++;
    }
    if (sent->first > from)
        (void)skt_ranges_drop(&sent->acked, 0, sent->first, NULL); /* only makes it smaller */
}
