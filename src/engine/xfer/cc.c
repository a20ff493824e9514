/* cc: how fast to send. Start reading at skt_cc_acked().
 *
 *   startup -> down <-> cruise -> up -> down ...      alone: rate times lowest round trip, probed up and down
 *                |  ^
 *                v  |                                 others keep the queue full while we step back:
 *              beside                                 the window of one TCP, with a step back now and then
 */
#include "engine/xfer/cc.h"

#include "engine/xfer/ccinside.h"

#include <stdlib.h>

#include "base/banned.h"

enum { FIRST = 64, LEAST = 4 }; /* packets: the first flight; the smallest window */
enum { DOWN_ROUNDS = 5, BESIDE_ROUNDS = 32, PLATEAU = 2, OVERFLOW = 64, FUTILE = 3, SHARES = 16, LOT = 256 };
static const uint32_t cruise_rounds[] = { 2, 6, 14 }; /* after so many probes in vain */
static const double startup_grow = 2; /* bytes of window for each acknowledged: three times as much each round */
static const double startup_pace = 4, beside_pace = 1.25; /* so much faster than the window allows: it decides */
static const double up_gain = 1.25, down_gain = .9, cruise_room = 1.5, up_room = 2;
static const skt_time clock_slack = 2 * SKT_MS; /* a pacer's tick and that of an acknowledgement */
static const skt_time queue_least = 2 * SKT_MS, beside_least = 2 * SKT_SEC, deep_every = 5 * SKT_SEC, near = SKT_MS;
static const double window_most = 1 << 30; /* 10 Gbit/s over 0.8 s */
static const uint64_t near_window = 8 << 20, near_first = 256 << 10, near_least = 64 << 10;
/* Shares. Of our bytes that we left, or cut; of the queue that is ours, at least, for that to be seen. */
static const double left_least = .25, cut_left = .3, share_least = .05;
/* Of packets lost: near; more than noise; noise at most; of it sent besides at most, for if it is a short queue that overflows
 * after all, each flow would add to it. */
static const double near_lost = .02, more_lost = .07, noise_most = .3, noise_added = .06;

enum state { STARTUP, DOWN, CRUISE, UP, BESIDE };

struct skt_cc {
    struct skt_cc_conf conf;
    struct cc_model model;
    enum state state;
    uint32_t since;      /* round in which the state began */
    double window;       /* STARTUP: bytes */
    uint64_t best;       /* STARTUP, UP: rate that was to be passed */
    uint32_t flat;       /* STARTUP: rounds in which it was not */
    uint32_t vain;       /* UP: how often in a row it did not */
    bool queued;         /* UP: and it made a queue */
    uint32_t rising;     /* UP: how often in a row the rate rose */
    bool full, was_full; /* the window was the limit in this round, not the application; in the one before */
    uint64_t cut_at;     /* delivered at the last cut: what was sent before it must not cut again */
    bool measure;        /* DOWN: after STARTUP, the rate is not known well */
    bool was_beside;     /* DOWN: this is where it goes back to */
    uint64_t drained;    /* DOWN: delivered when as little was in flight as was wanted; 0: not yet */
    bool settled;        /* DOWN: and what was sent then is acknowledged */
    double target;       /* DOWN: what is to be in flight */
    uint64_t from;       /* UP, DOWN: delivered when it began */
    uint64_t before;     /* DOWN: in flight when it began */
    skt_time before_rtt; /* DOWN: and the round trip, a mean */
    skt_time down_rtt;   /* DOWN: lowest mean */
    uint32_t down_means;
    skt_time deep_at;             /* from then on DOWN is to be seen to its end */
    uint64_t lot_acked, lot_lost; /* bytes, in this lot of packets */
    double shares[SHARES];        /* that were lost of the last lots; a ring */
    uint32_t shares_n;            /* ever */
    double noise;                 /* the lowest of them */
    uint32_t crowded;             /* times in a row that the queue did not drain */
    struct cc_cubic cubic;
    skt_time beside_at;      /* when BESIDE began */
    skt_time peak, peak_now; /* BESIDE: the longest queue in the last round, in this one */
    uint32_t peak_round;
    skt_time cut_rtt, cut_low; /* BESIDE: round trip at the last cut; lowest since, but for the round after it */
    uint32_t cut_round, futile;
    uint64_t near; /* window on a path within this machine or rack */
    bool near_met; /* its limit */
};

struct skt_cc *skt_cc_new(const struct skt_cc_conf *conf, skt_time now)
{
    struct skt_cc *cc = calloc(1, sizeof *cc);

    if (!cc)
        return NULL;
    cc->conf = *conf;
    cc_model_init(&cc->model, now);
    cc->window = FIRST * (double)conf->packet;
    cc->near = near_first;
    return cc;
}

void skt_cc_free(struct skt_cc *cc) { free(cc); }

void skt_cc_packet(struct skt_cc *cc, uint32_t bytes)
{
    double scale = (double)cc->conf.packet / bytes;

    cc->cubic.window *= scale;
    cc->cubic.max *= scale;
    cc->cubic.reno *= scale;
    cc->conf.packet = bytes;
}

static void enter(struct skt_cc *cc, enum state state)
{
    cc->state = state;
    cc->since = cc->model.round;
}

static uint32_t rounds_in(const struct skt_cc *cc) { return cc->model.round - cc->since; }

/* ---- signs ---- */

/* A queue of more than an eighth of the round trip counts, and of more than what round trips differ by without one; or one that is nearly as long as it ever gets, for then it is one
 * that is full, and who knows when it was empty. */
static skt_time margin(const struct skt_cc *cc)
{
    const struct cc_model *m = &cc->model;
    skt_time most = (m->rtt_top - m->rtt_min) / 4 * 3, usual = m->rtt_min / 8;

    if (most < usual)
        usual = most;
    if (usual < 2 * cc->model.wobble)
        usual = 2 * cc->model.wobble;
    return usual > queue_least ? usual : queue_least;
}

static skt_time startup_margin(const struct skt_cc *cc)
{
    skt_time usual = cc->model.rtt_min / 16;

    if (usual < cc->model.wobble)
        usual = cc->model.wobble;
    return usual > queue_least ? usual : queue_least;
}

static bool queue_stands(const struct skt_cc *cc) { return cc_model_queue(&cc->model) > margin(cc); }

static double lost_share(const struct skt_cc *cc)
{
    const struct cc_model *m = &cc->model;

    return m->past_lost ? (double)m->past_lost / (double)(m->past_lost + m->past_acked) : 0;
}

/* Without a queue that could be seen. */
static bool overflows(const struct skt_cc *cc)
{
    return lost_share(cc) > noise_most && cc->model.past_lost > OVERFLOW * (uint64_t)cc->conf.packet;
}

static bool is_near(const struct skt_cc *cc) { return 0 < cc->model.rtt_min && cc->model.rtt_min < near; }

/* ---- what may be in flight ---- */

static double larger(double a, double b) { return a > b ? a : b; }

/* What the clocks of both ends and acknowledgements that come in bunches keep from being seen. */
static double slack(const struct skt_cc *cc)
{
    double ticks = (double)cc_model_rate(&cc->model, CC_RATES) * (double)clock_slack / (double)SKT_SEC;

    return larger((double)cc_model_extra(&cc->model), ticks);
}

/* A little less than fills the path. Half of what was, when we know so little of the path that this would be even less, and
 * when it is to be seen whether the queue is ours at all. */
static double down_target(const struct skt_cc *cc)
{
    double target = down_gain * cc_model_bdp(&cc->model) + slack(cc), half = (double)cc->before / 2;

    return target < half || cc->crowded ? half : target;
}

/* ---- states ---- */

static void begin_down(struct skt_cc *cc, const struct skt_cc_sample *s, bool was_beside)
{
    cc->before = s->inflight;
    cc->before_rtt = cc_model_stand(&cc->model);
    cc->target = down_target(cc);
    cc->from = s->delivered;
    enter(cc, DOWN);
    cc->was_beside = was_beside;
    cc->drained = 0;
    cc->settled = false;
    cc->down_means = cc->model.means;
    cc->down_rtt = 0;
}

static void begin_up(struct skt_cc *cc, const struct skt_cc_sample *s)
{
    cc->from = s->delivered;
    cc->queued = false;
    cc->best = cc_model_rate(&cc->model, CC_RATES);
    enter(cc, UP);
}

/* The rate rose with each probe: the path has become another. */
static void again(struct skt_cc *cc, const struct skt_cc_sample *s)
{
    cc->rising = cc->vain = cc->flat = 0;
    cc->best = 0;
    cc->window = up_gain * (double)s->inflight;
    enter(cc, STARTUP);
}

static void begin_beside(struct skt_cc *cc, const struct skt_cc_sample *s)
{
    enter(cc, BESIDE);
    cc->beside_at = s->now;
    cc->cut_low = cc->futile = 0;
}

static void startup(struct skt_cc *cc, const struct skt_cc_sample *s, bool round)
{
    uint64_t rate = cc_model_rate(&cc->model, 2);

    cc_model_busy(&cc->model, s, startup_margin(cc) / 2);
    if (cc->full || cc->was_full || !s->app_limited) /* it says nothing of the rate, but the window was too small */
        cc->window += startup_grow * (double)s->acked;
    if (round && cc->full && !s->app_limited) {
        cc->flat = (double)rate < 1.25 * (double)cc->best ? cc->flat + 1 : 0;
        cc->best = rate > cc->best ? rate : cc->best;
    }
    if (cc->flat >= PLATEAU || cc_model_late(&cc->model) > startup_margin(cc) || (round && overflows(cc))) {
        cc_model_calm(&cc->model);
        cc->measure = true;
        cc->cut_at = s->delivered;
        begin_down(cc, s, false);
    }
}

/* We have left and the round trip stayed as it was, though a queue would be shorter by what we did not send: the path has
 * become longer. */
static bool is_longer(const struct skt_cc *cc)
{
    double left = 1 - cc->target / (double)(cc->before + 1);
    double change = (double)(cc->model.stand[0] - cc->before_rtt) / (double)cc->before_rtt;

    return cc->settled && left > left_least && -left * share_least < change && change < left * share_least;
}

/* Alone, or do others fill the queue that we have left? */
static void end_down(struct skt_cc *cc, const struct skt_cc_sample *s)
{
    bool crowded = !cc->down_rtt || cc->down_rtt - cc->model.rtt_min > margin(cc);
    bool first = cc->measure;
    uint64_t rate = cc_model_rate(&cc->model, 4);

    cc->measure = false;
    if (cc->settled)
        cc->deep_at = s->now + deep_every;
    cc->crowded = crowded ? cc->crowded + 1 : 0;
    if (crowded && is_longer(cc)) {
        cc_model_longer(&cc->model, s->now, cc->model.stand[0]);
        cc->crowded = cc->vain = 0;
        enter(cc, CRUISE);
    } else if (crowded && cc->was_beside) {
        begin_beside(cc, s);
    } else if (cc->crowded >= 2) {
        double bdp = (double)cc_model_rate(&cc->model, 3) * (double)cc->model.srtt / (double)SKT_SEC;
        cc_cubic_init(&cc->cubic, bdp / cc->conf.packet);
        begin_beside(cc, s);
    } else if (crowded || first || cc->was_beside || (double)rate < 1.1 * (double)cc->best) {
        cc->rising = 0;
        cc->vain += !first;
        enter(cc, CRUISE);
    } else if (++cc->rising < 2 && (cc->queued || (double)rate < 1.15 * (double)cc->best)) {
        begin_up(cc, s);
    } else {
        again(cc, s);
    }
}

/* Ends when a mean of what was sent after the path had been left to itself is known: sooner, if it is empty. Now and then
 * it stays long enough to see the lowest round trip. */
static void down(struct skt_cc *cc, const struct skt_cc_sample *s)
{
    struct cc_model *m = &cc->model;
    bool mean = m->means != cc->down_means;

    if (cc->measure)
        cc_model_busy(m, s, startup_margin(cc) / 2);
    if (mean && (!cc->down_rtt || m->stand[0] < cc->down_rtt))
        cc->down_rtt = m->stand[0];
    cc->down_means = m->means;
    if (!cc->drained) {
        if (s->inflight <= skt_cc_window(cc))
            cc->drained = s->delivered;
    } else if (!cc->settled && s->prior >= cc->drained) {
        cc->settled = true;
        cc_model_mean_anew(m, s->now);
    } else if (mean && (cc->settled || (s->prior >= cc->from && s->now < cc->deep_at &&
                                           cc->down_rtt - m->rtt_min < margin(cc) / 2))) {
        end_down(cc, s);
        return;
    }
    if (rounds_in(cc) > DOWN_ROUNDS)
        end_down(cc, s);
}

/* Who else is like us sees the queue at the same time, and steps back with us. */
static void cruise(struct skt_cc *cc, const struct skt_cc_sample *s)
{
    if (rounds_in(cc) >= 2 && queue_stands(cc)) {
        cc_model_forget(&cc->model, 3);
        begin_down(cc, s, false);
    } else if (rounds_in(cc) >= cruise_rounds[cc->vain < 2 ? cc->vain : 2]) {
        begin_up(cc, s);
    }
}

/* What came of it is known a round later: end_down. */
static void up(struct skt_cc *cc, const struct skt_cc_sample *s)
{
    if (s->prior >= cc->from || queue_stands(cc))
        begin_down(cc, s, false);
}

/* Others step back: a chance to find the path empty. */
static bool queue_falls(const struct skt_cc *cc)
{
    return cc->cut_at < cc->model.prior && cc_model_queue(&cc->model) < cc->peak / 3 * 2;
}

static void beside(struct skt_cc *cc, const struct skt_cc_sample *s)
{
    if (cc->full)
        cc_cubic_grow(&cc->cubic, s->now, cc->model.srtt, (double)s->acked / cc->conf.packet);
    if (s->now - cc->beside_at > beside_least && rounds_in(cc) > BESIDE_ROUNDS &&
        (queue_falls(cc) || s->now - cc->beside_at > 2 * beside_least))
        begin_down(cc, s, true);
    if (cc->model.round - cc->cut_round > 1 && (!cc->cut_low || cc->model.stand[0] < cc->cut_low))
        cc->cut_low = cc->model.stand[0];
    if (cc->model.round != cc->peak_round) {
        cc->peak_round = cc->model.round;
        cc->peak = cc->peak_now;
        cc->peak_now = 0;
    }
    cc->peak_now = cc_model_queue(&cc->model) > cc->peak_now ? cc_model_queue(&cc->model) : cc->peak_now;
}

/* We cut and cut, and the round trip stays as it was: what is lost is not lost by a queue. */
static void see_cuts(struct skt_cc *cc, const struct skt_cc_sample *s)
{
    skt_time stands = cc_model_stand(&cc->model), fell = cc->cut_rtt - cc->cut_low;

    cc->futile = cc->cut_low && (double)fell < cut_left * share_least * (double)cc->cut_rtt ? cc->futile + 1 : 0;
    cc->cut_rtt = stands;
    cc->cut_low = 0;
    cc->cut_round = cc->model.round;
    if (cc->futile < FUTILE)
        return;
    cc->futile = 0;
    cc_model_longer(&cc->model, s->now, stands);
}

/* A loss while the queue stands. */
static void congestion(struct skt_cc *cc, const struct skt_cc_sample *s)
{
    struct cc_model *m = &cc->model;

    cc->cut_at = s->delivered;
    if (cc->state == BESIDE || (cc->state == DOWN && cc->was_beside)) {
        double least = (double)cc_model_rate(m, 2) * (double)m->rtt_min / (double)SKT_SEC;
        see_cuts(cc, s);
        cc_cubic_cut(&cc->cubic, s->now, least / cc->conf.packet);
        return;
    }
    if (cc->state != STARTUP)
        cc_model_forget(m, 2);
    if (cc->state != DOWN)
        begin_down(cc, s, false);
}

/* Without a pace the window is the only brake. It opens as in STARTUP; what overflows shows how much passes. */
static void near_round(struct skt_cc *cc)
{
    uint64_t packet = cc->conf.packet, passed = cc->model.past_acked, less = cc->near / 10 * 7;

    if (lost_share(cc) > near_lost && cc->model.past_lost > 2 * packet) {
        cc->near = less < passed ? less : passed;
        cc->near_met = true;
    } else if (cc->full) {
        cc->near += cc->near_met ? packet : cc->near * (uint64_t)startup_grow;
    }
    cc->near = cc->near < near_least ? near_least : cc->near > near_window ? near_window : cc->near;
}

/* Noise is the lowest share of the last lots of so many packets: what a probe of ours made overflow is none. True: this lot
 * lost more, by more than chance would (1 / sqrt(packets)). A queue may be too short to be seen. */
static bool count_losses(struct skt_cc *cc)
{
    double all, share, over;

    if (cc->state == STARTUP || cc->measure) { /* what is lost now is a share of the less that was sent before */
        cc->lot_acked = cc->lot_lost = 0;
        return false;
    }
    cc->lot_acked += cc->model.past_acked;
    cc->lot_lost += cc->model.past_lost;
    all = (double)(cc->lot_acked + cc->lot_lost) / cc->conf.packet;
    if (all < LOT)
        return false;
    share = (double)cc->lot_lost / cc->conf.packet / all;
    over = share - 2 * cc->noise - more_lost;
    over = cc->shares_n ? over : 0;
    cc->lot_acked = cc->lot_lost = 0;
    cc->shares[cc->shares_n++ % SHARES] = share;
    cc->noise = noise_most;
    for (uint32_t i = 0; i < SHARES && i < cc->shares_n; i++)
        cc->noise = cc->shares[i] < cc->noise ? cc->shares[i] : cc->noise;
    return over > 0 && 4 * over * over * all > 1;
}

void skt_cc_acked(struct skt_cc *cc, const struct skt_cc_sample *s)
{
    bool round = cc_model_take(&cc->model, s, cc->state == BESIDE || (cc->state == DOWN && cc->was_beside));
    bool more = false;

    if (round) {
        near_round(cc);
        more = count_losses(cc);
    }
    cc->queued |= cc_model_late(&cc->model) > margin(cc) / 2;
    if (cc->model.prior >= cc->cut_at && ((s->lost && queue_stands(cc)) || (more && cc->state == CRUISE)))
        congestion(cc, s);
    switch (cc->state) {
    case STARTUP: startup(cc, s, round); break;
    case DOWN: down(cc, s); break;
    case CRUISE: cruise(cc, s); break;
    case UP: up(cc, s); break;
    case BESIDE: beside(cc, s); break;
    }
    if (round) {
        cc->was_full = cc->full;
        cc->full = false;
    }
}

void skt_cc_sent(struct skt_cc *cc, skt_time now, uint64_t bytes, uint64_t inflight)
{
    (void)now;
    cc->full |= inflight + bytes + 2 * cc->conf.packet > skt_cc_window(cc);
}

void skt_cc_timeout(struct skt_cc *cc, skt_time now)
{
    cc_model_init(&cc->model, now);
    cc->window = LEAST * (double)cc->conf.packet;
    cc->best = 0;
    cc->flat = cc->rising = cc->vain = cc->crowded = 0;
    cc->was_beside = false;
    cc->near = near_least;
    cc->near_met = true;
    enter(cc, STARTUP);
}

/* ---- what it says ---- */

static double wanted(const struct skt_cc *cc)
{
    double bdp = cc_model_bdp(&cc->model), extra = slack(cc);

    switch (cc->state) {
    case STARTUP: return cc->window;
    case DOWN: return cc->measure ? down_target(cc) : cc->target;
    case CRUISE: return cruise_room * bdp + extra;
    case UP: return up_room * bdp + extra;
    case BESIDE: break;
    }
    return cc->cubic.window * cc->conf.packet;
}

uint64_t skt_cc_window(const struct skt_cc *cc)
{
    double window = wanted(cc), least = LEAST * (double)cc->conf.packet;

    if (is_near(cc) && (cc->near_met || window < (double)cc->near))
        window = (double)cc->near;
    if (window > window_most)
        window = window_most;
    return (uint64_t)(window > least ? window : least);
}

/* The window in a round trip. */
static double window_pace(const struct skt_cc *cc)
{
    skt_time rtt = cc->model.srtt ? cc->model.srtt : cc->conf.rtt;

    return rtt ? wanted(cc) * (double)SKT_SEC / (double)rtt : 0;
}

static double pace(const struct skt_cc *cc)
{
    double rate = (double)cc_model_rate(&cc->model, CC_RATES);

    switch (cc->state) {
    case STARTUP: return startup_pace * window_pace(cc);
    case BESIDE: return beside_pace * window_pace(cc);
    case DOWN: return down_gain * rate;
    case CRUISE: return rate / (1 - (cc->noise < noise_added ? cc->noise : noise_added));
    case UP: break;
    }
    return up_gain * rate / (1 - cc->noise);
}

uint64_t skt_cc_rate(const struct skt_cc *cc)
{
    double rate = pace(cc);
    uint64_t whole = rate < 1 || rate > 1e15 ? UINT64_MAX : (uint64_t)rate;

    if (is_near(cc) && cc->near >= near_window / 2)
        whole = UINT64_MAX;
    return cc->conf.rate_max && whole > cc->conf.rate_max ? cc->conf.rate_max : whole;
}

const char *skt_cc_state(const struct skt_cc *cc)
{
    static const char *const names[] = {
        [STARTUP] = "startup", [DOWN] = "down", [CRUISE] = "cruise", [UP] = "up", [BESIDE] = "beside"
    };

    return names[cc->state];
}
