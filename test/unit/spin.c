/* drive/rt/spin.c: how long before a deadline to stay awake. */
#include "test.h"

#include "drive/rt/spin.h"

static void slept(struct spin *s, int n, skt_time late)
{
    while (n--)
        spin_slept(s, late);
}

static void it_begins_with_the_most_and_comes_down_to_what_is_needed(void **state)
{
    struct spin s = spin_of(300 * SKT_US);

    assert_int_equal(spin_time(&s), 300 * SKT_US);
    slept(&s, 1000, 40 * SKT_US);
    assert_in_range(spin_time(&s), 40 * SKT_US, 60 * SKT_US);
}

static void one_late_sleep_is_enough_and_is_forgotten_slowly(void **state)
{
    struct spin s = spin_of(300 * SKT_US);

    slept(&s, 1000, 20 * SKT_US);
    spin_slept(&s, 200 * SKT_US);
    assert_in_range(spin_time(&s), 200 * SKT_US, 260 * SKT_US);
    slept(&s, 20, 20 * SKT_US);
    assert_in_range(spin_time(&s), 150 * SKT_US, 240 * SKT_US);
    slept(&s, 500, 20 * SKT_US);
    assert_in_range(spin_time(&s), 20 * SKT_US, 35 * SKT_US);
}

static void it_is_never_longer_than_allowed(void **state)
{
    struct spin s = spin_of(100 * SKT_US), never = spin_of(0);

    spin_slept(&s, 50 * SKT_MS); /* the process was not run at all: no spinning helps */
    assert_int_equal(spin_time(&s), 100 * SKT_US);
    slept(&s, 1000, SKT_US);
    assert_in_range(spin_time(&s), SKT_US, 10 * SKT_US); /* and that is forgotten as quickly as any other */
    slept(&never, 10, SKT_MS);
    assert_int_equal(spin_time(&never), 0);
}

static void who_wakes_early_was_not_late(void **state)
{
    struct spin s = spin_of(100 * SKT_US);

    slept(&s, 2000, -SKT_MS);
    assert_in_range(spin_time(&s), 0, 6 * SKT_US);
}

RUN(T(it_begins_with_the_most_and_comes_down_to_what_is_needed), T(one_late_sleep_is_enough_and_is_forgotten_slowly),
    T(it_is_never_longer_than_allowed), T(who_wakes_early_was_not_late))
