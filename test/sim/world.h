#pragma once
/* What the tests in the simulated world share: many seeds, and on failure the line that runs the bad one again, with a
 * capture of what passed left in the current directory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/random.h"
#include "drive/sim/sim.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static struct {
    struct sim *sim;
    const char *test;
    uint64_t seed;
} world;

/* A world that fails loudly; SIM_SEED runs just that one. Freed by world_end, or after a failure by the teardown. */
static inline struct sim *world_begin(const struct sim_conf *conf)
{
    world.sim = sim_new_conf(conf);
    world.seed = conf->seed;
    assert_int_equal(sim_tap(world.sim, NULL), 0);
    return world.sim;
}

static inline void world_end(void)
{
    sim_free(world.sim);
    world.sim = NULL;
}

/* for (uint64_t seed = world_first(); world_more(seed, 200); seed++) */
static inline uint64_t world_first(void)
{
    const char *one = getenv("SIM_SEED");

    return one ? strtoull(one, NULL, 10) : 0;
}

static inline bool world_more(uint64_t seed, uint64_t seeds)
{
    return getenv("SIM_SEED") ? seed == world_first() : seed < seeds;
}

static inline int world_setup(void **state)
{
    world.test = *state;
    return 0;
}

static inline int world_teardown(void **state)
{
    char path[64];
    struct skt_span bytes;
    FILE *f;

    if (!world.sim)
        return 0; /* it ended well */
    snprintf(path, sizeof path, "sim-%" PRIu64 ".pcapng", world.seed);
    bytes = sim_tap_bytes(world.sim);
    f = fopen(path, "wb");
    if (f) {
        (void)!fwrite(bytes.p, 1, skt_len(bytes), f); /* the failure is told all the same */
        fclose(f);
    }
    fprintf(stderr, "again: SIM_SEED=%" PRIu64 " %s %s   (what passed is in %s)\n", world.seed, program_invocation_name,
        world.test, path);
    world_end();
    return 0;
}

#define W(name)                                                                                                        \
    {                                                                                                                  \
#name, name, world_setup, world_teardown, (void *)#name                                                        \
    }
/* main(): all tests, or those whose name matches the argument ('*' allowed). */
#define WORLD(...)                                                                                                     \
    int main(int argc, char **argv)                                                                                    \
    {                                                                                                                  \
        const struct CMUnitTest tests[] = { __VA_ARGS__ };                                                             \
        if (argc > 1)                                                                                                  \
            cmocka_set_test_filter(argv[1]);                                                                           \
        return cmocka_run_group_tests(tests, NULL, NULL);                                                              \
    }
