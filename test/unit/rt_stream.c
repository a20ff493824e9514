/* drive/rt/stream.c: one ordered conversation. */
#include "rtworld.h"

#include <sys/ioctl.h>

static void bytes_come_and_go_in_order(void **state)
{
    skt_link ls, link;
    struct tape t = { 0 };
    int fd;

    begin(NULL);
    ls = listen_at("0", NULL);
    link = came(ls, &fd);
    assert_int_equal(last(h, link, SKT_OPEN)->via, ls);
    assert_int_equal(last(h, link, SKT_OPEN)->peer.port, port_of_fd(fd));
    put(fd, "hello");
    UNTIL(!strcmp(heard(h, link), "hello"));
    say(h, link, "good ");
    say(h, link, "day");
    UNTIL(pulled(fd, &t, 8));
    tape_is(&t, "good day", 8);
    assert_int_equal(stats().bytes_in, 5);
    assert_int_equal(stats().bytes_out, 8);
    tape_free(&t);
    close(fd);
    end();
}

static void an_end_is_told_once_and_the_answer_may_come_after_it(void **state)
{
    skt_link ls, link;
    struct tape t = { 0 };
    int fd;

    begin(NULL);
    ls = listen_at("0", NULL);
    link = came(ls, &fd);
    put(fd, "question");
    shutdown(fd, SHUT_WR);
    UNTIL(told(h, link, SKT_EOF));
    assert_string_equal(heard(h, link), "question");
    say(h, link, "answer");
    say_end(h, link);
    UNTIL(pull(fd, &t));
    tape_is(&t, "answer", 6);
    turns(5);
    assert_int_equal(told(h, link, SKT_EOF), 1);
    assert_int_equal(told(h, link, SKT_CLOSE), 0); /* the engine closes, not the driver */
    say_close(h, link, 0);
    UNTIL(told(h, link, SKT_CLOSE));
    assert_int_equal(last(h, link, SKT_CLOSE)->why, 0);
    nothing_after_close(h, link);
    tape_free(&t);
    close(fd);
    end();
}

static void after_our_end_the_peer_may_go_on(void **state)
{
    skt_link ls, link;
    struct tape t = { 0 };
    int fd;

    begin(NULL);
    ls = listen_at("0", NULL);
    link = came(ls, &fd);
    say(h, link, "x");
    say_end(h, link);
    UNTIL(pull(fd, &t));
    put(fd, "more");
    UNTIL(!strcmp(heard(h, link), "more"));
    say(h, link, "too late"); /* after a half-close */
    turns(2);
    assert_int_equal(stats().stale, 1);
    tape_free(&t);
    close(fd);
    end();
}

static void a_socket_that_takes_no_more_is_told_and_so_is_room(void **state)
{
    enum { N = 6 << 20 };
    skt_link ls, link;
    struct tape t = { 0 };
    int fd;

    begin(&(struct skt_rt_conf){ .queue_bytes = 8 << 20 });
    ls = listen_at("0", NULL);
    link = came(ls, &fd);
    say_n(h, link, pattern(), N);
    UNTIL(told(h, link, SKT_FULL));
    turns(3);
    assert_int_equal(told(h, link, SKT_FULL), 1);
    assert_int_equal(told(h, link, SKT_ROOM), 0);
    UNTIL(pulled(fd, &t, N));
    UNTIL(told(h, link, SKT_ROOM));
    tape_is(&t, pattern(), N);
    tape_free(&t);
    close(fd);
    end();
}

static void above_the_cap_of_its_queue_a_link_is_closed(void **state)
{
    skt_link ls, link;
    int fd;

    begin(&(struct skt_rt_conf){ .queue_bytes = 64 * 1024 });
    ls = listen_at("0", NULL);
    link = came(ls, &fd);
    say_n(h, link, pattern(), 8 << 20);
    UNTIL(told(h, link, SKT_CLOSE));
    assert_int_equal(last(h, link, SKT_CLOSE)->why, -ENOBUFS);
    assert_int_equal(stats().dropped_full, 1);
    nothing_after_close(h, link);
    close(fd);
    end();
}

static void what_is_left_unread_comes_again_with_what_follows(void **state)
{
    skt_link ls, link;
    int fd;

    begin(NULL);
    ls = listen_at("0", NULL);
    link = came(ls, &fd);
    h->leave = true;
    put(fd, "half ");
    UNTIL(h->offered == 1);
    turns(5);
    assert_int_equal(h->offered, 1); /* nothing new, nothing said */
    put(fd, "a ");
    UNTIL(h->last_offer == 7);
    h->leave = false;
    put(fd, "line\n");
    UNTIL(!strcmp(heard(h, link), "half a line\n"));
    close(fd);
    end();
}

static void what_was_left_unread_is_lost_at_the_end_but_the_end_is_told(void **state)
{
    skt_link ls, link;
    int fd;

    begin(NULL);
    ls = listen_at("0", NULL);
    link = came(ls, &fd);
    h->leave = true;
    put(fd, "no line");
    close(fd);
    UNTIL(told(h, link, SKT_EOF));
    say_close(h, link, 0);
    UNTIL(told(h, link, SKT_CLOSE));
    end();
}

static void a_message_without_an_end_ends_the_link(void **state)
{
    skt_link ls, link;
    size_t sent = 0;
    int fd;

    begin(NULL);
    ls = listen_at("0", NULL);
    link = came(ls, &fd);
    h->leave = true;
    while (!told(h, link, SKT_CLOSE)) {
        ssize_t n = send(fd, pattern() + sent, 30000, MSG_NOSIGNAL);
        sent += n > 0 ? (size_t)n : 0;
        turn();
    }
    assert_int_equal(last(h, link, SKT_CLOSE)->why, -EMSGSIZE);
    assert_non_null(strstr(skt_rt_why(rt, link), "without an end of message"));
    close(fd);
    end();
}

/* Back-pressure: what is held is not read on, and comes again as soon as the engine does anything. */
static void what_is_held_waits_until_the_engine_does_something(void **state)
{
    enum { N = 4 << 20 };
    skt_link ls, link;
    size_t sent = 0;
    int fd, waits = 0, quiet = 0;

    begin(NULL);
    ls = listen_at("0", NULL);
    link = came(ls, &fd);
    h->hold = true;
    while (quiet < 20) { /* as much as the kernel takes */
        ssize_t n = sent < N ? write(fd, pattern() + sent, N - sent) : -1;
        sent += n > 0 ? (size_t)n : 0;
        quiet = n > 0 ? 0 : quiet + 1;
        turn();
    }
    assert_true(stats().bytes_in < 1 << 20);
    assert_int_equal(ioctl(fd, TIOCOUTQ, &waits), 0);
    assert_int_equal(h->got_n, 0);
    h->hold = false;
    h->wake = 0; /* does something */
    while (h->got_n < N) {
        ssize_t n = sent < N ? write(fd, pattern() + sent, N - sent) : 0;
        sent += n > 0 ? (size_t)n : 0;
        turn();
    }
    assert_memory_equal(h->got, pattern(), N);
    assert_int_equal(told(h, link, SKT_CLOSE), 0);
    close(fd);
    end();
}

static void the_end_waits_behind_what_is_held(void **state)
{
    skt_link ls, link;
    int fd;

    begin(NULL);
    ls = listen_at("0", NULL);
    link = came(ls, &fd);
    h->hold = true;
    put(fd, "0123456789");
    close(fd);
    UNTIL(h->offered);
    turns(5);
    assert_int_equal(told(h, link, SKT_EOF), 0);
    h->hold = false;
    h->most = 3; /* some a time, holding the rest */
    h->wake = 0;
    UNTIL(told(h, link, SKT_EOF));
    assert_string_equal(heard(h, link), "0123456789");
    end();
}

static void a_reset_is_told_with_its_reason(void **state)
{
    skt_link ls, link;
    int fd;

    begin(NULL);
    ls = listen_at("0", NULL);
    link = came(ls, &fd);
    reset_close(fd);
    UNTIL(told(h, link, SKT_CLOSE));
    assert_int_equal(last(h, link, SKT_CLOSE)->why, -ECONNRESET);
    assert_int_equal(told(h, link, SKT_EOF), 0);
    end();
}

static void a_reset_while_nothing_is_read_is_told_and_does_not_spin(void **state)
{
    skt_link ls, link;
    int fd;

    begin(&(struct skt_rt_conf){ .queue_bytes = 8 << 20 });
    ls = listen_at("0", NULL);
    link = came(ls, &fd);
    h->hold = true;
    put(fd, "x");
    UNTIL(h->offered);
    say_n(h, link, pattern(), 8 << 20); /* wants to write, so the kernel tells */
    UNTIL(told(h, link, SKT_FULL));
    reset_close(fd);
    UNTIL(told(h, link, SKT_CLOSE));
    assert_true(last(h, link, SKT_CLOSE)->why < 0);
    nothing_after_close(h, link);
    end();
}

static void a_close_sends_first_what_is_queued(void **state)
{
    enum { N = 900 * 1024 };
    skt_link ls, link;
    struct tape t = { 0 };
    int fd;

    begin(NULL);
    ls = listen_at("0", NULL);
    link = came(ls, &fd);
    say_n(h, link, pattern(), N);
    say_close(h, link, 0);
    say(h, link, "after the close"); /* refused */
    turns(2);
    assert_int_equal(stats().stale, 1);
    UNTIL(pull(fd, &t));
    assert_int_equal(t.err, 0);
    tape_is(&t, pattern(), N);
    UNTIL(told(h, link, SKT_CLOSE));
    assert_int_equal(last(h, link, SKT_CLOSE)->why, 0);
    tape_free(&t);
    close(fd);
    end();
}

/* Unread input at close() makes a kernel send RST, which would take the answer away from the peer. */
static void what_the_peer_still_sends_after_our_close_does_not_reset_it(void **state)
{
    skt_link ls, link;
    struct tape t = { 0 };
    int fd;

    begin(NULL);
    ls = listen_at("0", NULL);
    link = came(ls, &fd);
    say(h, link, "bye");
    say_close(h, link, 0);
    UNTIL(told(h, link, SKT_CLOSE));
    for (int i = 0; i < 20; i++) {
        put(fd, "still talking");
        turn();
    }
    UNTIL(pull(fd, &t));
    assert_int_equal(t.err, 0);
    tape_is(&t, "bye", 3);
    assert_int_equal(stats().links, 2); /* lingers */
    close(fd);
    UNTIL(stats().links == 1);
    nothing_after_close(h, link);
    tape_free(&t);
    end();
}

static void lingering_ends_after_two_seconds(void **state)
{
    skt_link ls, link;
    int fd;

    begin(NULL);
    ls = listen_at("0", NULL);
    link = came(ls, &fd);
    say_close(h, link, 0);
    UNTIL(told(h, link, SKT_CLOSE));
    turns(3);
    assert_int_equal(stats().links, 2);
    shift += 3 * SKT_SEC;
    turns(3);
    assert_int_equal(stats().links, 1);
    close(fd);
    end();
}

static void lingering_ends_after_a_mebibyte(void **state)
{
    skt_link ls, link;
    int fd;

    begin(NULL);
    ls = listen_at("0", NULL);
    link = came(ls, &fd);
    say_close(h, link, 0);
    UNTIL(told(h, link, SKT_CLOSE));
    while (stats().links == 2) {
        (void)!send(fd, pattern(), 65536, MSG_NOSIGNAL);
        turn();
    }
    close(fd);
    end();
}

static void a_close_to_a_peer_that_does_not_read_ends_after_half_a_minute(void **state)
{
    skt_link ls, link;
    int fd;

    begin(&(struct skt_rt_conf){ .queue_bytes = 8 << 20 });
    ls = listen_at("0", NULL);
    link = came(ls, &fd);
    say_n(h, link, pattern(), 8 << 20);
    say_close(h, link, 0);
    turns(10);
    assert_int_equal(told(h, link, SKT_CLOSE), 0);
    shift += 31 * SKT_SEC;
    turns(3);
    assert_int_equal(last(h, link, SKT_CLOSE)->why, -ETIMEDOUT);
    close(fd);
    end();
}

static void an_abort_resets(void **state)
{
    skt_link ls, link;
    struct tape t = { 0 };
    int fd;

    begin(NULL);
    ls = listen_at("0", NULL);
    link = came(ls, &fd);
    say_close(h, link, -EPROTO);
    UNTIL(pull(fd, &t));
    assert_int_equal(t.err, ECONNRESET);
    assert_int_equal(last(h, link, SKT_CLOSE)->why, -EPROTO);
    tape_free(&t);
    close(fd);
    end();
}

static void silence_ends_a_link_and_talk_does_not(void **state)
{
    skt_link ls, quiet, busy;
    int fd[2];

    begin(NULL);
    ls = listen_at("0", &(struct skt_listen_conf){ .idle = 10 * SKT_SEC });
    quiet = came(ls, &fd[0]);
    busy = came(ls, &fd[1]);
    for (int i = 0; i < 3; i++) {
        shift += 4 * SKT_SEC;
        if (i & 1)
            say(h, busy, "x");
        else
            put(fd[1], "x");
        turns(3);
    }
    assert_int_equal(told(h, quiet, SKT_CLOSE), 1);
    assert_int_equal(last(h, quiet, SKT_CLOSE)->why, -ETIMEDOUT);
    assert_non_null(strstr(skt_rt_why(rt, quiet), "silent for too long"));
    assert_int_equal(stats().dropped_idle, 1);
    assert_int_equal(told(h, busy, SKT_CLOSE), 0);
    shift += 11 * SKT_SEC;
    turns(3);
    assert_int_equal(told(h, busy, SKT_CLOSE), 1);
    close(fd[0]);
    close(fd[1]);
    end();
}

/* Nothing happens for more than a second: the turn sleeps, and wakes for this. */
static void a_sleep_is_over_when_a_patience_is(void **state)
{
    skt_link ls, link;
    int fd;

    begin(NULL);
    ls = listen_at("0", &(struct skt_listen_conf){ .idle = 1200 * SKT_MS });
    link = came(ls, &fd);
    skt_time since = skt_rt_now(rt);
    for (int i = 0; i < 10 && !told(h, link, SKT_CLOSE); i++)
        assert_int_equal(skt_rt_step(rt), 1);
    assert_int_equal(told(h, link, SKT_CLOSE), 1);
    assert_true(skt_rt_now(rt) - since >= 1100 * SKT_MS);
    close(fd);
    end();
}

static void a_long_patience_is_not_a_short_one(void **state)
{
    skt_link ls, link;
    int fd;

    begin(NULL);
    ls = listen_at("0", &(struct skt_listen_conf){ .idle = 4294967297LL * SKT_MS }); /* 50 days: 2^32 ms and one */
    link = came(ls, &fd);
    shift += SKT_SEC;
    turns(3);
    assert_int_equal(told(h, link, SKT_CLOSE), 0);
    close(fd);
    end();
}

/* The peer resets with our answer under way; the engine, asked to close after it, must not wait for ever. */
static void a_close_of_a_broken_link_is_told(void **state)
{
    skt_link ls, link;
    int fd;

    begin(NULL);
    ls = listen_at("0", NULL);
    link = came(ls, &fd);
    h->most = 1;
    put(fd, "held back");
    UNTIL(h->got_n);
    reset_close(fd);
    say(h, link, "into the void");
    say_close(h, link, 0);
    UNTIL(told(h, link, SKT_CLOSE));
    UNTIL(stats().links == 1);
    nothing_after_close(h, link);
    end();
}

static void many_small_writes_become_few(void **state)
{
    static char text[8000];
    skt_link ls, link;
    struct tape t = { 0 };
    int fd;

    begin(NULL);
    ls = listen_at("0", NULL);
    link = came(ls, &fd);
    for (int i = 0; i < 100; i++) {
        memset(text + 80 * i, 'a' + i % 26, 80);
        say_n(h, link, text + 80 * i, 80);
    }
    turn();
    assert_true(pulled(fd, &t, sizeof text)); /* all in the one turn */
    tape_is(&t, text, sizeof text);
    tape_free(&t);
    close(fd);
    end();
}

static void shared_bytes_go_out_and_are_let_go_of(void **state)
{
    skt_link ls, link[3], also[3];
    int fd[3];
    struct skt_buf *buf = skt_buf_new(100000);

    begin(NULL);
    ls = listen_at("0", NULL);
    memcpy(buf->data, pattern(), buf->size);
    for (int i = 0; i < 3; i++)
        link[i] = came(ls, &fd[i]);
    also[0] = link[1];
    also[1] = ls + (1 << SKT_LINK_BITS); /* stale: the others get it all the same */
    also[2] = link[2];
    ask(h, (struct skt_out){ .link = link[0],
               .kind = SKT_SHARE,
               .buf = skt_buf_ref(buf),
               .share = skt_span_of(buf->data, buf->size),
               .also = also,
               .also_n = 3 });
    for (int i = 0; i < 3; i++) {
        struct tape t = { 0 };
        UNTIL(pulled(fd[i], &t, buf->size));
        tape_is(&t, buf->data, buf->size);
        tape_free(&t);
        close(fd[i]);
    }
    assert_int_equal(stats().stale, 1);
    assert_int_equal(buf->refs, 1);
    skt_buf_put(buf);
    end();
}

RUN(T(bytes_come_and_go_in_order), T(an_end_is_told_once_and_the_answer_may_come_after_it),
    T(after_our_end_the_peer_may_go_on), T(a_socket_that_takes_no_more_is_told_and_so_is_room),
    T(above_the_cap_of_its_queue_a_link_is_closed), T(what_is_left_unread_comes_again_with_what_follows),
    T(what_was_left_unread_is_lost_at_the_end_but_the_end_is_told), T(a_message_without_an_end_ends_the_link),
    T(what_is_held_waits_until_the_engine_does_something), T(the_end_waits_behind_what_is_held),
    T(a_reset_is_told_with_its_reason), T(a_reset_while_nothing_is_read_is_told_and_does_not_spin),
    T(a_close_sends_first_what_is_queued), T(what_the_peer_still_sends_after_our_close_does_not_reset_it),
    T(lingering_ends_after_two_seconds), T(lingering_ends_after_a_mebibyte),
    T(a_close_to_a_peer_that_does_not_read_ends_after_half_a_minute), T(an_abort_resets),
    T(silence_ends_a_link_and_talk_does_not), T(a_sleep_is_over_when_a_patience_is),
    T(a_long_patience_is_not_a_short_one), T(a_close_of_a_broken_link_is_told), T(many_small_writes_become_few),
    T(shared_bytes_go_out_and_are_let_go_of))
