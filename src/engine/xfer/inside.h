#pragma once
#include "engine/xfer/gate.h"
#include "engine/xfer/offer.h"
#include "engine/xfer/take.h"

/* What xfer.c (life, the verb's calls) and session.c (packets, sessions) share. */

enum {
    SESSIONS = 64, /* at once, unless the conf says otherwise; at most 1024 */
    SESSIONS_MAX = 1024,
    SHAKING_MAX = 16, /* of them, whose sender has not proven the key yet. With a pair code: one */
    SHAKING_EACH = 8, /* of them from one address; above SHAKING_MAX who has most makes room */
    GUESSES = 3,      /* wrong ones, and no code is taken any more */
    ANSWERS = 32,     /* of the gate, that wait to be sent; more are forgotten */
    ANSWER = 128,
    SECRET_MAX = 64 * 1024,
    SLOT_BITS = 10 /* of a conversation's number; above them chance */
};

struct session {
    struct skt_conn *conn; /* NULL: the sender's has not begun yet */
    struct skt_desk desk;
    struct skt_offer *offer; /* one of them, since it is open */
    struct skt_take *take;
    bool opened, told_open, closed, told_closed; /* closed: why and text are final */
    bool told_put_off;
    int why;
    bool agreed; /* closed: both ends have the same sum, `hash` */
    uint8_t hash[SKT_HASH];
    char text[160];
};

struct skt_xfer {
    struct skt_xfer_conf conf;
    uint8_t *secret;
    size_t secret_len;
    bool locked, stopped, shut;
    uint32_t wrong, wrong_told; /* guesses */
    skt_link link;
    bool linked, full;
    struct skt_addr to;
    skt_time now;
    bool poke;             /* something was answered or said since the last send */
    uint64_t drawn;        /* how often chance was drawn */
    uint64_t files, bytes; /* totals of the sender */
    struct skt_plain plain;
    struct skt_addr plain_peer; /* of the last PLAIN told */
    struct skt_gate gate;
    struct skt_jobs jobs;
    struct skt_pool pool;
    struct session **sessions;     /* of conf.sessions; NULL: free */
    uint32_t turn_out, turn_event; /* whose turn it is */
    struct answer {
        struct skt_addr to;
        uint8_t bytes[ANSWER];
        uint32_t len;
    } answers[ANSWERS]; /* a ring */
    uint32_t first_answer, n_answers;
};

/* session.c */
void xfer_packet(struct skt_xfer *x, struct skt_span datagram, const struct skt_addr *from);
int xfer_begin(struct skt_xfer *x); /* the sender's session */
void xfer_settle(struct skt_xfer *x,
    struct session *s); /* after any call of a role: what it wants of the conn, and what that tells */
void xfer_closed(struct session *s, int why, const char *text); /* final */
bool xfer_train(struct skt_xfer *x, struct session *s, struct skt_out *out);
skt_time xfer_idle_until(const struct skt_xfer *x, const struct session *s); /* then it is closed for doing nothing */
bool xfer_over(const struct skt_xfer *x, const struct session *s);           /* it may be freed */
void xfer_session_free(struct session *s);
void xfer_draw(struct skt_xfer *x, const char *label, uint8_t *ret, size_t n); /* chance that was never given before */
