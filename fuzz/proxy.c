/* wire/proxy.h: the header in front of a stream. It is found whole or asked for again, never half; version 1 is written
 * as it was read. */
#include "wire/proxy.h"

#include <assert.h>
#include <errno.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The same bytes a few at a time give the same answer at the same place. */
static void in_pieces(const uint8_t *data, size_t size, int want, size_t taken)
{
    struct skt_addr peer = { 0 }, to = { 0 };

    for (size_t n = 0; n <= size; n++) {
        struct skt_span in = skt_span_of(data, n);
        int r = skt_proxy_get(&in, &peer, &to);

        if (r == -EAGAIN) {
            assert(in.p == (n ? data : in.p) && n < SKT_PROXY_MAX);
            continue;
        }
        assert(r == want && (r || (size_t)(in.p - data) == taken));
        return;
    }
    assert(want == -EAGAIN);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t line[SKT_PROXY_MAX];
    struct skt_room out = skt_room_of(line, sizeof line);
    struct skt_span in = skt_span_of(data, size), back;
    struct skt_addr peer = { 0 }, to = { 0 }, peer2 = { 0 }, to2 = { 0 };
    int r = skt_proxy_get(&in, &peer, &to);

    in_pieces(data, size < 2 * SKT_PROXY_MAX ? size : 2 * SKT_PROXY_MAX, r, r ? 0 : (size_t)(in.p - data));
    if (r || (peer.family != SKT_IP4 && peer.family != SKT_IP6))
        return 0;
    skt_proxy_put(&out, &peer, &to);
    back = skt_span_of(line, (size_t)(out.p - line));
    assert(!out.bad && !skt_proxy_get(&back, &peer2, &to2) && back.p == back.end);
    assert(peer2.port == peer.port && to2.port == to.port && !memcmp(peer2.ip, peer.ip, sizeof peer.ip));
    return 0;
}
