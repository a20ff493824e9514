/* desk: buffers, jobs, cells; what both roles of a session work with. */
#include "engine/xfer/desk.h"

#include "base/grow.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* --- buffers --- */

enum { SMALLEST = 12 /* 2^12 bytes */ };

static unsigned class_of(size_t len)
{
    unsigned c = 0;

    while (((size_t)1 << (SMALLEST + c)) < len)
        c++;
    return c;
}

size_t skt_pool_size(size_t len) { return (size_t)1 << (SMALLEST + class_of(len)); }

uint8_t *skt_pool_get(struct skt_pool *pool, size_t len)
{
    unsigned c = class_of(len);
    struct skt_pool_free *first = pool->free[c];

    if (!first)
        return malloc(skt_pool_size(len));
    pool->free[c] = first->next;
    pool->kept -= skt_pool_size(len);
    return (uint8_t *)first;
}

void skt_pool_put(struct skt_pool *pool, uint8_t *bytes, size_t len)
{
    struct skt_pool_free *first = (struct skt_pool_free *)(void *)bytes;

    if (!bytes)
        return;
    if (pool->kept + skt_pool_size(len) > SKT_POOL_KEEP) {
        free(bytes);
        return;
    }
    first->next = pool->free[class_of(len)];
    pool->free[class_of(len)] = first;
    pool->kept += skt_pool_size(len);
}

void skt_pool_done(struct skt_pool *pool)
{
    for (unsigned c = 0; c < SKT_POOL_CLASSES; c++)
        while (pool->free[c]) {
            struct skt_pool_free *first = pool->free[c];
            pool->free[c] = first->next;
            free(first);
        }
    pool->kept = 0;
}

/* --- jobs --- */

enum { SLOT_BITS = 15 };
_Static_assert(SKT_JOBS_MAX < 1 << SLOT_BITS, "a slot fits its bits");

uint32_t skt_jobs_new(struct skt_jobs *jobs, const struct skt_job *job)
{
    uint32_t at = jobs->first_free;
    struct skt_jobs_slot *slot;

    if (!at) {
        if (jobs->n + 1 >= jobs->size) {
            slot = jobs->size < SKT_JOBS_MAX ? skt_grow(jobs->slots, &jobs->size, SKT_JOBS_MAX, sizeof *slot) : NULL;
            if (!slot)
                return 0;
            jobs->slots = slot;
        }
        at = ++jobs->n;
        jobs->slots[at] = (struct skt_jobs_slot){ .next_free = 0 };
    }
    slot = &jobs->slots[at];
    if (jobs->first_free)
        jobs->first_free = slot->next_free & ((1 << SLOT_BITS) - 1);
    /* A slot's generation is kept where its next free one was, in the bits above. */
    slot->id = ((slot->next_free >> SLOT_BITS) + 1) << SLOT_BITS | at;
    slot->job = *job;
    return slot->id;
}

bool skt_jobs_end(struct skt_jobs *jobs, uint32_t id, struct skt_job *ret_job)
{
    uint32_t at = id & ((1 << SLOT_BITS) - 1);
    struct skt_jobs_slot *slot = at && at <= jobs->n ? &jobs->slots[at] : NULL;

    if (!slot || !id || slot->id != id)
        return false;
    *ret_job = slot->job;
    slot->id = 0;
    slot->next_free = id >> SLOT_BITS << SLOT_BITS | jobs->first_free;
    jobs->first_free = at;
    return true;
}

void skt_jobs_done(struct skt_jobs *jobs, struct skt_pool *pool)
{
    for (uint32_t i = 1; i <= jobs->n; i++)
        if (jobs->slots[i].id)
            skt_pool_put(pool, jobs->slots[i].job.bytes, jobs->slots[i].job.len);
    free(jobs->slots);
    *jobs = (struct skt_jobs){ 0 };
}

/* --- cells --- */

static uint32_t cells_in(const struct skt_cells *cells, uint64_t chunk)
{
    uint64_t left = cells->n - chunk * SKT_CELLS;

    return left < SKT_CELLS ? (uint32_t)left : SKT_CELLS;
}

struct skt_cell *skt_cell(const struct skt_cells *cells, uint64_t group)
{
    uint64_t chunk = group / SKT_CELLS;

    if (group >= cells->n) /* a peer's word; the last chunk is as short as the file */
        return NULL;
    return chunk < cells->n_chunks && cells->chunks[chunk] ? &cells->chunks[chunk][group % SKT_CELLS] : NULL;
}

static bool may_hold(const struct skt_held *held, uint64_t more)
{
    return held->own + more <= SKT_CELLS_MAX &&
           (held->own + more <= SKT_CELLS_EACH || held->pool->held + more <= SKT_POOL_HELD);
}

static void hold(struct skt_held *held, uint64_t more)
{
    held->own += more;
    held->pool->held += more;
}

static void let_go(struct skt_held *held, uint64_t less)
{
    held->own -= less;
    held->pool->held -= less;
}

/* The table reaches as far as was asked so far: a file of which the peer only says that it is huge costs nothing. */
static bool reach(struct skt_cells *cells, uint64_t chunk, struct skt_held *held)
{
    uint64_t all = (cells->n - 1) / SKT_CELLS + 1, n = cells->n_chunks ? cells->n_chunks : 1;
    struct skt_cell **chunks;

    while (n <= chunk)
        n *= 2;
    n = n < all ? n : all;
    if (n <= cells->n_chunks)
        return true;
    if (n >= UINT32_MAX || !may_hold(held, n * sizeof *chunks))
        return false;
    chunks = realloc(cells->chunks, n * sizeof(struct skt_cell *));
    if (!chunks)
        return false;
    memset(chunks + cells->n_chunks, 0, (n - cells->n_chunks) * sizeof(struct skt_cell *));
    hold(held, (n - cells->n_chunks) * sizeof(struct skt_cell *));
    cells->chunks = chunks;
    cells->n_chunks = (uint32_t)n;
    return true;
}

struct skt_cell *skt_cell_make(struct skt_cells *cells, uint64_t group, struct skt_held *held)
{
    uint64_t chunk = group / SKT_CELLS;
    struct skt_cell *cell = skt_cell(cells, group);

    if (cell)
        return cell;
    if (!reach(cells, chunk, held) || !may_hold(held, cells_in(cells, chunk) * sizeof *cell))
        return NULL;
    cells->chunks[chunk] = calloc(cells_in(cells, chunk), sizeof *cell);
    if (!cells->chunks[chunk])
        return NULL;
    hold(held, cells_in(cells, chunk) * sizeof *cell);
    return &cells->chunks[chunk][group % SKT_CELLS];
}

void skt_cells_drop(struct skt_cells *cells, uint64_t group, struct skt_held *held)
{
    uint64_t chunk = group / SKT_CELLS;

    if (chunk >= cells->n_chunks || !cells->chunks[chunk])
        return;
    let_go(held, cells_in(cells, chunk) * sizeof(struct skt_cell));
    free(cells->chunks[chunk]);
    cells->chunks[chunk] = NULL;
}

void skt_cells_done(struct skt_cells *cells, struct skt_held *held)
{
    for (uint32_t i = 0; i < cells->n_chunks; i++)
        skt_cells_drop(cells, (uint64_t)i * SKT_CELLS, held);
    let_go(held, cells->n_chunks * sizeof(struct skt_cell *));
    free(cells->chunks);
    cells->chunks = NULL;
    cells->n_chunks = 0;
}

/* --- the desk --- */

void skt_desk_close(struct skt_desk *desk, uint16_t code, const char *fmt, ...)
{
    va_list ap;

    if (desk->closing)
        return;
    desk->closing = true;
    desk->code = code;
    va_start(ap, fmt);
    (void)vsnprintf(desk->text, sizeof desk->text, fmt, ap);
    va_end(ap);
}

void skt_desk_broken(struct skt_desk *desk, const char *what) { skt_desk_close(desk, SKT_XFER_BROKEN, "%s", what); }

void skt_desk_no_memory(struct skt_desk *desk) { skt_desk_close(desk, SKT_XFER_NO_MEMORY, "out of memory"); }

void skt_desk_no_cell(struct skt_desk *desk)
{
    if (may_hold(&desk->cells, SKT_CELLS * sizeof(struct skt_cell)))
        skt_desk_no_memory(desk);
    else
        skt_desk_close(desk, SKT_XFER_NO_MEMORY, "too much is known of files that are not whole");
}

void skt_desk_say(struct skt_desk *desk, const struct skt_xfer_message *message)
{
    if (!desk->closing && !skt_conn_say(desk->conn, message))
        skt_desk_close(desk, SKT_XFER_NO_MEMORY, "no room for what is to be said");
}

bool skt_desk_ask(struct skt_desk *desk, struct skt_xfer_event *ev, const struct skt_job *job)
{
    struct skt_job full = *job;

    full.session = desk->session;
    full.kind = (uint8_t)ev->kind;
    ev->session = desk->session;
    ev->file = job->file;
    ev->job = skt_jobs_new(desk->jobs, &full);
    if (!ev->job)
        skt_desk_no_memory(desk);
    desk->out += ev->job != 0;
    return ev->job;
}
