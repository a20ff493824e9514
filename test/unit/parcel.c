/* engine/parcel.c: one train on its way through an engine. */
#include "test.h"

#include "engine/parcel.h"

#include <string.h>

static const struct skt_addr there = { .family = SKT_IP4, .port = 9 };

static void a_train_goes_out_as_it_came_and_is_let_go_of(void **state)
{
    struct skt_buf *buf = skt_buf_new(10);
    struct skt_in in = { .data = skt_span_of(buf->data + 1, 9), .buf = buf, .seg = 4 };
    struct parcel p = { 0 };
    struct skt_out out = { 0 };

    assert_true(parcel_take(&p, &in, 5, &there));
    assert_int_equal(skt_len(in.data), 0);
    in.data = skt_span_of(buf->data, 1);
    assert_false(parcel_take(&p, &in, 5, &there)); /* one at a time */
    assert_true(in.hold && skt_len(in.data) == 1);
    assert_true(parcel_send(&p, &out));
    assert_ptr_equal(out.share.p, buf->data + 1);
    assert_true(out.seg == 4 && out.link == 5 && out.peer.port == 9 && skt_len(out.share) == 9);
    assert_false(parcel_send(&p, &out));
    assert_int_equal(buf->refs, 1);
    skt_buf_put(buf);
}

static void without_a_buffer_it_is_copied(void **state)
{
    char text[] = "text";
    struct skt_in in = { .data = skt_span_of(text, 4) };
    struct parcel p = { 0 };
    struct skt_out out = { 0 };

    assert_true(parcel_take(&p, &in, 5, &there));
    memset(text, 0, sizeof text);
    assert_true(parcel_send(&p, &out));
    assert_true(skt_span_is(out.share, "text"));
    parcel_done(&p);
}

static void it_can_be_taken_apart(void **state)
{
    struct skt_in in = { .data = skt_span_str("aabbc"), .seg = 2 };
    struct parcel p = { 0 };
    struct skt_span one;

    assert_true(parcel_take(&p, &in, 5, &there));
    assert_true(parcel_next(&p, &one) && skt_span_is(one, "aa"));
    assert_true(parcel_next(&p, &one) && skt_span_is(one, "bb"));
    assert_true(parcel_next(&p, &one) && skt_span_is(one, "c"));
    assert_false(parcel_next(&p, &one));
    in = (struct skt_in){ .data = skt_span_str("") }; /* an empty one is one, too */
    assert_true(parcel_take(&p, &in, 5, &there));
    assert_true(parcel_next(&p, &one) && !skt_len(one));
    assert_false(parcel_next(&p, &one));
    in = (struct skt_in){ .data = skt_span_str("left") };
    assert_true(parcel_take(&p, &in, 5, &there));
    parcel_done(&p);
}

RUN(T(a_train_goes_out_as_it_came_and_is_let_go_of), T(without_a_buffer_it_is_copied), T(it_can_be_taken_apart))
