/* wire/pcapng.h: a capture file of anyone. The reader goes forwards or says why not, and borrows only from the file. */
#include "wire/pcapng.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct skt_pcapng reader;
    struct skt_span in = skt_span_of(data, size);
    struct skt_pcapng_block block;
    const uint8_t *before;
    int r;

    memset(&reader, 0, sizeof reader);
    while (before = in.p, (r = skt_pcapng_get(&reader, &in, &block)) > 0) {
        assert(before + 12 <= in.p && in.p <= data + size); /* a block is twelve bytes at least */
        assert(reader.ifaces <= SKT_PCAPNG_IFACES_MAX);
        if (block.kind != SKT_PCAPNG_PACKET)
            continue;
        assert(skt_len(block.packet.bytes) <= block.packet.len && block.packet.iface < reader.ifaces);
        assert(block.packet.bytes.p >= before && block.packet.bytes.end <= in.p);
    }
    assert(in.p == before && r <= 0);
    return 0;
}
