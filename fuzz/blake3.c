/* base/blake3.h: bytes in any pieces, at once, by groups and in lanes of any width have the same hash. The input: two bytes
 * choose how many there are, then each two a piece; the bytes are the input again and again, counted so that none is like
 * another. */
#include "base/blake3.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CHUNK = 1024, FEW = 20 * CHUNK, BYTES_MAX = SKT_GROUP + FEW };

static uint8_t bytes[BYTES_MAX];

/* One input of 64 has about a group or a little more: they are slow. */
static size_t choose(uint32_t dice)
{
    size_t n = dice / 64 * 64 % FEW + dice % 7;

    return dice % 64 != 63 ? n : n + SKT_GROUP - FEW / 2;
}

static void by_groups(unsigned lanes, size_t n, uint8_t *ret_hash)
{
    struct skt_tree tree;
    uint8_t value[SKT_HASH];

    skt_tree_init(&tree);
    for (size_t at = 0, i = 0; i < skt_groups(n); at += SKT_GROUP, i++) {
        skt_group_hash_lanes(lanes, i, n, skt_span_of(bytes + at, n - at < SKT_GROUP ? n - at : SKT_GROUP), value);
        skt_tree_add(&tree, value);
    }
    skt_tree_root(&tree, ret_hash);
}

static void by_pieces(struct skt_span pieces, size_t n, uint8_t *ret_hash)
{
    struct skt_hasher hasher;
    size_t at = 0;

    skt_hasher_init(&hasher);
    while (skt_len(pieces) >= 2) {
        size_t some = skt_get_u16(&pieces);

        some = some < n - at ? some : n - at;
        skt_hasher_add(&hasher, skt_span_of(bytes + at, some));
        at += some;
    }
    skt_hasher_add(&hasher, skt_span_of(bytes + at, n - at));
    skt_hasher_end(&hasher, ret_hash);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct skt_span in = skt_span_of(data, size);
    size_t n = choose(skt_get_u16(&in));
    uint8_t want[SKT_HASH], hash[SKT_HASH];

    for (size_t i = 0; i < n; i++)
        bytes[i] = (uint8_t)((size ? data[i % size] : 0) + i % 251);
    skt_blake3(skt_span_of(bytes, n), want);
    by_pieces(in, n, hash);
    assert(!memcmp(hash, want, SKT_HASH));
    for (unsigned lanes = 4; lanes <= skt_blake3_lanes(); lanes *= 2) {
        by_groups(lanes, n, hash);
        assert(!memcmp(hash, want, SKT_HASH));
    }
    by_groups(1, n, hash);
    assert(!memcmp(hash, want, SKT_HASH));
    return 0;
}
