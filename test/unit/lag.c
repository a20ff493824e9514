/* engine/impair/lag.c: a histogram against the sorted truth. */
#include "seed.h"

#include "base/random.h"
#include "engine/impair/lag.h"

#include <stdlib.h>

static struct skt_lag lag, other; /* 15 KiB each */

static int by_size(const void *a, const void *b)
{
    const skt_time *x = a, *y = b;

    return *x < *y ? -1 : *x > *y;
}

static void quantiles_are_at_most_a_thirty_second_above_the_truth(void **state)
{
    static const double shares[] = { 0, .001, .1, .5, .9, .99, .999, 1 };
    enum { N = 1999 };
    static skt_time all[N];

    FOR_SEEDS(50)
    {
        struct skt_random random;
        skt_random_init(&random, unit_seed);
        skt_lag_init(&lag);
        for (int i = 0; i < N; i++) {
            all[i] = (skt_time)(skt_random_u64(&random) >> (1 + skt_random_below(&random, 63)));
            skt_lag_add(&lag, all[i]);
        }
        qsort(all, N, sizeof *all, by_size);
        for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
            double rank = shares[i] * N;
            int at = (int)rank < rank ? (int)rank : (int)rank - 1;
            skt_time truth = all[at < 0 ? 0 : at], q = skt_lag_quantile(&lag, shares[i]);
            CHECK(truth <= q && q - truth <= truth / 32);
        }
        CHECK(lag.min == all[0] && lag.max == all[N - 1] && lag.n == N && !lag.early);
    }
}

static void small_times_are_exact(void **state)
{
    skt_lag_init(&lag);
    for (skt_time t = 0; t < 64; t++)
        skt_lag_add(&lag, t);
    for (int i = 1; i <= 64; i++)
        assert_true(skt_lag_quantile(&lag, i / 64.0) == i - 1);
    assert_true(skt_lag_mean(&lag) == 31); /* 31.5, cut */
}

static void nothing_is_zero(void **state)
{
    skt_lag_init(&lag);
    assert_true(!skt_lag_quantile(&lag, .5) && !skt_lag_mean(&lag) && !lag.min && !lag.max);
}

static void the_early_are_counted_as_on_time(void **state)
{
    skt_lag_init(&lag);
    skt_lag_add(&lag, -5);
    skt_lag_add(&lag, 1000);
    assert_true(lag.early == 1 && lag.n == 2 && lag.min == 0 && lag.max == 1000);
    assert_true(skt_lag_quantile(&lag, .5) == 0 && skt_lag_quantile(&lag, 1) == 1000);
    skt_lag_add(&lag, INT64_MIN);
    skt_lag_add(&lag, INT64_MAX);
    assert_true(lag.early == 2 && skt_lag_quantile(&lag, 1) == INT64_MAX);
}

static void two_are_merged_as_if_they_were_one(void **state)
{
    skt_lag_init(&lag);
    skt_lag_init(&other);
    skt_lag_merge(&lag, &other);
    assert_true(!lag.n && !lag.min);
    for (skt_time t = 100; t < 200; t++)
        skt_lag_add(t & 1 ? &lag : &other, t);
    skt_lag_merge(&lag, &other);
    assert_true(lag.n == 100 && lag.min == 100 && lag.max == 199);
    assert_in_range(skt_lag_quantile(&lag, .5), 149, 153);
    assert_true(skt_lag_mean(&lag) == 149);
}

RUN(T(quantiles_are_at_most_a_thirty_second_above_the_truth), T(small_times_are_exact), T(nothing_is_zero),
    T(the_early_are_counted_as_on_time), T(two_are_merged_as_if_they_were_one))
