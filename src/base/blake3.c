/* blake3: chunks of 1 KiB are hashed many at a time, a lane of a vector each, and so are their parents, level by level.
 * Written from "BLAKE3: one function, fast everywhere" (O'Connor, Aumasson, Neves, Wilcox-O'Hearn); the numbers in brackets
 * are its sections. Start reading at subtree(). */
#include "base/blake3.h"

#include <assert.h>

#include "base/banned.h"

enum {
    BLOCK = 64,
    CHUNK = 1024,
    CHUNK_BLOCKS = CHUNK / BLOCK,
    GROUP_CHUNKS = SKT_GROUP / CHUNK,
    ROUNDS = 7,
    LANES_MAX = 16
};
enum { CHUNK_START = 1, CHUNK_END = 2, PARENT = 4, ROOT = 8 }; /* [2.2] */

/* The first chaining value, and words of each state [2.2]. */
static const uint32_t start[8] = {
    0x6a09e667,
    0xbb67ae85,
    0x3c6ef372,
    0xa54ff53a,
    0x510e527f,
    0x9b05688c,
    0x1f83d9ab,
    0x5be0cd19,
};

/* Which word of the message a round takes next: each row is the one above it, permuted as the second row says [2.2]. */
static const uint8_t order[ROUNDS][16] = {
    { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 },
    { 2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8 },
    { 3, 4, 10, 12, 13, 2, 7, 14, 6, 5, 9, 0, 11, 15, 8, 1 },
    { 10, 7, 12, 9, 14, 3, 13, 15, 4, 0, 11, 2, 5, 8, 1, 6 },
    { 12, 13, 9, 11, 15, 10, 14, 8, 7, 2, 5, 3, 0, 1, 6, 4 },
    { 9, 14, 11, 5, 8, 12, 15, 1, 13, 3, 0, 10, 2, 6, 4, 7 },
    { 11, 15, 5, 0, 1, 9, 8, 6, 14, 10, 2, 12, 3, 4, 7, 13 },
};

/* One block at a time: for what does not fill lanes. */

static uint32_t get_word(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void put_words(uint8_t *p, const uint32_t *cv)
{
    for (size_t w = 0; w < 8; w++)
        for (size_t i = 0; i < 4; i++)
            *p++ = (uint8_t)(cv[w] >> 8 * i);
}

#define ROR(x, n) ((x) >> (n) | (x) << (32 - (n)))

static inline void mix(uint32_t *a, uint32_t *b, uint32_t *c, uint32_t *d, uint32_t x, uint32_t y)
{
    *a += *b + x;
    *d = ROR(*d ^ *a, 16);
    *c += *d;
    *b = ROR(*b ^ *c, 12);
    *a += *b + y;
    *d = ROR(*d ^ *a, 8);
    *c += *d;
    *b = ROR(*b ^ *c, 7);
}

/* [2.2] cv becomes the chaining value after the block of len bytes, whose others are 0. */
static void compress(uint32_t *cv, const uint8_t *block, uint32_t len, uint64_t number, uint32_t flags)
{
    uint32_t m[16], s[16] = { 0 };

    for (size_t w = 0; w < 16; w++)
        m[w] = get_word(block + 4 * w);
    memcpy(s, cv, 32);
    memcpy(s + 8, start, 16);
    s[12] = (uint32_t)number;
    s[13] = (uint32_t)(number >> 32);
    s[14] = len;
    s[15] = flags;
    for (size_t r = 0; r < ROUNDS; r++) {
        const uint8_t *o = order[r];

        mix(&s[0], &s[4], &s[8], &s[12], m[o[0]], m[o[1]]);
        mix(&s[1], &s[5], &s[9], &s[13], m[o[2]], m[o[3]]);
        mix(&s[2], &s[6], &s[10], &s[14], m[o[4]], m[o[5]]);
        mix(&s[3], &s[7], &s[11], &s[15], m[o[6]], m[o[7]]);
        mix(&s[0], &s[5], &s[10], &s[15], m[o[8]], m[o[9]]);
        mix(&s[1], &s[6], &s[11], &s[12], m[o[10]], m[o[11]]);
        mix(&s[2], &s[7], &s[8], &s[13], m[o[12]], m[o[13]]);
        mix(&s[3], &s[4], &s[9], &s[14], m[o[14]], m[o[15]]);
    }
    for (size_t w = 0; w < 8; w++)
        cv[w] = s[w] ^ s[w + 8];
}

/* The value of a chunk of n <= CHUNK bytes. */
static void chunk(const uint8_t *p, size_t n, uint64_t number, uint32_t root, uint8_t *ret_value)
{
    uint32_t cv[8], first = CHUNK_START;
    uint8_t last[BLOCK] = { 0 };

    memcpy(cv, start, sizeof cv);
    for (; n > BLOCK; p += BLOCK, n -= BLOCK, first = 0)
        compress(cv, p, BLOCK, number, first);
    if (n)
        memcpy(last, p, n);
    compress(cv, last, (uint32_t)n, number, first | CHUNK_END | root);
    put_words(ret_value, cv);
}

/* The value of the parent of two. ret_value may be one of them. */
static void parent(const uint8_t *left, const uint8_t *right, uint32_t root, uint8_t *ret_value)
{
    uint8_t block[BLOCK];
    uint32_t cv[8];

    memcpy(cv, start, sizeof cv);
    memcpy(block, left, SKT_HASH);
    memcpy(block + SKT_HASH, right, SKT_HASH);
    compress(cv, block, BLOCK, 0, PARENT | root);
    put_words(ret_value, cv);
}

/* Many inputs of as many blocks each: chunks, or pairs of values. */
struct job {
    const uint8_t *p; /* the first input; the next is a stride further */
    size_t n, stride, blocks;
    uint64_t number; /* of the first chunk */
    uint32_t step;   /* to the number of the next; 0: parents have none */
    uint32_t flags, flags_first, flags_last;
};

typedef void many_fn(const struct job *job, size_t first, size_t n, uint8_t *ret_values);

static void many_1(const struct job *job, size_t first, size_t n, uint8_t *ret_value)
{
    const uint8_t *p = job->p + first * job->stride;

    assert(n == 1);
    if (job->flags & PARENT)
        parent(p, p + SKT_HASH, 0, ret_value);
    else
        chunk(p, CHUNK, job->number + first, 0, ret_value);
}

#define INLINE       static inline __attribute__((always_inline))
#define JOIN(a, b)   JOINED(a, b)
#define JOINED(a, b) a##_##b

typedef uint32_t quad __attribute__((vector_size(16)));

INLINE quad quad_at(const uint8_t *p)
{
    quad v;

    memcpy(&v, p, sizeof v);
    return v;
}

#define LANES 4
#define TARGET
#define QUADS(f)   f(0)
#define ROW(p, at) quad_at((p)[0] + (at))
#define ROR16(x)   ROR(x, 16)
#define ROR8(x)    ROR(x, 8)
#include "base/blake3_lanes.inc"

#ifdef __x86_64__
typedef uint32_t quads2 __attribute__((vector_size(32)));
typedef uint8_t bytes32 __attribute__((vector_size(32)));

#define AVX2   __attribute__((target("avx2")))
#define AVX512 __attribute__((target("avx512f,avx512vl")))

AVX2 INLINE quads2 quads2_at(const uint8_t *const *p, size_t at)
{
    return __builtin_shufflevector(quad_at(p[0] + at), quad_at(p[4] + at), 0, 1, 2, 3, 4, 5, 6, 7);
}

/* AVX2 rotates by whole bytes in one shuffle instead of two shifts and an or: 3.65 GB/s of 3.3. */
#define WORDS(f) f(0), f(4), f(8), f(12), f(16), f(20), f(24), f(28)
#define BY_16(i) (i) + 2, (i) + 3, i, (i) + 1
#define BY_8(i)  (i) + 1, (i) + 2, (i) + 3, i

#define LANES      8
#define TARGET     AVX2
#define QUADS(f)   f(0), f(1)
#define ROW(p, at) quads2_at(p, at)
#define ROR16(x)   (vec) __builtin_shufflevector((bytes32)(x), (bytes32)(x), WORDS(BY_16))
#define ROR8(x)    (vec) __builtin_shufflevector((bytes32)(x), (bytes32)(x), WORDS(BY_8))
#include "base/blake3_lanes.inc"

#define LANES    16
#define TARGET   AVX512
#define QUADS(f) f(0), f(1), f(2), f(3)
#define ROW(p, at)                                                                                                     \
    __builtin_shufflevector(                                                                                           \
        quads2_at(p, at), quads2_at((p) + 8, at), 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
#define ROR16(x) ROR(x, 16)
#define ROR8(x)  ROR(x, 8)
#include "base/blake3_lanes.inc"

static many_fn *const of_lanes[LANES_MAX + 1] = { [1] = many_1, [4] = many_4, [8] = many_8, [16] = many_16 };

unsigned skt_blake3_lanes(void)
{
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl"))
        return 16;
    return __builtin_cpu_supports("avx2") ? 8 : 4;
}
#else
static many_fn *const of_lanes[LANES_MAX + 1] = { [1] = many_1, [4] = many_4 };

/* A vector takes its words as they lie in memory. */
unsigned skt_blake3_lanes(void) { return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? 4 : 1; }
#endif

/* The narrowest width that holds n, or else the widest: 3 chunks in 16 lanes take as long as 16. */
static size_t width(unsigned lanes, size_t n)
{
    size_t width = 1;

    while (width < lanes && (width < n || !of_lanes[width]))
        width++;
    return width;
}

static void run(unsigned lanes, const struct job *job, uint8_t *ret_values)
{
    for (size_t first = 0, n; first < job->n; first += n) {
        size_t left = job->n - first, wide = width(lanes, left);

        n = left < wide ? left : wide;
        of_lanes[wide](job, first, n, ret_values + first * SKT_HASH);
    }
}

static void chunks(unsigned lanes, const uint8_t *p, size_t stride, size_t n, uint64_t number, uint8_t *ret_values)
{
    const struct job job = {
        .p = p,
        .n = n,
        .stride = stride,
        .blocks = CHUNK_BLOCKS,
        .number = number,
        .step = 1,
        .flags_first = CHUNK_START,
        .flags_last = CHUNK_END,
    };

    run(lanes, &job, ret_values);
}

/* Each two of the n values become one, in their place; an odd one rises as it is. That makes the same tree as [2.1], where a
 * left subtree is the largest full one: the count of what is left is the same at each level. Returns how many there are now. */
static size_t parents(unsigned lanes, uint8_t *values, size_t n)
{
    const struct job job = { .p = values, .n = n / 2, .stride = 2 * SKT_HASH, .blocks = 1, .flags = PARENT };

    run(lanes, &job, values); /* value i is written when 2 i and 2 i + 1 have been read */
    if (n % 2)
        memcpy(values + n / 2 * SKT_HASH, values + (n - 1) * SKT_HASH, SKT_HASH);
    return n / 2 + n % 2;
}

/* The value of size bytes from chunk `number` on, a whole subtree. stride: from a chunk to the next, CHUNK or, for zeros, 0. */
static void subtree(
    unsigned lanes, const uint8_t *p, size_t stride, size_t size, uint64_t number, uint32_t root, uint8_t *ret_value)
{
    __attribute__((uninitialized)) uint8_t values[GROUP_CHUNKS * SKT_HASH]; /* 32 KiB that a small file need not zero */
    size_t n = size / CHUNK;

    if (size <= CHUNK) {
        chunk(p, size, number, root, ret_value);
        return;
    }
    chunks(lanes, p, stride, n, number, values);
    if (size % CHUNK) {
        chunk(p + n * stride, size % CHUNK, number + n, 0, values + n * SKT_HASH);
        n++;
    }
    while (n > 2)
        n = parents(lanes, values, n);
    parent(values, values + SKT_HASH, root, ret_value);
}

/* Of the file's bytes, those of the group. */
static size_t group_size(uint64_t index, uint64_t size)
{
    uint64_t left = size - index * SKT_GROUP;

    assert(index < skt_groups(size));
    return left < SKT_GROUP ? (size_t)left : SKT_GROUP;
}

static void group(unsigned lanes, uint64_t index, uint64_t size, const uint8_t *p, size_t stride, uint8_t *ret_value)
{
    subtree(lanes, p, stride, group_size(index, size), index * GROUP_CHUNKS, size <= SKT_GROUP ? ROOT : 0, ret_value);
}

void skt_group_hash_lanes(unsigned lanes, uint64_t index, uint64_t size, struct skt_span bytes, uint8_t *ret_value)
{
    assert(lanes <= LANES_MAX && of_lanes[lanes]);
    assert(skt_len(bytes) == group_size(index, size));
    group(lanes, index, size, bytes.p, CHUNK, ret_value);
}

void skt_group_hash(uint64_t index, uint64_t size, struct skt_span bytes, uint8_t *ret_value)
{
    skt_group_hash_lanes(skt_blake3_lanes(), index, size, bytes, ret_value);
}

void skt_group_hash_zeros(uint64_t index, uint64_t size, uint8_t *ret_value)
{
    static const uint8_t zeros[CHUNK];

    group(skt_blake3_lanes(), index, size, zeros, 0, ret_value);
}

void skt_blake3(struct skt_span bytes, uint8_t *ret_hash)
{
    uint64_t size = skt_len(bytes);
    struct skt_tree tree;
    uint8_t value[SKT_HASH];

    skt_tree_init(&tree);
    for (uint64_t i = 0; i < skt_groups(size); i++) {
        size_t n = group_size(i, size);

        skt_group_hash(i, size, skt_span_of(bytes.p, n), value);
        skt_tree_add(&tree, value);
        if (n)
            bytes.p += n;
    }
    skt_tree_root(&tree, ret_hash);
}

/* The stack holds the full subtrees to the left, largest first, one for each bit of the count of values but the last, and
 * the last value: what may be the root is merged only when it is known whether it is. */

void skt_tree_init(struct skt_tree *tree) { tree->groups = 0; }

static size_t depth(const struct skt_tree *tree)
{
    return tree->groups ? (size_t)__builtin_popcountll(tree->groups - 1) + 1 : 0;
}

void skt_tree_add(struct skt_tree *tree, const uint8_t *value)
{
    uint8_t(*top)[SKT_HASH] = tree->stack + depth(tree);

    /* What came so far is complete: each bit that the count carries over is a parent. */
    for (uint64_t n = tree->groups; n && n % 2 == 0; n /= 2, top--)
        parent(top[-2], top[-1], 0, top[-2]);
    memcpy(top, value, SKT_HASH);
    tree->groups++;
}

void skt_tree_root(const struct skt_tree *tree, uint8_t *ret_hash)
{
    size_t i = depth(tree);
    uint8_t right[SKT_HASH];

    assert(i);
    memcpy(right, tree->stack[--i], SKT_HASH);
    while (i--)
        parent(tree->stack[i], right, i ? 0 : ROOT, right);
    memcpy(ret_hash, right, SKT_HASH);
}

/* A full block waits until more comes: only the last one of a chunk has CHUNK_END, only the last of all ROOT. */

static void begin_chunk(struct skt_hasher *hasher)
{
    memcpy(hasher->cv, start, sizeof start);
    hasher->len = hasher->blocks = 0;
}

void skt_hasher_init(struct skt_hasher *hasher)
{
    skt_tree_init(&hasher->tree);
    begin_chunk(hasher);
}

/* The value of the chunk that ends here. */
static void end_chunk(const struct skt_hasher *hasher, uint32_t root, uint8_t *ret_value)
{
    uint8_t block[BLOCK] = { 0 };
    uint32_t cv[8];

    memcpy(cv, hasher->cv, sizeof cv);
    memcpy(block, hasher->block, hasher->len);
    compress(cv, block, hasher->len, hasher->tree.groups, (hasher->blocks ? 0 : CHUNK_START) | CHUNK_END | root);
    put_words(ret_value, cv);
}

/* More follows the full block. */
static void end_block(struct skt_hasher *hasher)
{
    uint8_t value[SKT_HASH];

    if (hasher->blocks + 1 == CHUNK_BLOCKS) {
        end_chunk(hasher, 0, value);
        skt_tree_add(&hasher->tree, value);
        begin_chunk(hasher);
        return;
    }
    compress(hasher->cv, hasher->block, BLOCK, hasher->tree.groups, hasher->blocks ? 0 : CHUNK_START);
    hasher->blocks++;
    hasher->len = 0;
}

/* Whole chunks, many at a time, that are not the last: at least a byte of the n stays. Returns how many bytes they had. */
static size_t add_chunks(struct skt_hasher *hasher, const uint8_t *p, size_t n)
{
    unsigned lanes = skt_blake3_lanes();
    uint8_t values[LANES_MAX][SKT_HASH];
    size_t some = (n - 1) / CHUNK;

    if (some > lanes)
        some = lanes;
    chunks(lanes, p, CHUNK, some, hasher->tree.groups, values[0]);
    for (size_t i = 0; i < some; i++)
        skt_tree_add(&hasher->tree, values[i]);
    return some * CHUNK;
}

void skt_hasher_add(struct skt_hasher *hasher, struct skt_span bytes)
{
    for (size_t some; bytes.p < bytes.end; bytes.p += some) {
        size_t n = skt_len(bytes);

        if (hasher->len == BLOCK)
            end_block(hasher);
        if (!hasher->len && !hasher->blocks && n > CHUNK) {
            some = add_chunks(hasher, bytes.p, n);
            continue;
        }
        some = BLOCK - hasher->len < n ? BLOCK - hasher->len : n;
        memcpy(hasher->block + hasher->len, bytes.p, some);
        hasher->len += (uint32_t)some;
    }
}

void skt_hasher_end(const struct skt_hasher *hasher, uint8_t *ret_hash)
{
    uint8_t value[SKT_HASH];
    struct skt_tree tree;

    end_chunk(hasher, hasher->tree.groups ? 0 : ROOT, value);
    tree = hasher->tree; /* the hasher may go on */
    skt_tree_add(&tree, value);
    skt_tree_root(&tree, ret_hash);
}
