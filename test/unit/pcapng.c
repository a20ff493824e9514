/* wire/pcapng.c: blocks of capture files. */
#include "test.h"

#include "wire/pcapng.h"

#include <errno.h>

static struct skt_pcapng reader; /* 5 KiB: not on the stack of each test */

static size_t write_file(uint8_t *file, size_t size)
{
    struct skt_room out = skt_room_of(file, size);

    skt_pcapng_put_section(&out, "test");
    skt_pcapng_put_interface(&out, SKT_PCAPNG_RAW, 65535, "lo");
    skt_pcapng_put_packet(&out, &(struct skt_pcapng_packet){ .at = 1700000000123456789,
                                    .len = 9,
                                    .bytes = skt_span_str("hello"),
                                    .comment = skt_span_str("lost"),
                                    .direction = SKT_PCAPNG_OUT });
    skt_pcapng_put_packet(&out, &(struct skt_pcapng_packet){ .at = 5, .len = 4, .bytes = skt_span_str("body") });
    skt_pcapng_put_stats(&out, 0, 7, 2, 3);
    assert_false(out.bad);
    return (size_t)(out.p - file);
}

static void check_file(struct skt_span in)
{
    struct skt_pcapng_block b;

    memset(&reader, 0, sizeof reader);
    assert_int_equal(skt_pcapng_get(&reader, &in, &b), 1);
    assert_true(b.kind == SKT_PCAPNG_SECTION && skt_span_is(b.name, "test"));
    assert_int_equal(skt_pcapng_get(&reader, &in, &b), 1);
    assert_true(b.kind == SKT_PCAPNG_INTERFACE && skt_span_is(b.name, "lo") && b.type == SKT_PCAPNG_RAW);
    assert_int_equal(skt_pcapng_get(&reader, &in, &b), 1);
    assert_true(b.kind == SKT_PCAPNG_PACKET && skt_span_is(b.packet.bytes, "hello") && b.packet.len == 9);
    assert_true(b.packet.at == 1700000000123456789 && b.packet.direction == SKT_PCAPNG_OUT);
    assert_true(skt_span_is(b.packet.comment, "lost"));
    assert_int_equal(skt_pcapng_get(&reader, &in, &b), 1);
    assert_true(b.kind == SKT_PCAPNG_PACKET && skt_span_is(b.packet.bytes, "body") && b.packet.at == 5);
    assert_true(b.packet.direction == SKT_PCAPNG_UNKNOWN && !skt_len(b.packet.comment));
    assert_int_equal(skt_pcapng_get(&reader, &in, &b), 1);
    assert_true(b.kind == SKT_PCAPNG_STATS && b.kept == 2 && b.dropped == 3 && b.packet.at == 7);
    assert_int_equal(skt_pcapng_get(&reader, &in, &b), 0);
}

static void what_is_put_is_got(void **state)
{
    uint8_t file[1024];

    check_file(skt_span_of(file, write_file(file, sizeof file)));
}

static void swap(uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n / 2; i++) {
        uint8_t c = p[i];
        p[i] = p[n - 1 - i];
        p[n - 1 - i] = c;
    }
}

/* Turns the file of write_file into little-endian, by what the draft says of each field. */
static void swap_file(uint8_t *p, const uint8_t *end)
{
    while (p < end) {
        uint32_t type = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
        uint32_t len = (uint32_t)p[6] << 8 | p[7], fixed = type == 1 ? 8 : type == 5 ? 12 : type == 6 ? 20 : 16;
        uint8_t *next = p + len, *o = p + 8 + fixed, *last = next - 4;
        uint32_t bytes = type == 6 ? (uint32_t)p[23] : 0;
        swap(p, 4);
        swap(p + 4, 4);
        if (type == 1 || type == 0x0a0d0d0a) { /* two 16-bit numbers, at 8 or behind the order */
            uint8_t *two = type == 1 ? p + 8 : p + 12;
            swap(two, 2);
            swap(two + 2, 2);
            swap(type == 1 ? p + 12 : p + 8, 4);
        } else {
            for (uint8_t *w = p + 8; w < o; w += 4)
                swap(w, 4);
        }
        for (o += (bytes + 3) / 4 * 4; o < last;) {
            uint32_t code = o[1], n = o[3];
            swap(o, 2);
            swap(o + 2, 2);
            if (type == 6 && code == 2)
                swap(o + 4, 4);
            if (type == 5 && code)
                swap(o + 4, 8);
            o += 4 + (n + 3) / 4 * 4;
        }
        swap(last, 4);
        p = next;
    }
}

static void both_byte_orders_are_read(void **state)
{
    uint8_t file[1024];
    size_t n = write_file(file, sizeof file);

    swap_file(file, file + n);
    assert_int_equal(file[8], 0x4d);
    check_file(skt_span_of(file, n));
}

static void half_a_block_is_waited_for(void **state)
{
    uint8_t file[1024];
    size_t n = write_file(file, sizeof file), blocks = 0;
    struct skt_pcapng_block b;

    memset(&reader, 0, sizeof reader);
    for (size_t from = 0, to = 0; to <= n; to++) { /* the file grows byte by byte */
        struct skt_span in = skt_span_of(file + from, to - from);
        int r = skt_pcapng_get(&reader, &in, &b);
        assert_in_range(r, 0, 1);
        blocks += (size_t)r;
        from = (size_t)(in.p - file);
    }
    assert_int_equal(blocks, 5);
}

static int second_block(uint8_t *file, size_t n)
{
    struct skt_pcapng_block b;
    struct skt_span in = skt_span_of(file, n);
    int r;

    memset(&reader, 0, sizeof reader);
    while ((r = skt_pcapng_get(&reader, &in, &b)) > 0) {
    }
    return r;
}

static void lengths_that_contradict_are_refused(void **state)
{
    uint8_t file[1024], good[1024];
    size_t n = write_file(good, sizeof good);
    uint32_t shb = good[7], idb = good[shb + 7], epb = shb + idb;
    struct {
        size_t at;
        uint8_t value;
        int error;
    } wrong[] = {
        { 0, 1, -EBADMSG },          /* does not begin with a section */
        { 8, 0, -EBADMSG },          /* no byte order */
        { shb + 7, 8, -EBADMSG },    /* a block shorter than its head */
        { shb + 7, 33, -EBADMSG },   /* not a multiple of four */
        { shb + 4, 2, -E2BIG },      /* above the cap */
        { epb - 1, 0, -EBADMSG },    /* the length at the end is another */
        { epb + 11, 1, -EBADMSG },   /* an interface that was not told of */
        { epb + 23, 200, -EBADMSG }, /* more bytes than there are */
        { epb + 27, 4, -EBADMSG },   /* captured more than there was */
        { epb + 39, 200, -EBADMSG }, /* an option longer than the block */
    };

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        memcpy(file, good, n);
        file[wrong[i].at] = wrong[i].value;
        assert_int_equal(second_block(file, n), wrong[i].error);
    }
    assert_int_equal(second_block(good, n), 0);
}

static void unknown_blocks_are_passed(void **state)
{
    uint8_t file[1024];
    size_t n = write_file(file, sizeof file);
    struct skt_pcapng_block b;
    struct skt_span in = skt_span_of(file, n);

    memset(&reader, 0, sizeof reader);
    assert_int_equal(skt_pcapng_get(&reader, &in, &b), 1);
    file[file[7] + 3] = 77; /* type of the second block */
    assert_int_equal(skt_pcapng_get(&reader, &in, &b), 1);
    assert_int_equal(b.kind, SKT_PCAPNG_OTHER);
}

static void stamps_of_other_resolutions_become_ns(void **state)
{
    uint8_t file[256];
    struct {
        uint8_t resolution;
        skt_time at, ns;
    } cases[] = { { 9, 1234, 1234 }, { 6, 1234, 1234000 }, { 0, 3, 3 * SKT_SEC }, { 12, 5000, 5 },
        { 0x80 | 10, 1024 + 512, 1500 * SKT_MS }, { 0, SKT_NEVER, SKT_NEVER } };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct skt_room out = skt_room_of(file, sizeof file);
        struct skt_pcapng_block b;
        struct skt_span in;
        skt_pcapng_put_section(&out, "");
        skt_pcapng_put_interface(&out, 1, 0, "");
        assert_int_equal(out.p[-12], 9); /* the resolution, before its padding, the end of options and the length */
        out.p[-12] = cases[i].resolution;
        skt_pcapng_put_packet(&out, &(struct skt_pcapng_packet){ .at = cases[i].at });
        in = skt_span_of(file, (size_t)(out.p - file));
        memset(&reader, 0, sizeof reader);
        for (int n = 0; n < 3; n++)
            assert_int_equal(skt_pcapng_get(&reader, &in, &b), 1);
        assert_true(b.packet.at == cases[i].ns);
    }
}

static void a_block_is_put_whole_or_not(void **state)
{
    uint8_t file[1024];
    size_t most = write_file(file, sizeof file);

    for (size_t size = 0; size < most; size++) {
        struct skt_room out = skt_room_of(file, size);
        struct skt_pcapng_block b;
        struct skt_span in;
        skt_pcapng_put_section(&out, "test");
        skt_pcapng_put_interface(&out, SKT_PCAPNG_RAW, 65535, "lo");
        in = skt_span_of(file, (size_t)(out.p - file));
        memset(&reader, 0, sizeof reader);
        while (skt_pcapng_get(&reader, &in, &b) > 0) {
        }
        assert_int_equal(skt_len(in), 0);
        assert_int_equal(out.bad, reader.ifaces == 0);
    }
}

static void a_long_comment_is_cut_between_characters(void **state)
{
    uint8_t file[1024];
    char comment[300];
    struct skt_room out = skt_room_of(file, sizeof file);
    struct skt_pcapng_block b;
    struct skt_span in;

    memset(comment, 'x', sizeof comment);
    memcpy(comment + 253, "\xe2\x82\xac", 3); /* the euro sign, across the border */
    skt_pcapng_put_section(&out, "");
    skt_pcapng_put_interface(&out, 1, 0, "");
    skt_pcapng_put_packet(&out, &(struct skt_pcapng_packet){ .comment = skt_span_of(comment, sizeof comment) });
    assert_false(out.bad);
    in = skt_span_of(file, (size_t)(out.p - file));
    memset(&reader, 0, sizeof reader);
    for (int n = 0; n < 3; n++)
        assert_int_equal(skt_pcapng_get(&reader, &in, &b), 1);
    assert_int_equal(skt_len(b.packet.comment), 253);
}

RUN(T(what_is_put_is_got), T(both_byte_orders_are_read), T(half_a_block_is_waited_for),
    T(lengths_that_contradict_are_refused), T(unknown_blocks_are_passed), T(stamps_of_other_resolutions_become_ns),
    T(a_block_is_put_whole_or_not), T(a_long_comment_is_cut_between_characters))
