/* engine/relay: who is led to whom, and how each end is told. */
#include "byhand.h"

#include <sockit/relay.h>

#include <errno.h>
#include <stdlib.h>

enum { A = 1 << SKT_LINK_BITS | 1, B = 1 << SKT_LINK_BITS | 2, LOCAL = 1 << SKT_LINK_BITS | 9 };

static struct skt_relay *relay;

static struct desk desk(struct skt_relay_conf conf)
{
    relay = skt_relay_new(&conf);
    assert_non_null(relay);
    return (struct desk){ .e = skt_relay_engine(relay), .now = 1000 * SKT_SEC, .fresh = B };
}

static struct skt_relay_event event(enum skt_relay_what what)
{
    struct skt_relay_event ev;

    while (skt_relay_next(relay, &ev))
        if (ev.what == what)
            return ev;
    fail_msg("no event %d", what);
    return ev;
}

static void who_comes_is_led_to_the_target_and_both_are_moved(void **state)
{
    struct desk d = desk((struct skt_relay_conf){ .to = "there:7" });

    hear_kind(&d, A, SKT_OPEN, 0);
    wants(&d, "there:7");
    assert_int_equal(d.last.kind, SKT_OPEN);
    assert_true(hear_text(&d, A, "early").hold); /* waits for the target */
    hear_kind(&d, B, SKT_OPEN, 0);
    assert_int_equal(d.outs[SKT_MOVE], 2);
    hear(&d, (struct skt_in){ .link = B, .kind = SKT_MOVE, .len = 100 });
    hear(&d, (struct skt_in){ .link = B, .kind = SKT_MOVE, .len = 11, .why = 1 }); /* A has ended */
    assert_int_equal(d.outs[SKT_EOF], 1);
    assert_int_equal(d.last.link, B);
    hear(&d, (struct skt_in){ .link = A, .kind = SKT_MOVE, .len = 5, .why = 1 });
    assert_int_equal(d.outs[SKT_CLOSE], 2);
    hear_kind(&d, A, SKT_CLOSE, 0);
    hear_kind(&d, B, SKT_CLOSE, 0);
    struct skt_relay_event ev = event(SKT_RELAY_LEFT);
    assert_true(ev.in == 111 && ev.out == 5 && ev.why == 0 && !ev.failed && ev.target == B);
    skt_relay_free(relay);
}

static void a_target_that_fails_is_told_and_closes_who_came(void **state)
{
    struct desk d = desk((struct skt_relay_conf){ .to = "there:7" });

    hear_kind(&d, A, SKT_OPEN, 0);
    hear_kind(&d, B, SKT_CLOSE, -ECONNREFUSED);
    assert_int_equal(d.closed.link, A);
    struct skt_relay_event ev = event(SKT_RELAY_FAILED);
    assert_int_equal(ev.why, -ECONNREFUSED);
    assert_int_equal(ev.link, B);
    hear_kind(&d, A, SKT_CLOSE, 0);
    ev = event(SKT_RELAY_LEFT);
    assert_true(ev.failed && ev.target == B && ev.why == -ECONNREFUSED);
    skt_relay_free(relay);
}

static void without_a_link_for_the_target_who_came_is_closed(void **state)
{
    struct desk d = desk((struct skt_relay_conf){ .to = "there:7" });

    d.fresh = 0;
    hear_kind(&d, A, SKT_OPEN, 0);
    assert_int_equal(d.closed.link, A);
    assert_int_equal(d.closed.why, -ENFILE);
    skt_relay_free(relay);
}

static void without_a_link_for_a_flow_the_socket_of_all_stays(void **state)
{
    static const struct skt_addr peer = { .family = SKT_IP4, .port = 9 };
    struct desk d = desk((struct skt_relay_conf){ .to = "udp:there:7", .datagrams = true });

    d.fresh = 0;
    hear(&d, (struct skt_in){ .link = A, .data = skt_span_str("lost"), .peer = &peer });
    assert_int_equal(d.outs[SKT_CLOSE], 0);
    assert_int_equal(event(SKT_RELAY_LEFT).why, -ENFILE);
    d.fresh = B;
    d.n = 0;
    hear(&d, (struct skt_in){ .link = A, .data = skt_span_str("kept"), .peer = &peer });
    wants(&d, "udp:there:7");
    hear_kind(&d, B, SKT_OPEN, 0);
    wants(&d, "kept");
    skt_relay_free(relay);
}

static void a_reset_is_passed_on_as_one(void **state)
{
    struct desk d = desk((struct skt_relay_conf){ .to = "there:7" });

    hear_kind(&d, A, SKT_OPEN, 0);
    hear_kind(&d, B, SKT_OPEN, 0);
    hear_kind(&d, A, SKT_CLOSE, -ECONNRESET);
    assert_int_equal(d.closed.link, B);
    assert_int_equal(d.closed.why, -ECONNRESET);
    skt_relay_free(relay);
}

static struct desk talking(struct skt_relay_conf conf)
{
    struct desk d;

    conf.local = LOCAL;
    d = desk(conf);
    skt_relay_expect(relay, A);
    hear_kind(&d, A, SKT_OPEN, 0);
    return d;
}

static void what_is_said_goes_to_the_peer_and_its_end_behind_it(void **state)
{
    struct desk d = talking((struct skt_relay_conf){ .say_only = true, .crlf = true });

    assert_int_equal(skt_relay_say(relay, skt_span_str("one\ntwo\r\n")), 0);
    assert_int_equal(skt_relay_say_end(relay), 0);
    assert_int_equal(skt_relay_say(relay, skt_span_str("late")), -EPIPE);
    pass(&d, 0);
    wants(&d, "one\r\ntwo\r\n");
    assert_int_equal(d.outs[SKT_EOF], 1);
    skt_relay_free(relay);
}

static void no_more_is_said_than_fits(void **state)
{
    static const char much[60000];

    (void)talking((struct skt_relay_conf){ .say_only = true });
    assert_int_equal(skt_relay_say(relay, skt_span_of(much, sizeof much)), 0);
    assert_int_equal(skt_relay_say(relay, skt_span_of(much, sizeof much)), -EAGAIN);
    skt_relay_free(relay);
    (void)talking((struct skt_relay_conf){ .say_only = true, .datagrams = true });
    static const char huge[65508];
    assert_int_equal(skt_relay_say(relay, skt_span_of(huge, sizeof huge)), -EMSGSIZE);
    skt_relay_free(relay);
}

static void after_the_peers_end_silence_of_ours_ends_it(void **state)
{
    struct desk d = talking((struct skt_relay_conf){ .watch = true, .linger = 500 * SKT_MS });

    hear_kind(&d, A, SKT_EOF, 0);
    hear_text(&d, LOCAL, "answer");
    wants(&d, "answer");
    pass(&d, 400 * SKT_MS);
    assert_int_equal(d.outs[SKT_CLOSE], 0);
    pass(&d, 200 * SKT_MS);
    assert_int_equal(d.closed.link, A);
    skt_relay_free(relay);
}

static void with_late_end_our_end_waits_for_silence(void **state)
{
    struct desk d = talking((struct skt_relay_conf){ .watch = true, .late_end = true, .linger = SKT_SEC });

    hear_text(&d, LOCAL, "question");
    hear_kind(&d, LOCAL, SKT_EOF, 0);
    pass(&d, 900 * SKT_MS);
    hear_text(&d, A, "answer"); /* goes on */
    pass(&d, 900 * SKT_MS);
    assert_int_equal(d.outs[SKT_EOF], 0);
    pass(&d, 200 * SKT_MS);
    assert_int_equal(d.outs[SKT_EOF], 1);
    assert_int_equal(d.last.link, A);
    skt_relay_free(relay);
}

static void local_survives_its_peers_when_it_is_kept(void **state)
{
    struct desk d = desk((struct skt_relay_conf){ .local = LOCAL, .keep = true, .watch = true });

    for (int i = 0; i < 2; i++) {
        skt_link peer = i ? B : A;
        hear_kind(&d, peer, SKT_OPEN, 0);
        hear_text(&d, peer, "hello");
        wants(&d, "hello");
        assert_int_equal(d.last.link, LOCAL);
        hear_kind(&d, peer, SKT_CLOSE, 0);
    }
    assert_int_equal(d.outs[SKT_CLOSE], 0);
    assert_int_equal(d.outs[SKT_EOF], 0);
    skt_relay_free(relay);
}

static void local_that_was_lost_before_its_peer_came_is_told(void **state)
{
    for (int datagrams = 0; datagrams < 2; datagrams++) {
        struct desk d = desk((struct skt_relay_conf){ .local = LOCAL, .datagrams = datagrams });
        struct skt_relay_event ev;

        skt_relay_expect(relay, A);
        hear_kind(&d, LOCAL, SKT_CLOSE, -EISDIR);
        hear_kind(&d, A, SKT_OPEN, 0);
        assert_int_equal(d.closed.link, A);
        hear_kind(&d, A, SKT_CLOSE, 0);
        ev = event(SKT_RELAY_LEFT);
        assert_int_equal(ev.why, -EISDIR);
        assert_true(ev.outward);
        assert_false(skt_relay_next(relay, &ev)); /* once */
        skt_relay_free(relay);
    }
}

RUN(T(who_comes_is_led_to_the_target_and_both_are_moved), T(a_target_that_fails_is_told_and_closes_who_came),
    T(without_a_link_for_the_target_who_came_is_closed), T(without_a_link_for_a_flow_the_socket_of_all_stays),
    T(a_reset_is_passed_on_as_one), T(what_is_said_goes_to_the_peer_and_its_end_behind_it),
    T(no_more_is_said_than_fits), T(after_the_peers_end_silence_of_ours_ends_it),
    T(with_late_end_our_end_waits_for_silence), T(local_survives_its_peers_when_it_is_kept),
    T(local_that_was_lost_before_its_peer_came_is_told))
