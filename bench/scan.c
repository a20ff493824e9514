/* scan: the common part of the connect scanners. */
#include "scan.h"

#include "common.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>

static int64_t own_cpu(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

void scan_init(struct scan *s, int argc, char **argv)
{
    bench_raise_files();
    *s = (struct scan){ 0 };
    for (int i = 1; i < argc && i <= SCAN_PORTS; i++)
        s->ports[s->port_count++] = (uint16_t)bench_number(argv[i], 1, 65535);
    if (!s->port_count)
        bench_die("usage: SECONDS PORT...");
    s->from = bench_now();
    s->until = s->from + (int64_t)bench_number(argv[0], 1, 60) * 1000000000;
    s->cpu = own_cpu();
}

bool scan_over(const struct scan *s) { return bench_now() >= s->until; }

struct sockaddr_in scan_next(struct scan *s) { return bench_loopback(s->ports[s->begun++ % s->port_count]); }

int scan_socket(int flags)
{
    struct linger reset = { .l_onoff = 1 };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);

    if (fd < 0)
        bench_die("socket");
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    return fd;
}

void scan_told(struct scan *s, int error)
{
    if (!error)
        s->open++;
    else if (error == ECONNREFUSED)
        s->closed++;
    else
        s->failed++;
}

void scan_print(const struct scan *s)
{
    double cpu = (double)(own_cpu() - s->cpu) / 1e9, wall = (double)(bench_now() - s->from) / 1e9;
    double done = (double)(s->open + s->closed + s->failed);

    printf("done=%.0f wall=%.4f cpu=%.4f rate=%.0f percpu=%.0f open=%llu closed=%llu failed=%llu\n", done, wall, cpu,
        done / wall, done / cpu, (unsigned long long)s->open, (unsigned long long)s->closed,
        (unsigned long long)s->failed);
}
