/* loss: by chance, by chance that clusters, and the two Markov models of tc-netem (Salsano, Ludovici, Ordine: "Definition
 * of a general and intuitive loss model for packet networks"). Start reading at path_loses(). */
#include "engine/impair/inside.h"

#include "base/banned.h"

static void random_step(const struct skt_path *path, struct skt_path_chain *chain, uint64_t index, bool first)
{
    const struct skt_path_conf *c = &path->conf;

    chain->state = path_again(chain->state, first, c->loss, c->loss_corr, path_dice(path, LOSS, index));
}

/* ---- Gilbert-Elliott ---- */

enum { GOOD, BAD };

/* The state is that in which the packet passed; it moves before the next one. */
static void ge_step(const struct skt_path *path, struct skt_path_chain *chain, uint64_t index, bool first)
{
    double p = path->conf.ge.p, r = path->conf.ge.r, dice = path_dice(path, MOVE, index);

    if (first)
        chain->state = dice * (p + r) < p ? BAD : GOOD; /* its share of time is p / (p + r) */
    else if (chain->state == GOOD)
        chain->state = dice < p ? BAD : GOOD;
    else
        chain->state = dice < r ? GOOD : BAD;
}

static bool ge_loses(struct skt_path *path, uint64_t index)
{
    bool bad = path_chain(path, &path->chain[SKT_PATH_LOSS], SKT_LOSS_GEMODEL, ge_step, index)->state == BAD;

    return path_dice(path, LOSS, index) < (bad ? path->conf.ge.bad : path->conf.ge.good);
}

/* ---- four states ---- */

enum { ARRIVES = 1, ARRIVES_IN_BURST, LOST_IN_BURST, LOST_ALONE, STATES = LOST_ALONE };

/* How long the chain is in each state, to a common factor: what flows from {1, 4} to {2, 3} flows back, as does what
 * flows from 3 to 2. */
static void shares(const struct skt_path_conf *conf, double ret_share[static STATES])
{
    double p13 = conf->state.p13, p31 = conf->state.p31, p32 = conf->state.p32, p23 = conf->state.p23;
    double in_burst = p32 > 0 && p23 > 0 ? p13 * p32 / p23 : 0;

    if (p13 <= 0) /* never a burst */
        memcpy(ret_share, (double[]){ 1, 0, 0, conf->state.p14 }, STATES * sizeof(double));
    else if (p32 > 0 && p23 <= 0) /* a burst ends in state 2 for good */
        memcpy(ret_share, (double[]){ 0, 1, 0, 0 }, STATES * sizeof(double));
    else
        memcpy(ret_share, (double[]){ p31, in_burst, p13, p31 * conf->state.p14 }, STATES * sizeof(double));
}

static uint32_t state_first(const struct skt_path_conf *conf, double dice)
{
    double share[STATES], all = 0;
    uint32_t i = 0;

    shares(conf, share);
    for (int k = 0; k < STATES; k++)
        all += share[k];
    for (dice *= all; i < STATES - 1 && dice >= share[i]; i++)
        dice -= share[i];
    return i + 1;
}

static void state_step(const struct skt_path *path, struct skt_path_chain *chain, uint64_t index, bool first)
{
    const struct skt_path_conf *c = &path->conf;
    double dice = path_dice(path, LOSS, index);

    if (first) {
        chain->state = state_first(c, dice);
        return;
    }
    switch (chain->state) {
    case ARRIVES:
        chain->state = dice < c->state.p14 ? LOST_ALONE : dice < c->state.p14 + c->state.p13 ? LOST_IN_BURST : ARRIVES;
        break;
    case ARRIVES_IN_BURST: chain->state = dice < c->state.p23 ? LOST_IN_BURST : ARRIVES_IN_BURST; break;
    case LOST_IN_BURST:
        chain->state = dice < c->state.p32                  ? ARRIVES_IN_BURST
                       : dice < c->state.p32 + c->state.p31 ? ARRIVES
                                                            : LOST_IN_BURST;
        break;
    default: chain->state = ARRIVES; /* one alone is followed by a good one */
    }
}

bool path_loses(struct skt_path *path, uint64_t index)
{
    const struct skt_path_conf *c = &path->conf;
    struct skt_path_chain *chain = &path->chain[SKT_PATH_LOSS];

    switch (c->loss_model) {
    case SKT_LOSS_RANDOM:
        if (c->loss <= 0 || c->loss_corr <= 0)
            return c->loss > 0 && path_dice(path, LOSS, index) < c->loss;
        return path_chain(path, chain, SKT_LOSS_RANDOM, random_step, index)->state;
    case SKT_LOSS_GEMODEL: return ge_loses(path, index);
    case SKT_LOSS_STATE: return path_chain(path, chain, SKT_LOSS_STATE, state_step, index)->state >= LOST_IN_BURST;
    }
    return false;
}
