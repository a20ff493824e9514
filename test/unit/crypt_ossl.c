/* drive/plug/crypt_ossl.c when memory runs out, OpenSSL's and our own, and what it leaves behind. */
#include "test.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static long left = -1; /* allocations that succeed; -1: all */
static size_t watched; /* bytes of the next block to be freed, which must be zeros; 0: any */

static bool allocation_fails(void) { return left >= 0 && !left--; }

static void *failing_malloc(size_t n) { return allocation_fails() ? NULL : malloc(n); }
static void *failing_calloc(size_t n, size_t size) { return allocation_fails() ? NULL : calloc(n, size); }
static void *failing_realloc(void *p, size_t n) { return allocation_fails() ? NULL : realloc(p, n); }
static void *ossl_malloc(size_t n, const char *source, int line) { return failing_malloc(n); }
static void *ossl_realloc(void *p, size_t n, const char *source, int line) { return failing_realloc(p, n); }
static void ossl_free(void *p, const char *source, int line) { free(p); }

static void watching_free(void *p)
{
    for (const uint8_t *c = p; watched; watched--)
        assert_int_equal(*c++, 0);
    free(p);
}

#define calloc failing_calloc
#define free   watching_free
#include "drive/plug/crypt_ossl.c"
#undef calloc
#undef free

enum { HEAD = 16, TEXT = 100, ALL = HEAD + TEXT + SKT_AEAD_TAG };

static const uint8_t key[SKT_AEAD_KEY] = "0123456789abcde", iv[SKT_AEAD_IV] = "nonce bytes";

static void a_key_without_memory_is_none(void **state)
{
    struct skt_aead *aead = NULL;
    long n = 0;

    for (; !aead && n < 100; n++) {
        left = n;
        aead = aead_new(key, iv);
    }
    left = -1;
    assert_in_range(n, 3, 99); /* ours, the context and what is in it were asked for */
    aead_free(aead);
}

/* 0: sealed; 1: wiped. */
static unsigned outcome(const uint8_t *packet, const uint8_t *sealed)
{
    static const uint8_t zeros[ALL];

    if (!memcmp(packet, sealed, ALL))
        return 0;
    assert_memory_equal(packet + HEAD, zeros, ALL - HEAD); /* nothing in between, and nothing in clear */
    return 1;
}

static void what_cannot_be_encrypted_is_wiped(void **state)
{
    struct skt_aead *aead = aead_new(key, iv);
    uint8_t clear[ALL] = "a packet in clear", sealed[ALL], packet[ALL], text[TEXT];
    EVP_CIPHER_CTX *whole;

    memcpy(sealed, clear, ALL);
    seal(aead, 1, sealed, ALL, HEAD);
    for (long n = 0; n < 8; n++) {
        memcpy(packet, clear, ALL);
        left = n;
        seal(aead, 1, packet, ALL, HEAD);
        (void)outcome(packet, sealed);
        left = -1;
    }
    whole = aead->ctx;
    aead->ctx = EVP_CIPHER_CTX_new(); /* has no key: each call of OpenSSL's fails */
    memcpy(packet, clear, ALL);
    seal(aead, 1, packet, ALL, HEAD);
    assert_int_equal(outcome(packet, sealed), 1);
    assert_false(open(aead, 1, sealed, ALL, HEAD, text));
    EVP_CIPHER_CTX_free(aead->ctx);
    aead->ctx = whole;
    assert_true(open(aead, 1, sealed, ALL, HEAD, text));
    assert_memory_equal(text, clear + HEAD, TEXT);
    aead_free(aead);
}

static void a_key_is_wiped_before_it_is_freed(void **state)
{
    struct skt_aead *aead = aead_new(key, iv);

    watched = sizeof *aead;
    aead_free(aead);
    assert_int_equal(watched, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { T(a_key_without_memory_is_none), T(what_cannot_be_encrypted_is_wiped),
        T(a_key_is_wiped_before_it_is_freed) };

    if (!CRYPTO_set_mem_functions(ossl_malloc, ossl_realloc, ossl_free))
        return 1;
    (void)EVP_CIPHER_CTX_free(EVP_CIPHER_CTX_new()); /* what OpenSSL sets up once is not counted */
    aead_free(aead_new(key, iv));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
