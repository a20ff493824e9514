/* engine/impair/path.c: what a bad network does to packets. */
#include "interval.h"

#include "engine/impair/path.h"

enum { PACKETS = 100000 };

static struct skt_path path_with(struct skt_path_conf conf)
{
    struct skt_path path;

    skt_path_init(&path, &conf, 1, 0);
    return path;
}

static void assert_share(uint32_t n, double share) { assert_count(n, PACKETS, share, 1, WITHIN_99); }

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
    skt_path_done(&path);
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
    skt_path_done(&path);
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

/* ---- copies, corruption, reordering that cluster ---- */

static void correlated_throws_keep_their_share(void **state)
{
    const double c = .5, wide = (1 + c) / (1 - c);
    struct skt_path path = path_with((struct skt_path_conf){ .delay = SKT_MS,
        .dup = .1,
        .dup_corr = c,
        .corrupt = .05,
        .corrupt_corr = c,
        .reorder = .2,
        .reorder_corr = c });
    struct series twice = { 0 }, changed = { 0 }, early = { 0 };

    for (uint64_t i = 0; i < PACKETS; i++) {
        struct skt_path_fate fate = skt_path_pass(&path, 0, 100, i);
        series_add(&twice, fate.copies == 2);
        series_add(&changed, fate.flip[0] != 0);
        series_add(&early, fate.early);
        assert_true(fate.early == (fate.at[0] == 0));
    }
    assert_count(twice.sum, PACKETS, .1, wide, WITHIN_99);
    assert_count(changed.sum, PACKETS, .05, wide, WITHIN_99);
    assert_count(early.sum, PACKETS, .2, wide, WITHIN_99);
    assert_near(series_corr(&twice), c, .02);
    assert_near(series_corr(&changed), c, .02);
    assert_near(series_corr(&early), c, .02);
    assert_true(path.reordered == (uint64_t)early.sum && path.corrupted == (uint64_t)changed.sum);
}

/* tc-netem(8): the first gap - 1 packets wait, those after them go at once with the share, until one did. */
static void a_gap_comes_before_each_early_one(void **state)
{
    const double share = .25;
    struct skt_path path = path_with((struct skt_path_conf){ .delay = SKT_MS, .reorder = share, .reorder_gap = 5 });
    uint32_t early = 0, since = 4, rounds = 0;

    for (uint64_t i = 0; i < SKT_PATH_ERA; i++) {
        since++;
        if (!skt_path_pass(&path, 0, 100, i).early)
            continue;
        early++;
        if (rounds++)
            assert_true(since >= 5);
        since = 0;
    }
    /* A round is 4 packets and 1 / share throws; its sigma sqrt(1 - share) / share. */
    assert_near((double)SKT_PATH_ERA / early, 4 + 1 / share, WITHIN_99 * sqrt(1 - share) / share / sqrt(early));
}

static void a_certain_gap_is_a_pattern(void **state)
{
    struct skt_path path = path_with((struct skt_path_conf){ .delay = SKT_MS, .reorder = 1, .reorder_gap = 5 });

    for (uint64_t i = 0; i < PACKETS; i++)
        assert_true(skt_path_pass(&path, 0, 100, i).early == (i % 5 == 4));
}

static void a_flipped_bit_is_any_of_its_bits(void **state)
{
    struct skt_path path = path_with((struct skt_path_conf){ .corrupt = 1 });
    double sum = 0;

    for (uint64_t i = 0; i < PACKETS; i++) {
        uint32_t bit = skt_path_pass(&path, 0, 10, i).flip[0];
        assert_in_range(bit, 1, 80);
        sum += bit;
    }
    assert_near(sum / PACKETS, 40.5, WITHIN_99 * sqrt((80 * 80 - 1) / 12.0 / PACKETS));
    assert_int_equal(skt_path_pass(&path, 0, 0, 1).flip[0], 0); /* there is no bit to flip */
}

/* ---- rate ---- */

/* When the last of n packets of that length, sent at once, has left. */
static skt_time last_of(struct skt_path_conf conf, uint32_t n, size_t len)
{
    struct skt_path path;
    skt_time last = 0;

    conf.queue_bytes = UINT64_MAX;
    skt_path_init(&path, &conf, 1, 0);
    for (uint64_t i = 0; i < n; i++)
        last = skt_path_pass(&path, 0, len, i).at[0];
    skt_path_done(&path);
    return last;
}

/* Each packet takes a fraction of a nanosecond more than a whole number: no rounding adds up. */
static void a_rate_is_exact_over_many_packets(void **state)
{
    static const uint64_t rates[] = { 8001, 1000003, 125000000, 12500000000 };

    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
        uint32_t n = rates[i] < 100000 ? 1000 : PACKETS;
        double want = (double)n * 1499 / (double)rates[i] * 1e9;
        assert_near((double)last_of((struct skt_path_conf){ .rate_bytes = rates[i] }, n, 1499), want, 2 + want * 1e-12);
    }
}

static void overhead_and_cells_are_paid_for(void **state)
{
    struct skt_path_conf conf = { .rate_bytes = 1000, .overhead = 20 };

    assert_true(last_of(conf, 10, 80) == SKT_SEC);
    conf.overhead = -14;
    assert_true(last_of(conf, 10, 114) == SKT_SEC);
    assert_true(last_of(conf, 10, 5) == 0); /* fewer than none is none */
    /* The example of tc-netem(8): 50 bytes in ATM cells are two of 48 and 5. */
    conf = (struct skt_path_conf){ .rate_bytes = 1060, .cell_size = 48, .cell_overhead = 5 };
    assert_true(last_of(conf, 10, 50) == SKT_SEC);
    conf.cell_overhead = -48;
    assert_true(last_of(conf, 10, 50) == 0);
}

static void a_bucket_lets_a_burst_through_after_a_pause(void **state)
{
    struct skt_path path =
        path_with((struct skt_path_conf){ .rate_bytes = 1000000, .burst_bytes = 5000, .queue_bytes = 1 << 20 });
    skt_time at[20];

    for (uint64_t round = 0; round < 2; round++) {
        skt_time now = (skt_time)round * SKT_SEC;
        for (uint64_t i = 0; i < 20; i++)
            at[i] = skt_path_pass(&path, now, 1000, 20 * round + i).at[0] - now;
        for (uint64_t i = 0; i < 20; i++)
            assert_true(at[i] == (i < 5 ? 0 : (skt_time)(i - 4) * SKT_MS));
    }
    /* Over any time no more than the bucket and the rate. */
    assert_true(at[19] == 15 * SKT_MS);
    skt_path_done(&path);
}

static void what_is_said_of_a_packet_stays_when_the_rate_changes(void **state)
{
    struct skt_path path = path_with((struct skt_path_conf){ .rate_bytes = 1000000 });

    (void)skt_path_pass(&path, 0, 1000, 0);
    path.conf.rate_bytes = 2000000;
    assert_true(skt_path_pass(&path, 0, 1000, 1).at[0] == SKT_MS + SKT_MS / 2);
    path.conf.rate_bytes = 0;
    assert_true(skt_path_pass(&path, 0, 1000, 2).at[0] == 0);
    skt_path_done(&path);
}

/* ---- queue ---- */

static void a_queue_in_packets_holds_so_many(void **state)
{
    struct skt_path path = path_with((struct skt_path_conf){ .rate_bytes = 1000000, .queue_packets = 10 });
    uint32_t in = 0, packets;
    uint64_t bytes;

    for (uint64_t i = 0; i < 100; i++)
        in += skt_path_pass(&path, 0, i & 1 ? 100 : 60000, i).copies;
    assert_true(in == 10 && path.dropped == 90 && path.queue.peak_packets == 10);
    skt_path_occupancy(&path, 0, &bytes, &packets);
    assert_true(packets == 10 && bytes == 5 * 60100);
    skt_path_occupancy(&path, 60 * SKT_MS, &bytes, &packets); /* the first has just left */
    assert_true(packets == 9 && bytes == 5 * 60100 - 60000);
    skt_path_occupancy(&path, SKT_SEC, &bytes, &packets);
    assert_true(!packets && !bytes);
    skt_path_done(&path);
}

static void copies_wait_and_are_dropped_as_others(void **state)
{
    struct skt_path path = path_with((struct skt_path_conf){ .rate_bytes = 1000000, .queue_packets = 3, .dup = 1 });
    struct skt_path_fate first = skt_path_pass(&path, 0, 1000, 0), second = skt_path_pass(&path, 0, 1000, 1);

    assert_true(first.copies == 2 && !first.dropped && first.at[1] == 2 * SKT_MS);
    assert_true(second.copies == 1 && second.dropped);
    assert_true(path.copied == 1 && path.dropped == 1);
    skt_path_done(&path);
}

static void the_queue_tells_of_its_levels(void **state)
{
    struct skt_path path = path_with((struct skt_path_conf){ .rate_bytes = 1000, .queue_bytes = 4000 });
    static const uint32_t levels[] = { 1, 2, 3, 4 };
    struct skt_path_event e;

    assert_false(skt_path_next(&path, 0, &e));
    for (uint64_t i = 0; i < 4; i++) {
        (void)skt_path_pass(&path, 0, 1000, i);
        assert_true(skt_path_next(&path, 0, &e));
        assert_true(e.level == levels[i] && e.bytes == 1000 * (i + 1) && e.packets == i + 1 && !e.drops);
        assert_false(skt_path_next(&path, 0, &e));
    }
    (void)skt_path_pass(&path, 0, 1000, 4);
    assert_true(skt_path_next(&path, 0, &e) && e.level == 4 && e.drops);
    assert_false(skt_path_next(&path, 0, &e));
    assert_true(skt_path_next(&path, 10 * SKT_SEC, &e) && e.level == 0 && !e.bytes && !e.drops);
    skt_path_done(&path);
}

/* ---- slots ---- */

static void slots_gather_packets(void **state)
{
    struct skt_path path =
        path_with((struct skt_path_conf){ .delay = 5, .slot = { .min = 10, .max = 10, .packets = 3 } });

    for (uint64_t i = 0; i < 7; i++) /* three a slot */
        assert_true(skt_path_pass(&path, 0, 100, i).at[0] == (skt_time)(10 * (i / 3 + 1) + 5));
    assert_true(skt_path_pass(&path, 25, 100, 7).at[0] == 35);   /* into the third, which has not come yet */
    assert_true(skt_path_pass(&path, 100, 100, 8).at[0] == 115); /* after a pause a slot takes its time again */
    skt_path_done(&path);
    path = path_with((struct skt_path_conf){ .slot = { .min = 10, .max = 10, .bytes = 250 } });
    for (uint64_t i = 0; i < 7; i++) /* as in tc-netem the one that fills it goes along */
        assert_true(skt_path_pass(&path, 0, 100, i).at[0] == (skt_time)(10 * (i / 3 + 1)));
    skt_path_done(&path);
}

static void slots_come_as_their_distribution_says(void **state)
{
    struct skt_path_conf conf = { .slot = { .min = SKT_MS, .max = 3 * SKT_MS } };
    struct series s = { 0 };
    skt_time now = 0, at;

    for (int normal = 0; normal < 2; normal++) {
        struct skt_path path = path_with(conf);
        for (uint64_t i = 0; i < PACKETS; i++, now = at + 1) {
            at = skt_path_pass(&path, now, 100, i).at[0];
            assert_true(normal || (now + SKT_MS <= at && at <= now + 3 * SKT_MS));
            series_add(&s, (double)(at - now));
        }
        assert_near(series_mean(&s) / 2e6, 1, .01);
        assert_near(series_sigma(&s) / (normal ? .3e6 : 1e6 / sqrt(3)), 1, .01);
        conf.slot.dist = SKT_NORMAL;
        conf.slot.delay = 2 * SKT_MS;
        conf.slot.jitter = SKT_MS * 3 / 10;
        s = (struct series){ 0 };
        skt_path_done(&path);
    }
}

/* ---- the edges ---- */

static void no_number_overflows(void **state)
{
    struct skt_path_conf slow = { .rate_bytes = 1,
        .queue_bytes = UINT64_MAX,
        .burst_bytes = UINT64_MAX,
        .overhead = INT32_MAX,
        .cell_size = 1,
        .cell_overhead = INT32_MAX };
    struct skt_path path = path_with(slow);

    for (uint64_t i = 0; i < 100; i++)
        (void)skt_path_pass(&path, (skt_time)i, UINT32_MAX, i);
    assert_true(path.dropped > 90); /* it would wait for an hour and more */
    skt_path_done(&path);
    path = path_with((struct skt_path_conf){ .rate_bytes = UINT64_MAX, .slot = { .max = 1, .bytes = UINT32_MAX } });
    for (uint64_t i = 0; i < 100; i++)
        (void)skt_path_pass(&path, SKT_SEC, 65536, UINT64_MAX - i);
    skt_path_done(&path);
    skt_path_done(&path); /* twice is once */
    skt_path_done(NULL);
}

RUN(T(a_clean_path_only_delays), T(shares_are_what_was_asked), T(the_same_packets_are_hit_whatever_the_timing),
    T(a_rate_spaces_packets_out), T(a_full_queue_drops), T(certain_things_are_certain),
    T(correlated_throws_keep_their_share), T(a_gap_comes_before_each_early_one), T(a_certain_gap_is_a_pattern),
    T(a_flipped_bit_is_any_of_its_bits), T(a_rate_is_exact_over_many_packets), T(overhead_and_cells_are_paid_for),
    T(a_bucket_lets_a_burst_through_after_a_pause), T(what_is_said_of_a_packet_stays_when_the_rate_changes),
    T(a_queue_in_packets_holds_so_many), T(copies_wait_and_are_dropped_as_others), T(the_queue_tells_of_its_levels),
    T(slots_gather_packets), T(slots_come_as_their_distribution_says), T(no_number_overflows))
