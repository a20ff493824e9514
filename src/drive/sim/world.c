/* world: what the world of the simulation consists of: events in time, hosts, names, ports, wires; its beginning and end. */
#include "drive/sim/inside.h"

#include "base/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define BEGIN (1000 * SKT_SEC)
#define WALL  (1767225600 * SKT_SEC - BEGIN) /* 2026-01-01: a capture shows the same date in each run */
enum { MAX_LINKS = 4096, QUEUE_BYTES = 1 << 20, PORT_FIRST = 40000, HOSTS_MAX = 60000, MAP_MAX = 1 << 20 };

/* ---- events: a binary heap; of equal times the older comes first ---- */

static bool before(const struct event *a, const struct event *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

void sim_at(struct sim *sim, struct event event)
{
    struct event *heap;
    uint32_t i = sim->n_events++;

    if (i == sim->events_room) {
        sim->events_room = i ? 2 * i : 256;
        sim->events = sim_mem(sim->events, sim->events_room, sizeof *sim->events);
    }
    heap = sim->events;
    event.order = sim->order++;
    for (; i && before(&event, &heap[(i - 1) / 2]); i = (i - 1) / 2)
        heap[i] = heap[(i - 1) / 2];
    heap[i] = event;
}

bool sim_next_event(struct sim *sim, struct event *ret_event)
{
    struct event *heap = sim->events, last;
    uint32_t i = 0, child;

    if (!sim->n_events)
        return false;
    *ret_event = heap[0];
    last = heap[--sim->n_events];
    while ((child = 2 * i + 1) < sim->n_events) {
        child += child + 1 < sim->n_events && before(&heap[child + 1], &heap[child]);
        if (!before(&heap[child], &last))
            break;
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = last;
    return true;
}

/* ---- wires ---- */

/* Made when first asked for: of 100 hosts few talk to all. Its dice depend on the two hosts and the seed alone. */
struct wire *sim_wire_of(struct sim *sim, int from, int to)
{
    uint64_t key = (uint64_t)from << 32 | (uint32_t)to;
    uint32_t i;

    if (!skt_map_get(&sim->wire_of, key, &i)) {
        struct wire *w = sim_mem(NULL, 1, sizeof *w);
        i = sim->n_wires++;
        sim->wires = sim_mem(sim->wires, sim->n_wires, sizeof(struct wire *));
        sim->wires[i] = w;
        skt_path_init(&w->path, &sim->wire_conf, sim->conf.seed, (uint32_t)from << 16 | (uint32_t)to);
        if (skt_map_put(&sim->wire_of, key, i))
            abort();
    }
    return sim->wires[i];
}

/* The state of the path, such as what its queue holds, goes on. */
static void wire_set(struct sim *sim, int from, int to, const struct skt_path_conf *conf)
{
    struct wire *w = sim_wire_of(sim, from, to);

    w->path.conf = *conf;
    w->own = true;
}

void sim_wire(struct sim *sim, int a, int b, struct skt_path_conf path)
{
    wire_set(sim, a, b, &path);
    wire_set(sim, b, a, &path);
}

void sim_wire_all(struct sim *sim, struct skt_path_conf path)
{
    sim->wire_conf = path;
    for (uint32_t i = 0; i < sim->n_wires; i++)
        if (!sim->wires[i]->own)
            sim->wires[i]->path.conf = path;
}

void sim_cut(struct sim *sim, int a, int b) { sim_wire_of(sim, a, b)->cut = sim_wire_of(sim, b, a)->cut = true; }
void sim_heal(struct sim *sim, int a, int b) { sim_wire_of(sim, a, b)->cut = sim_wire_of(sim, b, a)->cut = false; }

/* ---- names and ports ---- */

/* Host n has 10.0.x.y with x.y = n + 1. */
int sim_host_of(const struct sim *sim, const struct skt_addr *addr)
{
    int host = (addr->ip[2] << 8 | addr->ip[3]) - 1;

    return addr->family == SKT_IP4 && addr->ip[0] == 10 && !addr->ip[1] && host < sim->n_hosts ? host : -1;
}

int sim_resolve(const struct sim *sim, int from, const char *host)
{
    struct skt_addr addr;

    if (!strcmp(host, "localhost") || !strcmp(host, "127.0.0.1") || !*host)
        return from;
    if (!skt_addr_parse(host, &addr))
        return sim_host_of(sim, &addr);
    for (int i = 0; i < sim->n_hosts; i++)
        if (!strcmp(sim->hosts[i]->name, host))
            return i;
    return -1;
}

int sim_parse(const struct sim *sim, int from, const char *text, bool *ret_udp, int *ret_host, uint16_t *ret_port)
{
    struct skt_endpoint end;

    if (skt_endpoint_parse(text, &end, NULL))
        return -EINVAL;
    if (end.scheme != SKT_TCP && end.scheme != SKT_TLS && end.scheme != SKT_UDP)
        return -EOPNOTSUPP;
    *ret_udp = end.scheme == SKT_UDP;
    *ret_port = end.port;
    *ret_host = sim_resolve(sim, from, end.host);
    return *ret_host < 0 ? -ENOENT : 0;
}

/* TCP listeners and UDP sockets; the port of a connection is its own affair. */
static uint64_t port_key(int host, bool udp, uint16_t port)
{
    return (uint64_t)udp << 63 | (uint64_t)host << 16 | port;
}

struct link *sim_bound(struct sim *sim, int host, bool udp, uint16_t port)
{
    uint32_t slot;

    return skt_map_get(&sim->port_of, port_key(host, udp, port), &slot) ? sim->hosts[host]->links[slot] : NULL;
}

void sim_bind(struct sim *sim, struct link *l, bool udp, uint16_t port)
{
    l->port = port;
    l->what = udp ? DGRAM : LISTENER;
    if (skt_map_put(&sim->port_of, port_key(l->host, udp, port), l->slot))
        abort();
}

void sim_unbind(struct sim *sim, struct link *l)
{
    if (l->what == LISTENER || l->what == DGRAM)
        (void)skt_map_del(&sim->port_of, port_key(l->host, l->what == DGRAM, l->port)); /* it is there: bind put it */
}

/* For who connects: one after the other, as long as no datagram socket has it. */
uint16_t sim_free_port(struct sim *sim, int host)
{
    struct host *h = sim->hosts[host];

    do
        h->next_port = h->next_port < UINT16_MAX ? h->next_port + 1 : PORT_FIRST;
    while (sim_bound(sim, host, true, h->next_port));
    return h->next_port;
}

/* ---- the life of a world ---- */

struct sim *sim_new_conf(const struct sim_conf *conf)
{
    struct sim *sim = sim_mem(NULL, 1, sizeof *sim);

    sim->conf = *conf;
    sim->conf.max_links = conf->max_links ? conf->max_links : MAX_LINKS;
    sim->conf.queue_bytes = conf->queue_bytes ? conf->queue_bytes : QUEUE_BYTES;
    sim->conf.patience = conf->patience ? conf->patience : 10 * SKT_SEC;
    sim->conf.cut_within = conf->cut_within ? conf->cut_within : 10 * SKT_SEC;
    sim->wire_conf = (struct skt_path_conf){ .delay = 100 * SKT_US };
    sim->now = BEGIN;
    sim->room = sim_mem(NULL, SKT_ROOM_MIN, 1);
    skt_random_init(&sim->random, conf->seed);
    if (skt_map_init(&sim->wire_of, MAP_MAX, conf->seed) || skt_map_init(&sim->port_of, MAP_MAX, conf->seed))
        abort();
    return sim;
}

struct sim *sim_new(uint64_t seed) { return sim_new_conf(&(struct sim_conf){ .seed = seed }); }

static void host_free(struct sim *sim, struct host *h)
{
    for (uint32_t i = 1; i < h->n_slots; i++) {
        struct link *l = h->links[i];
        sim_queue_drop(sim, l);
        sim_udp_drop(l);
        free(l);
    }
    free(h->links);
    free(h->dirty);
    free(h->held);
    free(h);
}

void sim_free(struct sim *sim)
{
    if (!sim)
        return;
    for (int i = 0; i < sim->n_hosts; i++)
        host_free(sim, sim->hosts[i]);
    for (uint32_t i = 0; i < sim->n_conns; i++)
        sim_tcp_free(sim->conns[i]);
    for (uint32_t i = 0; i < sim->n_wires; i++) {
        skt_path_done(&sim->wires[i]->path);
        free(sim->wires[i]);
    }
    for (uint32_t i = 0; i < sim->n_events; i++)
        free(sim->events[i].packet);
    skt_map_done(&sim->wire_of);
    skt_map_done(&sim->port_of);
    skt_tap_free(sim->tap);
    free(sim->hosts);
    free(sim->conns);
    free(sim->free_conns);
    free(sim->wires);
    free(sim->events);
    free(sim->room);
    free(sim);
}

int sim_host(struct sim *sim, struct skt_engine engine, const char *name)
{
    struct host *h = sim_mem(NULL, 1, sizeof *h);
    int host = sim->n_hosts++, number = host + 1;

    if (host == HOSTS_MAX)
        sim_broken(sim, NULL, "more than %d hosts", HOSTS_MAX);
    h->engine = engine;
    if (name)
        snprintf(h->name, sizeof h->name, "%s", name);
    else
        snprintf(h->name, sizeof h->name, "h%d", host);
    h->addr = (struct skt_addr){ .family = SKT_IP4, .ip = { 10, 0, (uint8_t)(number >> 8), (uint8_t)number } };
    h->next_port = PORT_FIRST;
    h->n_slots = 1;
    h->links = sim_mem(NULL, 1, sizeof(struct link *));
    h->woken = sim->now;
    h->iface = sim->tap ? skt_tap_interface(sim->tap, h->name) : 0;
    sim->hosts = sim_mem(sim->hosts, (size_t)sim->n_hosts, sizeof(struct host *));
    sim->hosts[host] = h;
    sim_at(sim, (struct event){ .at = sim->now, .kind = EV_WAKE, .who = (uint32_t)host });
    return host;
}

skt_link sim_listen(struct sim *sim, int host, const char *where)
{
    struct link *l = sim_link_new(sim, host, LISTENER);
    uint16_t port = 0;
    bool udp = false;
    int to;

    if (!l || sim_parse(sim, host, where, &udp, &to, &port) || !port || sim_bound(sim, host, udp, port))
        sim_broken(sim, sim->hosts[host], "cannot listen on '%s'", where);
    sim_bind(sim, l, udp, port);
    return sim_link_id(l);
}

int sim_tap(struct sim *sim, const char *path)
{
    struct skt_tap_conf conf = { .wall = WALL, .name = "world" };
    int r = skt_tap_open(path, &conf, &sim->tap);

    for (int i = 0; !r && i < sim->n_hosts; i++)
        sim->hosts[i]->iface = skt_tap_interface(sim->tap, sim->hosts[i]->name);
    return r;
}

struct skt_span sim_tap_bytes(struct sim *sim) { return sim->tap ? skt_tap_bytes(sim->tap) : skt_span_of(NULL, 0); }

void sim_run_until(struct sim *sim, skt_time until)
{
    while (sim->n_events && sim->events[0].at <= until)
        (void)sim_step(sim); /* there is an event: true */
    if (sim->now < until)
        sim->now = until;
}

skt_time sim_now(const struct sim *sim) { return sim->now; }
void sim_stats(const struct sim *sim, struct sim_stats *ret_stats) { *ret_stats = sim->stats; }

uint32_t sim_links(const struct sim *sim, int host)
{
    const struct host *h = sim->hosts[host];

    return h->n_links - (h->fresh != NULL);
}
