/* map: hash tables that nobody outside can aim at, and that look the same whatever the order of their making.
 *
 * Linear probing over slots that are sorted by hash: an item stands at its home (the top bits of its hash) or right
 * behind its predecessor, whichever is later. So a search ends at the first larger hash, a del shifts the rest back and
 * leaves no mark, and a walk from left to right is in the order of hashes. The table does not wrap: a tail behind the
 * last home takes what spills over, and if it is full the table grows. */
#include "base/map.h"

#include "base/random.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/banned.h"

enum {
    MAX_BITS = 28,            /* of the number of items */
    HOME_BITS = MAX_BITS + 2, /* of the largest table; three quarters of 2^29 would do */
    FIRST_BITS = 2,           /* of the first table: most maps stay small */
    TAIL_MAX = 64,            /* at a load of 3/4 it overflows so rarely that growing is the answer */
};

struct skt_map_slot {
    uint64_t hash;
    union {
        uint64_t number;
        uint8_t *name; /* ours */
    } key;
    uint32_t size; /* of the key, and 1; 0: the slot is free */
    uint32_t value;
};

/* A key that is looked for: a number, or a name if name.p is not NULL. */
struct key {
    uint64_t hash, number;
    struct skt_span name;
};

static struct key number_key(const struct skt_map *map, uint64_t number)
{
    return (struct key){ .hash = skt_siphash(map->k0, map->k1, skt_span_of(&number, sizeof number)), .number = number };
}

static struct key name_key(const struct skt_map *map, struct skt_span name)
{
    if (!name.p)
        name = skt_span_str("");
    return (struct key){ .hash = skt_siphash(map->k0, map->k1, name), .name = name };
}

static struct skt_span slot_name(const struct skt_map_slot *slot)
{
    return skt_span_of(slot->key.name, slot->size - 1);
}

/* < 0: the slot's key comes before; 0: it is the same; > 0: behind. */
static int order(const struct skt_map_slot *slot, const struct key *key)
{
    size_t n = skt_len(key->name);

    if (slot->hash != key->hash)
        return slot->hash < key->hash ? -1 : 1;
    if (!key->name.p)
        return (slot->key.number > key->number) - (slot->key.number < key->number);
    if (slot->size - 1 != n)
        return slot->size - 1 < n ? -1 : 1;
    return n ? memcmp(slot->key.name, key->name.p, n) : 0;
}

/* Slots of a table with that shift. The last one is always free: it ends every search. */
static uint32_t slots_of(uint32_t shift)
{
    uint32_t homes = 1u << (64 - shift);

    return homes + (homes < TAIL_MAX ? homes : TAIL_MAX) + 1;
}

/* Where the key is, or the first slot that would have to make way for it. The table exists. */
static struct skt_map_slot *seek(const struct skt_map *map, const struct key *key)
{
    struct skt_map_slot *slot = map->slots + (key->hash >> map->shift);

    while (slot->size && order(slot, key) < 0)
        slot++;
    return slot;
}

static struct skt_map_slot *find(const struct skt_map *map, const struct key *key)
{
    struct skt_map_slot *slot = map->slots ? seek(map, key) : NULL;

    return slot && slot->size && !order(slot, key) ? slot : NULL;
}

/* Lays the items out in the next larger table. They fit: a home goes from h to 2h or 2h + 1, there are twice as many of
 * them, and the tail does not shrink. */
static void lay_out(const struct skt_map *map, struct skt_map_slot *slots, uint32_t shift)
{
    uint32_t n = map->slots ? slots_of(map->shift) : 0, next = 0;

    for (uint32_t i = 0; i < n; i++) {
        uint32_t home = (uint32_t)(map->slots[i].hash >> shift);

        if (!map->slots[i].size)
            continue;
        if (next < home)
            next = home;
        assert(next < slots_of(shift) - 1);
        slots[next++] = map->slots[i];
    }
}

static int grow(struct skt_map *map)
{
    uint32_t shift = map->slots ? map->shift - 1 : 64 - FIRST_BITS;
    struct skt_map_slot *slots = shift < 64 - HOME_BITS ? NULL : calloc(slots_of(shift), sizeof *slots);

    if (!slots)
        return -ENOMEM;
    lay_out(map, slots, shift);
    free(map->slots);
    map->slots = slots;
    map->shift = shift;
    return 0;
}

/* Shifts the items from slot on by one, up to the next free slot. False: that one is the last, which stays free. */
static bool make_way(struct skt_map *map, struct skt_map_slot *slot)
{
    struct skt_map_slot *hole = slot;

    while (hole->size)
        hole++;
    if (hole == map->slots + slots_of(map->shift) - 1)
        return false;
    memmove(slot + 1, slot, (size_t)(hole - slot) * sizeof *slot);
    return true;
}

/* A free slot for a key that is not in the map. */
static int insert(struct skt_map *map, const struct key *key, struct skt_map_slot **ret_slot)
{
    struct skt_map_slot *slot;
    int r;

    if (map->n >= map->max)
        return -ENOSPC;
    /* at most three quarters of the homes are taken: at that load a search looks at 2.5 slots (Knuth, 6.4) */
    if (!map->slots || map->n + 1 > (3ull << (64 - map->shift)) / 4) {
        if ((r = grow(map)))
            return r;
    }
    while (!make_way(map, slot = seek(map, key))) {
        if ((r = grow(map)))
            return r;
    }
    map->n++;
    *ret_slot = slot;
    return 0;
}

static void take_out(struct skt_map *map, struct skt_map_slot *slot)
{
    struct skt_map_slot *next = slot + 1;

    while (next->size && map->slots + (next->hash >> map->shift) < next)
        next++;
    memmove(slot, slot + 1, (size_t)(next - slot - 1) * sizeof *slot);
    next[-1] = (struct skt_map_slot){ 0 };
    map->n--;
}

/* The next item in the order of hashes; of equal hashes, the one with the next number. */
static const struct skt_map_slot *step(const struct skt_map *map, struct skt_map_iter *iter)
{
    uint32_t n = map->slots ? slots_of(map->shift) : 0, same = 0;

    for (uint64_t i = iter->hash >> map->shift; i < n; i++) {
        const struct skt_map_slot *slot = &map->slots[i];

        if (!slot->size || slot->hash < iter->hash || (slot->hash == iter->hash && same++ < iter->seen))
            continue;
        iter->seen = slot->hash == iter->hash ? iter->seen + 1 : 1;
        iter->hash = slot->hash;
        iter->value = slot->value;
        return slot;
    }
    return NULL;
}

/* ---- numbers ---- */

int skt_map_init(struct skt_map *map, uint32_t max, uint64_t seed)
{
    if (max > 1u << MAX_BITS)
        return -EINVAL;
    *map = (struct skt_map){ .k0 = skt_hash64(seed, 0, 0, 0), .k1 = skt_hash64(seed, 1, 0, 0), .max = max };
    return 0;
}

void skt_map_done(struct skt_map *map)
{
    if (!map)
        return;
    free(map->slots);
    map->slots = NULL;
    map->n = 0;
}

bool skt_map_get(const struct skt_map *map, uint64_t number, uint32_t *ret_value)
{
    struct key key = number_key(map, number);
    const struct skt_map_slot *slot = find(map, &key);

    if (slot)
        *ret_value = slot->value;
    return slot;
}

int skt_map_put(struct skt_map *map, uint64_t number, uint32_t value)
{
    struct key key = number_key(map, number);
    struct skt_map_slot *slot = find(map, &key);
    int r = slot ? 0 : insert(map, &key, &slot);

    if (!r)
        *slot = (struct skt_map_slot){ .hash = key.hash, .key.number = number, .size = 1, .value = value };
    return r;
}

bool skt_map_del(struct skt_map *map, uint64_t number)
{
    struct key key = number_key(map, number);
    struct skt_map_slot *slot = find(map, &key);

    if (slot)
        take_out(map, slot);
    return slot;
}

bool skt_map_next(const struct skt_map *map, struct skt_map_iter *iter)
{
    const struct skt_map_slot *slot = step(map, iter);

    if (slot)
        iter->key = slot->key.number;
    return slot;
}

/* ---- names ---- */

int skt_names_init(struct skt_names *names, uint32_t max, uint64_t seed)
{
    return skt_map_init(&names->map, max, seed);
}

void skt_names_done(struct skt_names *names)
{
    if (!names)
        return;
    for (uint32_t i = 0; names->map.slots && i < slots_of(names->map.shift); i++) {
        if (names->map.slots[i].size)
            free(names->map.slots[i].key.name);
    }
    skt_map_done(&names->map);
}

bool skt_names_get(const struct skt_names *names, struct skt_span name, uint32_t *ret_value)
{
    struct key key = name_key(&names->map, name);
    const struct skt_map_slot *slot = find(&names->map, &key);

    if (slot)
        *ret_value = slot->value;
    return slot;
}

int skt_names_put(struct skt_names *names, struct skt_span name, uint32_t value)
{
    struct key key = name_key(&names->map, name);
    struct skt_map_slot *slot = find(&names->map, &key);
    size_t n = skt_len(name);
    uint8_t *copy;
    int r;

    if (slot) {
        slot->value = value;
        return 0;
    }
    if (n > SKT_NAME_MAX)
        return -ENAMETOOLONG;
    if (!(copy = malloc(n ? n : 1)))
        return -ENOMEM;
    if ((r = insert(&names->map, &key, &slot))) {
        free(copy);
        return r;
    }
    if (n)
        memcpy(copy, name.p, n);
    *slot = (struct skt_map_slot){ .hash = key.hash, .key.name = copy, .size = (uint32_t)n + 1, .value = value };
    return 0;
}

bool skt_names_del(struct skt_names *names, struct skt_span name)
{
    struct key key = name_key(&names->map, name);
    struct skt_map_slot *slot = find(&names->map, &key);
    uint8_t *ours = slot ? slot->key.name : NULL;

    if (slot)
        take_out(&names->map, slot);
    free(ours); /* last: `name` may be ours, from an iterator */
    return slot;
}

bool skt_names_next(const struct skt_names *names, struct skt_names_iter *iter)
{
    const struct skt_map_slot *slot = step(&names->map, &iter->at);

    if (slot) {
        iter->name = slot_name(slot);
        iter->value = slot->value;
    }
    return slot;
}
