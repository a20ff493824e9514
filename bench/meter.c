/* meter: CPU and memory of a server with its threads and children, from /proc. */
#include "meter.h"

#include "common.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct proc {
    int session;
    int64_t children; /* ns of CPU of children that were waited for; counted by the kernel in ticks */
};

static bool read_file(const char *path, char *text, size_t size)
{
    FILE *f = fopen(path, "re");
    size_t n = f ? fread(text, 1, size - 1, f) : 0;

    if (f)
        fclose(f);
    text[n] = 0;
    return n > 0;
}

/* proc(5): the name may hold spaces and parentheses, so the fields are counted from its last parenthesis. */
static bool read_stat(pid_t pid, struct proc *ret)
{
    char path[64], text[1024], *p;
    long cutime, cstime;

    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    if (!read_file(path, text, sizeof text) || !(p = strrchr(text, ')')))
        return false;
    if (sscanf(p + 2, "%*c %*d %*d %d %*d %*d %*u %*u %*u %*u %*u %*u %*u %ld %ld", &ret->session, &cutime, &cstime) !=
        3)
        return false;
    ret->children = (cutime + cstime) * (1000000000LL / sysconf(_SC_CLK_TCK));
    return true;
}

/* The clock of a process is exact to the ns and has its ended threads in it; utime and stime are ticks. */
static int64_t own_cpu(pid_t pid)
{
    struct timespec t;
    clockid_t clock;

    if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &t))
        return 0;
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* A server that forks for each client may lose a child between the two looks: it moves from one sum to the other. */
int64_t meter_cpu(pid_t session)
{
    DIR *dir = opendir("/proc");
    int64_t sum = 0;

    if (!dir)
        bench_die("/proc");
    for (struct dirent *d; (d = readdir(dir));) {
        pid_t pid = (pid_t)strtol(d->d_name, NULL, 10);
        struct proc proc;

        if (pid > 0 && read_stat(pid, &proc) && proc.session == session)
            sum += own_cpu(pid) + proc.children;
    }
    closedir(dir);
    errno = 0;
    return sum;
}

static int64_t own_memory(pid_t pid)
{
    char path[64], text[4096], *p;

    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", pid);
    if (!read_file(path, text, sizeof text) || !(p = strstr(text, "Anonymous:")))
        return 0;
    return strtoll(p + strlen("Anonymous:"), NULL, 10) * 1024;
}

int64_t meter_memory(pid_t session)
{
    DIR *dir = opendir("/proc");
    int64_t sum = 0;

    if (!dir)
        bench_die("/proc");
    for (struct dirent *d; (d = readdir(dir));) {
        pid_t pid = (pid_t)strtol(d->d_name, NULL, 10);
        struct proc proc;

        if (pid > 0 && read_stat(pid, &proc) && proc.session == session)
            sum += own_memory(pid);
    }
    closedir(dir);
    errno = 0;
    return sum;
}

double meter_balance(pid_t server)
{
    char path[300], text[128];
    double sum = 0, most = 0;
    int threads = 0;
    DIR *dir;

    snprintf(path, sizeof path, "/proc/%d/task", server);
    if (!(dir = opendir(path)))
        return 0;
    for (struct dirent *d; (d = readdir(dir));) {
        double cpu;

        snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", server, d->d_name);
        if (d->d_name[0] == '.' || !read_file(path, text, sizeof text))
            continue;
        cpu = strtod(text, NULL);
        if (cpu < 20e6) /* a thread that does no work (a resolver, a signal waiter) is no part of the balance */
            continue;
        sum += cpu;
        most = cpu > most ? cpu : most;
        threads++;
    }
    closedir(dir);
    errno = 0;
    return threads ? sum / threads / most : 0;
}
