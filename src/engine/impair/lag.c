/* lag: how much later than asked. Bucket of a time: its highest bit and the SKT_LAG_FINE bits below it. */
#include "engine/impair/lag.h"

#include <assert.h>

#include "base/banned.h"

enum { FINE = 1 << SKT_LAG_FINE };

/* Below FINE a bucket is one ns wide; above, each power of two has FINE buckets. */
static uint32_t bucket_of(skt_time late)
{
    uint32_t top, shift;

    if (late < FINE)
        return (uint32_t)late;
    top = 63 - (uint32_t)__builtin_clzll((unsigned long long)late);
    shift = top - SKT_LAG_FINE;
    return (shift << SKT_LAG_FINE) + (uint32_t)(late >> shift);
}

/* The last time that is in the bucket. */
static skt_time bucket_end(uint32_t bucket)
{
    uint32_t shift = bucket < 2 * FINE ? 0 : (bucket >> SKT_LAG_FINE) - 1;
    uint64_t first = bucket < 2 * FINE ? bucket : (uint64_t)(FINE + (bucket & (FINE - 1))) << shift;

    return (skt_time)(first + (1ull << shift) - 1);
}

static_assert(SKT_LAG_BUCKETS == (62 - SKT_LAG_FINE) * FINE + 2 * FINE, "the last time has the last bucket");

void skt_lag_init(struct skt_lag *lag) { *lag = (struct skt_lag){ 0 }; }

void skt_lag_add(struct skt_lag *lag, skt_time late)
{
    if (late < 0) {
        lag->early++;
        late = 0;
    }
    lag->min = !lag->n || late < lag->min ? late : lag->min;
    lag->max = late > lag->max ? late : lag->max;
    lag->sum += (double)late;
    lag->n++;
    lag->count[bucket_of(late)]++;
}

skt_time skt_lag_quantile(const struct skt_lag *lag, double q)
{
    uint64_t want = q <= 0 ? 1 : q >= 1 ? lag->n : (uint64_t)(q * (double)lag->n), seen = 0;
    uint32_t i = 0;

    if (!lag->n)
        return 0;
    if (want < q * (double)lag->n || !want)
        want++;
    while (i < SKT_LAG_BUCKETS - 1 && (seen += lag->count[i]) < want)
        i++;
    return bucket_end(i) < lag->max ? bucket_end(i) : lag->max;
}

skt_time skt_lag_mean(const struct skt_lag *lag) { return lag->n ? (skt_time)(lag->sum / (double)lag->n) : 0; }

void skt_lag_merge(struct skt_lag *lag, const struct skt_lag *other)
{
    if (!other->n)
        return;
    lag->min = !lag->n || other->min < lag->min ? other->min : lag->min;
    lag->max = other->max > lag->max ? other->max : lag->max;
    lag->sum += other->sum;
    lag->n += other->n;
    lag->early += other->early;
    for (uint32_t i = 0; i < SKT_LAG_BUCKETS; i++)
        lag->count[i] += other->count[i];
}
