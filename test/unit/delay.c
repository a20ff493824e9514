/* engine/impair/delay.c and curve.c: how long packets are under way. */
#include "interval.h"

#include "engine/impair/curve.h"
#include "engine/impair/path.h"

enum { PACKETS = 100000 };

static const char *const names[] = { "uniform", "normal", "pareto", "paretonormal" };

static struct series delays(const struct skt_path_conf *conf, uint64_t seed)
{
    struct series s = { 0 };
    struct skt_path path;

    skt_path_init(&path, conf, seed, 0);
    for (uint64_t i = 0; i < PACKETS; i++)
        series_add(&s, (double)skt_path_pass(&path, 0, 100, i).at[0]);
    return s;
}

/* ---- formulas ---- */

static void the_normal_quantile_is_that_of_the_c_library(void **state)
{
    for (double z = -6; z <= 6; z += .01) {
        double u = .5 * erfc(-z / sqrt(2));
        assert_near(skt_curve_normal_share(z), u, 1e-11);
        if (z < 5) /* above, 1 - u has no digits left */
            assert_near(skt_curve_normal(u), z, 1e-6 * (fabs(z) + 1));
    }
    assert_true(skt_curve_normal_share(-99) == 0 && skt_curve_normal_share(99) == 1);
    assert_true(skt_curve_normal(0) < -30 && skt_curve_normal(1) > 30);
}

static void roots_are_those_of_the_c_library(void **state)
{
    for (double x = 1e-290; x < 1e290; x *= 1.37)
        assert_near(skt_curve_sqrt(x) / sqrt(x), 1, 1e-14);
    assert_true(skt_curve_sqrt(0) == 0);
}

/* The formulas from which tc's tables are made, by the C library. */
static double table(enum skt_dist dist, double u)
{
    double pareto = fmin((1 / cbrt(1 - u) - 1.5) * 4 / 3, 32767 / 8192.0);
    double normal = fmax(fmin(skt_curve_normal(u), 32767 / 8192.0), -32767 / 8192.0);

    return dist == SKT_UNIFORM  ? 2 * u - 1
           : dist == SKT_NORMAL ? normal
           : dist == SKT_PARETO ? pareto
                                : (normal + 3 * pareto) / 4;
}

static void curves_are_the_tables_of_tc(void **state)
{
    for (int dist = SKT_UNIFORM; dist <= SKT_PARETONORMAL; dist++) {
        double last = -99;
        for (double u = 0; u < 1; u += .0001) {
            double x = skt_curve((enum skt_dist)dist, u);
            assert_near(x, table((enum skt_dist)dist, u), 1e-9);
            if (0 < u)
                assert_near(skt_curve_score((enum skt_dist)dist, skt_curve_normal(u)), x, 1e-4 * (fabs(x) + 1));
            assert_true(last <= x);
            last = x;
        }
    }
    /* Known points: the least, the median and the greatest of the table of the pareto. */
    assert_near(skt_curve(SKT_PARETO, 0), -2.0 / 3, 1e-9);
    assert_near(skt_curve(SKT_PARETO, .5), -.3201, 1e-4);
    assert_near(skt_curve(SKT_PARETO, .999999), 3.99988, 1e-5);
}

/* ---- a hundred thousand packets ---- */

/* Mean and sigma in units of the jitter. Uniform: sigma 1/sqrt(3). Pareto: cut at x = 4.5, so that mean 1.5 becomes
 * 1.5 - 1/(2 x^2) and the mean square 3 becomes 1 + 2 (1 - 1/x); the paretonormal by integration of its curve. */
static void mean_and_sigma(enum skt_dist dist, double *ret_mean, double *ret_sigma)
{
    struct series s = { 0 };

    for (int i = 0; i < 1000000; i++)
        series_add(&s, table(dist, (i + .5) / 1000000));
    *ret_mean = series_mean(&s);
    *ret_sigma = series_sigma(&s);
}

static void distributions_have_their_mean_and_sigma(void **state)
{
    for (int dist = SKT_UNIFORM; dist <= SKT_PARETONORMAL; dist++) {
        struct skt_path_conf conf = { .delay = 100 * SKT_MS, .jitter = 10 * SKT_MS, .delay_dist = (enum skt_dist)dist };
        struct series s = delays(&conf, 1);
        double mean, sigma;
        mean_and_sigma(conf.delay_dist, &mean, &sigma);
        if (dist == SKT_PARETO) {
            assert_near(mean, (1.5 - 1 / (2 * 4.5 * 4.5) - 1.5) * 4 / 3, 1e-4);
            assert_near(sigma, sqrt(1 + 2 * (1 - 1 / 4.5) - 1.4753 * 1.4753) * 4 / 3, 1e-3);
        }
        print_message("%s: mean %+.4f (%+.4f), sigma %.4f (%.4f) units\n", names[dist],
            (series_mean(&s) - 100e6) / 10e6, mean, series_sigma(&s) / 10e6, sigma);
        assert_near((series_mean(&s) - 100e6) / 10e6, mean, WITHIN_99 * sigma / sqrt(PACKETS));
        assert_near(series_sigma(&s) / 10e6 / sigma, 1, .01);
    }
}

static void correlation_is_measured_and_the_distribution_stays(void **state)
{
    static const double corrs[] = { .25, .5, .9 };

    for (int dist = SKT_UNIFORM; dist <= SKT_PARETONORMAL; dist++) {
        double mean, sigma;
        mean_and_sigma((enum skt_dist)dist, &mean, &sigma);
        for (size_t i = 0; i < sizeof corrs / sizeof *corrs; i++) {
            double c = corrs[i], wide = sqrt((1 + c) / (1 - c));
            struct skt_path_conf conf = {
                .delay = 100 * SKT_MS, .jitter = 10 * SKT_MS, .delay_corr = c, .delay_dist = (enum skt_dist)dist
            };
            struct series s = delays(&conf, 4);
            double found = series_corr(&s);
            assert_near((series_mean(&s) - 100e6) / 10e6, mean, 1.05 * WITHIN_99 * wide * sigma / sqrt(PACKETS));
            assert_near(series_sigma(&s) / 10e6 / sigma, 1, .03);
            /* Of ranks, which are what the uniform one draws; of the normal it is 2 sin(pi c / 6). */
            if (dist == SKT_UNIFORM)
                assert_near(found, c, .01);
            else if (dist == SKT_NORMAL)
                assert_near(found, 2 * sin(M_PI * c / 6), .01);
            else
                assert_near(found, c, .08);
        }
    }
}

static void without_correlation_there_is_none(void **state)
{
    struct series s = delays(&(struct skt_path_conf){ .delay = SKT_SEC, .jitter = SKT_SEC }, 1);

    assert_near(series_corr(&s), 0, WITHIN_99 / sqrt(PACKETS));
}

static void full_correlation_is_one_delay_for_all(void **state)
{
    struct skt_path_conf conf = { .delay = SKT_SEC, .jitter = SKT_SEC, .delay_corr = 1 };
    struct skt_path path;
    skt_time first;

    skt_path_init(&path, &conf, 1, 0);
    first = skt_path_pass(&path, 0, 1, 0).at[0];
    for (uint64_t i = 1; i < 1000; i++)
        assert_true(skt_path_pass(&path, 0, 1, i).at[0] == first);
}

static void no_delay_is_negative(void **state)
{
    struct skt_path_conf conf = { .delay = SKT_MS, .jitter = 100 * SKT_MS, .delay_dist = SKT_NORMAL };
    struct skt_path path;
    uint32_t none = 0;

    skt_path_init(&path, &conf, 1, 0);
    for (uint64_t i = 0; i < PACKETS; i++) {
        skt_time at = skt_path_pass(&path, 1000, 100, i).at[0];
        assert_true(at >= 1000);
        none += at == 1000;
    }
    assert_count(none, PACKETS, skt_curve_normal_share(-.01), 1, WITHIN_99);
}

static void jitter_reorders_unless_it_is_told_not_to(void **state)
{
    struct skt_path_conf conf = { .delay = 10 * SKT_MS, .jitter = 5 * SKT_MS };

    for (int ordered = 0; ordered < 2; ordered++) {
        struct skt_path path;
        skt_time last = 0;
        uint32_t before = 0;
        conf.in_order = ordered;
        skt_path_init(&path, &conf, 1, 0);
        for (uint64_t i = 0; i < 10000; i++) {
            skt_time at = skt_path_pass(&path, (skt_time)i * SKT_MS, 100, i).at[0];
            before += at < last;
            last = at;
        }
        assert_true(ordered ? !before : before > 3000);
    }
}

RUN(T(the_normal_quantile_is_that_of_the_c_library), T(roots_are_those_of_the_c_library),
    T(curves_are_the_tables_of_tc), T(distributions_have_their_mean_and_sigma),
    T(correlation_is_measured_and_the_distribution_stays), T(without_correlation_there_is_none),
    T(full_correlation_is_one_delay_for_all), T(no_delay_is_negative), T(jitter_reorders_unless_it_is_told_not_to))
