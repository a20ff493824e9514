/* wire/ip.h: a packet of anyone. What get understands, put writes again, and get sees the same. */
#include "wire/ip.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t room[SKT_IP_HEAD + 65536];
    struct skt_room out = skt_room_of(room, sizeof room);
    struct skt_span in = skt_span_of(data, size), back;
    struct skt_ip_packet packet, again;

    if (skt_ip_get(&in, &packet)) {
        assert(in.p == (size ? data : in.p));
        return 0;
    }
    assert(data < in.p && in.p <= data + size);
    assert(packet.payload.p == packet.payload.end || (data < packet.payload.p && packet.payload.end <= in.p));
    if (packet.fragment || skt_ip_put(&out, &packet) || out.bad)
        return 0;
    back = skt_span_of(room, (size_t)(out.p - room));
    assert(!skt_ip_get(&back, &again) && back.p == back.end);
    assert(again.sums_right && again.protocol == packet.protocol && again.from.port == packet.from.port);
    assert(again.seq == packet.seq && again.ack == packet.ack && again.flags == packet.flags);
    assert(skt_span_eq(again.payload, packet.payload));
    return 0;
}
