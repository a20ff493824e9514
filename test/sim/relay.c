/* engine/relay in the simulated world: between a talker and an echo, moved or watched, slow, broken on either side. */
#include "world.h"

#include "engines.h"

#include <sockit/relay.h>

enum { SEEDS = 200 };

struct seen {
    uint32_t came, failed, left;
    uint64_t in, out, watched;
};

static void count(struct skt_relay *relay, struct seen *seen)
{
    for (struct skt_relay_event ev; skt_relay_next(relay, &ev);) {
        seen->came += ev.what == SKT_RELAY_CAME;
        seen->failed += ev.what == SKT_RELAY_FAILED;
        seen->watched += ev.what == SKT_RELAY_BYTES ? skt_len(ev.bytes) : 0;
        if (ev.what != SKT_RELAY_LEFT)
            continue;
        seen->left++;
        seen->in += ev.in;
        seen->out += ev.out;
    }
}

static struct seen run(struct sim_conf conf, struct skt_relay_conf rc, struct talker *t, struct talker_conf tc)
{
    skt_auto(skt_relay) struct skt_relay *relay = NULL;
    struct echo *echo = echo_new();
    struct seen seen = { 0 };
    struct sim *sim = world_begin(&conf);
    int middle, there;

    rc.to = rc.to ? rc.to : "echo:7";
    rc.seed = tc.seed = conf.seed;
    tc.to = "relay:6";
    relay = skt_relay_new(&rc);
    assert_non_null(relay);
    talker_init(t, &tc);
    sim_host(sim, talker_engine(t), NULL);
    middle = sim_host(sim, skt_relay_engine(relay), "relay");
    there = sim_host(sim, echo_engine(echo), "echo");
    sim_listen(sim, middle, "tcp:6");
    sim_listen(sim, there, "tcp:7");
    sim_wire_all(sim,
        (struct skt_path_conf){ .delay = (skt_time)(conf.seed % 20) * SKT_MS, .loss = (double)(conf.seed % 3) * .02 });
    while (sim_step(sim))
        count(relay, &seen);
    count(relay, &seen);
    assert_true(t->over && !t->wrong);
    assert_int_equal(sim_links(sim, middle), 1);
    assert_int_equal(sim_links(sim, there), 1);
    world_end();
    echo_free(echo);
    return seen;
}

static void a_relay_loses_no_byte_moved_or_watched(void **state)
{
    for (uint64_t seed = world_first(); world_more(seed, SEEDS); seed++) {
        struct talker t;
        uint64_t bytes = 1 + seed * seed * 7 % 100000;
        bool watch = seed & 1;
        struct seen seen = run((struct sim_conf){ .seed = seed }, (struct skt_relay_conf){ .watch = watch }, &t,
            (struct talker_conf){ .bytes = bytes, .again = 1, .lazy = seed & 2 });
        assert_true(t.why == 0 && t.eof_got && t.total == 2 * bytes);
        assert_true(seen.came == 2 && seen.left == 2 && !seen.failed);
        assert_true(seen.in == 2 * bytes && seen.out == 2 * bytes);
        assert_true(seen.watched == (watch ? 4 * bytes : 0));
    }
}

static void a_relay_with_a_rate_is_slow_and_whole(void **state)
{
    for (uint64_t seed = world_first(); world_more(seed, SEEDS); seed++) {
        struct talker t;
        run((struct sim_conf){ .seed = seed }, (struct skt_relay_conf){ .rate = 10000 }, &t,
            (struct talker_conf){ .bytes = 30000 });
        assert_true(t.why == 0 && t.eof_got && t.got == 30000);
        assert_true(t.now > 1001 * SKT_SEC);
    }
}

static void what_breaks_on_one_side_ends_the_other(void **state)
{
    uint32_t broken = 0;

    for (uint64_t seed = world_first(); world_more(seed, SEEDS); seed++) {
        struct talker t;
        struct seen seen =
            run((struct sim_conf){ .seed = seed, .cut = .3, .cut_within = SKT_SEC, .no_memory = .01, .max_links = 9 },
                (struct skt_relay_conf){ .watch = seed & 1 }, &t,
                (struct talker_conf){
                    .bytes = 20000, .gap = 20 * SKT_MS, .write_max = 1000, .again = 3, .abort = seed % 5 == 0 });
        assert_int_equal(t.closed, 4);
        assert_int_equal(seen.came, seen.left); /* a failure is told before the end */
        assert_true(seen.failed <= seen.left);
        broken += t.total != 80000;
    }
    assert_true(getenv("SIM_SEED") || broken > SEEDS / 4);
}

static void a_target_that_refuses_is_told(void **state)
{
    struct talker t;
    struct seen seen = run((struct sim_conf){ .seed = 1 }, (struct skt_relay_conf){ .to = "echo:8" }, &t,
        (struct talker_conf){ .bytes = 10 });

    assert_true(seen.failed == 1 && t.closed == 1 && t.got == 0);
}

static void datagrams_pass_with_their_borders_and_flows_end(void **state)
{
    uint32_t back = 0;

    for (uint64_t seed = world_first(); world_more(seed, SEEDS); seed++) {
        skt_auto(skt_relay) struct skt_relay *relay = NULL;
        struct echo *echo = echo_new();
        struct seen seen = { 0 };
        struct shooter s;
        struct sim *sim = world_begin(&(struct sim_conf){ .seed = seed, .busy = .1 });
        int middle, there;
        relay = skt_relay_new(
            &(struct skt_relay_conf){ .to = "udp:echo:9", .datagrams = true, .seed = seed, .flow_idle = 20 * SKT_SEC });
        assert_non_null(relay);
        shooter_init(&s, &(struct shooter_conf){
                             .seed = seed, .to = "udp:relay:6", .count = 100, .most = 1400, .trains = seed & 1 });
        sim_host(sim, shooter_engine(&s), NULL);
        middle = sim_host(sim, skt_relay_engine(relay), "relay");
        there = sim_host(sim, echo_engine(echo), "echo");
        sim_listen(sim, middle, "udp:6");
        sim_listen(sim, there, "udp:9");
        sim_wire_all(sim, (struct skt_path_conf){ .delay = 5 * SKT_MS, .jitter = SKT_MS, .loss = .01, .dup = .05 });
        while (sim_step(sim))
            count(relay, &seen);
        assert_true(s.closed && !s.wrong && s.sent == 100);
        assert_true(seen.came == 1 && seen.left == 1);
        assert_int_equal(sim_links(sim, middle), 1); /* the flow was forgotten */
        back += s.back;
        shooter_done(&s);
        world_end();
        echo_free(echo);
    }
    assert_true(getenv("SIM_SEED") || back > 80 * SEEDS); /* what meets a full socket is lost */
}

WORLD(W(a_relay_loses_no_byte_moved_or_watched), W(a_relay_with_a_rate_is_slow_and_whole),
    W(what_breaks_on_one_side_ends_the_other), W(a_target_that_refuses_is_told),
    W(datagrams_pass_with_their_borders_and_flows_end))
