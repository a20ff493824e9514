/* datagramline: datagrams on their way, a heap by time; those of one time in the order in which they came. */
#include "engine/impair/proxy.h"

#include <errno.h>
#include <stdlib.h>

#include "base/banned.h"

enum { GRAMS_FIRST = 64 };
#define NONE UINT32_MAX

int grams_init(struct gramline *g, uint32_t max)
{
    *g = (struct gramline){ .max = max, .free = NONE };
    return 0;
}

void grams_done(struct gramline *g)
{
    for (uint32_t i = 0; i < g->size; i++)
        skt_buf_put(g->grams[i].buf); /* NULL: free */
    free(g->grams);
    free(g->heap);
    *g = (struct gramline){ .free = NONE };
}

static int grow(struct gramline *g)
{
    uint32_t size = g->size ? 2 * g->size : GRAMS_FIRST;
    struct gram *grams;
    uint32_t *heap;

    size = size < g->max ? size : g->max;
    if (size == g->size)
        return -ENOSPC;
    grams = realloc(g->grams, size * sizeof *grams);
    if (!grams)
        return -ENOMEM;
    g->grams = grams;
    heap = realloc(g->heap, size * sizeof *heap);
    if (!heap)
        return -ENOMEM;
    g->heap = heap;
    for (uint32_t i = size; i-- > g->size;) {
        g->grams[i] = (struct gram){ .next = g->free };
        g->free = i;
    }
    g->size = size;
    return 0;
}

struct gram *grams_new(struct gramline *g)
{
    struct gram *gram;

    if (g->free == NONE && grow(g))
        return NULL;
    gram = &g->grams[g->free];
    g->free = gram->next;
    *gram = (struct gram){ .seq = g->seq++, .next = NONE };
    return gram;
}

void grams_drop(struct gramline *g, struct gram *gram)
{
    skt_buf_put(gram->buf);
    *gram = (struct gram){ .next = g->free };
    g->free = (uint32_t)(gram - g->grams);
}

static bool before(const struct gramline *g, uint32_t a, uint32_t b)
{
    const struct gram *x = &g->grams[a], *y = &g->grams[b];

    return x->at != y->at ? x->at < y->at : x->seq < y->seq;
}

void grams_push(struct gramline *g, struct gram *gram)
{
    uint32_t i = g->n++, place = (uint32_t)(gram - g->grams);

    for (; i && before(g, place, g->heap[(i - 1) / 2]); i = (i - 1) / 2)
        g->heap[i] = g->heap[(i - 1) / 2];
    g->heap[i] = place;
}

struct gram *grams_top(const struct gramline *g) { return g->n ? &g->grams[g->heap[0]] : NULL; }

struct gram *grams_pop(struct gramline *g)
{
    struct gram *top = &g->grams[g->heap[0]];
    uint32_t last = g->heap[--g->n], i = 0, child;

    for (; (child = 2 * i + 1) < g->n; i = child) {
        if (child + 1 < g->n && before(g, g->heap[child + 1], g->heap[child]))
            child++;
        if (!before(g, g->heap[child], last))
            break;
        g->heap[i] = g->heap[child];
    }
    g->heap[i] = last;
    return top;
}
