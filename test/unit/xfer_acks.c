/* engine/xfer/acks.c: what arrived, and when to say so. */
#include "test.h"

#include "engine/xfer/acks.h"

static const skt_time wait = 5 * SKT_MS;

static struct skt_xfer_ack ack_of(struct skt_acks *acks, skt_time now, uint64_t *ret_below)
{
    uint8_t bytes[1200];
    struct skt_room room = skt_room_of(bytes, sizeof bytes);
    struct skt_xfer_frame frame;
    struct skt_span text;

    *ret_below = skt_acks_put(acks, now, &room);
    text = skt_span_of(bytes, (size_t)(room.p - bytes));
    assert_true(skt_xfer_get_frame(&text, &frame));
    assert_int_equal(frame.kind, SKT_XFER_ACK);
    return frame.ack;
}

static void got(struct skt_acks *acks, skt_time now, uint64_t number)
{
    assert_true(skt_acks_fresh(acks, number));
    assert_int_equal(skt_acks_got(acks, now, number), 0);
    assert_false(skt_acks_fresh(acks, number));
}

static void what_arrived_is_told_with_its_gaps(void **state)
{
    const uint64_t numbers[] = { 0, 1, 2, 5, 6, 9, 4 };
    struct skt_acks acks;
    struct skt_xfer_ack ack;
    uint64_t below;

    skt_acks_init(&acks);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        got(&acks, (skt_time)i * SKT_MS, numbers[i]);
    ack = ack_of(&acks, 7 * SKT_MS, &below);
    assert_int_equal(below, 10);
    assert_int_equal(ack.n, 3);
    assert_true(ack.range[0].from == 9 && ack.range[0].to == 10);
    assert_true(ack.range[1].from == 4 && ack.range[1].to == 7);
    assert_true(ack.range[2].from == 0 && ack.range[2].to == 3);
    assert_int_equal(ack.delay, 2000); /* us since 9 arrived */
    skt_acks_done(&acks);
}

/* So many packets from that number on are acknowledged together. */
static void assert_waits_for(uint64_t first, uint32_t packets)
{
    struct skt_acks acks;
    uint64_t below;

    skt_acks_init(&acks);
    got(&acks, 0, first);
    skt_acks_owe(&acks, 0, wait, 100, false);
    acks.due = wait; /* the first may have shown a gap */
    for (uint64_t i = 1; i < packets; i++) {
        assert_int_equal(acks.due, wait);
        got(&acks, 1, first + i);
        skt_acks_owe(&acks, 1, wait, 100, false);
    }
    assert_int_equal(acks.due, 1);
    (void)ack_of(&acks, 1, &below);
    assert_true(acks.due == SKT_NEVER);
    got(&acks, 2, first + packets);
    skt_acks_owe(&acks, 2, wait, SKT_ACKS_BYTES, false); /* large ones: fewer */
    assert_int_equal(acks.due, 2);
    skt_acks_done(&acks);
}

static void it_waits_a_little_or_for_many_packets(void **state) { assert_waits_for(SKT_ACKS_YOUNG, SKT_ACKS_PACKETS); }
static void it_waits_for_few_in_the_beginning(void **state) { assert_waits_for(0, SKT_ACKS_FEW); }

static void a_new_gap_and_a_ping_are_answered_at_once(void **state)
{
    struct skt_acks acks;
    uint64_t below;

    skt_acks_init(&acks);
    got(&acks, 0, 0);
    skt_acks_owe(&acks, 0, wait, 100, true);
    assert_int_equal(acks.due, 0);
    (void)ack_of(&acks, 0, &below);
    got(&acks, 10, 2);
    skt_acks_owe(&acks, 10, wait, 100, false);
    assert_int_equal(acks.due, 10);
    (void)ack_of(&acks, 10, &below);
    got(&acks, 20, 3); /* 1 is still missing, but that is no news */
    skt_acks_owe(&acks, 20, wait, 100, false);
    assert_int_equal(acks.due, 20 + wait);
    skt_acks_done(&acks);
}

static void what_is_forgotten_is_taken_for_received(void **state)
{
    struct skt_acks acks;

    skt_acks_init(&acks);
    for (uint64_t i = 0; i < 20000; i++)
        got(&acks, 0, 2 * i);
    assert_true(acks.seen.n <= SKT_ACKS_KEPT);
    assert_true(acks.floor > 0);
    assert_false(skt_acks_fresh(&acks, acks.floor - 1));
    assert_true(skt_acks_fresh(&acks, acks.floor + 1));
    assert_true(skt_acks_fresh(&acks, 40001));
    assert_false(skt_acks_fresh(&acks, UINT64_MAX));
    skt_acks_done(&acks);
}

static void what_the_other_end_knows_is_not_told_again(void **state)
{
    struct skt_acks acks;
    struct skt_xfer_ack ack;
    uint64_t below;

    skt_acks_init(&acks);
    for (uint64_t i = 0; i < 100; i++)
        got(&acks, 0, 3 * i);
    ack = ack_of(&acks, 0, &below);
    assert_int_equal(ack.n, SKT_XFER_RANGES + 1);
    skt_acks_known(&acks, below);
    ack = ack_of(&acks, 0, &below);
    assert_int_equal(ack.n, 1);
    assert_int_equal(below, 298);
    got(&acks, 0, 100); /* one that came late is news, however old */
    ack = ack_of(&acks, 0, &below);
    assert_true(ack.range[ack.n - 1].from <= 100 || ack.n == SKT_XFER_RANGES + 1);
    skt_acks_done(&acks);
}

static void nothing_arrived_gives_no_ack(void **state)
{
    uint8_t bytes[100];
    struct skt_room room = skt_room_of(bytes, sizeof bytes);
    struct skt_acks acks;

    skt_acks_init(&acks);
    assert_int_equal(skt_acks_put(&acks, 0, &room), 0);
    assert_ptr_equal(room.p, bytes);
    skt_acks_done(&acks);
}

RUN(T(what_arrived_is_told_with_its_gaps), T(it_waits_a_little_or_for_many_packets),
    T(it_waits_for_few_in_the_beginning), T(a_new_gap_and_a_ping_are_answered_at_once),
    T(what_is_forgotten_is_taken_for_received), T(what_the_other_end_knows_is_not_told_again),
    T(nothing_arrived_gives_no_ack))
