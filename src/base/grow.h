#pragma once
#include <stdint.h>
#include <stdlib.h>

/* The items with room for more than *size of them: doubled, at most max. NULL: no memory, and the old ones are good. */
static inline void *skt_grow(void *items, uint32_t *size, uint32_t max, size_t item_bytes)
{
    uint32_t add = *size ? *size : 8;
    uint32_t grown = add < max - *size ? *size + add : max;
    void *p = realloc(items, grown * item_bytes);

    if (p)
        *size = grown;
    return p;
}
