/* line: frames on their way. Cells of equal size hold them. Who arrives after all before him waits in a ring, and that
 * is all there is while the delay is constant; the others, few, wait in a heap. Start reading at skt_line_put(). */
#include "engine/impair/line.h"

#include <errno.h>
#include <stdlib.h>

#include "base/banned.h"

enum { CELL_ALIGN = 64, CELLS_MAX = 1 << 22 };

struct cell {
    struct skt_frame_debt debt;
    uint32_t len, next; /* next: of the free ones, + 1 */
    uint8_t bytes[];
};

struct wait {
    skt_time at;
    uint64_t order; /* of entry */
    uint32_t cell;
};

struct skt_line {
    struct skt_line_conf conf;
    struct skt_path path;
    uint64_t index, order;
    uint8_t *cells; /* n_cells of cell_size; those from fresh on were never used */
    uint32_t n_cells, cell_size, fresh, free;
    struct wait *ring, *heap; /* room for n_cells each */
    uint32_t first, in_ring, in_heap;
    uint64_t bytes, out, out_bytes, blackholed, full, too_long;
    struct skt_lag lag;
};

int skt_line_new(const struct skt_line_conf *conf, struct skt_line **ret_line)
{
    struct skt_line *l = calloc(1, sizeof *l);
    uint64_t n;

    if (!l)
        return -ENOMEM;
    l->conf = *conf;
    l->cell_size = (uint32_t)(sizeof(struct cell) + conf->frame_max + CELL_ALIGN - 1) & ~(uint32_t)(CELL_ALIGN - 1);
    n = conf->bytes / l->cell_size;
    l->n_cells = n < CELLS_MAX ? (uint32_t)n : CELLS_MAX;
    if (!l->n_cells || conf->frame_max > SKT_FRAME_MAX) {
        free(l);
        return -EINVAL;
    }
    skt_path_init(&l->path, &conf->path, conf->seed, conf->direction);
    skt_lag_init(&l->lag);
    l->cells = malloc((size_t)l->n_cells * l->cell_size);
    l->ring = malloc(l->n_cells * sizeof *l->ring);
    l->heap = malloc(l->n_cells * sizeof *l->heap);
    if (!l->cells || !l->ring || !l->heap) {
        skt_line_free(l);
        return -ENOMEM;
    }
    *ret_line = l;
    return 0;
}

void skt_line_free(struct skt_line *line)
{
    if (!line)
        return;
    skt_path_done(&line->path);
    free(line->cells);
    free(line->ring);
    free(line->heap);
    free(line);
}

void skt_line_set(struct skt_line *line, const struct skt_path_conf *path) { line->path.conf = *path; }

/* ---- cells ---- */

static struct cell *cell_at(const struct skt_line *l, uint32_t i)
{
    return (struct cell *)(void *)(l->cells + (size_t)i * l->cell_size);
}

/* The one that was freed last is in the cache. False: none is left. */
static bool cell_new(struct skt_line *l, uint32_t *ret_i)
{
    if (l->free) {
        *ret_i = l->free - 1;
        l->free = cell_at(l, *ret_i)->next;
        return true;
    }
    if (l->fresh == l->n_cells)
        return false;
    *ret_i = l->fresh++;
    return true;
}

static void cell_free(struct skt_line *l, uint32_t i)
{
    cell_at(l, i)->next = l->free;
    l->free = i + 1;
}

/* ---- who waits ---- */

static bool before(const struct wait *a, const struct wait *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void heap_push(struct skt_line *l, struct wait w)
{
    uint32_t hole = l->in_heap++;

    for (uint32_t up; hole && before(&w, &l->heap[up = (hole - 1) / 2]); hole = up)
        l->heap[hole] = l->heap[up];
    l->heap[hole] = w;
}

static void heap_pop(struct skt_line *l)
{
    struct wait last = l->heap[--l->in_heap];
    uint32_t hole = 0, child;

    while ((child = 2 * hole + 1) < l->in_heap) {
        if (child + 1 < l->in_heap && before(&l->heap[child + 1], &l->heap[child]))
            child++;
        if (!before(&l->heap[child], &last))
            break;
        l->heap[hole] = l->heap[child];
        hole = child;
    }
    l->heap[hole] = last;
}

static struct wait *ring_at(const struct skt_line *l, uint32_t i)
{
    uint32_t at = l->first + i;

    return &l->ring[at < l->n_cells ? at : at - l->n_cells];
}

static void wait_until(struct skt_line *l, skt_time at, uint32_t cell)
{
    struct wait w = { .at = at, .order = l->order++, .cell = cell };

    if (l->in_ring && before(&w, ring_at(l, l->in_ring - 1)))
        heap_push(l, w);
    else
        *ring_at(l, l->in_ring++) = w;
}

/* The next to arrive; NULL: nobody waits. */
static const struct wait *next(const struct skt_line *l)
{
    const struct wait *ring = l->in_ring ? ring_at(l, 0) : NULL, *heap = l->in_heap ? l->heap : NULL;

    return !ring ? heap : !heap || before(ring, heap) ? ring : heap;
}

skt_time skt_line_wake(const struct skt_line *line)
{
    const struct wait *w = next(line);

    return w ? w->at : SKT_NEVER;
}

/* ---- in ---- */

static void change(struct cell *cell, uint32_t flip, bool mark)
{
    struct skt_room frame = skt_room_of(cell->bytes, cell->len);

    if (mark)
        skt_frame_mark(frame);
    if (!flip)
        return;
    /* First the checksum: one that is made of the changed bytes would hide the change. */
    skt_frame_settle(frame, cell->debt);
    cell->debt = (struct skt_frame_debt){ 0 };
    cell->bytes[(flip - 1) / 8] ^= (uint8_t)(1 << (flip - 1) % 8);
}

static void keep(
    struct skt_line *l, struct skt_span frame, struct skt_frame_debt debt, skt_time at, uint32_t flip, bool mark)
{
    struct skt_room room;
    struct cell *cell;
    uint32_t i;

    if (!cell_new(l, &i)) {
        l->full++;
        return;
    }
    cell = cell_at(l, i);
    cell->debt = debt;
    cell->len = (uint32_t)skt_len(frame);
    room = skt_room_of(cell->bytes, l->conf.frame_max);
    skt_put(&room, frame);
    if (flip || mark)
        change(cell, flip, mark);
    l->bytes += cell->len;
    wait_until(l, at, i);
}

void skt_line_put(struct skt_line *line, skt_time now, struct skt_span frame, struct skt_frame_debt debt)
{
    uint64_t index = line->index++;
    size_t len = skt_len(frame);
    bool capable = line->path.conf.ecn && skt_frame_capable(frame);
    struct skt_path_fate fate = skt_path_pass_ecn(&line->path, now, len, index, capable);

    if (line->conf.mtu && len - skt_frame_packet(frame) > line->conf.mtu) {
        line->blackholed++;
        return;
    }
    if (len > line->conf.frame_max) {
        line->too_long++;
        return;
    }
    for (uint32_t i = 0; i < fate.copies; i++)
        keep(line, frame, debt, fate.at[i], fate.flip[i], fate.mark);
}

/* ---- out ---- */

uint32_t skt_line_take(struct skt_line *line, skt_time now, struct skt_line_out *ret_out, uint32_t max)
{
    uint32_t n = 0;

    for (const struct wait *w; n < max && (w = next(line)) && w->at <= now; n++) {
        const struct cell *cell = cell_at(line, w->cell);

        ret_out[n] = (struct skt_line_out){
            .frame = skt_span_of(cell->bytes, cell->len), .debt = cell->debt, .at = w->at, .id = w->cell
        };
        if (w == line->heap) {
            heap_pop(line);
        } else {
            line->first = line->first + 1 < line->n_cells ? line->first + 1 : 0;
            line->in_ring--;
        }
    }
    return n;
}

void skt_line_done(struct skt_line *line, const struct skt_line_out *out, skt_time when, bool sent)
{
    size_t len = skt_len(out->frame);

    line->bytes -= len;
    if (sent) {
        line->out++;
        line->out_bytes += len;
        skt_lag_add(&line->lag, when - out->at);
    }
    cell_free(line, out->id);
}

/* ---- figures ---- */

const struct skt_lag *skt_line_lag(const struct skt_line *line) { return &line->lag; }

void skt_line_stats(struct skt_line *line, skt_time now, struct skt_line_stats *ret_stats)
{
    const struct skt_path *p = &line->path;
    struct skt_line_stats s = { .blackholed = line->blackholed, .full = line->full, .too_long = line->too_long };

    s.way.in = p->passed;
    s.way.in_bytes = p->bytes;
    s.way.out = line->out;
    s.way.out_bytes = line->out_bytes;
    s.way.lost = p->lost;
    s.way.dropped = p->dropped + s.full + s.too_long;
    s.way.duplicated = p->copied;
    s.way.corrupted = p->corrupted;
    s.way.reordered = p->reordered;
    skt_path_occupancy(&line->path, now, &s.way.queue_bytes, &s.way.queue_packets);
    s.way.queue_peak = p->queue.peak_bytes;
    s.way.line_bytes = line->bytes;
    s.way.line_packets = (uint64_t)line->in_ring + line->in_heap;
    s.way.error.n = line->lag.n;
    s.way.error.mean = skt_lag_mean(&line->lag);
    s.way.error.p50 = skt_lag_quantile(&line->lag, .5);
    s.way.error.p99 = skt_lag_quantile(&line->lag, .99);
    s.way.error.max = line->lag.max;
    *ret_stats = s;
}
