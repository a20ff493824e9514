/* Congestion control (engine/xfer/cc.h) against a simulated bottleneck: what it makes of a path that loses, what it leaves to
 * others, what it survives. CC_SEEDS=N runs N seeds of each and prints what came out; SIM_SEED=N runs that one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "ccworld.h"

#include <stdio.h>
#include <stdlib.h>

#define MBIT ((uint64_t)125000) /* bytes a second */
#define MB   ((uint64_t)1000000)

/* What came out for the seeds of one case: the lowest is judged. */
struct tally {
    const char *name;
    double least, sum;
    uint64_t n, worst;
};

static uint64_t number_of(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);

    return text ? strtoull(text, NULL, 10) : otherwise;
}

static uint64_t first_seed(void) { return number_of("SIM_SEED", 0); }

static bool more(uint64_t seed, uint64_t seeds)
{
    return getenv("SIM_SEED") ? seed == first_seed() : seed < number_of("CC_SEEDS", seeds);
}

static void count(struct tally *t, uint64_t seed, double x)
{
    if (!t->n++ || x < t->least) {
        t->least = x;
        t->worst = seed;
    }
    t->sum += x;
}

static void judge(const struct tally *t, double floor)
{
    if (getenv("CC_SEEDS"))
        print_message("%-44s least %.3f mean %.3f\n", t->name, t->least, t->sum / (double)t->n);
    if (t->least < floor)
        fail_msg("%s: %.3f is below %.3f; again: SIM_SEED=%llu build/test/sim/sim_cc", t->name, t->least, floor,
            (unsigned long long)t->worst);
}

static struct ccw *world(const struct ccw_conf *conf)
{
    struct ccw *w = ccw_new(conf);

    assert_non_null(w);
    return w;
}

/* ---- one flow ---- */

static struct ccw_conf path(uint64_t mbit, skt_time rtt, double loss)
{
    return (struct ccw_conf){ .rate_bytes = mbit * MBIT, .rtt = rtt, .loss = loss, .flows = 1 };
}

static struct ccw_result carry(struct ccw_conf conf, uint64_t seed, uint64_t bytes)
{
    struct ccw_result r;
    struct ccw *w;

    conf.seed = seed;
    conf.flow[0].bytes = bytes;
    w = world(&conf);
    ccw_run(w, 120 * SKT_SEC);
    r = ccw_result(w, 0);
    ccw_free(w);
    assert_true(r.done);
    return r;
}

/* Goodput against what the path lets through, handshake and last repair included. */
static double efficiency(const struct ccw_conf *conf, const struct ccw_result *r)
{
    double lets = (double)conf->rate_bytes * (1 - conf->loss);

    return (double)r->payload / ((double)r->took / (double)SKT_SEC) / lets;
}

static void judge_carry(const char *name, struct ccw_conf conf, uint64_t bytes, uint64_t seeds, double floor)
{
    struct tally t = { .name = name };

    for (uint64_t seed = first_seed(); more(seed, seeds); seed++) {
        struct ccw_result r = carry(conf, seed, bytes);
        count(&t, seed, efficiency(&conf, &r));
    }
    judge(&t, floor);
}

static void a_path_is_filled_whatever_it_loses(void **state)
{
    static const struct {
        skt_time rtt;
        double floor; /* of 0.94, the rest is headers; at 200 ms a second goes for the handshake and to begin */
    } rows[] = { { SKT_MS, .90 }, { 50 * SKT_MS, .81 }, { 200 * SKT_MS, .55 } };
    static const double losses[] = { 0, .001, .01, .05 };
    char name[64];

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (size_t j = 0; j < sizeof losses / sizeof *losses; j++) {
            (void)snprintf(name, sizeof name, "50 MB, 100 Mbit/s, %d ms, loss %g %%", (int)(rows[i].rtt / SKT_MS),
                100 * losses[j]);
            judge_carry(name, path(100, rows[i].rtt, losses[j]), 50 * MB, 5, rows[i].floor);
        }
}

static void a_last_flight_sent_twice_saves_its_repair(void **state)
{
    struct ccw_conf conf = path(100, 200 * SKT_MS, .05);

    conf.flow[0].twice = true;
    judge_carry("50 MB, 100 Mbit/s, 200 ms, loss 5 %, twice", conf, 50 * MB, 5, .62);
}

static void a_long_transfer_stays_fast(void **state)
{
    judge_carry("250 MB, 100 Mbit/s, 200 ms, loss 0", path(100, 200 * SKT_MS, 0), 250 * MB, 1, .85);
    judge_carry("250 MB, 100 Mbit/s, 200 ms, loss 1 %", path(100, 200 * SKT_MS, .01), 250 * MB, 2, .82);
    judge_carry("250 MB, 100 Mbit/s, 200 ms, loss 5 %", path(100, 200 * SKT_MS, .05), 250 * MB, 3, .85);
}

static void much_loss_is_still_no_congestion(void **state)
{
    judge_carry("50 MB, 100 Mbit/s, 50 ms, loss 15 %", path(100, 50 * SKT_MS, .15), 50 * MB, 3, .7);
    judge_carry("50 MB, 100 Mbit/s, 50 ms, loss 25 %", path(100, 50 * SKT_MS, .25), 50 * MB, 3, .45);
}

static void round_trips_told_only_in_order_are_enough(void **state)
{
    struct ccw_conf conf = path(100, 50 * SKT_MS, .05);

    conf.flow[0].rare_rtt = true;
    judge_carry("50 MB, 100 Mbit/s, 50 ms, loss 5 %, rare RTT", conf, 50 * MB, 4, .75);
}

static void bursts_of_loss_and_jitter_are_no_congestion(void **state)
{
    struct ccw_conf burst = path(50, 50 * SKT_MS, 0), jitter = path(100, 50 * SKT_MS, 0),
                    overtake = path(100, 16 * SKT_MS, 0);

    burst.more.loss_model = SKT_LOSS_GEMODEL;
    burst.more.ge.p = .01;
    burst.more.ge.r = .25;
    burst.more.ge.bad = .5;
    judge_carry("25 MB, 50 Mbit/s, 50 ms, bursts 1:25:50:0", burst, 25 * MB, 5, .72);
    jitter.more.jitter = 8 * SKT_MS;
    judge_carry("50 MB, 100 Mbit/s, 50 ms, jitter 8 ms", jitter, 50 * MB, 4, .7);
    jitter.more.in_order = true;
    judge_carry("50 MB, 100 Mbit/s, 50 ms, jitter 8 ms in order", jitter, 50 * MB, 4, .6);
    overtake.flow[0].more_delay = 17 * SKT_MS;
    overtake.more.reorder = .02;
    judge_carry("50 MB, 100 Mbit/s, 50 ms, 2 % come 8 ms early", overtake, 50 * MB, 4, .7);
    overtake.flow[0].rare_rtt = true;
    judge_carry("the same, RTT only in order", overtake, 50 * MB, 4, .7);
}

static void clocks_that_tick_and_acks_that_gather_do_not_stop_it(void **state)
{
    struct ccw_conf gather = path(100, 50 * SKT_MS, 0), tick = path(100, 50 * SKT_MS, 0);

    gather.gather = 10 * SKT_MS;
    judge_carry("50 MB, 100 Mbit/s, 50 ms, ACKs every 10 ms", gather, 50 * MB, 1, .8);
    gather.rtt = 5 * SKT_MS;
    judge_carry("50 MB, 100 Mbit/s, 5 ms, ACKs every 10 ms", gather, 50 * MB, 1, .75);
    tick.tick = 10 * SKT_MS;
    judge_carry("50 MB, 100 Mbit/s, 50 ms, timer 10 ms", tick, 50 * MB, 1, .8);
}

static void slow_and_fast_paths_short_and_long_queues(void **state)
{
    struct ccw_conf shallow = path(100, 50 * SKT_MS, .01), deep = path(100, 50 * SKT_MS, .01);

    judge_carry("1.25 MB, 1 Mbit/s, 50 ms, loss 5 %", path(1, 50 * SKT_MS, .05), 1250000, 3, .8);
    judge_carry("500 MB, 1 Gbit/s, 20 ms, loss 1 %", path(1000, 20 * SKT_MS, .01), 500 * MB, 1, .85);
    shallow.queue_bytes = 62500;
    judge_carry("50 MB, 100 Mbit/s, 50 ms, loss 1 %, queue 5 ms", shallow, 50 * MB, 3, .75);
    deep.queue_bytes = 6250000;
    judge_carry("50 MB, 100 Mbit/s, 50 ms, loss 1 %, queue 500 ms", deep, 50 * MB, 3, .8);
}

static void alone_it_keeps_the_queue_short(void **state)
{
    struct ccw_conf conf = path(100, 50 * SKT_MS, 0);

    conf.queue_bytes = 6250000;
    assert_true(carry(conf, 1, 50 * MB).queue_mean < 5); /* ms; of 500 */
}

static void the_same_seed_gives_the_same_transfer(void **state)
{
    struct ccw_conf conf = path(100, 50 * SKT_MS, .05);
    struct ccw_result a = carry(conf, 7, 20 * MB), b = carry(conf, 7, 20 * MB), c = carry(conf, 8, 20 * MB);

    assert_true(a.took == b.took && a.sent == b.sent && a.lost == b.lost);
    assert_false(a.took == c.took && a.sent == c.sent);
}

/* ---- what changes ---- */

/* Of a rate, from then to then, in ms. */
static double share_of(struct ccw *w, skt_time from, skt_time to, uint64_t rate)
{
    uint64_t before;

    ccw_run(w, from * SKT_MS);
    before = ccw_result(w, 0).payload;
    ccw_run(w, to * SKT_MS);
    return (double)(ccw_result(w, 0).payload - before) * 1000 / (double)(to - from) / (double)rate;
}

static const double changing_losses[] = { 0, .01, .05 };

static void a_rate_that_falls_and_rises_fourfold_is_followed(void **state)
{
    struct tally less = { .name = "100 to 25 Mbit/s: from 0.5 s after" },
                 back = { .name = "25 to 100 Mbit/s: from 2 s after" };

    for (uint64_t seed = first_seed(); more(seed, 6); seed++) {
        struct ccw_conf conf = path(100, 50 * SKT_MS, changing_losses[seed % 3]);
        struct ccw *w;
        conf.seed = seed;
        conf.steps = 2;
        conf.step[0] = (struct ccw_step){ 5 * SKT_SEC, conf.rtt / 2, 25 * MBIT, conf.loss, false };
        conf.step[1] = (struct ccw_step){ 10 * SKT_SEC, conf.rtt / 2, 100 * MBIT, conf.loss, false };
        w = world(&conf);
        count(&less, seed, share_of(w, 5500, 10000, 25 * MBIT));
        count(&back, seed, share_of(w, 12000, 15000, 100 * MBIT));
        ccw_free(w);
    }
    judge(&less, .75);
    judge(&back, .8);
}

static void a_path_that_becomes_longer_is_no_queue(void **state)
{
    struct tally longer = { .name = "50 to 200 ms: 5 to 15 s after" },
                 shorter = { .name = "200 to 50 ms: 1 to 5 s after" };

    for (uint64_t seed = first_seed(); more(seed, 6); seed++) {
        struct ccw_conf conf = path(100, 50 * SKT_MS, changing_losses[seed % 3]);
        struct ccw *w;
        conf.seed = seed;
        conf.steps = 2;
        conf.step[0] = (struct ccw_step){ 5 * SKT_SEC, 100 * SKT_MS, 0, conf.loss, false };
        conf.step[1] = (struct ccw_step){ 20 * SKT_SEC, 25 * SKT_MS, 0, conf.loss, false };
        w = world(&conf);
        count(&longer, seed, share_of(w, 10000, 20000, 100 * MBIT));
        count(&shorter, seed, share_of(w, 21000, 25000, 100 * MBIT));
        ccw_free(w);
    }
    judge(&longer, .75);
    judge(&shorter, .8);
}

static void a_path_that_dies_for_two_seconds_comes_back(void **state)
{
    struct tally t = { .name = "dead for 2 s: from 3 s after" };

    for (uint64_t seed = first_seed(); more(seed, 6); seed++) {
        struct ccw_conf conf = path(100, 50 * SKT_MS, changing_losses[seed % 3]);
        struct ccw *w;
        conf.seed = seed;
        conf.steps = 2;
        conf.step[0] = (struct ccw_step){ 5 * SKT_SEC, conf.rtt / 2, 0, conf.loss, true };
        conf.step[1] = (struct ccw_step){ 7 * SKT_SEC, conf.rtt / 2, 0, conf.loss, false };
        w = world(&conf);
        count(&t, seed, share_of(w, 10000, 14000, 100 * MBIT));
        ccw_free(w);
    }
    judge(&t, .8);
}

static void a_slow_application_is_not_taken_for_a_slow_path(void **state)
{
    struct tally slow = { .name = "20 of 100 Mbit/s to send" }, limit = { .name = "limit of 25 Mbit/s" };

    for (uint64_t seed = first_seed(); more(seed, 3); seed++) {
        struct ccw_conf conf = path(100, 50 * SKT_MS, changing_losses[seed % 3]);
        struct ccw *w;
        conf.seed = seed;
        conf.flow[0].app_rate = 20 * MBIT;
        w = world(&conf);
        count(&slow, seed, share_of(w, 1000, 8000, 20 * MBIT));
        ccw_free(w);
        conf.flow[0] = (struct ccw_flow_conf){ .rate_max = 25 * MBIT };
        w = world(&conf);
        count(&limit, seed, share_of(w, 1000, 8000, 25 * MBIT));
        assert_true(ccw_result(w, 0).payload <= 25 * MBIT * 8);
        ccw_free(w);
    }
    judge(&slow, .9);
    judge(&limit, .85);
}

static void within_a_machine_it_is_never_the_limit(void **state)
{
    struct ccw_conf conf = {
        .rate_bytes = 5000 * MB, .rtt = 100 * SKT_US, .queue_bytes = 4 << 20, .tick = 20 * SKT_US, .flows = 1
    };
    struct ccw_conf rack = { .rate_bytes = 100 * MBIT, .rtt = 300 * SKT_US, .queue_bytes = 128 << 10, .flows = 1 };
    struct ccw *w = world(&conf);

    assert_true(share_of(w, 5, 25, 5000 * MB) > .9);
    ccw_free(w);
    w = world(&rack);
    assert_true(share_of(w, 100, 2000, 100 * MBIT) > .9);
    assert_true(ccw_result(w, 0).lost < ccw_result(w, 0).sent / 50); /* and does not flood a slow one */
    ccw_free(w);
}

/* ---- beside others ---- */

/* The share of each flow in its fair one, of `seconds` from `from`. */
static void shares(const struct ccw_conf *conf, skt_time from, skt_time seconds, double *ret_shares)
{
    struct ccw *w = world(conf);
    uint64_t before[CCW_FLOWS];

    ccw_run(w, from);
    for (uint32_t i = 0; i < conf->flows; i++)
        before[i] = ccw_result(w, i).payload;
    ccw_run(w, from + seconds * SKT_SEC);
    for (uint32_t i = 0; i < conf->flows; i++)
        ret_shares[i] =
            (double)(ccw_result(w, i).payload - before[i]) / (double)seconds / ((double)conf->rate_bytes / conf->flows);
    ccw_free(w);
}

static void stagger(struct ccw_conf *conf, uint64_t seed)
{
    conf->seed = seed;
    for (uint32_t i = 0; i < conf->flows; i++)
        conf->flow[i].start += (skt_time)((seed * 7919 + i * 104729) % 997) * SKT_MS / 2;
}

/* One of TCP, two of ours; who begins: 0 all, 1 TCP, 2 we. */
static struct ccw_conf three(uint64_t mbit, int begins, bool hystart)
{
    struct ccw_conf conf = path(mbit, 50 * SKT_MS, 0);

    conf.queue_bytes = mbit * MBIT / 20;
    conf.flows = 3;
    conf.flow[0] = (struct ccw_flow_conf){ .kind = CCW_CUBIC, .hystart = hystart };
    conf.flow[0].start = begins == 2 ? 5 * SKT_SEC : 0;
    conf.flow[1].start = begins == 1 ? 5 * SKT_SEC : 0;
    conf.flow[2].start = begins == 1 ? 7 * SKT_SEC : begins == 2 ? 2 * SKT_SEC : 0;
    return conf;
}

static void cubic_keeps_half_of_its_third_beside_two_of_ours(void **state)
{
    char name[64];
    double share[3];

    for (int i = 0; i < 6; i++) {
        uint64_t mbit = i < 3 ? 20 : 100;
        struct tally cubic = { .name = name }, even = { .name = "  ours, the less of the more" };
        (void)snprintf(name, sizeof name, "cubic, %u Mbit/s, %s", (unsigned)mbit,
            i % 3 == 0   ? "all at once"
            : i % 3 == 1 ? "it begins"
                         : "we begin");
        for (uint64_t seed = first_seed(); more(seed, 3); seed++) {
            struct ccw_conf conf = three(mbit, i % 3, seed % 2);
            stagger(&conf, seed);
            shares(&conf, i % 3 ? 8 * SKT_SEC : 0, 40, share);
            count(&cubic, seed, share[0]);
            count(&even, seed, share[1] < share[2] ? share[1] / share[2] : share[2] / share[1]);
            assert_true(share[0] + share[1] + share[2] > 3 * .88);
        }
        judge(&cubic, .5);
        judge(&even, .4);
    }
}

static void two_of_ours_share_evenly_and_keep_the_queue_short(void **state)
{
    static const double losses[] = { 0, .01, .05 };
    char name[64];
    double share[2];

    for (int i = 0; i < 3; i++) {
        struct tally even = { .name = name };
        (void)snprintf(name, sizeof name, "two of ours, 100 Mbit/s, loss %g %%", 100 * losses[i]);
        for (uint64_t seed = first_seed(); more(seed, 4); seed++) {
            struct ccw_conf conf = path(100, 50 * SKT_MS, losses[i]);
            conf.flows = 2;
            conf.flow[1].start = 3 * SKT_SEC;
            stagger(&conf, seed);
            shares(&conf, 5 * SKT_SEC, 30, share);
            count(&even, seed, share[0] < share[1] ? share[0] / share[1] : share[1] / share[0]);
            assert_true(share[0] + share[1] > 2 * .85);
        }
        judge(&even, .5);
    }
}

/* The yardstick itself: as TCP was measured on such paths (0.93, 0.03 of the rate). */
static void cubic_alone_is_what_it_is(void **state)
{
    struct ccw_conf conf = path(100, 50 * SKT_MS, 0);
    double share;

    conf.flow[0].kind = CCW_CUBIC;
    shares(&conf, 0, 10, &share);
    assert_true(.85 < share && share < .957);
    conf.loss = .01;
    shares(&conf, 0, 10, &share);
    assert_true(.01 < share && share < .1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_is_filled_whatever_it_loses),
        cmocka_unit_test(a_last_flight_sent_twice_saves_its_repair),
        cmocka_unit_test(a_long_transfer_stays_fast),
        cmocka_unit_test(much_loss_is_still_no_congestion),
        cmocka_unit_test(round_trips_told_only_in_order_are_enough),
        cmocka_unit_test(bursts_of_loss_and_jitter_are_no_congestion),
        cmocka_unit_test(clocks_that_tick_and_acks_that_gather_do_not_stop_it),
        cmocka_unit_test(slow_and_fast_paths_short_and_long_queues),
        cmocka_unit_test(alone_it_keeps_the_queue_short),
        cmocka_unit_test(the_same_seed_gives_the_same_transfer),
        cmocka_unit_test(a_rate_that_falls_and_rises_fourfold_is_followed),
        cmocka_unit_test(a_path_that_becomes_longer_is_no_queue),
        cmocka_unit_test(a_path_that_dies_for_two_seconds_comes_back),
        cmocka_unit_test(a_slow_application_is_not_taken_for_a_slow_path),
        cmocka_unit_test(within_a_machine_it_is_never_the_limit),
        cmocka_unit_test(cubic_keeps_half_of_its_third_beside_two_of_ours),
        cmocka_unit_test(two_of_ours_share_evenly_and_keep_the_queue_short),
        cmocka_unit_test(cubic_alone_is_what_it_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
