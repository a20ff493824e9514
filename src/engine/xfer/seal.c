/* seal: one key after the other. */
#include "engine/xfer/seal.h"

#include "engine/xfer/shake.h"

#include <errno.h>

enum { EPOCH_AT = 1 }; /* where a packet has its epoch */

static struct skt_aead *make_key(const struct skt_crypt *crypt, const uint8_t *secret)
{
    uint8_t key[SKT_AEAD_KEY], iv[SKT_AEAD_IV];
    struct skt_span none = skt_span_of(NULL, 0);
    struct skt_aead *aead;

    crypt->expand(secret, "key", none, key, sizeof key);
    crypt->expand(secret, "iv", none, iv, sizeof iv);
    aead = crypt->aead_new(key, iv);
    skt_wipe(key, sizeof key);
    skt_wipe(iv, sizeof iv);
    return aead;
}

static void next_secret(const struct skt_crypt *crypt, uint8_t *secret)
{
    uint8_t next[SKT_SHA256];

    crypt->expand(secret, "next", skt_span_of(NULL, 0), next, sizeof next);
    memcpy(secret, next, sizeof next);
    skt_wipe(next, sizeof next);
}

int skt_seal_init(struct skt_seal *seal, const struct skt_crypt *crypt, const uint8_t *prk, const char *label)
{
    *seal = (struct skt_seal){ .crypt = crypt, .most = SKT_SEAL_EPOCH };
    crypt->expand(prk, label, skt_span_of(NULL, 0), seal->secret, sizeof seal->secret);
    seal->aead = make_key(crypt, seal->secret);
    return seal->aead ? 0 : -ENOMEM;
}

void skt_seal_done(struct skt_seal *seal)
{
    if (seal->crypt)
        seal->crypt->aead_free(seal->aead);
    skt_wipe(seal, sizeof *seal);
}

/* Not before the other end has this epoch's key: it knows the next one only from it. */
static int move_on(struct skt_seal *seal, uint64_t number)
{
    struct skt_aead *aead;
    uint8_t secret[SKT_SHA256];

    memcpy(secret, seal->secret, sizeof secret);
    next_secret(seal->crypt, secret);
    aead = make_key(seal->crypt, secret);
    if (aead) {
        seal->crypt->aead_free(seal->aead);
        seal->aead = aead;
        memcpy(seal->secret, secret, sizeof secret);
        seal->epoch++;
        seal->packets = 0;
        seal->first = number;
        seal->acked = false;
    }
    skt_wipe(secret, sizeof secret);
    return aead ? 0 : -ENOMEM;
}

int skt_seal_packet(struct skt_seal *seal, uint64_t number, uint8_t *packet, size_t len)
{
    return skt_seal_tail(seal, number, packet, len, skt_span_of(NULL, 0));
}

int skt_seal_ready(struct skt_seal *seal, uint64_t number, uint8_t *packet)
{
    uint32_t end = seal->most + SKT_SEAL_EPOCH;
    int r = seal->packets >= seal->most && seal->acked ? move_on(seal, number) : 0;

    if (r && !seal->last)
        return r;
    if (seal->packets >= (seal->last ? end : end - SKT_SEAL_LAST))
        return -EKEYEXPIRED;
    packet[EPOCH_AT] = (uint8_t)seal->epoch;
    return 0;
}

int skt_seal_tail(struct skt_seal *seal, uint64_t number, uint8_t *packet, size_t len, struct skt_span tail)
{
    int r = skt_seal_ready(seal, number, packet);

    if (r)
        return r;
    if (skt_len(tail))
        seal->crypt->seal_tail(seal->aead, number, packet, len, 16, tail);
    else
        seal->crypt->seal(seal->aead, number, packet, len, 16);
    seal->packets++;
    return 0;
}

void skt_seal_acked(struct skt_seal *seal, uint64_t number)
{
    if (number >= seal->first)
        seal->acked = true;
}

int skt_unseal_init(struct skt_unseal *unseal, const struct skt_crypt *crypt, const uint8_t *prk, const char *label)
{
    *unseal = (struct skt_unseal){ .crypt = crypt };
    crypt->expand(prk, label, skt_span_of(NULL, 0), unseal->secret, sizeof unseal->secret);
    unseal->aead = make_key(crypt, unseal->secret);
    return unseal->aead ? 0 : -ENOMEM;
}

void skt_unseal_done(struct skt_unseal *unseal)
{
    if (unseal->crypt) {
        unseal->crypt->aead_free(unseal->aead);
        unseal->crypt->aead_free(unseal->old);
        unseal->crypt->aead_free(unseal->next);
    }
    skt_wipe(unseal, sizeof *unseal);
}

/* The key of the next epoch; made once, so that forged packets cost one opening each and no more. NULL: no memory. */
static struct skt_aead *next_key(struct skt_unseal *unseal)
{
    uint8_t secret[SKT_SHA256];

    if (unseal->next)
        return unseal->next;
    memcpy(secret, unseal->secret, sizeof secret);
    next_secret(unseal->crypt, secret);
    unseal->next = make_key(unseal->crypt, secret);
    skt_wipe(secret, sizeof secret);
    return unseal->next;
}

static void moved_on(struct skt_unseal *unseal, skt_time until)
{
    unseal->crypt->aead_free(unseal->old);
    unseal->old = unseal->aead;
    unseal->old_until = until;
    unseal->aead = unseal->next;
    unseal->next = NULL;
    next_secret(unseal->crypt, unseal->secret);
    unseal->epoch++;
}

bool skt_unseal_packet(struct skt_unseal *unseal, skt_time now, skt_time keep, uint8_t epoch, uint64_t number,
    struct skt_span packet, uint8_t *ret_text)
{
    return skt_unseal_tail(unseal, now, keep, epoch, number, packet, ret_text, skt_room_of(NULL, 0));
}

static bool open_text(const struct skt_crypt *crypt, struct skt_aead *aead, uint64_t number, struct skt_span packet,
    uint8_t *text, struct skt_room tail)
{
    if (skt_left(tail))
        return crypt->open_tail(aead, number, packet.p, skt_len(packet), 16, text, tail);
    return crypt->open(aead, number, packet.p, skt_len(packet), 16, text);
}

bool skt_unseal_tail(struct skt_unseal *unseal, skt_time now, skt_time keep, uint8_t epoch, uint64_t number,
    struct skt_span packet, uint8_t *ret_text, struct skt_room tail)
{
    const struct skt_crypt *crypt = unseal->crypt;
    struct skt_aead *aead = NULL;
    uint8_t ahead = (uint8_t)(epoch - unseal->epoch); /* modulo 256, as the wire has it */

    if (unseal->old && now >= unseal->old_until) {
        crypt->aead_free(unseal->old);
        unseal->old = NULL;
    }
    if (ahead == 0)
        aead = unseal->aead;
    else if (ahead == 1)
        aead = next_key(unseal);
    else if (ahead == 0xff)
        aead = unseal->old;
    if (!aead || !open_text(crypt, aead, number, packet, ret_text, tail))
        return false;
    if (ahead == 1)
        moved_on(unseal, now + keep);
    return true;
}
