/* drive/rt/tlslink.c and move.c: bytes that nobody looks at, from and to a link behind TLS. */
#include "rttls.h"

enum { N = 2 << 20 };

static int last_why(skt_link to) { return told(h, to, SKT_MOVE) ? last(h, to, SKT_MOVE)->why : 0; }

/* a speaks TLS, b does not. */
struct two {
    skt_link a, b;
    struct talker p;
    int fd;
    struct tape t;
};

static struct two *two(void)
{
    static struct two w;
    skt_link ls, plain;

    begin(NULL);
    w = (struct two){ 0 };
    ls = listen_at("0", secure());
    plain = listen_at("0", NULL);
    w.a = came_by_tls(ls, &w.p);
    w.b = came(plain, &w.fd);
    return &w;
}

static void two_end(struct two *w)
{
    nothing_after_close(h, w->a);
    nothing_after_close(h, w->b);
    talker_done(&w->p);
    tape_free(&w->t);
    if (w->fd >= 0)
        close(w->fd);
    end();
}

static void from_tls_to_a_socket_until_the_end(void **state)
{
    struct two *w = two();

    say_move(h, w->a, w->b, UINT64_MAX);
    for (size_t at = 0; at < N; at += 65536) {
        talker_says(&w->p, pattern() + at, 65536);
        turn();
        (void)pull(w->fd, &w->t);
    }
    assert_int_equal(skt_tls_shut(w->p.s), 0);
    UNTIL((talks(&w->p), pull(w->fd, &w->t), last_why(w->b) == 1));
    UNTIL(pulled(w->fd, &w->t, N));
    tape_is(&w->t, pattern(), N);
    assert_int_equal(moved(h, w->b), N);
    assert_int_equal(told(h, w->a, SKT_DATA) + told(h, w->a, SKT_EOF), 0);
    say(h, w->b, "after");
    UNTIL(pulled(w->fd, &w->t, N + 5));
    two_end(w);
}

static void from_a_socket_to_tls_until_the_end(void **state)
{
    struct two *w = two();
    size_t sent = 0;

    say_move(h, w->b, w->a, UINT64_MAX);
    while (sent < N) {
        ssize_t r = write(w->fd, pattern() + sent, N - sent);
        sent += r > 0 ? (size_t)r : 0;
        turn();
        (void)talks(&w->p);
    }
    shutdown(w->fd, SHUT_WR);
    UNTIL(talks(&w->p) && last_why(w->a) == 1 && w->p.plain.n == N);
    tape_is(&w->p.plain, pattern(), N);
    assert_int_equal(moved(h, w->a), N);
    say_close(h, w->a, 0);
    UNTIL((talks(&w->p), w->p.error == SKT_TLS_END));
    two_end(w);
}

/* What the session has deciphered already, or could, is not forgotten when the move is done. */
static void a_length_is_kept_to_the_byte_and_the_rest_is_told(void **state)
{
    for (size_t len = 1000; len <= 5000; len += 500) {
        struct two *w = two();

        for (size_t at = 0; at < 5000; at += 1000) /* five records, of which one ends where the move may end */
            talker_says(&w->p, pattern() + at, 1000);
        say_move(h, w->a, w->b, len);
        UNTIL(moved(h, w->b) == len && h->got_n == 5000 - len);
        assert_int_equal(last_why(w->b), 0);
        UNTIL(pulled(w->fd, &w->t, len));
        turns(3);
        (void)pull(w->fd, &w->t);
        tape_is(&w->t, pattern(), len);
        assert_int_equal(heard_pattern(w->a, len), 5000 - len);
        two_end(w);
    }
}

/* The same where more came than is deciphered at once. */
static void a_length_may_end_where_a_step_of_deciphering_does(void **state)
{
    struct two *w = two();

    h->hold = true; /* so that cipher text waits in the session and in the socket */
    talker_says(&w->p, pattern(), 300000);
    UNTIL(h->offered);
    turns(5);
    say_move(h, w->a, w->b, READ_MAX);
    h->hold = false;
    UNTIL((talks(&w->p), pull(w->fd, &w->t), moved(h, w->b) + h->got_n == 300000));
    assert_int_equal(moved(h, w->b), READ_MAX);
    tape_is(&w->t, pattern(), READ_MAX);
    assert_int_equal(heard_pattern(w->a, READ_MAX), 300000 - READ_MAX);
    two_end(w);
}

static void what_was_read_already_goes_first_and_counts(void **state)
{
    struct two *w = two();

    h->hold = true;
    talker_says(&w->p, "0123456789", 10);
    UNTIL(h->offered);
    turns(2);
    say_move(h, w->a, w->b, UINT64_MAX);
    talker_says(&w->p, "abc", 3);
    UNTIL(pulled(w->fd, &w->t, 13));
    assert_int_equal(skt_tls_shut(w->p.s), 0);
    UNTIL((talks(&w->p), last_why(w->b) == 1));
    tape_is(&w->t, "0123456789abc", 13);
    assert_int_equal(moved(h, w->b), 13);
    two_end(w);
}

static size_t says_some(struct two *w, size_t sent)
{
    struct skt_span plain = skt_span_of(pattern() + sent % N, N - sent % N);
    size_t asked = skt_len(plain);

    assert_int_equal(skt_tls_write(w->p.s, &plain), 0);
    talker_send(&w->p);
    turn();
    return asked - skt_len(plain);
}

static void a_target_that_does_not_read_makes_the_source_wait(void **state)
{
    struct two *w = two();
    size_t sent = 0;

    say_move(h, w->a, w->b, UINT64_MAX);
    for (int quiet = 0; quiet < 30;) {
        size_t some = says_some(w, sent);
        sent += some;
        quiet = some ? 0 : quiet + 1;
        assert_true(sent < 200u << 20);
    }
    assert_true(told(h, w->b, SKT_FULL) > told(h, w->b, SKT_ROOM));
    assert_true(moved(h, w->b) < sent);
    while (w->t.n < sent) {
        talker_send(&w->p);
        turn();
        (void)pull(w->fd, &w->t);
    }
    UNTIL(told(h, w->b, SKT_FULL) == told(h, w->b, SKT_ROOM));
    assert_int_equal(w->t.n, sent);
    for (size_t at = 0; at < sent; at += N)
        assert_memory_equal(w->t.p + at, pattern(), sent - at < N ? sent - at : N);
    assert_int_equal(moved(h, w->b), sent);
    two_end(w);
}

static void a_source_that_is_cut_ends_the_move_with_an_error(void **state)
{
    struct two *w = two();

    say_move(h, w->a, w->b, UINT64_MAX);
    talker_says(&w->p, "half a ", 7);
    UNTIL(moved(h, w->b) == 7);
    close(w->p.fd);
    w->p.fd = -1;
    UNTIL(told(h, w->a, SKT_CLOSE));
    assert_int_equal(last_why(w->b), SKT_TLS_CUT);
    assert_int_equal(last(h, w->a, SKT_CLOSE)->why, SKT_TLS_CUT);
    say(h, w->b, "after"); /* the target lives */
    UNTIL(pulled(w->fd, &w->t, 12));
    tape_is(&w->t, "half a after", 12);
    two_end(w);
}

static void a_target_that_resets_is_told_and_the_source_lives(void **state)
{
    struct two *w = two();

    say_move(h, w->a, w->b, UINT64_MAX);
    talker_says(&w->p, "x", 1);
    UNTIL(moved(h, w->b) == 1);
    reset_close(w->fd);
    w->fd = -1;
    UNTIL((talker_says(&w->p, "y", 1), told(h, w->b, SKT_CLOSE)));
    assert_true(last(h, w->b, SKT_CLOSE)->why < 0);
    h->got_n = 0;
    talker_says(&w->p, "z", 1);
    UNTIL(h->got_n && h->got[h->got_n - 1] == 'z');
    say(h, w->a, "still here");
    UNTIL(talks(&w->p) && w->p.plain.n == 10);
    two_end(w);
}

static void the_engine_may_close_the_target_meanwhile(void **state)
{
    struct two *w = two();

    say_move(h, w->a, w->b, UINT64_MAX);
    talker_says(&w->p, "moved", 5);
    UNTIL(moved(h, w->b) == 5);
    say_close(h, w->b, 0);
    UNTIL((pull(w->fd, &w->t), w->t.over));
    close(w->fd);
    w->fd = -1;
    talker_says(&w->p, "told", 4);
    UNTIL(told(h, w->b, SKT_CLOSE) && !strcmp(heard(h, w->a), "told"));
    two_end(w);
}

static void between_two_that_speak_tls(void **state)
{
    struct talker p[2];
    skt_link ls, link[2];

    begin(NULL);
    ls = listen_at("0", secure());
    for (int i = 0; i < 2; i++)
        link[i] = came_by_tls(ls, &p[i]);
    say_move(h, link[0], link[1], UINT64_MAX);
    say_move(h, link[1], link[0], UINT64_MAX);
    for (size_t at = 0; at < N; at += 65536) {
        for (int i = 0; i < 2; i++)
            talker_says(&p[i], pattern() + at, 65536);
        UNTIL(talks(&p[0]) && talks(&p[1]) && p[0].plain.n == at + 65536 && p[1].plain.n == at + 65536);
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(skt_tls_shut(p[i].s), 0);
        talker_send(&p[i]);
        UNTIL(last_why(link[!i]) == 1);
        assert_int_equal(moved(h, link[!i]), N);
        tape_is(&p[i].plain, pattern(), N);
        talker_done(&p[i]);
    }
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(from_tls_to_a_socket_until_the_end),
        T(from_a_socket_to_tls_until_the_end),
        T(a_length_is_kept_to_the_byte_and_the_rest_is_told),
        T(a_length_may_end_where_a_step_of_deciphering_does),
        T(what_was_read_already_goes_first_and_counts),
        T(a_target_that_does_not_read_makes_the_source_wait),
        T(a_source_that_is_cut_ends_the_move_with_an_error),
        T(a_target_that_resets_is_told_and_the_source_lives),
        T(the_engine_may_close_the_target_meanwhile),
        T(between_two_that_speak_tls),
    };

    return cmocka_run_group_tests(tests, start_all, end_all);
}
