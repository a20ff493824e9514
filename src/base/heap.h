#pragma once
#include <sockit/bytes.h>

/* heap: what is due first. A binary min-heap of times; of equal times the smaller id comes first, so that the order
 * of pops does not depend on the order of pushes. It grows by doubling, up to max. */
struct skt_heap_item {
    skt_time at;
    uint32_t id;
};
struct skt_heap {
    struct skt_heap_item *items;
    uint32_t n, size, max; /* n <= size <= max */
};

int skt_heap_init(struct skt_heap *heap, uint32_t max);             /* 0; allocates nothing yet */
void skt_heap_done(struct skt_heap *heap);                          /* takes NULL; may be initialised again */
int skt_heap_push(struct skt_heap *heap, skt_time at, uint32_t id); /* -ENOSPC at max, -ENOMEM */
bool skt_heap_top(const struct skt_heap *heap, skt_time *ret_at, uint32_t *ret_id); /* false: empty */
void skt_heap_pop(struct skt_heap *heap);                                           /* of an empty heap: nothing */
/* Throws out every entry that is not wanted, in a step an entry. */
void skt_heap_keep(struct skt_heap *heap, bool (*wanted)(void *self, uint32_t id), void *self);
