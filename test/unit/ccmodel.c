/* engine/xfer/ccmodel.c: what acknowledgements say of a path. */
#include "test.h"

#include "engine/xfer/ccinside.h"

enum { PACKET = 1500 };

/* A flow at a steady rate: an acknowledgement every ms. */
struct stream {
    struct cc_model m;
    struct skt_cc_sample s;
    uint32_t rounds;
};

static void begin(struct stream *x)
{
    *x = (struct stream){ .s.now = SKT_SEC };
    cc_model_init(&x->m, x->s.now);
}

/* For so many ms: bytes each, with this round trip, whose packets were sent one rtt before. */
static void run(struct stream *x, int ms, uint64_t bytes, skt_time rtt)
{
    for (int i = 0; i < ms; i++) {
        uint64_t way = bytes * (uint64_t)(rtt / SKT_MS);
        x->s.now += SKT_MS;
        x->s.acked = bytes;
        x->s.delivered += bytes;
        x->s.prior = x->s.delivered > way ? x->s.delivered - way : 0;
        x->s.rate = bytes * 1000;
        x->s.rtt = rtt;
        x->rounds += cc_model_take(&x->m, &x->s, false);
    }
}

static void a_round_lasts_a_round_trip(void **state)
{
    struct stream x;

    begin(&x);
    run(&x, 1000, 10 * PACKET, 50 * SKT_MS);
    assert_in_range(x.rounds, 18, 20);
    assert_int_equal(x.rounds, x.m.round);
}

static void the_rate_is_the_highest_of_the_last_rounds(void **state)
{
    struct stream x;

    begin(&x);
    run(&x, 200, 10 * PACKET, 50 * SKT_MS);
    run(&x, 200, 5 * PACKET, 50 * SKT_MS);
    assert_int_equal(cc_model_rate(&x.m, CC_RATES), 10000 * PACKET);
    assert_int_equal(cc_model_rate(&x.m, 2), 5000 * PACKET);
    run(&x, 50 * (CC_RATES + 2), 5 * PACKET, 50 * SKT_MS);
    assert_int_equal(cc_model_rate(&x.m, CC_RATES), 5000 * PACKET);
}

static void what_is_forgotten_counts_no_more(void **state)
{
    struct stream x;

    begin(&x);
    run(&x, 200, 10 * PACKET, 50 * SKT_MS);
    run(&x, 200, 5 * PACKET, 50 * SKT_MS);
    cc_model_forget(&x.m, 2);
    assert_int_equal(cc_model_rate(&x.m, CC_RATES), 5000 * PACKET);
}

static void a_slow_application_does_not_lower_the_rate(void **state)
{
    struct stream x;

    begin(&x);
    run(&x, 200, 10 * PACKET, 50 * SKT_MS);
    x.s.app_limited = true;
    run(&x, 5000, PACKET, 50 * SKT_MS);
    assert_int_equal(cc_model_rate(&x.m, CC_RATES), 10000 * PACKET);
    run(&x, 200, 12 * PACKET, 50 * SKT_MS); /* but it may raise it */
    assert_int_equal(cc_model_rate(&x.m, CC_RATES), 12000 * PACKET);
}

static void a_queue_is_what_round_trips_are_longer_than_the_shortest(void **state)
{
    struct stream x;

    begin(&x);
    run(&x, 200, 10 * PACKET, 50 * SKT_MS);
    assert_int_equal(cc_model_queue(&x.m), 0);
    run(&x, 200, 10 * PACKET, 70 * SKT_MS);
    assert_int_equal(cc_model_queue(&x.m), 20 * SKT_MS);
    assert_int_equal(x.m.rtt_min, 50 * SKT_MS);
    assert_true((uint64_t)cc_model_bdp(&x.m) == 10000 * PACKET / 20);
}

/* Every other packet overtakes by 8 ms, always: that is the path, not a queue. */
static void packets_that_overtake_make_no_queue(void **state)
{
    struct stream x;

    begin(&x);
    for (int i = 0; i < 500; i++)
        run(&x, 1, 10 * PACKET, i % 2 ? 42 * SKT_MS : 50 * SKT_MS);
    assert_true(45 * SKT_MS <= x.m.rtt_min && x.m.rtt_min <= 46 * SKT_MS);
    assert_true(cc_model_queue(&x.m) < SKT_MS);
}

static void one_that_overtakes_makes_no_shorter_path(void **state)
{
    struct stream x;

    begin(&x);
    for (int i = 0; i < 500; i++)
        run(&x, 1, 10 * PACKET, i % 50 == 1 ? 25 * SKT_MS : 50 * SKT_MS);
    assert_int_equal(x.m.rtt_min, 50 * SKT_MS);
}

static void what_wobbles_is_known(void **state)
{
    struct stream x;

    begin(&x);
    run(&x, 200, 10 * PACKET, 50 * SKT_MS);
    assert_int_equal(x.m.wobble, 0);
    for (int i = 0; i < 500; i++)
        run(&x, 1, 10 * PACKET, i % 2 ? 42 * SKT_MS : 50 * SKT_MS);
    assert_in_range(x.m.wobble, 7 * SKT_MS, 8 * SKT_MS);
    for (int i = 0; i < 500; i++) /* a queue that grows is none */
        run(&x, 1, 10 * PACKET, 50 * SKT_MS + i * 100 * SKT_US);
    assert_in_range(x.m.wobble, 0, SKT_MS);
}

static void the_shortest_round_trip_is_forgotten_in_the_end(void **state)
{
    struct stream x;

    begin(&x);
    run(&x, 200, 10 * PACKET, 50 * SKT_MS);
    run(&x, 9000, 10 * PACKET, 70 * SKT_MS);
    assert_int_equal(x.m.rtt_min, 50 * SKT_MS);
    run(&x, 12000, 10 * PACKET, 70 * SKT_MS);
    assert_int_equal(x.m.rtt_min, 70 * SKT_MS);
    cc_model_longer(&x.m, x.s.now, 90 * SKT_MS); /* or at once, when it is known to be another */
    assert_int_equal(x.m.rtt_min, 90 * SKT_MS);
}

static void while_others_fill_the_queue_it_is_kept_longer(void **state)
{
    struct stream x;

    begin(&x);
    run(&x, 200, 10 * PACKET, 50 * SKT_MS);
    for (int i = 0; i < 30000; i++) {
        x.s.now += SKT_MS;
        x.s.delivered += PACKET;
        x.s.prior += PACKET;
        x.s.rtt = 70 * SKT_MS;
        (void)cc_model_take(&x.m, &x.s, true);
    }
    assert_int_equal(x.m.rtt_min, 50 * SKT_MS);
}

/* Acknowledgements come in bunches of 20 ms: so much more than the rate says may be on the way. */
static void bunches_are_added_to_what_may_be_in_flight(void **state)
{
    struct stream x;

    begin(&x);
    run(&x, 500, 10 * PACKET, 50 * SKT_MS);
    for (int i = 0; i < 50; i++) {
        x.s.now += 19 * SKT_MS;
        run(&x, 1, 200 * PACKET, 50 * SKT_MS);
        x.m.rates[0] = 10000 * PACKET; /* the sample of so short a flight is not what this is about */
    }
    assert_in_range(cc_model_extra(&x.m), 150 * PACKET, 400 * PACKET);
    cc_model_calm(&x.m);
    assert_int_equal(cc_model_extra(&x.m), 0);
}

/* After a gap no round trip is told: it lies between the acknowledgements around the packet's sending. */
static void a_queue_is_seen_without_a_round_trip_told(void **state)
{
    struct stream x;

    begin(&x);
    run(&x, 500, 10 * PACKET, 50 * SKT_MS);
    for (int i = 0; i < 200; i++) {
        x.s.now += SKT_MS;
        x.s.delivered += 10 * PACKET;
        x.s.prior = x.s.delivered - 10 * PACKET * 70;
        x.s.rtt = 0;
        (void)cc_model_take(&x.m, &x.s, false);
    }
    assert_true(17 * SKT_MS < cc_model_queue(&x.m) && cc_model_queue(&x.m) <= 20 * SKT_MS);
    assert_int_equal(x.m.rtt_min, 50 * SKT_MS);
}

/* A train of packets waits in the queue: they are acknowledged at the rate of the bottleneck, whatever the samples say. */
static void a_busy_bottleneck_tells_its_rate(void **state)
{
    struct stream x;

    begin(&x);
    run(&x, 200, PACKET, 50 * SKT_MS);
    for (int i = 0; i < 12; i++) {
        run(&x, 1, 10 * PACKET, (50 + i) * SKT_MS);
        x.m.rates[0] = 1000 * PACKET;
        cc_model_busy(&x.m, &x.s, 2 * SKT_MS);
    }
    assert_int_equal(cc_model_rate(&x.m, 1), 10000 * PACKET);
}

static void an_idle_bottleneck_tells_nothing(void **state)
{
    struct stream x;

    begin(&x);
    run(&x, 200, PACKET, 50 * SKT_MS);
    for (int i = 0; i < 40; i++) {
        run(&x, 1, 10 * PACKET, 50 * SKT_MS);
        x.m.rates[0] = 1000 * PACKET;
        cc_model_busy(&x.m, &x.s, 2 * SKT_MS);
    }
    assert_int_equal(cc_model_rate(&x.m, 1), 1000 * PACKET);
}

RUN(T(a_round_lasts_a_round_trip), T(the_rate_is_the_highest_of_the_last_rounds), T(what_is_forgotten_counts_no_more),
    T(a_slow_application_does_not_lower_the_rate), T(a_queue_is_what_round_trips_are_longer_than_the_shortest),
    T(packets_that_overtake_make_no_queue), T(one_that_overtakes_makes_no_shorter_path), T(what_wobbles_is_known),
    T(the_shortest_round_trip_is_forgotten_in_the_end), T(while_others_fill_the_queue_it_is_kept_longer),
    T(bunches_are_added_to_what_may_be_in_flight), T(a_queue_is_seen_without_a_round_trip_told),
    T(a_busy_bottleneck_tells_its_rate), T(an_idle_bottleneck_tells_nothing))
