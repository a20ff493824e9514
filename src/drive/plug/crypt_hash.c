/* crypt: HMAC and HKDF with SHA-256, by libsodium: other than OpenSSL it needs no memory, so that a key cannot be wrong
 * because there was none. */
#include "drive/plug/crypt.h"

#include <sodium.h>

static const uint8_t *start_of(struct skt_span bytes)
{
    return bytes.p ? bytes.p : (const uint8_t *)""; /* the library wants an address even of nothing */
}

static void mac_add(crypto_auth_hmacsha256_state *mac, struct skt_span bytes)
{
    (void)crypto_auth_hmacsha256_update(mac, start_of(bytes), skt_len(bytes)); /* always 0, as are its like below */
}

static void mac_end(crypto_auth_hmacsha256_state *mac, uint8_t *ret_mac)
{
    (void)crypto_auth_hmacsha256_final(mac, ret_mac);
    sodium_memzero(mac, sizeof *mac);
}

void crypt_hmac(const uint8_t *key, size_t len, struct skt_span text, uint8_t *ret_mac)
{
    crypto_auth_hmacsha256_state mac;

    (void)crypto_auth_hmacsha256_init(&mac, start_of(skt_span_of(key, len)), len);
    mac_add(&mac, text);
    mac_end(&mac, ret_mac);
}

/* RFC 5869 2.2: no salt is a salt of zeros; HMAC pads a key with zeros. */
void crypt_extract(struct skt_span salt, struct skt_span secret, uint8_t *ret_prk)
{
    crypt_hmac(salt.p, skt_len(salt), secret, ret_prk);
}

/* RFC 5869 2.3: T(i) = HMAC(prk, T(i - 1), info, i); info: all the parts. */
static void expand_parts(const uint8_t *prk, const struct skt_span *parts, size_t n, uint8_t *ret, size_t len)
{
    uint8_t block[SKT_SHA256];

    assert(len <= 255 * sizeof block);
    for (uint8_t i = 1; len; i++) {
        size_t some = len < sizeof block ? len : sizeof block;
        crypto_auth_hmacsha256_state mac;

        (void)crypto_auth_hmacsha256_init(&mac, prk, SKT_SHA256);
        mac_add(&mac, skt_span_of(block, i > 1 ? sizeof block : 0));
        for (size_t k = 0; k < n; k++)
            mac_add(&mac, parts[k]);
        mac_add(&mac, skt_span_of(&i, 1));
        mac_end(&mac, block);
        memcpy(ret, block, some);
        ret += some;
        len -= some;
    }
    sodium_memzero(block, sizeof block);
}

void crypt_expand(const uint8_t *prk, const char *label, struct skt_span context, uint8_t *ret, size_t len)
{
    const struct skt_span info[] = { skt_span_of(label, strlen(label) + 1), context };

    expand_parts(prk, info, sizeof info / sizeof *info, ret, len);
}
