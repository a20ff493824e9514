/* crypt: AES-128-GCM by OpenSSL, which is everywhere. */
#include "drive/plug/crypt.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>

struct skt_aead {
    EVP_CIPHER_CTX *ctx; /* has the key; each packet gives it the nonce and the direction */
    uint8_t iv[SKT_AEAD_IV];
};

static void aead_free(struct skt_aead *aead)
{
    if (!aead)
        return;
    EVP_CIPHER_CTX_free(aead->ctx); /* wipes, takes NULL */
    OPENSSL_cleanse(aead, sizeof *aead);
    free(aead);
}

static struct skt_aead *aead_new(const uint8_t *key, const uint8_t *iv)
{
    struct skt_aead *aead = calloc(1, sizeof *aead);

    if (!aead)
        return NULL;
    memcpy(aead->iv, iv, SKT_AEAD_IV);
    aead->ctx = EVP_CIPHER_CTX_new();
    if (aead->ctx && EVP_CipherInit_ex(aead->ctx, EVP_aes_128_gcm(), NULL, key, iv, 1))
        return aead;
    aead_free(aead);
    return NULL;
}

static bool begin(struct skt_aead *aead, uint64_t number, bool seal, struct skt_span head)
{
    uint8_t nonce[SKT_AEAD_IV];
    int n;

    crypt_nonce(aead->iv, number, nonce);
    return EVP_CipherInit_ex(aead->ctx, NULL, NULL, NULL, nonce, seal) &&
           (!skt_len(head) || EVP_CipherUpdate(aead->ctx, NULL, &n, head.p, (int)skt_len(head)));
}

/* False, here and above: out of memory, in a library that may want some. */
static bool more(struct skt_aead *aead, const uint8_t *from, size_t len, uint8_t *to)
{
    int n;

    return !len || EVP_CipherUpdate(aead->ctx, to, &n, from, (int)len);
}

static void seal_tail(
    struct skt_aead *aead, uint64_t number, uint8_t *packet, size_t len, size_t head, struct skt_span tail)
{
    uint8_t *text = packet + head, *tag = packet + len - SKT_AEAD_TAG;
    size_t first = (size_t)(tag - text) - skt_len(tail);
    int n;

    assert(head + skt_len(tail) + SKT_AEAD_TAG <= len);
    if (!begin(aead, number, true, skt_span_of(packet, head)) || !more(aead, text, first, text) ||
        !more(aead, tail.p, skt_len(tail), text + first) || !EVP_CipherFinal_ex(aead->ctx, tag, &n) ||
        !EVP_CIPHER_CTX_ctrl(aead->ctx, EVP_CTRL_AEAD_GET_TAG, SKT_AEAD_TAG, tag))
        memset(text, 0, len - head); /* a forged packet, which is lost: it must not leave in clear */
}

static void seal(struct skt_aead *aead, uint64_t number, uint8_t *packet, size_t len, size_t head)
{
    seal_tail(aead, number, packet, len, head, skt_span_of(NULL, 0));
}

static bool open_tail(struct skt_aead *aead, uint64_t number, const uint8_t *packet, size_t len, size_t head,
    uint8_t *text, struct skt_room tail)
{
    uint8_t tag[SKT_AEAD_TAG], none[16];
    const uint8_t *from = packet + head;
    size_t first;
    int n;

    if (len < head + skt_left(tail) + SKT_AEAD_TAG)
        return false;
    first = len - head - skt_left(tail) - SKT_AEAD_TAG;
    memcpy(tag, packet + len - SKT_AEAD_TAG, sizeof tag); /* the call takes no const */
    return begin(aead, number, false, skt_span_of(packet, head)) && more(aead, from, first, text) &&
           more(aead, from + first, skt_left(tail), tail.p) &&
           EVP_CIPHER_CTX_ctrl(aead->ctx, EVP_CTRL_AEAD_SET_TAG, SKT_AEAD_TAG, tag) &&
           EVP_CipherFinal_ex(aead->ctx, none, &n) > 0;
}

static bool open(struct skt_aead *aead, uint64_t number, const uint8_t *packet, size_t len, size_t head, uint8_t *text)
{
    return open_tail(aead, number, packet, len, head, text, skt_room_of(NULL, 0));
}

void crypt_ossl(struct skt_crypt *crypt)
{
    crypt->name = "openssl";
    crypt->aead_new = aead_new;
    crypt->aead_free = aead_free;
    crypt->seal = seal;
    crypt->open = open;
    crypt->seal_tail = seal_tail;
    crypt->open_tail = open_tail;
}
