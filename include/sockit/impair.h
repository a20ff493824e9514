#pragma once
#include <sockit/engine.h>

SKT_BEGIN
/* impair: a proxy that is a bad network: who comes is led to `to`, and what passes is delayed, lost, slowed.
 *
 * All connections and flows share one line, each way with its own dice (up: from who came to the target). What it does is
 * said in the words of tc-netem(8), and may change in time: see sockit-impair(1).
 *
 * A stream stays whole and in order whatever the line does. It is cut into segments of at most 1448 bytes, each with a
 * fate of its own; what follows one that is late waits for it. A lost segment costs what it costs TCP: it is sent again an
 * RTT (the delay both ways) after the third segment behind it, as a fast retransmission; or, if fewer follow, after an RTO
 * (RTT + 200 ms, doubled each time it is lost again, at most 2 min; RFC 6298). A corrupted one is lost: its checksum is
 * wrong. Copies and reordering are what TCP hides. A full queue before the rate holds the sender back and drops nothing.
 *
 * A datagram is one packet: lost, late, twice, with a flipped bit, before others. Borders are kept, also those in trains. */
struct skt_impair;

struct skt_impair_conf {
    const char *to; /* text of out OPEN; borrowed */
    bool datagrams; /* the listener is a datagram socket, and `to` names one */
    bool changes;   /* skt_impair_network may be called while connections last: no stream is moved unseen then */
    double spare;   /* this share of connections or flows is let alone; by a hash of seed and number */
    /* Streams; 0: not. What ends a connection, ends both its sides. */
    skt_time reset_after; /* reset when so old */
    uint64_t reset_bytes; /* reset behind so many bytes, both ways together */
    uint64_t limit_bytes; /* each way: closed when so many have passed, what follows is dropped */
    skt_time slow_close;  /* an end or a close reaches the other side so much later */
    uint32_t slice;       /* bytes leave in pieces of at most so many, */
    skt_time slice_delay; /* with so much between; 0: 100 us */
    bool blackhole;       /* also datagrams: all is taken, nothing comes out, not even the end */
    uint64_t line_bytes;  /* on their way at once, each direction of a connection; above, its sender waits. 0: 4 MiB */
    uint64_t total_bytes; /* the same of all together; datagrams above it are dropped. 0: 256 MiB */
    uint32_t max_datagrams; /* on their way at once; 0: 131072 */
    uint32_t max_flows;     /* of datagrams; one more is dropped, and counted; 0: 4096 */
    skt_time flow_idle;     /* a flow so long silent is forgotten; 0: 60 s */
    uint64_t secret;        /* of the table of flows, so that peers cannot choose what collides */
    skt_time every;         /* tells SKT_IMPAIR_COUNTS at this interval; 0: never */
};

enum skt_impair_what {
    SKT_IMPAIR_CAME,    /* somebody; `number` counts them from 1, `hit` says whether the line is bad for him */
    SKT_IMPAIR_FAILED,  /* his target: why; the link is for skt_rt_why */
    SKT_IMPAIR_LEFT,    /* all of his has arrived or is gone: why 0, or the first error, and whose */
    SKT_IMPAIR_CHANGED, /* a step of the network's changes */
    SKT_IMPAIR_COUNTS   /* time to look at skt_impair_stats */
};
struct skt_impair_event {
    enum skt_impair_what what;
    skt_link link;
    uint32_t number;
    struct skt_addr peer;
    bool hit, target;  /* target: the error is the target's */
    uint64_t up, down; /* LEFT: bytes that came out at the other side */
    skt_time stayed;
    int why;
};

/* Packets are segments, or datagrams. What the kernel moves is counted in bytes only. */
struct skt_impair_way {
    uint64_t in, in_bytes, out, out_bytes;
    uint64_t lost, dropped, duplicated, corrupted, reordered; /* dropped: no room in a queue, no flow */
    uint64_t resent;                                          /* segments, after their loss */
    uint64_t queue_bytes, queue_peak;                         /* wait for the rate now; at most so far */
    uint32_t queue_packets;
    uint64_t line_bytes, line_packets; /* on their way */
    /* How much later than asked they left, of those that waited for nothing else. */
    struct skt_impair_error {
        uint64_t n;
        skt_time mean, p50, p99, max;
    } error;
};
struct skt_impair_stats {
    struct skt_impair_way up, down;
    uint64_t came, hit, failed, refused; /* refused: above a limit */
    uint32_t there;                      /* connections, flows */
};

int skt_impair_new(const struct skt_impair_conf *conf, struct skt_impair **ret_impair); /* -ENOMEM, -EINVAL */
void skt_impair_free(struct skt_impair *impair);
SKT_CLEANUP(skt_impair)
struct skt_engine skt_impair_engine(struct skt_impair *impair);
bool skt_impair_next(struct skt_impair *impair, struct skt_impair_event *ret_event);
void skt_impair_stats(struct skt_impair *impair, skt_time now, struct skt_impair_stats *ret_stats);

/* What the line is from now on, its time beginning anew: "delay 100ms 10ms\nat 5s: loss 100%". Until then nothing is bad.
 * name: of the text, for the sentence in why (may be NULL). -EINVAL, -ERANGE, -E2BIG, -ENOMEM: it stays as it was. */
int skt_impair_network(struct skt_impair *impair, struct skt_span text, const char *name, struct skt_room *why);
SKT_END
