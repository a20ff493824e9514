/* drive/net/bind.c: listeners and bound datagram sockets. */
#include "netpair.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

static const char *port_text(const struct skt_sock *s) { return strrchr(skt_sock_local(s), ':') + 1; }

static void without_a_host_only_this_machine_hears_it(void **state)
{
    struct skt_sock *s = bound("0"), *u = bound("udp:0"), *all = bound("*:0");

    assert_memory_equal(skt_sock_local(s), "127.0.0.1:", 10);
    assert_memory_equal(skt_sock_local(u), "127.0.0.1:", 10);
    assert_memory_equal(skt_sock_local(all), "0.0.0.0:", 8);
    assert_string_equal(skt_sock_peer(s), "");
    skt_sock_close(s);
    skt_sock_close(u);
    skt_sock_close(all);
}

static void a_name_binds_to_ip4_first(void **state)
{
    struct skt_sock *s = bound("localhost:0");

    assert_memory_equal(skt_sock_local(s), "127.0.0.1:", 10);
    skt_sock_close(s);
}

/* One port, two sockets: IPv6 leaves IPv4 alone, unless it was asked to take both. */
static void ip6_takes_ip4_only_when_asked(void **state)
{
    struct skt_bind_conf dual = { .dual = true };
    struct skt_sock *six = NULL, *four, *both = NULL;
    char where[64];
    struct skt_err err;

    if (skt_bind("[::]:0", NULL, SOON, &six, NULL))
        skip();
    snprintf(where, sizeof where, "*:%s", port_text(six));
    four = bound(where);
    skt_sock_close(four);
    skt_sock_close(six);

    assert_int_equal(skt_bind("*:0", &dual, SOON, &both, &err), 0);
    snprintf(where, sizeof where, "127.0.0.1:%s", port_text(both));
    four = dialled(where);
    assert_int_equal(skt_accept(both, SOON, &six), 0);
    assert_non_null(strstr(skt_sock_peer(six), "127.0.0.1"));
    skt_sock_close(four);
    skt_sock_close(six);
    skt_sock_close(both);
}

static void a_taken_port_is_told(void **state)
{
    struct skt_sock *s = bound("0"), *second = NULL;
    struct skt_err err;

    assert_int_equal(skt_bind(skt_sock_local(s), NULL, SOON, &second, &err), -EADDRINUSE);
    failed_at(&err, SKT_AT_BIND, EADDRINUSE);
    assert_null(second);
    assert_non_null(strstr(err.text, skt_sock_local(s)));
    skt_sock_close(s);
}

static void two_udp_sockets_do_not_share_a_port(void **state)
{
    struct skt_sock *s = bound("udp:0"), *second = NULL;
    char where[64];

    snprintf(where, sizeof where, "udp:%s", skt_sock_local(s));
    assert_int_equal(skt_bind(where, NULL, SOON, &second, NULL), -EADDRINUSE);
    skt_sock_close(s);
}

/* The last connections of a server stay in TIME_WAIT; SO_REUSEADDR is what lets it start again at once. */
static void a_server_starts_again_at_once(void **state)
{
    struct skt_bind_conf careful = { .no_reuse = true };
    struct pair p = pair_on("0");
    char where[64];
    struct skt_span end;
    struct skt_sock *again = NULL;

    snprintf(where, sizeof where, "%s", skt_sock_local(p.listener));
    skt_sock_close(p.server); /* who closes first has the TIME_WAIT */
    assert_int_equal(skt_recv(p.client, &end, SOON), 0);
    skt_sock_close(p.client);
    skt_sock_close(p.listener);
    assert_int_equal(skt_bind(where, &careful, SOON, &again, NULL), -EADDRINUSE);
    again = bound(where);
    skt_sock_close(again);
}

static void accept_waits_until_the_deadline(void **state)
{
    struct skt_sock *l = bound("0"), *s = NULL;
    struct stopwatch w = start_watch();

    assert_int_equal(skt_accept(l, skt_in(200 * SKT_MS), &s), -ETIMEDOUT);
    took(w, 200 * SKT_MS);
    failed_at(skt_sock_err(l), SKT_AT_ACCEPT, ETIMEDOUT);
    assert_int_equal(skt_accept(l, 0, &s), -ETIMEDOUT);
    assert_null(s);
    skt_sock_close(l);
}

static void only_a_listener_accepts(void **state)
{
    struct pair p = pair_on("0");
    struct skt_sock *s = NULL;

    assert_int_equal(skt_accept(p.client, SOON, &s), -EINVAL);
    assert_null(s);
    pair_close(&p);
}

static void both_ends_agree_on_their_names(void **state)
{
    static const char *const where[] = { "127.0.0.1:0", "[::1]:0" };

    for (int i = 0; i < 2; i++) {
        struct skt_sock *l = NULL, *a, *b = NULL;

        if (skt_bind(where[i], NULL, SOON, &l, NULL))
            continue; /* a machine without IPv6 */
        a = dialled(skt_sock_local(l));
        assert_int_equal(skt_accept(l, SOON, &b), 0);
        assert_string_equal(skt_sock_local(a), skt_sock_peer(b));
        assert_string_equal(skt_sock_peer(a), skt_sock_local(b));
        skt_sock_close(a);
        skt_sock_close(b);
        skt_sock_close(l);
    }
}

/* Without a spare descriptor the listener would stay readable, and a server's loop would spin. */
static void without_descriptors_the_peer_is_turned_away(void **state)
{
    struct skt_sock *l = bound("0"), *client = dialled(skt_sock_local(l)), *s = NULL;
    struct rlimit was, now;
    struct skt_span got;
    int highest = open("/dev/null", O_RDONLY | O_CLOEXEC);

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
    now = was;
    now.rlim_cur = (rlim_t)highest;
    close(highest);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &now), 0);
    assert_int_equal(skt_accept(l, SOON, &s), -EMFILE);
    assert_int_equal(skt_accept(l, 0, &s), -ETIMEDOUT); /* nobody waits any more */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
    assert_true(skt_recv(client, &got, SOON) <= 0);
    skt_sock_close(client);
    client = dialled(skt_sock_local(l));
    assert_int_equal(skt_accept(l, SOON, &s), 0);
    skt_sock_close(client);
    skt_sock_close(s);
    skt_sock_close(l);
}

/* ---- Unix ---- */

static void unix_where(char where[64], const char *scheme)
{
    char dir[] = "/tmp/sockit-unit-XXXXXX";

    assert_non_null(mkdtemp(dir));
    snprintf(where, 64, "%s%s/s", scheme, dir);
}

static void remove_dir(const char *where)
{
    char dir[64];

    snprintf(dir, sizeof dir, "%s", strchr(where, '/'));
    *strrchr(dir, '/') = 0;
    assert_int_equal(rmdir(dir), 0); /* and it is empty */
}

static void a_unix_path_lives_as_long_as_its_listener(void **state)
{
    char where[64];
    struct pair p;

    unix_where(where, "unix:");
    p = pair_on(where);
    assert_string_equal(skt_sock_local(p.server), where);
    assert_string_equal(skt_sock_peer(p.client), where);
    assert_int_equal(skt_send_all(p.client, skt_span_str("x"), SOON), 0);
    pair_close(&p);
    remove_dir(where);
}

static void a_unix_path_in_use_is_left_alone_and_a_dead_one_replaced(void **state)
{
    char where[64], aside[80];
    struct skt_sock *l, *second = NULL;
    struct skt_err err;
    const char *path = where + 5;

    unix_where(where, "unix:");
    l = bound(where);
    assert_int_equal(skt_bind(where, NULL, SOON, &second, &err), -EADDRINUSE);
    failed_at(&err, SKT_AT_BIND, EADDRINUSE);

    snprintf(aside, sizeof aside, "%s-", path);
    assert_int_equal(rename(path, aside), 0); /* hide it from close: a server that was killed leaves its path */
    skt_sock_close(l);
    assert_int_equal(rename(aside, path), 0);
    l = bound(where);
    skt_sock_close(l);
    remove_dir(where);
}

static void a_file_is_never_replaced_by_a_socket(void **state)
{
    char where[64];
    struct skt_sock *s = NULL;
    struct stat st;

    unix_where(where, "unix:");
    close(open(where + 5, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    assert_int_equal(skt_bind(where, NULL, SOON, &s, NULL), -EADDRINUSE);
    assert_int_equal(stat(where + 5, &st), 0);
    assert_true(S_ISREG(st.st_mode));
    assert_int_equal(unlink(where + 5), 0);
    remove_dir(where);
}

static void unix_datagrams_are_answered(void **state)
{
    char where[64], to[64];
    struct skt_sock *server, *client;
    struct skt_span got;
    struct skt_addr from;

    unix_where(where, "unixgram:");
    snprintf(to, sizeof to, "unix:%s", strchr(where, '/'));
    server = bound(where);
    assert_string_equal(skt_sock_local(server), to);
    client = dialled(where);
    assert_int_equal(skt_send_all(client, skt_span_str("ping"), SOON), 0);
    assert_int_equal(skt_recvfrom(server, &got, &from, SOON), 1);
    assert_true(skt_span_is(got, "ping"));
    assert_string_equal(skt_sock_name(server, &from), skt_sock_local(client));
    assert_int_equal(skt_sendto(server, skt_span_str("pong"), &from, SOON), 0);
    assert_int_equal(skt_recv(client, &got, SOON), 1);
    assert_true(skt_span_is(got, "pong"));
    skt_sock_close(client);
    skt_sock_close(server);
    remove_dir(where);
}

static void unix_senders_are_known_until_64_others_were_heard(void **state)
{
    struct skt_addr first, from;
    struct skt_span got;
    const char *where = own("unixgram:");
    struct skt_sock *server = bound(where);

    for (int i = 0; i < 65; i++) {
        struct skt_sock *client = dialled(where);

        for (int again = 0; again < 2; again++) { /* who speaks twice takes one place */
            assert_int_equal(skt_send_all(client, skt_span_str("x"), SOON), 0);
            assert_int_equal(skt_recvfrom(server, &got, i ? &from : &first, SOON), 1);
        }
        if (i == 63) /* gone, but known */
            assert_int_equal(skt_sendto(server, skt_span_str("y"), &first, SOON), -ECONNREFUSED);
        skt_sock_close(client);
    }
    assert_int_equal(skt_sendto(server, skt_span_str("y"), &first, SOON), -EDESTADDRREQ);
    skt_sock_close(server);
}

RUN(T(without_a_host_only_this_machine_hears_it), T(a_name_binds_to_ip4_first), T(ip6_takes_ip4_only_when_asked),
    T(a_taken_port_is_told), T(two_udp_sockets_do_not_share_a_port), T(a_server_starts_again_at_once),
    T(accept_waits_until_the_deadline), T(only_a_listener_accepts), T(both_ends_agree_on_their_names),
    T(without_descriptors_the_peer_is_turned_away), T(a_unix_path_lives_as_long_as_its_listener),
    T(a_unix_path_in_use_is_left_alone_and_a_dead_one_replaced), T(a_file_is_never_replaced_by_a_socket),
    T(unix_datagrams_are_answered), T(unix_senders_are_known_until_64_others_were_heard))
