#pragma once
#include <sockit/bytes.h>

/* crypt: the cryptography that engines ask for, as a table, because its libraries are plug-ins of the driver
 * (drive/crypt.h fills it). Each is a pure function of its arguments: keys and chance are given. */

enum {
    SKT_AEAD_KEY = 16, /* AES-128-GCM, NIST SP 800-38D */
    SKT_AEAD_IV = 12,
    SKT_AEAD_TAG = 16,
    SKT_POINT = 32, /* ristretto255, RFC 9496 */
    SKT_SCALAR = 32,
    SKT_CHANCE = 64, /* random bytes that make a scalar */
    SKT_SHA256 = 32,
    SKT_ISK = 64 /* the key that CPace gives */
};

struct skt_aead; /* a key made ready; of one direction and one epoch, in one thread at a time */

struct skt_crypt {
    const char *name; /* of the AEAD: "ipsec-mb avx512 vaes", "openssl" */
    struct skt_aead *(*aead_new)(const uint8_t *key, const uint8_t *iv); /* NULL: out of memory */
    void (*aead_free)(struct skt_aead *aead);                            /* wipes; takes NULL */
    /* In place. packet: head bytes in clear (authenticated), text, SKT_AEAD_TAG bytes; len: all. The nonce is iv XOR number,
     * RFC 9001 5.3. */
    void (*seal)(struct skt_aead *aead, uint64_t number, uint8_t *packet, size_t len, size_t head);
    /* Puts len - head - SKT_AEAD_TAG bytes to `text`, which must not overlap. False: forged (then `text` is garbage), or
     * too short. */
    bool (*open)(struct skt_aead *aead, uint64_t number, const uint8_t *packet, size_t len, size_t head, uint8_t *text);
    /* The same without a copy: the last bytes of the text lie elsewhere in clear, in `tail`, and only their room is in the
     * packet; or they go elsewhere, and fill `tail`. At most the whole text. What is forged leaves garbage there, too. */
    void (*seal_tail)(
        struct skt_aead *aead, uint64_t number, uint8_t *packet, size_t len, size_t head, struct skt_span tail);
    bool (*open_tail)(struct skt_aead *aead, uint64_t number, const uint8_t *packet, size_t len, size_t head,
        uint8_t *text, struct skt_room tail);

    void (*hmac)(const uint8_t *key, size_t len, struct skt_span text, uint8_t *ret_mac); /* HMAC-SHA-256, 32 bytes */
    void (*extract)(struct skt_span salt, struct skt_span secret, uint8_t *ret_prk);      /* HKDF, RFC 5869 */
    /* HKDF; info is the label, a zero byte, the context. At most 8160 bytes. */
    void (*expand)(const uint8_t *prk, const char *label, struct skt_span context, uint8_t *ret, size_t len);

    /* CPACE-RISTR255-SHA512, draft-irtf-cfrg-cpace-21: a share of its own for the password prs, the channel ci and the
     * session sid; and the key of both shares with what each party said besides (ad). Initiator-responder order: a began.
     * chance: SKT_CHANCE bytes. -EINVAL: their share is no point, or the neutral one. The caller wipes the scalar. */
    bool (*is_point)(const uint8_t *theirs); /* what isk takes; far cheaper than a share */
    void (*share)(struct skt_span prs, struct skt_span ci, struct skt_span sid, const uint8_t *chance,
        uint8_t *ret_scalar, uint8_t *ret_share);
    int (*isk)(const uint8_t *scalar, const uint8_t *theirs, struct skt_span sid, const uint8_t *ya,
        struct skt_span ada, const uint8_t *yb, struct skt_span adb, uint8_t *ret_isk);
};

/* Equal? In a time that does not tell where they differ. */
static inline bool skt_same_secret(const uint8_t *a, const uint8_t *b, size_t n)
{
    volatile uint8_t differs = 0;

    while (n--)
        differs |= (uint8_t)(*a++ ^ *b++);
    return !differs;
}
