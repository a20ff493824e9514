/* lost SEED COUNT SPEC: sends COUNT numbered datagrams over the simulated network, whose path is SPEC in the words of
 * tc-netem, and prints the numbers of those that never arrived, a line each. For tests that compare another world with
 * this one: test/cli/bridge.sh. */
#include "drive/sim/sim.h"
#include "engine/impair/grammar.h"

#include <stdio.h>
#include <stdlib.h>

enum { COUNT_MAX = 1 << 20 };

/* One datagram a millisecond. */
struct sender {
    skt_link link;
    uint32_t sent, count;
    skt_time next;
};

static void sender_recv(void *self, skt_time now, struct skt_in *in) {}

static bool sender_send(void *self, skt_time now, struct skt_out *out)
{
    struct sender *s = self;

    if (s->sent == s->count || now < s->next)
        return false;
    s->next = now + SKT_MS;
    out->link = s->link;
    out->kind = SKT_DATA;
    skt_put_u32(&out->data, s->sent++);
    return true;
}

static skt_time sender_wake(const void *self)
{
    const struct sender *s = self;

    return s->sent == s->count ? SKT_NEVER : s->next;
}

struct sink {
    bool *came; /* by number */
    uint32_t count;
};

static void sink_recv(void *self, skt_time now, struct skt_in *in)
{
    struct sink *s = self;

    while (in->kind == SKT_DATA && skt_len(in->data) >= sizeof(uint32_t)) {
        uint32_t number = skt_get_u32(&in->data);
        if (number < s->count)
            s->came[number] = true;
    }
}

static bool sink_send(void *self, skt_time now, struct skt_out *out) { return false; }
static skt_time sink_wake(const void *self) { return SKT_NEVER; }

static const struct skt_engine_ops sender_ops = { sender_recv, sender_send, sender_wake };
static const struct skt_engine_ops sink_ops = { sink_recv, sink_send, sink_wake };

static void run(uint64_t seed, struct skt_path_conf path, struct sender *sender, struct sink *sink)
{
    struct sim *sim = sim_new(seed);
    int here = sim_host(sim, (struct skt_engine){ &sender_ops, sender }, "here");
    int there = sim_host(sim, (struct skt_engine){ &sink_ops, sink }, "there");

    sim_listen(sim, there, "udp:7");
    sim_wire(sim, here, there, path);
    sender->link = sim_open(sim, here, "udp:there:7");
    while (sim_step(sim)) {
    }
    sim_free(sim);
}

int main(int argc, char **argv)
{
    struct skt_netem netem = { 0 };
    struct sender sender = { 0 };
    struct sink sink = { 0 };
    char text[512];
    struct skt_room why = skt_room_of(text, sizeof text);

    if (argc != 4) {
        fprintf(stderr, "usage: lost SEED COUNT SPEC\n");
        return 2;
    }
    sender.count = sink.count = (uint32_t)strtoul(argv[2], NULL, 10);
    if (!sender.count || sender.count > COUNT_MAX || skt_netem_line(&netem, SKT_BOTH, argv[3], &why)) {
        fprintf(stderr, "%.*s\n", (int)((char *)why.p - text), text);
        return 2;
    }
    sink.came = calloc(sink.count, sizeof *sink.came);
    if (!sink.came)
        return 1;
    run(strtoull(argv[1], NULL, 10), netem.way[SKT_UP], &sender, &sink);
    for (uint32_t i = 0; i < sink.count; i++)
        if (!sink.came[i])
            printf("%u\n", i);
    free(sink.came);
    return 0;
}
