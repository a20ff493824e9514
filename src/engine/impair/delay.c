/* delay: how long a packet is under way. Correlated delays are an AR(1) process of normal scores, of which the
 * distribution takes the share: neighbours are alike, and the distribution stays what was asked. (In tc-netem the mix of
 * two numbers narrows it, so that 25 % of correlation takes away a third of the jitter.) */
#include "engine/impair/inside.h"

#include "engine/impair/curve.h"

#include "base/banned.h"

static const double pi = 3.14159265358979323846;

/* The correlation of two normal scores whose ranks correlate by c: 2 sin(pi c / 6) (Pearson 1907). */
static double score_corr(double c)
{
    double x = pi * c / 6, square = x * x; /* x <= .53: five terms leave 1e-11 */

    if (c >= 1)
        return 1;
    return 2 * x * (1 - square / 6 * (1 - square / 20 * (1 - square / 42 * (1 - square / 72))));
}

static void score_step(
    const struct skt_path *path, struct skt_path_chain *chain, uint64_t index, bool first, uint32_t copy)
{
    double rho = score_corr(path->conf.delay_corr);
    double fresh = skt_curve_normal(path_dice(path, JITTER + copy, index));

    chain->x = first ? fresh : rho * chain->x + skt_curve_sqrt(1 - rho * rho) * fresh;
}

static void score_step_0(const struct skt_path *path, struct skt_path_chain *chain, uint64_t index, bool first)
{
    score_step(path, chain, index, first, 0);
}

static void score_step_1(const struct skt_path *path, struct skt_path_chain *chain, uint64_t index, bool first)
{
    score_step(path, chain, index, first, 1);
}

/* In units of the jitter. */
static double wobble(struct skt_path *path, uint64_t index, uint32_t copy)
{
    static path_step *const steps[SKT_PATH_COPIES] = { score_step_0, score_step_1 };
    const struct skt_path_conf *c = &path->conf;
    struct skt_path_chain *chain = &path->chain[SKT_PATH_DELAY + copy];

    if (c->delay_corr <= 0)
        return skt_curve(c->delay_dist, path_dice(path, JITTER + copy, index));
    return skt_curve_score(c->delay_dist, path_chain(path, chain, 0, steps[copy], index)->x);
}

/* Rounded towards zero: a nanosecond. */
static skt_time spread(skt_time mean, skt_time unit, double units)
{
    skt_time t = mean + (skt_time)(units * (double)unit);

    return t > 0 ? t : 0;
}

skt_time path_delay(struct skt_path *path, uint64_t index, uint32_t copy)
{
    const struct skt_path_conf *c = &path->conf;

    return c->jitter ? spread(c->delay, c->jitter, wobble(path, index, copy)) : c->delay;
}

skt_time path_slot_time(const struct skt_path *path, uint64_t index)
{
    const struct skt_path_conf *c = &path->conf;
    double u = path_dice(path, SLOT, index);

    if (c->slot.dist == SKT_UNIFORM)
        return c->slot.min + (c->slot.max > c->slot.min ? (skt_time)(u * (double)(c->slot.max - c->slot.min)) : 0);
    return spread(c->slot.delay, c->slot.jitter, skt_curve(c->slot.dist, u));
}
