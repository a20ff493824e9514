/* link: links and their queues, and the end of a run that broke a rule. */
#include "drive/sim/inside.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { GEN_MASK = (1 << (32 - SKT_LINK_BITS)) - 1 };

/* ---- the end of a bad run ---- */

/* For Wireshark: what led to the end. A tap in a file is whole up to now, one in memory gets a file. */
static void save_capture(const struct sim *sim)
{
    struct skt_span bytes = sim->tap ? skt_tap_bytes(sim->tap) : skt_span_of(NULL, 0);
    char path[64];
    int fd;

    if (sim->tap)
        (void)skt_tap_flush(sim->tap);
    if (!skt_len(bytes))
        return;
    snprintf(path, sizeof path, "sim-%" PRIu64 ".pcapng", sim->conf.seed);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, bytes.p, skt_len(bytes)) != (ssize_t)skt_len(bytes))
        fprintf(stderr, "sim: cannot write %s\n", path);
    else
        fprintf(stderr, "sim: what passed is in %s\n", path);
    close(fd);
}

void sim_broken(const struct sim *sim, const struct host *h, const char *fmt, ...)
{
    skt_time now = sim->now;
    va_list ap;

    (void)fprintf(stderr, "sim: seed %" PRIu64 ", host %s, at %" PRId64 ".%09" PRId64 " s: ", sim->conf.seed,
        h ? h->name : "-", now / SKT_SEC, now % SKT_SEC);
    va_start(ap, fmt);
    (void)vfprintf(stderr, fmt, ap);
    va_end(ap);
    (void)fputc('\n', stderr);
    save_capture(sim);
    abort();
}

uint64_t sim_below(struct sim *sim, uint64_t n) { return skt_random_below(&sim->random, n); }
bool sim_chance(struct sim *sim, double share) { return share > 0 && skt_random_unit(&sim->random) < share; }

/* ---- links ---- */

skt_link sim_link_id(const struct link *l) { return l->gen << SKT_LINK_BITS | l->slot; }

/* The slot that was freed last comes first, so that whoever keeps a stale link meets its successor. */
struct link *sim_link_new(struct sim *sim, int host, enum what what)
{
    struct host *h = sim->hosts[host];
    struct link *l = h->free, fresh = { .what = (uint8_t)what, .host = host, .conn = NO_CONN };

    if (h->n_links >= sim->conf.max_links)
        return NULL;
    if (!l) {
        h->links = sim_mem(h->links, h->n_slots + 1, sizeof *h->links);
        l = h->links[h->n_slots] = sim_mem(NULL, 1, sizeof *l);
        l->slot = h->n_slots++;
        l->gen = 1 + (uint32_t)sim_below(sim, GEN_MASK);
    } else {
        h->free = l->next;
    }
    fresh.slot = l->slot;
    fresh.gen = l->gen;
    *l = fresh;
    l->in_end = &l->in;
    h->n_links++;
    return l;
}

struct link *sim_link_of(struct sim *sim, int host, skt_link id)
{
    struct host *h = sim->hosts[host];
    uint32_t slot = skt_slot(id);
    struct link *l = 0 < slot && slot < h->n_slots ? h->links[slot] : NULL;

    return l && l->what != FREE && !l->closed && l->gen == id >> SKT_LINK_BITS ? l : NULL;
}

/* A copy cannot change, what an engine shares could: it says that it will not. */
static uint64_t check_of(const struct piece *p) { return p->shared ? skt_siphash(1, 2, p->bytes) : 0; }

/* A ring that doubles; the cap is on bytes, and checked by the caller. */
struct piece *sim_queue_add(struct link *l, struct skt_buf *buf, struct skt_span bytes, bool shared)
{
    struct piece *p;

    if (l->pieces == l->room) {
        struct piece *bigger = sim_mem(NULL, l->room ? 2 * l->room : 4, sizeof *bigger);
        for (uint32_t i = 0; i < l->pieces; i++)
            bigger[i] = l->queue[(l->first + i) % l->room];
        free(l->queue);
        l->queue = bigger;
        l->first = 0;
        l->room = l->room ? 2 * l->room : 4;
    }
    p = &l->queue[(l->first + l->pieces++) % l->room];
    *p = (struct piece){ .buf = buf, .bytes = bytes, .shared = shared };
    p->check = check_of(p);
    l->queued += (uint32_t)skt_len(bytes);
    return p;
}

void sim_queue_pop(struct link *l)
{
    struct piece *p = &l->queue[l->first];

    l->queued -= (uint32_t)skt_len(p->bytes);
    skt_buf_put(p->buf);
    l->first = (l->first + 1) % l->room;
    l->pieces--;
}

struct piece *sim_queue_first(struct sim *sim, struct link *l)
{
    struct piece *p = l->pieces ? &l->queue[l->first] : NULL;

    if (p && p->check != check_of(p))
        sim_broken(sim, sim->hosts[l->host],
            "rule: shared bytes are frozen, but they changed while they waited for link %u", l->slot);
    return p;
}

void sim_queue_cut(struct link *l, size_t n)
{
    struct piece *p = &l->queue[l->first];

    p->bytes.p += n;
    p->check = check_of(p);
    l->queued -= (uint32_t)n;
}

void sim_queue_drop(struct sim *sim, struct link *l)
{
    while (sim_queue_first(sim, l))
        sim_queue_pop(l);
    free(l->queue);
    l->queue = NULL;
    l->room = l->first = 0;
}

/* Lists of a turn keep their places while somebody walks them. */
static void forget(struct link **list, uint32_t *n, const struct link *l)
{
    for (uint32_t i = 0; i < *n; i++)
        if (list[i] == l)
            list[i] = NULL;
}

/* Its slot may be taken by the next one at once. */
static void link_free(struct sim *sim, struct link *l)
{
    struct host *h = sim->hosts[l->host];
    uint32_t gen = (l->gen + 1) & GEN_MASK;

    sim_queue_drop(sim, l);
    sim_unbind(sim, l);
    sim_udp_drop(l);
    forget(h->dirty, &h->n_dirty, l);
    forget(h->held, &h->n_held, l);
    l->what = FREE;
    l->gen = gen ? gen : 1;
    l->next = h->free;
    h->free = l;
    h->n_links--;
}

/* The only end of a link. Moves end first, then the connection, then CLOSE is told, then the slot is free. */
void sim_link_gone(struct sim *sim, struct link *l, int why)
{
    struct skt_in in = { .kind = SKT_CLOSE, .why = why };
    skt_link id = sim_link_id(l);

    if (l->move_to)
        sim_move_end(sim, l, why < 0 ? why : -EPIPE);
    if (sim_link_of(sim, l->host, id) && l->feeder)
        sim_move_end(sim, l->feeder, why < 0 ? why : -EPIPE);
    if (!sim_link_of(sim, l->host, id))
        return; /* the engine, told of it, closed it */
    sim_tcp_gone(sim, l, why);
    sim->stats.closed++;
    l->closed = true; /* what the engine still says to it is stale */
    sim_tell(sim, l, &in);
    link_free(sim, l);
}

void sim_work(struct sim *sim, int host)
{
    struct host *h = sim->hosts[host];

    if (h->listed)
        return;
    h->listed = true;
    assert(sim->n_active < (int)(sizeof sim->active / sizeof *sim->active));
    sim->active[sim->n_active++] = host;
}

static void list(struct link ***list, uint32_t *n, uint32_t *room, struct link *l)
{
    if (*n == *room) {
        *room = *room ? 2 * *room : 16;
        *list = sim_mem(*list, *room, sizeof **list);
    }
    (*list)[(*n)++] = l;
}

/* To be written at the end of the turn. */
void sim_dirty(struct sim *sim, struct link *l)
{
    struct host *h = sim->hosts[l->host];

    if (!l->dirty)
        list(&h->dirty, &h->n_dirty, &h->dirty_room, l);
    l->dirty = true;
    sim_work(sim, l->host);
}

void sim_hold(struct sim *sim, struct link *l)
{
    struct host *h = sim->hosts[l->host];

    if (!l->held)
        list(&h->held, &h->n_held, &h->held_room, l);
    l->held = true;
}

void sim_unhold(struct sim *sim, struct link *l)
{
    struct host *h = sim->hosts[l->host];

    if (l->held)
        forget(h->held, &h->n_held, l);
    l->held = false;
}
