/* random: numbers by chance that can be had again. */
#include "base/random.h"

#include <assert.h>

#include "base/banned.h"

static uint64_t rotate(uint64_t x, unsigned n) { return x << n | x >> (64 - n); } /* 0 < n < 64 */

/* The finaliser of splitmix64: each bit of x changes each bit of the result with a chance near one half. */
static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    return x ^ x >> 31;
}

enum { STATES = 4 };
static const uint64_t golden = 0x9e3779b97f4a7c15; /* 2^64 / phi: splitmix64's step */

/* splitmix64 spreads the seed, as the authors of xoshiro advise; its four outputs are never all zero. */
void skt_random_init(struct skt_random *random, uint64_t seed)
{
    for (unsigned i = 0; i < STATES; i++)
        random->s[i] = mix(seed += golden);
}

/* xoshiro256** 1.0, Blackman and Vigna 2018; unsigned wrap is meant. */
uint64_t skt_random_u64(struct skt_random *random)
{
    uint64_t *s = random->s, result = rotate(s[1] * 5, 7) * 9, shifted = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = rotate(s[3], 45);
    return result;
}

/* Draws again below 2^64 mod n, so that the rest is a multiple of n: no number is likelier than another. */
uint64_t skt_random_below(struct skt_random *random, uint64_t n)
{
    uint64_t x, surplus;

    assert(n);
    surplus = (0 - n) % n;
    do
        x = skt_random_u64(random);
    while (x < surplus);
    return x % n;
}

double skt_random_unit(struct skt_random *random) { return (double)(skt_random_u64(random) >> 11) * 0x1p-53; }

void skt_random_fill(struct skt_random *random, struct skt_room *out)
{
    while (skt_left(*out) >= sizeof(uint64_t))
        skt_put_u64(out, skt_random_u64(random));
    for (uint64_t x = skt_left(*out) ? skt_random_u64(random) : 0; skt_left(*out); x >>= 8)
        skt_put_u8(out, (uint8_t)x);
}

uint64_t skt_hash64(uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    uint64_t h = mix(a + golden);

    h = mix((h ^ b) + golden);
    h = mix((h ^ c) + golden);
    return mix((h ^ d) + golden);
}

/* ---- SipHash-2-4, Aumasson and Bernstein 2012 ---- */

static void sip_rounds(uint64_t v[4], int n)
{
    while (n--) {
        v[0] += v[1];
        v[2] += v[3];
        v[1] = rotate(v[1], 13) ^ v[0];
        v[3] = rotate(v[3], 16) ^ v[2];
        v[0] = rotate(v[0], 32) + v[3];
        v[2] += v[1];
        v[3] = rotate(v[3], 21) ^ v[0];
        v[1] = rotate(v[1], 17) ^ v[2];
        v[2] = rotate(v[2], 32);
    }
}

static void sip_word(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    sip_rounds(v, 2);
    v[0] ^= word;
}

uint64_t skt_siphash(uint64_t k0, uint64_t k1, struct skt_span in)
{
    uint64_t v[4] = { k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261,
        k1 ^ 0x7465646279746573 };
    uint64_t word, last = (uint64_t)skt_len(in) << 56; /* only the low byte of the length counts */

    for (; skt_len(in) >= sizeof word; in.p += sizeof word) {
        memcpy(&word, in.p, sizeof word); /* 15 ns for a number; with the loop below for all bytes it was 19 */
        sip_word(v, __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? word : __builtin_bswap64(word));
    }
    for (size_t i = 0; i < skt_len(in); i++)
        last |= (uint64_t)in.p[i] << (8 * i);
    sip_word(v, last);
    v[2] ^= 0xff;
    sip_rounds(v, 4);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}
