/* drive/net/dial.c: from a text to a connected socket, within the deadline. */
#include "netpair.h"

#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>

static int dial_fails(const char *where, const struct skt_dial_conf *conf, skt_time deadline, struct skt_err *ret_err)
{
    struct skt_sock *s = NULL;
    int r = skt_dial(where, conf, deadline, &s, ret_err);

    assert_true(r < 0);
    assert_null(s);
    assert_int_equal(r, -ret_err->errno_);
    return r;
}

/* A listener whose backlog is full: the kernel drops what comes, like a firewall that says nothing. */
struct blackhole {
    int fd, fillers[8];
    uint16_t port;
};

static struct blackhole blackhole_new(int family, uint16_t port)
{
    struct blackhole b = { .fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0) };
    struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback, .sin6_port = htons(port) };
    struct sockaddr_in in4 = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)
    };
    struct sockaddr *sa = family == AF_INET ? (struct sockaddr *)&in4 : (struct sockaddr *)&in6;
    socklen_t len = family == AF_INET ? sizeof in4 : sizeof in6;

    assert_int_equal(bind(b.fd, sa, len), 0);
    assert_int_equal(listen(b.fd, 0), 0);
    assert_int_equal(getsockname(b.fd, sa, &len), 0);
    b.port = ntohs(family == AF_INET ? in4.sin_port : in6.sin6_port); /* at the same place in both */
    for (int i = 0; i < 8; i++) {
        b.fillers[i] = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)connect(b.fillers[i], sa, len); /* EINPROGRESS, for the last ones for ever */
    }
    usleep(20000);
    return b;
}

static void blackhole_free(struct blackhole *b)
{
    for (int i = 0; i < 8; i++)
        close(b->fillers[i]);
    close(b->fd);
}

static uint16_t port_of(const struct skt_sock *s) { return (uint16_t)atoi(strrchr(skt_sock_local(s), ':') + 1); }

static bool has_ip6(void)
{
    struct skt_sock *s = NULL;
    bool has = !skt_bind("[::1]:0", NULL, SOON, &s, NULL);

    skt_sock_close(s);
    return has;
}

/* A port where nobody listens: it was ours a moment ago, and TIME_WAIT does not hold it. */
static uint16_t closed_port(void)
{
    struct skt_sock *s = bound("0");
    uint16_t port = port_of(s);

    skt_sock_close(s);
    return port;
}

static void a_closed_port_refuses_at_once(void **state)
{
    struct stopwatch w = start_watch();
    char where[64];
    struct skt_err err;

    snprintf(where, sizeof where, "127.0.0.1:%d", closed_port());
    assert_int_equal(dial_fails(where, NULL, SOON, &err), -ECONNREFUSED);
    took(w, 0);
    failed_at(&err, SKT_AT_CONNECT, ECONNREFUSED);
    assert_int_equal(err.peer.family, SKT_IP4);
    assert_non_null(strstr(err.text, where));
    assert_non_null(strstr(err.text, "refused"));
}

static void an_address_that_does_not_answer_costs_the_deadline(void **state)
{
    struct blackhole hole = blackhole_new(AF_INET, 0);
    struct stopwatch w = start_watch();
    char where[64];
    struct skt_err err;

    snprintf(where, sizeof where, "127.0.0.1:%d", hole.port);
    assert_int_equal(dial_fails(where, NULL, skt_in(300 * SKT_MS), &err), -ETIMEDOUT);
    took(w, 300 * SKT_MS);
    failed_at(&err, SKT_AT_CONNECT, ETIMEDOUT);
    blackhole_free(&hole);
}

static void a_deadline_of_the_past_waits_for_nothing(void **state)
{
    struct blackhole hole = blackhole_new(AF_INET, 0);
    struct stopwatch w = start_watch();
    char where[64];
    struct skt_err err;

    snprintf(where, sizeof where, "127.0.0.1:%d", hole.port);
    assert_int_equal(dial_fails(where, NULL, 0, &err), -ETIMEDOUT);
    took(w, 0);
    blackhole_free(&hole);
}

/* RFC 8305: a name with an address that hangs and one that works. */
static void the_second_address_starts_when_the_first_hangs(void **state)
{
    struct skt_sock *listener, *s;
    struct skt_addr addrs[2];
    struct blackhole hole;
    struct stopwatch w;
    char where[64];

    if (!has_ip6() || skt_resolve("localhost:0", SOON, addrs, 2, NULL) != 2)
        skip();
    listener = bound(addrs[0].family == SKT_IP4 ? "[::1]:0" : "127.0.0.1:0");
    hole = blackhole_new(addrs[0].family == SKT_IP4 ? AF_INET : AF_INET6, port_of(listener));
    snprintf(where, sizeof where, "localhost:%d", hole.port);
    w = start_watch();
    s = dialled(where);
    took(w, 250 * SKT_MS);
    assert_string_equal(skt_sock_peer(s), skt_sock_local(listener));
    skt_sock_close(s);
    skt_sock_close(listener);
    blackhole_free(&hole);
}

static void the_second_address_starts_at_once_when_the_first_refuses(void **state)
{
    const char *const at[] = { "127.0.0.1:0", "[::1]:0" }; /* one of them is not the first */

    for (int i = 0; i < 1 + has_ip6(); i++) {
        struct skt_sock *listener = bound(at[i]), *s;
        struct stopwatch w = start_watch();
        char where[64];

        snprintf(where, sizeof where, "localhost:%d", port_of(listener));
        s = dialled(where);
        took(w, 0);
        skt_sock_close(s);
        skt_sock_close(listener);
    }
}

/* A defect of the tutorials' scanner: our end draws the very port that is asked, and TCP connects to itself. */
static void a_connection_to_itself_is_refused(void **state)
{
    char where[64];
    struct skt_dial_conf conf = { .source = where };
    struct skt_err err;

    snprintf(where, sizeof where, "127.0.0.1:%d", closed_port());
    for (int i = 0; i < 3; i++) { /* and leaves nothing that would hold the port */
        assert_int_equal(dial_fails(where, &conf, SOON, &err), -ECONNREFUSED);
        failed_at(&err, SKT_AT_CONNECT, ECONNREFUSED);
    }
}

static void the_source_is_what_was_asked_for(void **state)
{
    struct skt_sock *listener = bound("0"), *s;
    char source[64];
    struct skt_dial_conf conf = { .source = "127.0.0.9" };

    assert_int_equal(skt_dial(skt_sock_local(listener), &conf, SOON, &s, NULL), 0);
    assert_memory_equal(skt_sock_local(s), "127.0.0.9:", 10);
    skt_sock_close(s);
    snprintf(source, sizeof source, ":%d", closed_port());
    conf.source = source;
    assert_int_equal(skt_dial(skt_sock_local(listener), &conf, SOON, &s, NULL), 0);
    assert_string_equal(strrchr(skt_sock_local(s), ':'), source);
    skt_sock_close(s);
    skt_sock_close(listener);
}

static void a_source_that_is_none_is_told(void **state)
{
    struct skt_sock *listener = bound("0");
    struct skt_err err;

    (void)dial_fails(skt_sock_local(listener), &(struct skt_dial_conf){ .source = "here" }, SOON, &err);
    assert_int_equal(err.stage, SKT_AT_BIND);
    assert_int_equal(
        dial_fails(skt_sock_local(listener), &(struct skt_dial_conf){ .source = "::1" }, SOON, &err), -EAFNOSUPPORT);
    skt_sock_close(listener);
}

static void what_is_no_address_is_told_by_name(void **state)
{
    struct skt_err err;

    (void)dial_fails("127.0.0.1:70000", NULL, SOON, &err);
    assert_int_equal(err.stage, SKT_AT_RESOLVE);
    assert_non_null(strstr(err.text, "70000"));
    assert_int_equal(dial_fails("exec:true", NULL, SOON, &err), -EOPNOTSUPP);
    (void)dial_fails("", NULL, SOON, &err);
    assert_int_equal(dial_fails("unix:/nonexistent/socket", NULL, SOON, &err), -ENOENT);
    failed_at(&err, SKT_AT_CONNECT, ENOENT);
    assert_int_equal(skt_dial("", NULL, SOON, NULL, NULL) < 0, true); /* nobody wants to know */
}

/* The error's text has 256 bytes, what a stranger typed may have more, and may want to command the terminal. */
static void a_long_or_hostile_text_is_cut_and_escaped(void **state)
{
    char where[2000];
    struct skt_err err;

    memset(where, 0x1b, sizeof where - 1);
    where[sizeof where - 1] = 0;
    (void)dial_fails(where, NULL, SOON, &err);
    assert_true(strlen(err.text) < sizeof err.text);
    assert_null(strchr(err.text, 0x1b));
    assert_non_null(strstr(err.text, "\\x1b"));
}

static void resolve_gives_the_addresses_in_order(void **state)
{
    struct skt_addr addrs[4];
    struct skt_err err;
    int n = skt_resolve("127.0.0.1:80", SOON, addrs, 4, &err);

    assert_int_equal(n, 1);
    assert_int_equal(addrs[0].port, 80);
    n = skt_resolve("udp:localhost:9", SOON, addrs, 4, &err);
    assert_in_range(n, 1, 2);
    assert_int_equal(skt_resolve("localhost:9", SOON, addrs, 1, &err), 1);
    assert_int_equal(skt_resolve("unix:/tmp", SOON, addrs, 4, &err), -EINVAL);
}

static void a_descriptor_becomes_a_socket(void **state)
{
    int fds[2];
    char where[16];
    struct skt_sock *s;
    struct skt_span got;
    struct skt_err err;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    snprintf(where, sizeof where, "fd:%d", fds[0]);
    s = dialled(where);
    assert_int_equal(write(fds[1], "hi", 2), 2);
    assert_int_equal(skt_recv(s, &got, SOON), 1);
    assert_true(skt_span_is(got, "hi"));
    skt_sock_close(s);
    assert_int_equal(read(fds[1], where, 1), 0);
    close(fds[1]);
    assert_int_equal(dial_fails("fd:0", NULL, SOON, &err), -ENOTSOCK); /* stdin of a test is none */
}

static void a_full_unix_backlog_costs_the_deadline(void **state)
{
    const char *where = own("unix:");
    struct skt_bind_conf conf = { .backlog = 1 };
    struct skt_sock *listener, *s[3] = { NULL };
    struct stopwatch w;
    struct skt_err err;

    assert_int_equal(skt_bind(where, &conf, SOON, &listener, &err), 0);
    for (int i = 0; i < 2; i++) /* the kernel takes one more than the backlog */
        s[i] = dialled(where);
    w = start_watch();
    assert_int_equal(dial_fails(where, NULL, skt_in(200 * SKT_MS), &err), -ETIMEDOUT);
    took(w, 200 * SKT_MS);
    assert_int_equal(skt_accept(listener, SOON, &s[2]), 0);
    for (int i = 0; i < 3; i++)
        skt_sock_close(s[i]);
    skt_sock_close(listener);
}

/* A world of our own with a name server that says nothing, on its own loopback. False: this machine does not let us. */
static bool into_the_silent_world(void)
{
    struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
    char file[] = "/tmp/sockit-resolv-XXXXXX";
    int fd, s;
    bool made;

    if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET))
        return false;
    fd = mkstemp(file);
    made = write(fd, "nameserver 127.0.0.1\n", 21) == 21 && !mount(file, "/etc/resolv.conf", NULL, MS_BIND, NULL);
    unlink(file);
    s = socket(AF_INET, SOCK_DGRAM, 0);
    return made && !ioctl(s, SIOCSIFFLAGS, &lo) && !skt_bind("udp:53", NULL, SOON, &(struct skt_sock *){ NULL }, NULL);
}

enum { CHILD_OK, CHILD_FAILED, CHILD_SKIPS = 77 };

static int dial_in_the_silent_world(void)
{
    struct skt_sock *s = NULL;
    struct skt_err err;
    skt_time start, took;
    int r;

    if (!into_the_silent_world())
        return CHILD_SKIPS;
    start = skt_now();
    r = skt_dial("name.example:80", NULL, skt_in(300 * SKT_MS), &s, &err);
    took = skt_now() - start;
    if (r == -ENOSYS)
        return CHILD_SKIPS; /* without the plug-in */
    fprintf(stderr, "%s (%lld ms)\n", err.text, (long long)(took / SKT_MS));
    return r == -ETIMEDOUT && err.stage == SKT_AT_RESOLVE && took >= 300 * SKT_MS && took < SKT_SEC ? CHILD_OK
                                                                                                    : CHILD_FAILED;
}

static void a_name_server_that_does_not_answer_costs_the_deadline(void **state)
{
    pid_t child = fork();
    int status;

    if (!child)
        _exit(dial_in_the_silent_world());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == CHILD_SKIPS)
        skip();
    assert_int_equal(WEXITSTATUS(status), CHILD_OK);
}

RUN(T(a_name_server_that_does_not_answer_costs_the_deadline), T(a_closed_port_refuses_at_once),
    T(an_address_that_does_not_answer_costs_the_deadline), T(a_deadline_of_the_past_waits_for_nothing),
    T(the_second_address_starts_when_the_first_hangs), T(the_second_address_starts_at_once_when_the_first_refuses),
    T(a_connection_to_itself_is_refused), T(the_source_is_what_was_asked_for), T(a_source_that_is_none_is_told),
    T(what_is_no_address_is_told_by_name), T(a_long_or_hostile_text_is_cut_and_escaped),
    T(resolve_gives_the_addresses_in_order), T(a_descriptor_becomes_a_socket),
    T(a_full_unix_backlog_costs_the_deadline))
