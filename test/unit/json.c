/* cli/json.c: lines of JSON. */
#include "test.h"

#include "cli/json.h"

#include <math.h>
#include <stdlib.h>

static void wrote(struct skt_sink *sink, const char *text)
{
    assert_int_equal(sink->err, 0);
    skt_sink_put(sink, skt_span_of("", 1)); /* NUL */
    assert_string_equal((const char *)sink->bytes, text);
    skt_sink_done(sink);
}

static void each_kind_of_value_has_its_form(void **state)
{
    struct skt_sink sink;
    struct skt_json j;

    skt_sink_init(&sink, -1);
    skt_json_begin(&j, &sink);
    skt_json_str(&j, "s", "a\"b\\\n");
    skt_json_str(&j, "none", NULL);
    skt_json_u64(&j, "u", UINT64_MAX);
    skt_json_i64(&j, "i", INT64_MIN);
    skt_json_double(&j, "d", 0.1);
    skt_json_double(&j, "third", 1.0 / 3);
    skt_json_double(&j, "inf", INFINITY);
    skt_json_double(&j, "nan", NAN);
    skt_json_bool(&j, "t", true);
    skt_json_bool(&j, "f", false);
    skt_json_null(&j, "n");
    skt_json_end(&j);
    wrote(&sink,
        "{\"s\":\"a\\\"b\\\\\\n\",\"none\":null,\"u\":18446744073709551615,\"i\":-9223372036854775808,\"d\":0.1,"
        "\"third\":0.3333333333333333,\"inf\":null,\"nan\":null,\"t\":true,\"f\":false,\"n\":null}\n");
}

static void nesting_keeps_its_commas(void **state)
{
    struct skt_sink sink;
    struct skt_json j;

    skt_sink_init(&sink, -1);
    skt_json_begin(&j, &sink);
    skt_json_array(&j, "empty");
    skt_json_close(&j);
    skt_json_array(&j, "a");
    skt_json_u64(&j, NULL, 1);
    skt_json_object(&j, NULL);
    skt_json_close(&j);
    skt_json_array(&j, NULL);
    skt_json_str(&j, NULL, "x");
    skt_json_close(&j);
    skt_json_close(&j);
    skt_json_object(&j, "o");
    skt_json_u64(&j, "k", 2);
    skt_json_end(&j); /* closes o too */
    skt_json_begin(&j, &sink);
    skt_json_end(&j);
    wrote(&sink, "{\"empty\":[],\"a\":[1,{},[\"x\"]],\"o\":{\"k\":2}}\n{}\n");
}

static void doubles_come_back_exactly(void **state)
{
    const double values[] = { 0, -0.0, 1e-320, 1.7976931348623157e308, 5e-324, 123456789.123456789, 2.0 / 3, -1e21 };

    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct skt_sink sink;
        struct skt_json j;

        skt_sink_init(&sink, -1);
        skt_json_begin(&j, &sink);
        skt_json_double(&j, "d", values[i]);
        skt_json_end(&j);
        skt_sink_put(&sink, skt_span_of("", 1));
        assert_true(strtod((const char *)sink.bytes + 5, NULL) == values[i]);
        skt_sink_done(&sink);
    }
}

static void bytes_that_are_no_text_stay_valid_json(void **state)
{
    struct skt_sink sink;
    struct skt_json j;

    skt_sink_init(&sink, -1);
    skt_json_begin(&j, &sink);
    skt_json_span(&j, "k", skt_span_of("a\xff\0\x1b", 4));
    skt_json_end(&j);
    wrote(&sink, "{\"k\":\"a\\ufffd\\u0000\\u001b\"}\n");
}

/* Strings are escaped in pieces: no character may be cut, wherever the edge falls. */
static void a_long_string_is_whole(void **state)
{
    for (size_t lead = 0; lead < 4; lead++) {
        char text[3 * 5000 + 8], *p = text;
        struct skt_sink sink;
        struct skt_json j;

        memset(text, 'a', lead);
        p += lead;
        for (int i = 0; i < 5000; i++, p += 3)
            memcpy(p, "\xe4\xbd\xa0", 3); /* U+4F60 */
        skt_sink_init(&sink, -1);
        skt_json_begin(&j, &sink);
        skt_json_span(&j, "k", skt_span_of(text, (size_t)(p - text)));
        skt_json_end(&j);
        assert_int_equal(sink.err, 0);
        assert_int_equal(sink.n, 6 + (size_t)(p - text) + 3);
        assert_memory_equal(sink.bytes + 6, text, (size_t)(p - text));
        skt_sink_done(&sink);
    }
}

RUN(T(each_kind_of_value_has_its_form), T(nesting_keeps_its_commas), T(doubles_come_back_exactly),
    T(bytes_that_are_no_text_stay_valid_json), T(a_long_string_is_whole))
