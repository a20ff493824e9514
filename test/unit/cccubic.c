/* engine/xfer/cccubic.c: the window of one TCP flow, against RFC 9438. */
#include "test.h"

#include "engine/xfer/ccinside.h"

#define RTT (50 * SKT_MS)

/* Acknowledges whole windows for so long. */
static void grow(struct cc_cubic *c, skt_time *now, skt_time span)
{
    for (skt_time end = *now + span; *now < end; *now += RTT)
        cc_cubic_grow(c, *now, RTT, c->window);
}

static void a_cut_leaves_seven_tenths(void **state)
{
    struct cc_cubic c;

    cc_cubic_init(&c, 100);
    cc_cubic_cut(&c, SKT_SEC, 0);
    assert_true(69.9 < c.window && c.window < 70.1);
}

static void a_cut_leaves_what_the_path_carries_without_a_queue(void **state)
{
    struct cc_cubic c;

    cc_cubic_init(&c, 100);
    cc_cubic_cut(&c, SKT_SEC, 90);
    assert_true(89.9 < c.window && c.window < 90.1);
    cc_cubic_cut(&c, 2 * SKT_SEC, 1000); /* but never more than there was */
    assert_true(89.9 < c.window && c.window < 90.1);
}

/* 4.2: K is the cube root of (max - window) / C: 4.2 s from 700 to 1000 packets would be cbrt(750) = 9.09. */
static void it_is_back_at_the_old_window_after_k(void **state)
{
    struct cc_cubic c;
    skt_time now = SKT_SEC;

    cc_cubic_init(&c, 1000);
    cc_cubic_cut(&c, now, 0);
    grow(&c, &now, 8 * SKT_SEC);
    assert_true(990 < c.window && c.window < 1000);
    grow(&c, &now, 2 * SKT_SEC);
    assert_true(1000 <= c.window && c.window < 1010);
    grow(&c, &now, 5 * SKT_SEC); /* 14 s after the cut, 5 after K: 0.4 * 5^3 more */
    assert_true(1060 < c.window && c.window < 1110);
}

/* 4.3: at a small window Reno is faster, and it follows that. */
static void a_small_window_grows_as_reno_would(void **state)
{
    struct cc_cubic c;
    skt_time now = SKT_SEC;

    cc_cubic_init(&c, 20);
    cc_cubic_cut(&c, now, 0);
    grow(&c, &now, SKT_SEC); /* 20 round trips: by 0.53 packets until it is at 20 again, then by 1 */
    assert_true(28 < c.window && c.window < 30);
}

static void a_second_cut_below_the_first_gives_way_to_others(void **state)
{
    struct cc_cubic c;

    cc_cubic_init(&c, 100);
    cc_cubic_cut(&c, SKT_SEC, 0);
    cc_cubic_cut(&c, 2 * SKT_SEC, 0);
    assert_true(48.9 < c.window && c.window < 49.1);
    assert_true(59 < c.max && c.max < 60); /* 4.7: 0.85 of 70 */
}

static void it_never_grows_by_more_than_half_in_a_round(void **state)
{
    struct cc_cubic c;

    cc_cubic_init(&c, 100);
    cc_cubic_grow(&c, SKT_SEC, RTT, 100);
    cc_cubic_grow(&c, 1000 * SKT_SEC, RTT, 100); /* long idle: the curve has gone away */
    assert_true(c.window <= 152);
}

RUN(T(a_cut_leaves_seven_tenths), T(a_cut_leaves_what_the_path_carries_without_a_queue),
    T(it_is_back_at_the_old_window_after_k), T(a_small_window_grows_as_reno_would),
    T(a_second_cut_below_the_first_gives_way_to_others), T(it_never_grows_by_more_than_half_in_a_round))
