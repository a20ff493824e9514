/* doctor: what this kernel and this user may do, tried; and what to do about what they may not.  Start at the table. */
#include "verb/verbs.h"

#include "cli/json.h"
#include "drive/plug.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    FILES_WANTED = 10240,            /* descriptors: as many links as the runtime's default cap leaves to a server */
    BACKLOG_WANTED = 4096,           /* what listeners ask for */
    BUFFER_WANTED = 4 * 1024 * 1024, /* bytes: 30 ms of 1 Gbit/s */
    LANDLOCK_NET = 4,                /* the ABI that has rules for TCP ports */
};

enum state {
    FINE,
    LACKING, /* something works less well, or not at all */
    BROKEN,  /* little works */
};

struct finding {
    enum state state;
    char found[200];
    const char *advice; /* NULL: nothing to do */
};

static void __attribute__((format(printf, 4, 5)))
find(struct finding *f, enum state state, const char *advice, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(f->found, sizeof f->found, fmt, ap);
    va_end(ap);
    f->state = state;
    f->advice = advice;
}

/* Fine if r >= 0; else lacking for the reason in errno. Closes r if it is a descriptor. */
static void find_try(struct finding *f, int r, const char *advice)
{
    if (r < 0)
        find(f, LACKING, advice, "no: %s", strerror(errno));
    else
        find(f, FINE, NULL, "yes");
    if (r > 2)
        (void)close(r);
}

/* The first line of a file of the kernel's; false: not there. */
static bool read_line(const char *path, char *to, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, to, size - 1);

    if (fd >= 0)
        (void)close(fd); /* only read */
    to[n > 0 ? n : 0] = 0;
    to[strcspn(to, "\n")] = 0;
    return n > 0;
}

static void at_least(struct finding *f, const char *path, long wanted, const char *advice)
{
    char text[64];

    if (!read_line(path, text, sizeof text))
        find(f, LACKING, NULL, "%s cannot be read", path);
    else if (strtol(text, NULL, 10) < wanted)
        find(f, LACKING, advice, "%s, below %ld", text, wanted);
    else
        find(f, FINE, NULL, "%s", text);
}

/* ---- the checks ---- */

static void check_kernel(struct finding *f)
{
    struct utsname name;

    (void)uname(&name); /* fails for no valid pointer */
    find(f, FINE, NULL, "%s %s %s", name.sysname, name.release, name.machine);
}

static void check_files(struct finding *f)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit)) {
        find(f, LACKING, NULL, "not known: %s", strerror(errno));
        return;
    }
    find(f, limit.rlim_max < FILES_WANTED ? LACKING : FINE,
        limit.rlim_max < FILES_WANTED ? "raise the hard limit: LimitNOFILE= of the service, or limits.conf(5)" : NULL,
        "%llu now, up to %llu", (unsigned long long)limit.rlim_cur, (unsigned long long)limit.rlim_max);
}

/* A listener, a connection to it, and a byte through both. */
static int talk_over(const struct sockaddr *any, socklen_t size)
{
    struct sockaddr_storage at;
    socklen_t n = sizeof at;
    int listener = socket(any->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0), one = -1, two = -1, r = -1;
    char byte = 'x';

    if (listener >= 0 && !bind(listener, any, size) && !listen(listener, 1) &&
        !getsockname(listener, (struct sockaddr *)&at, &n))
        one = socket(any->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (one >= 0 && !connect(one, (struct sockaddr *)&at, n))
        two = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (two >= 0 && send(one, &byte, 1, MSG_NOSIGNAL) == 1 && recv(two, &byte, 1, 0) == 1)
        r = 0;
    for (int i = 0, kept = errno, all[] = { listener, one, two }; i < 3; i++, errno = kept)
        if (all[i] >= 0)
            (void)close(all[i]); /* what mattered came through */
    return r;
}

static void check_ip4(struct finding *f)
{
    const struct sockaddr_in any = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };

    find_try(f, talk_over((const struct sockaddr *)&any, sizeof any), "bring the loopback up: ip link set lo up");
    if (f->state != FINE)
        f->state = BROKEN;
}

static void check_ip6(struct finding *f)
{
    const struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };

    find_try(f, talk_over((const struct sockaddr *)&any, sizeof any), "sysctl net.ipv6.conf.lo.disable_ipv6=0");
}

static void check_low_ports(struct finding *f)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), r = -1;

    for (uint16_t port = 1; fd >= 0 && port < 8 && r; port++) { /* one of them is free */
        at.sin_port = htons(port);
        r = bind(fd, (struct sockaddr *)&at, sizeof at);
        if (r && errno != EADDRINUSE)
            break;
    }
    find_try(f, r, "choose ports >= 1024, or: setcap cap_net_bind_service+ep on the program");
    if (fd >= 0)
        (void)close(fd); /* nothing was sent */
}

static void check_backlog(struct finding *f)
{
    at_least(f, "/proc/sys/net/core/somaxconn", BACKLOG_WANTED, "sysctl -w net.core.somaxconn=4096");
}

static void check_buffers(struct finding *f)
{
    at_least(f, "/proc/sys/net/core/rmem_max", BUFFER_WANTED,
        "sysctl -w net.core.rmem_max=4194304 net.core.wmem_max=4194304");
}

static void check_trains(struct finding *f)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), segment = 1200, on = 1;
    bool out = !setsockopt(fd, SOL_UDP, UDP_SEGMENT, &segment, sizeof segment);
    bool in = !setsockopt(fd, SOL_UDP, UDP_GRO, &on, sizeof on);

    find(f, out && in ? FINE : LACKING, out && in ? NULL : "a kernel from 5.0 on has both; all works without",
        "sending %s, receiving %s", out ? "yes" : "no", in ? "yes" : "no");
    if (fd >= 0)
        (void)close(fd); /* nothing was sent */
}

static void check_congestion(struct finding *f)
{
    char text[64];

    if (read_line("/proc/sys/net/ipv4/tcp_congestion_control", text, sizeof text))
        find(f, FINE, NULL, "%s", text);
    else
        find(f, LACKING, NULL, "not known");
}

static void check_raw(struct finding *f)
{
    find_try(f, socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP),
        "run it as root, or: setcap cap_net_raw+ep on the program");
}

static void check_packets(struct finding *f)
{
    find_try(
        f, socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), "run it as root, or: setcap cap_net_raw+ep on the program");
}

static void check_diag(struct finding *f)
{
    find_try(
        f, socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG), "a kernel with CONFIG_INET_DIAG has it");
}

static void check_busy_poll(struct finding *f)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), us = 50;

    find_try(f, setsockopt(fd, SOL_SOCKET, SO_BUSY_POLL, &us, sizeof us),
        "needs CAP_NET_ADMIN; --busy-poll spins in the program instead");
    if (fd >= 0)
        (void)close(fd); /* nothing was sent */
}

static void check_landlock(struct finding *f)
{
    long abi = syscall(444 /* landlock_create_ruleset */, NULL, 0, 1 /* version */);

    if (abi < 1)
        find(f, LACKING, "boot with lsm=landlock,... on a kernel from 5.13 on", "no: %s", strerror(errno));
    else
        find(f, FINE, NULL, "ABI %ld: files%s", abi, abi >= LANDLOCK_NET ? ", TCP ports" : "");
}

static void check_seccomp(struct finding *f)
{
    uint32_t action = SECCOMP_RET_KILL_PROCESS;

    find_try(f, (int)syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action),
        "a kernel with CONFIG_SECCOMP_FILTER has it; no system call will be refused");
}

/* In a child, for there is no way back. */
static void check_namespaces(struct finding *f)
{
    int status = 0;
    pid_t child = fork();

    if (child == 0)
        _exit(unshare(CLONE_NEWUSER | CLONE_NEWNET) ? errno : 0);
    if (child > 0 && waitpid(child, &status, 0) == child)
        errno = WIFEXITED(status) ? WEXITSTATUS(status) : ECHILD;
    find_try(f, child > 0 && !errno ? 0 : -1, "sysctl kernel.unprivileged_userns_clone=1, or run it as root");
}

static void check_plugs(struct finding *f)
{
    static const char *const names[] = { "tls", "dns", "edit", "sandbox" };
    char there[100] = "", lacking[100] = "";

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *to = skt_plug(names[i]) ? there : lacking;

        (void)snprintf(to + strlen(to), sizeof there - strlen(to), " %s", names[i]);
    }
    find(f, *lacking ? LACKING : FINE, *lacking ? "install the rest of the package (sockit-NAME.so)" : NULL, "%s%s%s",
        *there ? there + 1 : "none", *lacking ? "; not" : "", lacking);
}

static void check_roots(struct finding *f)
{
    find_try(f, access("/etc/ssl/certs/ca-certificates.crt", R_OK), "apt install ca-certificates, or give --cacert");
}

static void check_resolver(struct finding *f)
{
    find_try(f, access("/etc/resolv.conf", R_OK), "without it only /etc/hosts and numbers are understood");
}

static const struct check {
    const char *name, *what_for;
    void (*fn)(struct finding *f);
} checks[] = {
    { "kernel", "everything", check_kernel },
    { "ip4", "TCP over 127.0.0.1", check_ip4 },
    { "ip6", "TCP over ::1", check_ip6 },
    { "files", "many links at once", check_files },
    { "backlog", "many connections in one moment", check_backlog },
    { "low ports", "listening below 1024", check_low_ports },
    { "udp trains", "UDP with little CPU (GSO, GRO)", check_trains },
    { "udp buffers", "fast UDP without losses", check_buffers },
    { "congestion", "TCP's speed", check_congestion },
    { "busy poll", "lowest latency, by the kernel", check_busy_poll },
    { "raw sockets", "ICMP, SYN probes", check_raw },
    { "packets", "seeing what passes an interface", check_packets },
    { "socket list", "who has which connection", check_diag },
    { "namespaces", "networks of one's own, for tests", check_namespaces },
    { "landlock", "giving up files after start", check_landlock },
    { "seccomp", "giving up system calls after start", check_seccomp },
    { "plug-ins", "TLS, names, editing, sandbox", check_plugs },
    { "roots", "verifying TLS peers", check_roots },
    { "resolver", "names", check_resolver },
};

static const char *const state_names[] = { [FINE] = "ok", [LACKING] = "lacking", [BROKEN] = "broken" };

static void show(struct skt_cli *cli, const struct check *check, const struct finding *f)
{
    static const enum skt_style styles[] = { [FINE] = SKT_GREEN, [LACKING] = SKT_YELLOW, [BROKEN] = SKT_RED };
    struct skt_json j;

    if (!cli->json) {
        skt_sink_fmt(&cli->out, "%s%-8s%s %-12s %s\n", skt_cli_style(cli, 1, styles[f->state]), state_names[f->state],
            skt_cli_style(cli, 1, SKT_PLAIN), check->name, f->found);
        if (f->state != FINE)
            skt_sink_fmt(&cli->out, "%22sfor: %s\n", "", check->what_for);
        if (f->advice)
            skt_sink_fmt(&cli->out, "%22sdo:  %s\n", "", f->advice);
        return;
    }
    skt_json_begin(&j, &cli->out);
    skt_json_str(&j, "check", check->name);
    skt_json_str(&j, "state", state_names[f->state]);
    skt_json_str(&j, "found", f->found);
    skt_json_str(&j, "for", check->what_for);
    skt_json_str(&j, "do", f->advice);
    skt_json_end(&j);
}

static int doctor(struct skt_cli *cli)
{
    const struct skt_opt opts[] = { SKT_OPT_END };
    int r = skt_cli_parse(cli, opts), lacking = 0;

    if (r)
        return r;
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
        struct finding f = { .state = FINE };

        checks[i].fn(&f);
        show(cli, &checks[i], &f);
        lacking += f.state != FINE;
        if (f.state == BROKEN)
            r = SKT_EXIT_FAILED;
    }
    if (lacking)
        skt_cli_say(cli, "%d of %zu are lacking; all else works without them", lacking, sizeof checks / sizeof *checks);
    return r;
}

const struct skt_verb skt_verb_doctor = {
    "doctor",
    "Try what this machine allows, and say what to do about it",
    doctor,
    .about = "Everything is tried, not guessed: sockets on the loopback, options of the kernel, rights of this user. "
             "Nothing is changed, and nothing leaves the machine. The exit code is 1 if TCP itself does not work.",
    .examples = SKT_EXAMPLES(
        { "sockit doctor", "what works here" }, { "sockit doctor --json", "the same, one JSON object a line" }),
    .see_also = "config",
};
