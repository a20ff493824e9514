/* base/utf8.c: where characters begin and end. */
#include "test.h"

#include "base/utf8.h"

/* Writes c as UTF-8 by the table of RFC 3629, section 3; gives the length. */
static size_t encode(uint32_t c, uint8_t out[4])
{
    if (c < 0x80) {
        out[0] = (uint8_t)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (uint8_t)(0xc0 | c >> 6);
        out[1] = (uint8_t)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (uint8_t)(0xe0 | c >> 12);
        out[1] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
        out[2] = (uint8_t)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (uint8_t)(0xf0 | c >> 18);
    out[1] = (uint8_t)(0x80 | (c >> 12 & 0x3f));
    out[2] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
    out[3] = (uint8_t)(0x80 | (c & 0x3f));
    return 4;
}

static void every_character_is_valid_and_every_cut_of_it_is_seen(void **state)
{
    for (uint32_t c = 0; c <= 0x10ffff; c++) {
        uint8_t bytes[4];
        size_t n = encode(c, bytes);
        uint32_t got = 1234567;

        if (0xd800 <= c && c < 0xe000)
            continue; /* surrogates, below */
        assert_int_equal(skt_utf8_next(skt_span_of(bytes, n), &got), n);
        assert_int_equal(got, c);
        assert_int_equal(skt_utf8_whole(skt_span_of(bytes, n)), n);
        for (size_t cut = 1; cut < n; cut++) {
            assert_int_equal(skt_utf8_next(skt_span_of(bytes, cut), &got), 0);
            assert_int_equal(skt_utf8_whole(skt_span_of(bytes, cut)), 0);
        }
    }
}

/* All sequences of three bytes that begin beyond ASCII, and 0x80 behind: what is taken is what encode gives. */
static void only_the_shortest_form_is_valid(void **state)
{
    uint32_t c = 0;

    for (uint32_t i = 0x80 << 16; i < 1 << 24; i++) {
        uint8_t bytes[4] = { (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i, 0x80 }, again[4];
        size_t n = skt_utf8_next(skt_span_of(bytes, 4), &c);

        if (!n)
            continue;
        assert_int_equal(encode(c, again), n);
        assert_memory_equal(again, bytes, n);
        assert_true(c <= 0x10ffff && (c < 0xd800 || 0xdfff < c));
    }
}

static void valid_says_no_to_what_the_rfc_forbids(void **state)
{
    static const char *const bad[] = {
        "\x80",
        "\xbf",
        "\xc0\x80",
        "\xc1\xbf",
        "\xe0\x9f\xbf",
        "\xed\xa0\x80",
        "\xed\xbf\xbf",
        "\xf0\x8f\xbf\xbf",
        "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80",
        "\xff",
        "\xfe",
        "\xc3",
        "\xe2\x82",
        "\xf0\x9f\x98",
        "\xc3(",
        "\xe2\x28\xa1",
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[64];
        size_t n = strlen(bad[i]);

        assert_false(skt_utf8_valid(skt_span_str(bad[i])));
        /* anywhere in a longer text, so that each lane of eight sees it */
        for (size_t at = 0; at < 24; at++) {
            memset(text, 'a', sizeof text);
            assert_true(skt_utf8_valid(skt_span_of(text, sizeof text)));
            memcpy(text + at, bad[i], n);
            assert_false(skt_utf8_valid(skt_span_of(text, sizeof text)));
        }
    }
    assert_true(skt_utf8_valid((struct skt_span){ 0 }));
    assert_true(skt_utf8_valid(skt_span_of("a\0b", 3)));
    assert_true(
        skt_utf8_valid(skt_span_str("gr\xc3\xbc\xc3\x9f dich, \xe4\xb8\x96\xe7\x95\x8c \xf0\x9f\x98\x80 and a tail")));
}

static void whole_leaves_out_what_a_next_byte_could_complete(void **state)
{
    static const struct {
        const char *text;
        size_t whole;
    } rows[] = {
        { "", 0 },
        { "abc", 3 },
        { "ab\xc3", 2 },
        { "ab\xe2", 2 },
        { "ab\xe2\x82", 2 },
        { "ab\xf0\x9f\x98", 2 },
        { "ab\xe2\x82\xac", 5 },
        { "ab\xe2\x82\xac\xe2", 5 },
        /* invalid already, no byte can help: it is not held back */
        { "ab\xff", 3 },
        { "ab\xc0", 3 },
        { "ab\xe0\x80", 4 },
        { "ab\xed\xa0", 4 },
        { "ab\xf4\x90", 4 },
        { "\x80\x80\x80\x80", 4 },
        { "\x80", 1 },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(skt_utf8_whole(skt_span_str(rows[i].text)), rows[i].whole);
    assert_int_equal(skt_utf8_whole((struct skt_span){ 0 }), 0);
}

/* The tutorials' defect: a stream cut anywhere, printed piece by piece, must print every character. */
static void a_text_cut_anywhere_comes_out_in_valid_pieces(void **state)
{
    static const char text[] = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z\xe4\xb8\x96\xe7\x95\x8c";
    size_t n = sizeof text - 1;

    for (size_t step = 1; step <= n; step++) {
        size_t done = 0;

        for (size_t have = step; done < n; have = have + step < n ? have + step : n) {
            size_t whole = skt_utf8_whole(skt_span_of(text + done, have - done));

            assert_true(skt_utf8_valid(skt_span_of(text + done, whole)));
            assert_true(have - done - whole < 4);
            done += whole;
        }
    }
}

RUN(T(every_character_is_valid_and_every_cut_of_it_is_seen), T(only_the_shortest_form_is_valid),
    T(valid_says_no_to_what_the_rfc_forbids), T(whole_leaves_out_what_a_next_byte_could_complete),
    T(a_text_cut_anywhere_comes_out_in_valid_pieces))
