/* load: the load generator of bench/. Start reading at main(); the runners are the shell scripts beside it.
 *
 *   load echo|accept|idle|udp|fanout [options]   a load on a server that runs; prints one line of key=value
 *   load run|time|start|inside|port|wait ...     what the runner needs and a shell cannot do; see load.h */
#include "load.h"

#include "common.h"
#include "meter.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WARM_UP_MS = 300, GUARD_S = 60 };

int64_t load_guard(const struct load *load)
{
    alarm((unsigned)load->seconds + GUARD_S); /* a server that stops answering ends the measurement, not the run */
    return bench_now() + WARM_UP_MS * 1000000LL;
}

bool load_begins(const struct load *load, struct span_of_time *t, int64_t now)
{
    if (t->running || now < t->from)
        return false;
    t->running = true;
    t->cpu = load->server ? meter_cpu(load->server) : 0;
    t->from = bench_now();
    t->until = t->from + (int64_t)(load->seconds * 1e9);
    return true;
}

bool load_ends(const struct span_of_time *t, int64_t now) { return t->running && now >= t->until; }

void load_print(const struct load *load, const struct span_of_time *t, uint64_t done, const struct hist *h)
{
    double cpu = load->server ? (double)(meter_cpu(load->server) - t->cpu) / 1e9 : 0;
    double wall = (double)(bench_now() - t->from) / 1e9;
    double p50 = (double)hist_at(h, .5) / 1e3, p99 = (double)hist_at(h, .99) / 1e3; /* us */

    printf(
        "done=%llu wall=%.4f cpu=%.4f cost=%.4f rate=%.0f percpu=%.0f p50=%.1f p99=%.1f tail=%.2f max=%.1f balance=%.2f",
        (unsigned long long)done, wall, cpu, done ? cpu * 1e6 / (double)done : 0, (double)done / wall,
        cpu > 0 ? (double)done / cpu : 0, p50, p99, p50 > 0 ? p99 / p50 : 0, (double)h->max / 1e3,
        load->server ? meter_balance(load->server) : 0);
}

int load_connect(uint32_t port)
{
    struct sockaddr_in to = bench_loopback(port);
    int fd = -1;

    for (int tries = 0; tries < 250; tries++) {
        fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
            bench_die("socket");
        bench_tune(fd);
        if (!connect(fd, (struct sockaddr *)&to, sizeof to))
            break;
        if (errno != ECONNREFUSED)
            bench_die("connect to port %u", port);
        close(fd);
        fd = -1;
        usleep(20000);
    }
    if (fd < 0)
        bench_die("nothing listens on port %u", port);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

static const struct {
    const char *name;
    void (*load)(const struct load *load);
    int (*spawn)(char **argv);
} jobs[] = {
    { "echo", load_echo, NULL },
    { "accept", load_accept, NULL },
    { "idle", load_idle, NULL },
    { "udp", load_udp, NULL },
    { "fanout", load_fanout, NULL },
    { "run", NULL, spawn_run },
    { "time", NULL, spawn_time },
    { "start", NULL, spawn_start },
    { "inside", NULL, spawn_inside },
    { "port", NULL, spawn_port },
    { "wait", NULL, spawn_wait },
};

static const char usage[] =
    "usage: load echo|accept|idle|udp|fanout -p PORT [-P PID] [-c LINKS] [-s BYTES] [-t SECONDS] [-w WINDOW]\n"
    "            [-r RATE] [-g (trains)] [-i (IRC)] [-q (idle: say nothing)]\n"
    "       load run CPU|- CMD... | time FILE CPU|- CMD... | start COUNT SECONDS CMD... | inside CMD... | port | wait tcp|udp PORT [PID]\n";

static struct load parse(int argc, char **argv)
{
    struct load load = { .links = 1, .size = 64, .window = 32, .seconds = 2 };

    for (int c; (c = getopt(argc, argv, "p:P:c:s:t:w:r:giq")) != -1;)
        switch (c) {
        case 'p': load.port = bench_number(optarg, 1, 65535); break;
        case 'P': load.server = (pid_t)bench_number(optarg, 1, 1 << 22); break;
        case 'c': load.links = bench_number(optarg, 1, 100000); break;
        case 's': load.size = bench_number(optarg, 16, 1 << 20); break;
        case 't': load.seconds = strtod(optarg, NULL); break;
        case 'w': load.window = bench_number(optarg, 1, 4096); break;
        case 'r': load.rate = bench_number(optarg, 1, 1000000); break;
        case 'g': load.trains = true; break;
        case 'i': load.irc = true; break;
        case 'q': load.silent = true; break;
        default: fputs(usage, stderr); exit(2);
        }
    if (!load.port || !(load.seconds > 0 && load.seconds <= 60)) {
        fputs(usage, stderr);
        exit(2);
    }
    return load;
}

int main(int argc, char **argv)
{
    for (size_t i = 0; argc > 1 && i < sizeof jobs / sizeof jobs[0]; i++) {
        if (strcmp(argv[1], jobs[i].name))
            continue;
        if (jobs[i].spawn)
            return jobs[i].spawn(argv + 2);
        bench_raise_files();
        struct load load = parse(argc - 1, argv + 1);
        jobs[i].load(&load);
        return 0;
    }
    fputs(usage, stderr);
    return 2;
}
