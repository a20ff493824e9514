/* chain: dice, and models that remember. A chain begins anew at each era, so that a packet's fate depends on its index
 * alone; in order it costs one step a packet. */
#include "engine/impair/inside.h"

#include "base/random.h"

#include "base/banned.h"

double path_dice(const struct skt_path *path, uint32_t purpose, uint64_t index)
{
    uint64_t h = skt_hash64(path->seed, path->direction, purpose, index);

    return (double)(h >> 11) * 0x1p-53;
}

const struct skt_path_chain *path_chain(
    struct skt_path *path, struct skt_path_chain *chain, uint32_t kind, path_step *step, uint64_t index)
{
    uint64_t era = index & ~(uint64_t)(SKT_PATH_ERA - 1);

    if (chain->kind != kind || chain->next <= era || chain->next > index + 1)
        *chain = (struct skt_path_chain){ .kind = kind, .next = era };
    for (; chain->next != index + 1; chain->next++) /* which may wrap to 0: not begun */
        step(path, chain, chain->next, chain->next == era);
    return chain;
}

/* A Markov chain of two states whose share of hits is `share` and whose correlation of neighbours is corr. */
bool path_again(bool before, bool first, double share, double corr, double dice)
{
    double chance = first ? share : before ? share + corr * (1 - share) : share * (1 - corr);

    return dice < chance;
}

/* ---- copies, corruption ---- */

static void dup_step(const struct skt_path *path, struct skt_path_chain *chain, uint64_t index, bool first)
{
    const struct skt_path_conf *c = &path->conf;

    chain->state = path_again(chain->state, first, c->dup, c->dup_corr, path_dice(path, DUP, index));
}

bool path_doubles(struct skt_path *path, uint64_t index)
{
    const struct skt_path_conf *c = &path->conf;

    if (c->dup <= 0 || c->dup_corr <= 0)
        return c->dup > 0 && path_dice(path, DUP, index) < c->dup;
    return path_chain(path, &path->chain[SKT_PATH_DUP], 0, dup_step, index)->state;
}

static void corrupt_step(const struct skt_path *path, struct skt_path_chain *chain, uint64_t index, bool first)
{
    const struct skt_path_conf *c = &path->conf;

    chain->state = path_again(chain->state, first, c->corrupt, c->corrupt_corr, path_dice(path, CORRUPT, index));
}

bool path_corrupts(struct skt_path *path, uint64_t index)
{
    const struct skt_path_conf *c = &path->conf;

    if (c->corrupt <= 0 || c->corrupt_corr <= 0)
        return c->corrupt > 0 && path_dice(path, CORRUPT, index) < c->corrupt;
    return path_chain(path, &path->chain[SKT_PATH_CORRUPT], 0, corrupt_step, index)->state;
}

/* ---- reordering ---- */

enum {
    THROWN = 1,
    EARLY = 2,
    COUNT = 4
}; /* in the state: the throw; what came of it; and up: packets since one was early */

/* As in tc-netem the gap comes first: only behind gap - 1 packets that waited does the throw count. */
static void reorder_step(const struct skt_path *path, struct skt_path_chain *chain, uint64_t index, bool first)
{
    const struct skt_path_conf *c = &path->conf;
    uint32_t waited = chain->state / COUNT;
    bool thrown =
        path_again(chain->state & THROWN, first, c->reorder, c->reorder_corr, path_dice(path, REORDER, index));
    bool early = thrown && waited + 1 >= c->reorder_gap;

    waited = early ? 0 : waited + 1;
    chain->state = waited * COUNT + (early ? EARLY : 0) + (thrown ? THROWN : 0);
}

bool path_goes_early(struct skt_path *path, uint64_t index)
{
    const struct skt_path_conf *c = &path->conf;

    if (c->reorder <= 0)
        return false;
    if (c->reorder >= 1) /* each gap-th: the pattern does not begin anew with an era */
        return c->reorder_gap <= 1 || index % c->reorder_gap == c->reorder_gap - 1;
    if (c->reorder_gap <= 1 && c->reorder_corr <= 0)
        return path_dice(path, REORDER, index) < c->reorder;
    return path_chain(path, &path->chain[SKT_PATH_REORDER], 0, reorder_step, index)->state & EARLY;
}
