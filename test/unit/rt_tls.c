/* drive/rt/tlslink.c: a link behind TLS, as its engine sees it: the handshake, both directions, every kind of end. */
#include "rttls.h"

enum { N = 2 << 20 };

/* ---- the handshake ---- */

static void the_engine_hears_of_a_link_only_when_hands_are_shaken(void **state)
{
    struct talker p;
    skt_link ls, link;

    begin(NULL);
    ls = listen_at("0", secure());
    talker_to(&p, ls);
    turns(20);
    assert_int_equal(told(h, 0, SKT_OPEN), 0);
    UNTIL(talks(&p) && told(h, 0, SKT_OPEN));
    link = last(h, 0, SKT_OPEN)->link;
    assert_int_equal(last(h, link, SKT_OPEN)->via, ls);
    assert_int_equal(last(h, link, SKT_OPEN)->peer.port, port_of_fd(p.fd));
    assert_int_equal(told(h, 0, SKT_DATA), 0);
    talker_done(&p);
    end();
}

static void both_ends_may_be_links(void **state)
{
    const struct skt_open_conf conf = { .tls = client };
    skt_link ls, a, b;

    begin(NULL);
    ls = listen_at("0", secure());
    a = open_to(local_text("tls:", port_of(ls)), &conf);
    UNTIL(told(h, 0, SKT_OPEN) == 2);
    assert_int_equal(told(h, a, SKT_OPEN), 1);
    b = h->note[0].link == a ? h->note[1].link : h->note[0].link;
    say(h, a, "from the client");
    say(h, b, "from the server");
    UNTIL(!strcmp(heard(h, b), "from the client"));
    UNTIL(!strcmp(heard(h, a), "from the server"));
    say_close(h, a, 0);
    UNTIL(told(h, b, SKT_EOF));
    say_close(h, b, 0);
    UNTIL(told(h, a, SKT_CLOSE) && told(h, b, SKT_CLOSE));
    assert_int_equal(last(h, a, SKT_CLOSE)->why, 0);
    assert_int_equal(last(h, b, SKT_CLOSE)->why, 0);
    end();
}

static void what_is_no_handshake_is_answered_by_an_alert_and_never_told(void **state)
{
    struct talker p;
    struct tape t = { 0 };
    struct skt_addr peer;
    const char *why;
    skt_link ls;
    int fd;

    begin(NULL);
    ls = listen_at("0", secure());
    fd = peer_to(port_of(ls));
    assert_int_equal(write(fd, "\x16\x03\x01\0\x05hello", 10), 10); /* RFC 8446, 5.1: a record, but no hello */
    UNTIL(pull(fd, &t));
    assert_true(t.n == 7 && t.p[0] == 21); /* alert */
    assert_int_equal(h->n, 0);
    assert_int_equal(stats().tls_failed, 1); /* but the verb may ask, once */
    assert_true(skt_rt_unheard(rt, &peer, &why) && peer.port == port_of_fd(fd) && *why);
    assert_false(skt_rt_unheard(rt, &peer, &why));
    (void)came_by_tls(ls, &p); /* and the next is served */
    assert_false(skt_rt_unheard(rt, &peer, &why));
    talker_done(&p);
    tape_free(&t);
    close(fd);
    end();
}

static void a_handshake_has_five_seconds(void **state)
{
    struct tape t = { 0 };
    struct skt_addr peer;
    const char *why;
    skt_link ls;
    int fd;

    begin(NULL);
    ls = listen_at("0", secure());
    fd = peer_to(port_of(ls));
    turns(5);
    shift += 4 * SKT_SEC;
    turns(5);
    assert_false(pull(fd, &t));
    shift += 2 * SKT_SEC;
    UNTIL(pull(fd, &t));
    assert_int_equal(h->n, 0);
    assert_int_equal(stats().tls_failed, 1);
    assert_true(skt_rt_unheard(rt, &peer, &why) && peer.port == port_of_fd(fd));
    assert_string_equal(why, "no handshake in time");
    tape_free(&t);
    close(fd);
    end();
}

static void who_breaks_off_a_handshake_is_counted(void **state)
{
    const struct linger hard = { .l_onoff = 1 };
    struct skt_addr peer;
    const char *why;
    uint16_t port;
    skt_link ls;
    int fd;

    begin(NULL);
    ls = listen_at("0", secure());
    fd = peer_to(port_of(ls));
    port = port_of_fd(fd);
    turns(5);
    assert_int_equal(stats().tls_failed, 0);
    assert_false(setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard));
    close(fd); /* a reset */
    UNTIL(stats().tls_failed == 1);
    assert_true(skt_rt_unheard(rt, &peer, &why) && peer.port == port);
    assert_string_equal(why, strerror(ECONNRESET));
    fd = peer_to(port_of(ls));
    turns(5);
    close(fd); /* an end */
    UNTIL(stats().tls_failed == 2);
    assert_true(skt_rt_unheard(rt, &peer, &why) && *why);
    assert_int_equal(h->n, 0);
    end();
}

static void a_server_that_is_not_trusted_is_told_with_the_reason(void **state)
{
    struct skt_tls *stranger = server_new("stranger");
    const struct skt_listen_conf listens = { .tls = stranger };
    const struct skt_open_conf conf = { .tls = client };
    char why[160];
    skt_link ls, a;

    begin(NULL);
    ls = listen_at("0", &listens);
    a = open_to(local_text("tls:", port_of(ls)), &conf);
    snprintf(why, sizeof why, "TLS with %s: ", local_text("", port_of(ls)));
    UNTIL(told(h, a, SKT_CLOSE));
    assert_int_equal(last(h, a, SKT_CLOSE)->why, -EKEYREJECTED);
    assert_int_equal(strncmp(skt_rt_why(rt, a), why, strlen(why)), 0);
    assert_true(strlen(skt_rt_why(rt, a)) > strlen(why));
    UNTIL(stats().links == 1); /* the listener: the other end is gone, untold */
    assert_int_equal(h->n, 1);
    end();
    skt_tls_free(stranger);
}

/* ---- bytes ---- */

static void bytes_pass_both_ways_whole(void **state)
{
    struct talker p;
    skt_link ls, link;

    begin(NULL);
    ls = listen_at("0", secure());
    link = came_by_tls(ls, &p);
    for (size_t at = 0; at < N; at += N / 4) { /* a quarter: the queue's cap is 1 MiB */
        say_n(h, link, pattern() + at, N / 4);
        talker_says(&p, pattern() + at, N / 4);
        UNTIL(talks(&p) && p.plain.n == at + N / 4 && h->got_n == at + N / 4);
    }
    tape_is(&p.plain, pattern(), N);
    assert_int_equal(heard_pattern(link, 0), N);
    assert_int_equal(p.error, 0);
    talker_done(&p);
    end();
}

static void an_end_is_told_once_and_the_answer_may_come_after_it(void **state)
{
    struct talker p;
    skt_link ls, link;

    begin(NULL);
    ls = listen_at("0", secure());
    link = came_by_tls(ls, &p);
    talker_says(&p, "question", 8);
    assert_int_equal(skt_tls_shut(p.s), 0);
    UNTIL(talks(&p) && told(h, link, SKT_EOF));
    assert_string_equal(heard(h, link), "question");
    say(h, link, "answer");
    say_end(h, link);
    UNTIL(talks(&p) && p.error);
    tape_is(&p.plain, "answer", 6);
    assert_int_equal(p.error, SKT_TLS_END);
    turns(5);
    assert_int_equal(told(h, link, SKT_EOF), 1);
    assert_int_equal(told(h, link, SKT_CLOSE), 0);
    say_close(h, link, 0);
    UNTIL(talks(&p) && told(h, link, SKT_CLOSE));
    assert_int_equal(last(h, link, SKT_CLOSE)->why, 0);
    nothing_after_close(h, link);
    talker_done(&p);
    end();
}

static void an_end_without_close_notify_is_an_error(void **state)
{
    struct talker p;
    skt_link ls, link;

    begin(NULL);
    ls = listen_at("0", secure());
    link = came_by_tls(ls, &p);
    talker_says(&p, "half a ", 7);
    UNTIL(!strcmp(heard(h, link), "half a "));
    close(p.fd);
    p.fd = -1;
    UNTIL(told(h, link, SKT_CLOSE));
    assert_int_equal(last(h, link, SKT_CLOSE)->why, SKT_TLS_CUT);
    assert_int_equal(told(h, link, SKT_EOF), 0);
    assert_non_null(strstr(skt_rt_why(rt, link), "TLS with 127.0.0.1:"));
    talker_done(&p);
    end();
}

static void a_spoilt_record_ends_the_link(void **state)
{
    const uint8_t spoilt[] = { 23, 3, 3, 0, 20, 'n', 'o', ' ', 'c', 'i', 'p', 'h', 'e', 'r', ' ', 't', 'e', 'x', 't',
        ' ', 'a', 't', ' ', 'a', 'l' };
    struct talker p;
    skt_link ls, link;

    begin(NULL);
    ls = listen_at("0", secure());
    link = came_by_tls(ls, &p);
    assert_int_equal(write(p.fd, spoilt, sizeof spoilt), sizeof spoilt);
    UNTIL(told(h, link, SKT_CLOSE));
    assert_int_equal(last(h, link, SKT_CLOSE)->why, -EPROTO);
    assert_int_equal(told(h, link, SKT_DATA) + told(h, link, SKT_EOF), 0);
    UNTIL((talks(&p), p.closed));
    talker_done(&p);
    end();
}

static void a_close_sends_first_what_is_queued(void **state)
{
    struct talker p;
    skt_link ls, link;

    begin(NULL);
    ls = listen_at("0", secure());
    link = came_by_tls(ls, &p);
    say_n(h, link, pattern(), 900000);
    say_close(h, link, 0);
    turns(3);
    UNTIL((talks(&p), p.error));
    assert_int_equal(p.error, SKT_TLS_END);
    tape_is(&p.plain, pattern(), 900000);
    close(p.fd);
    p.fd = -1;
    UNTIL(stats().links == 1);
    assert_int_equal(last(h, link, SKT_CLOSE)->why, 0);
    talker_done(&p);
    end();
}

static void a_peer_that_does_not_read_is_told_and_so_is_room(void **state)
{
    struct skt_rt_conf conf = { .queue_bytes = 64 << 20 };
    struct talker p;
    skt_link ls, link;

    begin(&conf);
    ls = listen_at("0", secure());
    link = came_by_tls(ls, &p);
    say_n(h, link, pattern(), 8 << 20);
    UNTIL(told(h, link, SKT_FULL));
    turns(3);
    assert_int_equal(told(h, link, SKT_ROOM), 0);
    UNTIL(talks(&p) && p.plain.n == 8 << 20);
    UNTIL(told(h, link, SKT_ROOM));
    tape_is(&p.plain, pattern(), 8 << 20);
    talker_done(&p);
    end();
}

static void above_the_cap_of_its_queue_a_link_is_closed(void **state)
{
    struct talker p;
    skt_link ls, link;

    begin(&(struct skt_rt_conf){ .queue_bytes = 100000 });
    ls = listen_at("0", secure());
    link = came_by_tls(ls, &p);
    say_n(h, link, pattern(), 8 << 20);
    UNTIL(told(h, link, SKT_CLOSE));
    assert_int_equal(last(h, link, SKT_CLOSE)->why, -ENOBUFS);
    talker_done(&p);
    end();
}

static void what_is_held_stays_in_the_session_and_comes_again(void **state)
{
    struct talker p;
    skt_link ls, link;

    begin(NULL);
    ls = listen_at("0", secure());
    link = came_by_tls(ls, &p);
    h->hold = true;
    for (size_t at = 0; at < 20000; at += 1000) /* twenty records */
        talker_says(&p, pattern() + at, 1000);
    assert_int_equal(skt_tls_shut(p.s), 0);
    talker_send(&p);
    UNTIL(h->offered);
    turns(10);
    assert_int_equal(h->got_n, 0);
    assert_int_equal(told(h, link, SKT_EOF), 0); /* behind what is held */
    h->hold = false;
    h->most = 700;
    say(h, link, "."); /* the engine did something: it may have room */
    UNTIL(told(h, link, SKT_EOF));
    assert_int_equal(heard_pattern(link, 0), 20000);
    talker_done(&p);
    end();
}

static void what_is_left_unread_comes_again_with_what_follows(void **state)
{
    struct talker p;
    skt_link ls, link;

    begin(NULL);
    ls = listen_at("0", secure());
    link = came_by_tls(ls, &p);
    h->leave = true;
    talker_says(&p, "half a li", 9);
    UNTIL(h->offered == 1 && h->last_offer == 9);
    talker_says(&p, "ne\n", 3);
    UNTIL(h->offered == 2);
    assert_int_equal(h->last_offer, 12);
    h->leave = false;
    talker_says(&p, "!", 1);
    UNTIL(!strcmp(heard(h, link), "half a line\n!"));
    talker_done(&p);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(the_engine_hears_of_a_link_only_when_hands_are_shaken),
        T(both_ends_may_be_links),
        T(what_is_no_handshake_is_answered_by_an_alert_and_never_told),
        T(a_handshake_has_five_seconds),
        T(who_breaks_off_a_handshake_is_counted),
        T(a_server_that_is_not_trusted_is_told_with_the_reason),
        T(bytes_pass_both_ways_whole),
        T(an_end_is_told_once_and_the_answer_may_come_after_it),
        T(an_end_without_close_notify_is_an_error),
        T(a_spoilt_record_ends_the_link),
        T(a_close_sends_first_what_is_queued),
        T(a_peer_that_does_not_read_is_told_and_so_is_room),
        T(above_the_cap_of_its_queue_a_link_is_closed),
        T(what_is_held_stays_in_the_session_and_comes_again),
        T(what_is_left_unread_comes_again_with_what_follows),
    };

    return cmocka_run_group_tests(tests, start_all, end_all);
}
