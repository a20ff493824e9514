/* base/random.c: chance that can be had again. */
#include "test.h"

#include "base/random.h"

static void the_same_seed_gives_the_same_numbers(void **state)
{
    struct skt_random a, b, c;

    skt_random_init(&a, 42);
    skt_random_init(&b, 42);
    skt_random_init(&c, 43);
    for (int i = 0; i < 100; i++) {
        uint64_t x = skt_random_u64(&a);

        assert_true(x == skt_random_u64(&b));
        assert_true(x != skt_random_u64(&c));
    }
}

/* From the state 1, 2, 3, 4; the first by hand: rotl(2 * 5, 7) * 9 = 11520, and it leaves s[1] = 0, hence the second. */
static void it_is_xoshiro256starstar(void **state)
{
    static const uint64_t want[] = { 11520, 0, 1509978240, 1215971899390074240 };
    struct skt_random random = { { 1, 2, 3, 4 } };

    for (size_t i = 0; i < sizeof want / sizeof *want; i++)
        assert_true(skt_random_u64(&random) == want[i]);
}

/* splitmix64 from state 0: the published first outputs. */
static void seed_zero_is_as_good_as_any(void **state)
{
    struct skt_random random;

    skt_random_init(&random, 0);
    assert_true(random.s[0] == 0xe220a8397b1dcdaf);
    assert_true(random.s[1] == 0x6e789e6aa1b965f4);
    assert_true(random.s[2] == 0x06c45d188009454f);
}

/* Each of n numbers in N draws: within six standard deviations of N / n, which chance leaves once in 10^9. */
static void below_is_fair(void **state)
{
    enum { N = 100000 };
    static const uint32_t sizes[] = { 1, 2, 3, 7, 10, 100 };
    struct skt_random random;

    skt_random_init(&random, 1);
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        uint32_t count[100] = { 0 }, n = sizes[k];
        double mean = (double)N / n, variance = mean * (1 - 1.0 / n);

        for (int i = 0; i < N; i++) {
            uint64_t x = skt_random_below(&random, n);

            assert_true(x < n);
            count[x]++;
        }
        for (uint32_t i = 0; i < n; i++)
            assert_true((count[i] - mean) * (count[i] - mean) <= 36 * variance);
    }
}

/* Of n = 3 * 2^62 a plain remainder would hit the first third twice as often as each of the others: 1/2 of all. */
static void below_is_fair_where_a_remainder_is_not(void **state)
{
    struct skt_random random;
    int low = 0;

    skt_random_init(&random, 2);
    for (int i = 0; i < 30000; i++)
        low += skt_random_below(&random, 3ull << 62) < 1ull << 62;
    assert_in_range(low, 10000 - 500, 10000 + 500); /* six deviations of 82 */
}

static void unit_is_at_least_zero_and_below_one(void **state)
{
    struct skt_random random;
    double sum = 0, lowest = 1, highest = 0;

    skt_random_init(&random, 3);
    for (int i = 0; i < 100000; i++) {
        double x = skt_random_unit(&random);

        assert_true(0 <= x && x < 1);
        sum += x;
        lowest = x < lowest ? x : lowest;
        highest = x > highest ? x : highest;
    }
    assert_true(.494 < sum / 100000 && sum / 100000 < .506);
    assert_true(lowest < .001 && highest > .999);

    struct skt_random top = { { 0, UINT64_MAX / 5, 0, 0 } };
    assert_true(skt_random_unit(&top) < 1);
}

static void fill_fills_all_of_a_room_of_any_length(void **state)
{
    for (size_t n = 0; n < 20; n++) {
        uint8_t bytes[21], ones[20] = { 0 };
        struct skt_random random;

        skt_random_init(&random, n);
        bytes[n] = 0xaa;
        for (int round = 0; round < 64; round++) {
            struct skt_room out = skt_room_of(bytes, n);

            skt_random_fill(&random, &out);
            assert_true(out.p == bytes + n && !out.bad);
            for (size_t i = 0; i < n; i++)
                ones[i] |= bytes[i];
        }
        for (size_t i = 0; i < n; i++)
            assert_int_equal(ones[i], 0xff); /* of 64 random bytes each bit is set in one at least */
        assert_int_equal(bytes[n], 0xaa);
    }
}

/* One bit of one argument changes about half of the bits of the hash: 32, give or take six deviations of 4. */
static void hash64_spreads_every_bit_of_every_argument(void **state)
{
    for (int arg = 0; arg < 4; arg++) {
        for (int bit = 0; bit < 64; bit++) {
            uint64_t v[4] = { 1, 2, 3, 4 }, h = skt_hash64(1, 2, 3, 4);
            int changed;

            v[arg] ^= 1ull << bit;
            changed = __builtin_popcountll(h ^ skt_hash64(v[0], v[1], v[2], v[3]));
            assert_in_range(changed, 32 - 24, 32 + 24);
        }
    }
    assert_true(skt_hash64(1, 2, 3, 4) != skt_hash64(2, 1, 3, 4));
    assert_true(skt_hash64(0, 0, 0, 0) != skt_hash64(0, 0, 0, 1));
}

/* Key 00..0f, input 00..0e: the example of the paper, appendix A; the others from the vectors of its authors. */
static void siphash_gives_the_published_values(void **state)
{
    uint8_t bytes[15];

    for (uint8_t i = 0; i < sizeof bytes; i++)
        bytes[i] = i;
    assert_true(skt_siphash(0x0706050403020100, 0x0f0e0d0c0b0a0908, skt_span_of(bytes, 15)) == 0xa129ca6149be45e5);
    assert_true(skt_siphash(0x0706050403020100, 0x0f0e0d0c0b0a0908, skt_span_of(bytes, 0)) == 0x726fdb47dd0e0e31);
    assert_true(skt_siphash(0x0706050403020100, 0x0f0e0d0c0b0a0908, skt_span_of(bytes, 8)) == 0x93f5f5799a932462);
    assert_true(skt_siphash(0x0706050403020100, 0x0f0e0d0c0b0a0908, (struct skt_span){ 0 }) == 0x726fdb47dd0e0e31);
}

RUN(T(the_same_seed_gives_the_same_numbers), T(it_is_xoshiro256starstar), T(seed_zero_is_as_good_as_any),
    T(below_is_fair), T(below_is_fair_where_a_remainder_is_not), T(unit_is_at_least_zero_and_below_one),
    T(fill_fills_all_of_a_room_of_any_length), T(hash64_spreads_every_bit_of_every_argument),
    T(siphash_gives_the_published_values))
