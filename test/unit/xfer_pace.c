/* engine/xfer/pace.c: a bucket of bytes. */
#include "test.h"

#include "engine/xfer/pace.h"

enum { PACKET = 1500 };

/* Sends whenever it may, for a second: bytes sent; the most at one moment. */
static uint64_t run_for_a_second(uint64_t rate, uint64_t *ret_most)
{
    struct skt_pace pace = { 0 };
    uint64_t sent = 0, most = 0;
    skt_time now = 1000 * SKT_SEC, end = now + SKT_SEC;

    pace.at = now;
    while (now < end) {
        uint64_t credit = skt_pace_credit(&pace, now, rate, PACKET), train = 0;
        skt_time at;

        if (credit >= skt_pace_least(rate, PACKET))
            for (; train + PACKET <= credit; train += PACKET)
                skt_pace_spend(&pace, PACKET);
        sent += train;
        most = train > most ? train : most;
        at = skt_pace_ready(&pace, rate, PACKET);
        assert_true(at > now); /* or it would spin */
        now = at;
    }
    *ret_most = most;
    return sent;
}

static void the_rate_is_kept_without_bursts(void **state)
{
    const uint64_t rates[] = { 10000, 125000, 12500000, 1250000000 };

    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
        uint64_t most, sent = run_for_a_second(rates[i], &most), burst = rates[i] / 1000;

        assert_true(sent <= rates[i] + burst + 2 * PACKET);
        assert_true(sent >= rates[i] / 100 * 97 - 2 * PACKET);
        assert_true(most <= (burst > 2 * PACKET ? burst : 2 * PACKET));
    }
}

static void a_pause_is_no_savings_account(void **state)
{
    struct skt_pace pace = { 0 };

    (void)skt_pace_credit(&pace, 100 * SKT_SEC, 1000000, PACKET); /* and nothing was sent */
    assert_int_equal(skt_pace_credit(&pace, 200 * SKT_SEC, 1000000, PACKET), 2 * PACKET);
    (void)skt_pace_credit(&pace, 300 * SKT_SEC, 100000000, PACKET); /* what was full for another rate */
    assert_int_equal(skt_pace_credit(&pace, 400 * SKT_SEC, 100000000, PACKET), 100000);
}

/* Packets wait, and the timer comes late: up to 8 ms are made good, or a busy machine would send at a fraction of the rate. */
static void who_is_woken_late_catches_up(void **state)
{
    const uint64_t rate = 12500000; /* 12,500 bytes a ms */
    struct skt_pace pace = { .at = SKT_SEC };
    skt_time now = SKT_SEC;

    assert_int_equal(skt_pace_credit(&pace, now += SKT_MS, rate, PACKET), 12500);
    skt_pace_spend(&pace, 12500);
    assert_int_equal(skt_pace_credit(&pace, now += 5 * SKT_MS, rate, PACKET), 5 * 12500);
    skt_pace_spend(&pace, 5 * 12500);
    assert_int_equal(skt_pace_credit(&pace, now += SKT_SEC, rate, PACKET), 8 * 12500);
    assert_int_equal(skt_pace_credit(&pace, now += SKT_SEC, rate, PACKET), 12500); /* nobody waited */
}

/* A long path: up to half its round trip. The room of a train is less than that: the trains are asked for one by one. */
static void catching_up_takes_more_than_one_train(void **state)
{
    const uint64_t rate = 12500000;
    struct skt_pace pace = { .at = SKT_SEC, .rtt = 50 * SKT_MS };
    skt_time now = SKT_SEC + 20 * SKT_MS;

    assert_int_equal(skt_pace_credit(&pace, now, rate, PACKET), 20 * 12500);
    assert_false(pace.missed);
    skt_pace_spend(&pace, 100000);
    assert_int_equal(skt_pace_credit(&pace, now + 10 * SKT_US, rate, PACKET), 20 * 12500 - 100000);
    skt_pace_spend(&pace, 20 * 12500 - 100000);
    assert_int_equal(skt_pace_credit(&pace, now += SKT_SEC, rate, PACKET), 25 * 12500);
    assert_true(pace.missed);
    assert_int_equal(skt_pace_credit(&pace, now += SKT_SEC, rate, PACKET), 12500); /* nobody waited */
    assert_false(pace.missed);
}

static void time_is_not_lost_by_asking_often(void **state)
{
    struct skt_pace pace = { .at = 0 };

    for (skt_time now = 0; now <= SKT_SEC / 2; now += 700 * SKT_US) /* less than a byte each */
        (void)skt_pace_credit(&pace, now, 1000, PACKET);
    assert_in_range(skt_pace_credit(&pace, SKT_SEC / 2, 1000, PACKET), 495, 500);
}

static void without_a_rate_everything_goes(void **state)
{
    struct skt_pace pace = { 0 };

    assert_true(skt_pace_credit(&pace, SKT_SEC, UINT64_MAX, PACKET) == UINT64_MAX);
    assert_true(skt_pace_ready(&pace, UINT64_MAX, PACKET) <= SKT_SEC);
    assert_true(skt_pace_ready(&pace, 0, PACKET) == SKT_NEVER);
}

RUN(T(the_rate_is_kept_without_bursts), T(a_pause_is_no_savings_account), T(who_is_woken_late_catches_up),
    T(catching_up_takes_more_than_one_train), T(time_is_not_lost_by_asking_often), T(without_a_rate_everything_goes))
