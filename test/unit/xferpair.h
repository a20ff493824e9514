#pragma once
/* Two conversations (engine/xfer/conn.h) and the gate before the second, for tests and fuzzers that carry datagrams between
 * them as they like. */
#include "engine/xfer/conn.h"
#include "engine/xfer/gate.h"

enum { SENDER, RECEIVER };

struct xferpair {
    const struct skt_crypt *crypt;
    uint16_t packet_max;
    skt_time now;
    struct skt_gate gate;
    struct skt_conn *conn[2];
    struct skt_addr at[2];
};

static inline void xferpair_init(struct xferpair *p, const struct skt_crypt *crypt, uint16_t packet_max)
{
    const uint8_t chance[SKT_GATE_CHANCE] = { 1 };

    *p = (struct xferpair){ .crypt = crypt, .packet_max = packet_max, .now = SKT_SEC };
    for (int i = 0; i < 2; i++)
        p->at[i] = (struct skt_addr){ .family = SKT_IP4, .port = (uint16_t)(1 + 10 * i) };
    skt_gate_init(&p->gate, crypt, SKT_XFER_KEY, chance);
}

/* init: of the sender, for the receiver. As skt_conn_new. */
static inline int xferpair_open(struct xferpair *p, int who, const struct skt_xfer_packet *init)
{
    const struct skt_conn_conf conf = { .crypt = p->crypt,
        .sender = who == SENDER,
        .mode = SKT_XFER_KEY,
        .secret = skt_span_str("secret"),
        .chance = { (uint8_t)(who + 1), 2, 3, 4, 5, 6, 7, 8 },
        .packet_max = p->packet_max,
        .conn = 10 + (uint32_t)who,
        .peer = p->at[!who],
        .init = init };

    return skt_conn_new(&conf, p->now, &p->conn[who]);
}

/* Is the packet for a conversation? The receiver's may begin with it. If not, the gate may have put an answer. */
static inline bool xferpair_passes(struct xferpair *p, int who, struct skt_span datagram,
    const struct skt_xfer_packet *packet, struct skt_room *answer)
{
    if (who == RECEIVER && packet->type == SKT_XFER_INIT) {
        if (skt_gate_look(&p->gate, p->now, datagram, packet, &p->at[SENDER], answer) != SKT_GATE_PASS)
            return false;
        if (!p->conn[RECEIVER] && xferpair_open(p, RECEIVER, packet))
            return false; /* no memory */
    }
    return p->conn[who] != NULL;
}

static inline void xferpair_done(struct xferpair *p)
{
    for (int i = 0; i < 2; i++)
        skt_conn_free(p->conn[i]);
}
