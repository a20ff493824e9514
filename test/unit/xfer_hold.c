/* engine/xfer: what a peer that knows the secret can make a receiver hold. */
#include "xfer_peer.h"

/* Every second byte, and of no group is a value said: each byte is a piece of its own, and waits. How many were taken. */
static uint32_t pieces(uint64_t size)
{
    const uint8_t byte = 1;
    uint32_t n = 0;

    begin_receiver((struct skt_xfer_conf){ 0 });
    say_entry(0, "a", size);
    run(50 * SKT_MS);
    while (!w.closed && n < size / 2) {
        block(0, 2 * n++, &byte, 1);
        run(SKT_MS);
    }
    return n;
}

static void a_small_group_has_few_pieces(void **state)
{
    for (uint64_t size = 1000; size <= 16000; size *= 4) {
        uint32_t n = pieces(size);

        assert_int_equal(n, 64 + size / 256 + 1);
        assert_int_equal(w.code, 2);
        assert_string_equal(w.text, "a group in too many pieces");
        end();
    }
}

/* A packet of the least size has some 1150 bytes of a file: if every second one is lost there is still room for many more. */
static void as_many_as_packets_can_make_are_taken(void **state)
{
    static const uint8_t bytes[600];

    for (uint64_t size = 1200; size <= SKT_GROUP; size *= 8) {
        begin_receiver((struct skt_xfer_conf){ 0 });
        say_entry(0, "a", size);
        run(50 * SKT_MS);
        for (uint64_t at = 0; at + sizeof bytes < size; at += 2 * sizeof bytes) {
            block(0, at, bytes, sizeof bytes);
            run(SKT_MS);
        }
        assert_false(w.closed);
        end();
    }
}

RUN(T(a_small_group_has_few_pieces), T(as_many_as_packets_can_make_are_taken))
