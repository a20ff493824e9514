#pragma once
#include <sockit/engine.h>

SKT_BEGIN
/* serve: answers many peers by a rule: echo, reply, say, discard. Streams and datagrams alike. */
struct skt_serve;

enum skt_serve_mode {
    SKT_SERVE_ECHO,   /* what came goes back */
    SKT_SERVE_REPLY,  /* text, then the message. A message is a line, a datagram, or what came before a pause */
    SKT_SERVE_SAY,    /* text, then the end */
    SKT_SERVE_DISCARD /* nothing (RFC 863) */
};

struct skt_serve_conf {
    enum skt_serve_mode mode;
    struct skt_span text;   /* REPLY, SAY; borrowed as long as the engine */
    uint64_t rate;          /* bytes/s taken from each stream; 0: no limit */
    skt_time pause;         /* REPLY: ends a message that has no line end; 0: 100 ms */
    uint32_t message_bytes; /* REPLY: a longer message is answered in pieces; 0: 64 KiB */
    bool quiet;             /* no events */
};

enum skt_serve_what { SKT_SERVE_CAME, SKT_SERVE_LEFT };
struct skt_serve_event {
    enum skt_serve_what what;
    skt_link link;
    struct skt_addr peer;
    uint64_t in, out; /* LEFT: bytes */
    skt_time stayed;  /* LEFT */
    int why;          /* LEFT: 0 or -errno */
};

struct skt_serve *skt_serve_new(const struct skt_serve_conf *conf); /* copied; NULL: out of memory */
void skt_serve_free(struct skt_serve *serve);
SKT_CLEANUP(skt_serve)
struct skt_engine skt_serve_engine(struct skt_serve *serve);
/* At most 4096 events wait; older ones are dropped and counted in *ret_lost (may be NULL). */
bool skt_serve_next(struct skt_serve *serve, struct skt_serve_event *ret_event);
uint64_t skt_serve_events_lost(const struct skt_serve *serve);
SKT_END
