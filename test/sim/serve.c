/* engine/serve in the simulated world: its echo over bad paths, streams and datagrams, with a rate, with peers that break. */
#include "world.h"

#include "engines.h"

#include <sockit/serve.h>

enum { SEEDS = 200 };

static struct skt_path_conf path_of(uint64_t seed)
{
    return (struct skt_path_conf){ .delay = (skt_time)(seed % 50) * SKT_MS,
        .jitter = (skt_time)(seed % 7) * SKT_MS,
        .loss = (double)(seed % 3) * .03,
        .dup = .05,
        .rate_bytes = seed % 5 ? 0 : 200000 };
}

/* The server's world; the client is added by the caller. */
static struct sim *serve_world(struct sim_conf conf, struct skt_serve *serve, int *ret_there)
{
    struct sim *sim = world_begin(&conf);

    *ret_there = sim_host(sim, skt_serve_engine(serve), "there");
    sim_listen(sim, *ret_there, "tcp:7");
    sim_listen(sim, *ret_there, "udp:9");
    sim_wire_all(sim, path_of(conf.seed));
    return sim;
}

static void run_talker(struct sim_conf conf, uint64_t rate, struct talker *t, struct talker_conf tc)
{
    skt_auto(skt_serve) struct skt_serve *serve =
        skt_serve_new(&(struct skt_serve_conf){ .mode = SKT_SERVE_ECHO, .rate = rate });
    uint32_t came = 0, left = 0;
    struct sim *sim;
    int there;

    assert_non_null(serve);
    tc.to = "there:7";
    tc.seed = conf.seed;
    talker_init(t, &tc);
    sim = serve_world(conf, serve, &there);
    sim_host(sim, talker_engine(t), NULL);
    while (sim_step(sim)) {
        for (struct skt_serve_event ev; skt_serve_next(serve, &ev);) {
            came += ev.what == SKT_SERVE_CAME;
            left += ev.what == SKT_SERVE_LEFT;
        }
    }
    assert_true(t->over && !t->wrong);
    assert_int_equal(came, left);
    assert_int_equal(sim_links(sim, there), 2);
    world_end();
}

static void an_echo_gives_each_byte_back_once_and_in_order(void **state)
{
    for (uint64_t seed = world_first(); world_more(seed, SEEDS); seed++) {
        struct talker t;
        uint64_t bytes = 1 + seed * seed * 7 % 100000;
        run_talker((struct sim_conf){ .seed = seed }, 0, &t,
            (struct talker_conf){ .bytes = bytes, .again = 1, .lazy = seed & 1 });
        assert_true(t.why == 0 && t.eof_got && t.total == 2 * bytes);
    }
}

static void an_echo_with_a_rate_is_slow_and_whole(void **state)
{
    for (uint64_t seed = world_first(); world_more(seed, SEEDS); seed++) {
        struct talker t;
        run_talker((struct sim_conf){ .seed = seed }, 10000, &t, (struct talker_conf){ .bytes = 50000 });
        assert_true(t.why == 0 && t.eof_got && t.got == 50000);
        assert_true(t.now > 1003 * SKT_SEC); /* 5 s, less the first burst */
    }
}

static void peers_that_break_leave_nothing_behind(void **state)
{
    for (uint64_t seed = world_first(); world_more(seed, SEEDS); seed++) {
        struct talker t;
        run_talker(
            (struct sim_conf){ .seed = seed, .cut = .5, .cut_within = SKT_SEC, .no_memory = .01, .max_links = 8 }, 0,
            &t, (struct talker_conf){ .bytes = 20000, .gap = 20 * SKT_MS, .again = 4, .abort = seed & 1 });
        assert_int_equal(t.closed, 5);
    }
}

static void datagrams_come_back_as_they_were(void **state)
{
    uint32_t back = 0;

    for (uint64_t seed = world_first(); world_more(seed, SEEDS); seed++) {
        skt_auto(skt_serve) struct skt_serve *serve = skt_serve_new(&(struct skt_serve_conf){ .mode = SKT_SERVE_ECHO });
        struct shooter s;
        struct sim *sim;
        int there;
        shooter_init(&s, &(struct shooter_conf){
                             .seed = seed, .to = "udp:there:9", .count = 100, .most = 1400, .trains = seed & 1 });
        sim = serve_world((struct sim_conf){ .seed = seed, .busy = .1 }, serve, &there);
        sim_host(sim, shooter_engine(&s), NULL);
        while (sim_step(sim)) {
        }
        assert_true(s.closed && !s.wrong);
        back += s.back;
        shooter_done(&s);
        world_end();
    }
    assert_true(getenv("SIM_SEED") || back > 90 * SEEDS); /* 3 % lost on average, each way, and 5 % doubled */
}

WORLD(W(an_echo_gives_each_byte_back_once_and_in_order), W(an_echo_with_a_rate_is_slow_and_whole),
    W(peers_that_break_leave_nothing_behind), W(datagrams_come_back_as_they_were))
