#pragma once
/* Ethernet cables (veth) in a network namespace that the test made for itself, and frames to send through them. */
#include "test.h"

#include "drive/raw/packet.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static inline bool write_to(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

    if (fd >= 0)
        close(fd);
    return ok;
}

/* Runs ip(8). */
static inline bool ip(const char *fmt, ...)
{
    char command[300] = "ip ";
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(command + 3, sizeof command - 40, fmt, ap);
    va_end(ap);
    strcat(command, " >/dev/null 2>&1");
    return !system(command);
}

/* False: not allowed here. Two cables then, named by their ends: a-b and c-d, all up, and silent by themselves. */
static inline bool make_cables(void)
{
    char map[64];

    (void)snprintf(map, sizeof map, "0 %u 1", (unsigned)geteuid());
    if (unshare(CLONE_NEWNET)) {
        if (unshare(CLONE_NEWUSER | CLONE_NEWNET) || !write_to("/proc/self/setgroups", "deny") ||
            !write_to("/proc/self/uid_map", map))
            return false;
    }
    (void)write_to("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1"); /* it would speak of itself */
    return ip("link set dev lo up") && ip("link add name a type veth peer name b") &&
           ip("link add name c type veth peer name d") && ip("link set dev a up") && ip("link set dev b up") &&
           ip("link set dev c up") && ip("link set dev d up");
}

#define CABLES_MAIN(...)                                                                                               \
    int main(void)                                                                                                     \
    {                                                                                                                  \
        const struct CMUnitTest tests[] = { __VA_ARGS__ };                                                             \
        if (!make_cables()) {                                                                                          \
            puts("skipped: no network namespace, or no ip(8)");                                                        \
            return 77;                                                                                                 \
        }                                                                                                              \
        return cmocka_run_group_tests(tests, NULL, NULL);                                                              \
    }

static inline struct skt_packet *port(const char *name, uint64_t ring)
{
    struct skt_packet *p = NULL;
    char text[300] = "";
    struct skt_room why = skt_room_of(text, sizeof text - 1);

    if (skt_packet_open(name, ring, &p, &why))
        fail_msg("%s", text);
    return p;
}

/* A frame of n bytes with a number in it, of a type that no protocol here listens to. */
static inline struct skt_span frame_of(uint32_t number, size_t n)
{
    static uint8_t bytes[SKT_PACKET_BATCH][4096];
    uint8_t *p = bytes[number % SKT_PACKET_BATCH];
    struct skt_room out = skt_room_of(p, n);

    assert_true(18 <= n && n <= sizeof bytes[0]);
    memset(p, 0xff, 6);
    memset(p + 6, 2, 6);
    out.p += 12;
    skt_put_u16(&out, 0x88b5); /* IEEE 802: for experiments */
    skt_put_u32(&out, number);
    while (skt_left(out))
        skt_put_u8(&out, (uint8_t)(number + (uint32_t)skt_left(out)));
    return skt_span_of(p, n);
}

static inline void send_frame(struct skt_packet *p, struct skt_span frame)
{
    struct skt_packet_out out = { .frame = frame };
    int r = skt_packet_send(p, &out, 1);

    if (r != 1)
        fail_msg("send: %s", strerror(-r));
}

/* The next one that comes, within some seconds. */
static inline struct skt_packet_in next(struct skt_packet *p)
{
    struct pollfd wait = { .fd = skt_packet_fd(p), .events = POLLIN };
    struct skt_packet_in in;

    while (!skt_packet_next(p, &in))
        if (poll(&wait, 1, 10000) != 1 || wait.revents & POLLERR)
            fail_msg("no frame came to %s", skt_packet_name(p));
    return in;
}

static inline void is_frame(struct skt_span got, uint32_t number, size_t n)
{
    assert_int_equal(skt_len(got), n);
    assert_memory_equal(got.p, frame_of(number, n).p, n);
}
