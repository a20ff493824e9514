/* ranges: what of a long row is there; pieces of a file, acknowledged packets, ports.
 *
 * A sorted array and not a tree: a set has a cap of some thousand pieces, and what comes in order changes the last one
 * only. Both ways to change the set end in one splice. */
#include "base/ranges.h"

#include "base/grow.h"

#include <errno.h>

#include "base/banned.h"

int skt_ranges_init(struct skt_ranges *ranges, uint32_t max)
{
    *ranges = (struct skt_ranges){ .max = max };
    return 0;
}

void skt_ranges_done(struct skt_ranges *ranges)
{
    if (!ranges)
        return;
    free(ranges->items);
    *ranges = (struct skt_ranges){ .max = ranges->max };
}

/* The first piece that ends at or after `at`. What comes in order ends up at the last: that one is looked at first. */
static uint32_t find(const struct skt_ranges *ranges, uint64_t at)
{
    uint32_t lo = 0, hi = ranges->n;

    if (hi && ranges->items[hi - 1].from <= at)
        return ranges->items[hi - 1].to < at ? hi : hi - 1;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;

        if (ranges->items[mid].to < at)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* Puts n pieces (at most 2) in the place of those from i to before j. */
static int splice(struct skt_ranges *ranges, uint32_t i, uint32_t j, const struct skt_range *pieces, uint32_t n)
{
    uint32_t rest = ranges->n - j;

    if (n > j - i && ranges->n == ranges->max) /* one more at most: n is 1 for i = j, and 2 for j = i + 1 */
        return -ENOSPC;
    if (n > j - i && ranges->n == ranges->size) {
        struct skt_range *items = skt_grow(ranges->items, &ranges->size, ranges->max, sizeof *items);

        if (!items)
            return -ENOMEM;
        ranges->items = items;
    }
    if (rest && n != j - i)
        memmove(ranges->items + i + n, ranges->items + j, rest * sizeof *pieces);
    for (uint32_t k = 0; k < n; k++)
        ranges->items[i + k] = pieces[k];
    ranges->n = i + n + rest;
    return 0;
}

int skt_ranges_take(struct skt_ranges *ranges, uint64_t from, uint64_t to, uint64_t *ret_new)
{
    struct skt_range whole = { .from = from, .to = to };
    uint32_t i = find(ranges, from), j = i;
    uint64_t had = 0; /* of [from, to) before */
    int r;

    if (from > to)
        return -EINVAL;
    for (; from < to && j < ranges->n && ranges->items[j].from <= to; j++) {
        const struct skt_range *piece = &ranges->items[j];

        had += (piece->to < to ? piece->to : to) - (piece->from > from ? piece->from : from);
        whole.from = piece->from < whole.from ? piece->from : whole.from;
        whole.to = piece->to > whole.to ? piece->to : whole.to;
    }
    /* i..j overlap or meet [from, to): whole is their union with it */
    r = from < to ? splice(ranges, i, j, &whole, 1) : 0;
    if (!r && ret_new)
        *ret_new = to - from - had;
    return r;
}

/* A piece that only meets the hole is cut to itself: no special case. */
int skt_ranges_drop(struct skt_ranges *ranges, uint64_t from, uint64_t to, uint64_t *ret_gone)
{
    struct skt_range rest[2]; /* what stays left and right of the hole */
    uint32_t i = find(ranges, from), j, n = 0;
    uint64_t gone = 0;
    int r;

    if (from > to)
        return -EINVAL;
    for (j = i; j < ranges->n && ranges->items[j].from < to; j++) {
        const struct skt_range *piece = &ranges->items[j];

        gone += (piece->to < to ? piece->to : to) - (piece->from > from ? piece->from : from);
    }
    if (i < j && ranges->items[i].from < from)
        rest[n++] = (struct skt_range){ .from = ranges->items[i].from, .to = from };
    if (i < j && ranges->items[j - 1].to > to)
        rest[n++] = (struct skt_range){ .from = to, .to = ranges->items[j - 1].to };
    r = gone ? splice(ranges, i, j, rest, n) : 0;
    if (!r && ret_gone)
        *ret_gone = gone;
    return r;
}

bool skt_ranges_next(const struct skt_ranges *ranges, uint64_t from, struct skt_range *ret_range)
{
    uint32_t i = find(ranges, from);

    if (i < ranges->n && ranges->items[i].to == from)
        i++;
    if (i == ranges->n)
        return false;
    *ret_range = ranges->items[i];
    if (ret_range->from < from)
        ret_range->from = from;
    return true;
}

uint64_t skt_ranges_gap(const struct skt_ranges *ranges, uint64_t from)
{
    struct skt_range piece;

    return skt_ranges_next(ranges, from, &piece) && piece.from == from ? piece.to : from;
}

bool skt_ranges_has(const struct skt_ranges *ranges, uint64_t at) { return skt_ranges_gap(ranges, at) > at; }

bool skt_ranges_has_all(const struct skt_ranges *ranges, uint64_t from, uint64_t to)
{
    return from >= to || skt_ranges_gap(ranges, from) >= to;
}

uint64_t skt_ranges_count(const struct skt_ranges *ranges)
{
    uint64_t n = 0;

    for (uint32_t i = 0; i < ranges->n; i++)
        n += ranges->items[i].to - ranges->items[i].from;
    return n;
}
