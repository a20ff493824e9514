/* drive/eyeballs.c: the race of attempts, played against a clock that the table holds. */
#include "test.h"

#include "drive/eyeballs.h"

#include <errno.h>

static struct skt_addr addr(uint8_t family, uint8_t last)
{
    struct skt_addr a = { .family = family, .port = 80 };

    a.ip[family == SKT_IP4 ? 3 : 15] = last;
    return a;
}

/* "446": two of IPv4, one of IPv6; the last byte counts 1, 2, 3 in the order given. */
static struct skt_eyeballs eyeballs(const char *families, skt_time delay)
{
    struct skt_addr addrs[32];
    struct skt_eyeballs e;
    uint32_t n = 0;

    for (; families[n]; n++)
        addrs[n] = addr(families[n] == '4' ? SKT_IP4 : SKT_IP6, (uint8_t)(n + 1));
    skt_eyeballs_init(&e, addrs, n, delay);
    return e;
}

/* The order as text: "1 4 2": which of those given comes first, second, third. */
static void expect_order(const char *families, const char *order)
{
    struct skt_eyeballs e = eyeballs(families, 0);
    char text[128] = "";
    struct skt_room out = skt_room_of(text, sizeof text);

    for (uint32_t i = 0; i < e.n; i++)
        skt_put_fmt(&out, "%s%d", i ? " " : "", e.addr[i].ip[e.addr[i].family == SKT_IP4 ? 3 : 15]);
    assert_string_equal(text, order);
}

static void families_alternate_beginning_with_the_first(void **state)
{
    expect_order("", "");
    expect_order("4", "1");
    expect_order("666444", "1 4 2 5 3 6");
    expect_order("6664", "1 4 2 3");
    expect_order("4666", "1 2 3 4");
    expect_order("464646", "1 2 3 4 5 6");
    expect_order("44466", "1 4 2 5 3");
    expect_order("66666666666666666666", "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16");
    expect_order("66666666666666666664", "1 20 2 3 4 5 6 7 8 9 10 11 12 13 14 15");
}

/* A step of the play, at a time in ms: what happened, and which attempts are expected to start then. */
struct step {
    int at;
    char what; /* 't' only time, 'f' attempt i failed, 'w' attempt i won */
    uint32_t i;
    const char *starts; /* "0", "12", "" */
    int wake;           /* ms; -1: never */
};

static void play(struct skt_eyeballs *e, const struct step *steps, size_t n)
{
    for (size_t k = 0; k < n; k++) {
        const struct step *step = &steps[k];
        skt_time now = step->at * SKT_MS, wake;
        char starts[SKT_EYEBALLS_MAX + 1] = "";
        uint32_t i, some = 0;

        if (step->what == 'f')
            skt_eyeballs_failed(e, now, step->i, -ECONNREFUSED - (int)step->i);
        if (step->what == 'w')
            skt_eyeballs_won(e, step->i);
        while (skt_eyeballs_next(e, now, &i))
            starts[some++] = (char)('0' + i);
        assert_string_equal(starts, step->starts);
        wake = skt_eyeballs_wake(e);
        assert_true(wake == (step->wake < 0 ? SKT_NEVER : step->wake * SKT_MS));
    }
}
#define PLAY(e, ...)                                                                                                   \
    play(e, (const struct step[]){ __VA_ARGS__ }, sizeof((const struct step[]){ __VA_ARGS__ }) / sizeof(struct step))

static void silent_addresses_are_tried_a_delay_apart(void **state)
{
    struct skt_eyeballs e = eyeballs("6464", 0);

    PLAY(&e, { 1000, 't', 0, "0", 1250 }, { 1249, 't', 0, "", 1250 }, { 1250, 't', 0, "1", 1500 },
        { 1800, 't', 0, "2", 2050 } /* late: one, not all that are due */, { 2050, 't', 0, "3", -1 },
        { 9000, 't', 0, "", -1 });
    assert_false(skt_eyeballs_all_failed(&e));
}

static void a_failure_starts_the_next_at_once(void **state)
{
    struct skt_eyeballs e = eyeballs("646", 0);
    uint32_t i;

    PLAY(&e, { 0, 't', 0, "0", 250 }, { 10, 'f', 0, "1", 260 }, { 20, 'f', 1, "2", -1 }, { 30, 'f', 2, "", -1 });
    assert_true(skt_eyeballs_all_failed(&e));
    assert_int_equal(skt_eyeballs_why(&e, &i), -ECONNREFUSED);
    assert_int_equal(i, 0);
}

static void an_old_failure_does_not_shorten_the_newest_ones_time(void **state)
{
    struct skt_eyeballs e = eyeballs("646", 0);

    PLAY(&e, { 0, 't', 0, "0", 250 }, { 250, 't', 0, "1", 500 }, { 300, 'f', 0, "", 500 }, { 500, 't', 0, "2", -1 });
}

static void the_winner_leaves_the_others_to_be_cancelled(void **state)
{
    struct skt_eyeballs e = eyeballs("6464", 0);

    PLAY(&e, { 0, 't', 0, "0", 250 }, { 250, 't', 0, "1", 500 }, { 260, 'f', 1, "2", 510 }, { 300, 'w', 2, "", -1 },
        { 600, 't', 0, "", -1 });
    assert_true(skt_eyeballs_trying(&e, 0));
    assert_false(skt_eyeballs_trying(&e, 1)); /* failed */
    assert_false(skt_eyeballs_trying(&e, 2)); /* won */
    assert_false(skt_eyeballs_trying(&e, 3)); /* never started */
    skt_eyeballs_failed(&e, 600 * SKT_MS, 0, -ECANCELED);
    assert_false(skt_eyeballs_all_failed(&e));
}

static void the_delay_can_be_set_but_not_below_10_ms(void **state)
{
    struct skt_eyeballs slow = eyeballs("46", SKT_SEC), fast = eyeballs("46", SKT_MS);

    PLAY(&slow, { 0, 't', 0, "0", 1000 });
    PLAY(&fast, { 0, 't', 0, "0", 10 });
}

static void the_error_told_is_the_first_that_speaks_of_the_peer(void **state)
{
    struct skt_eyeballs e = eyeballs("646", 0);
    uint32_t i = 99;

    PLAY(&e, { 0, 't', 0, "0", 250 });
    skt_eyeballs_failed(&e, 1, 0, -ENETUNREACH);
    assert_true(skt_eyeballs_next(&e, 1, &i));
    skt_eyeballs_failed(&e, 2, 1, -ECONNREFUSED);
    assert_true(skt_eyeballs_next(&e, 2, &i));
    skt_eyeballs_failed(&e, 3, 2, -ETIMEDOUT);
    assert_int_equal(skt_eyeballs_why(&e, &i), -ECONNREFUSED);
    assert_int_equal(i, 1);

    e = eyeballs("6", 0);
    PLAY(&e, { 0, 't', 0, "0", -1 });
    skt_eyeballs_failed(&e, 1, 0, -ENETUNREACH);
    assert_int_equal(skt_eyeballs_why(&e, &i), -ENETUNREACH);
    assert_int_equal(i, 0);
}

static void no_address_at_all_has_failed_from_the_start(void **state)
{
    struct skt_eyeballs e = eyeballs("", 0);
    uint32_t i;

    PLAY(&e, { 0, 't', 0, "", -1 });
    assert_true(skt_eyeballs_all_failed(&e));
    assert_int_equal(skt_eyeballs_why(&e, &i), -ENOENT);
}

static void what_was_not_started_or_failed_before_counts_once(void **state)
{
    struct skt_eyeballs e = eyeballs("64", 0);

    PLAY(&e, { 0, 't', 0, "0", 250 }, { 1, 'f', 1, "", 250 } /* not started */, { 2, 'f', 0, "1", -1 },
        { 3, 'f', 0, "", -1 } /* again */);
    assert_false(skt_eyeballs_all_failed(&e));
    skt_eyeballs_won(&e, 0); /* it failed: no winner */
    assert_false(e.over);
}

RUN(T(families_alternate_beginning_with_the_first), T(silent_addresses_are_tried_a_delay_apart),
    T(a_failure_starts_the_next_at_once), T(an_old_failure_does_not_shorten_the_newest_ones_time),
    T(the_winner_leaves_the_others_to_be_cancelled), T(the_delay_can_be_set_but_not_below_10_ms),
    T(the_error_told_is_the_first_that_speaks_of_the_peer), T(no_address_at_all_has_failed_from_the_start),
    T(what_was_not_started_or_failed_before_counts_once))
