#pragma once
#include <sockit/bytes.h>

/* blake3: BLAKE3 (the paper of 2020), its default mode, and its tree by groups of 1 MiB: a group is a whole subtree, so
 * the hash of a file follows from the chaining values of its groups, and damage is found by group. `b3sum` gives the same. */

enum { SKT_HASH = 32, SKT_GROUP = 1 << 20 };

void skt_blake3(struct skt_span bytes, uint8_t *ret_hash); /* of all at once */

/* The value of group `index` of a file of `size` bytes: its chaining value, or, if it is the only one, the file's hash.
 * bytes: all of the group, shorter only at the file's end. */
void skt_group_hash(uint64_t index, uint64_t size, struct skt_span bytes, uint8_t *ret_value);
void skt_group_hash_zeros(uint64_t index, uint64_t size, uint8_t *ret_value); /* the same, of zeros that nobody has */

/* Chunks are hashed many at a time: as many as fit a vector of this machine, 1, 4, 8 or 16. The second, for tests, takes
 * fewer: one of these that is not more. */
unsigned skt_blake3_lanes(void);
void skt_group_hash_lanes(unsigned lanes, uint64_t index, uint64_t size, struct skt_span bytes, uint8_t *ret_value);

/* The file's hash from its groups' values, given in order. */
struct skt_tree {
    uint64_t groups;             /* given so far */
    uint8_t stack[55][SKT_HASH]; /* enough for 2^54, the chunks of 2^64 bytes */
};
static inline uint64_t skt_groups(uint64_t size) { return size ? (size - 1) / SKT_GROUP + 1 : 1; } /* none is one too */
void skt_tree_init(struct skt_tree *tree);
void skt_tree_add(struct skt_tree *tree, const uint8_t *value);
void skt_tree_root(const struct skt_tree *tree, uint8_t *ret_hash); /* after at least one */

/* Bytes that come in pieces. */
struct skt_hasher {
    struct skt_tree tree; /* of chunks, 1 KiB each */
    uint32_t cv[8];
    uint8_t block[64];
    uint32_t len, blocks; /* of the block; of the chunk */
};
void skt_hasher_init(struct skt_hasher *hasher);
void skt_hasher_add(struct skt_hasher *hasher, struct skt_span bytes);
void skt_hasher_end(const struct skt_hasher *hasher, uint8_t *ret_hash);
