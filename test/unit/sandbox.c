/* drive/sandbox.c and its module, each time in a child, for there is no way back. */
#include "test.h"

#include "drive/plug.h"
#include "drive/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Sanitizers and the filter exclude each other: the former need calls that the latter kills for. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

static bool has_landlock; /* asked for outside of the sandbox */

/* The status of a child that closes the sandbox, then calls fn, whose result is its exit status. */
static int after(const struct skt_sandbox_conf *conf, int (*fn)(void))
{
    int status = 0;
    pid_t child = fork();

    assert_true(child >= 0);
    if (!child) {
        (void)prctl(PR_SET_DUMPABLE, 0); /* no core file of those that die as they ought to */
        _exit(skt_sandbox(conf) ? 99 : fn());
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void assert_exits(int status, int code)
{
    assert_false(WIFSIGNALED(status));
    assert_int_equal(WEXITSTATUS(status), code);
}

static void assert_dies(int (*fn)(void))
{
    int status = after(&(struct skt_sandbox_conf){ 0 }, fn);

    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSYS);
}

/* ---- files ---- */

static char dir[] = "/tmp/sockit-sandbox.XXXXXX", inside[64], beside[64];

static int make_files(void **state)
{
    FILE *f;

    has_landlock = syscall(444, NULL, 0, 1) >= 1;
    if (!mkdtemp(dir))
        return -1;
    snprintf(inside, sizeof inside, "%s/inside", dir);
    snprintf(beside, sizeof beside, "%s/beside", dir);
    f = fopen(inside, "we");
    return f ? fclose(f) : -1;
}

static int remove_files(void **state)
{
    (void)unlink(inside);
    (void)unlink(beside);
    return rmdir(dir);
}

static int try_open(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC, 0600);

    if (fd < 0)
        return errno;
    close(fd);
    return 0;
}

/* Root has secrets in /etc; who is not needs the directory, whose files are replaced by renaming. */
static int reads_passwd(void) { return try_open("/etc/passwd", O_RDONLY) - (geteuid() ? 0 : EACCES); }
static int reads_os(void) { return try_open("/usr/lib/os-release", O_RDONLY); }
static int reads_hosts(void) { return try_open("/etc/hosts", O_RDONLY); }
static int writes_hosts(void) { return try_open("/etc/hosts", O_WRONLY); }
static int writes_null(void) { return try_open("/dev/null", O_RDWR); }
static int reads_inside(void) { return try_open(inside, O_RDONLY); }
static int writes_inside(void) { return try_open(inside, O_WRONLY | O_TRUNC); }
static int makes_beside(void) { return try_open(beside, O_WRONLY | O_CREAT); }
static int removes_inside(void) { return unlink(inside) ? errno : 0; }
static int makes_socket_file(void)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    memcpy(at.sun_path, beside, strlen(beside) + 1);
    return bind(fd, (struct sockaddr *)&at, sizeof at) ? errno : 0;
}

static void only_the_files_that_were_named_can_be_opened(void **state)
{
    const struct skt_sandbox_conf none = { 0 }, read = { .read = { dir } }, one = { .read = { NULL, inside } },
                                  write = { .write = { dir } }, gone = { .read = { "/no/such/dir" } };

    if (SANITIZED || !has_landlock)
        skip();
    assert_exits(after(&none, reads_passwd), 0);
    assert_exits(after(&none, reads_os), EACCES);
    assert_exits(after(&none, reads_hosts), 0);
    assert_exits(after(&none, writes_hosts), EACCES);
    assert_exits(after(&none, writes_null), 0);
    assert_exits(after(&none, reads_inside), EACCES);
    assert_exits(after(&gone, reads_os), EACCES);
    assert_exits(after(&read, reads_inside), 0);
    assert_exits(after(&one, reads_inside), 0);
    assert_exits(after(&read, writes_inside), EACCES);
    assert_exits(after(&read, makes_beside), EACCES);
    assert_exits(after(&write, writes_inside), 0);
    assert_exits(after(&write, makes_beside), 0);
    assert_int_equal(unlink(beside), 0);
    assert_exits(after(&write, makes_socket_file), EACCES);
}

static void a_file_can_be_removed_only_where_that_was_asked_for(void **state)
{
    if (SANITIZED || !has_landlock)
        skip();
    assert_exits(after(&(struct skt_sandbox_conf){ .read = { dir } }, removes_inside), EACCES);
    assert_exits(after(&(struct skt_sandbox_conf){ .remove = { beside } }, reads_inside), EACCES);
    assert_exits(after(&(struct skt_sandbox_conf){ .remove = { beside } }, removes_inside), 0);
    assert_int_equal(access(inside, F_OK), -1);
}

static void a_path_that_is_too_long_is_refused(void **state)
{
    static char longest[5000];

    if (SANITIZED || !has_landlock)
        skip();
    memset(longest, '/', sizeof longest - 1);
    assert_exits(after(&(struct skt_sandbox_conf){ .remove = { longest } }, reads_hosts), 99);
}

/* ---- system calls ---- */

static int runs_a_program(void)
{
    char *const argv[] = { (char *)"true", NULL };

    return execve("/bin/true", argv, NULL);
}
static int forks(void) { return fork() < 0; }
static int traces(void) { return (int)ptrace(PTRACE_TRACEME, 0, NULL, NULL); }
static int sets_up_a_ring(void) { return (int)syscall(425, 1, NULL); }
static int loads_bpf(void) { return (int)syscall(SYS_bpf, 0, NULL, 0); }
static int loads_a_module(void) { return (int)syscall(SYS_finit_module, -1, "", 0); }
static int mounts(void) { return (int)syscall(SYS_mount, "", "/", "", 0, NULL); }
static int leaves_its_namespace(void) { return unshare(0x10000000 /* CLONE_NEWUSER */); }
static int kills_another(void) { return kill(getppid(), 0); }
static int signals_a_thread_of_another(void) { return (int)syscall(SYS_tgkill, getppid(), getppid(), 0); }
static int opens_packets(void) { return socket(AF_PACKET, SOCK_RAW, 0); }
static int types_into_the_terminal(void) { return ioctl(0, TIOCSTI, "x"); }
static int makes_itself_traceable(void) { return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); }
static int limits_another(void)
{
    struct rlimit limit = { 0 };

    return prlimit(getppid(), RLIMIT_NOFILE, NULL, &limit);
}

static void what_no_verb_needs_kills(void **state)
{
    int (*const all[])(void) = { runs_a_program, forks, traces, sets_up_a_ring, loads_bpf, loads_a_module, mounts,
        leaves_its_namespace, kills_another, signals_a_thread_of_another, opens_packets, types_into_the_terminal,
        makes_itself_traceable, limits_another };

    if (SANITIZED)
        skip();
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        assert_dies(all[i]);
}

static int maps_code(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (page == MAP_FAILED || !mprotect(page, 4096, PROT_READ | PROT_EXEC) || errno != EACCES)
        return 1;
    return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED || errno != EACCES;
}

static void no_code_can_be_made_or_loaded(void **state)
{
    if (SANITIZED)
        skip();
    assert_exits(after(&(struct skt_sandbox_conf){ 0 }, maps_code), 0);
}

static void *is_shut_in(void *arg)
{
    *(bool *)arg = prctl(PR_GET_NAME, (char[16]){ 0 }) == 0 && try_open("/usr/lib/os-release", O_RDONLY) == EACCES;
    return NULL;
}

/* What glibc does for threads, sorting (which asks for the memory's size), time, and our sockets. */
static int compare(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }

static int lives_on(void)
{
    struct timespec soon = { .tv_nsec = 1000 };
    struct epoll_event ev = { .events = EPOLLIN };
    int epoll = epoll_create1(EPOLL_CLOEXEC), pair[2], *many = calloc(100000, sizeof *many);
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    pthread_t thread;
    bool shut = false;

    if (epoll < 0 || !many || listener < 0 || bind(listener, (struct sockaddr *)&at, sizeof at) || listen(listener, 1))
        return 1;
    qsort(many, 100000, sizeof *many, compare);
    free(many);
    if (pthread_create(&thread, NULL, is_shut_in, &shut) || pthread_join(thread, NULL) || shut != has_landlock)
        return 2;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) || epoll_ctl(epoll, EPOLL_CTL_ADD, pair[0], &ev))
        return 3;
    if (write(pair[1], "x", 1) != 1 || epoll_pwait2(epoll, &ev, 1, &soon, NULL) != 1)
        return 4;
    if (socket(AF_NETLINK, SOCK_RAW, 0) >= 0 || errno != EAFNOSUPPORT) /* refused: getifaddrs lives with it */
        return 5;
    return nanosleep(&soon, NULL) || !time(NULL) || access("/no/such", F_OK) == 0 ? 6 : 0;
}

static int aborts(void)
{
    abort();
    return 0;
}

static void what_verbs_and_glibc_need_goes_on(void **state)
{
    int status;

    if (SANITIZED)
        skip();
    assert_exits(after(&(struct skt_sandbox_conf){ 0 }, lives_on), 0);
    status = after(&(struct skt_sandbox_conf){ 0 }, aborts);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

/* ---- rights ---- */

static uint64_t caps_of(const char *name)
{
    char line[200];
    unsigned long long caps = ~0ULL;
    FILE *f = fopen("/proc/self/status", "re");

    while (f && fgets(line, sizeof line, f))
        if (!strncmp(line, name, strlen(name)))
            caps = strtoull(line + strlen(name) + 1, NULL, 16);
    if (f)
        fclose(f);
    return caps;
}

static int has_no_rights(void)
{
    if (caps_of("CapEff") || caps_of("CapPrm") || caps_of("CapInh") || caps_of("CapAmb"))
        return 1;
    if (geteuid() == 0 && caps_of("CapBnd")) /* who may not drop it keeps it */
        return 2;
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
        return 3;
    return skt_sandbox_parts() == (SKT_SANDBOX_NO_NEW_PRIVS | SKT_SANDBOX_CAPS) ? 0 : 4;
}

static int runs_sh(void) { return system("cat /etc/passwd >/dev/null"); }

static void who_runs_commands_gives_up_rights_and_nothing_else(void **state)
{
    assert_exits(after(&(struct skt_sandbox_conf){ .exec = true }, has_no_rights), 0);
    assert_exits(after(&(struct skt_sandbox_conf){ .exec = true }, runs_sh), 0);
}

static int may_bind_low(void) { return caps_of("CapEff") == 1ULL << CAP_NET_BIND_SERVICE ? 0 : 1; }

static void low_ports_may_be_kept(void **state)
{
    if (!(caps_of("CapEff") & 1ULL << CAP_NET_BIND_SERVICE))
        skip();
    assert_exits(after(&(struct skt_sandbox_conf){ .exec = true, .low_ports = true }, may_bind_low), 0);
}

static int all_parts(void)
{
    unsigned all = SKT_SANDBOX_NO_NEW_PRIVS | SKT_SANDBOX_CAPS | SKT_SANDBOX_SECCOMP;

    return skt_sandbox_parts() == (all | (has_landlock ? SKT_SANDBOX_LANDLOCK : 0)) ? 0 : 1;
}

static void what_took_effect_is_told(void **state)
{
    assert_int_equal(skt_sandbox_parts(), 0);
    if (SANITIZED)
        skip();
    assert_exits(after(&(struct skt_sandbox_conf){ 0 }, all_parts), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(only_the_files_that_were_named_can_be_opened),
        T(a_file_can_be_removed_only_where_that_was_asked_for),
        T(a_path_that_is_too_long_is_refused),
        T(what_no_verb_needs_kills),
        T(no_code_can_be_made_or_loaded),
        T(what_verbs_and_glibc_need_goes_on),
        T(who_runs_commands_gives_up_rights_and_nothing_else),
        T(low_ports_may_be_kept),
        T(what_took_effect_is_told),
    };

    return cmocka_run_group_tests(tests, make_files, remove_files);
}
