/* heap: timers and whatever else is due first.
 *
 * The children of i are 2i + 1 and 2i + 2, and no child is before its parent. An entry cannot be taken out of the middle:
 * who no longer wants it leaves it, and looks again when it comes to the top. */
#include "base/heap.h"

#include "base/grow.h"

#include <errno.h>

#include "base/banned.h"

static bool before(struct skt_heap_item a, struct skt_heap_item b) { return a.at != b.at ? a.at < b.at : a.id < b.id; }

int skt_heap_init(struct skt_heap *heap, uint32_t max)
{
    *heap = (struct skt_heap){ .max = max };
    return 0;
}

void skt_heap_done(struct skt_heap *heap)
{
    if (!heap)
        return;
    free(heap->items);
    *heap = (struct skt_heap){ .max = heap->max };
}

int skt_heap_push(struct skt_heap *heap, skt_time at, uint32_t id)
{
    struct skt_heap_item item = { .at = at, .id = id };
    uint32_t hole = heap->n;

    if (heap->n == heap->max)
        return -ENOSPC;
    if (heap->n == heap->size) {
        struct skt_heap_item *items = skt_grow(heap->items, &heap->size, heap->max, sizeof item);

        if (!items)
            return -ENOMEM;
        heap->items = items;
    }
    /* not swaps: the hole goes up, and the item is written once */
    heap->n++;
    for (uint32_t up; hole && before(item, heap->items[up = (hole - 1) / 2]); hole = up)
        heap->items[hole] = heap->items[up];
    heap->items[hole] = item;
    return 0;
}

void skt_heap_keep(struct skt_heap *heap, bool (*wanted)(void *self, uint32_t id), void *self)
{
    uint32_t n = heap->n;

    heap->n = 0;
    for (uint32_t i = 0; i < n; i++) { /* what is kept goes to places that were read already */
        struct skt_heap_item item = heap->items[i];
        if (wanted(self, item.id))
            (void)skt_heap_push(heap, item.at, item.id); /* there was room for it */
    }
}

bool skt_heap_top(const struct skt_heap *heap, skt_time *ret_at, uint32_t *ret_id)
{
    if (!heap->n)
        return false;
    *ret_at = heap->items[0].at;
    *ret_id = heap->items[0].id;
    return true;
}

void skt_heap_pop(struct skt_heap *heap)
{
    struct skt_heap_item last;
    size_t hole = 0, down;

    if (!heap->n)
        return;
    last = heap->items[--heap->n]; /* fills the hole that the top leaves, once that is low enough for it */
    while ((down = 2 * hole + 1) < heap->n) {
        if (down + 1 < heap->n && before(heap->items[down + 1], heap->items[down]))
            down++;
        if (!before(heap->items[down], last))
            break;
        heap->items[hole] = heap->items[down];
        hole = down;
    }
    heap->items[hole] = last;
}
