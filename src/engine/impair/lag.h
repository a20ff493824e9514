#pragma once
#include <sockit/bytes.h>

/* lag: a histogram of times, log-linear: 32 buckets for each power of two, so a quantile is at most 1/32 above the truth.
 * For the difference between the delay that was asked and the one that was done. */
enum { SKT_LAG_FINE = 5, SKT_LAG_BUCKETS = (63 - SKT_LAG_FINE + 1) << SKT_LAG_FINE };

struct skt_lag {
    uint64_t n, early; /* early: below 0, counted as 0 */
    skt_time min, max; /* of all; 0 if n is 0 */
    double sum;        /* ns */
    uint64_t count[SKT_LAG_BUCKETS];
};

void skt_lag_init(struct skt_lag *lag);
void skt_lag_add(struct skt_lag *lag, skt_time late); /* done - asked */
/* What a share q (0..1) of all is not above; 0 if there is none. */
skt_time skt_lag_quantile(const struct skt_lag *lag, double q);
skt_time skt_lag_mean(const struct skt_lag *lag);
void skt_lag_merge(struct skt_lag *lag, const struct skt_lag *other);
