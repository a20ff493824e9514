/* wire/irc.c: the lines of IRC. */
#include "test.h"

#include "wire/irc.h"

#include <errno.h>
#include <stdlib.h>

static int parse(const char *line, struct skt_irc *ret_irc) { return skt_irc_parse(skt_span_str(line), ret_irc); }

static void a_line_falls_into_its_parts(void **state)
{
    struct skt_irc m;

    assert_int_equal(parse("@time=now;+a/b=c :ann!a@h  PRIVMSG  #room,bob  :two words :)", &m), 0);
    assert_true(skt_span_is(m.tags, "time=now;+a/b=c"));
    assert_true(skt_span_is(m.source, "ann!a@h"));
    assert_true(skt_span_is(m.command, "PRIVMSG"));
    assert_int_equal(m.n, 2);
    assert_true(skt_span_is(m.param[0], "#room,bob"));
    assert_true(skt_span_is(m.param[1], "two words :)"));
    assert_int_equal(skt_len(skt_irc_param(&m, 2)), 0);
}

static void the_least_line_is_a_command(void **state)
{
    struct skt_irc m;

    assert_int_equal(parse("quit", &m), 0);
    assert_int_equal(m.n, 0);
    assert_int_equal(parse("TOPIC #a :", &m), 0);
    assert_int_equal(m.n, 2);
    assert_int_equal(skt_len(m.param[1]), 0);
    assert_int_equal(parse("NICK bob  ", &m), 0);
    assert_int_equal(m.n, 1);
}

static void the_fifteenth_parameter_takes_the_rest(void **state)
{
    struct skt_irc m;

    assert_int_equal(parse("X 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 :17", &m), 0);
    assert_int_equal(m.n, 15);
    assert_true(skt_span_is(m.param[13], "14"));
    assert_true(skt_span_is(m.param[14], "15 16 :17"));
}

static void what_is_no_message_is_told_apart(void **state)
{
    struct skt_irc m;

    assert_int_equal(parse("", &m), -ENODATA);
    assert_int_equal(parse("   ", &m), -ENODATA);
    assert_int_equal(parse("@only=tags", &m), -EBADMSG);
    assert_int_equal(parse(":only.source", &m), -EBADMSG);
    assert_int_equal(parse("PRIVMSG a :b\rQUIT", &m), -EBADMSG);
    assert_int_equal(skt_irc_parse(skt_span_of("NICK a\0b", 8), &m), -EBADMSG);
    assert_int_equal(skt_irc_parse((struct skt_span){ 0 }, &m), -ENODATA);
}

static void the_line_has_512_bytes_and_its_tags_have_4096(void **state)
{
    char *line = malloc(8192);
    struct skt_irc m;

    memset(line, 'x', 8192);
    memcpy(line, "PRIVMSG ", 8);
    assert_int_equal(skt_irc_parse(skt_span_of(line, 510), &m), 0);
    assert_int_equal(skt_irc_parse(skt_span_of(line, 511), &m), -EMSGSIZE);
    assert_true(skt_span_is(m.command, "PRIVMSG"));
    memset(line, 'x', 8192);
    line[0] = '@';
    memcpy(line + 4095, " PING", 5);
    assert_int_equal(skt_irc_parse(skt_span_of(line, 4100), &m), 0);
    memcpy(line + 4095, "x PING", 6);
    assert_int_equal(skt_irc_parse(skt_span_of(line, 4101), &m), -EMSGSIZE);
    free(line);
}

static void tags_are_listed_and_their_values_unescaped(void **state)
{
    struct skt_span tags = skt_span_str("a=1;;+b/c;d=x\\:y\\sz\\\\\\r\\n\\q\\"), key, value;
    uint8_t text[32];
    struct skt_room out = skt_room_of(text, sizeof text), back;
    uint8_t again[64];

    assert_true(skt_irc_tag(&tags, &key, &value) && skt_span_is(key, "a") && skt_span_is(value, "1"));
    assert_true(skt_irc_tag(&tags, &key, &value) && skt_span_is(key, "+b/c") && !skt_len(value));
    assert_true(skt_irc_tag(&tags, &key, &value) && skt_span_is(key, "d"));
    skt_irc_untag_value(&out, value);
    assert_true(skt_span_is(skt_span_of(text, (size_t)(out.p - text)), "x;y z\\\r\nq"));
    assert_false(skt_irc_tag(&tags, &key, &value));
    back = skt_room_of(again, sizeof again);
    skt_irc_put_tag_value(&back, skt_span_of(text, (size_t)(out.p - text)));
    assert_true(skt_span_is(skt_span_of(again, (size_t)(back.p - again)), "x\\:y\\sz\\\\\\r\\nq"));
}

static void lists_leave_out_empty_items(void **state)
{
    struct skt_span list = skt_span_str(",#a,,#b,"), item;

    assert_true(skt_irc_item(&list, ',', &item) && skt_span_is(item, "#a"));
    assert_true(skt_irc_item(&list, ',', &item) && skt_span_is(item, "#b"));
    assert_false(skt_irc_item(&list, ',', &item));
}

static bool match(const char *mask, const char *text) { return skt_irc_match(skt_span_str(mask), skt_span_str(text)); }

static void masks_match_as_people_expect(void **state)
{
    assert_true(match("*", "") && match("a*c", "abbbc") && match("?b*", "ABC") && match("", "") && match("**a", "xa"));
    assert_false(match("?", "") || match("a", "ab") || match("*b", "abc") || match("a?", "a"));
    assert_true(match("*a*a*a*b", "aaaaaaaaaaaaaaaaaaab"));
    assert_false(match("*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
}

static bool nick(const char *text) { return skt_irc_nick_ok(skt_span_str(text), 30, true); }

static void nicks_are_rfc_2812_and_letters_of_the_world(void **state)
{
    assert_true(nick("bob") && nick("[w]_x-9`") && nick("小明") && nick("Zoë") && nick("Иван") && nick("Ωμέγα"));
    assert_false(nick("") || nick("9bob") || nick("-bob") || nick("a b") || nick("a!b") || nick("a@b") || nick("#a"));
    assert_false(nick("a:b") || nick("a.b") || nick("a,b") || nick("a*") || nick("a\x7f") || nick("a\x1b"));
    assert_false(nick("bo\xc2\xa0"
                      "b") ||
                 nick("bob\xe2\x80\x8b") ||
                 nick("\xe2\x80\xae"
                      "bob") ||
                 nick("\xc2\x85x"));
    assert_false(nick("b\xd0\xbe"
                      "b"));              /* Cyrillic o among Latin letters */
    assert_false(nick("\xef\xbd\x82ob")); /* full-width b */
    assert_false(nick("\xff\xfe") || nick("\xc0\xaf") || nick("\xed\xa0\x80"));
    assert_false(nick("abcdefghijabcdefghijabcdefghijk"));
    assert_false(skt_irc_nick_ok(skt_span_str("Zoë"), 30, false));
}

static void channels_are_named_by_a_hash_and_no_control(void **state)
{
    assert_true(skt_irc_channel_ok(skt_span_str("#a"), 64) && skt_irc_channel_ok(skt_span_str("##聊天"), 64));
    assert_false(skt_irc_channel_ok(skt_span_str("#"), 64) || skt_irc_channel_ok(skt_span_str("a"), 64));
    assert_false(skt_irc_channel_ok(skt_span_str("#a,b"), 64) || skt_irc_channel_ok(skt_span_str("#a b"), 64));
    assert_false(skt_irc_channel_ok(skt_span_str("#a\a"), 64) || skt_irc_channel_ok(skt_span_str("#\xe2\x80\xae"), 64));
    assert_false(skt_irc_channel_ok(skt_span_str("#1234"), 4) || skt_irc_channel_ok(skt_span_str("#\x80"), 64));
}

static void time_is(int64_t ns, const char *text)
{
    uint8_t out[24];
    struct skt_room room = skt_room_of(out, sizeof out);

    skt_irc_put_time(&room, ns);
    assert_false(room.bad);
    assert_memory_equal(out, text, 24);
}

static void times_are_written_as_iso_8601(void **state)
{
    time_is(0, "1970-01-01T00:00:00.000Z");
    time_is(951827696789 * SKT_MS, "2000-02-29T12:34:56.789Z");
    time_is(1709251199999 * SKT_MS, "2024-02-29T23:59:59.999Z");
    time_is(4107542400000 * SKT_MS, "2100-03-01T00:00:00.000Z");
    time_is(-1, "1970-01-01T00:00:00.000Z");
}

static void names_compare_by_the_ascii_case_mapping(void **state)
{
    assert_true(skt_irc_is(skt_span_str("PrivMsg"), "PRIVMSG"));
    assert_false(skt_irc_is(skt_span_str("a["), "a{") || skt_irc_is(skt_span_str("\xc3\x84"), "\xc3\xa4"));
}

RUN(T(a_line_falls_into_its_parts), T(the_least_line_is_a_command), T(the_fifteenth_parameter_takes_the_rest),
    T(what_is_no_message_is_told_apart), T(the_line_has_512_bytes_and_its_tags_have_4096),
    T(tags_are_listed_and_their_values_unescaped), T(lists_leave_out_empty_items), T(masks_match_as_people_expect),
    T(nicks_are_rfc_2812_and_letters_of_the_world), T(channels_are_named_by_a_hash_and_no_control),
    T(times_are_written_as_iso_8601), T(names_compare_by_the_ascii_case_mapping))
