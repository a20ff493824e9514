#pragma once
/* One conversation (engine/xfer/conn.h) of the test's own, on the other end of an engine's link. */
#include "toycrypt.h"

#include <sockit/xfer.h>

#include "engine/xfer/conn.h"

enum { LINK = 7 };
static const struct skt_addr address = { .family = SKT_IP4, .port = 40000, .ip = { 127, 0, 0, 1 } };

/* init: of the engine that sends; NULL: it receives. NULL: no memory. */
static inline struct skt_conn *xferpeer_new(skt_time now, const struct skt_xfer_packet *init)
{
    struct skt_conn_conf conf = { .crypt = &toycrypt,
        .sender = !init,
        .mode = SKT_XFER_KEY,
        .secret = skt_span_str("secret"),
        .packet_max = 1200,
        .conn = 77,
        .peer = address,
        .init = init };
    struct skt_conn *peer = NULL;

    memset(conf.chance, 5, sizeof conf.chance);
    (void)skt_conn_new(&conf, now, &peer);
    return peer;
}

/* Gives a train to the engine; how much it left, which is to be nothing. */
static inline size_t xferpeer_tell(struct skt_xfer *x, skt_time now, const uint8_t *bytes, size_t n, uint32_t seg)
{
    struct skt_engine e = skt_xfer_engine(x);
    struct skt_in in = {
        .link = LINK, .kind = SKT_DATA, .data = skt_span_of(bytes, n), .seg = n > seg ? seg : 0, .peer = &address
    };

    e.ops->recv(e.self, now, &in);
    return skt_len(in.data);
}

/* The next datagram of a train. */
static inline struct skt_span xferpeer_datagram(struct skt_span *train, uint32_t seg)
{
    return skt_get_span(train, seg && seg < skt_len(*train) ? seg : skt_len(*train));
}
