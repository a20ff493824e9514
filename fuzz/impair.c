/* engine/impair: what the line does by the first bytes, then a world of strangers on both sides. */
#include <sockit/impair.h>

#include "world.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_events(void *self)
{
    struct skt_impair_event event;
    struct skt_impair_stats stats;

    while (skt_impair_next(self, &event))
        ;
    skt_impair_stats(self, 0, &stats);
    assert(stats.up.line_packets < 1 << 20 && stats.up.line_bytes < 1 << 30); /* no counter went below 0 */
    assert(stats.down.line_packets < 1 << 20 && stats.down.line_bytes < 1 << 30);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const networks[] = {
        "clear",
        "delay 100ms",
        "delay 10ms 10ms loss 20%",
        "loss gemodel 10% 10%\nat 1s: loss 100%\nat 10s: clear",
        "rate 8kbit limit 100",
        "rate 80kbit limit 2 duplicate 30% corrupt 10%",
        "delay 50ms reorder 50% slot 10ms 100ms packets 2",
        "up: delay 1s\ndown: rate 100kbit burst 1KiB\nloop 20s",
    };
    uint8_t kind = size > 2 ? data[0] : 0, toxic = size > 2 ? data[1] : 0;
    struct skt_impair_conf conf = {
        .to = kind & 1 ? "udp:there:1" : "there:1",
        .datagrams = kind & 1,
        .changes = kind & 2,
        .spare = kind & 4 ? .3 : 0,
        .reset_after = toxic & 1 ? SKT_SEC : 0,
        .reset_bytes = toxic & 2 ? 300 : 0,
        .limit_bytes = toxic & 4 ? 200 : 0,
        .slow_close = toxic & 8 ? SKT_SEC : 0,
        .slice = toxic & 16 ? 3 : 0,
        .blackhole = toxic & 32,
        .line_bytes = toxic & 64 ? 100 : 0,
        .max_datagrams = toxic & 64 ? 5 : 0,
        .every = toxic & 128 ? SKT_SEC : 0,
        .max_flows = 3,
    };
    struct world_conf world = { .after = read_events, .datagrams = kind & 1 };
    struct skt_impair *impair;
    int r;

    if (size <= 2)
        return 0;
    r = skt_impair_new(&conf, &impair);
    assert(!r);
    r = skt_impair_network(impair, skt_span_str(networks[kind >> 5]), "fuzz", NULL);
    assert(!r);
    world.engine = skt_impair_engine(impair);
    world.self = impair;
    world_run(&world, data + 2, size - 2);
    skt_impair_free(impair);
    return 0;
}
