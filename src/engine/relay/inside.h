#pragma once
/* inside: what relay's files share. A pair has two sides: NEAR came (or is local's peer), FAR is the target (or local).
 * relay.c is the contract, pair.c leads streams, wire.c datagrams of local, flows.c datagrams of many to a target. */
#include <sockit/relay.h>

#include "base/heap.h"
#include "base/map.h"
#include "engine/outbox.h"
#include "engine/parcel.h"

enum { NEAR, FAR };
enum { CHUNK = 256, EVENTS_MAX = 1024, SAY_MAX = 64 * 1024, DATAGRAM_MAX = 65507 /* of IPv4 */ };

struct side {
    skt_link link; /* 0: not there (any more) */
    bool open, full;
    bool closing;    /* CLOSE is asked for: nothing more goes there */
    bool doomed;     /* there was no memory for that CLOSE */
    bool ended;      /* it sends no more */
    bool told;       /* it was told that no more comes */
    bool moving;     /* its bytes are moved by the driver */
    uint64_t got;    /* bytes that came from it */
    skt_time filled; /* rate: when its tokens were last counted */
};

struct pair {
    struct side side[2];
    bool used, asked, gone;  /* gone: NEAR is closed, FAR is ending */
    bool timed;              /* flows.c: it has an entry in `idle`, which outlives the flow */
    bool asking;             /* it has an entry in `asks`, which outlives the pair */
    bool last_cr, end_waits; /* end_waits: NEAR is told local's end a little later */
    int why;
    uint8_t guilty;
    bool failed;     /* that was told as such */
    skt_link target; /* of FAR, also when it is gone */
    struct skt_addr peer;
    skt_time since, heard; /* heard: when local last gave a byte, or a datagram last came */
    uint32_t next_free;
    struct skt_buf *kept; /* flows.c: the first train, until the target's socket is there */
    struct skt_span kept_bytes;
    uint32_t kept_seg;
};

struct happened {
    struct skt_relay_event ev;
    struct skt_buf *buf;
};

struct skt_relay {
    struct skt_relay_conf conf;
    struct skt_outbox box;
    struct parcel parcel;
    struct pair *pairs;          /* grows to SKT_LINKS_MAX / 2 */
    uint32_t n_pairs, free_pair; /* 0: none; pair 0 is nobody's */
    uint32_t *asks;              /* pairs whose target is to be opened: a stack as large as pairs */
    uint32_t n_asks;
    uint32_t **sides; /* slot -> pair * 2 + side, in chunks made when needed */
    skt_time wake;
    uint8_t *say; /* what skt_relay_say gave before there was a peer; SAY_MAX */
    uint32_t say_len;
    bool doomed;                 /* a side is */
    bool say_ended, local_ended; /* local_ended: before it had a peer */
    bool local_gone;             /* the same, with local_why */
    int local_why;
    uint32_t local_pair; /* local's pair; 0: waits for the next */
    struct happened events[EVENTS_MAX];
    uint32_t first, n_events;
    struct skt_buf *shown;  /* of the event that was told last */
    struct skt_names flows; /* flows.c: address -> pair */
    struct skt_heap idle;   /* flows.c */
};

/* relay.c */
struct pair *relay_pair(struct skt_relay *r, skt_link link, bool *ret_side); /* NULL: unknown */
uint32_t relay_pair_new(struct skt_relay *r, skt_time now);                  /* 0: no memory */
bool relay_side_set(struct skt_relay *r, uint32_t pair, bool side, skt_link link);
void relay_side_drop(struct skt_relay *r, struct pair *p, bool side);
void relay_pair_free(struct skt_relay *r, struct pair *p);
void relay_ask(struct skt_relay *r, struct pair *p); /* open its target */
void relay_event(struct skt_relay *r, const struct skt_relay_event *ev, struct skt_buf *buf /* NULL: none */);
bool relay_events_full(const struct skt_relay *r);
void relay_wake_at(struct skt_relay *r, skt_time at);
void relay_failed(struct skt_relay *r, struct pair *p, bool side, int why); /* that side could not be opened */
void relay_left(struct skt_relay *r, struct pair *p, skt_time now);
size_t relay_allowed(struct skt_relay *r, struct side *s, skt_time now, size_t n);

/* pair.c */
void relay_close(struct skt_relay *r, struct pair *p, bool side, int why); /* once; nothing goes there after it */
void pair_came(struct skt_relay *r, skt_time now, struct skt_in *in);
void pair_recv(struct skt_relay *r, struct pair *p, bool side, skt_time now, struct skt_in *in);
void pair_local_joined(struct skt_relay *r, struct pair *p, skt_time now);
void pair_say(struct skt_relay *r, struct pair *p, skt_time now);
void pair_tick(struct skt_relay *r, struct pair *p, skt_time now);

/* wire.c */
void wire_recv(struct skt_relay *r, skt_time now, struct skt_in *in);
void wire_tick(struct skt_relay *r, skt_time now);

/* flows.c */
int flows_init(struct skt_relay *r);
void flows_done(struct skt_relay *r);
void flows_recv(struct skt_relay *r, skt_time now, struct skt_in *in);
void flows_tick(struct skt_relay *r, skt_time now);
void flows_refused(struct skt_relay *r, struct pair *p, skt_time now); /* no link is left for its target */
