#pragma once
#include <sockit/engine.h>

/* addrkey: an address as bytes without holes, the key of a table of flows. Who talks to two of our addresses has two. */
struct key {
    uint8_t bytes[24];
};

static inline struct skt_span key_of(const struct skt_addr *addr, struct key *key)
{
    struct skt_room room = skt_room_of(key->bytes, sizeof key->bytes);

    skt_put_u8(&room, addr->family);
    skt_put_u8(&room, addr->here);
    skt_put_u16(&room, addr->port);
    skt_put_u32(&room, addr->id);
    skt_put(&room, skt_span_of(addr->ip, sizeof addr->ip));
    return skt_span_of(key->bytes, sizeof key->bytes);
}
