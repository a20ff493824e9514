/* engine/outbox.c: the queue of an engine's deliveries. */
#include "test.h"

#include "engine/outbox.h"

#include <stdlib.h>

static struct skt_outbox small(void)
{
    struct skt_outbox ob;

    skt_outbox_init(&ob, 4, 200);
    return ob;
}

static struct skt_slice put(struct skt_outbox *ob, const char *text) { return skt_outbox_put(ob, skt_span_str(text)); }

static void deliveries_come_out_in_order(void **state)
{
    struct skt_outbox ob = small();
    struct skt_out out = { 0 };
    struct skt_slice s = put(&ob, "hello");

    assert_true(skt_outbox_to(&ob, 7, s) && skt_outbox_to(&ob, 8, s));
    assert_true(skt_outbox_move(&ob, 8, 7, UINT32_MAX) && skt_outbox_eof(&ob, 7) && skt_outbox_close(&ob, 8, -5));
    assert_true(
        skt_outbox_send(&ob, &out) && out.link == 7 && out.kind == SKT_SHARE && skt_span_is(out.share, "hello"));
    assert_true(skt_outbox_send(&ob, &out) && out.link == 8 && out.kind == SKT_SHARE && out.buf == s.buf);
    assert_true(skt_outbox_send(&ob, &out) && out.kind == SKT_MOVE && out.from == 7 && out.len == UINT64_MAX);
    assert_true(skt_outbox_send(&ob, &out) && out.link == 7 && out.kind == SKT_EOF);
    assert_true(skt_outbox_send(&ob, &out) && out.link == 8 && out.kind == SKT_CLOSE && out.why == -5);
    assert_false(skt_outbox_send(&ob, &out));
    skt_outbox_done(&ob);
}

static void a_fan_out_comes_out_at_once_as_far_as_the_driver_takes_it(void **state)
{
    struct skt_outbox ob = small();
    skt_link also[2];
    struct skt_out out = { .also = also, .also_max = 2 };
    struct skt_slice s = put(&ob, "to all");

    for (skt_link link = 1; link <= 4; link++)
        assert_true(skt_outbox_to(&ob, link, s));
    assert_true(skt_outbox_to(&ob, 4, put(&ob, "to one")));
    assert_int_equal(s.buf->refs, 6);
    assert_true(skt_outbox_send(&ob, &out) && out.link == 1 && out.also_n == 2 && also[0] == 2 && also[1] == 3);
    out.also_n = 0;
    assert_true(skt_outbox_send(&ob, &out) && out.link == 4 && !out.also_n && skt_span_is(out.share, "to all"));
    assert_true(skt_outbox_send(&ob, &out) && out.link == 4 && !out.also_n && skt_span_is(out.share, "to one"));
    assert_false(skt_outbox_send(&ob, &out));
    assert_int_equal(s.buf->refs, 1);
    skt_outbox_done(&ob);
}

static void texts_that_follow_each_other_touch(void **state)
{
    struct skt_outbox ob = small();
    struct skt_slice a = put(&ob, "one"), b;

    assert_true(skt_outbox_to(&ob, 1, a));
    b = put(&ob, "two");
    assert_ptr_equal(a.buf, b.buf);
    assert_int_equal(a.at + a.len, b.at);
    skt_outbox_done(&ob);
}

static void a_block_is_used_again_when_all_of_it_left(void **state)
{
    struct skt_outbox ob = small();
    struct skt_slice a = put(&ob, "one"), b;
    struct skt_out out = { 0 };

    assert_true(skt_outbox_to(&ob, 1, a));
    assert_true(skt_outbox_send(&ob, &out));
    b = put(&ob, "two"); /* the driver may still be looking at "one" */
    assert_int_equal(b.at, 3);
    assert_true(skt_span_is(out.share, "one"));
    assert_false(skt_outbox_send(&ob, &out));
    b = put(&ob, "three");
    assert_ptr_equal(a.buf, b.buf);
    assert_int_equal(b.at, 0);
    skt_outbox_done(&ob);
}

static void what_the_driver_keeps_stays_as_it_was(void **state)
{
    struct skt_outbox ob = small();
    struct skt_out out = { 0 };
    struct skt_buf *kept;
    struct skt_span share;

    assert_true(skt_outbox_to(&ob, 1, put(&ob, "keep me")));
    assert_true(skt_outbox_send(&ob, &out));
    kept = skt_buf_ref(out.buf);
    share = out.share;
    assert_false(skt_outbox_send(&ob, &out));
    for (int i = 0; i < 5000; i++)
        put(&ob, "something else");
    skt_outbox_done(&ob);
    assert_true(skt_span_is(share, "keep me"));
    skt_buf_put(kept);
}

static void bytes_of_others_are_passed_on_uncopied(void **state)
{
    struct skt_outbox ob = small();
    struct skt_buf *buf = skt_buf_new(10);
    struct skt_out out = { 0 };

    memcpy(buf->data, "0123456789", 10);
    assert_true(skt_outbox_to(&ob, 1, skt_slice_of(buf, skt_span_of(buf->data + 2, 3))));
    skt_buf_put(buf); /* the delivery holds it now */
    assert_true(skt_outbox_send(&ob, &out) && skt_span_is(out.share, "234"));
    assert_ptr_equal(out.buf, buf);
    skt_outbox_done(&ob);
}

static void it_says_when_it_is_full_and_never_goes_over_its_cap(void **state)
{
    struct skt_outbox ob = small();
    struct skt_out out = { 0 };
    struct skt_slice s = put(&ob, "x");
    uint32_t n = 0;

    while (skt_outbox_to(&ob, n, s))
        assert_int_equal(skt_outbox_full(&ob), ++n >= 4);
    assert_int_equal(n, 200);
    assert_int_equal(ob.lost, 1);
    assert_false(skt_outbox_close(&ob, 1, 0));
    for (uint32_t i = 0; i < n; i++)
        assert_true(skt_outbox_send(&ob, &out) && out.link == i);
    assert_false(skt_outbox_send(&ob, &out));
    assert_false(skt_outbox_full(&ob));
    skt_outbox_done(&ob);
}

/* Against a model: a counter of what went in and what came out. */
static void order_holds_however_it_is_filled_and_drained(void **state)
{
    struct skt_outbox ob;
    struct skt_out out = { 0 };
    uint32_t in = 0, left = 0, chance = 1;

    skt_outbox_init(&ob, 100, 1000);
    for (int i = 0; i < 20000; i++) {
        chance = chance * 1103515245 + 12345;
        for (uint32_t n = chance >> 16 & 63; n-- && in - left < 1000; in++)
            assert_true(skt_outbox_to(&ob, in, put(&ob, "line\r\n")));
        for (uint32_t n = chance >> 23 & 63; n-- && left < in; left++) {
            assert_true(skt_outbox_send(&ob, &out) && out.link == left);
            assert_true(skt_span_is(out.share, "line\r\n"));
        }
        assert_int_equal(skt_outbox_count(&ob), in - left);
        assert_true(ob.room <= 1000);
    }
    skt_outbox_done(&ob);
}

static void a_room_that_was_overrun_delivers_nothing(void **state)
{
    struct skt_outbox ob = small();
    struct skt_room room = skt_outbox_room(&ob, 3);

    while (!room.bad)
        skt_put_u64(&room, 0);
    assert_null(skt_outbox_took(&ob, room).buf);
    assert_false(skt_outbox_to(&ob, 1, skt_outbox_took(&ob, room)));
    assert_int_equal(ob.lost, 1);
    skt_outbox_done(&ob);
}

static void the_memory_of_a_burst_is_given_back_but_for_a_first_share(void **state)
{
    struct skt_outbox ob;
    struct skt_out out = { 0 };
    struct skt_slice s;
    uint32_t first;

    skt_outbox_init(&ob, 100, 1000000);
    assert_int_equal(skt_outbox_reserve(&ob), 0);
    first = ob.room;
    assert_true(first > 0);
    s = put(&ob, "x");
    for (uint32_t i = 0; i < 100000; i++)
        assert_true(skt_outbox_to(&ob, i, s));
    assert_true(ob.room >= 100000);
    while (skt_outbox_send(&ob, &out)) {
    }
    assert_int_equal(ob.room, first);
    skt_outbox_done(&ob);
}

RUN(T(deliveries_come_out_in_order), T(a_fan_out_comes_out_at_once_as_far_as_the_driver_takes_it),
    T(texts_that_follow_each_other_touch), T(a_block_is_used_again_when_all_of_it_left),
    T(what_the_driver_keeps_stays_as_it_was), T(bytes_of_others_are_passed_on_uncopied),
    T(it_says_when_it_is_full_and_never_goes_over_its_cap), T(order_holds_however_it_is_filled_and_drained),
    T(a_room_that_was_overrun_delivers_nothing), T(the_memory_of_a_burst_is_given_back_but_for_a_first_share))
