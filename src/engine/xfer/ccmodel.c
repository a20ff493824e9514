/* ccmodel: what the acknowledgements say of the path: the highest delivery rate of late, the lowest round trip, the queue
 * that stands, and how much comes acknowledged at once. Start reading at cc_model_take(). */
#include "engine/xfer/ccinside.h"

#include "base/banned.h"

static const skt_time bunch_most = 50 * SKT_MS;
static const skt_time span = 10 * SKT_SEC; /* rtt_min is the lowest of one to two of them */
enum { EXTRA_ROUNDS = 10, BUSY_LEAST = 2, MEAN_LEAST = 4, KEEP = 4 };

void cc_model_init(struct cc_model *m, skt_time now)
{
    *m = (struct cc_model){ .rtt_span_began = now, .mean_began = now, .burst_began = now };
}

static skt_time lower(skt_time a, skt_time b) { return !a || (b && b < a) ? b : a; }

/* The span's lowest mean. keep: others fill the queue, so that what is measured now is not the path's own. */
static void take_mean(struct cc_model *m, skt_time now, skt_time mean, bool keep)
{
    if (now - m->rtt_span_began > (keep ? KEEP : 1) * span) {
        m->rtt_span[1] = m->rtt_span[0];
        m->rtt_span[0] = 0;
        m->top_span[1] = m->top_span[0];
        m->top_span[0] = 0;
        m->rtt_span_began = now;
    }
    m->rtt_span[0] = lower(m->rtt_span[0], mean);
    m->top_span[0] = mean > m->top_span[0] ? mean : m->top_span[0];
    m->rtt_top = m->top_span[0] > m->top_span[1] ? m->top_span[0] : m->top_span[1];
    m->rtt_min = lower(m->rtt_span[0], m->rtt_span[1]);
    m->stand[1] = m->stand[0];
    m->stand[0] = mean;
    m->means++;
}

/* When `delivered` passed that: between the two samples that stand around it. False: not remembered so exactly. */
static bool when_delivered(const struct cc_model *m, uint64_t delivered, skt_time *ret_latest)
{
    const struct cc_mark *next = NULL;

    for (uint32_t i = 0; i < CC_MARKS && i < m->marks_n; i++) {
        const struct cc_mark *mark = &m->marks[(m->marks_n - 1 - i) % CC_MARKS];
        if (mark->delivered <= delivered) {
            if (!next || next->at - mark->at > m->rtt_min / 16)
                return false;
            *ret_latest = next->at;
            return true;
        }
        next = mark;
    }
    return false;
}

static void take_mark(struct cc_model *m, skt_time now, uint64_t delivered)
{
    if (m->marks_n && now - m->marks[(m->marks_n - 1) % CC_MARKS].at < m->rtt_min / (CC_MARKS / 2))
        return;
    m->marks[m->marks_n++ % CC_MARKS] = (struct cc_mark){ .at = now, .delivered = delivered };
}

/* After a gap the round trip is not told, and with much loss there is always a gap; but at the latest the packet was sent
 * when the first acknowledgement after `prior` came. Too low a little: it may show a queue, not a shorter path. */
static skt_time rtt_of(const struct cc_model *m, const struct skt_cc_sample *s)
{
    skt_time sent;

    if (s->rtt > 0 || !s->acked || !m->rtt_min)
        return s->rtt;
    return when_delivered(m, s->prior, &sent) && s->now - sent > m->rtt_min ? s->now - sent : 0;
}

/* Means of a few are compared with means of a few, each without its lowest and its highest: jitter, and packets and
 * acknowledgements that overtake others, are then no queue and no shorter path. */
static void take_rtt(struct cc_model *m, skt_time now, skt_time rtt, bool keep)
{
    if (m->rtts[0])
        m->wobble += ((rtt > m->rtts[0] ? rtt - m->rtts[0] : m->rtts[0] - rtt) - m->wobble) / 16;
    memmove(m->rtts + 1, m->rtts, sizeof m->rtts - sizeof *m->rtts);
    m->rtts[0] = rtt;
    m->srtt = m->srtt ? m->srtt + (rtt - m->srtt) / 8 : rtt;
    m->mean_sum += rtt;
    m->mean_low = lower(m->mean_low, rtt);
    m->mean_high = rtt > m->mean_high ? rtt : m->mean_high;
    m->mean_n++;
    if (!m->rtt_span[0] && !m->rtt_span[1])
        m->rtt_min = lower(m->rtt_min, rtt > m->rtts[1] ? rtt : m->rtts[1]); /* until there is a mean */
    if (m->mean_n < MEAN_LEAST || now - m->mean_began < m->srtt / 4)
        return;
    take_mean(m, now, (m->mean_sum - m->mean_low - m->mean_high) / (m->mean_n - 2), keep);
    cc_model_mean_anew(m, now);
}

void cc_model_mean_anew(struct cc_model *m, skt_time now)
{
    m->mean_began = now;
    m->mean_sum = m->mean_low = m->mean_high = 0;
    m->mean_n = 0;
}

/* How far acknowledgements run ahead of the rate, so that what they gather on their way does not stop the flow. */
static void take_extra(struct cc_model *m, const struct skt_cc_sample *s)
{
    double due = (double)cc_model_rate(m, CC_RATES) * (double)(s->now - m->burst_began) / (double)SKT_SEC;
    uint64_t extra;

    if ((double)m->burst_acked <= due) {
        m->burst_began = s->now;
        m->burst_acked = 0;
        due = 0;
    }
    m->burst_acked += s->acked;
    extra = (uint64_t)((double)m->burst_acked - due);
    if (m->round - m->extra_round > EXTRA_ROUNDS) {
        m->extra[1] = m->extra[0];
        m->extra[0] = 0;
        m->extra_round = m->round;
    }
    if (m->extra[0] < extra)
        m->extra[0] = extra;
}

static void next_round(struct cc_model *m, const struct skt_cc_sample *s)
{
    if (!m->round_limited) {
        memmove(m->rates + 1, m->rates, sizeof m->rates - sizeof *m->rates);
        m->rates[0] = 0;
    }
    m->round_end = s->delivered;
    m->round_limited = false;
    m->past_acked = m->round_acked;
    m->past_lost = m->round_lost;
    m->round_acked = m->round_lost = 0;
    m->round++;
}

/* True: a round ended with this sample; the sample belongs to the round that begins. */
bool cc_model_take(struct cc_model *m, const struct skt_cc_sample *s, bool keep_rtt_min)
{
    bool over = s->acked && s->prior >= m->round_end;

    if (over)
        next_round(m, s);
    m->rtt = rtt_of(m, s);
    if (m->rtt > 0)
        take_rtt(m, s->now, m->rtt, keep_rtt_min);
    if (s->acked)
        take_mark(m, s->now, s->delivered);
    m->round_limited |= s->app_limited;
    m->round_acked += s->acked;
    m->round_lost += s->lost;
    if (s->rate > m->rates[0] && (!s->app_limited || s->rate > cc_model_rate(m, CC_RATES)))
        m->rates[0] = s->rate;
    if (s->acked) {
        m->prior = s->prior;
        take_extra(m, s);
    }
    return over;
}

/* While the queue stands the bottleneck is busy: what is acknowledged in that time is its rate. Sooner than the samples
 * know it, which look back over a round trip. */
void cc_model_busy(struct cc_model *m, const struct skt_cc_sample *s, skt_time margin)
{
    uint32_t i = BUSY_LEAST;
    double rate;

    if (!s->acked || !m->rtt || s->now == m->busy[0].at)
        return;
    if (m->rtt - m->rtt_min < margin) {
        memset(m->busy, 0, sizeof m->busy);
        return;
    }
    while (i < CC_BUSY - 1 && m->busy[i].at && s->now - m->busy[i].at < m->rtt_min / 8)
        i++;
    if (m->busy[i].at && s->now - m->busy[i].at >= m->rtt_min / 8) {
        rate = (double)(s->delivered - m->busy[i].delivered) * (double)SKT_SEC / (double)(s->now - m->busy[i].at);
        m->rates[0] = rate > (double)m->rates[0] ? (uint64_t)rate : m->rates[0];
    }
    memmove(m->busy + 1, m->busy, sizeof m->busy - sizeof *m->busy);
    m->busy[0] = (struct cc_busy){ .at = s->now, .delivered = s->delivered };
}

uint64_t cc_model_rate(const struct cc_model *m, uint32_t rounds)
{
    uint64_t rate = 0;

    for (uint32_t i = 0; i < rounds && i < CC_RATES; i++)
        rate = m->rates[i] > rate ? m->rates[i] : rate;
    return rate;
}

void cc_model_forget(struct cc_model *m, uint32_t rounds)
{
    for (uint32_t i = rounds; i < CC_RATES; i++)
        m->rates[i] = 0;
}

void cc_model_calm(struct cc_model *m) { m->extra[0] = m->extra[1] = m->burst_acked = 0; }

/* No more than the rate makes of a round trip and the longest bunch that is believed. */
uint64_t cc_model_extra(const struct cc_model *m)
{
    uint64_t extra = m->extra[0] > m->extra[1] ? m->extra[0] : m->extra[1];
    double most = (double)cc_model_rate(m, CC_RATES) * (double)(m->rtt_min + bunch_most) / (double)SKT_SEC;

    return (double)extra > most ? (uint64_t)most : extra;
}

skt_time cc_model_late(const struct cc_model *m)
{
    skt_time least = m->rtts[0];

    for (uint32_t i = 1; i < CC_RTTS; i++)
        least = m->rtts[i] < least ? m->rtts[i] : least;
    return least > m->rtt_min ? least - m->rtt_min : 0;
}

skt_time cc_model_stand(const struct cc_model *m) { return lower(m->stand[0], m->stand[1]); }

void cc_model_longer(struct cc_model *m, skt_time now, skt_time rtt)
{
    m->rtt_span[0] = m->rtt_span[1] = m->rtt_min = rtt;
    m->top_span[0] = m->top_span[1] = m->rtt_top = rtt;
    m->rtt_span_began = now;
}

skt_time cc_model_queue(const struct cc_model *m)
{
    skt_time stands = cc_model_stand(m);

    return stands > m->rtt_min ? stands - m->rtt_min : 0;
}

double cc_model_bdp(const struct cc_model *m)
{
    return (double)cc_model_rate(m, CC_RATES) * (double)m->rtt_min / (double)SKT_SEC;
}
