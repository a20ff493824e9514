/* engine/xfer/stream.c: the control stream, both ways. */
#include "test.h"

#include "base/random.h"
#include "engine/xfer/stream.h"
#include "seed.h"

#include <errno.h>

enum { FRAME = 200, FLYING = 4000 };

static struct skt_xfer_message message(uint32_t n, const uint8_t *hashes)
{
    return (
        struct skt_xfer_message){ .kind = SKT_XFER_HASHES, .file = n, .group = n, .count = 1 + n % 7, .hash = hashes };
}

struct frame {
    uint64_t from;
    uint16_t len;
    uint8_t bytes[FRAME];
};

/* One STREAM frame out; false: nothing to send. */
static bool put(struct skt_stream_out *out, struct frame *ret)
{
    uint8_t bytes[FRAME];
    struct skt_room room = skt_room_of(bytes, sizeof bytes);
    struct skt_xfer_frame frame;
    struct skt_span text;

    if (!skt_stream_put(out, &room, &ret->from, &ret->len))
        return false;
    text = skt_span_of(bytes, (size_t)(room.p - bytes));
    assert_true(skt_xfer_get_frame(&text, &frame));
    assert_true(frame.kind == SKT_XFER_STREAM && frame.offset == ret->from && skt_len(frame.bytes) == ret->len);
    memcpy(ret->bytes, frame.bytes.p, ret->len);
    return true;
}

/* Frames are lost, come late, come twice; ACKs too: everything is read once and in order. */
static void every_message_is_read_once_and_in_order(void **state)
{
    static struct frame flying[FLYING];
    uint8_t hashes[7 * 32] = { 3 };

    FOR_SEEDS(30)
    {
        struct skt_stream_out out;
        struct skt_stream_in in;
        struct skt_random r;
        uint32_t said = 0, heard = 0, n = 0, most = 3000;

        skt_random_init(&r, unit_seed);
        skt_stream_out_init(&out);
        skt_stream_in_init(&in);
        while (heard < most) {
            struct skt_xfer_message m = message(said, hashes), got;
            uint32_t i;

            while (said < most && skt_stream_say(&out, &m))
                m = message(++said, hashes);
            while (n < FLYING / 2 && put(&out, &flying[n]))
                n++;
            CHECK(n > 0);
            i = (uint32_t)skt_random_below(&r, n);
            if (skt_random_unit(&r) < .3) {
                CHECK(!skt_stream_lost(&out, flying[i].from, flying[i].len));
            } else {
                CHECK(!skt_stream_got(&in, flying[i].from, skt_span_of(flying[i].bytes, flying[i].len)));
                if (skt_random_unit(&r) < .1)
                    CHECK(!skt_stream_lost(&out, flying[i].from, flying[i].len)); /* wrongly so */
                CHECK(!skt_stream_acked(&out, flying[i].from, flying[i].len));
            }
            flying[i] = flying[--n];
            while (skt_stream_next(&in, &got) == 1) {
                CHECK(got.file == heard && got.count == 1 + heard % 7 && got.hash[0] == 3);
                heard++;
            }
            if (in.tell) {
                uint8_t bytes[16];
                struct skt_room room = skt_room_of(bytes, sizeof bytes);

                CHECK(skt_stream_credit(&in, &room));
                out.credit = in.credit;
            }
            CHECK(out.next <= in.credit);
        }
        skt_stream_out_done(&out);
        skt_stream_in_done(&in);
    }
}

static void what_waits_has_a_limit(void **state)
{
    uint8_t hashes[7 * 32] = { 3 };
    struct skt_xfer_message m = message(6, hashes);
    struct skt_stream_out out;
    uint32_t said = 0;

    skt_stream_out_init(&out);
    assert_int_equal(skt_stream_say_room(&out), SKT_STREAM_MAX);
    while (skt_stream_say(&out, &m))
        said++;
    assert_true(said > 1000);
    assert_true(skt_stream_say_room(&out) < 300);
    assert_true(out.end <= SKT_STREAM_MAX);
    skt_stream_out_done(&out);
}

static void above_the_credit_is_an_offence(void **state)
{
    const uint8_t bytes[10] = { 0 };
    struct skt_stream_in in;

    skt_stream_in_init(&in);
    assert_int_equal(skt_stream_got(&in, SKT_STREAM_MAX - 9, skt_span_of(bytes, 10)), -EBADMSG);
    assert_int_equal(skt_stream_got(&in, UINT64_MAX - 3, skt_span_of(bytes, 10)), -EBADMSG);
    assert_int_equal(skt_stream_got(&in, SKT_STREAM_MAX - 10, skt_span_of(bytes, 10)), 0);
    skt_stream_in_done(&in);
}

static void what_is_no_message_is_told(void **state)
{
    const uint8_t bytes[3] = { 255, 0, 0 };
    struct skt_xfer_message m;
    struct skt_stream_in in;

    skt_stream_in_init(&in);
    assert_int_equal(skt_stream_next(&in, &m), 0);
    assert_int_equal(skt_stream_got(&in, 0, skt_span_of(bytes, 3)), 0);
    assert_int_equal(skt_stream_next(&in, &m), -EBADMSG);
    skt_stream_in_done(&in);
}

/* A peer that sends single bytes with holes between them gets no more memory than the pieces that are allowed. */
static void holes_have_a_limit(void **state)
{
    const uint8_t byte[1] = { 0 };
    struct skt_stream_in in;
    uint64_t at = 1;

    skt_stream_in_init(&in);
    while (at < SKT_STREAM_MAX && !skt_stream_got(&in, at, skt_span_of(byte, 1)))
        at += 2;
    assert_int_equal(in.have.n, in.have.max);
    assert_true(at < SKT_STREAM_MAX);
    skt_stream_in_done(&in);
}

static void too_many_lost_pieces_become_one(void **state)
{
    uint8_t hashes[7 * 32] = { 3 };
    struct skt_xfer_message m = message(6, hashes);
    struct skt_stream_out out;
    struct frame frame;

    skt_stream_out_init(&out);
    while (skt_stream_say(&out, &m))
        ;
    while (put(&out, &frame))
        ;
    for (uint64_t at = 0; at + 2 < out.next; at += 2)
        assert_int_equal(skt_stream_lost(&out, at, 1), 0);
    assert_true(out.lost.n < out.lost.max);
    assert_int_equal(out.lost.items[0].from, 0);
    assert_true(skt_ranges_count(&out.lost) > out.next / 2);
    skt_stream_out_done(&out);
}

/* What became one has bytes in it that arrived before: they are never sent from where they are no more. */
static void what_arrived_is_forgotten_also_where_it_was_lost(void **state)
{
    struct skt_xfer_message m = { .kind = SKT_XFER_CHECK };
    struct skt_stream_out out;
    struct frame frame;

    skt_stream_out_init(&out);
    while (skt_stream_say(&out, &m))
        while (put(&out, &frame))
            ;
    for (uint64_t at = 2; at <= 20; at += 2)
        assert_int_equal(skt_stream_acked(&out, at, 1), 0);
    for (uint64_t at = 101; !(out.lost.n == 1 && !out.lost.items[0].from); at += 2)
        assert_int_equal(skt_stream_lost(&out, at, 1), 0);
    assert_int_equal(skt_stream_acked(&out, 0, 2), 0);
    assert_int_equal(out.at, 3); /* 2 had arrived */
    assert_true(put(&out, &frame));
    assert_int_equal(frame.from, 3);
    skt_stream_out_done(&out);
}

RUN(T(every_message_is_read_once_and_in_order), T(what_waits_has_a_limit), T(above_the_credit_is_an_offence),
    T(what_is_no_message_is_told), T(holes_have_a_limit), T(too_many_lost_pieces_become_one),
    T(what_arrived_is_forgotten_also_where_it_was_lost))
