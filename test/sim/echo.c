/* The simulation itself: an echo and its clients over every kind of bad path. */
#include "world.h"

#include "engines.h"

enum { SEEDS = 250 };

/* Each seed has a path of its own, some good, some very bad. */
static struct skt_path_conf path_of(uint64_t seed)
{
    struct skt_random r;
    struct skt_path_conf path = { 0 };

    skt_random_init(&r, seed);
    path.delay = (skt_time)skt_random_below(&r, 100 * SKT_MS);
    path.jitter = (skt_time)skt_random_below(&r, 2) * (skt_time)skt_random_below(&r, 50 * SKT_MS);
    path.loss = (double)skt_random_below(&r, 3) * .05;
    path.dup = (double)skt_random_below(&r, 3) * .1;
    path.reorder = (double)skt_random_below(&r, 3) * .1;
    path.rate_bytes = skt_random_below(&r, 3) ? 0 : 100000 + skt_random_below(&r, 1000000);
    return path;
}

static void run_talker(
    uint64_t seed, struct talker *t, struct talker_conf conf, struct skt_path_conf path, struct sim_conf sc)
{
    struct echo *echo = echo_new();
    struct sim *sim;
    int here, there;

    sc.seed = conf.seed = seed;
    conf.to = "there:7";
    sim = world_begin(&sc);
    talker_init(t, &conf);
    here = sim_host(sim, talker_engine(t), NULL);
    there = sim_host(sim, echo_engine(echo), "there");
    sim_listen(sim, there, "tcp:7");
    sim_wire(sim, here, there, path);
    while (sim_step(sim)) {
    }
    assert_false(t->wrong);
    assert_int_equal(sim_links(sim, here), 0);
    assert_int_equal(sim_links(sim, there), 1); /* the listener: the echo leaks none */
    world_end();
    echo_free(echo);
}

static void all_bytes_arrive_once_and_in_order(void **state)
{
    for (uint64_t seed = world_first(); world_more(seed, SEEDS); seed++) {
        struct talker t;
        uint64_t bytes = 1 + seed * seed * 7 % 200000;
        run_talker(
            seed, &t, (struct talker_conf){ .bytes = bytes, .lazy = seed & 1 }, path_of(seed), (struct sim_conf){ 0 });
        assert_true(t.over && t.eof_got && t.why == 0);
        assert_true(t.sent == bytes && t.got == bytes);
    }
}

static void small_buffers_only_make_it_slow(void **state)
{
    for (uint64_t seed = world_first(); world_more(seed, SEEDS); seed++) {
        struct talker t;
        struct sim_conf conf = { .send_buf = 1 + (uint32_t)(seed % 7) * 700,
            .recv_buf = 1 + (uint32_t)(seed % 5) * 900 };
        run_talker(seed, &t, (struct talker_conf){ .bytes = 3000, .lazy = true },
            (struct skt_path_conf){ .delay = SKT_MS }, conf);
        assert_true(t.over && t.eof_got && t.why == 0 && t.got == 3000);
    }
}

static void a_broken_connection_is_told_once(void **state)
{
    uint32_t reset = 0, late = 0, well = 0;

    for (uint64_t seed = world_first(); world_more(seed, SEEDS); seed++) {
        struct talker t;
        struct sim_conf conf = { .cut = .5, .cut_within = SKT_SEC };
        run_talker(
            seed, &t, (struct talker_conf){ .bytes = 20000, .gap = 100 * SKT_MS, .again = 3 }, path_of(seed), conf);
        assert_true(t.over && t.closed == 4);
        assert_true(t.why == 0 || t.why == -ECONNRESET || t.why == -ETIMEDOUT);
        reset += t.why == -ECONNRESET;
        late += t.why == -ETIMEDOUT;
        well += t.why == 0;
    }
    assert_true(getenv("SIM_SEED") || (reset > SEEDS / 10 && late > SEEDS / 20 && well > SEEDS / 4));
}

static void a_reset_reaches_the_other_end(void **state)
{
    for (uint64_t seed = world_first(); world_more(seed, SEEDS); seed++) {
        struct talker t;
        run_talker(seed, &t, (struct talker_conf){ .bytes = 50000, .gap = SKT_MS, .abort = true, .again = 2 },
            path_of(seed), (struct sim_conf){ 0 });
        assert_true(t.over && t.why == -1 && !t.eof_got);
    }
}

static void no_memory_in_the_driver_is_a_close(void **state)
{
    uint32_t bad = 0;

    for (uint64_t seed = world_first(); world_more(seed, SEEDS); seed++) {
        struct talker t;
        run_talker(seed, &t, (struct talker_conf){ .bytes = 100000, .again = 3 },
            (struct skt_path_conf){ .delay = SKT_MS }, (struct sim_conf){ .no_memory = .05 });
        assert_true(t.over && (t.why == 0 || t.why == -ENOMEM || t.why == -ECONNRESET));
        bad += t.why != 0;
    }
    assert_true(getenv("SIM_SEED") || bad > SEEDS / 4);
}

static int connect_why(struct sim_conf conf, const char *to, skt_time *ret_after)
{
    struct talker t;
    struct echo *echo = echo_new();
    struct sim *sim = world_begin(&conf);
    skt_time begin = sim_now(sim);
    int there;

    talker_init(&t, &(struct talker_conf){ .to = to, .bytes = 10 });
    sim_host(sim, talker_engine(&t), NULL);
    there = sim_host(sim, echo_engine(echo), "there");
    sim_listen(sim, there, "tcp:7");
    sim_wire_all(sim, (struct skt_path_conf){ .delay = 20 * SKT_MS });
    while (!t.over && sim_step(sim)) {
    }
    assert_true(t.over);
    *ret_after = sim_now(sim) - begin;
    world_end();
    echo_free(echo);
    return t.why;
}

static void connects_fail_as_in_the_world(void **state)
{
    skt_time after;

    assert_int_equal(connect_why((struct sim_conf){ 0 }, "there:7", &after), 0);
    assert_int_equal(connect_why((struct sim_conf){ 0 }, "10.0.0.2:7", &after), 0);
    assert_int_equal(connect_why((struct sim_conf){ 0 }, "there:8", &after), -ECONNREFUSED);
    assert_true(after == 40 * SKT_MS);
    assert_int_equal(connect_why((struct sim_conf){ 0 }, "nowhere:7", &after), -ENOENT);
    assert_int_equal(connect_why((struct sim_conf){ 0 }, "a:b:c", &after), -EINVAL);
    assert_int_equal(connect_why((struct sim_conf){ .hang = 1 }, "there:7", &after), -ETIMEDOUT);
    assert_true(after == 10 * SKT_SEC);
    assert_int_equal(connect_why((struct sim_conf){ .no_memory = 1 }, "there:7", &after), -ENOMEM);
}

static void a_partition_stalls_and_a_heal_ends_it(void **state)
{
    for (uint64_t seed = world_first(); world_more(seed, SEEDS); seed++) {
        struct talker t;
        struct echo *echo = echo_new();
        struct sim *sim = world_begin(&(struct sim_conf){ .seed = seed });
        uint64_t during;
        int here, there;
        talker_init(&t, &(struct talker_conf){
                            .seed = seed, .to = "there:7", .bytes = 60000, .gap = 10 * SKT_MS, .write_max = 1000 });
        here = sim_host(sim, talker_engine(&t), NULL);
        there = sim_host(sim, echo_engine(echo), "there");
        sim_listen(sim, there, "tcp:7");
        sim_wire_all(sim, (struct skt_path_conf){ .delay = 10 * SKT_MS });
        sim_run_until(sim, sim_now(sim) + 300 * SKT_MS);
        assert_true(t.got > 0);
        sim_cut(sim, here, there);
        sim_run_until(sim, sim_now(sim) + 500 * SKT_MS); /* what was in the sockets is read */
        during = t.got;
        sim_run_until(sim, sim_now(sim) + 5 * SKT_SEC);
        assert_int_equal(t.got, during);
        assert_false(t.over);
        if (seed & 1)
            sim_heal(sim, here, there);
        while (sim_step(sim)) {
        }
        assert_int_equal(t.why, seed & 1 ? 0 : -ETIMEDOUT);
        assert_true(!t.wrong && (t.got == 60000) == (seed & 1));
        world_end();
        echo_free(echo);
    }
}

static void links_that_run_out_are_refused(void **state)
{
    enum { CLIENTS = 20, CAP = 8 };
    struct talker t[CLIENTS];
    struct echo *echo = echo_new();
    struct sim *sim = world_begin(&(struct sim_conf){ .seed = 4, .max_links = CAP });
    struct sim_stats stats;
    uint32_t well = 0;
    int there = sim_host(sim, echo_engine(echo), "there");

    sim_listen(sim, there, "tcp:7");
    for (int i = 0; i < CLIENTS; i++) {
        talker_init(
            &t[i], &(struct talker_conf){ .seed = (uint64_t)i, .to = "there:7", .bytes = 1000, .gap = SKT_SEC });
        sim_host(sim, talker_engine(&t[i]), NULL);
    }
    while (sim_step(sim)) {
    }
    for (int i = 0; i < CLIENTS; i++) {
        assert_true(t[i].over && (t[i].why == 0 || t[i].why == -ECONNRESET));
        well += t[i].why == 0;
    }
    sim_stats(sim, &stats);
    assert_int_equal(well, CAP - 2); /* the listener has one, the next OPEN's link is kept ready */
    assert_int_equal(stats.refused, CLIENTS - well);
    world_end();
    echo_free(echo);
}

static void run_shooter(
    uint64_t seed, struct shooter *s, struct shooter_conf conf, struct skt_path_conf path, double busy)
{
    struct echo *echo = echo_new();
    struct sim *sim = world_begin(&(struct sim_conf){ .seed = seed, .busy = busy });
    int here, there;

    conf.seed = seed;
    conf.to = "udp:there:9";
    shooter_init(s, &conf);
    here = sim_host(sim, shooter_engine(s), NULL);
    there = sim_host(sim, echo_engine(echo), "there");
    sim_listen(sim, there, "udp:9");
    sim_wire(sim, here, there, path);
    while (sim_step(sim)) {
    }
    assert_true(s->closed && s->why == 0);
    assert_int_equal(s->wrong, 0); /* a border moved, or two became one */
    shooter_done(s);
    world_end();
    echo_free(echo);
}

static void datagrams_are_lost_and_doubled_but_never_merged(void **state)
{
    uint32_t back = 0, sent = 0, twice = 0, late = 0;

    for (uint64_t seed = world_first(); world_more(seed, SEEDS); seed++) {
        struct shooter s;
        run_shooter(seed, &s,
            (struct shooter_conf){ .count = 200, .most = 8 + (uint32_t)(seed % 3) * 700, .trains = seed & 1 },
            (struct skt_path_conf){
                .delay = 20 * SKT_MS, .jitter = (skt_time)(seed % 4) * SKT_MS, .loss = .1, .dup = .1, .reorder = .1 },
            0);
        assert_int_equal(s.sent, 200);
        sent += s.sent;
        back += s.back;
        twice += s.twice;
        late += s.late;
    }
    if (getenv("SIM_SEED"))
        return;
    /* There and back: .9 * .9 arrive, each 1.1 * 1.1 times. Of the many shots the mean is within 2 %. */
    assert_in_range(back, (uint32_t)(sent * .9801 * .98), (uint32_t)(sent * .9801 * 1.02));
    assert_in_range(twice, sent / 8, sent / 4);
    assert_true(late > sent / 20);
}

static void a_clean_path_loses_and_turns_nothing(void **state)
{
    for (uint64_t seed = world_first(); world_more(seed, 50); seed++) {
        struct shooter s;
        run_shooter(seed, &s, (struct shooter_conf){ .count = 300, .most = 1200, .trains = true },
            (struct skt_path_conf){ .delay = 20 * SKT_MS }, 0);
        assert_true(s.back == 300 && !s.twice && !s.late);
    }
}

static void a_full_datagram_socket_only_delays(void **state)
{
    for (uint64_t seed = world_first(); world_more(seed, SEEDS); seed++) {
        struct shooter s;
        run_shooter(seed, &s, (struct shooter_conf){ .count = 100, .most = 1200, .trains = seed & 1 },
            (struct skt_path_conf){ .delay = 20 * SKT_MS }, .3);
        assert_true(s.back == 100 && !s.twice && !s.late && s.full > 0);
    }
}

static void a_datagram_to_nobody_is_told(void **state)
{
    struct shooter s;
    struct echo *echo = echo_new();
    struct sim *sim = world_begin(&(struct sim_conf){ .seed = 1 });

    shooter_init(&s, &(struct shooter_conf){ .to = "udp:there:9", .count = 1, .most = 8 });
    sim_host(sim, shooter_engine(&s), NULL);
    sim_host(sim, echo_engine(echo), "there");
    while (sim_step(sim)) {
    }
    assert_true(s.closed && s.why == -ECONNREFUSED);
    shooter_done(&s);
    world_end();
    echo_free(echo);
}

/* A small town: what it did, as a capture. */
static uint64_t town(uint64_t seed, uint8_t **ret_capture)
{
    enum { CLIENTS = 10 };
    struct talker t[CLIENTS];
    struct shooter s;
    struct echo *echo = echo_new();
    struct sim *sim = world_begin(&(struct sim_conf){ .seed = seed, .cut = .2, .no_memory = .01 });
    struct skt_span bytes;
    int there = sim_host(sim, echo_engine(echo), "there");
    size_t n;

    sim_listen(sim, there, "tcp:7");
    sim_listen(sim, there, "udp:9");
    sim_wire_all(sim, path_of(seed));
    for (int i = 0; i < CLIENTS; i++) {
        talker_init(&t[i],
            &(struct talker_conf){
                .seed = seed + (uint64_t)i, .to = "there:7", .bytes = 5000, .lazy = true, .gap = i & 1 ? SKT_MS : 0 });
        sim_host(sim, talker_engine(&t[i]), NULL);
    }
    shooter_init(
        &s, &(struct shooter_conf){ .seed = seed, .to = "udp:there:9", .count = 100, .most = 300, .trains = true });
    sim_host(sim, shooter_engine(&s), NULL);
    while (sim_step(sim)) {
    }
    bytes = sim_tap_bytes(sim);
    n = skt_len(bytes);
    *ret_capture = malloc(n);
    memcpy(*ret_capture, bytes.p, n);
    shooter_done(&s);
    world_end();
    echo_free(echo);
    return n;
}

static void the_same_seed_gives_the_same_capture(void **state)
{
    for (uint64_t seed = world_first(); world_more(seed, 30); seed++) {
        uint8_t *one, *two, *other;
        uint64_t n = town(seed, &one), m = town(seed, &two), k = town(seed + 1, &other);
        assert_true(n > 10000);
        assert_true(n == m && !memcmp(one, two, n));
        assert_true(n != k || memcmp(one, other, n));
        free(one);
        free(two);
        free(other);
    }
}

WORLD(W(all_bytes_arrive_once_and_in_order), W(small_buffers_only_make_it_slow), W(a_broken_connection_is_told_once),
    W(a_reset_reaches_the_other_end), W(no_memory_in_the_driver_is_a_close), W(connects_fail_as_in_the_world),
    W(a_partition_stalls_and_a_heal_ends_it), W(links_that_run_out_are_refused),
    W(datagrams_are_lost_and_doubled_but_never_merged), W(a_clean_path_loses_and_turns_nothing),
    W(a_full_datagram_socket_only_delays), W(a_datagram_to_nobody_is_told), W(the_same_seed_gives_the_same_capture))
