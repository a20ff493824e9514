/* drive/net/io.c: bytes and datagrams; every deadline holds. Characters and lines are in netio_text.c. */
#include "netpair.h"

#include "failing.h"

#include "../../src/drive/net/io.c" /* its allocations fail when we say so */

#include "base/utf8.h"

#include <netinet/in.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>

/* ---- whole and in order ---- */

/* Keeps all of it, then sends it back. */
static void *give_back(void *arg)
{
    struct bulk *b = arg;
    struct skt_room into = skt_room_of(b->bytes, MIB);

    b->r = skt_recv_exact(b->sock, &into, SOON);
    if (b->r > 0)
        b->r = skt_send_all(b->sock, skt_span_of(b->bytes, MIB), SOON);
    if (!b->r)
        b->r = skt_send_end(b->sock, SOON);
    return NULL;
}

static void a_mebibyte_goes_both_ways_whole(void **state)
{
    for (int i = 0; i < 2; i++) {
        struct pair p = pair_on(i ? own("unix:") : "0");
        uint8_t *sent = malloc(MIB), *got = malloc(MIB);
        struct bulk b = { .sock = p.server, .bytes = malloc(MIB) };
        struct skt_room into = skt_room_of(got, MIB);
        struct skt_span rest;
        pthread_t peer = in_thread(give_back, &b);

        for (uint32_t k = 0; k < MIB; k++)
            sent[k] = (uint8_t)(k * 2654435761u >> 24);
        assert_int_equal(skt_send_all(p.client, skt_span_of(sent, MIB), SOON), 0);
        assert_int_equal(skt_recv_exact(p.client, &into, SOON), 1);
        pthread_join(peer, NULL);
        assert_int_equal(b.r, 0);
        assert_memory_equal(sent, got, MIB);
        assert_int_equal(skt_recv(p.client, &rest, SOON), 0);
        free(sent);
        free(got);
        free(b.bytes);
        pair_close(&p);
    }
}

static void parts_arrive_as_one(void **state)
{
    struct pair p = pair_on("0");
    struct skt_span got, many[17] = { { 0 } };
    struct skt_span parts[] = { text_of("Server received: "), text_of(""), text_of("hi"), text_of("\n") };

    assert_int_equal(skt_send_parts(p.client, parts, 4, SOON), 0);
    assert_int_equal(skt_recv(p.server, &got, SOON), 1);
    assert_true(skt_span_is(got, "Server received: hi\n"));
    assert_int_equal(skt_send_parts(p.client, many, 17, SOON), -EINVAL);
    failed_at(skt_sock_err(p.client), SKT_AT_LIMIT, EINVAL);
    pair_close(&p);
}

/* Parts larger than what the socket takes at once are cut anywhere, also inside a part. */
static void *drain(void *arg)
{
    struct bulk *b = arg;
    struct skt_room into = skt_room_of(b->bytes, 3 * MIB);

    b->r = skt_recv_exact(b->sock, &into, SOON);
    return NULL;
}

static void long_parts_arrive_whole(void **state)
{
    struct pair p = pair_on("0");
    uint8_t *sent = malloc(3 * MIB), *got = malloc(3 * MIB);
    struct skt_span parts[] = { skt_span_of(sent, 1), skt_span_of(sent + 1, 2 * MIB),
        skt_span_of(sent + 1 + 2 * MIB, MIB - 1) };
    struct bulk b = { .sock = p.server, .bytes = got };
    pthread_t peer = in_thread(drain, &b);

    for (uint32_t k = 0; k < 3 * MIB; k++)
        sent[k] = (uint8_t)(k * 2654435761u >> 24);
    assert_int_equal(skt_send_parts(p.client, parts, 3, SOON), 0);
    pthread_join(peer, NULL);
    assert_int_equal(b.r, 1);
    assert_memory_equal(sent, got, 3 * MIB);
    free(sent);
    free(got);
    pair_close(&p);
}

/* ---- ends ---- */

static void after_a_half_close_the_answer_still_comes(void **state)
{
    struct pair p = pair_on("0");
    struct skt_span got;

    assert_int_equal(skt_send_all(p.client, text_of("question"), SOON), 0);
    assert_int_equal(skt_send_end(p.client, SOON), 0);
    assert_int_equal(skt_recv(p.server, &got, SOON), 1);
    assert_true(skt_span_is(got, "question"));
    assert_int_equal(skt_recv(p.server, &got, SOON), 0);
    assert_int_equal(skt_recv(p.server, &got, SOON), 0); /* and again */
    assert_int_equal(skt_send_all(p.server, text_of("answer"), SOON), 0);
    assert_int_equal(skt_recv(p.client, &got, SOON), 1);
    assert_true(skt_span_is(got, "answer"));
    assert_int_equal(skt_send_all(p.client, text_of("more"), SOON), -EPIPE);
    pair_close(&p);
}

static void a_reset_is_told_as_one(void **state)
{
    struct pair p = pair_on("0");
    struct skt_span got;

    assert_int_equal(skt_send_all(p.client, text_of("unread"), SOON), 0);
    usleep(20000);
    skt_sock_close(p.server); /* with bytes unread: a reset */
    p.server = NULL;
    assert_int_equal(skt_recv(p.client, &got, SOON), -ECONNRESET);
    failed_at(skt_sock_err(p.client), SKT_AT_RECV, ECONNRESET);
    assert_non_null(strstr(skt_sock_err(p.client)->text, skt_sock_peer(p.client)));
    pair_close(&p);
}

static void *finish(void *arg)
{
    struct skt_sock *s = arg;

    skt_sock_finish(s, SOON);
    skt_sock_close(s);
    return NULL;
}

/* The same with skt_sock_finish: the client's bytes stay unread, yet the answer arrives, and no reset. */
static void after_finish_the_last_words_arrive(void **state)
{
    struct pair p = pair_on("0");
    struct skt_span got;
    pthread_t peer;

    assert_int_equal(skt_send_all(p.client, text_of("unread"), SOON), 0);
    assert_int_equal(skt_send_all(p.server, text_of("Hello from server"), SOON), 0);
    peer = in_thread(finish, p.server);
    p.server = NULL;
    usleep(50000);
    assert_int_equal(skt_send_all(p.client, text_of("more unread"), SOON), 0);
    assert_int_equal(skt_recv(p.client, &got, SOON), 1);
    assert_true(skt_span_is(got, "Hello from server"));
    assert_int_equal(skt_recv(p.client, &got, SOON), 0);
    skt_sock_close(p.client);
    p.client = NULL;
    pthread_join(peer, NULL);
    pair_close(&p);
}

static void finish_waits_until_its_deadline_only(void **state)
{
    struct pair p = pair_on("0");
    struct stopwatch w = start_watch();

    skt_sock_finish(p.server, skt_in(150 * SKT_MS));
    took(w, 150 * SKT_MS);
    pair_close(&p);
}

/* The default action of SIGPIPE would end this program. */
static void sending_to_nobody_raises_no_signal(void **state)
{
    struct pair p = pair_on(own("unix:"));

    skt_sock_close(p.server);
    p.server = NULL;
    assert_int_equal(skt_send_all(p.client, text_of("x"), SOON), -EPIPE);
    failed_at(skt_sock_err(p.client), SKT_AT_SEND, EPIPE);
    pair_close(&p);
}

/* ---- deadlines ---- */

static void receiving_ends_at_the_deadline(void **state)
{
    struct pair p = pair_on("0");
    struct stopwatch w = start_watch();
    struct skt_span got;

    assert_int_equal(skt_recv(p.client, &got, skt_in(200 * SKT_MS)), -ETIMEDOUT);
    took(w, 200 * SKT_MS);
    failed_at(skt_sock_err(p.client), SKT_AT_RECV, ETIMEDOUT);
    w = start_watch();
    assert_int_equal(skt_recv(p.client, &got, 0), -ETIMEDOUT);
    took(w, 0);
    assert_int_equal(skt_send_all(p.server, text_of("x"), SOON), 0); /* and it is usable as before */
    assert_int_equal(skt_recv(p.client, &got, SOON), 1);
    pair_close(&p);
}

static void sending_ends_at_the_deadline_when_nobody_reads(void **state)
{
    struct pair p = pair_on("0");
    uint8_t *bytes = calloc(16, MIB);
    struct stopwatch w = start_watch();

    assert_int_equal(skt_send_all(p.client, skt_span_of(bytes, 16 * MIB), skt_in(300 * SKT_MS)), -ETIMEDOUT);
    took(w, 300 * SKT_MS);
    failed_at(skt_sock_err(p.client), SKT_AT_SEND, ETIMEDOUT);
    free(bytes);
    pair_close(&p);
}

static void *drip(void *arg)
{
    for (int i = 0; i < 60; i++) {
        if (skt_send_all(arg, text_of("x"), SOON))
            break;
        usleep(10000);
    }
    return NULL;
}

/* A time-out per read would never end here. */
static void a_peer_that_drips_does_not_move_the_deadline(void **state)
{
    struct pair p = pair_on("0");
    uint8_t bytes[1000];
    struct skt_room into = skt_room_of(bytes, sizeof bytes);
    struct skt_span line;
    struct stopwatch w = start_watch();
    pthread_t peer = in_thread(drip, p.server);

    assert_int_equal(skt_recv_line(p.client, &line, skt_in(150 * SKT_MS)), -ETIMEDOUT);
    took(w, 150 * SKT_MS);
    w = start_watch();
    assert_int_equal(skt_recv_exact(p.client, &into, skt_in(150 * SKT_MS)), -ETIMEDOUT);
    took(w, 150 * SKT_MS);
    assert_true(into.p > bytes); /* what came is there */
    skt_sock_stop(p.server);
    pthread_join(peer, NULL);
    pair_close(&p);
}

static void nothing(int signal) {}

static void signals_do_not_move_the_deadline(void **state)
{
    struct pair p = pair_on("0");
    const struct itimerval often = { { 0, 5000 }, { 0, 5000 } }, never = { { 0, 0 }, { 0, 0 } };
    struct sigaction act = { .sa_handler = nothing }, was;
    struct stopwatch w = start_watch();
    struct skt_span got;

    sigaction(SIGALRM, &act, &was);
    setitimer(ITIMER_REAL, &often, NULL);
    assert_int_equal(skt_recv(p.client, &got, skt_in(200 * SKT_MS)), -ETIMEDOUT);
    took(w, 200 * SKT_MS);
    setitimer(ITIMER_REAL, &never, NULL);
    sigaction(SIGALRM, &was, NULL);
    pair_close(&p);
}

/* ---- datagrams ---- */

static void datagrams_of_any_size_come_whole(void **state)
{
    static const size_t sizes[] = { 0, 1, 1400, 60000, 65507, 0 };
    struct skt_sock *server = bound("udp:0"), *client;
    char where[64];
    uint8_t *bytes = malloc(65508);
    struct skt_span got;
    struct skt_addr from;

    memset(bytes, 'd', 65508);
    snprintf(where, sizeof where, "udp:%s", skt_sock_local(server));
    client = dialled(where);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        assert_int_equal(skt_send_all(client, skt_span_of(bytes, sizes[i]), SOON), 0);
        assert_int_equal(skt_recvfrom(server, &got, &from, SOON), 1);
        assert_int_equal(skt_len(got), sizes[i]);
        assert_memory_equal(got.p, bytes, sizes[i]);
        assert_string_equal(skt_sock_name(server, &from), skt_sock_local(client));
        assert_int_equal(skt_sendto(server, got, &from, SOON), 0);
        assert_int_equal(skt_recv(client, &got, SOON), 1);
        assert_int_equal(skt_len(got), sizes[i]);
    }
    assert_int_equal(skt_send_all(client, skt_span_of(bytes, 65508), SOON), -EMSGSIZE);
    free(bytes);
    skt_sock_close(client);
    skt_sock_close(server);
}

/* A defect of the tutorials: the client waits for ever for an answer that was lost. */
static void a_lost_datagram_costs_the_deadline(void **state)
{
    struct skt_sock *server = bound("udp:0"), *client;
    struct stopwatch w = start_watch();
    struct skt_span got;
    char where[64];

    snprintf(where, sizeof where, "udp:%s", skt_sock_local(server));
    client = dialled(where);
    assert_int_equal(skt_send_all(client, text_of("hello?"), SOON), 0);
    assert_int_equal(skt_recv(client, &got, skt_in(200 * SKT_MS)), -ETIMEDOUT);
    took(w, 200 * SKT_MS);
    skt_sock_close(server);
    assert_int_equal(skt_send_all(client, text_of("anyone?"), SOON), 0);
    assert_int_equal(skt_recv(client, &got, SOON), -ECONNREFUSED); /* ICMP says so */
    skt_sock_close(client);
}

static void a_unix_datagram_of_200_kib_comes_whole(void **state)
{
    const char *where = own("unixgram:");
    struct skt_sock *server, *client;
    uint8_t *bytes = calloc(200, 1024);
    struct skt_span got;

    server = bound(where);
    client = dialled(where);
    assert_int_equal(skt_send_all(client, skt_span_of(bytes, 200 * 1024), SOON), 0);
    assert_int_equal(skt_recv(server, &got, SOON), 1);
    assert_int_equal(skt_len(got), 200 * 1024);
    free(bytes);
    skt_sock_close(client);
    skt_sock_close(server);
}

static void a_full_unix_datagram_queue_costs_the_deadline(void **state)
{
    const char *where = own("unixgram:");
    struct skt_sock *server, *client;
    struct stopwatch w;
    int r = 0;

    server = bound(where);
    client = dialled(where);
    for (int i = 0; !r && i < 10000; i++) /* net.unix.max_dgram_qlen, or the send buffer */
        r = skt_send_all(client, text_of("x"), 0);
    assert_int_equal(r, -ETIMEDOUT);
    w = start_watch();
    assert_int_equal(skt_send_all(client, text_of("x"), skt_in(150 * SKT_MS)), -ETIMEDOUT);
    took(w, 150 * SKT_MS);
    skt_sock_close(client);
    skt_sock_close(server);
}

/* How often this thread went to sleep by itself. */
static long sleeps(void)
{
    struct rusage usage;

    assert_int_equal(getrusage(RUSAGE_THREAD, &usage), 0);
    return usage.ru_nvcsw;
}

/* Without a connection in either direction poll calls the socket writable, though the receiver's queue is full: waiting
 * must not spin. */
static void a_full_queue_of_somebody_else_is_waited_for_in_sleep(void **state)
{
    const char *where = own("unixgram:");
    struct skt_sock *server = bound(where);
    struct sockaddr_un to = { .sun_family = AF_UNIX }, any = to;
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(strchr(where, '@')));
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), r = 0;
    struct skt_addr from;
    struct skt_span got;
    struct stopwatch w;
    long slept;

    memcpy(to.sun_path + 1, strchr(where, '@') + 1, strlen(strchr(where, '@') + 1));
    assert_int_equal(bind(fd, (struct sockaddr *)&any, sizeof any.sun_family), 0);
    assert_int_equal(sendto(fd, "hello", 5, 0, (struct sockaddr *)&to, len), 5);
    assert_int_equal(skt_recvfrom(server, &got, &from, SOON), 1);
    for (int i = 0; !r && i < 10000; i++)
        r = skt_sendto(server, text_of("x"), &from, 0);
    assert_int_equal(r, -ETIMEDOUT);
    w = start_watch();
    slept = sleeps();
    assert_int_equal(skt_sendto(server, text_of("x"), &from, skt_in(200 * SKT_MS)), -ETIMEDOUT);
    took(w, 200 * SKT_MS);
    assert_true(sleeps() - slept >= 3); /* who spins does not sleep at all */
    close(fd);
    skt_sock_close(server);
}

static void streams_and_datagrams_are_not_mixed_up(void **state)
{
    struct pair p = pair_on("0");
    struct skt_sock *u = bound("udp:0");
    struct skt_span got;
    struct skt_room none = { 0 };
    struct skt_addr from;

    assert_int_equal(skt_recvfrom(p.client, &got, &from, 0), -EOPNOTSUPP);
    assert_int_equal(skt_recv_line(u, &got, 0), -EOPNOTSUPP);
    assert_int_equal(skt_recv_exact(u, &none, 0), -EOPNOTSUPP);
    skt_sock_close(u);
    pair_close(&p);
}

static void without_memory_nothing_is_lost(void **state)
{
    struct pair p = pair_on("0");
    const char *where = own("unixgram:");
    struct skt_sock *server = bound(where), *client = dialled(where);
    struct skt_span got;
    struct skt_addr from;

    assert_int_equal(skt_send_all(p.client, text_of("kept\n"), SOON), 0);
    allocations_left = 0;
    assert_int_equal(skt_recv(p.server, &got, SOON), -ENOMEM);
    failed_at(skt_sock_err(p.server), SKT_AT_LIMIT, ENOMEM);
    allocations_left = -1;
    wants_line(p.server, "kept");

    assert_int_equal(skt_send_all(client, text_of("who?"), SOON), 0);
    allocations_left = 1; /* the buffer, but not the table of senders */
    assert_int_equal(skt_recvfrom(server, &got, &from, SOON), 1);
    allocations_left = -1;
    assert_true(skt_span_is(got, "who?"));
    assert_int_equal(skt_sendto(server, text_of("you"), &from, SOON), -EDESTADDRREQ);
    skt_sock_close(client);
    skt_sock_close(server);
    pair_close(&p);
}

RUN(T(without_memory_nothing_is_lost), T(a_mebibyte_goes_both_ways_whole), T(parts_arrive_as_one),
    T(long_parts_arrive_whole), T(after_a_half_close_the_answer_still_comes), T(a_reset_is_told_as_one),
    T(after_finish_the_last_words_arrive), T(finish_waits_until_its_deadline_only),
    T(sending_to_nobody_raises_no_signal), T(receiving_ends_at_the_deadline),
    T(sending_ends_at_the_deadline_when_nobody_reads), T(a_peer_that_drips_does_not_move_the_deadline),
    T(signals_do_not_move_the_deadline), T(datagrams_of_any_size_come_whole), T(a_lost_datagram_costs_the_deadline),
    T(a_unix_datagram_of_200_kib_comes_whole), T(a_full_unix_datagram_queue_costs_the_deadline),
    T(streams_and_datagrams_are_not_mixed_up), T(a_full_queue_of_somebody_else_is_waited_for_in_sleep))
