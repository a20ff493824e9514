#pragma once
#include "drive/crypt.h"

#include <assert.h>
#include <endian.h>

/* What the files of the module share: crypt.c chooses, crypt_hash.c and crypt_cpace.c make keys and need no memory for
 * it, crypt_mb.c and crypt_ossl.c encrypt packets. */

/* Puts name, aead_new, aead_free, seal and open to the table. */
void crypt_ossl(struct skt_crypt *crypt);
bool crypt_mb(struct skt_crypt *crypt); /* false: not for this machine; the table is as it was */

void crypt_hmac(const uint8_t *key, size_t len, struct skt_span text, uint8_t *ret_mac);
void crypt_extract(struct skt_span salt, struct skt_span secret, uint8_t *ret_prk);
void crypt_expand(const uint8_t *prk, const char *label, struct skt_span context, uint8_t *ret, size_t len);

void crypt_share(struct skt_span prs, struct skt_span ci, struct skt_span sid, const uint8_t *chance,
    uint8_t *ret_scalar, uint8_t *ret_share);
bool crypt_is_point(const uint8_t *theirs);
int crypt_isk(const uint8_t *scalar, const uint8_t *theirs, struct skt_span sid, const uint8_t *ya, struct skt_span ada,
    const uint8_t *yb, struct skt_span adb, uint8_t *ret_isk);

/* RFC 9001 section 5.3: the packet's number, big-endian, to the right of the IV's length, is added to the IV. */
static inline void crypt_nonce(const uint8_t *iv, uint64_t number, uint8_t *ret_nonce)
{
    uint64_t low;

    memcpy(ret_nonce, iv, SKT_AEAD_IV);
    memcpy(&low, iv + SKT_AEAD_IV - sizeof low, sizeof low);
    low ^= htobe64(number);
    memcpy(ret_nonce + SKT_AEAD_IV - sizeof low, &low, sizeof low);
}
