#pragma once
#include <sockit/bytes.h>

/* ranges: a set of numbers as sorted pieces [from, to) that neither meet nor overlap, at most max of them. */
struct skt_range {
    uint64_t from, to; /* from < to */
};
struct skt_ranges {
    struct skt_range *items;
    uint32_t n, size, max; /* n <= size <= max */
};

int skt_ranges_init(struct skt_ranges *ranges, uint32_t max); /* 0; allocates nothing yet */
void skt_ranges_done(struct skt_ranges *ranges);              /* takes NULL */

/* Add and remove [from, to); ret (may be NULL): how many numbers that changed. -EINVAL: from > to.
 * -ENOSPC, -ENOMEM: one piece too many; the set is as it was. */
int skt_ranges_take(struct skt_ranges *ranges, uint64_t from, uint64_t to, uint64_t *ret_new);
int skt_ranges_drop(struct skt_ranges *ranges, uint64_t from, uint64_t to, uint64_t *ret_gone);

bool skt_ranges_has(const struct skt_ranges *ranges, uint64_t at);
bool skt_ranges_has_all(const struct skt_ranges *ranges, uint64_t from, uint64_t to); /* [from, to); nothing: true */
uint64_t skt_ranges_gap(const struct skt_ranges *ranges, uint64_t from); /* first number >= from not in it */
/* The first piece at or after `from`, cut to begin there. Iterate with from = 0, then ret_range->to. */
bool skt_ranges_next(const struct skt_ranges *ranges, uint64_t from, struct skt_range *ret_range);
uint64_t skt_ranges_count(const struct skt_ranges *ranges); /* numbers in the set */
