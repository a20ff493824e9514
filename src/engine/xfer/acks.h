#pragma once
#include "base/ranges.h"
#include "wire/xfer.h"

/* acks: which packets have arrived, and when to say so. */

enum {
    SKT_ACKS_KEPT = 1024,  /* ranges remembered; a number below them is taken for received */
    SKT_ACKS_PACKETS = 64, /* unacknowledged at most */
    SKT_ACKS_FEW = 16,     /* the same, of the first SKT_ACKS_YOUNG: while the rate rises each waits for an answer */
    SKT_ACKS_YOUNG = 2048,
    SKT_ACKS_BYTES = 128 * 1024, /* the same: a window of few large packets must not wait for the clock */
};

struct skt_acks {
    struct skt_ranges seen;
    uint64_t floor;       /* below it nothing is remembered */
    uint64_t report_from; /* below it the other end knows what arrived */
    uint64_t largest;     /* if seen.n */
    skt_time largest_at;
    uint32_t owed, owed_bytes; /* packets and bytes that ask for an acknowledgement */
    bool gap;                  /* the packet in hand shows that one is missing */
    skt_time due;              /* SKT_NEVER: nothing is owed */
};

void skt_acks_init(struct skt_acks *acks);
void skt_acks_done(struct skt_acks *acks);
bool skt_acks_fresh(const struct skt_acks *acks, uint64_t number); /* may it be opened, or is it a repeat? */
/* An opened packet. -ENOMEM: it was not remembered, and must not be believed. */
int skt_acks_got(struct skt_acks *acks, skt_time now, uint64_t number);
/* It asks to be acknowledged. delay: how long that may wait, max(RTT / 8, 1 ms); at_once: PING. */
void skt_acks_owe(struct skt_acks *acks, skt_time now, skt_time delay, size_t bytes, bool at_once);
/* An ACK frame, if anything arrived ever. Nothing is owed then. Gives largest + 1; 0: nothing was put. */
uint64_t skt_acks_put(struct skt_acks *acks, skt_time now, struct skt_room *out);
void skt_acks_known(struct skt_acks *acks, uint64_t below); /* an ACK up to `below` has arrived at the other end */
