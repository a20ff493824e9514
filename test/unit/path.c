/* engine/impair/path.c: what a bad network does to packets. */
#include "test.h"

#include "engine/impair/path.h"

enum { PACKETS = 100000 };

static struct skt_path path_with(struct skt_path_conf conf)
{
    struct skt_path path;

    skt_path_init(&path, &conf, 1, 0);
    return path;
}

/* +- 3.9 standard deviations: 1 run in 10,000 would fail, and the seed is always the same. */
static void assert_share(uint32_t n, double share)
{
    double mean = PACKETS * share, spread = 3.9 * __builtin_sqrt(mean * (1 - share));

    assert_in_range(n, (uint32_t)(mean - spread), (uint32_t)(mean + spread));
}

static void a_clean_path_only_delays(void **state)
{
    struct skt_path path = path_with((struct skt_path_conf){ .delay = 7 });

    for (uint64_t i = 0; i < 1000; i++) {
        struct skt_path_fate fate = skt_path_pass(&path, (skt_time)i, 100, i);
        assert_true(fate.copies == 1 && fate.at[0] == (skt_time)i + 7 && !fate.flip[0]);
    }
}

static void shares_are_what_was_asked(void **state)
{
    struct skt_path path = path_with((struct skt_path_conf){
        .delay = 2 * SKT_MS, .jitter = SKT_MS, .loss = .02, .dup = .1, .reorder = .05, .corrupt = .01 });
    uint32_t lost = 0, twice = 0, early = 0, changed = 0, half = 0;

    for (uint64_t i = 0; i < PACKETS; i++) {
        struct skt_path_fate fate = skt_path_pass(&path, 0, 100, i);
        lost += !fate.copies;
        if (!fate.copies)
            continue;
        twice += fate.copies == 2;
        early += fate.at[0] == 0;
        changed += fate.flip[0] != 0;
        half += fate.at[0] >= 2 * SKT_MS;
        assert_in_range(fate.flip[0], 0, 800);
        assert_in_range(fate.at[0], 0, 3 * SKT_MS);
    }
    assert_share(lost, .02);
    assert_share(twice, .98 * .1);
    assert_share(early, .98 * .05);
    assert_share(changed, .98 * .01);
    assert_share(half, .98 * .95 / 2);
    assert_true(path.lost == lost && path.copied == twice && !path.dropped);
}

static void the_same_packets_are_hit_whatever_the_timing(void **state)
{
    struct skt_path_conf conf = { .loss = .3, .dup = .3, .corrupt = .3 };
    struct skt_path a = path_with(conf), b = path_with(conf), other;
    uint32_t differ = 0;

    skt_path_init(&other, &conf, 1, 1);
    for (uint64_t i = 0; i < 1000; i++) {
        struct skt_path_fate x = skt_path_pass(&a, 0, 100, i), z = skt_path_pass(&other, 0, 100, i);
        struct skt_path_fate y = skt_path_pass(&b, (skt_time)(i * i), 100, 999 - i);
        y = skt_path_pass(&b, (skt_time)(i * i), 100, i);
        assert_true(x.copies == y.copies && x.flip[0] == y.flip[0]);
        differ += x.copies != z.copies;
    }
    assert_true(differ > 200); /* each direction has dice of its own */
}

static void a_rate_spaces_packets_out(void **state)
{
    struct skt_path path = path_with((struct skt_path_conf){ .delay = SKT_MS, .rate_bytes = 1000000 });

    for (int i = 0; i < 100; i++) {
        struct skt_path_fate fate = skt_path_pass(&path, 0, 1000, (uint64_t)i);
        assert_true(fate.at[0] == SKT_MS + (i + 1) * SKT_MS);
    }
    /* After a pause the line is free again. */
    assert_true(skt_path_pass(&path, SKT_SEC, 1000, 100).at[0] == SKT_SEC + 2 * SKT_MS);
}

static void a_full_queue_drops(void **state)
{
    struct skt_path path = path_with((struct skt_path_conf){ .rate_bytes = 1000, .queue_bytes = 5000 });
    uint32_t in = 0;

    for (uint64_t i = 0; i < 100; i++)
        in += skt_path_pass(&path, 0, 1000, i).copies;
    assert_int_equal(in, 5);
    assert_int_equal(path.dropped, 95);
    assert_int_equal(skt_path_pass(&path, 2 * SKT_SEC, 1000, 100).copies, 1);
}

static void certain_things_are_certain(void **state)
{
    struct skt_path all = path_with((struct skt_path_conf){ .loss = 1 }),
                    twice = path_with((struct skt_path_conf){ .dup = 1 });

    for (uint64_t i = 0; i < 1000; i++) {
        assert_int_equal(skt_path_pass(&all, 0, 1, i).copies, 0);
        assert_int_equal(skt_path_pass(&twice, 0, 1, i).copies, 2);
    }
}

RUN(T(a_clean_path_only_delays), T(shares_are_what_was_asked), T(the_same_packets_are_hit_whatever_the_timing),
    T(a_rate_spaces_packets_out), T(a_full_queue_drops), T(certain_things_are_certain))
