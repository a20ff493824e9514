#pragma once
#include "base/crypt.h"

/* seal: the keys of one direction, an epoch after the other; doc/protocol/xfer.md, section 3. */

enum {
    SKT_SEAL_EPOCH =
        1
        << 23, /* packets of one key, after which there is another: far below where AES-GCM's bounds begin to matter */
    SKT_SEAL_LAST = 64 /* of twice as many, which are the end, those kept to say so */
};

struct skt_seal { /* what we send */
    const struct skt_crypt *crypt;
    struct skt_aead *aead;
    uint8_t secret[SKT_SHA256];
    uint32_t epoch;         /* the wire has it modulo 256 */
    uint32_t packets, most; /* sealed in this epoch; when to move on */
    uint64_t first;         /* number of the first packet of this epoch */
    bool acked;             /* a packet of this epoch has arrived */
    bool last; /* what comes now says that it is the end: it may take what is kept for that, and the old key */
};

struct skt_unseal { /* what we receive */
    const struct skt_crypt *crypt;
    struct skt_aead *aead, *old, *next; /* old: until old_until. next: made ready when it is first seen, and kept */
    uint8_t secret[SKT_SHA256];
    uint32_t epoch;
    skt_time old_until;
};

/* label: "secret sender" or "secret receiver", who sends. 0, -ENOMEM. */
int skt_seal_init(struct skt_seal *seal, const struct skt_crypt *crypt, const uint8_t *prk, const char *label);
void skt_seal_done(struct skt_seal *seal); /* takes what is all zeros, too */
/* Before a packet of this number is sealed: a new key, if it is due, and the epoch into its head. -ENOMEM: there is no memory for
 * it; -EKEYEXPIRED: it is overdue, and none of this key's packets has arrived. */
int skt_seal_ready(struct skt_seal *seal, uint64_t number, uint8_t *packet);
/* Seals the packet in place; its tag's room is the end of it. Makes it ready, if nobody has. */
int skt_seal_packet(struct skt_seal *seal, uint64_t number, uint8_t *packet, size_t len);
/* The same; the last bytes of its text are still elsewhere. */
int skt_seal_tail(struct skt_seal *seal, uint64_t number, uint8_t *packet, size_t len, struct skt_span tail);
void skt_seal_acked(struct skt_seal *seal, uint64_t number); /* this number has arrived */

int skt_unseal_init(struct skt_unseal *unseal, const struct skt_crypt *crypt, const uint8_t *prk, const char *label);
void skt_unseal_done(struct skt_unseal *unseal);
/* Puts the packet's text. False: forged, or of an epoch that is not now, the last or the next. keep: how long the old key is
 * good after a new one was seen, 3 PTO. */
bool skt_unseal_packet(struct skt_unseal *unseal, skt_time now, skt_time keep, uint8_t epoch, uint64_t number,
    struct skt_span packet, uint8_t *ret_text);
/* The same; the last bytes of the text fill `tail` instead: with garbage, if it is forged. */
bool skt_unseal_tail(struct skt_unseal *unseal, skt_time now, skt_time keep, uint8_t epoch, uint64_t number,
    struct skt_span packet, uint8_t *ret_text, struct skt_room tail);
