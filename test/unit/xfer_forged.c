/* engine/xfer: what a forged packet leaves. */
#include "xfer_peer.h"

/* A forged copy of the packet, with other bytes, and then the packet. */
static void block_after_forged(uint64_t offset, const uint8_t *bytes)
{
    static uint8_t room[2000], forged[2000];
    struct skt_addr to;
    uint32_t seg = 0;
    size_t n;

    while (!skt_conn_train(w.peer, w.now, skt_room_of(room, sizeof room), true))
        w.now += SKT_MS;
    assert_true(skt_conn_block_room(w.peer) >= 100);
    skt_conn_block(w.peer, (struct skt_conn_piece){ 0 }, 0, offset, skt_span_of(bytes + offset, 100));
    n = skt_conn_sealed(w.peer, w.now, &seg, &to);
    memcpy(forged, room, n);
    memset(forged + n - 16 - 90, 0xee, 90);
    to_engine(forged, n, seg);
    to_engine(room, n, seg);
}

/* The receiver guesses where a packet's bytes belong and has it opened to there. */
static void forged_blocks_spoil_nothing(void **state)
{
    static const uint8_t order[] = { 0, 1, 2, 5, 6, 3, 4, 9, 8, 7 };
    uint8_t bytes[1000], hash[SKT_HASH];
    struct skt_xfer_message hashes = { .kind = SKT_XFER_HASHES, .count = 1, .hash = hash };

    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i / 100 + i);
    skt_blake3(skt_span_of(bytes, sizeof bytes), hash);
    begin_receiver((struct skt_xfer_conf){ 0 });
    say_entry(0, "a", sizeof bytes);
    say(&(struct skt_xfer_message){ .kind = SKT_XFER_END, .file = 1 });
    run(50 * SKT_MS);
    say(&hashes);
    for (size_t i = 0; i < sizeof order; i++) {
        block_after_forged(order[i] * 100, bytes);
        run(2 * SKT_MS);
    }
    run(500 * SKT_MS);
    assert_false(w.closed);
    assert_int_equal(w.heard[0].kind, SKT_XFER_NEED); /* and nothing is asked for again */
    for (uint32_t i = 1; i < w.n_heard; i++)
        assert_int_not_equal(w.heard[i].kind, SKT_XFER_NEED);
    assert_int_equal(w.heard[w.n_heard - 1].kind, SKT_XFER_DONE);
    end();
}

RUN(T(forged_blocks_spoil_nothing))
