#pragma once
/* Allocations that fail on demand. Include this, then the source file under test: its calls go through here. */
#include <stdbool.h>
#include <stdlib.h>

static long allocations_left = -1; /* that succeed; -1: all */

static inline bool allocation_fails(void)
{
    if (allocations_left < 0)
        return false;
    return !allocations_left || !allocations_left--;
}

static inline void *failing_malloc(size_t n) { return allocation_fails() ? NULL : malloc(n); }
static inline void *failing_calloc(size_t n, size_t size) { return allocation_fails() ? NULL : calloc(n, size); }
static inline void *failing_realloc(void *p, size_t n) { return allocation_fails() ? NULL : realloc(p, n); }

#define malloc  failing_malloc
#define calloc  failing_calloc
#define realloc failing_realloc
