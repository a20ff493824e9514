#pragma once
/* Memory that runs out, for a program whose every allocation the linker leads here (--wrap=malloc,calloc,realloc). */
#include <stdbool.h>
#include <stddef.h>

static long left = -1;          /* allocations that succeed; -1: all */
static bool one, failed, spare; /* only one fails; one did; those of the test itself, which never do */

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);

static bool fails(void)
{
    if (spare || left < 0 || left-- > 0)
        return false;
    left = one ? -1 : 0;
    failed = true;
    return true;
}

void *__wrap_malloc(size_t n) { return fails() ? NULL : __real_malloc(n); }
void *__wrap_calloc(size_t n, size_t size) { return fails() ? NULL : __real_calloc(n, size); }
void *__wrap_realloc(void *p, size_t n) { return fails() ? NULL : __real_realloc(p, n); }
