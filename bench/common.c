/* common: sockets and small help for the load and the reference servers. */
#include "common.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

int64_t bench_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

void bench_die(const char *fmt, ...)
{
    int error = errno;
    va_list ap;

    va_start(ap, fmt);
    fprintf(stderr, "%s: ", program_invocation_short_name);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fprintf(stderr, error ? ": %s\n" : "\n", strerror(error));
    exit(1);
}

void *bench_alloc(size_t bytes)
{
    void *p = calloc(1, bytes);

    if (!p)
        bench_die("out of memory");
    return p;
}

uint32_t bench_number(const char *text, uint32_t lo, uint32_t hi)
{
    char *end;
    unsigned long n = text ? strtoul(text, &end, 10) : 0;

    errno = 0;
    if (!text || end == text || *end || n < lo || hi < n)
        bench_die("'%s' is not a number from %u to %u", text ? text : "", lo, hi);
    return (uint32_t)n;
}

struct sockaddr_in bench_loopback(uint32_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)
    };
}

void bench_raise_files(void)
{
    struct rlimit most = { 1 << 19, 1 << 19 };

    if (!setrlimit(RLIMIT_NOFILE, &most))
        return;
    getrlimit(RLIMIT_NOFILE, &most); /* the hard limit is what an unprivileged user may have */
    most.rlim_cur = most.rlim_max;
    setrlimit(RLIMIT_NOFILE, &most);
}

void bench_tune(int fd)
{
    int one = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4);
}

int bench_listen(uint32_t port)
{
    struct sockaddr_in at = bench_loopback(port);
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        bench_die("socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    bench_tune(fd); /* what it accepts inherits both */
    if (bind(fd, (struct sockaddr *)&at, sizeof at) || listen(fd, 4096))
        bench_die("listen on 127.0.0.1:%u", port);
    return fd;
}

int bench_udp(uint32_t port, bool gro)
{
    struct sockaddr_in at = bench_loopback(port);
    int one = 1, room = 8 << 20, fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        bench_die("socket");
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room)) /* root; others get net.core.rmem_max */
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room))
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    if (gro && setsockopt(fd, IPPROTO_UDP, UDP_GRO, &one, sizeof one))
        bench_die("UDP_GRO");
    if (bind(fd, (struct sockaddr *)&at, sizeof at))
        bench_die("bind 127.0.0.1:%u", port);
    return fd;
}
