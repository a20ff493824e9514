/* sandbox: gives up rights, files and system calls, in this order: the last one would forbid the others. */
#include "drive/sandbox.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- capabilities ---- */

/* The bounding set first, as dropping it needs a capability; who has none keeps it, and cannot use it: no_new_privs. */
static int drop_caps(const struct skt_sandbox_conf *conf)
{
    bool low_ports, read_all;

    if (capng_get_caps_process())
        return -EPERM;
    low_ports = conf->low_ports && capng_have_capability(CAPNG_PERMITTED, CAP_NET_BIND_SERVICE);
    read_all = conf->n_trees && !conf->trees_written && capng_have_capability(CAPNG_PERMITTED, CAP_DAC_READ_SEARCH);
    if (capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP)) {
        capng_clear(CAPNG_SELECT_BOUNDS);
        (void)capng_apply(CAPNG_SELECT_BOUNDS);
    }
    capng_clear(CAPNG_SELECT_BOTH);
    if (low_ports)
        (void)capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_NET_BIND_SERVICE);
    if (read_all)
        (void)capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_DAC_READ_SEARCH);
    if (capng_apply(CAPNG_SELECT_CAPS))
        return -EPERM;
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); /* is a part of the permitted ones: empty anyway */
    return 0;
}

/* ---- Landlock: three system calls without a library, and of Debian's headers only the first version ---- */

enum { LL_CREATE = 444, LL_ADD = 445, LL_RESTRICT = 446, LL_VERSION = 1, LL_BENEATH = 1 };

enum {
    LL_EXECUTE = 1 << 0,
    LL_WRITE_FILE = 1 << 1,
    LL_READ_FILE = 1 << 2,
    LL_READ_DIR = 1 << 3,
    LL_REMOVE_DIR = 1 << 4,
    LL_REMOVE_FILE = 1 << 5,
    LL_MAKE_DIR = 1 << 7,
    LL_MAKE_REG = 1 << 8,
    LL_MAKE_SYM = 1 << 12,
    LL_FIRST = (1 << 13) - 1, /* all of version 1 */
    LL_REFER = 1 << 13,       /* 2 */
    LL_TRUNCATE = 1 << 14,    /* 3 */
    LL_IOCTL_DEV = 1 << 15,   /* 5 */
    LL_SCOPE_SIGNAL = 1 << 1, /* 6: no signal to a process outside */

    LL_READ = LL_READ_FILE | LL_READ_DIR,
    LL_WRITE = LL_READ | LL_WRITE_FILE | LL_TRUNCATE | LL_MAKE_REG | LL_REMOVE_FILE,
    LL_TREE = LL_WRITE | LL_REMOVE_DIR | LL_MAKE_DIR | LL_MAKE_SYM | LL_REFER,
    LL_FOR_FILES = LL_EXECUTE | LL_WRITE_FILE | LL_READ_FILE | LL_TRUNCATE | LL_IOCTL_DEV, /* others: EINVAL */
};

struct ll_rules {
    uint64_t files, net, scoped;
};
struct __attribute__((packed)) ll_beneath {
    uint64_t allowed;
    int32_t parent;
};

/* What the kernel handles; 0: no Landlock. The size of the structure that it knows goes to ret_size. */
static struct ll_rules ll_known(size_t *ret_size)
{
    long abi = syscall(LL_CREATE, NULL, 0, LL_VERSION);
    struct ll_rules rules = { 0 };

    if (abi < 1)
        return rules;
    rules.files = LL_FIRST | (abi >= 2 ? LL_REFER : 0) | (abi >= 3 ? LL_TRUNCATE : 0) | (abi >= 5 ? LL_IOCTL_DEV : 0);
    rules.scoped = abi >= 6 ? LL_SCOPE_SIGNAL : 0;
    *ret_size = abi >= 6 ? sizeof rules : abi >= 4 ? offsetof(struct ll_rules, scoped) : offsetof(struct ll_rules, net);
    return rules;
}

/* A file that is not there cannot be allowed, and need not be. */
static int ll_allow(int rules, uint64_t known, const char *path, uint64_t wanted)
{
    struct ll_beneath rule = { .allowed = wanted & known };
    struct stat st;
    int r = 0;

    if (!path)
        return 0;
    rule.parent = open(path, O_PATH | O_CLOEXEC);
    if (rule.parent < 0)
        return errno == ENOENT || errno == EACCES || errno == ENOTDIR ? 0 : -errno;
    if (!fstat(rule.parent, &st) && !S_ISDIR(st.st_mode))
        rule.allowed &= LL_FOR_FILES;
    if (rule.allowed && syscall(LL_ADD, rules, LL_BENEATH, &rule, 0))
        r = -errno;
    close(rule.parent);
    return r;
}

static int ll_allow_remove(int rules, uint64_t known, const char *file)
{
    char dir[4096];
    const char *slash = file ? strrchr(file, '/') : NULL;
    int n = slash == file ? 1 : slash ? (int)(slash - file) : 0;

    if (!file)
        return 0;
    if (n >= (int)sizeof dir)
        return -ENAMETOOLONG;
    (void)snprintf(dir, sizeof dir, "%.*s", n, file);
    return ll_allow(rules, known, n ? dir : ".", LL_REMOVE_FILE);
}

/* The resolver's files are replaced by renaming, and a rule holds for a file, not for its name: so it is made for the
 * directory. Not for one of the top level, and for /etc only where all of it that is secret is closed by its owner. */
static int ll_allow_replaced(int rules, uint64_t known, const char *file)
{
    char path[PATH_MAX];
    char *slash = realpath(file, path) ? strrchr(path, '/') : NULL;
    int r = ll_allow(rules, known, geteuid() ? "/etc" : file, LL_READ_FILE);

    if (slash && slash > path) {
        *slash = 0;
        if (!r && strrchr(path, '/') > path)
            r = ll_allow(rules, known, path, LL_READ_FILE);
    }
    return r;
}

static int ll_allow_all(int rules, uint64_t known, const struct skt_sandbox_conf *conf)
{
    static const char *const replaced[] = { "/etc/hosts", "/etc/resolv.conf", "/etc/nsswitch.conf" };
    /* The authorities, and where the resolver's chance comes from in c-ares 1.18. */
    static const char *const always[] = { "/etc/ssl", "/usr/share/ca-certificates", "/dev/urandom" };
    int r = ll_allow(rules, known, "/dev/null", LL_READ_FILE | LL_WRITE_FILE | LL_TRUNCATE);

    for (size_t i = 0; i < sizeof replaced / sizeof *replaced && !r; i++)
        r = ll_allow_replaced(rules, known, replaced[i]);
    for (size_t i = 0; i < sizeof always / sizeof *always && !r; i++)
        r = ll_allow(rules, known, always[i], LL_READ);
    for (int i = 0; i < SKT_SANDBOX_FILES && !r; i++) {
        r = ll_allow(rules, known, conf->read[i], LL_READ);
        if (!r)
            r = ll_allow(rules, known, conf->write[i], LL_WRITE);
        if (!r)
            r = ll_allow_remove(rules, known, conf->remove[i]);
    }
    for (uint32_t i = 0; i < conf->n_trees && !r; i++)
        r = ll_allow(rules, known, conf->trees[i], conf->trees_written ? LL_TREE : LL_READ);
    return r;
}

/* 1: in force; 0: this kernel has none. */
static int drop_files(const struct skt_sandbox_conf *conf)
{
    size_t size = 0;
    struct ll_rules known = ll_known(&size);
    int rules = known.files ? (int)syscall(LL_CREATE, &known, size, 0) : -1, r;

    if (!known.files)
        return 0;
    if (rules < 0)
        return -errno;
    r = ll_allow_all(rules, known.files, conf);
    if (!r)
        r = syscall(LL_RESTRICT, rules, 0) ? -errno : 1;
    close(rules);
    return r;
}

/* ---- system calls ---- */

/* What is always allowed. Numbers below 0 are those of other machines, and are passed over. */
static const int allowed[] = {
    /* memory */
    SCMP_SYS(brk),
    SCMP_SYS(madvise),
    SCMP_SYS(mremap),
    SCMP_SYS(munmap),
    /* bytes */
    SCMP_SYS(copy_file_range),
    SCMP_SYS(pread64),
    SCMP_SYS(preadv),
    SCMP_SYS(pwrite64),
    SCMP_SYS(pwritev),
    SCMP_SYS(read),
    SCMP_SYS(readv),
    SCMP_SYS(sendfile),
    SCMP_SYS(splice),
    SCMP_SYS(tee),
    SCMP_SYS(write),
    SCMP_SYS(writev),
    /* descriptors */
    SCMP_SYS(close),
    SCMP_SYS(close_range),
    SCMP_SYS(dup),
    SCMP_SYS(dup2),
    SCMP_SYS(dup3),
    SCMP_SYS(eventfd2),
    SCMP_SYS(fcntl),
    SCMP_SYS(fdatasync),
    SCMP_SYS(fstat),
    SCMP_SYS(fsync),
    SCMP_SYS(ftruncate),
    SCMP_SYS(lseek),
    SCMP_SYS(pipe),
    SCMP_SYS(pipe2),
    SCMP_SYS(timerfd_create),
    SCMP_SYS(timerfd_settime),
    /* names of files: which ones, Landlock says */
    SCMP_SYS(access),
    SCMP_SYS(faccessat),
    SCMP_SYS(faccessat2),
    SCMP_SYS(getcwd),
    SCMP_SYS(getdents64),
    SCMP_SYS(lstat),
    SCMP_SYS(newfstatat),
    SCMP_SYS(open),
    SCMP_SYS(openat),
    SCMP_SYS(readlink),
    SCMP_SYS(readlinkat),
    SCMP_SYS(stat),
    SCMP_SYS(statx),
    SCMP_SYS(unlink),
    SCMP_SYS(unlinkat),
    /* sockets; which families, below */
    SCMP_SYS(accept),
    SCMP_SYS(accept4),
    SCMP_SYS(bind),
    SCMP_SYS(connect),
    SCMP_SYS(getpeername),
    SCMP_SYS(getsockname),
    SCMP_SYS(getsockopt),
    SCMP_SYS(listen),
    SCMP_SYS(recvfrom),
    SCMP_SYS(recvmmsg),
    SCMP_SYS(recvmsg),
    SCMP_SYS(sendmmsg),
    SCMP_SYS(sendmsg),
    SCMP_SYS(sendto),
    SCMP_SYS(setsockopt),
    SCMP_SYS(shutdown),
    /* waiting */
    SCMP_SYS(epoll_create1),
    SCMP_SYS(epoll_ctl),
    SCMP_SYS(epoll_pwait),
    SCMP_SYS(epoll_pwait2),
    SCMP_SYS(epoll_wait),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(pselect6),
    SCMP_SYS(select),
    /* time */
    SCMP_SYS(clock_getres),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(nanosleep),
    SCMP_SYS(time),
    /* threads and signals */
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(futex),
    SCMP_SYS(futex_waitv),
    SCMP_SYS(membarrier),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(rseq),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigpending),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(sched_yield),
    SCMP_SYS(set_robust_list),
    SCMP_SYS(set_tid_address),
    SCMP_SYS(sigaltstack),
    /* who and where we are */
    SCMP_SYS(getcpu),
    SCMP_SYS(getegid),
    SCMP_SYS(geteuid),
    SCMP_SYS(getgid),
    SCMP_SYS(getpid),
    SCMP_SYS(getppid),
    SCMP_SYS(getrandom),
    SCMP_SYS(getrlimit),
    SCMP_SYS(getrusage),
    SCMP_SYS(gettid),
    SCMP_SYS(getuid),
    SCMP_SYS(sysinfo),
    SCMP_SYS(uname),
/* newer than the library: by number */
#ifdef __NR_futex_wake
    __NR_futex_wake,
#endif
#ifdef __NR_futex_wait
    __NR_futex_wait,
#endif
#ifdef __NR_futex_requeue
    __NR_futex_requeue,
#endif
};

/* For trees of files. */
static const int allowed_trees[] = {
    SCMP_SYS(fadvise64),
    SCMP_SYS(fallocate),
    SCMP_SYS(fchmod),
    SCMP_SYS(fchmodat),
    SCMP_SYS(flock),
    SCMP_SYS(fstatfs),
    SCMP_SYS(linkat),
    SCMP_SYS(mkdirat),
    SCMP_SYS(openat2),
    SCMP_SYS(renameat),
    SCMP_SYS(renameat2),
    SCMP_SYS(statfs),
    SCMP_SYS(symlinkat),
    SCMP_SYS(syncfs),
    SCMP_SYS(utimensat),
};
static const uint32_t ioctls_trees[] = { FICLONE };

/* No TIOCSTI among them: it would type into the user's shell. */
static const uint32_t ioctls[] = { TCGETS, TCSETS, TCSETSW, TCSETSF, 0x802c542a /* TCGETS2 */, TIOCGWINSZ, TIOCGPGRP,
    TIOCOUTQ, FIONREAD, FIONBIO, SIOCGIFINDEX };

static const uint32_t families[] = { AF_UNIX, AF_INET, AF_INET6 };

/* 0x53564d41 is PR_SET_VMA: glibc names its memory. */
static const uint32_t prctls[] = { PR_SET_NAME, PR_GET_NAME, 0x53564d41 };

static int allow_values(scmp_filter_ctx ctx, int call, unsigned arg, const uint32_t *values, size_t n)
{
    int r = 0;

    for (size_t i = 0; i < n && !r; i++) /* the kernel looks at the lower half alone */
        r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, call, 1, SCMP_CMP(arg, SCMP_CMP_MASKED_EQ, UINT32_MAX, values[i]));
    return r;
}

/* Memory may be mapped, but no new code: a module that is loaded late is refused, not killed. */
static int allow_no_code(scmp_filter_ctx ctx, int call)
{
    int r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, call, 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));

    if (!r)
        r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EACCES), call, 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, PROT_EXEC));
    return r;
}

/* Threads, but no processes: clone3 hides its flags in memory, so glibc is told to use clone. */
static int allow_threads(scmp_filter_ctx ctx)
{
    int r = seccomp_rule_add(
        ctx, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1, SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));

    if (!r)
        r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    if (!r) /* abort, and pthread_kill */
        r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid()));
    if (!r) /* its own limits, to look at */
        r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 1, SCMP_A0(SCMP_CMP_EQ, 0));
    return r;
}

static int allow_calls(scmp_filter_ctx ctx, const int *calls, size_t n)
{
    int r = 0;

    for (size_t i = 0; i < n && !r; i++)
        if (calls[i] >= 0)
            r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, calls[i], 0);
    return r;
}

static int add_tree_rules(scmp_filter_ctx ctx)
{
    int r = allow_calls(ctx, allowed_trees, sizeof allowed_trees / sizeof *allowed_trees);

    return r ? r : allow_values(ctx, SCMP_SYS(ioctl), 1, ioctls_trees, 1);
}

static int add_rules(scmp_filter_ctx ctx, const struct skt_sandbox_conf *conf)
{
    int r = allow_calls(ctx, allowed, sizeof allowed / sizeof *allowed);

    if (!r && conf->n_trees)
        r = add_tree_rules(ctx);
    if (!r)
        r = allow_values(ctx, SCMP_SYS(ioctl), 1, ioctls, sizeof ioctls / sizeof *ioctls);
    if (!r)
        r = allow_values(ctx, SCMP_SYS(socket), 0, families, sizeof families / sizeof *families);
    if (!r) /* getifaddrs asks so, in some resolvers, and can do without */
        r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1,
            SCMP_A0(SCMP_CMP_MASKED_EQ, UINT32_MAX, AF_NETLINK));
    if (!r)
        r = allow_values(ctx, SCMP_SYS(socketpair), 0, families, 1);
    if (!r)
        r = allow_values(ctx, SCMP_SYS(prctl), 0, prctls, sizeof prctls / sizeof *prctls);
    if (!r)
        r = allow_no_code(ctx, SCMP_SYS(mmap));
    if (!r)
        r = allow_no_code(ctx, SCMP_SYS(mprotect));
    return r ? r : allow_threads(ctx);
}

/* 1: in force; 0: this kernel has none. */
static int drop_calls(const struct skt_sandbox_conf *conf)
{
    const uint32_t wish = SECCOMP_RET_KILL_PROCESS;
    bool can = !syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &wish); /* 4.14; before, the thread dies alone */
    uint32_t death = can ? SCMP_ACT_KILL_PROCESS : SCMP_ACT_KILL_THREAD;
    scmp_filter_ctx ctx = seccomp_init(death);
    int r;

    if (!ctx)
        return -ENOMEM;
    /* Threads that a library may have started are bound, too. Since the allow-list is the same for all our code, the
     * slow mitigation of speculative stores, meant for guests that do not trust each other, is left as it was. */
    (void)seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
    (void)seccomp_attr_set(ctx, SCMP_FLTATR_CTL_SSB, 1);
    (void)seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree of comparisons, not a list */
    r = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, death);
    if (!r)
        r = add_rules(ctx, conf);
    if (!r)
        r = seccomp_load(ctx);
    seccomp_release(ctx);
    if (r == -EINVAL || r == -ENOSYS || r == -ECANCELED) /* a kernel built without it */
        r = prctl(PR_GET_SECCOMP, 0, 0, 0, 0) < 0 ? 0 : r;
    else if (!r)
        r = 1;
    return r;
}

/* The sanitizers' own code in this process traces it, forks and writes files: it would be killed for that. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { WATCHED = true };
#elif defined(__has_feature)
enum { WATCHED = __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) };
#else
enum { WATCHED = false };
#endif

static int shut(const struct skt_sandbox_conf *conf, unsigned *ret_parts)
{
    unsigned parts = SKT_SANDBOX_NO_NEW_PRIVS;
    int r;

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        return -errno;
    if ((r = drop_caps(conf)))
        return r;
    parts |= SKT_SANDBOX_CAPS;
    if (!conf->exec && !WATCHED) {
        if ((r = drop_files(conf)) < 0)
            return r;
        parts |= r ? SKT_SANDBOX_LANDLOCK : 0;
        if ((r = drop_calls(conf)) < 0)
            return r;
        parts |= r ? SKT_SANDBOX_SECCOMP : 0;
    }
    *ret_parts = parts;
    return 0;
}

extern const struct skt_sandbox_ops skt_plug_sandbox;
__attribute__((visibility("default"))) const struct skt_sandbox_ops skt_plug_sandbox = { .shut = shut };
