/* drive/probe.c: it tries, tells, and leaves nothing behind. */
#include "test.h"

#include "drive/probe.c"

#include <dirent.h>

static const struct skt_probed *named(const char *name)
{
    static struct skt_probed p;

    for (size_t i = 0; i < skt_probes(); i++) {
        if (strcmp(probes[i].name, name))
            continue;
        skt_probe(i, &p);
        return &p;
    }
    fail_msg("no probe is called %s", name);
    return NULL;
}

static void every_probe_tells_what_for_what_and_what_to_do(void **state)
{
    for (size_t i = 0; i < skt_probes(); i++) {
        struct skt_probed p;

        memset(&p, 0xa5, sizeof p);
        skt_probe(i, &p);
        assert_true(*p.name && *p.what_for && *p.found);
        assert_true(strlen(p.name) <= 12); /* the column of doctor */
        for (const char *c = p.found; *c; c++)
            assert_true(*c >= ' ' && *c < 127);
        if (p.state == SKT_PROBED_YES)
            assert_null(p.advice);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(probes[k].name, p.name);
    }
}

static unsigned descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    unsigned n = 0;

    assert_non_null(dir);
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

static void the_same_is_found_again_and_nothing_stays_open(void **state)
{
    unsigned before;

    (void)named("plug-ins"); /* modules stay loaded */
    before = descriptors();
    for (size_t i = 0; i < skt_probes(); i++) {
        struct skt_probed one, two;

        skt_probe(i, &one);
        skt_probe(i, &two);
        assert_int_equal(one.state, two.state);
        assert_string_equal(one.found, two.found);
    }
    assert_int_equal(descriptors(), before);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

/* What a child may find: as nobody, and without a descriptor left. */
static int as_nobody(void)
{
    if (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534))
        return 1;
    for (size_t i = 0; i < 2; i++) {
        const struct skt_probed *p = named(i ? "raw sockets" : "packets");
        if (p->state != SKT_PROBED_NO || strcmp(p->found, "no: Operation not permitted") || !p->advice)
            return 2;
    }
    if (named("rights")->state != SKT_PROBED_NO || strcmp(named("real time")->found, "no: Operation not permitted"))
        return 3;
    return named("ip4")->state == SKT_PROBED_YES ? 0 : 4;
}

static void nobody_has_no_rights(void **state)
{
    if (geteuid())
        skip();
    assert_int_equal(in_child(as_nobody), 0);
}

static int without_descriptors(void)
{
    struct rlimit limit = { STDERR_FILENO + 1, STDERR_FILENO + 1 };

    (void)named("plug-ins");
    if (setrlimit(RLIMIT_NOFILE, &limit))
        return 1;
    while (dup(STDIN_FILENO) >= 0)
        continue;
    for (size_t i = 0; i < skt_probes(); i++) {
        struct skt_probed p;
        skt_probe(i, &p);
    }
    if (named("ip4")->state == SKT_PROBED_YES || strcmp(named("splice")->found, "no: Too many open files"))
        return 2;
    if (strcmp(named("files")->found, "3 now, up to 3") || named("files")->state != SKT_PROBED_NO)
        return 3;
    for (int fd = 0; fd <= STDERR_FILENO; fd++) /* none of them was closed */
        if (fcntl(fd, F_GETFD) < 0)
            return 4;
    return 0;
}

static void without_a_descriptor_all_is_told_as_lacking(void **state)
{
    assert_int_equal(in_child(without_descriptors), 0);
}

static void a_queue_that_is_there_is_told_from_one_that_is_not(void **state)
{
    if (in_child(own_network))
        skip();
    queue_kind = "pfifo"; /* part of every kernel that has queues at all */
    assert_int_equal(in_child(add_queue), 0);
    queue_kind = "nosuch";
    assert_int_equal(in_child(add_queue), ENOENT);
}

static int dies(void)
{
    (void)raise(SIGKILL);
    return 0;
}

static void a_child_that_dies_is_unknown_and_not_no(void **state)
{
    struct skt_probed p = { 0 };

    found_in_child(&p, dies, "nothing");
    assert_int_equal(p.state, SKT_PROBED_UNKNOWN);
    assert_null(p.advice);
}

static void a_number_is_compared_and_a_missing_file_is_unknown(void **state)
{
    struct skt_probed p = { 0 };

    at_least(&p, "/proc/sys/kernel/pid_max", 1, "more");
    assert_int_equal(p.state, SKT_PROBED_YES);
    at_least(&p, "/proc/sys/kernel/pid_max", 1L << 40, "more");
    assert_int_equal(p.state, SKT_PROBED_NO);
    assert_string_equal(p.advice, "more");
    assert_non_null(strstr(p.found, ", below 1099511627776"));
    at_least(&p, "/proc/sys/no/such", 1, "more");
    assert_int_equal(p.state, SKT_PROBED_UNKNOWN);
    assert_null(p.advice);
}

RUN(T(every_probe_tells_what_for_what_and_what_to_do), T(the_same_is_found_again_and_nothing_stays_open),
    T(nobody_has_no_rights), T(without_a_descriptor_all_is_told_as_lacking),
    T(a_queue_that_is_there_is_told_from_one_that_is_not), T(a_child_that_dies_is_unknown_and_not_no),
    T(a_number_is_compared_and_a_missing_file_is_unknown))
