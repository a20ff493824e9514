/* drive/net/net.c: the sockets of the façade as such: time, options, names, poll, stop, show. */
#include "netpair.h"

#include "failing.h"

#include "../../src/drive/net/net.c" /* its allocations fail when we say so */

#include <fcntl.h>
#include <signal.h>
#include <sys/time.h>

static void a_deadline_is_a_moment_from_now(void **state)
{
    skt_time before = skt_now(), then = skt_in(5 * SKT_SEC);

    assert_in_range(then - before, 5 * SKT_SEC, 6 * SKT_SEC);
    assert_true(skt_in(SKT_NEVER) == SKT_NEVER);
    assert_true(skt_in(SKT_NEVER - 1) == SKT_NEVER); /* no wrap into the past */
    assert_true(skt_in(-SKT_SEC) < before);
}

static void options_are_set_and_read_back(void **state)
{
    static const enum skt_option plain[] = { SKT_SO_NODELAY, SKT_SO_KEEPALIVE, SKT_SO_BROADCAST };
    struct pair p = pair_on("0");
    int64_t value;

    for (int i = 0; i < 3; i++) { /* on for TCP at both ends, but broadcast, which has no meaning there */
        assert_int_equal(skt_sock_get(p.client, plain[i], &value), 0);
        assert_int_equal(value, i < 2);
        assert_int_equal(skt_sock_get(p.server, plain[i], &value), 0);
        assert_int_equal(value, i < 2);
        assert_int_equal(skt_sock_set(p.client, plain[i], i == 2), 0);
        assert_int_equal(skt_sock_get(p.client, plain[i], &value), 0);
        assert_int_equal(value, i == 2);
    }
    assert_int_equal(skt_sock_set(p.client, SKT_SO_SEND_BUFFER, 65536), 0);
    assert_int_equal(skt_sock_get(p.client, SKT_SO_SEND_BUFFER, &value), 0);
    assert_int_equal(value, 2 * 65536); /* socket(7): the kernel doubles it, for itself */
    assert_int_equal(skt_sock_set(p.client, SKT_SO_RECV_BUFFER, 65536), 0);
    assert_int_equal(skt_sock_set(p.client, SKT_SO_TTL, 7), 0);
    assert_int_equal(skt_sock_get(p.client, SKT_SO_TTL, &value), 0);
    assert_int_equal(value, 7);
    pair_close(&p);
}

static void a_value_out_of_range_is_refused(void **state)
{
    struct skt_sock *s = bound("0");
    int64_t value;

    assert_int_equal(skt_sock_set(s, SKT_SO_LINE_MAX, 0), -EINVAL);
    assert_int_equal(skt_sock_set(s, SKT_SO_LINE_MAX, 1024 * 1024 + 1), -EINVAL);
    assert_int_equal(skt_sock_set(s, SKT_SO_PAUSE, -1), -EINVAL);
    assert_int_equal(skt_sock_set(s, SKT_SO_TTL, -1), -EINVAL);
    assert_int_equal(skt_sock_set(s, SKT_SO_SEND_BUFFER, (int64_t)1 << 40), -EINVAL);
    assert_int_equal(skt_sock_get(s, SKT_SO_LINE_MAX, &value), 0);
    assert_int_equal(value, 64 * 1024);
    skt_sock_close(s);
}

static void the_hops_of_ip6_are_its_own_option(void **state)
{
    struct skt_sock *s = NULL;
    int64_t value = 0;

    if (skt_bind("[::1]:0", NULL, SOON, &s, NULL))
        skip();
    assert_int_equal(skt_sock_set(s, SKT_SO_TTL, 9), 0);
    assert_int_equal(skt_sock_get(s, SKT_SO_TTL, &value), 0);
    assert_int_equal(value, 9);
    skt_sock_close(s);
}

static void an_abstract_name_is_shown_escaped(void **state)
{
    const char *name = own("unix:");
    char where[80], want[80];
    struct skt_sock *s;

    snprintf(where, sizeof where, "%s\x1b[2J", name);
    snprintf(want, sizeof want, "%s\\x1b[2J", name);
    s = bound(where);
    assert_string_equal(skt_sock_local(s), want);
    skt_sock_close(s);
}

static void close_takes_null(void **state) { skt_sock_close(NULL); }

/* Descriptors that are open in this process. */
static int open_fds(void)
{
    int n = 0;

    for (int fd = 0; fd < 1024; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

static void without_memory_there_is_no_socket_and_no_leak(void **state)
{
    struct skt_sock *l = bound("0"), *client, *s = NULL;
    const char *unix_where = own("unix:");
    struct skt_err err;
    int before;

    client = dialled(skt_sock_local(l));
    before = open_fds();
    allocations_left = 0;
    assert_int_equal(skt_accept(l, SOON, &s), -ENOMEM);
    failed_at(skt_sock_err(l), SKT_AT_LIMIT, ENOMEM);
    assert_int_equal(skt_dial(skt_sock_local(l), NULL, SOON, &s, &err), -ENOMEM);
    failed_at(&err, SKT_AT_LIMIT, ENOMEM);
    assert_int_equal(skt_bind("0", NULL, SOON, &s, &err), -ENOMEM);
    failed_at(&err, SKT_AT_LIMIT, ENOMEM);
    assert_int_equal(skt_bind(unix_where, NULL, SOON, &s, &err), -ENOMEM);
    allocations_left = -1;
    assert_null(s);
    assert_int_equal(open_fds(), before);
    skt_sock_close(client);
    skt_sock_close(l);
}

/* ---- poll ---- */

static void poll_names_the_first_that_would_not_wait(void **state)
{
    struct pair p = pair_on("0");
    struct skt_sock *socks[] = { p.listener, p.server, p.client }, *late;
    struct stopwatch w = start_watch();
    struct skt_span got;
    size_t i = 9;

    assert_int_equal(skt_poll(socks, 3, skt_in(100 * SKT_MS), &i), -ETIMEDOUT);
    took(w, 100 * SKT_MS);
    assert_int_equal(i, 9);
    assert_int_equal(skt_send_all(p.client, skt_span_str("one\ntwo\n"), SOON), 0);
    assert_int_equal(skt_poll(socks, 3, SOON, &i), 0);
    assert_int_equal(i, 1);
    assert_int_equal(skt_recv_line(p.server, &got, SOON), 1);
    assert_int_equal(skt_poll(socks, 3, SOON, &i), 0); /* the second line is no longer in the kernel */
    assert_int_equal(i, 1);
    late = dialled(skt_sock_local(p.listener));
    assert_int_equal(skt_recv_line(p.server, &got, SOON), 1);
    assert_int_equal(skt_poll(socks, 3, SOON, &i), 0);
    assert_int_equal(i, 0);
    assert_int_equal(skt_poll(socks, 0, SOON, &i), -EINVAL);
    skt_sock_close(late);
    pair_close(&p);
}

/* ---- stop ---- */

static void *stop_later(void *arg)
{
    usleep(50000);
    skt_sock_stop(arg);
    return NULL;
}

static pthread_t stopping(struct skt_sock *s)
{
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, stop_later, s), 0);
    return thread;
}

static void stop_ends_every_wait_for_good(void **state)
{
    struct pair p = pair_on("0");
    struct skt_sock *udp = bound("udp:0"), *gram = bound(own("unixgram:")), *s = NULL;
    struct skt_sock *unix_listener = bound(own("unix:"));
    struct skt_addr from;
    struct skt_span got;

    for (int again = 0; again < 2; again++) { /* the second time it has been stopped before */
        pthread_t t[5] = { stopping(p.listener), stopping(udp), stopping(gram), stopping(p.client),
            stopping(unix_listener) };

        assert_int_equal(skt_accept(p.listener, SOON, &s), -ECANCELED);
        assert_int_equal(skt_accept(unix_listener, SOON, &s), -ECANCELED);
        assert_int_equal(skt_recvfrom(udp, &got, &from, SOON), -ECANCELED);
        assert_int_equal(skt_recvfrom(gram, &got, &from, SOON), -ECANCELED);
        assert_int_equal(skt_recv(p.client, &got, SOON), -ECANCELED);
        assert_int_equal(skt_send_all(p.client, skt_span_str("x"), SOON), -ECANCELED);
        for (int i = 0; i < 5; i++)
            pthread_join(t[i], NULL);
    }
    skt_sock_close(udp);
    skt_sock_close(gram);
    skt_sock_close(unix_listener);
    pair_close(&p);
}

static struct skt_sock *victim;

static void stop_it(int signal) { skt_sock_stop(victim); }

static void stop_is_for_signal_handlers_too(void **state)
{
    const struct itimerval once = { { 0, 0 }, { 0, 50000 } };
    struct sigaction act = { .sa_handler = stop_it }, was;
    struct skt_sock *s = NULL;

    victim = bound("0");
    sigaction(SIGALRM, &act, &was);
    setitimer(ITIMER_REAL, &once, NULL);
    assert_int_equal(skt_accept(victim, SOON, &s), -ECANCELED);
    sigaction(SIGALRM, &was, NULL);
    skt_sock_close(victim);
}

/* ---- show ---- */

static void shows(struct skt_span bytes, const char *want)
{
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);

    skt_show(f, bytes);
    fclose(f);
    assert_string_equal(text, want);
    free(text);
}

static void what_a_stranger_says_cannot_command_the_terminal(void **state)
{
    shows(skt_span_str("h\xc3\xa9llo\n\tworld\n"), "h\xc3\xa9llo\n\tworld\n");
    shows(skt_span_str("\x1b]0;owned\x07"), "\\x1b]0;owned\\x07");
    shows(skt_span_str("a\rb\xff"), "a\\x0db\\xff");
    shows(skt_span_of(NULL, 0), "");
}

static void long_text_is_shown_whole_wherever_its_characters_lie(void **state)
{
    char text[1000], want[1000];

    for (size_t shift = 0; shift < 3; shift++) {
        size_t n = shift;

        memset(text, 'a', sizeof text);
        for (; n + 4 < sizeof text; n += 3)
            memcpy(text + n, "\xe2\x82\xac", 3);
        text[n] = 0;
        memcpy(want, text, sizeof text);
        shows(skt_span_str(text), want);
    }
}

RUN(T(a_deadline_is_a_moment_from_now), T(options_are_set_and_read_back), T(a_value_out_of_range_is_refused),
    T(the_hops_of_ip6_are_its_own_option), T(an_abstract_name_is_shown_escaped), T(close_takes_null),
    T(without_memory_there_is_no_socket_and_no_leak), T(poll_names_the_first_that_would_not_wait),
    T(stop_ends_every_wait_for_good), T(stop_is_for_signal_handlers_too),
    T(what_a_stranger_says_cannot_command_the_terminal), T(long_text_is_shown_whole_wherever_its_characters_lie))
