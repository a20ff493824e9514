#pragma once
#include <sockit/bytes.h>

/* random: chance as an argument. xoshiro256**: the same seed gives the same numbers on every machine. Not for secrets. */
struct skt_random {
    uint64_t s[4];
};

void skt_random_init(struct skt_random *random, uint64_t seed); /* any seed, also 0 */
uint64_t skt_random_u64(struct skt_random *random);
uint64_t skt_random_below(struct skt_random *random, uint64_t n);      /* 0..n-1, each as likely; n > 0 */
double skt_random_unit(struct skt_random *random);                     /* 0 <= x < 1, 53 bits */
void skt_random_fill(struct skt_random *random, struct skt_room *out); /* the whole rest of out */

/* A number that depends on all bits of its arguments, without state: one chance per (seed, who, what, when). */
uint64_t skt_hash64(uint64_t a, uint64_t b, uint64_t c, uint64_t d);

/* SipHash-2-4: a keyed hash; who does not know the key cannot aim at a value. */
uint64_t skt_siphash(uint64_t k0, uint64_t k1, struct skt_span in);
