/* crypt: CPACE-RISTR255-SHA512 of draft-irtf-cfrg-cpace-21 (sections 7.2, 8.1, 8.3) on libsodium's ristretto255. */
#include "drive/plug/crypt.h"

#include <errno.h>
#include <sodium.h>

static_assert(SKT_POINT == crypto_core_ristretto255_BYTES, "a share is a point");
static_assert(SKT_SCALAR == crypto_core_ristretto255_SCALARBYTES, "");
static_assert(SKT_CHANCE == crypto_core_ristretto255_NONREDUCEDSCALARBYTES, "");
static_assert(SKT_ISK == crypto_hash_sha512_BYTES, "");

enum { BLOCK = 128 /* bytes that SHA-512 takes at once */ };

static const char dsi[] = "CPaceRistretto255", dsi_isk[] = "CPaceRistretto255_ISK";

static size_t put_leb128(uint8_t *to, uint64_t v)
{
    size_t n = 0;

    for (; v >= 128; v >>= 7)
        to[n++] = (uint8_t)(v | 128);
    to[n++] = (uint8_t)v;
    return n;
}

/* The draft's prepend_len: the length as LEB128, then the bytes. What it takes of the hash: their number. */
static size_t add(crypto_hash_sha512_state *hash, struct skt_span bytes)
{
    uint8_t head[10]; /* 64 bits by 7 */
    size_t n = put_leb128(head, skt_len(bytes));

    (void)crypto_hash_sha512_update(hash, head, n); /* always 0, as are its like */
    if (skt_len(bytes))
        (void)crypto_hash_sha512_update(hash, bytes.p, skt_len(bytes));
    return n + skt_len(bytes);
}

static void end(crypto_hash_sha512_state *hash, uint8_t *ret_hash)
{
    (void)crypto_hash_sha512_final(hash, ret_hash);
    sodium_memzero(hash, sizeof *hash);
}

/* Section 8.1: zeros fill the first block, so that its time does not tell how long a short password is. */
static void find_generator(struct skt_span prs, struct skt_span ci, struct skt_span sid, uint8_t *ret_point)
{
    static const uint8_t zeros[BLOCK];
    uint8_t digest[crypto_core_ristretto255_HASHBYTES];
    crypto_hash_sha512_state hash;
    size_t used;

    (void)crypto_hash_sha512_init(&hash);
    used = add(&hash, skt_span_str(dsi));
    used += add(&hash, prs);
    (void)add(&hash, skt_span_of(zeros, used < BLOCK ? BLOCK - 1 - used : 0));
    (void)add(&hash, ci);
    (void)add(&hash, sid);
    end(&hash, digest);
    (void)crypto_core_ristretto255_from_hash(ret_point, digest);
    sodium_memzero(digest, sizeof digest);
}

void crypt_share(struct skt_span prs, struct skt_span ci, struct skt_span sid, const uint8_t *chance,
    uint8_t *ret_scalar, uint8_t *ret_share)
{
    uint8_t generator[SKT_POINT];

    find_generator(prs, ci, sid, generator);
    crypto_core_ristretto255_scalar_reduce(ret_scalar, chance);
    if (crypto_scalarmult_ristretto255(ret_share, ret_scalar, generator))
        memset(ret_share, 0, SKT_POINT); /* one chance of 2^251: the neutral element, which the peer refuses */
    sodium_memzero(generator, sizeof generator);
}

/* RFC 9496 4.3.1: an encoding of 2^255 and above is none; libsodium 1.0.18 passes over that bit. */
static bool is_canonical(const uint8_t *point) { return !(point[SKT_POINT - 1] & 0x80); }

bool crypt_is_point(const uint8_t *theirs)
{
    static const uint8_t neutral[SKT_POINT];

    return is_canonical(theirs) && memcmp(theirs, neutral, SKT_POINT) != 0 &&
           crypto_core_ristretto255_is_valid_point(theirs);
}

int crypt_isk(const uint8_t *scalar, const uint8_t *theirs, struct skt_span sid, const uint8_t *ya, struct skt_span ada,
    const uint8_t *yb, struct skt_span adb, uint8_t *ret_isk)
{
    crypto_hash_sha512_state hash;
    uint8_t k[SKT_POINT];

    if (!is_canonical(theirs) || crypto_scalarmult_ristretto255(k, scalar, theirs)) /* -1: no point, or neutral */
        return -EINVAL;
    (void)crypto_hash_sha512_init(&hash);
    (void)add(&hash, skt_span_str(dsi_isk));
    (void)add(&hash, sid);
    (void)add(&hash, skt_span_of(k, sizeof k));
    (void)add(&hash, skt_span_of(ya, SKT_POINT));
    (void)add(&hash, ada);
    (void)add(&hash, skt_span_of(yb, SKT_POINT));
    (void)add(&hash, adb);
    end(&hash, ret_isk);
    sodium_memzero(k, sizeof k);
    return 0;
}
