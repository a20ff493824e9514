#pragma once
#include <sockit/engine.h>

#include "base/crypt.h"
#include "wire/xfer.h"

/* gate: what a receiver says to strangers, doc/protocol/xfer.md, section 2. It keeps nothing of them: the address of a
 * sender is proven by a cookie that only it can have got. What it answers is shorter than what came. Pure. */
struct skt_gate {
    const struct skt_crypt *crypt;
    uint8_t secret[SKT_SHA256]; /* of the cookies; lives as long as the receiver */
    uint8_t mode;               /* enum skt_xfer_mode that this receiver wants */
};

enum { SKT_GATE_CHANCE = 32, SKT_GATE_GOOD = 10 /* seconds of a cookie */ };

enum skt_gate_says {
    SKT_GATE_IGNORE, /* no INIT, or not a whole one: no answer */
    SKT_GATE_ANSWER, /* what is in the room goes to where the packet came from */
    SKT_GATE_PASS    /* the address is proven: this INIT may begin a conversation, or repeats one (skt_conn_begun_by) */
};

void skt_gate_init(struct skt_gate *gate, const struct skt_crypt *crypt, enum skt_xfer_mode mode,
    const uint8_t *chance /* SKT_GATE_CHANCE bytes */);

/* For each packet of type INIT, whatever its version. datagram: all of it; room: at least 128 bytes. */
enum skt_gate_says skt_gate_look(const struct skt_gate *gate, skt_time now, struct skt_span datagram,
    const struct skt_xfer_packet *packet, const struct skt_addr *from, struct skt_room *room);

/* The answer to an INIT that may not go on, also after PASS: SKT_XFER_BUSY, SKT_XFER_LOCKED. */
void skt_gate_reject(struct skt_room *room, const struct skt_xfer_packet *init, enum skt_xfer_reject code);
