/* engine/relay: which kind by the first byte, then a world of strangers on both sides. */
#include <sockit/relay.h>

#include "world.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_events(void *self)
{
    struct skt_relay_event event;

    while (skt_relay_next(self, &event))
        if (event.what == SKT_RELAY_BYTES)
            world_read(event.bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t kind = size ? data[0] : 0;
    struct skt_relay_conf conf = {
        .to = kind & 1 ? "there:1" : NULL,
        .local = kind & 1 ? 0 : WORLD_LOCAL,
        .keep = kind & 2,
        .watch = kind & 4,
        .crlf = kind & 8,
        .proxy = kind & 16,
        .rate = kind & 32 ? 1000 : 0,
        .max_flows = 3,
        .seed = 1,
    };
    struct world_conf world = { .after = read_events, .datagrams = kind & 1, .local = !(kind & 1) };
    struct skt_relay *relay;

    if (!size)
        return 0;
    relay = skt_relay_new(&conf);
    assert(relay);
    world.engine = skt_relay_engine(relay);
    world.self = relay;
    world_run(&world, data + 1, size - 1);
    skt_relay_free(relay);
    return 0;
}
