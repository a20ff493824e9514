/* base/escape.c: what strangers sent, made safe to show. */
#include "seed.h"

#include "base/random.h"
#include "base/text.h"
#include "base/utf8.h"

#include <errno.h>

typedef void put(struct skt_room *, struct skt_span);

static const char *with(put *f, const void *bytes, size_t n)
{
    static char text[512];
    struct skt_room out = skt_room_of(text, sizeof text - 1);

    memset(text, 0, sizeof text);
    f(&out, skt_span_of(bytes, n));
    assert_false(out.bad);
    return text;
}

static void a_terminal_gets_no_command_from_a_stranger(void **state)
{
    static const struct {
        const char *bytes, *shown;
    } rows[] = {
        { "plain text", "plain text" },
        { "\x1b[2J\x07", "\\x1b[2J\\x07" },
        { "a\r\nb\tc", "a\\x0d\\x0ab\\x09c" },
        { "\x7f", "\\x7f" },
        { "\xc2\x9b"
          "2J",
            "\\xc2\\x9b2J" }, /* CSI as one C1 character */
        { "\x9b"
          "2J",
            "\\x9b2J" },            /* and as a bare byte */
        { "\xc2\xa0", "\xc2\xa0" }, /* a no-break space is no control */
        { "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f" },
        { "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80" },
        { "\xe2\x80\xae"
          "txt.exe",
            "\\xe2\\x80\\xaetxt.exe" }, /* right-to-left override */
        { "\xe2\x81\xa6\xe2\x81\xa9", "\\xe2\\x81\\xa6\\xe2\\x81\\xa9" },
        { "\xd8\x9c\xe2\x80\x8e\xe2\x80\x8f", "\\xd8\\x9c\\xe2\\x80\\x8e\\xe2\\x80\\x8f" },
        { "\xe2\x80\xa8\xe2\x80\xa9", "\\xe2\\x80\\xa8\\xe2\\x80\\xa9" },
        { "\xe2\x80\xa7\xe2\x80\xaf\xe2\x81\xa5\xe2\x81\xaa", "\xe2\x80\xa7\xe2\x80\xaf\xe2\x81\xa5\xe2\x81\xaa" },
        { "\xc0\xaf\xff\xe2\x82", "\\xc0\\xaf\\xff\\xe2\\x82" },
        { "", "" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_string_equal(with(skt_put_escaped, rows[i].bytes, strlen(rows[i].bytes)), rows[i].shown);
    assert_string_equal(with(skt_put_escaped, "a\0b", 3), "a\\x00b");
    assert_string_equal(with(skt_put_escaped, NULL, 0), "");
    assert_string_equal(with(skt_put_json_str, NULL, 0), "\"\"");
}

static void json_strings_keep_to_the_rfc(void **state)
{
    assert_string_equal(with(skt_put_json_str, "", 0), "\"\"");
    assert_string_equal(with(skt_put_json_str, "say \"hi\" \\ /", 12), "\"say \\\"hi\\\" \\\\ /\"");
    assert_string_equal(with(skt_put_json_str, "\b\f\n\r\t", 5), "\"\\b\\f\\n\\r\\t\"");
    assert_string_equal(with(skt_put_json_str, "\0\x1f\x7f", 3), "\"\\u0000\\u001f\\u007f\"");
    assert_string_equal(with(skt_put_json_str, "\xc3\xbc\xf0\x9f\x98\x80", 6), "\"\xc3\xbc\xf0\x9f\x98\x80\"");
    assert_string_equal(with(skt_put_json_str, "\xe2\x80\xae\xc2\x9b", 5), "\"\\u202e\\u009b\"");
    assert_string_equal(with(skt_put_json_str, "a\xff\xc3", 3), "\"a\\ufffd\\ufffd\"");
}

static const char *quoted(const char *text, size_t max)
{
    static char out[200];
    struct skt_room room = skt_room_of(out, sizeof out - 1);

    memset(out, 0, sizeof out);
    skt_put_quoted(&room, skt_span_str(text), max);
    return out;
}

static void a_long_value_is_cut_between_characters(void **state)
{
    assert_string_equal(quoted("abc", 3), "'abc'");
    assert_string_equal(quoted("abcd", 3), "'abc...'");
    assert_string_equal(quoted("ab\xc3\xbc"
                               "d",
                            3),
        "'ab...'");
    assert_string_equal(quoted("\x1b", 3), "'\\x1b'");
    assert_string_equal(quoted("", 0), "''");
}

static void what_does_not_fit_is_not_begun(void **state)
{
    static const char bytes[] = "ab\x01"
                                "c\xff";
    put *const puts[] = { skt_put_escaped, skt_put_json_str };

    for (size_t i = 0; i < 2; i++) {
        uint8_t text[64];
        size_t need = strlen(with(puts[i], bytes, 5));

        for (size_t size = 0; size <= need; size++) {
            struct skt_room out = skt_room_of(text, size);

            text[size] = 0xee;
            puts[i](&out, skt_span_of(bytes, 5));
            assert_int_equal(out.bad, size < need);
            assert_int_equal(out.p - text, size < need ? 0 : need);
            assert_int_equal(text[size], 0xee);
        }
    }
}

static void a_refusal_names_the_thing_the_value_and_the_way_out(void **state)
{
    char text[300] = { 0 };
    struct skt_room why = skt_room_of(text, sizeof text - 1);

    assert_int_equal(skt_refuse(&why, -ERANGE, "port",
                         skt_span_str("70\x1b"
                                      "000"),
                         "is above %d", 65535),
        -ERANGE);
    assert_string_equal(text, "port '70\\x1b000' is above 65535");
    assert_int_equal(skt_refuse(NULL, -EINVAL, "port", skt_span_str("x"), "is none"), -EINVAL);
}

/* Does text hold a byte or a character that is not for a terminal? Looked at bytewise, unlike the source. */
static bool is_clean(const char *text)
{
    for (const char *p = text; *p; p++) {
        uint8_t a = (uint8_t)p[0], b = (uint8_t)p[1], c = b ? (uint8_t)p[2] : 0;

        if (a < 0x20 || a == 0x7f || (a == 0xc2 && b < 0xa0) || (a == 0xd8 && b == 0x9c))
            return false;
        if (a == 0xe2 && b == 0x80 && (c == 0x8e || c == 0x8f || (0xa8 <= c && c <= 0xae)))
            return false;
        if (a == 0xe2 && b == 0x81 && 0xa6 <= c && c <= 0xa9)
            return false;
    }
    return skt_utf8_valid(skt_span_str(text));
}

static void any_bytes_come_out_clean_and_within_the_promised_length(void **state)
{
    static const uint8_t likely[] = { 0xe2, 0x80, 0xae, 0x81, 0xa6, 0xc2, 0x9b, 0xd8, 0x9c, 0xf0, 0x9f, 'a', '"', '\\',
        0, 27 };

    FOR_SEEDS(2000)
    {
        struct skt_random random;
        uint8_t bytes[40];
        size_t n;

        skt_random_init(&random, unit_seed);
        n = skt_random_below(&random, sizeof bytes);
        for (size_t i = 0; i < n; i++) {
            uint64_t x = skt_random_u64(&random);

            bytes[i] = x & 1 ? (uint8_t)(x >> 8) : likely[(x >> 8) % sizeof likely];
        }
        CHECK(is_clean(with(skt_put_escaped, bytes, n)));
        CHECK(strlen(with(skt_put_escaped, bytes, n)) <= 4 * n);
        CHECK(is_clean(with(skt_put_json_str, bytes, n)));
        CHECK(strlen(with(skt_put_json_str, bytes, n)) <= 6 * n + 2);
    }
}

RUN(T(a_terminal_gets_no_command_from_a_stranger), T(json_strings_keep_to_the_rfc),
    T(a_long_value_is_cut_between_characters), T(what_does_not_fit_is_not_begun),
    T(a_refusal_names_the_thing_the_value_and_the_way_out), T(any_bytes_come_out_clean_and_within_the_promised_length))
