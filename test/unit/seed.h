#pragma once
/* Random tests: each runs over many seeds and says which one failed; UNIT_SEED=N in the environment runs that one alone. */
#include "test.h"

#include <stdlib.h>

static uint64_t unit_seed;

static inline uint64_t first_seed(void)
{
    const char *one = getenv("UNIT_SEED");

    return one ? strtoull(one, NULL, 10) : 1;
}
static inline uint64_t last_seed(uint64_t n) { return getenv("UNIT_SEED") ? first_seed() : n; }

#define FOR_SEEDS(n) for (unit_seed = first_seed(); unit_seed <= last_seed(n); unit_seed++)
#define CHECK(what)                                                                                                    \
    do {                                                                                                               \
        if (!(what))                                                                                                   \
            fail_msg("rerun with UNIT_SEED=%llu: not true: %s", (unsigned long long)unit_seed, #what);                 \
    } while (0)
