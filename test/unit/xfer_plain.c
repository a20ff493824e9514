/* engine/xfer/plain.c: packets in clear on their way to a capture. */
#include "test.h"

#include "engine/xfer/plain.h"

static const uint8_t sealed[16] = { 6, 0, 0, 1, 9 }, init[20] = { 1, 0, 0, 1, 7 };

static void nothing_is_kept_unless_it_was_asked_for(void **state)
{
    struct skt_plain plain = { 0 };
    struct skt_plain_packet packet;

    skt_plain_put(NULL, true, NULL, skt_span_of(sealed, 16), skt_span_str("text"));
    skt_plain_put(&plain, true, NULL, skt_span_of(sealed, 16), skt_span_str("text"));
    assert_false(skt_plain_next(&plain, &packet));
    assert_null(plain.bytes);
    skt_plain_done(&plain);
}

static void packets_come_out_as_they_went_in_and_sealed_ones_are_marked(void **state)
{
    struct skt_plain plain = { .on = true };
    struct skt_addr peer = { .family = SKT_IP4, .port = 5 };
    struct skt_plain_packet packet;

    skt_plain_put(&plain, false, &peer, skt_span_of(init, sizeof init), (struct skt_span){ 0 });
    skt_plain_put(&plain, true, NULL, skt_span_of(sealed, 16), skt_span_str("text"));
    assert_true(skt_plain_next(&plain, &packet));
    assert_true(!packet.sent && packet.peer.port == 5 && skt_span_eq(packet.bytes, skt_span_of(init, sizeof init)));
    assert_true(skt_plain_next(&plain, &packet));
    assert_true(packet.sent && packet.peer.family == SKT_NOWHERE && skt_len(packet.bytes) == 20);
    assert_int_equal(packet.bytes.p[0], 0x46);
    assert_memory_equal(packet.bytes.p + 1, sealed + 1, 15);
    assert_memory_equal(packet.bytes.p + 16, "text", 4);
    assert_false(skt_plain_next(&plain, &packet));
    skt_plain_done(&plain);
}

static void what_is_too_much_is_counted(void **state)
{
    struct skt_plain plain = { .on = true };
    struct skt_plain_packet packet;
    static uint8_t text[60000];
    uint32_t n = 0;

    for (int i = 0; i < 1200; i++) /* 72 MB */
        skt_plain_put(&plain, true, NULL, skt_span_of(sealed, 16), skt_span_of(text, sizeof text));
    assert_true(plain.lost > 0 && plain.room <= 64 << 20);
    while (skt_plain_next(&plain, &packet))
        n++;
    assert_int_equal(n + plain.lost, 1200);
    skt_plain_put(&plain, true, NULL, skt_span_of(sealed, 16), skt_span_of(text, sizeof text));
    assert_true(skt_plain_next(&plain, &packet));
    skt_plain_done(&plain);
}

RUN(T(nothing_is_kept_unless_it_was_asked_for), T(packets_come_out_as_they_went_in_and_sealed_ones_are_marked),
    T(what_is_too_much_is_counted))
