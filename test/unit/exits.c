/* verb/exits.c: who has left and how his command ended, in either order. */
#include "test.h"

#include "verb/exits.h"

static struct skt_relay_event of(skt_link target, uint64_t in)
{
    return (struct skt_relay_event){ .what = SKT_RELAY_LEFT, .target = target, .in = in };
}

static void left(struct exits *x, skt_link target, skt_time now)
{
    struct skt_relay_event ev = of(target, target);

    assert_true(exits_left(x, &ev, now));
}

/* What can be said at that time is this one, and no more. */
static void only(struct exits *x, skt_time now, skt_link target, int want)
{
    struct skt_relay_event ev;
    int status;

    assert_true(exits_next(x, now, false, &ev, &status));
    assert_int_equal(ev.target, target);
    assert_int_equal(ev.in, target);
    assert_int_equal(status, want);
    assert_false(exits_next(x, now, false, &ev, &status));
}

static void both_orders_are_one(void **state)
{
    struct exits *x = exits_new();
    struct skt_relay_event ev;
    int status;

    left(x, 7, 0);
    assert_false(exits_next(x, 1, false, &ev, &status));
    exits_ended(x, 7, 256);
    only(x, 1, 7, 256);
    exits_ended(x, 8, 9);
    assert_false(exits_next(x, 1, false, &ev, &status));
    left(x, 8, 1);
    only(x, 1, 8, 9);
    exits_free(x);
}

static void a_command_that_runs_on_is_not_waited_for(void **state)
{
    struct exits *x = exits_new();
    struct skt_relay_event ev;
    int status;

    left(x, 7, 0);
    left(x, 8, SKT_SEC / 2);
    only(x, SKT_SEC, 7, EXIT_UNKNOWN);
    assert_true(exits_next(x, SKT_SEC, true, &ev, &status)); /* at the end nobody is */
    assert_int_equal(ev.target, 8);
    exits_ended(x, 8, 0); /* too late: nobody asks */
    assert_false(exits_next(x, 2 * SKT_SEC, true, &ev, &status));
    exits_free(x);
}

static void without_room_it_is_said_at_once_or_forgotten(void **state)
{
    struct exits *x = exits_new();
    struct skt_relay_event ev = of(0, 0);
    skt_link n = 1;
    int status;

    assert_false(exits_left(x, &ev, 0)); /* there was no command */
    for (; ev = of(n, n), exits_left(x, &ev, 0); n++)
        assert_true(n < 10000);
    exits_ended(x, n, 3); /* full of those who wait: not kept */
    for (skt_link i = 1; i < n; i++)
        assert_true(exits_next(x, 0, true, &ev, &status) && status == EXIT_UNKNOWN);
    assert_false(exits_next(x, 0, true, &ev, &status));
    for (skt_link i = 1; i <= n; i++) /* one more than there is room for: the oldest is forgotten */
        exits_ended(x, i, (int)i);
    left(x, n, 0);
    only(x, 0, n, (int)n);
    left(x, 2, 0);
    only(x, 0, 2, 2);
    left(x, 1, 0);
    assert_false(exits_next(x, 0, false, &ev, &status));
    exits_free(x);
}

RUN(T(both_orders_are_one), T(a_command_that_runs_on_is_not_waited_for),
    T(without_room_it_is_said_at_once_or_forgotten))
