/* transfer [KEY=NUMBER]...: one file by engine/xfer over an emulated line in the tests' world, where the same seed gives the
 * same figures: rtt=50 (ms), loss=0 (%, both ways), mbit=100, mb=50, seed=1, jitter=0 (ms), reorder=0 (%), late=0 (ms), trace=0 (ms).
 * One queue of a BDP (128 kB at least) each way; 14 bytes of Ethernet count. Prints the time from the sender's start until
 * both have ended, eff: goodput / (rate x (1 - loss) x 1448 / 1514), and what was lost or sent again. late: each end
 * runs up to so much later than it should, as on a machine that is busy. trace: so often a line of what the sender does. */
#include "common.h"

#include "drive/sim/sim.h"
#include "engine/xfer/conninside.h"
#include "engine/xfer/inside.h"

#define VERB_FILES 1024
#include "../test/unit/toycrypt.h"
#include "../test/unit/xferverb.h"

#include <string.h>

enum { RECEIVER, SENDER, MIN_QUEUE = 131072, ETHERNET = 14, LONGEST = 300 };

static struct option {
    const char *name;
    double value;
} options[] = { { "rtt", 50 }, { "loss", 0 }, { "mbit", 100 }, { "mb", 50 }, { "seed", 1 }, { "jitter", 0 },
    { "reorder", 0 }, { "late", 0 }, { "trace", 0 } };

static struct option *find(const char *name, size_t len)
{
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        if (strlen(options[i].name) == len && !strncmp(options[i].name, name, len))
            return &options[i];
    bench_die("no such key: %s", name);
}

static double option(const char *name) { return find(name, strlen(name))->value; }

static void read_option(const char *text)
{
    size_t len = strcspn(text, "=");
    char *end = NULL;

    find(text, len)->value = text[len] ? strtod(text + len + 1, &end) : 0;
    if (!end || *end)
        bench_die("KEY=NUMBER, not %s", text);
}

static struct skt_path_conf line(void)
{
    double bytes = option("mbit") * 125000, queue = bytes * option("rtt") / 1000;

    return (struct skt_path_conf){ .delay = (skt_time)(option("rtt") / 2 * (double)SKT_MS),
        .jitter = (skt_time)(option("jitter") * (double)SKT_MS),
        .loss = option("loss") / 100,
        .reorder = option("reorder") / 100,
        .rate_bytes = (uint64_t)bytes,
        .overhead = ETHERNET,
        .queue_bytes = queue > MIN_QUEUE ? (uint64_t)queue : MIN_QUEUE };
}

/* --- an end that is not run at once --- */

/* What came meanwhile waits as in a socket, and is read before anything is sent. */
static struct host {
    struct skt_engine inner;
    struct skt_random dice;
    skt_time run_at; /* SKT_NEVER: nothing has happened */
    struct waiting {
        struct waiting *next;
        skt_link link;
        struct skt_addr peer;
        uint32_t seg;
        struct skt_span rest;
        uint8_t bytes[];
    } * first, **end;
} hosts[2];

static skt_time later(struct host *h)
{
    return (skt_time)(skt_random_unit(&h->dice) * option("late") * (double)SKT_MS);
}

static void late_recv(void *self, skt_time now, struct skt_in *in)
{
    struct host *h = self;
    struct waiting *w;

    if (in->kind != SKT_DATA) {
        h->inner.ops->recv(h->inner.self, now, in);
        return;
    }
    w = malloc(sizeof *w + skt_len(in->data));
    if (!w)
        bench_die("no memory");
    *w = (struct waiting){ .link = in->link, .peer = *in->peer, .seg = in->seg };
    memcpy(w->bytes, in->data.p, skt_len(in->data));
    w->rest = skt_span_of(w->bytes, skt_len(in->data));
    *h->end = w;
    h->end = &w->next;
    in->data.p = in->data.end;
    if (h->run_at == SKT_NEVER)
        h->run_at = now + later(h);
}

/* False: the engine leaves some of it for another time. */
static bool read_waiting(struct host *h, skt_time now)
{
    struct waiting *w = h->first;
    struct skt_in in = { .link = w->link, .kind = SKT_DATA, .data = w->rest, .seg = w->seg, .peer = &w->peer };

    h->inner.ops->recv(h->inner.self, now, &in);
    w->rest = in.data;
    if (in.hold && skt_len(in.data))
        return false;
    h->first = w->next;
    h->end = h->first ? h->end : &h->first;
    free(w);
    return true;
}

static bool late_send(void *self, skt_time now, struct skt_out *out)
{
    struct host *h = self;
    skt_time due = h->inner.ops->wake(h->inner.self);

    if (h->run_at == SKT_NEVER && due <= now)
        h->run_at = now + later(h);
    if (h->run_at != SKT_NEVER && now < h->run_at)
        return false;
    while (h->first && read_waiting(h, now))
        ;
    if (h->inner.ops->send(h->inner.self, now, out))
        return true;
    h->run_at = h->first ? now + SKT_US : SKT_NEVER;
    return false;
}

static skt_time late_wake(const void *self)
{
    const struct host *h = self;

    return h->run_at == SKT_NEVER ? h->inner.ops->wake(h->inner.self) : h->run_at;
}

static struct skt_engine late_engine(struct host *h, struct skt_engine inner)
{
    static const struct skt_engine_ops ops = { .recv = late_recv, .send = late_send, .wake = late_wake };

    *h = (struct host){ .inner = inner, .run_at = SKT_NEVER, .end = &h->first };
    skt_random_init(&h->dice, (uint64_t)option("seed") + 77);
    return option("late") > 0 ? (struct skt_engine){ .ops = &ops, .self = h } : inner;
}

static void begin(struct sim *sim, struct verb *v, struct verb_tree *tree, bool send, int *ret_host)
{
    static const struct skt_addr there = { .family = SKT_IP4, .port = 9000, .ip = { 10, 0, 0, 1 } };
    struct skt_xfer_conf conf = {
        .send = send, .crypt = &toycrypt, .secret = skt_span_str("secret"), .max_packet = 1472
    };
    struct skt_random dice;
    struct skt_room room = skt_room_of(conf.chance, sizeof conf.chance);

    skt_random_init(&dice, (uint64_t)option("seed") * 2 + send);
    skt_random_fill(&dice, &room);
    verb_init(v, tree, send, 1);
    if (skt_xfer_new(&conf, &v->x))
        bench_die("no engine");
    *ret_host = sim_host(sim, late_engine(&hosts[send], skt_xfer_engine(v->x)), send ? "send" : "recv");
    skt_xfer_link(v->x, sim_listen(sim, *ret_host, send ? "udp:4000" : "udp:9000"), send ? &there : NULL);
}

static void trace(const struct verb *send, skt_time now)
{
    static skt_time next;
    static uint64_t before;
    const struct skt_conn *c = send->x->sessions[0] ? send->x->sessions[0]->conn : NULL;
    skt_time each = (skt_time)(option("trace") * (double)SKT_MS);

    if (!each || now < next || !c || !c->cc)
        return;
    printf("%6.0f ms %-8s %6.1f Mbit/s window %7llu inflight %7llu pace %6.1f rtt %5.1f min %5.1f lost %llu\n",
        (double)now / (double)SKT_MS, skt_cc_state(c->cc),
        (double)(c->sent.delivered - before) * 8 / ((double)each / (double)SKT_SEC) / 1e6,
        (unsigned long long)skt_cc_window(c->cc), (unsigned long long)c->sent.inflight,
        (double)skt_cc_rate(c->cc) * 8 / 1e6, (double)c->sent.latest / 1e6, (double)c->sent.rtt_min / 1e6,
        (unsigned long long)c->sent.lost_n);
    before = c->sent.delivered;
    next = now - now % each + each;
}

static bool is_over(const struct verb *v)
{
    return v->closed && (!v->x->sessions[0] || xfer_over(v->x, v->x->sessions[0]));
}

int main(int argc, char **argv)
{
    static struct verb verb[2];
    struct verb_tree tree[2];
    struct skt_xfer_stats stats = { 0 };
    struct sim *sim;
    skt_time began, took;
    double seconds;
    int host[2];

    for (int i = 1; i < argc; i++)
        read_option(argv[i]);
    sim = sim_new_conf(&(struct sim_conf){ .seed = (uint64_t)option("seed") });
    for (int i = 0; i < 2; i++) {
        verb_tree_init(&tree[i]);
        begin(sim, &verb[i], &tree[i], i == SENDER, &host[i]);
    }
    verb_make(&tree[SENDER], SKT_XFER_FILE, "file", "", (uint64_t)(option("mb") * 1e6), 1, false);
    sim_wire_all(sim, line());
    began = sim_now(sim);
    while (!is_over(&verb[RECEIVER]) || !is_over(&verb[SENDER])) {
        if (!sim_step(sim) || sim_now(sim) - began > LONGEST * SKT_SEC)
            bench_die("it does not end");
        for (int i = 0; i < 2; i++)
            while (verb_turn(&verb[i])) /* what it sends then may tell something again */
                sim_kick(sim, host[i]);
        trace(&verb[SENDER], sim_now(sim) - began);
        skt_xfer_stats(verb[SENDER].x, 0, &stats);
    }
    took = sim_now(sim) - began;
    if (verb[SENDER].why || verb[RECEIVER].why || !verb_all_same(&tree[SENDER], &tree[RECEIVER]))
        bench_die("it failed: %s", verb[SENDER].text);
    seconds = (double)took / (double)SKT_SEC;
    printf("eff=%.4f s=%.3f packets=%llu lost=%llu again=%.4f\n",
        option("mb") * 8 / seconds / (option("mbit") * (1 - option("loss") / 100) * 1448 / 1514), seconds,
        (unsigned long long)stats.packets, (unsigned long long)stats.packets_lost,
        (double)stats.bytes_resent / (option("mb") * 1e6));
    return 0; /* the process ends with the world and its engines */
}
