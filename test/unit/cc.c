/* engine/xfer/cc.c by hand, one answer at a time; test/sim/cc.c is the whole of it on simulated paths. */
#include "test.h"

#include "engine/xfer/cc.h"

#include <string.h>

enum { PACKET = 1500, RTT_MS = 50 };

/* A sender that always has something, on a path of 10 packets a ms and 50 ms, whose queue makes round trips longer. */
struct desk {
    struct skt_cc *cc;
    struct skt_cc_sample s;
    uint64_t rate;                 /* bytes a ms that the path carries */
    uint64_t sent, at_ms[1 << 16]; /* what was delivered when, by ms */
    uint32_t ms;
    double queue;    /* bytes */
    skt_time theirs; /* how long what others sent waits before ours */
};

static void open_desk(struct desk *d, uint64_t rate_max)
{
    struct skt_cc_conf conf = { .packet = PACKET, .rate_max = rate_max, .rtt = RTT_MS * SKT_MS };

    memset(d, 0, sizeof *d);
    d->rate = 10 * PACKET;
    d->cc = skt_cc_new(&conf, 0);
    assert_non_null(d->cc);
}

/* A ms passes: what was sent goes into the queue, what leaves it is acknowledged a round trip later. */
static uint64_t pipe_bytes[1 << 16]; /* that arrive at a ms */

static void step_ms(struct desk *d, uint64_t lost)
{
    uint64_t window = skt_cc_window(d->cc), rate = skt_cc_rate(d->cc), may, leaves;
    skt_time rtt = RTT_MS * SKT_MS + d->theirs + (skt_time)(d->queue / (double)d->rate * (double)SKT_MS);

    d->ms++;
    may = rate == UINT64_MAX ? window : rate / 1000;
    may = d->s.inflight + may > window ? window > d->s.inflight ? window - d->s.inflight : 0 : may;
    if (may)
        skt_cc_sent(d->cc, d->ms * SKT_MS, may, d->s.inflight);
    d->s.inflight += may;
    d->queue += (double)may;
    leaves = d->queue < (double)d->rate ? (uint64_t)d->queue : d->rate;
    d->queue -= (double)leaves;
    pipe_bytes[d->ms + RTT_MS] = leaves;
    d->at_ms[d->ms] = d->s.delivered;
    d->s.now = d->ms * SKT_MS;
    d->s.acked = d->ms > RTT_MS ? pipe_bytes[d->ms] : 0;
    d->s.lost = lost < d->s.acked ? lost : 0;
    if (!d->s.acked)
        return;
    d->s.inflight -= d->s.acked;
    d->s.acked -= d->s.lost;
    d->s.delivered += d->s.acked;
    d->s.prior = (skt_time)d->ms * SKT_MS > rtt ? d->at_ms[(d->ms * SKT_MS - rtt) / SKT_MS] : 0;
    d->s.rtt = rtt;
    d->s.rate = (d->s.delivered - d->s.prior) * 1000 / (uint64_t)(rtt / SKT_MS);
    skt_cc_acked(d->cc, &d->s);
}

static void run_ms(struct desk *d, int ms)
{
    while (ms-- > 0)
        step_ms(d, 0);
}

static void the_first_flight_is_64_packets_and_paced(void **state)
{
    struct desk d;

    open_desk(&d, 0);
    assert_string_equal(skt_cc_state(d.cc), "startup");
    assert_int_equal(skt_cc_window(d.cc), 64 * PACKET);
    assert_in_range(skt_cc_rate(d.cc), 64 * PACKET * 20, 64 * PACKET * 20 * 5); /* in a round trip, or a fifth of it */
    skt_cc_free(d.cc);
}

static void without_a_round_trip_known_there_is_no_pace(void **state)
{
    struct skt_cc_conf conf = { .packet = PACKET };
    struct skt_cc *cc = skt_cc_new(&conf, 0);

    assert_true(skt_cc_rate(cc) == UINT64_MAX);
    skt_cc_free(cc);
}

static void startup_trebles_the_window_each_round(void **state)
{
    struct desk d;

    open_desk(&d, 0);
    run_ms(&d, 2 * RTT_MS + 2);
    assert_in_range(skt_cc_window(d.cc), 160 * PACKET, 220 * PACKET);
    skt_cc_free(d.cc);
}

static void startup_ends_at_the_rate_of_the_path(void **state)
{
    struct desk d;

    open_desk(&d, 0);
    run_ms(&d, 1000);
    assert_string_not_equal(skt_cc_state(d.cc), "startup");
    assert_in_range(skt_cc_rate(d.cc), 8500 * PACKET, 13000 * PACKET);
    assert_in_range(d.s.inflight, 400 * PACKET, 700 * PACKET); /* 500 fill the path */
    skt_cc_free(d.cc);
}

static void a_limit_is_kept_in_every_state(void **state)
{
    struct desk d;

    open_desk(&d, 2000 * PACKET);
    for (int i = 0; i < 2000; i++) {
        assert_true(skt_cc_rate(d.cc) <= 2000 * PACKET);
        step_ms(&d, 0);
    }
    skt_cc_free(d.cc);
}

static void losses_on_an_empty_path_change_nothing(void **state)
{
    struct desk d;
    uint64_t delivered;

    open_desk(&d, 0);
    run_ms(&d, 1000);
    delivered = d.s.delivered;
    for (int i = 0; i < 2000; i++)
        step_ms(&d, i % 10 ? 0 : 2 * PACKET); /* 2 % */
    assert_true(d.s.delivered - delivered > 2000 * 9 * PACKET);
    skt_cc_free(d.cc);
}

static void a_loss_in_a_standing_queue_makes_it_step_back(void **state)
{
    struct desk d;

    open_desk(&d, 0);
    run_ms(&d, 1000);
    for (int i = 0; i < 1000 && strcmp(skt_cc_state(d.cc), "cruise") != 0; i++)
        step_ms(&d, 0);
    assert_string_equal(skt_cc_state(d.cc), "cruise");
    d.theirs = 20 * SKT_MS;
    for (int i = 0; i < 60 && !strcmp(skt_cc_state(d.cc), "cruise"); i++)
        step_ms(&d, PACKET);
    assert_string_equal(skt_cc_state(d.cc), "down");
    skt_cc_free(d.cc);
}

/* The queue never drains, whatever we do: somebody else fills it. */
static void a_queue_that_does_not_drain_is_somebody_elses(void **state)
{
    struct desk d;
    bool beside = false;

    open_desk(&d, 0);
    run_ms(&d, 1000);
    for (int i = 0; i < 3000 && !beside; i++) {
        d.theirs = 20 * SKT_MS + (i % 700 < 350 ? i % 350 : 350 - i % 350) * SKT_MS / 10; /* it moves, as theirs do */
        step_ms(&d, 0);
        beside = !strcmp(skt_cc_state(d.cc), "beside");
    }
    assert_true(beside);
    d.theirs = 0;
    for (int i = 0; i < 8000 && beside; i++) { /* and when they have gone, it is alone again */
        step_ms(&d, 0);
        beside = !strcmp(skt_cc_state(d.cc), "beside") || !strcmp(skt_cc_state(d.cc), "down");
    }
    assert_false(beside);
    skt_cc_free(d.cc);
}

static void after_a_timeout_it_begins_again_small(void **state)
{
    struct desk d;

    open_desk(&d, 0);
    run_ms(&d, 1000);
    skt_cc_timeout(d.cc, d.s.now);
    assert_string_equal(skt_cc_state(d.cc), "startup");
    assert_in_range(skt_cc_window(d.cc), 4 * PACKET, 10 * PACKET);
    skt_cc_free(d.cc);
}

/* A receiver's socket holds 200 KiB, whatever the rate: what goes beyond is lost without making a round trip longer. */
static void a_small_socket_nearby_is_not_flooded(void **state)
{
    struct skt_cc_conf conf = { .packet = PACKET };
    struct skt_cc *cc = skt_cc_new(&conf, 0);
    struct skt_cc_sample s = { .rtt = 100 * SKT_US };
    uint64_t acked = 0, lost = 0, holds = 200 << 10;

    for (int i = 1; i <= 2000; i++) {
        uint64_t went = skt_cc_window(cc);
        s.now = i * 100 * SKT_US;
        s.prior = s.delivered;
        s.acked = went < holds ? went : holds;
        s.lost = went - s.acked;
        s.delivered += s.acked;
        s.rate = s.acked * 10000;
        skt_cc_sent(cc, s.now, went, 0);
        skt_cc_acked(cc, &s);
        if (i <= 100)
            continue;
        acked += s.acked;
        lost += s.lost;
    }
    assert_in_range(lost * 100, 0, acked * 5);                   /* % */
    assert_in_range(acked, 1900 * holds / 10 * 6, 1900 * holds); /* and it is used */
    skt_cc_free(cc);
}

static void a_round_trip_below_a_millisecond_opens_the_window(void **state)
{
    struct skt_cc_conf conf = { .packet = PACKET };
    struct skt_cc *cc = skt_cc_new(&conf, 0);
    struct skt_cc_sample s = { .rtt = 100 * SKT_US };

    for (int i = 1; i <= 30; i++) { /* three ms of it */
        s.now = i * 100 * SKT_US;
        s.prior = s.delivered;
        s.acked = skt_cc_window(cc) < 9 << 20 ? skt_cc_window(cc) : 9 << 20;
        s.delivered += s.acked;
        skt_cc_sent(cc, s.now, s.acked, 0);
        s.rate = s.acked * 10000;
        skt_cc_acked(cc, &s);
    }
    assert_true(skt_cc_window(cc) >= 8 << 20);
    assert_true(skt_cc_rate(cc) == UINT64_MAX);
    s.acked = 100 << 10; /* but what does not hold so much shows it */
    s.lost = s.acked / 2;
    s.rate = s.acked * 10000;
    for (int i = 31; i <= 80; i++) {
        s.now = i * 100 * SKT_US;
        s.prior = s.delivered;
        s.delivered += s.acked;
        skt_cc_sent(cc, s.now, skt_cc_window(cc), 0);
        skt_cc_acked(cc, &s);
    }
    assert_true(skt_cc_window(cc) < 8 << 20);
    assert_true(skt_cc_rate(cc) < UINT64_MAX);
    skt_cc_free(cc);
}

static void larger_packets_keep_the_bytes_of_the_window(void **state)
{
    struct desk d;
    uint64_t window;

    open_desk(&d, 0);
    run_ms(&d, 500);
    window = skt_cc_window(d.cc);
    skt_cc_packet(d.cc, 6 * PACKET);
    assert_in_range(skt_cc_window(d.cc), window - PACKET, window + PACKET);
    skt_cc_free(d.cc);
    skt_cc_free(NULL);
}

static void nonsense_does_not_upset_it(void **state)
{
    struct skt_cc_conf conf = { .packet = PACKET };
    struct skt_cc *cc = skt_cc_new(&conf, 0);
    struct skt_cc_sample s = { 0 };

    for (int i = 0; i < 2000; i++) {
        s.now = i % 3 ? i * SKT_MS : 0; /* a clock that jumps back */
        s.acked = i % 5 ? PACKET : UINT32_MAX;
        s.lost = i % 7 ? 0 : UINT32_MAX;
        s.inflight = i % 11 ? PACKET : 0;
        s.delivered += i % 13 ? s.acked : 0;
        s.prior = i % 2 ? s.delivered : 0;
        s.rate = i % 4 ? UINT64_MAX >> (i % 50) : 0;
        s.rtt = i % 6 ? 1 : 3600 * SKT_SEC;
        skt_cc_acked(cc, &s);
        if (i % 400 == 0)
            skt_cc_timeout(cc, s.now);
        assert_true(skt_cc_window(cc) >= 4 * PACKET);
        assert_true(skt_cc_rate(cc) > 0);
    }
    skt_cc_free(cc);
}

RUN(T(the_first_flight_is_64_packets_and_paced), T(without_a_round_trip_known_there_is_no_pace),
    T(startup_trebles_the_window_each_round), T(startup_ends_at_the_rate_of_the_path),
    T(a_limit_is_kept_in_every_state), T(losses_on_an_empty_path_change_nothing),
    T(a_loss_in_a_standing_queue_makes_it_step_back), T(a_queue_that_does_not_drain_is_somebody_elses),
    T(after_a_timeout_it_begins_again_small), T(a_small_socket_nearby_is_not_flooded),
    T(a_round_trip_below_a_millisecond_opens_the_window), T(larger_packets_keep_the_bytes_of_the_window),
    T(nonsense_does_not_upset_it))
