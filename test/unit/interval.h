#pragma once
/* Is a count what chance would make of it? Intervals of 99 %, and of 99.99 % where a test has many of them. */
#include "test.h"

#include <math.h>

#define WITHIN_99   2.576
#define WITHIN_9999 3.891

/* n of `of`, each with chance `share`; spread: how much wider than independent throws they scatter (1: they are). */
static inline void assert_count(double n, double of, double share, double spread, double sigmas)
{
    double sigma = sqrt(of * share * (1 - share) * spread);

    if (n < of * share - sigmas * sigma - 1e-6 || of * share + sigmas * sigma + 1e-6 < n)
        fail_msg("%.0f of %.0f is not %g: %+.2f sigma", n, of, share, (n - of * share) / sigma);
}

static inline void assert_near(double x, double want, double by)
{
    if (!(want - by <= x && x <= want + by))
        fail_msg("%.9g is not %.9g +- %g", x, want, by);
}

/* Sums of a series and of neighbours in it. */
struct series {
    double n, sum, squares, products, first, last;
};
static inline void series_add(struct series *s, double x)
{
    if (s->n > 0)
        s->products += s->last * x;
    else
        s->first = x;
    s->n++;
    s->sum += x;
    s->squares += x * x;
    s->last = x;
}
static inline double series_mean(const struct series *s) { return s->sum / s->n; }
static inline double series_sigma(const struct series *s)
{
    return sqrt(s->squares / s->n - series_mean(s) * series_mean(s));
}
/* Of each with the one before it. */
static inline double series_corr(const struct series *s)
{
    double m = series_mean(s);
    double cov = s->products - m * (2 * s->sum - s->first - s->last) + (s->n - 1) * m * m;

    return cov / (s->n - 1) / (series_sigma(s) * series_sigma(s));
}
