#pragma once
/* Two engines for the tests of the simulation itself: an echo, and a client that checks what comes back. */
#include <sockit/engine.h>

struct echo; /* streams and datagrams; holds its input while a link is full */
struct echo *echo_new(void);
void echo_free(struct echo *echo);
struct skt_engine echo_engine(struct echo *echo);

struct talker_conf {
    uint64_t seed;
    const char *to;     /* "name:port" */
    uint64_t bytes;     /* to send */
    skt_time gap;       /* from one write to the next; 0: as fast as the link takes them */
    uint32_t write_max; /* bytes of one write; 0: 16 KiB */
    uint32_t again;     /* connect that many times more, one after the other */
    bool abort;         /* reset in the middle instead of an end */
    bool lazy;          /* leave bytes unread now and then, with and without hold */
};

/* Sends bytes that follow from the seed, half-closes, and expects the same bytes back, then the end. */
struct talker {
    struct talker_conf conf;
    skt_link link;
    bool wants_open, open, full, eof_sent, eof_got, wrong, close_wanted, reset_wanted, over;
    uint64_t sent, got;
    int why; /* of CLOSE; 1: not yet */
    uint32_t opened, closed, refused;
    uint64_t total; /* bytes that came back, of all connections */
    skt_time now, next;
    uint32_t dice, poked;
};
void talker_init(struct talker *t, const struct talker_conf *conf);
struct skt_engine talker_engine(struct talker *t);

struct shooter_conf {
    uint64_t seed;
    const char *to; /* "udp:name:port" */
    uint32_t count; /* datagrams */
    uint32_t most;  /* bytes of one */
    bool trains;
};

/* Sends datagrams whose bytes follow from their number, and checks those that come back against it. */
struct shooter {
    struct shooter_conf conf;
    skt_link link;
    bool wants_open, open, close_wanted, closed;
    int why;
    uint32_t sent, back, twice, wrong, late, newest; /* late: overtaken */
    uint32_t full;                                   /* times that it was told; it sends on, and the driver keeps it */
    skt_time now, next, end;
    uint8_t *seen;
};
void shooter_init(struct shooter *s, const struct shooter_conf *conf);
void shooter_done(struct shooter *s);
struct skt_engine shooter_engine(struct shooter *s);
