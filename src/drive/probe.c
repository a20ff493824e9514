/* probe: what this kernel allows this user, tried.  Start at the table at the end. */
#include "drive/probe.h"

#include "drive/crypt.h"
#include "drive/plug.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <sched.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
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
    IO_URING_SETUP = 425,
    IO_URING_PARAMS = 120, /* bytes of struct io_uring_params */
    LANDLOCK_CREATE_RULESET = 444,
    LANDLOCK_VERSION = 1,
};

/* ---- what was found ---- */

static void __attribute__((format(printf, 4, 5)))
found(struct skt_probed *p, enum skt_probed_state state, const char *advice, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(p->found, sizeof p->found, fmt, ap);
    va_end(ap);
    p->state = state;
    p->advice = advice;
}

/* Yes if r >= 0; else no, for the reason in errno. Closes r if it is a descriptor. */
static void found_try(struct skt_probed *p, int r, const char *advice)
{
    if (r < 0)
        found(p, SKT_PROBED_NO, advice, "no: %s", strerror(errno));
    else
        found(p, SKT_PROBED_YES, NULL, "yes");
    if (r > STDERR_FILENO)
        (void)close(r); /* nothing was written */
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

/* A number of the kernel's that ought not to be less. */
static void at_least(struct skt_probed *p, const char *path, long wanted, const char *advice)
{
    char text[64];

    if (!read_line(path, text, sizeof text))
        found(p, SKT_PROBED_UNKNOWN, NULL, "%s cannot be read", path);
    else if (strtol(text, NULL, 10) < wanted)
        found(p, SKT_PROBED_NO, advice, "%s, below %ld", text, wanted);
    else
        found(p, SKT_PROBED_YES, NULL, "%s", text);
}

/* fn in a child, for what cannot be taken back; it gives 0 or an errno, as does this. -1: no child. */
static int in_child(int (*fn)(void))
{
    int status = 0;
    pid_t child = fork();

    if (child == 0)
        _exit(fn());
    if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status))
        return -1;
    return WEXITSTATUS(status);
}

static void found_in_child(struct skt_probed *p, int (*fn)(void), const char *advice)
{
    int r = in_child(fn);

    if (r < 0) {
        found(p, SKT_PROBED_UNKNOWN, NULL, "not known: no child process");
        return;
    }
    errno = r;
    found_try(p, r ? -1 : 0, advice);
}

/* ---- sockets ---- */

static void try_kernel(struct skt_probed *p)
{
    struct utsname name;

    (void)uname(&name); /* fails for no valid pointer */
    found(p, SKT_PROBED_YES, NULL, "%s %s %s", name.sysname, name.release, name.machine);
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

static void try_ip4(struct skt_probed *p)
{
    const struct sockaddr_in any = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };

    found_try(p, talk_over((const struct sockaddr *)&any, sizeof any), "bring the loopback up: ip link set lo up");
}

static void try_ip6(struct skt_probed *p)
{
    const struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };

    found_try(p, talk_over((const struct sockaddr *)&any, sizeof any), "sysctl net.ipv6.conf.lo.disable_ipv6=0");
}

static void try_files(struct skt_probed *p)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit)) {
        found(p, SKT_PROBED_UNKNOWN, NULL, "not known: %s", strerror(errno));
        return;
    }
    found(p, limit.rlim_max < FILES_WANTED ? SKT_PROBED_NO : SKT_PROBED_YES,
        limit.rlim_max < FILES_WANTED ? "raise the hard limit: LimitNOFILE= of the service, or limits.conf(5)" : NULL,
        "%llu now, up to %llu", (unsigned long long)limit.rlim_cur, (unsigned long long)limit.rlim_max);
}

static void try_low_ports(struct skt_probed *p)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), r = -1;
    char first[32] = "1024";

    for (uint16_t port = 1; fd >= 0 && port < 8 && r; port++) { /* one of them is free */
        at.sin_port = htons(port);
        r = bind(fd, (struct sockaddr *)&at, sizeof at);
        if (r && errno != EADDRINUSE)
            break;
    }
    found_try(p, r,
        "choose higher ports, or: setcap cap_net_bind_service+ep on the program, or: sysctl "
        "net.ipv4.ip_unprivileged_port_start=80");
    if (fd >= 0)
        (void)close(fd); /* nothing was sent */
    if (p->state == SKT_PROBED_NO && read_line("/proc/sys/net/ipv4/ip_unprivileged_port_start", first, sizeof first))
        found(p, SKT_PROBED_NO, p->advice, "no: those from %s on are free to all", first);
}

static void try_backlog(struct skt_probed *p)
{
    at_least(p, "/proc/sys/net/core/somaxconn", BACKLOG_WANTED, "sysctl -w net.core.somaxconn=4096");
}

/* Two sockets of one user on one port. */
static void try_shared_port(struct skt_probed *p)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t n = sizeof at;
    int fds[2], on = 1, r = 0;

    for (int i = 0; i < 2; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (!r)
            r = setsockopt(fds[i], SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
        if (!r)
            r = bind(fds[i], (struct sockaddr *)&at, sizeof at);
        if (!r)
            r = listen(fds[i], 1);
        if (!r)
            r = getsockname(fds[i], (struct sockaddr *)&at, &n);
    }
    found_try(p, r, "a kernel from 3.9 on has it; use one thread");
    for (int i = 0; i < 2; i++)
        if (fds[i] >= 0)
            (void)close(fds[i]); /* nothing was sent */
}

static void try_buffers(struct skt_probed *p)
{
    at_least(p, "/proc/sys/net/core/rmem_max", BUFFER_WANTED,
        "sysctl -w net.core.rmem_max=4194304 net.core.wmem_max=4194304");
}

static void try_trains(struct skt_probed *p)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), segment = 1200, on = 1;
    bool out = !setsockopt(fd, SOL_UDP, UDP_SEGMENT, &segment, sizeof segment);
    bool in = !setsockopt(fd, SOL_UDP, UDP_GRO, &on, sizeof on);

    found(p, out && in ? SKT_PROBED_YES : SKT_PROBED_NO,
        out && in ? NULL : "a kernel from 5.0 on has both; all works without", "sending %s, receiving %s",
        out ? "yes" : "no", in ? "yes" : "no");
    if (fd >= 0)
        (void)close(fd); /* nothing was sent */
}

static void try_congestion(struct skt_probed *p)
{
    char now[64], allowed[128];

    if (read_line("/proc/sys/net/ipv4/tcp_congestion_control", now, sizeof now) &&
        read_line("/proc/sys/net/ipv4/tcp_allowed_congestion_control", allowed, sizeof allowed))
        found(p, SKT_PROBED_YES, NULL, "%s; allowed: %s", now, allowed);
    else
        found(p, SKT_PROBED_UNKNOWN, NULL, "not known");
}

static void try_busy_poll(struct skt_probed *p)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), us = 50;

    found_try(p, setsockopt(fd, SOL_SOCKET, SO_BUSY_POLL, &us, sizeof us),
        "needs CAP_NET_ADMIN; --busy-poll spins in the program instead");
    if (fd >= 0)
        (void)close(fd); /* nothing was sent */
}

/* A byte from a pipe to a socket that never saw this process's memory. */
static void try_splice(struct skt_probed *p)
{
    int ends[2] = { -1, -1 }, pair[2] = { -1, -1 }, r = -1;
    char byte = 'x';

    if (!pipe2(ends, O_CLOEXEC) && !socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) &&
        write(ends[1], &byte, 1) == 1 && splice(ends[0], NULL, pair[0], NULL, 1, SPLICE_F_NONBLOCK) == 1 &&
        read(pair[1], &byte, 1) == 1)
        r = 0;
    found_try(p, r, "files and pipes are copied instead");
    for (int i = 0; i < 2; i++) {
        (void)close(ends[i]); /* -1 is refused */
        (void)close(pair[i]);
    }
}

static void try_fine_waits(struct skt_probed *p)
{
    const struct timespec none = { 0 };
    struct epoll_event ev;
    int epoll = epoll_create1(EPOLL_CLOEXEC), r = epoll_pwait2(epoll, &ev, 1, &none, NULL);

    found_try(p, r, "a kernel from 5.11 on has it; waits are of whole milliseconds without");
    (void)close(epoll); /* empty */
}

static void try_raw(struct skt_probed *p)
{
    found_try(p, socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP),
        "run it as root, or: setcap cap_net_raw+ep on the program");
}

static void try_ping(struct skt_probed *p)
{
    found_try(p, socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_ICMP),
        "sysctl -w net.ipv4.ping_group_range='0 2147483647'");
}

static void try_packets(struct skt_probed *p)
{
    found_try(
        p, socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), "run it as root, or: setcap cap_net_raw+ep on the program");
}

static void try_diag(struct skt_probed *p)
{
    found_try(
        p, socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG), "a kernel with CONFIG_INET_DIAG has it");
}

/* ---- rights, and giving them up ---- */

static void try_caps(struct skt_probed *p)
{
    static const struct {
        int cap;
        const char *name;
    } known[] = { { CAP_NET_BIND_SERVICE, "net_bind_service" }, { CAP_NET_ADMIN, "net_admin" },
        { CAP_NET_RAW, "net_raw" }, { CAP_SYS_ADMIN, "sys_admin" }, { CAP_SYS_NICE, "sys_nice" } };
    struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct data[2] = { 0 };
    char names[160] = "";

    if (syscall(SYS_capget, &head, data)) {
        found(p, SKT_PROBED_UNKNOWN, NULL, "not known: %s", strerror(errno));
        return;
    }
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (data[0].effective >> known[i].cap & 1)
            (void)snprintf(names + strlen(names), sizeof names - strlen(names), " %s", known[i].name);
    found(p, *names ? SKT_PROBED_YES : SKT_PROBED_NO, NULL, "%s", *names ? names + 1 : "none of those for networks");
}

static void try_landlock(struct skt_probed *p)
{
    long abi = syscall(LANDLOCK_CREATE_RULESET, NULL, 0, LANDLOCK_VERSION);

    if (abi < 1)
        found(p, SKT_PROBED_NO, "boot with lsm=landlock,... on a kernel from 5.13 on", "no: %s", strerror(errno));
    else
        found(p, SKT_PROBED_YES, NULL, "ABI %ld: files%s", abi, abi >= LANDLOCK_NET ? ", TCP ports" : "");
}

static void try_seccomp(struct skt_probed *p)
{
    uint32_t action = SECCOMP_RET_KILL_PROCESS;

    found_try(p, (int)syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action),
        "a kernel with CONFIG_SECCOMP_FILTER has it; no system call will be refused");
}

static int own_network(void) { return unshare(CLONE_NEWUSER | CLONE_NEWNET) ? errno : 0; }

static void try_namespaces(struct skt_probed *p)
{
    found_in_child(p, own_network, "sysctl kernel.unprivileged_userns_clone=1, or run it as root");
}

static int real_time(void)
{
    const struct sched_param least = { .sched_priority = 1 };

    return sched_setscheduler(0, SCHED_FIFO, &least) ? errno : 0;
}

static void try_real_time(struct skt_probed *p)
{
    found_in_child(p, real_time,
        geteuid() ? "run it as root, or: setcap cap_sys_nice+ep on the program, or rtprio in limits.conf(5)"
                  : "give the container CAP_SYS_NICE, and its control group a cpu.rt_runtime_us");
}

/* ---- queues: asked for on the loopback of a network of the child's own ---- */

static const char *queue_kind;

struct queue_ask {
    struct nlmsghdr head;
    struct tcmsg tc;
    struct nlattr attr;
    char kind[8];
};

/* 0, or the errno that the kernel answers. */
static int add_queue(void)
{
    struct queue_ask ask = {
        .head = { 0, RTM_NEWQDISC, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, 1, 0 },
        .tc = { .tcm_family = AF_UNSPEC, .tcm_ifindex = 1, .tcm_parent = TC_H_ROOT, .tcm_handle = 1U << 16 },
        .attr = { .nla_type = TCA_KIND },
    };
    struct {
        struct nlmsghdr head;
        struct nlmsgerr error;
        char rest[256];
    } answer;
    int fd;

    if (own_network())
        return EPERM;
    (void)snprintf(ask.kind, sizeof ask.kind, "%s", queue_kind);
    ask.attr.nla_len =
        (uint16_t)(sizeof ask.attr + strlen(queue_kind) + 1); /* older kernels compare the padding, too */
    ask.head.nlmsg_len = (uint32_t)(offsetof(struct queue_ask, attr) + NLA_ALIGN(ask.attr.nla_len));
    fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (fd < 0 || send(fd, &ask, ask.head.nlmsg_len, 0) < 0)
        return errno;
    if (recv(fd, &answer, sizeof answer, 0) < (ssize_t)(sizeof answer.head + sizeof answer.error.error))
        return EIO;
    return answer.head.nlmsg_type == NLMSG_ERROR ? -answer.error.error : EIO;
}

static void try_queues(struct skt_probed *p)
{
    static const char *const kinds[] = { "fq", "netem" };
    enum skt_probed_state all = SKT_PROBED_YES;
    char text[64] = "";

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        queue_kind = kinds[i];
        int r = in_child(add_queue);
        bool known = r >= 0 && r != EPERM,
             there = r == 0 || r == EINVAL; /* netem wants options: that it says so tells */
        (void)snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s %s", i ? ", " : "", kinds[i],
            !known  ? "not known"
            : there ? "yes"
                    : "no");
        if (!known || (!there && all == SKT_PROBED_YES))
            all = known ? SKT_PROBED_NO : SKT_PROBED_UNKNOWN;
    }
    found(p, all, all == SKT_PROBED_NO ? "modprobe sch_fq sch_netem, where the kernel has them" : NULL, "%s", text);
}

/* ---- what nothing of ours needs ---- */

static void try_uring(struct skt_probed *p)
{
    char params[IO_URING_PARAMS] = { 0 };

    found_try(p, (int)syscall(IO_URING_SETUP, 1, params), "sysctl -w kernel.io_uring_disabled=0");
}

/* A socket that is not connected is refused for that, once the module is found. */
static void try_ktls(struct skt_probed *p)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), r = setsockopt(fd, SOL_TCP, TCP_ULP, "tls", sizeof "tls");

    found_try(p, r && errno == ENOTCONN ? 0 : r, "modprobe tls");
    if (fd >= 0)
        (void)close(fd); /* nothing was sent */
}

static void try_xdp(struct skt_probed *p)
{
    found_try(p, socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0), "run it as root on a kernel with CONFIG_XDP_SOCKETS");
}

static void try_bpf(struct skt_probed *p)
{
    union bpf_attr map = { 0 };
    bool types = !access("/sys/kernel/btf/vmlinux", R_OK);
    int fd;

    map.map_type = BPF_MAP_TYPE_ARRAY;
    map.key_size = map.value_size = map.max_entries = 4;
    fd = (int)syscall(SYS_bpf, BPF_MAP_CREATE, &map, sizeof map);
    found_try(p, fd, "run it as root, or: setcap cap_bpf+ep on the program");
    (void)snprintf(
        p->found + strlen(p->found), sizeof p->found - strlen(p->found), "; its types (BTF): %s", types ? "yes" : "no");
}

/* ---- our own parts ---- */

static void try_plugs(struct skt_probed *p)
{
    static const char *const names[] = { "tls", "dns", "edit", "sandbox", "crypt", "qr" };
    char there[100] = "", lacking[100] = "";

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *to = skt_plug(names[i]) ? there : lacking;

        (void)snprintf(to + strlen(to), sizeof there - strlen(to), " %s", names[i]);
    }
    found(p, *lacking ? SKT_PROBED_NO : SKT_PROBED_YES,
        *lacking ? "install the rest of the package (sockit-NAME.so)" : NULL, "%s%s%s", *there ? there + 1 : "none",
        *lacking ? "; not" : "", lacking);
}

static void try_crypt(struct skt_probed *p)
{
    const struct skt_crypt *crypt = skt_crypt();

    found(p, crypt ? SKT_PROBED_YES : SKT_PROBED_NO, crypt ? NULL : "install the rest of the package (sockit-crypt.so)",
        "%s%s", crypt ? "AES-128-GCM by " : "none", crypt ? crypt->name : "");
}

static void try_roots(struct skt_probed *p)
{
    found_try(p, access("/etc/ssl/certs/ca-certificates.crt", R_OK), "apt install ca-certificates, or give --cacert");
}

static void try_resolver(struct skt_probed *p)
{
    found_try(p, access("/etc/resolv.conf", R_OK), "without it only /etc/hosts and numbers are understood");
}

static const struct {
    const char *name, *what_for;
    enum skt_probed_weight weight;
    void (*fn)(struct skt_probed *p);
} probes[] = {
    { "kernel", "everything", SKT_PROBED_USED, try_kernel },
    { "ip4", "TCP over 127.0.0.1", SKT_PROBED_VITAL, try_ip4 },
    { "ip6", "TCP over ::1", SKT_PROBED_USED, try_ip6 },
    { "files", "many links at once", SKT_PROBED_USED, try_files },
    { "backlog", "many connections in one moment", SKT_PROBED_USED, try_backlog },
    { "shared port", "threads that share a port: -j", SKT_PROBED_USED, try_shared_port },
    { "low ports", "listening below 1024", SKT_PROBED_USED, try_low_ports },
    { "udp trains", "UDP with little CPU (GSO, GRO)", SKT_PROBED_USED, try_trains },
    { "udp buffers", "fast UDP without losses", SKT_PROBED_USED, try_buffers },
    { "splice", "files and pipes without a copy", SKT_PROBED_USED, try_splice },
    { "fine waits", "timers below a millisecond (epoll_pwait2)", SKT_PROBED_USED, try_fine_waits },
    { "congestion", "TCP's speed", SKT_PROBED_USED, try_congestion },
    { "busy poll", "lowest latency, by the kernel", SKT_PROBED_USED, try_busy_poll },
    { "raw sockets", "ICMP, SYN probes", SKT_PROBED_USED, try_raw },
    { "ping sockets", "ICMP echo without rights", SKT_PROBED_USED, try_ping },
    { "packets", "seeing what passes an interface", SKT_PROBED_USED, try_packets },
    { "socket list", "who has which connection", SKT_PROBED_USED, try_diag },
    { "rights", "capabilities for networks", SKT_PROBED_EXTRA, try_caps },
    { "namespaces", "networks of one's own, for tests", SKT_PROBED_USED, try_namespaces },
    { "queues", "pacing, and bad networks for tests", SKT_PROBED_USED, try_queues },
    { "landlock", "giving up files after start", SKT_PROBED_USED, try_landlock },
    { "seccomp", "giving up system calls after start", SKT_PROBED_USED, try_seccomp },
    { "plug-ins", "TLS, names, editing, sandbox, transfer", SKT_PROBED_USED, try_plugs },
    { "cipher", "the packets of a transfer", SKT_PROBED_USED, try_crypt },
    { "roots", "verifying TLS peers", SKT_PROBED_USED, try_roots },
    { "resolver", "names", SKT_PROBED_USED, try_resolver },
    { "io_uring", "another way to wait", SKT_PROBED_EXTRA, try_uring },
    { "kernel tls", "TLS records made by the kernel", SKT_PROBED_EXTRA, try_ktls },
    { "af_xdp", "packets past the kernel's stack", SKT_PROBED_EXTRA, try_xdp },
    { "bpf", "programs in the kernel", SKT_PROBED_EXTRA, try_bpf },
    { "real time", "impair --realtime: before all others (SCHED_FIFO)", SKT_PROBED_EXTRA, try_real_time },
};

size_t skt_probes(void) { return sizeof probes / sizeof *probes; }

void skt_probe(size_t i, struct skt_probed *ret_probed)
{
    *ret_probed = (struct skt_probed){ probes[i].name, probes[i].what_for, probes[i].weight };
    probes[i].fn(ret_probed);
}
