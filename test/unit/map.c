/* base/map.c: hash tables. The source is included with a hash that a test can make bad, and allocations that fail. */
#include "seed.h"

#include "base/random.h"
#include <stdio.h>

#include "failing.h"

/* What a test makes of the hash, as an attacker would wish it: bits that are cleared, then bits that are set. */
static uint64_t hash_mask = UINT64_MAX, hash_set;
static uint64_t masked_hash(uint64_t k0, uint64_t k1, struct skt_span in)
{
    return (skt_siphash(k0, k1, in) & hash_mask) | hash_set;
}
#define skt_siphash masked_hash

#include "base/map.c"

static const struct {
    uint64_t mask, set;
} hashes[] = {
    { UINT64_MAX, 0 }, { 0, 0 },        /* all the same */
    { UINT64_MAX << 62, 0 },            /* four homes */
    { 3, 0 },                           /* one home, four hashes */
    { 0xf0000000000000f0, 0 },          /* sixteen homes, sixteen hashes each */
    { UINT64_MAX, 0xf000000000000000 }, /* all at the end, where the tail is soon full */
};

static void spoil_hashes(uint64_t by)
{
    hash_mask = hashes[by % (sizeof hashes / sizeof *hashes)].mask;
    hash_set = hashes[by % (sizeof hashes / sizeof *hashes)].set;
}

static void what_was_put_is_got_until_it_is_deleted(void **state)
{
    struct skt_map map;
    uint32_t v = 99;

    assert_int_equal(skt_map_init(&map, 10, 1), 0);
    assert_false(skt_map_get(&map, 5, &v));
    assert_false(skt_map_del(&map, 5));
    assert_int_equal(skt_map_put(&map, 5, 50), 0);
    assert_int_equal(skt_map_put(&map, 0, 1), 0);
    assert_int_equal(skt_map_put(&map, UINT64_MAX, 2), 0);
    assert_true(skt_map_get(&map, 5, &v));
    assert_int_equal(v, 50);
    assert_int_equal(skt_map_put(&map, 5, 51), 0);
    assert_true(skt_map_get(&map, 5, &v));
    assert_int_equal(v, 51);
    assert_int_equal(map.n, 3);
    assert_true(skt_map_del(&map, 5));
    assert_false(skt_map_del(&map, 5));
    v = 99;
    assert_false(skt_map_get(&map, 5, &v));
    assert_int_equal(v, 99);
    skt_map_done(&map);
    skt_map_done(NULL);
}

static void names_are_bytes_and_are_copied(void **state)
{
    char text[] = "anna";
    struct skt_names names;
    uint32_t v;

    assert_int_equal(skt_names_init(&names, 10, 1), 0);
    assert_int_equal(skt_names_put(&names, skt_span_str(text), 1), 0);
    text[0] = 'e';
    assert_int_equal(skt_names_put(&names, skt_span_str(text), 2), 0);
    assert_int_equal(skt_names_put(&names, skt_span_of("enna\0", 5), 3), 0);
    assert_int_equal(skt_names_put(&names, (struct skt_span){ 0 }, 4), 0);
    assert_true(skt_names_get(&names, skt_span_str("anna"), &v) && v == 1);
    assert_true(skt_names_get(&names, skt_span_str("enna"), &v) && v == 2);
    assert_true(skt_names_get(&names, skt_span_of("enna\0", 5), &v) && v == 3);
    assert_true(skt_names_get(&names, skt_span_str(""), &v) && v == 4);
    assert_false(skt_names_get(&names, skt_span_str("Anna"), &v));
    assert_true(skt_names_del(&names, skt_span_str("")));
    assert_false(skt_names_get(&names, (struct skt_span){ 0 }, &v));
    skt_names_done(&names);
    skt_names_done(NULL);
}

static void a_name_may_be_long_but_not_too_long(void **state)
{
    static uint8_t bytes[SKT_NAME_MAX + 1];
    struct skt_names names;
    uint32_t v;

    skt_names_init(&names, 10, 1);
    assert_int_equal(skt_names_put(&names, skt_span_of(bytes, SKT_NAME_MAX + 1), 1), -ENAMETOOLONG);
    assert_int_equal(skt_names_put(&names, skt_span_of(bytes, SKT_NAME_MAX), 7), 0);
    assert_true(skt_names_get(&names, skt_span_of(bytes, SKT_NAME_MAX), &v) && v == 7);
    assert_false(skt_names_get(&names, skt_span_of(bytes, SKT_NAME_MAX - 1), &v));
    skt_names_done(&names);
}

static void one_above_the_cap_is_refused_but_a_known_key_is_not(void **state)
{
    struct skt_names names;
    struct skt_map map;
    uint32_t v;

    assert_int_equal(skt_map_init(&map, (1u << 28) + 1, 1), -EINVAL);
    skt_map_init(&map, 3, 1);
    skt_names_init(&names, 1, 1);
    for (uint64_t i = 0; i < 3; i++)
        assert_int_equal(skt_map_put(&map, i, 0), 0);
    assert_true(skt_map_full(&map));
    assert_int_equal(skt_map_put(&map, 3, 0), -ENOSPC);
    assert_int_equal(skt_map_put(&map, 2, 22), 0);
    assert_true(skt_map_get(&map, 2, &v) && v == 22);
    assert_int_equal(skt_names_put(&names, skt_span_str("a"), 0), 0);
    assert_true(skt_names_full(&names));
    assert_int_equal(skt_names_put(&names, skt_span_str("b"), 0), -ENOSPC);
    skt_map_done(&map);
    skt_names_done(&names);
}

static void without_memory_a_put_fails_and_nothing_is_lost(void **state)
{
    for (long n = 0; n < 40; n++) {
        struct skt_names names;
        uint32_t put = 0, v;
        char text[8];
        int r = 0;

        skt_names_init(&names, 1000, 1);
        allocations_left = n;
        for (; put < 30; put++) {
            snprintf(text, sizeof text, "%u", put);
            if ((r = skt_names_put(&names, skt_span_str(text), put)))
                break;
        }
        allocations_left = -1;
        assert_int_equal(r, n < 30 + 5 ? -ENOMEM : 0); /* 30 copies and tables of 4, 8, 16, 32, 64 */
        assert_int_equal(names.map.n, put);
        for (uint32_t i = 0; i < put; i++) {
            snprintf(text, sizeof text, "%u", i);
            assert_true(skt_names_get(&names, skt_span_str(text), &v) && v == i);
        }
        skt_names_done(&names);
    }
}

/* Writes the keys down in the order of iteration; gives their number. */
static uint32_t keys_of(const struct skt_map *map, uint64_t keys[], uint32_t max)
{
    struct skt_map_iter iter = { 0 };
    uint32_t n = 0;

    while (n < max && skt_map_next(map, &iter))
        keys[n++] = iter.key;
    assert_false(skt_map_next(map, &iter));
    return n;
}

static void the_order_depends_on_the_keys_and_the_seed_alone(void **state)
{
    enum { N = 500 };
    static uint64_t order_a[N], order_b[N], order_c[N];
    struct skt_map a, b, c;

    skt_map_init(&a, 2000, 1);
    skt_map_init(&b, 2000, 1);
    skt_map_init(&c, 2000, 2);
    for (uint64_t i = 0; i < N; i++) {
        skt_map_put(&a, i, 0);
        skt_map_put(&c, i, 0);
    }
    for (uint64_t i = 2000; i-- > 0;)
        skt_map_put(&b, i, 0);
    for (uint64_t i = N; i < 2000; i++)
        assert_true(skt_map_del(&b, i));
    assert_int_equal(keys_of(&a, order_a, N), N);
    assert_int_equal(keys_of(&b, order_b, N), N);
    assert_int_equal(keys_of(&c, order_c, N), N);
    assert_memory_equal(order_a, order_b, sizeof order_a);
    assert_memory_not_equal(order_a, order_c, sizeof order_a);
    skt_map_done(&a);
    skt_map_done(&b);
    skt_map_done(&c);
}

static void a_del_during_iteration_skips_and_repeats_nothing(void **state)
{
    enum { N = 300 };
    struct skt_names names;
    struct skt_names_iter iter = { 0 };
    uint8_t seen[N] = { 0 };
    char text[16];

    skt_names_init(&names, 2 * N, 3);
    for (uint32_t i = 0; i < N; i++) {
        snprintf(text, sizeof text, "%u", i);
        skt_names_put(&names, skt_span_str(text), i);
    }
    for (uint32_t n = 0; skt_names_next(&names, &iter); n++) {
        seen[iter.value]++;
        if (iter.value % 3)
            assert_true(skt_names_del(&names, iter.name));
        snprintf(text, sizeof text, "new %u", n);
        assert_int_equal(skt_names_put(&names, skt_span_str(text), 0), 0); /* it may come, or not; it also grows */
        if (!(n % 2))
            assert_true(skt_names_del(&names, skt_span_str(text)));
        if (n > 3 * N)
            break;
    }
    for (uint32_t i = 1; i < N; i++)
        assert_int_equal(seen[i], 1);
    skt_names_done(&names);
}

/* The invariant that all of map.c rests on: each item at its home or right behind its predecessor, sorted by hash. */
static void check_layout(const struct skt_map *map)
{
    uint32_t n = map->slots ? slots_of(map->shift) : 0, count = 0, after = 0;
    uint64_t hash = 0;

    CHECK(!n || !map->slots[n - 1].size);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t home = (uint32_t)(map->slots[i].hash >> map->shift);

        if (!map->slots[i].size)
            continue;
        CHECK(i == (after > home ? after : home));
        CHECK(map->slots[i].hash >= hash);
        hash = map->slots[i].hash;
        after = i + 1;
        count++;
    }
    CHECK(count == map->n);
}

enum { KEYS = 120 };

static void check_numbers(const struct skt_map *map, const uint32_t model[KEYS])
{
    struct skt_map_iter iter = { 0 };
    uint32_t count = 0, v;

    for (uint64_t key = 0; key < KEYS; key++) {
        v = 0;
        CHECK(skt_map_get(map, key * key, &v) == (model[key] != 0));
        CHECK(v == model[key]);
        count += model[key] != 0;
    }
    CHECK(map->n == count);
    while (skt_map_next(map, &iter) && count--)
        CHECK(skt_map_get(map, iter.key, &v) && v == iter.value);
    CHECK(count == 0);
}

static void numbers_agree_with_a_model_even_if_hashes_collide(void **state)
{
    FOR_SEEDS(100)
    {
        uint32_t model[KEYS] = { 0 }; /* 0: not there */
        struct skt_random random;
        struct skt_map map;
        uint64_t fill;

        spoil_hashes(unit_seed);
        skt_random_init(&random, unit_seed);
        fill = 1 + skt_random_below(&random, 9);
        skt_map_init(&map, KEYS * 3 / 4, unit_seed);
        for (uint32_t step = 1; step < 400; step++) {
            uint64_t key = skt_random_below(&random, KEYS);
            bool there = model[key];

            if (skt_random_below(&random, 10) < fill) {
                bool full = map.n == KEYS * 3 / 4;

                CHECK(skt_map_put(&map, key * key, step) == (full && !there ? -ENOSPC : 0));
                model[key] = full && !there ? 0 : step;
            } else {
                CHECK(skt_map_del(&map, key * key) == there);
                model[key] = 0;
            }
            check_layout(&map);
            if (step % 16 == 0)
                check_numbers(&map, model);
        }
        skt_map_done(&map);
    }
    spoil_hashes(0);
}

/* Some names are prefixes of others, and some differ in the last byte only. */
static struct skt_span name_of(uint64_t key)
{
    static uint8_t bytes[KEYS];

    memset(bytes, 'n', sizeof bytes);
    if (key % 3 == 0 && key)
        bytes[key / 3] = (uint8_t)key;
    return skt_span_of(bytes, (size_t)(key / 3 + 1 + key % 3));
}

static void names_agree_with_a_model_even_if_hashes_collide(void **state)
{
    FOR_SEEDS(100)
    {
        uint32_t model[KEYS] = { 0 }, v;
        uint64_t same[KEYS]; /* the first key with the same name */
        struct skt_random random;
        struct skt_names names;

        spoil_hashes(unit_seed);
        skt_random_init(&random, unit_seed);
        skt_names_init(&names, KEYS, unit_seed);
        for (uint64_t key = 0; key < KEYS; key++) {
            uint8_t bytes[KEYS];
            struct skt_span name = name_of(key);

            memcpy(bytes, name.p, skt_len(name));
            name.p = bytes;
            name.end = bytes + skt_len(name_of(key));
            for (same[key] = 0; !skt_span_eq(name_of(same[key]), name); same[key]++) {
            }
        }
        for (uint32_t step = 1; step < 300; step++) {
            uint64_t key = same[skt_random_below(&random, KEYS)];

            if (skt_random_below(&random, 3)) {
                CHECK(!skt_names_put(&names, name_of(key), step));
                model[key] = step;
            } else {
                CHECK(skt_names_del(&names, name_of(key)) == (model[key] != 0));
                model[key] = 0;
            }
            check_layout(&names.map);
            key = same[skt_random_below(&random, KEYS)];
            v = 0;
            CHECK(skt_names_get(&names, name_of(key), &v) == (model[key] != 0));
            CHECK(v == model[key]);
        }
        skt_names_done(&names);
    }
    spoil_hashes(0);
}

RUN(T(what_was_put_is_got_until_it_is_deleted), T(names_are_bytes_and_are_copied),
    T(a_name_may_be_long_but_not_too_long), T(one_above_the_cap_is_refused_but_a_known_key_is_not),
    T(without_memory_a_put_fails_and_nothing_is_lost), T(the_order_depends_on_the_keys_and_the_seed_alone),
    T(a_del_during_iteration_skips_and_repeats_nothing), T(numbers_agree_with_a_model_even_if_hashes_collide),
    T(names_agree_with_a_model_even_if_hashes_collide))
