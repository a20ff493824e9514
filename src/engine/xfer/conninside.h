#pragma once
#include "base/random.h"
#include "engine/xfer/acks.h"
#include "engine/xfer/cc.h"
#include "engine/xfer/conn.h"
#include "engine/xfer/mtu.h"
#include "engine/xfer/pace.h"
#include "engine/xfer/seal.h"
#include "engine/xfer/sent.h"
#include "engine/xfer/shake.h"
#include "engine/xfer/stream.h"

/* What conn.c (life, in) and connout.c (out) share. */

enum conn_state {
    CONN_SHAKES,
    CONN_OPEN,
    CONN_REFUSES, /* receiver: a wrong secret; says so for a while */
    CONN_CLOSES,  /* says CLOSE until the other end has said it too, or it was said often enough */
    CONN_PARTS,   /* the other end said CLOSE: ours goes out once */
    CONN_OVER
};

enum { CONN_HUGE = 16 }; /* packets larger than jumbo frames: so many the window must hold, twice as many to begin */

/* The train that is being built in the driver's room. */
struct conn_train {
    struct skt_room room; /* behind the packets that are sealed */
    uint8_t *begin;
    uint32_t size, n; /* bytes of a packet; packets sealed */
    bool alone;       /* this one packet and no more */
    bool full;        /* the user would have had more */
    uint64_t credit;  /* of the pace */
    uint8_t *packet;  /* the one that is open; NULL: none */
    struct skt_room body;
    struct skt_span tail;        /* its last bytes: room for them is left, they are still elsewhere */
    struct skt_sent_packet sent; /* its record */
};

struct skt_conn {
    const struct skt_crypt *crypt;
    struct skt_plain *plain;
    bool sender, keyed;
    enum conn_state state;
    skt_time deadline, silence; /* a moment; a length */
    skt_time now;               /* of the last call of train */
    struct skt_addr peer;
    uint32_t overhead; /* bytes of UDP's and IP's headers */
    struct skt_random random;
    struct skt_shake shake;
    struct skt_seal seal;
    struct skt_unseal unseal;
    struct skt_acks acks;
    struct skt_sent sent;
    struct skt_pace pace;
    struct skt_mtu mtu;
    struct skt_stream_out out;
    struct skt_stream_in in;
    struct skt_cc *cc; /* since there are keys: the handshake has measured the path */
    uint64_t rate_max;

    /* in: the packet in hand */
    uint8_t *scratch; /* its text */
    size_t scratch_size;
    struct skt_span text;
    struct skt_conn_place placed; /* room: the bytes of the one block that the packet was, not told yet */
    size_t bytes;
    bool asks; /* it has asked to be acknowledged */
    /* what was settled: its control part is done up to settled, its pieces up to sent.told_first */
    uint64_t settled;
    struct skt_sent_told piece_of; /* the packet whose pieces are being told */
    uint32_t piece;                /* the next of them */
    bool pieces;                   /* there is one */
    bool tell_keyed, tell_open, tell_spent, tell_closed;
    struct skt_conn_event closed;

    /* out */
    uint64_t skip_at; /* the next number to be left out */
    bool ping, blocks;
    uint32_t probes;      /* packets that may go beyond the window, after a probe time-out */
    skt_time close_at;    /* when CLOSE goes out again */
    skt_time close_until; /* over by then; SKT_NEVER until CLOSE may go: who closed may have had an old time */
    uint32_t closes;
    skt_time heard, pinged;
    skt_time prove_until;      /* something must have come by then; 0: as silence says */
    skt_time looked, patience; /* the last look at the clock; silence counts from then on */

    /* a new address of the other end is not believed until it has acknowledged something */
    bool unproven;
    uint64_t path_in, path_out, proven_from;

    uint64_t bytes_sent, forged, rate;
    struct conn_train train;
};

void conn_fail(struct skt_conn *conn, skt_time now, uint16_t code, int why, const char *text); /* closes by ourselves */
void conn_clock(struct skt_conn *conn, skt_time now);                                          /* what is due by now */
void conn_news(struct skt_conn *conn, skt_time now, const struct skt_sent_news *news);
skt_time conn_keep(const struct skt_conn *conn); /* 3 PTO */
