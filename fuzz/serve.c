/* engine/serve: each mode by the first byte, then a world of strangers. */
#include <sockit/serve.h>

#include "world.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Those who left came before. */
static void read_events(void *self)
{
    struct skt_serve_event event;

    while (skt_serve_next(self, &event))
        assert(event.link != 0 && (event.what == SKT_SERVE_CAME || event.stayed >= 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct skt_serve_conf conf = { .mode = size ? data[0] % 4 : 0, .text = skt_span_str("so: ") };
    struct skt_serve *serve;
    struct world_conf world = { .after = read_events, .datagrams = true };

    if (!size)
        return 0;
    conf.rate = data[0] & 4 ? 1000 : 0;
    conf.message_bytes = data[0] & 8 ? 100 : 0;
    conf.quiet = data[0] & 16;
    serve = skt_serve_new(&conf);
    assert(serve);
    world.engine = skt_serve_engine(serve);
    world.self = serve;
    world_run(&world, data + 1, size - 1);
    skt_serve_free(serve);
    return 0;
}
