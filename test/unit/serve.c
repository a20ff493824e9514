/* engine/serve: each thing that it does, byte by byte. */
#include "byhand.h"

#include <sockit/serve.h>

#include <errno.h>
#include <stdlib.h>

enum { A = 1 << SKT_LINK_BITS | 1, B = 1 << SKT_LINK_BITS | 2 };

static struct skt_serve *serve;

static struct desk desk(struct skt_serve_conf conf)
{
    serve = skt_serve_new(&conf);
    assert_non_null(serve);
    return (struct desk){ .e = skt_serve_engine(serve), .now = 1000 * SKT_SEC };
}

static struct desk replying(const char *prefix)
{
    struct desk d = desk((struct skt_serve_conf){ .mode = SKT_SERVE_REPLY, .text = skt_span_str(prefix) });

    hear_kind(&d, A, SKT_OPEN, 0);
    return d;
}

static void each_line_is_answered_at_once(void **state)
{
    struct desk d = replying("> ");

    hear_text(&d, A, "one\ntwo\r\n\n");
    wants(&d, "> one\n> two\r\n> \n");
    assert_int_equal(d.e.ops->wake(d.e.self), SKT_NEVER);
    skt_serve_free(serve);
}

static void a_line_in_pieces_is_one(void **state)
{
    struct desk d = replying("> ");

    for (const char *c = "line\n"; *c; c++) {
        char text[2] = { *c, 0 };
        wants(&d, "");
        hear_text(&d, A, text);
        d.now += 50 * SKT_MS;
    }
    wants(&d, "> line\n");
    hear_text(&d, A, "a\nb");
    wants(&d, "> a\n");
    hear_text(&d, A, "c\nd\n");
    wants(&d, "> bc\n> d\n");
    skt_serve_free(serve);
}

static void a_pause_ends_a_message_without_a_line_end(void **state)
{
    struct desk d = replying("> ");

    hear_text(&d, A, "hello");
    pass(&d, 60 * SKT_MS);
    hear_text(&d, A, ", you");
    pass(&d, 60 * SKT_MS);
    wants(&d, ""); /* it went on meanwhile */
    pass(&d, 60 * SKT_MS);
    wants(&d, "> hello, you");
    pass(&d, SKT_SEC);
    wants(&d, "");
    skt_serve_free(serve);
}

static void a_pause_does_not_cut_a_character(void **state)
{
    struct desk d = replying(">");

    hear_text(&d, A, "k\xc3");
    pass(&d, 150 * SKT_MS);
    wants(&d, ">k");
    hear_text(&d, A, "\xa4se");
    pass(&d, 150 * SKT_MS);
    wants(&d, ">\xc3\xa4se");
    hear_text(&d, A, "\xe2\x82"); /* its rest never comes: answered after all */
    pass(&d, 500 * SKT_MS);
    wants(&d, ">\xe2\x82");
    skt_serve_free(serve);
}

static void the_end_is_an_end_of_message_too(void **state)
{
    struct desk d = replying("> ");

    hear_text(&d, A, "no line end");
    hear_kind(&d, A, SKT_EOF, 0);
    wants(&d, "> no line end");
    assert_int_equal(d.outs[SKT_CLOSE], 1);
    assert_int_equal(d.closed.why, 0);
    skt_serve_free(serve);
}

static void a_giant_message_is_answered_in_pieces(void **state)
{
    struct desk d =
        desk((struct skt_serve_conf){ .mode = SKT_SERVE_REPLY, .text = skt_span_str("> "), .message_bytes = 10 });

    hear_kind(&d, A, SKT_OPEN, 0);
    hear_text(&d, A, "01234567");
    wants(&d, "");
    hear_text(&d, A, "89ab");
    wants(&d, "> 0123456789ab");
    hear_text(&d, A, "c\n");
    wants(&d, "> c\n");
    skt_serve_free(serve);
}

/* The heap of pauses must not grow by each piece of each line. */
static void a_drip_of_bytes_costs_one_timer(void **state)
{
    struct desk d = replying("");

    for (int i = 0; i < 20000; i++) {
        hear_text(&d, A, "x");
        d.now += SKT_MS;
    }
    for (int i = 0; i < 3; i++) /* else 20,000 times */
        pass(&d, 100 * SKT_MS);
    assert_int_equal(d.n, 20000);
    assert_int_equal(d.e.ops->wake(d.e.self), SKT_NEVER);
    skt_serve_free(serve);
}

static void an_echo_shares_what_came(void **state)
{
    struct desk d = desk((struct skt_serve_conf){ .mode = SKT_SERVE_ECHO });
    struct skt_buf *buf = skt_buf_new(5);

    memcpy(buf->data, "bytes", 5);
    hear_kind(&d, A, SKT_OPEN, 0);
    hear(&d, (struct skt_in){ .link = A, .data = skt_span_of(buf->data, 5), .buf = buf });
    assert_int_equal(d.last.kind, SKT_SHARE);
    assert_ptr_equal(d.last.buf, buf);
    wants(&d, "bytes");
    drain(&d);
    assert_int_equal(buf->refs, 1);
    skt_buf_put(buf);
    skt_serve_free(serve);
}

static void a_full_peer_is_not_read_and_others_are(void **state)
{
    struct desk d = desk((struct skt_serve_conf){ .mode = SKT_SERVE_ECHO });
    struct skt_in in;

    hear_kind(&d, A, SKT_OPEN, 0);
    hear_kind(&d, B, SKT_OPEN, 0);
    hear_kind(&d, A, SKT_FULL, 0);
    in = hear_text(&d, A, "held");
    assert_true(in.hold);
    assert_int_equal(skt_len(in.data), 4);
    in = hear_text(&d, B, "free");
    assert_false(in.hold);
    wants(&d, "free");
    hear_kind(&d, A, SKT_ROOM, 0);
    hear_text(&d, A, "held");
    wants(&d, "held");
    skt_serve_free(serve);
}

/* Bytes taken in 10 s of an endless stream. */
static uint64_t taken(uint64_t rate)
{
    struct desk d = desk((struct skt_serve_conf){ .mode = SKT_SERVE_DISCARD, .rate = rate });
    static const char much[4000];
    uint64_t n = 0;
    skt_time end = d.now + 10 * SKT_SEC;

    hear_kind(&d, A, SKT_OPEN, 0);
    while (d.now < end) {
        struct skt_in in = hear(&d, (struct skt_in){ .link = A, .data = skt_span_of(much, sizeof much) });
        n += sizeof much - skt_len(in.data);
        assert_true(in.hold);
        d.now = d.e.ops->wake(d.e.self);
        assert_int_not_equal(d.now, SKT_NEVER);
        drain(&d);
    }
    skt_serve_free(serve);
    return n;
}

static void a_rate_is_kept_also_a_small_one(void **state)
{
    assert_in_range(taken(100000), 950000, 1010000);
    assert_in_range(taken(100), 900, 1010);
    assert_in_range(taken(3), 25, 32);
    assert_in_range(taken(1), 8, 11);
}

static void say_says_it_and_closes(void **state)
{
    struct desk d = desk((struct skt_serve_conf){ .mode = SKT_SERVE_SAY, .text = skt_span_str("Hello from server") });

    hear_kind(&d, A, SKT_OPEN, 0);
    wants(&d, "Hello from server");
    assert_int_equal(d.closed.link, A);
    skt_serve_free(serve);
}

static void datagrams_of_a_train_are_answered_one_by_one(void **state)
{
    static const struct skt_addr peer = { .family = SKT_IP4, .port = 9 };
    struct desk d = desk((struct skt_serve_conf){ .mode = SKT_SERVE_REPLY, .text = skt_span_str(">") });

    hear(&d, (struct skt_in){ .link = A, .data = skt_span_str("aabbc"), .seg = 2, .peer = &peer });
    wants(&d, ">aa>bb>c");
    assert_int_equal(d.outs[SKT_DATA], 3);
    assert_int_equal(d.last.peer.port, 9);
    hear(&d, (struct skt_in){ .link = A, .data = skt_span_str(""), .peer = &peer });
    wants(&d, ">");
    skt_serve_free(serve);
}

static void events_tell_who_came_and_left_with_what(void **state)
{
    struct desk d = desk((struct skt_serve_conf){ .mode = SKT_SERVE_ECHO });
    struct skt_serve_event ev;

    hear_kind(&d, A, SKT_OPEN, 0);
    hear_text(&d, A, "12345");
    d.now += SKT_SEC;
    hear_kind(&d, A, SKT_CLOSE, -ECONNRESET);
    assert_true(skt_serve_next(serve, &ev));
    assert_int_equal(ev.what, SKT_SERVE_CAME);
    assert_true(skt_serve_next(serve, &ev));
    assert_int_equal(ev.what, SKT_SERVE_LEFT);
    assert_true(ev.in == 5 && ev.out == 5 && ev.stayed == SKT_SEC && ev.why == -ECONNRESET);
    assert_false(skt_serve_next(serve, &ev));
    for (int i = 0; i < 3000; i++) {
        hear_kind(&d, A, SKT_OPEN, 0);
        hear_kind(&d, A, SKT_CLOSE, 0);
    }
    assert_int_equal(skt_serve_events_lost(serve), 6000 - 4096);
    skt_serve_free(serve);
}

RUN(T(each_line_is_answered_at_once), T(a_line_in_pieces_is_one), T(a_pause_ends_a_message_without_a_line_end),
    T(a_pause_does_not_cut_a_character), T(the_end_is_an_end_of_message_too), T(a_giant_message_is_answered_in_pieces),
    T(a_drip_of_bytes_costs_one_timer), T(an_echo_shares_what_came), T(a_full_peer_is_not_read_and_others_are),
    T(a_rate_is_kept_also_a_small_one), T(say_says_it_and_closes), T(datagrams_of_a_train_are_answered_one_by_one),
    T(events_tell_who_came_and_left_with_what))
