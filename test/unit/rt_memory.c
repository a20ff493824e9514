/* The runtime, serve and relay when there is no memory: each allocation of a conversation fails in turn, alone or with all
 * that follow. Nothing may break, leak or hang: who is harmed is told by the end of the connection, and when memory is back
 * the service is, too. The linker leads the calls here (--wrap). */
#include "rtworld.h"
#include "no_memory.h"

#include <sockit/relay.h>
#include <sockit/serve.h>

static long nth; /* which one */

static enum { ECHO_BACK, REPLY, DGRAM_ECHO, RELAY, WATCHED_RELAY, EXEC, FLOWS } kind;
static bool datagrams(void) { return kind == DGRAM_ECHO || kind == FLOWS; }

/* ---- the target of relays: an echo by hand ---- */

static int target, target_peer[8];

static void target_begin(void)
{
    target = datagrams() ? socket_on(SOCK_DGRAM, 0) : listening_fd(8);
    memset(target_peer, -1, sizeof target_peer);
}

static void target_end(void)
{
    close(target);
    for (int i = 0; i < 8; i++)
        if (target_peer[i] >= 0)
            close(target_peer[i]);
}

static void target_datagram(void)
{
    char some[100];
    struct sockaddr_in from;
    socklen_t len = sizeof from;
    ssize_t n = recvfrom(target, some, sizeof some, 0, (struct sockaddr *)&from, &len);

    if (n >= 0)
        (void)!sendto(target, some, (size_t)n, 0, (struct sockaddr *)&from, len);
}

static void target_turn(void)
{
    static uint8_t some[65536];

    for (int i = 0; i < 8; i++) {
        ssize_t n;
        if (target_peer[i] < 0)
            target_peer[i] = accept4(target, NULL, NULL, SOCK_CLOEXEC);
        if (target_peer[i] < 0)
            return;
        n = recv(target_peer[i], some, sizeof some, MSG_DONTWAIT);
        if (n > 0)
            (void)!send(target_peer[i], some, (size_t)n, MSG_NOSIGNAL);
        if (!n || (n < 0 && errno != EAGAIN)) {
            close(target_peer[i]);
            target_peer[i] = -1;
        }
    }
}

/* ---- the server ---- */

static struct skt_serve *serve;
static struct skt_relay *relay;
static skt_link ls;

static int server_begin(void)
{
    static const struct skt_listen_conf conf = { .idle = 60 * SKT_SEC };
    static char to[64];
    int r = skt_rt_new(NULL, &rt);

    if (r)
        return r;
    snprintf(to, sizeof to,
        kind == EXEC    ? "exec:exec cat"
        : kind == FLOWS ? "udp:127.0.0.1:%u"
                        : "127.0.0.1:%u",
        port_of_fd(target));
    if (kind >= RELAY)
        relay = skt_relay_new(
            &(struct skt_relay_conf){ .to = to, .datagrams = kind == FLOWS, .watch = kind == WATCHED_RELAY });
    else
        serve = skt_serve_new(&(struct skt_serve_conf){
            .mode = kind == REPLY ? SKT_SERVE_REPLY : SKT_SERVE_ECHO, .text = skt_span_str("") });
    if (!relay && !serve)
        return -ENOMEM;
    (void)skt_rt_add(rt, relay ? skt_relay_engine(relay) : skt_serve_engine(serve));
    (void)skt_rt_add(rt, (struct skt_engine){ &tick_ops, NULL });
    return skt_rt_listen(rt, 0, datagrams() ? "udp:0" : "0", &conf, &ls);
}

static void server_end(void)
{
    skt_rt_free(rt);
    skt_serve_free(serve);
    skt_relay_free(relay);
    rt = NULL;
    serve = NULL;
    relay = NULL;
}

static void server_turn(void)
{
    struct skt_relay_event ev;

    turn();
    while (relay && skt_relay_next(relay, &ev)) {
    }
    datagrams() ? target_datagram() : target_turn();
}

/* ---- the client ---- */

enum { BYTES = 200 * 1000, LINE = 100 };

/* Lines, each with its number: REPLY may cut at their ends, and no hole can hide. */
static const char *text(void)
{
    static char lines[BYTES + 1];

    for (int i = 0; i < BYTES / LINE && !lines[BYTES - 1]; i++)
        snprintf(lines + (size_t)i * LINE, LINE + 1, "%099d\n", i);
    return lines;
}

/* Sends it all and wants it back. False: the connection ended, which is an answer, too. What came is right so far. */
static bool whole(void)
{
    static uint8_t got[BYTES + 65536 + 1];
    struct tape t = { .p = got, .room = sizeof got };
    skt_time begun = real_now();
    int fd = peer_to(port_of(ls));
    size_t sent = 0;

    while (t.n < BYTES && !t.over) {
        ssize_t n = sent < BYTES ? send(fd, text() + sent, BYTES - sent, MSG_NOSIGNAL) : 0;
        sent += n > 0 ? (size_t)n : 0;
        server_turn();
        (void)pull(fd, &t);
        if (left == 0 && real_now() > begun + 50 * SKT_MS)
            left = -1; /* memory is back */
        if (real_now() > begun + 10 * SKT_SEC)
            fail_msg("allocation %ld: %zu of %d bytes, and no end", nth, t.n, BYTES);
    }
    assert_true(t.n <= BYTES);
    assert_memory_equal(got, text(), t.n);
    close(fd);
    return t.n == BYTES;
}

/* The same for a datagram, which may be lost: then it is sent again. */
static bool answered(void)
{
    struct sockaddr_in at = in4(port_of(ls));
    int fd = socket_on(SOCK_DGRAM, 0);
    char got[16];
    ssize_t n = -1;

    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
    for (int i = 0; i < 4000 && n < 0; i++) {
        if (i % 20 == 0)
            (void)!send(fd, "datagram", 8, 0);
        server_turn();
        n = recv(fd, got, sizeof got, 0);
        if (i == 100 && left == 0)
            left = -1;
    }
    close(fd);
    return n == 8;
}

static bool talk(void) { return datagrams() ? answered() : whole(); }

/* False: the conversation did not need that many. */
static bool fail_at(long n)
{
    int r;

    failed = false;
    target_begin();
    left = n;
    r = server_begin();
    if (r) {
        assert_true(failed); /* told, and nothing is left behind */
    } else {
        bool ok = talk();
        assert_true(ok || (failed && !datagrams()));
        left = -1;
        for (int i = 0; i < 5; i++)
            server_turn();
        assert_true(talk()); /* the service is back */
    }
    left = -1;
    server_end();
    target_end();
    return failed;
}

static void each_allocation_fails(void)
{
    (void)text();
    signal(SIGPIPE, SIG_IGN);
    for (int i = 0; i < 2; i++) {
        one = i;
        for (nth = 0; fail_at(nth); nth++) {
        }
        assert_true(nth > 8);
    }
}

static void an_echo_may_lack_memory(void **state)
{
    kind = ECHO_BACK;
    each_allocation_fails();
}

static void a_reply_may_lack_memory(void **state)
{
    kind = REPLY;
    each_allocation_fails();
}

static void an_echo_of_datagrams_may_lack_memory(void **state)
{
    kind = DGRAM_ECHO;
    each_allocation_fails();
}

static void a_relay_may_lack_memory(void **state)
{
    kind = RELAY;
    each_allocation_fails();
}

static void a_watched_relay_may_lack_memory(void **state)
{
    kind = WATCHED_RELAY;
    each_allocation_fails();
}

static void a_command_may_lack_memory(void **state)
{
    kind = EXEC;
    each_allocation_fails();
}

static void a_relay_of_datagrams_may_lack_memory(void **state)
{
    kind = FLOWS;
    each_allocation_fails();
}

RUN(T(an_echo_may_lack_memory), T(a_reply_may_lack_memory), T(an_echo_of_datagrams_may_lack_memory),
    T(a_relay_may_lack_memory), T(a_watched_relay_may_lack_memory), T(a_command_may_lack_memory),
    T(a_relay_of_datagrams_may_lack_memory))
