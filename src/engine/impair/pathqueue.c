/* pathqueue: what waits for the rate and for a slot. A token bucket as virtual time: free_at is when a line without
 * bucket would have sent everything; the bucket lets a packet go that much earlier. Start reading at path_queue(). */
#include "engine/impair/inside.h"

#include <stdlib.h>

#include "base/banned.h"

enum { QUEUE_BYTES = 256 * 1024, RING_FIRST = 16, RING_MAX = 1 << 20 };
static const skt_time queue_time_max = 3600 * SKT_SEC; /* who waits longer is dropped; keeps times from overflowing */

/* ---- what waits ---- */

static void leave(struct skt_path_queue *q, skt_time now)
{
    while (q->n && q->ring[q->first].at <= now) {
        q->bytes -= q->ring[q->first].len;
        q->first = (q->first + 1) & (q->size - 1);
        q->n--;
    }
}

static bool grow(struct skt_path_queue *q)
{
    uint32_t size = q->size ? 2 * q->size : RING_FIRST;
    struct skt_path_wait *ring = size <= RING_MAX ? malloc(size * sizeof *ring) : NULL;

    if (!ring)
        return false;
    for (uint32_t i = 0; i < q->n; i++)
        ring[i] = q->ring[(q->first + i) & (q->size - 1)];
    free(q->ring);
    q->ring = ring;
    q->first = 0;
    q->size = size;
    return true;
}

static void wait_until(struct skt_path_queue *q, skt_time at, uint32_t len)
{
    q->ring[(q->first + q->n++) & (q->size - 1)] = (struct skt_path_wait){ .at = at, .len = len };
    q->bytes += len;
    if (q->peak_bytes < q->bytes)
        q->peak_bytes = q->bytes;
    if (q->peak_packets < q->n)
        q->peak_packets = q->n;
}

static uint64_t bytes_max(const struct skt_path_conf *c)
{
    return c->queue_bytes ? c->queue_bytes : c->queue_packets ? UINT64_MAX : QUEUE_BYTES;
}

static bool fits(const struct skt_path_conf *c, uint64_t bytes, uint32_t packets, size_t len)
{
    return len <= bytes_max(c) && bytes <= bytes_max(c) - len && (!c->queue_packets || packets < c->queue_packets);
}

skt_time skt_path_room(const struct skt_path *path, size_t len)
{
    const struct skt_path_queue *q = &path->queue;
    uint64_t bytes = q->bytes;
    skt_time at = INT64_MIN;

    for (uint32_t i = 0; i < q->n && !fits(&path->conf, bytes, q->n - i, len); i++) {
        const struct skt_path_wait *w = &q->ring[(q->first + i) & (q->size - 1)];
        bytes -= w->len;
        at = w->at;
    }
    return at;
}

/* A queue for which there is no memory is full. */
static bool has_room(struct skt_path *path, skt_time now, size_t len)
{
    const struct skt_path_conf *c = &path->conf;
    struct skt_path_queue *q = &path->queue;

    leave(q, now);
    if (!fits(c, q->bytes, q->n, len))
        return false;
    return (path->free_at <= now || path->free_at - now <= queue_time_max) && (q->n < q->size || grow(q));
}

/* ---- rate ---- */

/* What it takes of the rate. */
static uint64_t wire_len(const struct skt_path_conf *c, size_t len)
{
    const int64_t most = INT32_MAX;
    int64_t n = (len < (size_t)most ? (int64_t)len : most) + c->overhead;

    n = n < 0 ? 0 : n;
    if (c->cell_size) {
        int64_t cell = (int64_t)c->cell_size + c->cell_overhead;
        n = (n + c->cell_size - 1) / c->cell_size * (cell > 0 ? cell < most ? cell : most : 0);
    }
    return (uint64_t)(n < most ? n : most);
}

/* In whole ns; what is left of one is carried on, so that the rate is exact over any number of packets. */
static skt_time rated(struct skt_path *path, skt_time now, size_t len)
{
    const struct skt_path_conf *c = &path->conf;
    uint64_t rate = c->rate_bytes, burst = c->burst_bytes < UINT32_MAX ? c->burst_bytes : UINT32_MAX, due;
    skt_time sent;

    if (path->free_at < now) {
        path->free_at = now;
        path->free_rest = 0;
    }
    due = wire_len(c, len) * (uint64_t)SKT_SEC + path->free_rest % rate;
    path->free_at += (skt_time)(due / rate);
    path->free_rest = due % rate;
    sent = path->free_at - (skt_time)(burst * (uint64_t)SKT_SEC / rate);
    return sent > now ? sent : now;
}

/* ---- slots ---- */

static bool has_slots(const struct skt_path_conf *c) { return c->slot.max || c->slot.delay || c->slot.jitter; }

static bool slot_is_full(const struct skt_path *path)
{
    const struct skt_path_conf *c = &path->conf;

    return (c->slot.packets && path->slot_packets >= c->slot.packets) ||
           (c->slot.bytes && path->slot_bytes >= c->slot.bytes);
}

/* Into the slot to come; when that has passed or is full, into the next, which is so much later. */
static skt_time slotted(struct skt_path *path, skt_time ready, size_t len, uint64_t index)
{
    uint64_t bytes = path->slot_bytes;

    if (ready > path->slot_at || slot_is_full(path)) {
        path->slot_at = (ready > path->slot_at ? ready : path->slot_at) + path_slot_time(path, index);
        path->slot_packets = 0;
        bytes = 0;
    }
    path->slot_packets++;
    bytes += len;
    path->slot_bytes = bytes < UINT32_MAX ? (uint32_t)bytes : UINT32_MAX;
    return path->slot_at;
}

bool path_queue(struct skt_path *path, skt_time now, size_t len, uint64_t index, skt_time *ret_sent)
{
    const struct skt_path_conf *c = &path->conf;
    skt_time sent = now;

    if (!c->rate_bytes && !has_slots(c)) {
        *ret_sent = now;
        return true;
    }
    if (!has_room(path, now, len))
        return false;
    if (c->rate_bytes)
        sent = rated(path, now, len);
    if (has_slots(c))
        sent = slotted(path, sent, len, index);
    if (sent > now)
        wait_until(&path->queue, sent, (uint32_t)len);
    *ret_sent = sent;
    return true;
}

/* ---- how full it is ---- */

void skt_path_occupancy(struct skt_path *path, skt_time now, uint64_t *ret_bytes, uint32_t *ret_packets)
{
    leave(&path->queue, now);
    *ret_bytes = path->queue.bytes;
    *ret_packets = path->queue.n;
}

static uint32_t quarter(uint64_t part, uint64_t all)
{
    double share = all ? (double)part / (double)all : 1;

    return share > .75 ? 4 : share > .5 ? 3 : share > .25 ? 2 : 1;
}

bool skt_path_next(struct skt_path *path, skt_time now, struct skt_path_event *ret_event)
{
    const struct skt_path_conf *c = &path->conf;
    struct skt_path_queue *q = &path->queue;
    struct skt_path_event e = { .drops = path->dropped != q->told_drops };

    skt_path_occupancy(path, now, &e.bytes, &e.packets);
    if (e.packets) {
        uint32_t packets = c->queue_packets ? quarter(e.packets, c->queue_packets) : 1;
        e.level = quarter(e.bytes, bytes_max(c));
        e.level = packets > e.level ? packets : e.level;
    }
    if (e.level == q->told_level && !e.drops)
        return false;
    q->told_level = e.level;
    q->told_drops = path->dropped;
    *ret_event = e;
    return true;
}

void skt_path_done(struct skt_path *path)
{
    if (!path)
        return;
    free(path->queue.ring);
    path->queue = (struct skt_path_queue){ 0 };
}
