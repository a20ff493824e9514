#pragma once
#include "base/crypt.h"
#include "wire/xfer.h"

/* shake: both sides of the handshake, doc/protocol/xfer.md, section 2: the state, the packets and their repetition. */

enum skt_shake_state {
    SKT_SHAKE_ASKS,     /* sender: INIT is repeated until ACCEPT */
    SKT_SHAKE_CONFIRMS, /* sender: has keys; CONFIRM is repeated until the receiver's */
    SKT_SHAKE_ACCEPTS,  /* receiver: has keys; waits for the sender's CONFIRM */
    SKT_SHAKE_DONE,     /* the other knows the secret */
    SKT_SHAKE_FAILED    /* `why`; a receiver goes on to refuse */
};

struct skt_shake {
    const struct skt_crypt *crypt;
    bool sender;
    uint8_t mode;
    enum skt_shake_state state;
    int why;
    uint32_t ours, other; /* the numbers by which each end names the conversation */
    uint8_t session[16], scalar[SKT_SCALAR], share[SKT_POINT], theirs[SKT_POINT];
    uint8_t prk[SKT_SHA256], mac_ours[SKT_SHA256], mac_theirs[SKT_SHA256];
    uint8_t cookie[SKT_XFER_COOKIE_MAX];
    uint8_t cookie_len;
    bool cookied;
    uint8_t retry;    /* one RETRY is obeyed at once for each INIT that was due: two ends cannot play ping-pong */
    skt_time due;     /* when its next packet is to be sent; SKT_NEVER: when asked for */
    skt_time gap;     /* to its repetition */
    skt_time sent_at; /* of the packet that the other end answers */
    uint32_t sent;    /* how often: of a repeated one nobody knows which was answered */
    bool busy, rests; /* sender: was told to come later; has not asked again since */
    skt_time rest;    /* how long it waits the next time it is told so */
    skt_time rtt;     /* what that says of the path; 0: nothing */
};

struct skt_shake_conf {
    const struct skt_crypt *crypt;
    bool sender;
    enum skt_xfer_mode mode;
    struct skt_span secret;
    const uint8_t *chance; /* 64 bytes: 16 for the session, and all for its scalar */
    uint32_t ours;
    const struct skt_xfer_packet *init; /* receiver */
};
/* 0, -EINVAL: their share is no point. A receiver has keys then, a sender when it is CONFIRMS. */
int skt_shake_init(struct skt_shake *shake, const struct skt_shake_conf *conf, skt_time now);
void skt_shake_done(struct skt_shake *shake); /* wipes */

/* A packet that is not SEALED. True: the state changed. */
bool skt_shake_recv(struct skt_shake *shake, skt_time now, const struct skt_xfer_packet *packet);
bool skt_shake_same(const struct skt_shake *shake, const struct skt_xfer_packet *init);
/* Sender: the last that it heard is that the receiver is busy; it asks again, with growing pauses. */
bool skt_shake_is_put_off(const struct skt_shake *shake);
/* The packet that is due. Sets when it is due again. */
void skt_shake_put(struct skt_shake *shake, skt_time now, struct skt_room *room);

/* Overwrites what must not stay in memory, also where the compiler thinks that nobody will look. */
static inline void skt_wipe(void *p, size_t n)
{
    memset(p, 0, n);
    __asm__ volatile("" : : "r"(p) : "memory");
}
