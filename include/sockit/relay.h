#pragma once
#include <sockit/engine.h>

SKT_BEGIN
/* relay: leads two conversations into each other: who comes and a target (serve --to, --exec), or a peer and this
 * program's own standard input and output (listen, connect). Half-closes pass through; an end loses nothing. */
struct skt_relay;

struct skt_relay_conf {
    const char *to; /* streams that come are led there: text of out OPEN; NULL: to local. Borrowed */
    skt_link local; /* the link of standard input and output */
    bool keep;      /* local outlives its peer: the next one may come (listen -k) */
    bool watch;     /* tell every byte by an event; else the driver may move them unseen */
    bool crlf;      /* local's LF goes out as CRLF */
    bool say_only;  /* nothing is read from local: what skt_relay_say gives is all that is sent */
    bool datagrams; /* the peer is a datagram socket: each read of local is one datagram */
    bool
        waits; /* local's peer comes to us (listen): when local ends without a byte, the peer is told with its own end */
    bool late_end; /* local: our end is told only when nothing passed for `linger`: who speaks TLS may take it for
                           * the end of both directions */
    bool proxy;    /* a PROXY protocol header goes to the target first */
    struct skt_addr here; /* for that header: where they came to */
    uint64_t rate;        /* bytes/s each way; 0: no limit */
    skt_time linger;      /* local: the peer has ended, our input not: over when it is silent for that long; 0: 2 s
                           * (1 s with late_end).
                           * Datagrams: our input has ended: over when no answer came for that long; 0: 1 s */
    uint32_t max_flows;   /* datagrams with `to`: peers at once; 0: 4096 */
    uint64_t seed;        /* of the table of flows, so that peers cannot choose what collides */
    skt_time flow_idle;   /* a peer silent for that long is forgotten; 0: 60 s */
};

enum skt_relay_what {
    SKT_RELAY_CAME,   /* somebody came, or the connect of our own succeeded */
    SKT_RELAY_FAILED, /* the target: why; the link is for skt_rt_why */
    SKT_RELAY_BYTES,  /* conf.watch: bytes passed; outward: from local, or from who came to the target */
    SKT_RELAY_LEFT    /* a pair is over: why 0, or the first error and whose */
};
struct skt_relay_event {
    enum skt_relay_what what;
    skt_link link;
    skt_link target; /* LEFT of who was led to one: its link; gone as the other is */
    struct skt_addr peer;
    bool failed;           /* LEFT: for the reason that FAILED told */
    bool outward;          /* BYTES; LEFT: the error is of the target, or of the peer for local */
    struct skt_span bytes; /* valid until the next call on the relay or its driver */
    uint64_t in, out;      /* LEFT: bytes that came from the peer, and went to it */
    skt_time stayed;
    int why;
};

struct skt_relay *skt_relay_new(const struct skt_relay_conf *conf); /* copied; NULL: out of memory */
void skt_relay_free(struct skt_relay *relay);
SKT_CLEANUP(skt_relay)
struct skt_engine skt_relay_engine(struct skt_relay *relay);
bool skt_relay_next(struct skt_relay *relay, struct skt_relay_event *ret_event);
/* For local: the peer that the driver was asked to open by skt_rt_open. */
void skt_relay_expect(struct skt_relay *relay, skt_link peer);
/* Sends text as if it came from local, as one datagram if the peer is such; copied, at most 64 KiB wait. -EAGAIN: no
 * more now; -EPIPE: the peer is gone; -EMSGSIZE: larger than a datagram. */
int skt_relay_say(struct skt_relay *relay, struct skt_span text);
int skt_relay_say_end(struct skt_relay *relay); /* and no more: half-close behind it */
SKT_END
