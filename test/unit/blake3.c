/* base/blake3.c: the hashes of test/vectors/blake3.txt, and that each way to the same bytes gives the same hash. */
#include "seed.h"

#include "base/blake3.h"
#include "base/random.h"

#include <stdio.h>
#include <sys/mman.h>

enum { CHUNK = 1024, BYTES_MAX = 6 * SKT_GROUP };

static const unsigned widths[] = { 1, 4, 8, 16 };
static uint8_t bytes[BYTES_MAX];

static int count(void **state)
{
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i % 251);
    return 0;
}

static struct skt_span group_of(uint64_t index, size_t size)
{
    size_t at = (size_t)index * SKT_GROUP;

    return skt_span_of(bytes + at, size - at < SKT_GROUP ? size - at : SKT_GROUP);
}

static void hash_by_groups(unsigned lanes, size_t size, uint8_t *ret_hash)
{
    struct skt_tree tree;
    uint8_t value[SKT_HASH];

    skt_tree_init(&tree);
    for (uint64_t i = 0; i < skt_groups(size); i++) {
        skt_group_hash_lanes(lanes, i, size, group_of(i, size), value);
        skt_tree_add(&tree, value);
    }
    skt_tree_root(&tree, ret_hash);
}

static void is_hash(const uint8_t *hash, const char *want, size_t size, const char *way)
{
    char text[2 * SKT_HASH + 1];

    for (size_t i = 0; i < SKT_HASH; i++)
        snprintf(text + 2 * i, 3, "%02x", hash[i]);
    if (strcmp(text, want) != 0)
        fail_msg("%zu bytes, %s: %s, not %s", size, way, text, want);
}

static void all_ways_give(size_t size, const char *want)
{
    struct skt_hasher hasher;
    uint8_t hash[SKT_HASH];

    assert_true(size <= sizeof bytes);
    skt_blake3(skt_span_of(bytes, size), hash);
    is_hash(hash, want, size, "at once");
    skt_hasher_init(&hasher);
    skt_hasher_add(&hasher, skt_span_of(bytes, size));
    skt_hasher_end(&hasher, hash);
    is_hash(hash, want, size, "by a hasher");
    for (size_t w = 0; w < 4 && widths[w] <= skt_blake3_lanes(); w++) {
        char way[32];

        snprintf(way, sizeof way, "by groups, %u lanes", widths[w]);
        hash_by_groups(widths[w], size, hash);
        is_hash(hash, want, size, way);
    }
}

static void bytes_hash_as_b3sum_says(void **state)
{
    FILE *f = fopen(TEST_SOURCE "/vectors/blake3.txt", "r");
    char line[128], want[65];
    unsigned cases = 0;
    size_t size;

    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        if (*line == '#' || *line == '\n')
            continue;
        assert_int_equal(sscanf(line, "%zu %64s", &size, want), 2);
        all_ways_give(size, want);
        cases++;
    }
    fclose(f);
    assert_true(cases > 40);
}

/* The scalar way is the measure; what fills some lanes and not others is where they may part. */
static void all_widths_agree_on_any_count_of_chunks(void **state)
{
    static const uint64_t index[] = { 0, 1, (uint64_t)1 << 22, ((uint64_t)1 << 44) - 1 };

    for (size_t n = 0; n < 70 * (size_t)CHUNK; n += n % CHUNK ? CHUNK - 1 : 1)
        for (size_t i = 0; i < 4; i++) {
            struct skt_span all = skt_span_of(bytes, n);
            uint64_t size = index[i] * SKT_GROUP + n;
            uint8_t one[SKT_HASH], many[SKT_HASH];

            if (!n && index[i])
                continue;
            skt_group_hash_lanes(1, index[i], size, all, one);
            for (size_t w = 1; w < 4 && widths[w] <= skt_blake3_lanes(); w++) {
                skt_group_hash_lanes(widths[w], index[i], size, all, many);
                assert_memory_equal(many, one, SKT_HASH);
            }
            skt_group_hash(index[i], size, all, many);
            assert_memory_equal(many, one, SKT_HASH);
        }
}

static void pieces_of_any_size_give_the_hash_of_the_whole(void **state)
{
    FOR_SEEDS(200)
    {
        struct skt_random random;
        struct skt_hasher hasher;
        uint8_t hash[SKT_HASH], want[SKT_HASH];
        size_t size, most;

        skt_random_init(&random, unit_seed);
        size = (size_t)skt_random_below(&random, unit_seed % 8 ? 20000 : SKT_GROUP + 20000);
        most = (size_t)1 << skt_random_below(&random, 17);
        skt_hasher_init(&hasher);
        for (size_t at = 0, n; at < size; at += n) {
            n = (size_t)skt_random_below(&random, most + 1);
            if (n > size - at)
                n = size - at;
            skt_hasher_add(&hasher, skt_span_of(bytes + at, n));
        }
        skt_hasher_end(&hasher, hash);
        skt_blake3(skt_span_of(bytes, size), want);
        CHECK(!memcmp(hash, want, SKT_HASH));
    }
}

static void a_hasher_that_was_asked_goes_on(void **state)
{
    struct skt_hasher hasher;
    uint8_t hash[SKT_HASH], want[SKT_HASH];

    skt_hasher_init(&hasher);
    for (size_t at = 0; at < 5 * (size_t)CHUNK; at += 64) {
        skt_hasher_end(&hasher, hash);
        skt_blake3(skt_span_of(bytes, at), want);
        assert_memory_equal(hash, want, SKT_HASH);
        skt_hasher_add(&hasher, skt_span_of(bytes + at, 64));
    }
}

/* The number of a chunk has two words: lanes on both sides of 2^32 carry, each for itself. */
static void a_hasher_passes_4_tib(void **state)
{
    struct skt_hasher by_many, by_one;
    uint8_t many[SKT_HASH], one[SKT_HASH];

    skt_hasher_init(&by_many);
    memset(by_many.tree.stack, 7, sizeof by_many.tree.stack);
    by_many.tree.groups = ((uint64_t)1 << 32) - 5;
    by_one = by_many;
    skt_hasher_add(&by_many, skt_span_of(bytes, 17 * (size_t)CHUNK));
    for (size_t i = 0; i < 17 * (size_t)CHUNK; i += 64)
        skt_hasher_add(&by_one, skt_span_of(bytes + i, 64));
    skt_hasher_end(&by_many, many);
    skt_hasher_end(&by_one, one);
    assert_true(by_many.tree.groups == ((uint64_t)1 << 32) + 11);
    assert_memory_equal(many, one, SKT_HASH);
}

/* A lane without an input has to take something, but nothing that is not there: behind the bytes is a page of no access. */
static void nothing_is_read_behind_the_bytes(void **state)
{
    enum { ROOM = 64 * CHUNK, GUARD = 64 * CHUNK };
    uint8_t *room = mmap(NULL, ROOM + GUARD, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    assert_true(room != MAP_FAILED);
    assert_int_equal(mprotect(room + ROOM, GUARD, PROT_NONE), 0);
    for (size_t n = 1; n < 40 * (size_t)CHUNK; n += n % CHUNK ? CHUNK - 1 : 1) {
        uint8_t hash[SKT_HASH], want[SKT_HASH];
        uint8_t *p = room + ROOM - n;

        memcpy(p, bytes, n);
        skt_group_hash_lanes(1, 0, n, skt_span_of(bytes, n), want);
        for (size_t w = 0; w < 4 && widths[w] <= skt_blake3_lanes(); w++) {
            skt_group_hash_lanes(widths[w], 0, n, skt_span_of(p, n), hash);
            assert_memory_equal(hash, want, SKT_HASH);
        }
    }
    munmap(room, ROOM + GUARD);
}

static void zeros_hash_as_zeros_that_are_there(void **state)
{
    static const size_t sizes[] = { 0, 1, 1024, 1025, 5000, SKT_GROUP - 1, SKT_GROUP };
    static const uint64_t index[] = { 0, 3, 5000000 };
    static const uint8_t zeros[SKT_GROUP];
    uint8_t hash[SKT_HASH], want[SKT_HASH];

    for (size_t i = 0; i < 3; i++)
        for (size_t s = i ? 1 : 0; s < sizeof sizes / sizeof *sizes; s++) {
            uint64_t size = index[i] * SKT_GROUP + sizes[s];

            skt_group_hash_zeros(index[i], size, hash);
            skt_group_hash(index[i], size, skt_span_of(zeros, sizes[s]), want);
            assert_memory_equal(hash, want, SKT_HASH);
        }
}

static void damage_shows_in_its_group_alone(void **state)
{
    enum { SIZE = 2 * SKT_GROUP + 70000 };
    uint8_t before[3][SKT_HASH], after[SKT_HASH];

    for (uint64_t i = 0; i < 3; i++)
        skt_group_hash(i, SIZE, group_of(i, SIZE), before[i]);
    bytes[SKT_GROUP + 4711] ^= 1;
    for (uint64_t i = 0; i < 3; i++) {
        skt_group_hash(i, SIZE, group_of(i, SIZE), after);
        assert_int_equal(!memcmp(before[i], after, SKT_HASH), i != 1);
    }
    bytes[SKT_GROUP + 4711] ^= 1;
}

static void groups_that_are_alike_differ_by_their_place(void **state)
{
    uint8_t first[SKT_HASH], second[SKT_HASH], alone[SKT_HASH];

    skt_group_hash_zeros(0, 2 * SKT_GROUP, first);
    skt_group_hash_zeros(1, 2 * SKT_GROUP, second);
    skt_group_hash_zeros(0, SKT_GROUP, alone);
    assert_memory_not_equal(first, second, SKT_HASH);
    assert_memory_not_equal(first, alone, SKT_HASH); /* the only group's value is the hash of the file */
}

static void an_empty_file_has_a_group_and_the_largest_has_2_to_the_44(void **state)
{
    assert_true(skt_groups(0) == 1 && skt_groups(1) == 1);
    assert_true(skt_groups(SKT_GROUP) == 1 && skt_groups(SKT_GROUP + 1) == 2);
    assert_true(skt_groups(UINT64_MAX) == (uint64_t)1 << 44);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(bytes_hash_as_b3sum_says),
        T(all_widths_agree_on_any_count_of_chunks),
        T(pieces_of_any_size_give_the_hash_of_the_whole),
        T(a_hasher_that_was_asked_goes_on),
        T(a_hasher_passes_4_tib),
        T(nothing_is_read_behind_the_bytes),
        T(zeros_hash_as_zeros_that_are_there),
        T(damage_shows_in_its_group_alone),
        T(groups_that_are_alike_differ_by_their_place),
        T(an_empty_file_has_a_group_and_the_largest_has_2_to_the_44),
    };

    return cmocka_run_group_tests(tests, count, NULL);
}
