/* spawn: starts programs where and how the runner wants them: pinned, in a session or a network of their own, timed. */
#include "load.h"

#include "common.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static void need(char **argv, int words, const char *usage)
{
    for (int i = 0; i < words; i++)
        if (!argv[i]) {
            errno = 0;
            bench_die("usage: load %s", usage);
        }
}

/* "0", "0,1"; "-": anywhere. A core that is not there is no failure: the figures then say less. */
static void pin(const char *cpus)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    for (char *end; *cpus && *cpus != '-'; cpus = *end ? end + 1 : end) {
        CPU_SET(strtoul(cpus, &end, 10) % CPU_SETSIZE, &set);
        if (end == cpus)
            bench_die("'%s' is no list of cores", cpus);
    }
    if (CPU_COUNT(&set))
        (void)sched_setaffinity(0, sizeof set, &set);
}

static _Noreturn void become(char **argv)
{
    execvp(argv[0], argv);
    bench_die("%s", argv[0]);
}

int spawn_run(char **argv)
{
    need(argv, 2, "run CPU|- COMMAND...");
    pin(argv[0]);
    bench_raise_files();
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (setsid() < 0 && getsid(0) != getpid())
        bench_die("setsid");
    become(argv + 1);
}

static double seconds_of(const struct rusage *u)
{
    return (double)(u->ru_utime.tv_sec + u->ru_stime.tv_sec) +
           (double)(u->ru_utime.tv_usec + u->ru_stime.tv_usec) / 1e6;
}

int spawn_time(char **argv)
{
    struct rusage usage;
    int status;
    int64_t from = bench_now();
    FILE *out;
    pid_t child;

    need(argv, 3, "time FILE CPU|- COMMAND...");
    if ((child = fork()) < 0)
        bench_die("fork");
    if (!child) {
        pin(argv[1]);
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        become(argv + 2);
    }
    if (wait4(child, &status, 0, &usage) != child || !(out = fopen(argv[0], "we")))
        bench_die("%s", argv[0]);
    fprintf(out, "cpu=%.6f wall=%.6f\n", seconds_of(&usage), (double)(bench_now() - from) / 1e9);
    fclose(out);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

/* posix_spawn is a vfork here, so that the size of this process is not in the figure. */
static int64_t start_once(char **argv, double *cpu)
{
    posix_spawn_file_actions_t quiet;
    struct rusage usage;
    int64_t from;
    pid_t child;
    int status;

    posix_spawn_file_actions_init(&quiet);
    posix_spawn_file_actions_addopen(&quiet, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&quiet, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    from = bench_now();
    if ((errno = posix_spawnp(&child, argv[0], &quiet, NULL, argv, environ)))
        bench_die("%s", argv[0]);
    wait4(child, &status, 0, &usage);
    from = bench_now() - from;
    posix_spawn_file_actions_destroy(&quiet);
    *cpu += seconds_of(&usage);
    return from;
}

int spawn_start(char **argv)
{
    enum { LEAST = 5 };
    uint32_t count, n = 0;
    int64_t *wall, until;
    double cpu = 0;

    need(argv, 3, "start COUNT SECONDS COMMAND...");
    count = bench_number(argv[0], LEAST, 10000);
    wall = bench_alloc(count * sizeof *wall);
    start_once(argv + 2, &cpu); /* the first one fills the page cache */
    cpu = 0;
    until = bench_now() + (int64_t)(strtod(argv[1], NULL) * 1e9);
    while (n < count && (n < LEAST || bench_now() < until))
        wall[n++] = start_once(argv + 2, &cpu);
    qsort(wall, n, sizeof *wall, by_value);
    printf("starts=%u wall_us=%.1f p99=%.1f cpu_us=%.1f\n", n, (double)wall[n / 2] / 1e3,
        (double)wall[n * 99 / 100] / 1e3, cpu / n * 1e6);
    free(wall);
    return 0;
}

static bool write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

    if (fd >= 0)
        close(fd);
    return ok;
}

/* Without privilege a user namespace gives the right to a network of one's own, with one's own number as root. */
static bool new_network(void)
{
    char map[64];
    unsigned uid = getuid(), gid = getgid();

    if (!unshare(CLONE_NEWNET))
        return true;
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET))
        return false;
    snprintf(map, sizeof map, "0 %u 1", uid);
    write_file("/proc/self/uid_map", map);
    write_file("/proc/self/setgroups", "deny");
    snprintf(map, sizeof map, "0 %u 1", gid);
    write_file("/proc/self/gid_map", map);
    return true;
}

static void loopback_up(void)
{
    struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &lo))
        bench_die("loopback");
    close(fd);
}

int spawn_inside(char **argv)
{
    need(argv, 1, "inside COMMAND...");
    if (new_network()) {
        loopback_up();
        if (!write_file("/proc/sys/net/ipv4/tcp_congestion_control", "reno"))
            fputs("bench: cannot choose reno: peers that pace look slower than they are\n", stderr);
        setenv("BENCH_INSIDE", "1", 1);
    } else {
        fputs("bench: no network namespace here: on the host's loopback, with its congestion control\n", stderr);
        setenv("BENCH_INSIDE", "0", 1);
    }
    become(argv);
}

int spawn_port(char **argv)
{
    struct sockaddr_in at = bench_loopback(0);
    socklen_t n = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&at, n) || getsockname(fd, (struct sockaddr *)&at, &n))
        bench_die("no free port");
    printf("%u\n", ntohs(at.sin_port));
    return 0;
}

/* proc(5), net/tcp: "  0: 0100007F:1F90 00000000:0000 0A"; 0A is LISTEN, 07 an unconnected UDP socket. */
static bool listens(const char *table, uint32_t port, unsigned state)
{
    char path[64], line[512];
    unsigned local, is;
    bool found = false;
    FILE *f;

    snprintf(path, sizeof path, "/proc/self/net/%s", table);
    if (!(f = fopen(path, "re")))
        return false;
    while (!found && fgets(line, sizeof line, f))
        found = sscanf(line, " %*d: %*[0-9A-F]:%x %*[0-9A-F]:%*x %x", &local, &is) == 2 && local == port && is == state;
    fclose(f);
    return found;
}

/* proc(5): the state stands behind the name; Z: ended, and the shell has not looked yet. */
static bool has_ended(const char *pid)
{
    char path[64], text[512] = "", *name_end;
    FILE *f;

    snprintf(path, sizeof path, "/proc/%.20s/stat", pid);
    f = fopen(path, "re");
    if (f) {
        text[fread(text, 1, sizeof text - 1, f)] = 0;
        fclose(f);
    }
    name_end = strrchr(text, ')');
    return !name_end || !strncmp(name_end, ") Z", 3);
}

/* No connection is made: a listener for one peer would take it for its peer. */
int spawn_wait(char **argv)
{
    uint32_t port;
    bool udp;

    need(argv, 2, "wait tcp|udp PORT [PID]");
    udp = !strcmp(argv[0], "udp");
    port = bench_number(argv[1], 1, 65535);
    for (int tries = 0; tries < 500; tries++) {
        if (listens(udp ? "udp" : "tcp", port, udp ? 7 : 10) || listens(udp ? "udp6" : "tcp6", port, udp ? 7 : 10))
            return 0;
        if (argv[2] && has_ended(argv[2]))
            return 1;
        usleep(10000);
    }
    return 1;
}
