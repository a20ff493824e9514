/* drive/rt/stamp.c: when the kernel received what an engine is told of, however late it is told. */
#include "test.h"

#include <sockit/rt.h>

#include "drive/rt/stamp.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LATE_MS = 40 };

/* An engine that only remembers. */
static struct {
    uint32_t n, bytes;
    skt_time now, at;
} heard;

static void hear(void *self, skt_time now, struct skt_in *in)
{
    (void)self;
    if (in->kind != SKT_DATA)
        return;
    heard.n++;
    heard.bytes += (uint32_t)skt_len(in->data);
    heard.now = now;
    heard.at = in->at;
    in->data.p = in->data.end;
}
static bool say(void *self, skt_time now, struct skt_out *out) { return (void)self, (void)now, (void)out, false; }
static skt_time wake(const void *self) { return (void)self, SKT_NEVER; }
static const struct skt_engine_ops ops = { hear, say, wake };

static struct skt_rt *world(bool stamps, const char *where, int kind, int *ret_fd)
{
    const struct skt_rt_conf conf = { .stamps = stamps };
    struct skt_rt *rt = NULL;
    struct skt_addr at;
    skt_link link = 0;
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };

    memset(&heard, 0, sizeof heard);
    assert_int_equal(skt_rt_new(&conf, &rt), 0);
    assert_int_equal(skt_rt_add(rt, (struct skt_engine){ &ops, NULL }), 0);
    assert_int_equal(skt_rt_listen(rt, 0, where, NULL, &link), 0);
    assert_int_equal(skt_rt_local(rt, link, &at), 0);
    to.sin_port = htons(at.port);
    *ret_fd = socket(AF_INET, kind | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(*ret_fd, (struct sockaddr *)&to, sizeof to), 0);
    if (kind == SOCK_STREAM)
        assert_int_equal(skt_rt_step(rt), 1); /* it is accepted */
    return rt;
}

static void sleep_ms(long ms)
{
    struct timespec t = { .tv_nsec = ms * 1000000L };

    (void)nanosleep(&t, NULL);
}

/* The kernel switches its stamps on a moment after the first who asks, so a few are sent. */
static void is_told(struct skt_rt *rt, int fd)
{
    for (int i = 0; i < 5 && heard.now - heard.at < LATE_MS * SKT_MS; i++) {
        uint32_t before = heard.n;

        assert_int_equal(send(fd, "hello", 5, 0), 5);
        sleep_ms(LATE_MS + 5);
        while (heard.n == before)
            assert_int_equal(skt_rt_step(rt), 1);
    }
    assert_true(heard.at > 0);
    assert_true(heard.now - heard.at >= LATE_MS * SKT_MS);
    assert_true(heard.now - heard.at < SKT_SEC);
}

static void a_datagram_has_the_time_at_which_it_came(void **state)
{
    int fd;
    struct skt_rt *rt = world(true, "udp:127.0.0.1:0", SOCK_DGRAM, &fd);

    is_told(rt, fd);
    close(fd);
    skt_rt_free(rt);
}

static void so_has_what_came_on_a_stream(void **state)
{
    int fd;
    struct skt_rt *rt = world(true, "127.0.0.1:0", SOCK_STREAM, &fd);

    is_told(rt, fd);
    assert_int_equal(heard.bytes, 5 * heard.n);
    close(fd);
    skt_rt_free(rt);
}

static void who_does_not_ask_is_not_told(void **state)
{
    static const char *const where[] = { "udp:127.0.0.1:0", "127.0.0.1:0" };

    for (int i = 0; i < 2; i++) {
        int fd;
        struct skt_rt *rt = world(false, where[i], i ? SOCK_STREAM : SOCK_DGRAM, &fd);

        assert_int_equal(send(fd, "hello", 5, 0), 5);
        while (!heard.n)
            assert_int_equal(skt_rt_step(rt), 1);
        assert_int_equal(heard.at, 0);
        close(fd);
        skt_rt_free(rt);
    }
}

/* A message as recvmsg would leave it, with a stamp so long ago. */
static skt_time read_back(skt_time ago, skt_time now)
{
    union {
        struct cmsghdr align;
        char bytes[STAMP_SPACE];
    } control = { .bytes = { 0 } };
    struct msghdr msg = { .msg_control = &control, .msg_controllen = sizeof control };
    struct timespec t;
    skt_time at;

    clock_gettime(CLOCK_REALTIME, &t);
    at = t.tv_sec * SKT_SEC + t.tv_nsec - ago;
    t = (struct timespec){ .tv_sec = at / SKT_SEC, .tv_nsec = at % SKT_SEC };
    control.align = (struct cmsghdr){ CMSG_LEN(sizeof t), SOL_SOCKET, SCM_TIMESTAMPNS };
    memcpy(CMSG_DATA(&control.align), &t, sizeof t);
    return stamp_of(&msg, now);
}

static skt_time monotonic(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * SKT_SEC + t.tv_nsec;
}

static void a_clock_that_was_set_is_not_believed(void **state)
{
    skt_time now = monotonic();

    assert_int_equal(read_back(3600 * SKT_SEC, now), 0);
    assert_int_equal(read_back(-3600 * SKT_SEC, now), 0);
}

static void nothing_comes_after_now(void **state)
{
    skt_time now = monotonic() - 10 * SKT_MS; /* of a turn that began then */

    assert_int_equal(read_back(0, now), now);
    assert_true(read_back(500 * SKT_MS, now) < now);
}

RUN(T(a_datagram_has_the_time_at_which_it_came), T(so_has_what_came_on_a_stream), T(who_does_not_ask_is_not_told),
    T(a_clock_that_was_set_is_not_believed), T(nothing_comes_after_now))
