/* engine/impair/loss.c and chain.c: who is lost, how often and in what company. 100,000 packets, 99 % intervals. */
#include "interval.h"

#include "engine/impair/path.h"

enum { PACKETS = 100000, SEEDS = 20 };

struct outcome {
    double lost, bursts, after_loss; /* bursts: of losses in a row; after_loss: losses whose packet before was lost */
};

static struct outcome run(const struct skt_path_conf *conf, uint64_t seed)
{
    struct outcome o = { 0 };
    struct skt_path path;
    bool before = false;

    skt_path_init(&path, conf, seed, 0);
    for (uint64_t i = 0; i < PACKETS; i++) {
        bool lost = !skt_path_pass(&path, 0, 100, i).copies;
        o.lost += lost;
        o.bursts += lost && !before;
        o.after_loss += lost && before;
        before = lost;
    }
    assert_true(path.lost == (uint64_t)o.lost && path.passed == PACKETS && !path.dropped);
    return o;
}

static void loss_by_chance_is_what_was_asked(void **state)
{
    static const double shares[] = { .0001, .01, .05, .5, .99 };

    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
        struct outcome o = run(&(struct skt_path_conf){ .loss = shares[i] }, 1);
        assert_count(o.lost, PACKETS, shares[i], 1, WITHIN_99);
        if (o.lost > 100)
            assert_count(o.after_loss, o.lost, shares[i], 1, WITHIN_99);
    }
}

/* Of 100 runs about one is outside a 99 % interval: more than six would be a fault (chance of that: 1 in 20,000). */
static void the_interval_is_left_as_often_as_chance_does(void **state)
{
    int outside = 0;

    for (uint64_t seed = 1; seed <= 100; seed++) {
        double lost = run(&(struct skt_path_conf){ .loss = .02 }, seed).lost, sigma = sqrt(PACKETS * .02 * .98);
        outside += fabs(lost - PACKETS * .02) > WITHIN_99 * sigma;
    }
    assert_in_range(outside, 0, 6);
}

static void correlated_loss_keeps_its_share_and_clusters(void **state)
{
    static const double corrs[] = { .25, .5, .9 };
    const double p = .05;

    for (size_t i = 0; i < sizeof corrs / sizeof *corrs; i++) {
        double c = corrs[i];
        struct outcome o = run(&(struct skt_path_conf){ .loss = p, .loss_corr = c }, 7);
        assert_count(o.lost, PACKETS, p, (1 + c) / (1 - c), WITHIN_99);
        assert_count(o.after_loss, o.lost, p + c * (1 - p), 1, WITHIN_99); /* the correlation, by its definition */
    }
}

/* Loss when bad, none when good: bursts have mean 1 / r; the share of time is p / (p + r). */
static void a_simple_gilbert_loses_bursts(void **state)
{
    static const struct {
        double p, r;
    } models[] = { { .01, .1 }, { .01, .25 }, { .001, .5 }, { .2, .8 } };

    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        double p = models[i].p, r = models[i].r, left = 1 - p - r;
        struct skt_path_conf conf = { .loss_model = SKT_LOSS_GEMODEL, .ge = { .p = p, .r = r, .bad = 1 } };
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
            struct outcome o = run(&conf, seed);
            double length = o.lost / o.bursts, sigma = sqrt((1 - r) / (r * r) / o.bursts);
            assert_count(o.lost, PACKETS, p / (p + r), (1 + left) / (1 - left), WITHIN_9999);
            assert_near(length, 1 / r, (seed == 1 ? WITHIN_99 : WITHIN_9999) * sigma);
        }
    }
}

static void gilbert_elliott_loses_in_both_states(void **state)
{
    const double p = .01, r = .1, bad = .7, good = .001, share = p / (p + r), left = 1 - p - r;
    struct skt_path_conf conf = { .loss_model = SKT_LOSS_GEMODEL, .ge = { .p = p, .r = r, .bad = bad, .good = good } };
    double want = share * bad + (1 - share) * good;
    /* Variance of a sum of losses of a two-state chain: the throws, and the states' own correlation. */
    double spread = 1 + 2 * share * (1 - share) * (bad - good) * (bad - good) * left / (1 - left) / (want * (1 - want));

    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        assert_count(run(&conf, seed).lost, PACKETS, want, spread, seed == 1 ? WITHIN_99 : WITHIN_9999);
}

/* p alone is loss by chance: whatever the state, the next is lost with p. */
static void one_value_is_bernoulli(void **state)
{
    struct skt_path_conf ge = { .loss_model = SKT_LOSS_GEMODEL, .ge = { .p = .05, .r = .95, .bad = 1 } };
    struct skt_path_conf four = { .loss_model = SKT_LOSS_STATE, .state = { .p13 = .05, .p31 = .95, .p23 = 1 } };
    struct outcome o = run(&ge, 1);

    assert_count(o.lost, PACKETS, .05, 1, WITHIN_99);
    assert_count(o.after_loss, o.lost, .05, 1, WITHIN_99);
    o = run(&four, 1);
    assert_count(o.lost, PACKETS, .05, 1, WITHIN_99);
    assert_count(o.after_loss, o.lost, .05, 1, WITHIN_99);
}

static void four_states_share_the_time_as_their_balance_says(void **state)
{
    const double p13 = .02, p31 = .2, p32 = .3, p23 = .4, p14 = .01;
    struct skt_path_conf conf = { .loss_model = SKT_LOSS_STATE,
        .state = { .p13 = p13, .p31 = p31, .p32 = p32, .p23 = p23, .p14 = p14 } };
    double one = 1, four = p14, three = p13 / p31, two = three * p32 / p23, all = one + two + three + four;
    double lost = 0, bursts = 0, after = 0;

    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct outcome o = run(&conf, seed);
        lost += o.lost;
        bursts += o.bursts;
        after += o.after_loss;
    }
    /* Its variance is 6.23 times that of independent throws: the sum over the powers of its matrix. */
    assert_count(lost, (double)PACKETS * SEEDS, (three + four) / all, 6.23, WITHIN_99);
    /* A loss follows a loss only from state 3 to 3; runs of them scatter at most twice as wide. */
    assert_count(after, lost, three / (three + four) * (1 - p31 - p32), 2, WITHIN_99);
    assert_true(bursts + after == lost);
}

static void chains_without_a_way_back_stay(void **state)
{
    struct skt_path_conf lost = { .loss_model = SKT_LOSS_STATE, .state = { .p13 = .01, .p23 = 1 } };
    struct skt_path_conf fine = { .loss_model = SKT_LOSS_STATE, .state = { .p13 = .01, .p32 = .5 } };
    struct skt_path_conf never = { .loss_model = SKT_LOSS_STATE, .state = { .p31 = 0, .p14 = .1 } };
    struct skt_path_conf still = { .loss_model = SKT_LOSS_GEMODEL, .ge = { .bad = 1 } };

    assert_true(run(&lost, 1).lost == PACKETS);
    assert_true(run(&fine, 1).lost == 0);
    assert_count(run(&never, 1).lost, PACKETS, .1 / 1.1, 1, WITHIN_99); /* p14: state 1 comes between */
    assert_true(run(&still, 1).lost == 0);
    still.ge.p = still.ge.bad = 1; /* and r is 0 */
    assert_true(run(&still, 1).lost == PACKETS);
}

/* The promise of path.h, for each model that remembers: also backwards, by leaps, and in an era not seen before. */
static void an_index_has_one_fate_in_whatever_order_it_is_asked_for(void **state)
{
    static const struct skt_path_conf confs[] = {
        { .loss = .3, .loss_corr = .5, .dup = .3, .dup_corr = .5, .corrupt = .3, .corrupt_corr = .5 },
        { .loss_model = SKT_LOSS_GEMODEL, .ge = { .1, .3, .9, .01 }, .delay = 9999, .jitter = 999, .delay_corr = .5 },
        { .loss_model = SKT_LOSS_STATE, .state = { .1, .3, .2, .5, .1 }, .dup = .5, .reorder = .3, .reorder_gap = 4 },
    };
    static const uint64_t indices[] = { 7, 8, 9, 3, 200, 100, 70000, 5, SKT_PATH_ERA, SKT_PATH_ERA - 1, UINT64_MAX, 7 };

    for (size_t k = 0; k < sizeof confs / sizeof *confs; k++) {
        struct skt_path once, each;
        skt_path_init(&once, &confs[k], 3, 1);
        for (size_t i = 0; i < sizeof indices / sizeof *indices; i++) {
            struct skt_path_fate a = skt_path_pass(&once, 5, 100, indices[i]), b;
            skt_path_init(&each, &confs[k], 3, 1);
            b = skt_path_pass(&each, 5, 100, indices[i]);
            assert_true(a.copies == b.copies && a.flip[0] == b.flip[0] && a.early == b.early);
            assert_true(a.at[0] == b.at[0] && a.at[1] == b.at[1]);
        }
    }
}

/* Else the first packets of all would be better off than the others. */
static void an_era_begins_in_the_balance(void **state)
{
    static const struct skt_path_conf confs[] = {
        { .loss = .05, .loss_corr = .9 },
        { .loss_model = SKT_LOSS_GEMODEL, .ge = { .p = .01, .r = .1, .bad = 1 } },
        { .loss_model = SKT_LOSS_STATE, .state = { .p13 = .02, .p31 = .2, .p32 = .3, .p23 = .4, .p14 = .2 } },
    };
    const double one = 1 + .1 + .1 * .3 / .4 + .2, want[] = { .05, 1 / 11.0, (.1 + .2) / one };

    for (size_t k = 0; k < sizeof confs / sizeof *confs; k++) {
        double lost = 0;
        for (uint64_t seed = 0; seed < PACKETS; seed++) {
            struct skt_path path;
            skt_path_init(&path, &confs[k], seed, 0);
            lost += !skt_path_pass(&path, 0, 1, seed % 3 * SKT_PATH_ERA).copies;
        }
        assert_count(lost, PACKETS, want[k], 1, WITHIN_99);
    }
}

static void who_walks_into_an_era_finds_what_others_find(void **state)
{
    static const struct skt_path_conf conf = { .loss = .5, .loss_corr = .999 };

    for (uint64_t seed = 0; seed < 50; seed++) {
        struct skt_path walks, leaps;
        skt_path_init(&walks, &conf, seed, 0);
        skt_path_init(&leaps, &conf, seed, 0);
        for (uint64_t i = SKT_PATH_ERA - 2; i < SKT_PATH_ERA; i++)
            (void)skt_path_pass(&walks, 0, 1, i);
        for (uint64_t i = SKT_PATH_ERA; i < SKT_PATH_ERA + 10; i++)
            assert_true(skt_path_pass(&walks, 0, 1, i).copies == skt_path_pass(&leaps, 0, 1, i).copies);
    }
}

static void directions_and_seeds_have_dice_of_their_own(void **state)
{
    struct skt_path_conf conf = { .loss = .5, .loss_corr = .5 };
    struct skt_path path[3];
    int differ[2] = { 0 };

    skt_path_init(&path[0], &conf, 1, 0);
    skt_path_init(&path[1], &conf, 1, 1);
    skt_path_init(&path[2], &conf, 2, 0);
    for (uint64_t i = 0; i < 10000; i++) {
        uint32_t copies = skt_path_pass(&path[0], 0, 1, i).copies;
        differ[0] += copies != skt_path_pass(&path[1], 0, 1, i).copies;
        differ[1] += copies != skt_path_pass(&path[2], 0, 1, i).copies;
    }
    assert_in_range(differ[0], 4500, 5500);
    assert_in_range(differ[1], 4500, 5500);
}

static void who_can_be_marked_is_not_lost(void **state)
{
    struct skt_path_conf conf = { .loss = .1, .ecn = true };
    struct skt_path path;
    uint32_t marked = 0, lost = 0;

    skt_path_init(&path, &conf, 1, 0);
    for (uint64_t i = 0; i < PACKETS; i++) {
        bool capable = i & 1;
        struct skt_path_fate fate = skt_path_pass_ecn(&path, 0, 100, i, capable);
        assert_true(fate.copies || (!capable && !fate.mark));
        marked += fate.mark;
        lost += !fate.copies;
    }
    assert_true(path.marked == marked && path.lost == lost);
    assert_count(marked, PACKETS / 2.0, .1, 1, WITHIN_99);
    assert_count(lost, PACKETS / 2.0, .1, 1, WITHIN_99);
}

RUN(T(loss_by_chance_is_what_was_asked), T(the_interval_is_left_as_often_as_chance_does),
    T(correlated_loss_keeps_its_share_and_clusters), T(a_simple_gilbert_loses_bursts),
    T(gilbert_elliott_loses_in_both_states), T(one_value_is_bernoulli),
    T(four_states_share_the_time_as_their_balance_says), T(chains_without_a_way_back_stay),
    T(an_index_has_one_fate_in_whatever_order_it_is_asked_for), T(an_era_begins_in_the_balance),
    T(who_walks_into_an_era_finds_what_others_find), T(directions_and_seeds_have_dice_of_their_own),
    T(who_can_be_marked_is_not_lost))
