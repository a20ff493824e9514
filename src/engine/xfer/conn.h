#pragma once
#include "base/crypt.h"
#include "engine/xfer/plain.h"
#include "wire/xfer.h"

/* conn: one conversation of doc/protocol/xfer.md, sections 2 to 4: handshake, sealed packets, acknowledgements, repair, pace,
 * path MTU, control stream. It knows nothing of files: whoever uses it puts blocks into packets and is told what became
 * of each. Pure: time and chance are given.
 *
 * in:   skt_conn_recv() one packet, then skt_conn_next() until false: the frames of that packet and what its ACKs settled.
 * time: skt_conn_next() until false, before it is asked for a train: the clock may have lost blocks or ended it.
 * out:  while skt_conn_train(): blocks by skt_conn_block() until it says false, then skt_conn_sealed() gives the datagrams. */
struct skt_conn;

struct skt_conn_conf {
    const struct skt_crypt *crypt;
    bool sender;
    enum skt_xfer_mode mode;
    struct skt_span secret;             /* borrowed during skt_conn_new */
    uint8_t chance[64];                 /* for its share, session, conn and skipped numbers */
    skt_time deadline, silence;         /* of the handshake; of a peer that says nothing */
    uint64_t rate_max;                  /* bytes a second; 0: none */
    uint32_t packet_max;                /* bytes of a datagram */
    uint32_t conn;                      /* the number by which the peer is to name this conversation */
    struct skt_addr peer;               /* SKT_NOWHERE: the socket is connected */
    const struct skt_xfer_packet *init; /* receiver: the INIT that the gate let in */
    struct skt_plain *plain;            /* where packets go in clear, for a capture; borrowed; NULL: nowhere */
};
int skt_conn_new(const struct skt_conn_conf *conf, skt_time now,
    struct skt_conn **ret_conn);           /* -ENOMEM, -EINVAL: its share is no point */
void skt_conn_free(struct skt_conn *conn); /* wipes the keys */
SKT_CLEANUP(skt_conn)

/* What the user of a conn had put into a packet: a block of bytes of his, by a name of his. */
struct skt_conn_piece {
    uint32_t tag; /* as he likes */
    uint32_t from, len;
};

enum skt_conn_event_kind {
    SKT_CONN_KEYED,   /* sender: messages may be said; nobody has proven yet that he can read them */
    SKT_CONN_OPENED,  /* the peer knows the secret */
    SKT_CONN_MESSAGE, /* message: of the control stream, in order */
    SKT_CONN_BLOCK,   /* file, offset, bytes */
    SKT_CONN_ACKED,   /* piece: arrived */
    SKT_CONN_LOST,    /* piece: is to be sent again. ACKED may still follow, if it only came late */
    SKT_CONN_SPENT,   /* receiver: a wrong secret was tried */
    SKT_CONN_CLOSED   /* code, text (of the peer: unescaped), why (0 or -errno). Nothing follows */
};
struct skt_conn_event {
    enum skt_conn_event_kind kind;
    struct skt_conn_piece piece;
    uint32_t file;
    uint64_t offset;
    struct skt_span bytes;           /* valid until the next call */
    struct skt_xfer_message message; /* the same */
    uint16_t code;
    bool by_peer; /* CLOSED: the peer said so */
    int why;
    char text[128];
};

/* Where the bytes of a block from `offset` of `file` on would go, if it is what comes next. */
struct skt_conn_place {
    uint32_t file;
    uint64_t offset;
    struct skt_room room; /* empty: nowhere */
};

/* place: a guess, which saves a copy when it is right; NULL: none. Its room may be filled with garbage, by whom ever: nothing may be there
 * yet. If it was right a BLOCK follows whose bytes are there. */
void skt_conn_recv(struct skt_conn *conn, skt_time now, struct skt_span datagram, const struct skt_xfer_packet *packet,
    const struct skt_addr *from, const struct skt_conn_place *place);
bool skt_conn_next(struct skt_conn *conn, skt_time now, struct skt_conn_event *ret_event);

/* Puts a message at the end of the control stream. False: no room (256 KiB wait already), nothing was put: later. */
bool skt_conn_say(struct skt_conn *conn, const struct skt_xfer_message *message);
size_t skt_conn_say_room(const struct skt_conn *conn);

/* May packets go now? Then begins a train in `room` (of the driver; many packets): handshake, ACK, control stream, probes are put by conn
 * itself. False: nothing to send before skt_conn_wake(). blocks: the user has some; without them the path is app-limited. */
bool skt_conn_train(struct skt_conn *conn, skt_time now, struct skt_room room, bool blocks);
/* Bytes of a block that fit into the train still, in one piece; 0: it is full, by size, window or pace. */
size_t skt_conn_block_room(struct skt_conn *conn);
/* Adds a block, at most as long as that. The bytes must stay until skt_conn_sealed: it takes them from there. */
void skt_conn_block(
    struct skt_conn *conn, struct skt_conn_piece piece, uint32_t file, uint64_t offset, struct skt_span bytes);
/* Seals the packets. Gives the bytes written to room and the length of each datagram but the last. 0 bytes: there was nothing after all. */
size_t skt_conn_sealed(struct skt_conn *conn, skt_time now, uint32_t *ret_seg, struct skt_addr *ret_peer);

skt_time skt_conn_wake(const struct skt_conn *conn);
/* CLOSED (by_peer false) follows at once from skt_conn_next; the packets that tell the peer go out until skt_conn_over. */
void skt_conn_close(struct skt_conn *conn, skt_time now, uint16_t code, const char *text);
/* Is the other end still there? It is asked, and CLOSED follows (-ETIMEDOUT; a sender's handshake: -ECONNREFUSED) if nothing comes
 * for 3 PTO, and `least`. */
void skt_conn_prove(struct skt_conn *conn, skt_time now, skt_time least);
bool skt_conn_over(const struct skt_conn *conn, skt_time now); /* nothing more to send or to answer: free it */
bool skt_conn_open(const struct skt_conn *conn);
bool skt_conn_is_put_off(
    const struct skt_conn *conn); /* sender: the receiver is busy; it is asked again until the deadline */
/* Receiver: is this INIT, which the gate let pass, a repetition of the one with which this conversation began? Then it is for
 * skt_conn_recv. */
bool skt_conn_begun_by(const struct skt_conn *conn, const struct skt_xfer_packet *init);
uint32_t skt_conn_number(const struct skt_conn *conn);
const struct skt_addr *skt_conn_peer(const struct skt_conn *conn);
void skt_conn_stats(const struct skt_conn *conn, struct skt_xfer_stats *stats); /* its part of them */
