#pragma once
/* proxy: what the files of the engine of sockit/impair.h share. Side NEAR came, FAR is the target; what NEAR says goes up.
 * proxy.c is the contract and the line that all share, stream.c leads connections, streamline.c holds what is on its way
 * in one direction of one, datagram.c leads flows, datagramline.c holds their datagrams. */
#include <sockit/impair.h>

#include "base/heap.h"
#include "base/map.h"
#include "engine/impair/grammar.h"
#include "engine/impair/lag.h"
#include "engine/outbox.h"
#include "engine/parcel.h"

enum { NEAR, FAR };
enum {
    SIDES_A_CHUNK = 256,
    EVENTS_MAX = 1024,
    MSS = 1448,         /* of Ethernet, with time stamps */
    BATCH = 256 * 1024, /* bytes of streams released at once: the driver's queue of a link is not flooded */
    PIECES_MAX = 8192,  /* of one direction of a connection */
    FAST_RESEND = 3     /* segments behind a lost one tell of its loss; RFC 5681 3.2 */
};
#define RTO_LEAST (200 * SKT_MS) /* more than the RTT; Linux: TCP_RTO_MIN */
#define RTO_MOST  (120 * SKT_SEC)

/* ---- streams ---- */

enum piece_kind { BYTES, END, CLOSED, RESET, RESET_BOTH, CLOSE_BOTH };

/* A segment on its way, or what comes behind the last one. */
struct piece {
    struct skt_buf *buf; /* BYTES */
    uint32_t off, len;
    skt_time at; /* when it arrives; lost: when it is sent again */
    uint8_t kind;
    bool lost;
    bool timed;     /* it is to be late: the error counts */
    uint8_t behind; /* lost: segments that entered after it, up to FAST_RESEND */
    uint8_t tries;
};

/* One direction of a connection. Pieces leave in order, each at its time or when the one before it has left. */
struct line {
    struct piece *ring; /* n from first on */
    uint32_t first, n, size, lost;
    uint64_t bytes;
    uint64_t taken;  /* bytes that ever entered */
    skt_time resend; /* when the first of the lost is sent again; SKT_NEVER */
    skt_time armed;  /* its earliest entry in skt_impair.due; SKT_NEVER: none */
    skt_time ready;  /* none leaves before: the one before it, a slice, a full link */
    skt_time held;   /* when it took no more, last: what came before enters later than it came */
    bool waits;      /* it took no more because the queue was full, which says when it had room */
    bool shut;       /* nothing more enters */
};

struct side {
    skt_link link; /* 0: not there (any more) */
    bool open, full;
    uint8_t closing; /* CLOSE is asked for, nothing more goes there: 1; 2: abort */
    bool ended;      /* it sends no more */
    bool told;       /* that no more comes */
    bool moving;     /* its bytes are moved by the driver */
};

struct pair {
    struct side side[2];
    struct line line[2]; /* by the side where the bytes come from */
    bool used, asked, hit;
    uint8_t guilty;
    int why;
    uint32_t number, next_free;
    skt_link near; /* NEAR's, also when it is gone; flows: the listener */
    skt_time since;
    struct skt_addr peer;
    /* flows */
    skt_time heard;
    uint64_t bytes[2];              /* that came out, by the side where they come from */
    uint32_t wait_first, wait_last; /* datagrams until the target's socket is there; ~0: none */
};

/* ---- datagrams ---- */

struct gram {
    skt_time at;
    uint64_t seq; /* of equal times the first that came goes first */
    struct skt_buf *buf;
    uint32_t off, len;
    uint32_t flow, number; /* number: of the flow, which may have ended */
    uint32_t next;         /* free list; or of those that wait for a socket */
    uint8_t from;
    bool timed; /* it was to be late: the error counts */
};

struct gramline {
    struct gram *grams;
    uint32_t *heap; /* of places in grams, by (at, seq) */
    uint32_t n, size, max, free;
    uint64_t seq;
};

struct way {
    struct skt_path path;
    bool clean;                                                   /* nothing is bad now */
    bool still;                                                   /* and it stays so */
    uint64_t next;                                                /* number of the next packet */
    skt_time last;                                                /* when the one before entered: they do so in order */
    uint64_t in, in_bytes, out, out_bytes, lost, dropped, resent; /* lost, dropped: besides the path's */
    uint64_t bytes, packets;                                      /* on their way */
    struct skt_lag lag;
};

struct skt_impair {
    struct skt_impair_conf conf;
    struct way way[2]; /* by the side where the packets come from: NEAR is SKT_UP */
    struct skt_profile *profile;
    uint64_t seed;
    bool started;           /* the profile's time runs */
    skt_time start, change; /* of the profile; when it changes next */
    skt_time count_at;      /* of conf.every; SKT_NEVER */
    skt_time room_at;       /* the queue before a rate has room again for who was held; SKT_NEVER */
    struct skt_outbox box;
    struct parcel parcel;
    uint64_t batch; /* bytes released since the outbox was empty */
    struct pair *pairs;
    uint32_t n_pairs, free_pair, there; /* pair 0 is nobody's */
    uint32_t *asks;                     /* pairs whose target is to be opened */
    uint32_t n_asks;
    uint32_t **sides;    /* slot -> pair * 2 + side, in chunks made when needed */
    struct skt_heap due; /* streams: pair * 2 + side; flows: when they have been silent for too long */
    struct skt_impair_event events[EVENTS_MAX];
    uint32_t first, n_events;
    uint64_t came, hit, failed, refused;
    struct skt_names flows; /* address -> pair */
    struct gramline grams;
    struct skt_buf *lent; /* shown to the driver by the last send */
};

/* proxy.c */
struct pair *impair_pair(struct skt_impair *m, skt_link link, bool *ret_side); /* NULL: unknown */
struct pair *impair_pair_new(
    struct skt_impair *m, skt_time now, skt_link near, const struct skt_addr *peer); /* NULL: no memory */
bool impair_side_set(struct skt_impair *m, struct pair *p, bool side, skt_link link);
void impair_side_drop(struct skt_impair *m, struct pair *p, bool side);
void impair_pair_free(struct skt_impair *m, struct pair *p);
void impair_ask(struct skt_impair *m, struct pair *p); /* open its target */
void impair_tell(struct skt_impair *m, const struct pair *p, enum skt_impair_what what, skt_time now, int why);
void impair_close(struct skt_impair *m, struct pair *p, bool side, int why); /* once */
/* When it enters the way: at a time up to now, and in order. */
skt_time impair_entry(struct way *w, skt_time now, skt_time at);
/* Becomes what the line does; owned from now on. For the verb, whose options are not text. */
void impair_take(struct skt_impair *m, struct skt_profile *profile);

/* streamline.c */
void streamline_init(struct line *l);
void streamline_clear(struct skt_impair *m, struct pair *p, bool from); /* drops all that is in it */
/* Takes of bytes, which came then, as much as there is room for, or all. What came while the queue was full enters when it
 * had room, however late we are. buf NULL: copied. -ENOMEM. */
int streamline_take(struct skt_impair *m, struct pair *p, bool from, skt_time came, skt_time now, struct skt_buf *buf,
    struct skt_span *bytes, bool all);
int streamline_end(struct skt_impair *m, struct pair *p, bool from, skt_time now, enum piece_kind kind);
void streamline_tick(struct skt_impair *m, struct pair *p, bool from, skt_time now); /* what is due leaves */
skt_time streamline_next(const struct pair *p, bool from); /* when something can be done; SKT_NEVER */

/* stream.c */
void impair_stream_recv(struct skt_impair *m, skt_time now, struct skt_in *in);
void impair_stream_tick(struct skt_impair *m, skt_time now);
void impair_stream_refused(struct skt_impair *m, struct pair *p, int why); /* no link for its target */
/* What comes behind the last byte has arrived at the other side. */
void impair_stream_arrived(struct skt_impair *m, struct pair *p, bool from, enum piece_kind kind);

/* datagram.c */
int impair_flows_init(struct skt_impair *m);
void impair_flows_done(struct skt_impair *m);
void impair_flows_recv(struct skt_impair *m, skt_time now, struct skt_in *in);
void impair_flows_tick(struct skt_impair *m, skt_time now);
void impair_flows_refused(struct skt_impair *m, struct pair *p, skt_time now, int why);
bool impair_flows_send(struct skt_impair *m, skt_time now, struct skt_out *out);

/* datagramline.c */
int grams_init(struct gramline *g, uint32_t max);
void grams_done(struct gramline *g);
struct gram *grams_new(struct gramline *g); /* NULL: full, or no memory. To be given to grams_push or grams_drop */
void grams_push(struct gramline *g, struct gram *gram);
struct gram *grams_top(const struct gramline *g); /* NULL: empty */
struct gram *grams_pop(struct gramline *g);
void grams_drop(struct gramline *g, struct gram *gram); /* of one popped: its place is free again */
