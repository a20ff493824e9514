#pragma once
#include <sockit/bytes.h>

/* map: number -> number (skt_map) and name -> number (skt_names, the bytes are copied).
 * SipHash-2-4, keyed by seed, so that peers cannot choose keys that collide. Iteration follows the hash: the order
 * depends on the keys and the seed alone, not on how they came in, and put or del during it skip and repeat nothing. */
struct skt_map_slot;

struct skt_map {
    struct skt_map_slot *slots;
    uint64_t k0, k1;
    uint32_t n, max, shift; /* n <= max; shift: from a hash to its slot */
};

/* Start it as { 0 }; key and value are those of the step. */
struct skt_map_iter {
    uint64_t key;
    uint32_t value;
    uint64_t hash; /* private, and so is seen: of how many items with that hash we know */
    uint32_t seen;
};

int skt_map_init(struct skt_map *map, uint32_t max, uint64_t seed); /* 0; allocates nothing yet. -EINVAL: max > 2^28 */
void skt_map_done(struct skt_map *map);                             /* takes NULL */
bool skt_map_get(const struct skt_map *map, uint64_t key, uint32_t *ret_value);
int skt_map_put(struct skt_map *map, uint64_t key, uint32_t value); /* or replaces; -ENOSPC at max, -ENOMEM */
bool skt_map_del(struct skt_map *map, uint64_t key);                /* false: was not there */
bool skt_map_next(const struct skt_map *map, struct skt_map_iter *iter);
static inline bool skt_map_full(const struct skt_map *map) { return map->n >= map->max; }

enum { SKT_NAME_MAX = 65535 }; /* bytes of one name */

struct skt_names {
    struct skt_map map; /* map.n: how many */
};

struct skt_names_iter {
    struct skt_span name; /* valid until its del */
    uint32_t value;
    struct skt_map_iter at; /* private */
};

int skt_names_init(struct skt_names *names, uint32_t max, uint64_t seed);
void skt_names_done(struct skt_names *names); /* takes NULL */
bool skt_names_get(const struct skt_names *names, struct skt_span name, uint32_t *ret_value);
int skt_names_put(struct skt_names *names, struct skt_span name, uint32_t value); /* also -ENAMETOOLONG */
bool skt_names_del(struct skt_names *names, struct skt_span name);
bool skt_names_next(const struct skt_names *names, struct skt_names_iter *iter);
static inline bool skt_names_full(const struct skt_names *names) { return skt_map_full(&names->map); }
