/* engine/xfer/conn.c and its parts, over hundreds of bad paths in virtual time. */
#include "xfer_conn.h"

static struct skt_path_conf bad_path(struct skt_random *r)
{
    return (struct skt_path_conf){ .delay = (skt_time)skt_random_below(r, 40) * SKT_MS,
        .jitter = (skt_time)skt_random_below(r, 10) * SKT_MS,
        .loss = skt_random_unit(r) * .2,
        .dup = skt_random_unit(r) * .1,
        .reorder = skt_random_unit(r) * .1,
        .corrupt = skt_random_unit(r) * .05,
        .rate_bytes = 500000 + skt_random_below(r, 20000000) };
}

static void everything_arrives_over_any_bad_path(void **state)
{
    for (uint64_t seed = pair_first(); seed <= pair_last(200); seed++) {
        struct skt_random r;
        struct pair_conf conf = { .seed = seed, .replay = .05, .garbage = .05 };
        struct pair *p;

        skt_random_init(&r, seed);
        conf.path[0] = bad_path(&r);
        conf.path[1] = bad_path(&r);
        conf.bytes = skt_random_below(&r, 2000000);
        conf.messages = (uint32_t)skt_random_below(&r, 3000);
        conf.block = 1 + (uint32_t)skt_random_below(&r, seed % 3 ? 20000 : 300);
        if (conf.block < 20 && conf.bytes > 20000)
            conf.bytes = 20000;
        conf.mtu = 1200 + (uint32_t)skt_random_below(&r, 9000);
        if (seed % 5 == 0)
            conf.rebind_every = 100 * SKT_MS + (skt_time)skt_random_below(&r, 1000) * SKT_MS;
        p = pair_new(&conf);
        pair_run(p);
        if (p->trace)
            print_message(
                "%llu: %.3f s, %llu bytes, %llu lost, %llu again, %llu twice, packet %u, %llu of %llu datagrams\n",
                (unsigned long long)seed, (double)(p->done_at - p->began) / 1e9, (unsigned long long)conf.bytes,
                (unsigned long long)p->lost, (unsigned long long)p->resent, (unsigned long long)p->twice,
                p->end[SENDER].conn->mtu.now, (unsigned long long)p->end[SENDER].datagrams,
                (unsigned long long)p->end[RECEIVER].datagrams);
        HOLDS(all_done(p));
        HOLDS(p->end[SENDER].closed && !p->end[SENDER].end.by_peer && p->end[SENDER].end.why == 0);
        HOLDS(p->end[SENDER].conn->mtu.now <= conf.mtu);
        pair_free(p);
    }
}

static int setup(void **state) { return skt_crypt() ? 0 : -1; }

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(everything_arrives_over_any_bad_path) };
    return cmocka_run_group_tests(tests, setup, NULL);
}
