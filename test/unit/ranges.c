/* base/ranges.c: sets of numbers as pieces. */
#include "seed.h"

#include "base/random.h"
#include "failing.h"

#include "base/ranges.c"

/* The set as text, "1-4 7-9 ", to compare at a glance. */
static const char *shown(const struct skt_ranges *ranges)
{
    static char text[256];
    struct skt_room room = skt_room_of(text, sizeof text - 1);

    memset(text, 0, sizeof text);
    for (uint32_t i = 0; i < ranges->n; i++)
        skt_put_fmt(
            &room, "%llu-%llu ", (unsigned long long)ranges->items[i].from, (unsigned long long)ranges->items[i].to);
    return text;
}

static uint64_t take(struct skt_ranges *ranges, uint64_t from, uint64_t to)
{
    uint64_t n = 999;

    assert_int_equal(skt_ranges_take(ranges, from, to, &n), 0);
    return n;
}

static uint64_t drop(struct skt_ranges *ranges, uint64_t from, uint64_t to)
{
    uint64_t n = 999;

    assert_int_equal(skt_ranges_drop(ranges, from, to, &n), 0);
    return n;
}

static void pieces_that_meet_become_one(void **state)
{
    struct skt_ranges ranges;

    skt_ranges_init(&ranges, 100);
    assert_int_equal(take(&ranges, 10, 20), 10);
    assert_int_equal(take(&ranges, 30, 40), 10);
    assert_string_equal(shown(&ranges), "10-20 30-40 ");
    assert_int_equal(take(&ranges, 20, 25), 5);
    assert_int_equal(take(&ranges, 28, 30), 2);
    assert_string_equal(shown(&ranges), "10-25 28-40 ");
    assert_int_equal(take(&ranges, 5, 50), 45 - 27);
    assert_string_equal(shown(&ranges), "5-50 ");
    skt_ranges_done(&ranges);
}

static void a_repeat_takes_nothing(void **state)
{
    struct skt_ranges ranges;

    skt_ranges_init(&ranges, 100);
    take(&ranges, 10, 20);
    assert_int_equal(take(&ranges, 10, 20), 0);
    assert_int_equal(take(&ranges, 12, 15), 0);
    assert_int_equal(take(&ranges, 15, 15), 0);
    assert_int_equal(take(&ranges, 30, 30), 0);
    assert_string_equal(shown(&ranges), "10-20 ");
    skt_ranges_done(&ranges);
}

static void a_drop_cuts_pieces_and_may_split_one(void **state)
{
    struct skt_ranges ranges;

    skt_ranges_init(&ranges, 100);
    take(&ranges, 0, 10);
    take(&ranges, 20, 30);
    assert_int_equal(drop(&ranges, 3, 5), 2);
    assert_string_equal(shown(&ranges), "0-3 5-10 20-30 ");
    assert_int_equal(drop(&ranges, 10, 20), 0);
    assert_int_equal(drop(&ranges, 8, 22), 4);
    assert_string_equal(shown(&ranges), "0-3 5-8 22-30 ");
    assert_int_equal(drop(&ranges, 4, 4), 0);
    assert_int_equal(drop(&ranges, 6, 6), 0);
    assert_int_equal(drop(&ranges, 0, 100), 14);
    assert_string_equal(shown(&ranges), "");
    skt_ranges_done(&ranges);
}

static void the_largest_numbers_have_their_place(void **state)
{
    struct skt_ranges ranges;

    skt_ranges_init(&ranges, 2);
    assert_true(take(&ranges, 0, UINT64_MAX) == UINT64_MAX);
    assert_true(skt_ranges_gap(&ranges, 0) == UINT64_MAX);
    assert_false(skt_ranges_has(&ranges, UINT64_MAX));
    assert_true(skt_ranges_has(&ranges, UINT64_MAX - 1));
    assert_true(skt_ranges_count(&ranges) == UINT64_MAX);
    assert_true(drop(&ranges, 1, UINT64_MAX - 1) == UINT64_MAX - 2);
    assert_int_equal(ranges.n, 2);
    skt_ranges_done(&ranges);
}

static void one_piece_above_the_cap_is_refused_and_nothing_is_lost(void **state)
{
    struct skt_ranges ranges;

    skt_ranges_init(&ranges, 2);
    take(&ranges, 0, 10);
    take(&ranges, 20, 30);
    assert_int_equal(skt_ranges_take(&ranges, 12, 15, NULL), -ENOSPC);
    assert_int_equal(skt_ranges_drop(&ranges, 3, 4, NULL), -ENOSPC);
    assert_int_equal(skt_ranges_take(&ranges, 9, 8, NULL), -EINVAL);
    assert_int_equal(skt_ranges_drop(&ranges, 9, 8, NULL), -EINVAL);
    assert_string_equal(shown(&ranges), "0-10 20-30 ");
    take(&ranges, 10, 11); /* grows a piece: needs no place */
    take(&ranges, 11, 20);
    assert_string_equal(shown(&ranges), "0-30 ");
    skt_ranges_done(&ranges);
    skt_ranges_done(NULL);
}

static void without_memory_the_set_stays_as_it_was(void **state)
{
    struct skt_ranges ranges;
    uint64_t n = 77;

    skt_ranges_init(&ranges, 100);
    allocations_left = 0;
    assert_int_equal(skt_ranges_take(&ranges, 1, 2, &n), -ENOMEM);
    assert_int_equal(n, 77);
    allocations_left = 1;
    for (uint64_t i = 0; i < 8; i++)
        take(&ranges, i * 10, i * 10 + 5);
    assert_int_equal(skt_ranges_take(&ranges, 100, 101, &n), -ENOMEM);
    assert_int_equal(skt_ranges_drop(&ranges, 2, 3, &n), -ENOMEM);
    assert_int_equal(n, 77);
    allocations_left = -1;
    assert_string_equal(shown(&ranges), "0-5 10-15 20-25 30-35 40-45 50-55 60-65 70-75 ");
    skt_ranges_done(&ranges);
}

/* The model: a flag for each number. */
enum { NUMBERS = 80 };

static uint32_t model_pieces(const bool model[NUMBERS + 1])
{
    uint32_t n = 0;

    for (int i = 0; i < NUMBERS; i++)
        n += model[i] && !model[i + 1]; /* the last flag is never set */
    return n;
}

static void check_against(const struct skt_ranges *ranges, const bool model[NUMBERS + 1])
{
    struct skt_range piece = { 0, 0 };
    uint64_t seen = 0;

    CHECK(ranges->n == model_pieces(model));
    for (uint32_t i = 0; i < ranges->n; i++)
        CHECK(ranges->items[i].from < ranges->items[i].to && (!i || ranges->items[i - 1].to < ranges->items[i].from));
    for (uint64_t i = 0, gap; i <= NUMBERS; i++) {
        CHECK(skt_ranges_has(ranges, i) == model[i]);
        for (gap = i; model[gap]; gap++)
            seen++;
        CHECK(skt_ranges_gap(ranges, i) == gap);
        CHECK(skt_ranges_has_all(ranges, i, gap) && !skt_ranges_has_all(ranges, i, gap + 1));
        i = gap;
    }
    CHECK(skt_ranges_count(ranges) == seen);
    for (seen = 0; skt_ranges_next(ranges, piece.to, &piece); seen++)
        CHECK(model[piece.from] && model[piece.to - 1] && !model[piece.to]);
    CHECK(seen == ranges->n);
}

static void it_agrees_with_a_model_whatever_comes(void **state)
{
    FOR_SEEDS(300)
    {
        bool model[NUMBERS + 1] = { 0 };
        struct skt_random random;
        struct skt_ranges ranges;
        uint32_t cap, widest;

        skt_random_init(&random, unit_seed);
        cap = 1 + (uint32_t)skt_random_below(&random, 30);
        widest = 1 + (uint32_t)skt_random_below(&random, 20);
        skt_ranges_init(&ranges, cap);
        for (int step = 0; step < 200; step++) {
            uint64_t from = skt_random_below(&random, NUMBERS), to = from + skt_random_below(&random, widest), n = 0;
            bool on = skt_random_below(&random, 2), next[NUMBERS + 1];
            uint64_t got = 0;
            int r;

            to = to > NUMBERS ? NUMBERS : to;
            memcpy(next, model, sizeof next);
            for (uint64_t i = from; i < to; i++) {
                n += next[i] != on;
                next[i] = on;
            }
            r = on ? skt_ranges_take(&ranges, from, to, &got) : skt_ranges_drop(&ranges, from, to, &got);
            CHECK(r == (model_pieces(next) > cap ? -ENOSPC : 0));
            CHECK(r || got == n);
            if (!r)
                memcpy(model, next, sizeof model);
            check_against(&ranges, model);
        }
        skt_ranges_done(&ranges);
    }
}

RUN(T(pieces_that_meet_become_one), T(a_repeat_takes_nothing), T(a_drop_cuts_pieces_and_may_split_one),
    T(the_largest_numbers_have_their_place), T(one_piece_above_the_cap_is_refused_and_nothing_is_lost),
    T(without_memory_the_set_stays_as_it_was), T(it_agrees_with_a_model_whatever_comes))
