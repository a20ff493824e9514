/* engine/impair with streams, driven by hand: each thing that the line does, at its time. */
#include "test.h"

#include <sockit/impair.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { NEAR_LINK = 5, FAR_LINK = 6, FRESH = 6 };

/* What the engine wanted, in order, as text: "6<hello" "5.eof" "5!-104" "6>echo:7" "6~5". */
static char wanted[4096];

static void pump(struct skt_impair *m, skt_time now)
{
    struct skt_engine e = skt_impair_engine(m);
    uint8_t bytes[SKT_ROOM_MIN];
    size_t n = 0;

    wanted[0] = 0;
    for (;;) {
        struct skt_out out = { .link = FRESH, .data = skt_room_of(bytes, sizeof bytes) };
        if (!e.ops->send(e.self, now, &out))
            break;
        n += (size_t)snprintf(wanted + n, sizeof wanted - n, n ? " %u" : "%u", out.link);
        switch (out.kind) {
        case SKT_SHARE:
            n += (size_t)snprintf(
                wanted + n, sizeof wanted - n, "<%.*s", (int)skt_len(out.share), (const char *)out.share.p);
            break;
        case SKT_OPEN:
            n += (size_t)snprintf(
                wanted + n, sizeof wanted - n, ">%.*s", (int)(out.data.p - bytes), (const char *)bytes);
            break;
        case SKT_MOVE: n += (size_t)snprintf(wanted + n, sizeof wanted - n, "~%u", out.from); break;
        case SKT_EOF: n += (size_t)snprintf(wanted + n, sizeof wanted - n, ".eof"); break;
        case SKT_CLOSE: n += (size_t)snprintf(wanted + n, sizeof wanted - n, "!%d", out.why); break;
        case SKT_DATA:
        case SKT_FULL:
        case SKT_ROOM: fail();
        }
        assert_true(n < sizeof wanted);
    }
    assert_true(e.ops->wake(e.self) > now);
}

static void told(struct skt_impair *m, skt_time now, skt_link link, enum skt_kind kind, int why)
{
    struct skt_addr peer = { .family = SKT_IP4, .port = 9, .ip = { 127, 0, 0, 1 } };
    struct skt_in in = { .link = link, .kind = kind, .why = why, .peer = &peer };

    skt_impair_engine(m).ops->recv(m, now, &in);
    pump(m, now);
}

static skt_time came; /* when the kernel received what is said next; 0: not known */

/* Bytes that were left unread. */
static size_t said(struct skt_impair *m, skt_time now, skt_link link, const char *text)
{
    struct skt_buf *buf = skt_buf_new(strlen(text));
    struct skt_in in = {
        .link = link, .kind = SKT_DATA, .buf = buf, .data = skt_span_of(buf->data, strlen(text)), .at = came
    };

    memcpy(buf->data, text, strlen(text));
    skt_impair_engine(m).ops->recv(m, now, &in);
    assert_true(in.hold == (skt_len(in.data) != 0));
    pump(m, now);
    skt_buf_put(buf);
    return skt_len(in.data);
}

static skt_time wakes(struct skt_impair *m) { return skt_impair_engine(m).ops->wake(m); }

/* Somebody is there, and his target. */
static struct skt_impair *begin(struct skt_impair_conf conf, const char *network)
{
    struct skt_impair *m = NULL;
    char text[512];
    struct skt_room why = skt_room_of(text, sizeof text - 1);

    conf.to = "echo:7";
    assert_int_equal(skt_impair_new(&conf, &m), 0);
    if (skt_impair_network(m, skt_span_str(network), "net", &why)) {
        *why.p = 0;
        print_error("%s\n", text);
        fail();
    }
    pump(m, 0);
    told(m, 0, NEAR_LINK, SKT_OPEN, 0);
    assert_string_equal(wanted, "6>echo:7");
    told(m, 0, FAR_LINK, SKT_OPEN, 0);
    return m;
}

static void nothing_asked_for_is_moved(void **state)
{
    skt_auto(skt_impair) struct skt_impair *m = begin((struct skt_impair_conf){ 0 }, "clear");

    assert_string_equal(wanted, "6~5 5~6");
    assert_true(wakes(m) == SKT_NEVER);
}

static void only_the_bad_direction_is_looked_at(void **state)
{
    skt_auto(skt_impair) struct skt_impair *m = begin((struct skt_impair_conf){ 0 }, "down: delay 1s");

    assert_string_equal(wanted, "6~5");
    assert_true(wakes(m) == SKT_NEVER);
}

static void what_may_change_is_never_moved(void **state)
{
    skt_auto(skt_impair) struct skt_impair *m = begin((struct skt_impair_conf){ .changes = true }, "clear");

    assert_string_equal(wanted, "");
    assert_int_equal(said(m, 0, NEAR_LINK, "now"), 0);
    assert_string_equal(wanted, "6<now");
    assert_int_equal(skt_impair_network(m, skt_span_str("delay 1s"), "net", NULL), 0);
    pump(m, 5);
    assert_int_equal(said(m, 5, NEAR_LINK, "later"), 0);
    assert_string_equal(wanted, "");
    pump(m, SKT_SEC + 4);
    assert_string_equal(wanted, "");
    pump(m, SKT_SEC + 5);
    assert_string_equal(wanted, "6<later");
}

static void a_delay_is_met_to_the_nanosecond_and_the_end_comes_last(void **state)
{
    skt_auto(skt_impair) struct skt_impair *m = begin((struct skt_impair_conf){ 0 }, "delay 10ms");
    struct skt_impair_stats stats;

    said(m, 0, NEAR_LINK, "one ");
    said(m, 3 * SKT_MS, NEAR_LINK, "two");
    told(m, 4 * SKT_MS, NEAR_LINK, SKT_EOF, 0);
    assert_string_equal(wanted, "");
    assert_true(wakes(m) == 10 * SKT_MS);
    pump(m, 10 * SKT_MS);
    assert_string_equal(wanted, "6<one ");
    assert_true(wakes(m) == 13 * SKT_MS);
    pump(m, 13 * SKT_MS + 7);
    assert_string_equal(wanted, "6<two");
    pump(m, 14 * SKT_MS);
    assert_string_equal(wanted, "6.eof");
    skt_impair_stats(m, 14 * SKT_MS, &stats);
    assert_true(stats.up.in == 2 && stats.up.out == 2 && stats.up.out_bytes == 7 && stats.up.line_packets == 0);
    assert_true(stats.up.error.n == 3 && stats.up.error.max == 7);
}

static void a_delay_begins_when_the_kernel_received_the_bytes(void **state)
{
    skt_auto(skt_impair) struct skt_impair *m = begin((struct skt_impair_conf){ 0 }, "delay 10ms");
    struct skt_impair_stats stats;

    came = 100 * SKT_MS;
    said(m, 104 * SKT_MS, NEAR_LINK, "told late");
    assert_true(wakes(m) == 110 * SKT_MS);
    came = 101 * SKT_MS;
    said(m, 115 * SKT_MS, NEAR_LINK, " and later than it was due");
    assert_string_equal(wanted, "6<told late 6< and later than it was due");
    came = 99 * SKT_MS; /* a clock that went back: order is kept */
    said(m, 116 * SKT_MS, NEAR_LINK, "x");
    assert_string_equal(wanted, "6<x");
    came = 0;
    said(m, 120 * SKT_MS, NEAR_LINK, "y");
    assert_true(wakes(m) == 130 * SKT_MS);
    skt_impair_stats(m, 0, &stats);
    assert_true(stats.up.error.n == 3);
    assert_true(
        stats.up.error.max == 5 * SKT_MS); /* our own lateness is in the figures: due at 110 and at 111, left at 115 */
}

static void what_waited_for_room_enters_when_there_is_room(void **state)
{
    skt_auto(skt_impair) struct skt_impair *m =
        begin((struct skt_impair_conf){ 0 }, "rate 8kbit limit 1000B"); /* 1000 B/s */
    char text[1001];

    memset(text, 'x', 1000);
    text[1000] = 0;
    assert_int_equal(said(m, 0, NEAR_LINK, text), 0);
    came = 1; /* lay in the socket while the queue was full: it is not sent sooner for that, nor dropped */
    assert_int_equal(said(m, 500 * SKT_MS, NEAR_LINK, "behind it"), 9);
    assert_int_equal(said(m, SKT_SEC, NEAR_LINK, "behind it"), 0);
    came = 0;
    pump(m, SKT_SEC + 8 * SKT_MS);
    assert_string_equal(wanted, "");
    pump(m, SKT_SEC + 9 * SKT_MS);
    assert_string_equal(wanted, "6<behind it");
}

static void a_rate_is_kept_though_we_are_late(void **state)
{
    skt_auto(skt_impair) struct skt_impair *m =
        begin((struct skt_impair_conf){ 0 }, "rate 8kbit limit 1000B"); /* 1000 B/s */
    struct skt_impair_stats stats;
    char text[1001];

    memset(text, 'x', 1000);
    text[1000] = 0;
    assert_int_equal(said(m, 0, NEAR_LINK, text), 0);
    assert_int_equal(said(m, 1, NEAR_LINK, text), 1000); /* held, and offered again half a second too late */
    assert_int_equal(said(m, 1500 * SKT_MS, NEAR_LINK, text), 0);
    came = 1200 * SKT_MS; /* came while it was full */
    assert_int_equal(said(m, 2100 * SKT_MS, NEAR_LINK, text), 0);
    came = 0;
    skt_impair_stats(m, 2100 * SKT_MS, &stats);
    assert_int_equal(stats.up.out, 2); /* at 1 s and at 2 s */
    assert_int_equal(stats.up.lost + stats.up.dropped, 0);
    pump(m, 3 * SKT_SEC - 1);
    assert_string_equal(wanted, "");
    pump(m, 3 * SKT_SEC);
    assert_int_equal(strlen(wanted), 2 + 1000);
}

static void who_is_overtaken_by_jitter_is_not_overtaken_in_a_stream(void **state)
{
    skt_auto(skt_impair) struct skt_impair *m = begin((struct skt_impair_conf){ 0 }, "delay 50ms 50ms\nseed 3");
    char all[200] = "";
    size_t n = 0;
    const char *const letters[] = { "a", "b", "c", "d", "e", "f", "g", "h", "i", "j" };

    for (int i = 0; i < 10; i++)
        said(m, i * SKT_MS, NEAR_LINK, letters[i]);
    for (skt_time now = 10 * SKT_MS; now < 200 * SKT_MS; now = wakes(m)) {
        pump(m, now);
        for (char *p = wanted; *p; p++)
            if ('a' <= *p && *p <= 'j')
                all[n++] = *p;
        if (wakes(m) == SKT_NEVER)
            break;
    }
    assert_string_equal(all, "abcdefghij");
}

/* One segment is lost, three follow: it is sent again an RTT after the third, and arrives a delay later. */
static void a_lost_segment_stalls_for_an_rtt_or_an_rto(void **state)
{
    skt_auto(skt_impair) struct skt_impair *m =
        begin((struct skt_impair_conf){ 0 }, "delay 10ms\nloss 100%\nat 5ms: loss 0%");
    struct skt_impair_stats stats;

    said(m, 0, NEAR_LINK, "lost ");
    pump(m, 5 * SKT_MS);
    said(m, 6 * SKT_MS, NEAR_LINK, "1 ");
    said(m, 7 * SKT_MS, NEAR_LINK, "2 ");
    assert_true(wakes(m) == 220 * SKT_MS); /* RTO: 20 ms and 200 */
    said(m, 8 * SKT_MS, NEAR_LINK, "3");
    assert_true(wakes(m) == 28 * SKT_MS);
    pump(m, 28 * SKT_MS);
    assert_string_equal(wanted, "");
    pump(m, 38 * SKT_MS - 1);
    assert_string_equal(wanted, "");
    pump(m, 38 * SKT_MS);
    assert_string_equal(wanted, "6<lost  6<1  6<2  6<3");
    skt_impair_stats(m, 38 * SKT_MS, &stats);
    assert_true(stats.up.lost == 1 && stats.up.resent == 1);
}

static void the_rto_doubles_while_all_is_lost(void **state)
{
    skt_auto(skt_impair) struct skt_impair *m = begin((struct skt_impair_conf){ 0 }, "loss 100%");
    skt_time at = 0, gap = 200 * SKT_MS;

    said(m, 0, NEAR_LINK, "x");
    for (int i = 0; i < 20; i++) {
        assert_true(wakes(m) == at + gap);
        at = wakes(m);
        pump(m, at);
        assert_string_equal(wanted, "");
        gap = 2 * gap < 120 * SKT_SEC ? 2 * gap : 120 * SKT_SEC;
    }
}

static void a_rate_paces_segments_and_a_full_queue_holds_the_sender(void **state)
{
    skt_auto(skt_impair) struct skt_impair *m =
        begin((struct skt_impair_conf){ 0 }, "rate 8kbit limit 1500B"); /* 1000 B/s */
    char text[4001];

    memset(text, 'x', 4000);
    text[4000] = 0;
    assert_int_equal(said(m, 0, NEAR_LINK, text), 4000 - 1448);
    assert_true(wakes(m) <= 1448 * SKT_MS);
    pump(m, 1448 * SKT_MS);
    assert_int_equal(strlen(wanted), 2 + 1448);
    assert_int_equal(said(m, 1448 * SKT_MS, NEAR_LINK, text), 4000 - 1448);
}

static void a_full_link_gets_no_more_until_there_is_room(void **state)
{
    skt_auto(skt_impair) struct skt_impair *m = begin((struct skt_impair_conf){ .line_bytes = 3000 }, "delay 1ms");

    told(m, 0, FAR_LINK, SKT_FULL, 0);
    said(m, 0, NEAR_LINK, "abc");
    pump(m, SKT_SEC);
    assert_string_equal(wanted, "");
    assert_true(wakes(m) == SKT_NEVER);
    told(m, 2 * SKT_SEC, FAR_LINK, SKT_ROOM, 0);
    assert_string_equal(wanted, "6<abc");
}

static void the_line_of_a_connection_is_bounded(void **state)
{
    skt_auto(skt_impair) struct skt_impair *m = begin((struct skt_impair_conf){ .line_bytes = 10 }, "delay 1s");

    assert_int_equal(said(m, 0, NEAR_LINK, "0123456789"), 0);
    assert_int_equal(said(m, 0, NEAR_LINK, "more"), 4);
    pump(m, SKT_SEC);
    assert_int_equal(said(m, SKT_SEC, NEAR_LINK, "more"), 0);
}

static void slices_leave_apart(void **state)
{
    skt_auto(skt_impair) struct skt_impair *m =
        begin((struct skt_impair_conf){ .slice = 2, .slice_delay = SKT_MS }, "clear");

    said(m, 0, NEAR_LINK, "abcde");
    assert_string_equal(wanted, "6<ab");
    pump(m, SKT_MS - 1);
    assert_string_equal(wanted, "");
    pump(m, SKT_MS);
    assert_string_equal(wanted, "6<cd");
    pump(m, 2 * SKT_MS);
    assert_string_equal(wanted, "6<e");
}

static void a_reset_after_a_time_hits_both(void **state)
{
    skt_auto(skt_impair) struct skt_impair *m = begin((struct skt_impair_conf){ .reset_after = SKT_SEC }, "clear");

    assert_true(wakes(m) == SKT_SEC);
    pump(m, SKT_SEC);
    assert_string_equal(wanted, "5!-104 6!-104");
    told(m, SKT_SEC, NEAR_LINK, SKT_CLOSE, -ECONNRESET);
    told(m, SKT_SEC, FAR_LINK, SKT_CLOSE, -ECONNRESET);
    assert_string_equal(wanted, "");
    assert_true(wakes(m) == SKT_NEVER);
}

static void bytes_up_to_the_limit_pass_then_it_is_over(void **state)
{
    skt_auto(skt_impair) struct skt_impair *m = begin((struct skt_impair_conf){ .limit_bytes = 4 }, "delay 5ms");
    skt_auto(skt_impair) struct skt_impair *r = begin((struct skt_impair_conf){ .reset_bytes = 4 }, "delay 5ms");

    assert_int_equal(said(m, 0, NEAR_LINK, "abcdef"), 0);
    pump(m, 5 * SKT_MS);
    assert_string_equal(wanted, "6<abcd 5!0 6!0");
    assert_int_equal(said(r, 0, NEAR_LINK, "abcdef"), 0);
    pump(r, 5 * SKT_MS);
    assert_string_equal(wanted, "6<abcd");
    pump(r, 6 * SKT_MS); /* a millisecond for the driver to write it */
    assert_string_equal(wanted, "5!-104 6!-104");
}

static void an_end_can_be_slow(void **state)
{
    skt_auto(skt_impair) struct skt_impair *m = begin((struct skt_impair_conf){ .slow_close = SKT_SEC }, "clear");

    told(m, 0, NEAR_LINK, SKT_EOF, 0);
    assert_string_equal(wanted, "");
    pump(m, SKT_SEC);
    assert_string_equal(wanted, "6.eof");
    told(m, SKT_SEC, FAR_LINK, SKT_CLOSE, 0);
    assert_string_equal(wanted, "");
    pump(m, 2 * SKT_SEC);
    assert_string_equal(wanted, "5!0");
}

/* A reset travels behind what was sent before it, but does not wait for who does not read. */
static void a_reset_is_passed_on(void **state)
{
    skt_auto(skt_impair) struct skt_impair *m = begin((struct skt_impair_conf){ 0 }, "delay 10ms");

    said(m, 0, NEAR_LINK, "last words");
    told(m, 1, NEAR_LINK, SKT_CLOSE, -ECONNRESET);
    pump(m, 10 * SKT_MS);
    assert_string_equal(wanted, "6<last words");
    told(m, 10 * SKT_MS, FAR_LINK, SKT_FULL, 0);
    pump(m, 12 * SKT_MS);
    assert_string_equal(wanted, "6!-104");
}

static void a_refused_target_is_told_and_resets(void **state)
{
    skt_auto(skt_impair) struct skt_impair *m = NULL;
    struct skt_impair_event ev;

    assert_int_equal(skt_impair_new(&(struct skt_impair_conf){ .to = "echo:7" }, &m), 0);
    told(m, 0, NEAR_LINK, SKT_OPEN, 0);
    told(m, 1, FAR_LINK, SKT_CLOSE, -ECONNREFUSED);
    assert_string_equal(wanted, "5!-111");
    told(m, 1, NEAR_LINK, SKT_CLOSE, -ECONNREFUSED);
    assert_true(skt_impair_next(m, &ev) && ev.what == SKT_IMPAIR_CAME && ev.number == 1 && ev.hit);
    assert_true(skt_impair_next(m, &ev) && ev.what == SKT_IMPAIR_FAILED && ev.why == -ECONNREFUSED);
    assert_true(ev.link == FAR_LINK);
    assert_true(skt_impair_next(m, &ev) && ev.what == SKT_IMPAIR_LEFT && ev.why == -ECONNREFUSED && ev.target);
    assert_true(ev.link == NEAR_LINK && !skt_impair_next(m, &ev));
}

static void changes_and_counters_are_events(void **state)
{
    skt_auto(skt_impair) struct skt_impair *m =
        begin((struct skt_impair_conf){ .every = SKT_SEC }, "at 2500ms: delay 1s");
    struct skt_impair_event ev;
    uint32_t counts = 0, changes = 0;

    for (skt_time now = SKT_SEC; now <= 5 * SKT_SEC; now = wakes(m))
        pump(m, now);
    while (skt_impair_next(m, &ev)) {
        counts += ev.what == SKT_IMPAIR_COUNTS;
        changes += ev.what == SKT_IMPAIR_CHANGED;
    }
    assert_true(counts == 5 && changes == 1);
}

static void a_bad_network_is_refused_and_the_old_one_stays(void **state)
{
    skt_auto(skt_impair) struct skt_impair *m = begin((struct skt_impair_conf){ .changes = true }, "delay 10ms");
    char text[256];
    struct skt_room why = skt_room_of(text, sizeof text - 1);

    assert_int_equal(skt_impair_network(m, skt_span_str("delay 1s\nloss 101%"), "net", &why), -ERANGE);
    *why.p = 0;
    assert_non_null(strstr(text, "net:2:"));
    said(m, 0, NEAR_LINK, "x");
    assert_true(wakes(m) == 10 * SKT_MS);
    assert_int_equal(skt_impair_new(&(struct skt_impair_conf){ .to = NULL }, &m), -EINVAL);
    assert_int_equal(skt_impair_new(&(struct skt_impair_conf){ .to = "a:1", .spare = 1.5 }, &m), -EINVAL);
}

RUN(T(nothing_asked_for_is_moved), T(only_the_bad_direction_is_looked_at), T(what_may_change_is_never_moved),
    T(a_delay_is_met_to_the_nanosecond_and_the_end_comes_last), T(a_delay_begins_when_the_kernel_received_the_bytes),
    T(what_waited_for_room_enters_when_there_is_room), T(a_rate_is_kept_though_we_are_late),
    T(who_is_overtaken_by_jitter_is_not_overtaken_in_a_stream), T(a_lost_segment_stalls_for_an_rtt_or_an_rto),
    T(the_rto_doubles_while_all_is_lost), T(a_rate_paces_segments_and_a_full_queue_holds_the_sender),
    T(a_full_link_gets_no_more_until_there_is_room), T(the_line_of_a_connection_is_bounded), T(slices_leave_apart),
    T(a_reset_after_a_time_hits_both), T(bytes_up_to_the_limit_pass_then_it_is_over), T(an_end_can_be_slow),
    T(a_reset_is_passed_on), T(a_refused_target_is_told_and_resets), T(changes_and_counters_are_events),
    T(a_bad_network_is_refused_and_the_old_one_stays))
