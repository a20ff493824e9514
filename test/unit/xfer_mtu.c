/* engine/xfer/mtu.c: the size that a path carries. */
#include "test.h"

#include "engine/xfer/mtu.h"

/* All probes until none is wanted; those up to `path` arrive. How many went out. */
static uint32_t search(struct skt_mtu *mtu, skt_time now, uint32_t path, uint64_t *number)
{
    uint32_t size, n = 0;

    while ((size = skt_mtu_want(mtu, now)) != 0) {
        assert_true(mtu->now < size && size <= mtu->most);
        skt_mtu_probing(mtu, size);
        assert_int_equal(skt_mtu_want(mtu, now), 0); /* one at a time */
        assert_true(skt_mtu_wake(mtu) == SKT_NEVER);
        skt_mtu_probed(mtu, now, ++*number, size, size <= path);
        n++;
        assert_true(n < 100);
    }
    return n;
}

static void each_usual_path_is_found(void **state)
{
    const uint32_t paths[][2] = { { 1200, 1200 }, { 1399, 1200 }, { 1400, 1400 }, { 1460, 1452 }, { 1472, 1472 },
        { 4051, 1472 }, { 8000, 4052 }, { 8952, 8952 }, { 8972, 8972 }, { 65000, 8972 } };

    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct skt_mtu mtu;
        uint64_t number = 0;

        skt_mtu_init(&mtu, 8972, 0);
        assert_true(search(&mtu, 0, paths[i][0], &number) <= 12);
        assert_int_equal(mtu.now, paths[i][1]);
        assert_true(skt_mtu_wake(&mtu) == (mtu.now == 8972 ? SKT_NEVER : 600 * SKT_SEC));
        (void)search(&mtu, 600 * SKT_SEC, 65000, &number); /* the path has become wide */
        assert_int_equal(mtu.now, 8972);
    }
}

static void a_loopback_is_found_with_two_probes(void **state)
{
    struct skt_mtu mtu;
    uint64_t number = 0;

    skt_mtu_init(&mtu, 8972, 0);
    assert_int_equal(search(&mtu, 0, 65000, &number), 2);
}

static void above_jumbo_frames_it_is_all_or_nothing(void **state)
{
    const uint32_t paths[][2] = { { 1472, 1472 }, { 8972, 8972 }, { 16000, 8972 }, { 65000, 65000 } };

    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct skt_mtu mtu;
        uint64_t number = 0;

        skt_mtu_init(&mtu, 65000, 0);
        assert_true(search(&mtu, 0, paths[i][0], &number) <= 13);
        assert_int_equal(mtu.now, paths[i][1]);
    }
}

static void no_more_than_was_allowed(void **state)
{
    struct skt_mtu mtu;
    uint64_t number = 0;

    skt_mtu_init(&mtu, 1200, 0);
    assert_int_equal(search(&mtu, 0, 65000, &number), 0);
    assert_int_equal(mtu.now, 1200);
    skt_mtu_init(&mtu, 5000, 0);
    (void)search(&mtu, 0, 65000, &number);
    assert_int_equal(mtu.now, 5000);
    skt_mtu_init(&mtu, 100, 0);
    assert_int_equal(mtu.now, 1200);
}

static void one_lost_probe_proves_nothing(void **state)
{
    struct skt_mtu mtu;

    skt_mtu_init(&mtu, 8972, 0);
    skt_mtu_probing(&mtu, 1472);
    skt_mtu_probed(&mtu, 0, 1, 1472, false);
    assert_int_equal(skt_mtu_want(&mtu, 0), 1472);
}

static struct skt_mtu wide(uint64_t *number)
{
    struct skt_mtu mtu;

    skt_mtu_init(&mtu, 8972, 0);
    (void)search(&mtu, 0, 65000, number);
    assert_int_equal(mtu.now, 8972);
    return mtu;
}

static void a_black_hole_is_left(void **state)
{
    uint64_t number = 0;
    struct skt_mtu mtu = wide(&number);

    for (int i = 0; i < 10; i++)
        assert_false(skt_mtu_lost(&mtu, 0, ++number, 8972));
    assert_true(skt_mtu_arrived(&mtu, SKT_SEC, ++number, 100));
    assert_int_equal(mtu.now, 1200);
    assert_int_equal(skt_mtu_want(&mtu, SKT_SEC), 0); /* not at once again */
    assert_true(skt_mtu_wake(&mtu) < 100 * SKT_SEC);
}

static void a_full_queue_is_none(void **state)
{
    uint64_t number = 0;
    struct skt_mtu mtu = wide(&number);

    for (int i = 0; i < 100; i++) /* a burst is lost, but what went later has arrived already */
        number++;
    assert_false(skt_mtu_arrived(&mtu, 0, number, 8972));
    for (int i = 1; i < 50; i++)
        assert_false(skt_mtu_lost(&mtu, 0, number - (uint64_t)i, 8972));
    assert_false(skt_mtu_arrived(&mtu, 0, number + 1, 100));
    assert_int_equal(mtu.now, 8972);
}

static void an_outage_is_none(void **state)
{
    uint64_t number = 0;
    struct skt_mtu mtu = wide(&number);

    for (int i = 0; i < 100; i++) {
        assert_false(skt_mtu_lost(&mtu, 0, ++number, 8972));
        assert_false(skt_mtu_lost(&mtu, 0, ++number, 100));
    }
    assert_int_equal(mtu.now, 8972);
    assert_false(skt_mtu_arrived(&mtu, 0, ++number, 8972)); /* it is over */
    assert_false(skt_mtu_arrived(&mtu, 0, ++number, 100));
    assert_int_equal(mtu.now, 8972);
}

static void what_is_too_large_for_the_window_is_given_up_for_a_minute(void **state)
{
    struct skt_mtu mtu;
    uint64_t number = 0;

    skt_mtu_init(&mtu, 65000, 0);
    (void)search(&mtu, 0, 65000, &number);
    assert_int_equal(mtu.now, 65000);
    skt_mtu_lower(&mtu, 0, SKT_MTU_JUMBO);
    assert_int_equal(mtu.now, SKT_MTU_JUMBO);
    for (int i = 0; i < 20; i++) /* large ones that were on their way say nothing of those that go now */
        assert_false(skt_mtu_lost(&mtu, 0, ++number, 65000));
    assert_false(skt_mtu_arrived(&mtu, 0, ++number, 100));
    assert_int_equal(mtu.now, SKT_MTU_JUMBO);
    assert_int_equal(skt_mtu_want(&mtu, 59 * SKT_SEC), 0);
    assert_int_equal(skt_mtu_want(&mtu, 61 * SKT_SEC), 65000);
    skt_mtu_lower(&mtu, 0, 65000); /* nothing to do */
    assert_int_equal(mtu.now, SKT_MTU_JUMBO);
}

static void a_moment_is_no_black_hole(void **state)
{
    uint64_t number = 0;
    struct skt_mtu mtu = wide(&number);

    for (int i = 0; i < 10; i++) /* a train that found a full socket, and a word behind it that did not */
        assert_false(skt_mtu_lost(&mtu, SKT_SEC, ++number, 8972));
    assert_false(skt_mtu_arrived(&mtu, SKT_SEC + SKT_MS, ++number, 100));
    assert_false(skt_mtu_arrived(&mtu, SKT_SEC + 2 * SKT_MS, ++number, 8972));
    assert_false(skt_mtu_arrived(&mtu, 2 * SKT_SEC, ++number, 100));
    assert_int_equal(mtu.now, 8972);
}

static void the_largest_vanish_first(void **state)
{
    static const uint32_t sizes[] = { 65000, SKT_MTU_JUMBO, 1200 };
    struct skt_mtu mtu;
    uint64_t number = 0;

    skt_mtu_init(&mtu, 65000, 0);
    (void)search(&mtu, 0, 65000, &number);
    for (int s = 0; s < 2; s++) {
        for (int i = 0; i < 10; i++)
            assert_false(skt_mtu_lost(&mtu, s * SKT_SEC, ++number, sizes[s]));
        assert_true(skt_mtu_arrived(&mtu, s * SKT_SEC + 100 * SKT_MS, ++number, 100));
        assert_int_equal(mtu.now, sizes[s + 1]);
    }
}

RUN(T(each_usual_path_is_found), T(a_loopback_is_found_with_two_probes), T(above_jumbo_frames_it_is_all_or_nothing),
    T(no_more_than_was_allowed), T(one_lost_probe_proves_nothing), T(a_black_hole_is_left), T(a_full_queue_is_none),
    T(a_moment_is_no_black_hole), T(an_outage_is_none), T(what_is_too_large_for_the_window_is_given_up_for_a_minute),
    T(the_largest_vanish_first))
