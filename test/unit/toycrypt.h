#pragma once
/* toycrypt: a table of engine/xfer's cryptography without any: quick, the same on every machine, and readable in a capture.
 * Texts are not encrypted; but a wrong key, a changed bit or a wrong password is seen, as with the true one. */
#include "base/crypt.h"
#include "base/random.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct skt_aead {
    uint64_t k0, k1;
};

static inline uint64_t toy_u64(const uint8_t *p)
{
    struct skt_span in = skt_span_of(p, 8);

    return skt_get_u64(&in);
}

static inline struct skt_aead *toy_aead_new(const uint8_t *key, const uint8_t *iv)
{
    struct skt_aead *aead = malloc(sizeof *aead);

    if (aead)
        *aead = (struct skt_aead){ toy_u64(key) ^ toy_u64(iv), toy_u64(key + 8) };
    return aead;
}

static inline void toy_aead_free(struct skt_aead *aead) { free(aead); }

static inline void toy_tag(const struct skt_aead *aead, uint64_t number, const uint8_t *packet, size_t n, uint8_t *ret)
{
    struct skt_room room = skt_room_of(ret, SKT_AEAD_TAG);
    uint64_t tag = skt_siphash(aead->k0 ^ number, aead->k1, skt_span_of(packet, n));

    skt_put_u64(&room, tag);
    skt_put_u64(&room, ~tag);
}

static inline void toy_seal(struct skt_aead *aead, uint64_t number, uint8_t *packet, size_t len, size_t head)
{
    toy_tag(aead, number, packet, len - SKT_AEAD_TAG, packet + len - SKT_AEAD_TAG);
}

static inline bool toy_open(
    struct skt_aead *aead, uint64_t number, const uint8_t *packet, size_t len, size_t head, uint8_t *text)
{
    uint8_t tag[SKT_AEAD_TAG];

    toy_tag(aead, number, packet, len - SKT_AEAD_TAG, tag);
    memcpy(text, packet + head, len - head - SKT_AEAD_TAG);
    return !memcmp(tag, packet + len - SKT_AEAD_TAG, SKT_AEAD_TAG);
}

static inline void toy_seal_tail(
    struct skt_aead *aead, uint64_t number, uint8_t *packet, size_t len, size_t head, struct skt_span tail)
{
    memcpy(packet + len - SKT_AEAD_TAG - skt_len(tail), tail.p, skt_len(tail));
    toy_seal(aead, number, packet, len, head);
}

static inline bool toy_open_tail(struct skt_aead *aead, uint64_t number, const uint8_t *packet, size_t len, size_t head,
    uint8_t *text, struct skt_room tail)
{
    uint8_t tag[SKT_AEAD_TAG];
    size_t first = len - head - skt_left(tail) - SKT_AEAD_TAG;

    toy_tag(aead, number, packet, len - SKT_AEAD_TAG, tag);
    memcpy(text, packet + head, first);
    memcpy(tail.p, packet + head + first, skt_left(tail));
    return !memcmp(tag, packet + len - SKT_AEAD_TAG, SKT_AEAD_TAG);
}

/* n bytes that depend on all that is given. */
static inline void toy_mix(uint64_t key, struct skt_span a, struct skt_span b, uint8_t *ret, size_t n)
{
    uint64_t x = skt_siphash(key, 1, a), y = skt_siphash(key, 2, b);

    for (size_t i = 0; i < n; i++)
        ret[i] = (uint8_t)(skt_hash64(x, y, i / 8, n) >> i % 8 * 8);
}

static inline void toy_hmac(const uint8_t *key, size_t len, struct skt_span text, uint8_t *ret_mac)
{
    toy_mix(3, skt_span_of(key, len), text, ret_mac, SKT_SHA256);
}

static inline void toy_extract(struct skt_span salt, struct skt_span secret, uint8_t *ret_prk)
{
    toy_mix(4, salt, secret, ret_prk, SKT_SHA256);
}

static inline void toy_expand(const uint8_t *prk, const char *label, struct skt_span context, uint8_t *ret, size_t len)
{
    uint8_t info[200];
    struct skt_room room = skt_room_of(info, sizeof info);

    skt_put_str(&room, label);
    skt_put_u8(&room, 0);
    skt_put(&room, context);
    toy_mix(5, skt_span_of(prk, SKT_SHA256), skt_span_of(info, (size_t)(room.p - info)), ret, len);
}

/* Diffie-Hellman modulo 2^61 - 1, with a generator that the password makes: right for equal passwords alone. */
#define TOY_PRIME (((uint64_t)1 << 61) - 1)
__extension__ typedef unsigned __int128 toy_u128;
static inline uint64_t toy_power(uint64_t base, uint64_t e)
{
    uint64_t r = 1;

    for (; e; e >>= 1) {
        if (e & 1)
            r = (uint64_t)((toy_u128)r * base % TOY_PRIME);
        base = (uint64_t)((toy_u128)base * base % TOY_PRIME);
    }
    return r;
}

static inline void toy_put_point(uint64_t v, uint8_t *ret)
{
    struct skt_room room = skt_room_of(ret, 8);

    memset(ret, 0, SKT_POINT);
    skt_put_u64(&room, v);
}

static inline void toy_share(struct skt_span prs, struct skt_span ci, struct skt_span sid, const uint8_t *chance,
    uint8_t *ret_scalar, uint8_t *ret_share)
{
    uint64_t g = skt_siphash(skt_siphash(6, 0, ci), skt_siphash(7, 0, sid), prs) % (TOY_PRIME - 2) + 2;

    memcpy(ret_scalar, chance, SKT_SCALAR);
    toy_put_point(toy_power(g, toy_u64(chance)), ret_share);
}

static inline bool toy_is_point(const uint8_t *theirs) { return toy_u64(theirs) >= 2 && toy_u64(theirs) < TOY_PRIME; }

static inline int toy_isk(const uint8_t *scalar, const uint8_t *theirs, struct skt_span sid, const uint8_t *ya,
    struct skt_span ada, const uint8_t *yb, struct skt_span adb, uint8_t *ret_isk)
{
    uint64_t k = toy_power(toy_u64(theirs), toy_u64(scalar));

    if (!toy_is_point(theirs))
        return -EINVAL;
    k = skt_siphash(k, skt_siphash(8, 0, sid), ada) ^ skt_siphash(k, 9, adb);
    toy_mix(k, skt_span_of(ya, SKT_POINT), skt_span_of(yb, SKT_POINT), ret_isk, SKT_ISK);
    return 0;
}

static const struct skt_crypt toycrypt = { .name = "toy",
    .aead_new = toy_aead_new,
    .aead_free = toy_aead_free,
    .seal = toy_seal,
    .open = toy_open,
    .seal_tail = toy_seal_tail,
    .open_tail = toy_open_tail,
    .hmac = toy_hmac,
    .extract = toy_extract,
    .expand = toy_expand,
    .is_point = toy_is_point,
    .share = toy_share,
    .isk = toy_isk };
