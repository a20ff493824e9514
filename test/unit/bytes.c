/* base/bytes.c: spans, rooms, counted buffers. */
#include "test.h"

#include <sockit/bytes.h>

static void get_reads_big_endian_and_moves_on(void **state)
{
    const uint8_t wire[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 'x' };
    struct skt_span in = skt_span_of(wire, sizeof wire);

    assert_int_equal(skt_get_u8(&in), 0x01);
    assert_int_equal(skt_get_u16(&in), 0x0203);
    assert_int_equal(skt_get_u32(&in), 0x04050607);
    assert_true(skt_get_u64(&in) == 0x08090a0b0c0d0e0f);
    assert_true(skt_span_is(skt_get_span(&in, 1), "x"));
    assert_false(in.bad);
    assert_int_equal(skt_len(in), 0);
}

static void a_get_beyond_the_end_is_sticky(void **state)
{
    struct skt_span in = skt_span_of("abc", 3);

    assert_int_equal(skt_get_u32(&in), 0);
    assert_true(in.bad);
    assert_int_equal(skt_get_u8(&in), 0);
    assert_int_equal(skt_len(skt_get_span(&in, 1)), 0);
}

static void a_put_beyond_the_end_writes_nothing_and_is_sticky(void **state)
{
    uint8_t wire[4] = { 9, 9, 9, 9 };
    struct skt_room out = skt_room_of(wire, 3);

    skt_put_u32(&out, 1);
    assert_true(out.bad);
    skt_put_u8(&out, 1);
    assert_memory_equal(wire, "\x09\x09\x09\x09", 4);
}

static void what_was_put_is_got(void **state)
{
    uint8_t wire[32];
    struct skt_room out = skt_room_of(wire, sizeof wire);
    struct skt_span in;

    skt_put_u8(&out, 250);
    skt_put_u16(&out, 65000);
    skt_put_u32(&out, 4000000000);
    skt_put_u64(&out, UINT64_MAX - 1);
    skt_put_str(&out, "hi");
    skt_put_fmt(&out, "%d", 42);
    in = skt_span_of(wire, (size_t)(out.p - wire));
    assert_int_equal(skt_get_u8(&in), 250);
    assert_int_equal(skt_get_u16(&in), 65000);
    assert_true(skt_get_u32(&in) == 4000000000);
    assert_true(skt_get_u64(&in) == UINT64_MAX - 1);
    assert_true(skt_span_is(in, "hi42"));
}

static void fmt_that_does_not_fit_is_bad(void **state)
{
    char text[3];
    struct skt_room out = skt_room_of(text, sizeof text);

    skt_put_fmt(&out, "%d", 123); /* three digits, but printf wants one more for its NUL */
    assert_true(out.bad);
}

static void a_line_ends_at_lf_or_crlf(void **state)
{
    struct skt_span line, in = skt_span_str("one\r\n\ntwo\r\r\nthr");

    assert_true(skt_get_line(&in, &line) && skt_span_is(line, "one"));
    assert_true(skt_get_line(&in, &line) && skt_span_is(line, ""));
    assert_true(skt_get_line(&in, &line) && skt_span_is(line, "two\r"));
    assert_false(skt_get_line(&in, &line));
    assert_true(skt_span_is(in, "thr"));
}

static void a_buf_lives_until_its_last_reference(void **state)
{
    struct skt_buf *buf = skt_buf_new(10);

    assert_int_equal(buf->size, 10);
    skt_buf_ref(buf);
    skt_buf_put(buf);
    buf->data[9] = 1; /* still ours: the sanitizer watches */
    skt_buf_put(buf);
    skt_buf_put(NULL);
    assert_null(skt_buf_new(UINT32_MAX));
}

RUN(T(get_reads_big_endian_and_moves_on), T(a_get_beyond_the_end_is_sticky),
    T(a_put_beyond_the_end_writes_nothing_and_is_sticky), T(what_was_put_is_got), T(fmt_that_does_not_fit_is_bad),
    T(a_line_ends_at_lf_or_crlf), T(a_buf_lives_until_its_last_reference))
