/* drive/file/beneath.c: what is below, by openat2 and without it. */
#include "test.h"

#include "storeworld.h"

static int no_openat2; /* errno of kernels that do not have it, and of lists that forbid it; 0: it is there */
static long asked;
static long may_syscall(long number, int dir, const char *path, void *how, size_t size);
#define syscall may_syscall
#include "drive/file/beneath.c"
#undef syscall

static long may_syscall(long number, int dir, const char *path, void *how, size_t size)
{
    asked++;
    if (!no_openat2)
        return syscall(number, dir, path, how, size);
    errno = no_openat2;
    return -1;
}

static int up(void **state)
{
    no_openat2 = 0;
    asked = 0;
    return world_up(state) || mkdir("in", 0700) || mkdir("in/d", 0700) || mkdir("in/d/e", 0700) || mkdir("out", 0700) ||
           symlink("../out", "in/l") || symlink("/etc", "in/d/abs") || symlink("e", "in/d/near") ||
           symlink("f", "in/d/e/lf");
}

static struct skt_beneath in_dir(bool walk)
{
    struct skt_beneath b = { .dir = open("in", O_RDONLY | O_DIRECTORY), .walk = walk };

    assert_true(b.dir >= 0);
    return b;
}

static int tried(struct skt_beneath *b, const char *path, int flags)
{
    int fd = skt_beneath_open(b, path, flags);

    if (fd < 0)
        return fd;
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    close(fd);
    return 0;
}

static bool is_refused(int r) { return r == -ELOOP || r == -ENOTDIR; }

static void what_is_below_is_opened_and_links_are_not(void **state)
{
    world_text("in/d/e/f", "x");
    world_text("out/f", "secret");
    for (int walking = 0; walking < 2; walking++) {
        struct skt_beneath b = in_dir(walking);
        assert_int_equal(tried(&b, ".", O_PATH | O_DIRECTORY), 0);
        assert_int_equal(tried(&b, "d", O_RDONLY | O_DIRECTORY), 0);
        assert_int_equal(tried(&b, "d/e/f", O_RDONLY), 0);
        assert_int_equal(tried(&b, "d/e/none", O_RDONLY), -ENOENT);
        assert_int_equal(tried(&b, "none/e/f", O_RDONLY), -ENOENT);
        assert_int_equal(tried(&b, "d/e/f/g", O_RDONLY), -ENOTDIR);
        assert_true(is_refused(tried(&b, "l", O_RDONLY)));
        assert_true(is_refused(tried(&b, "l/f", O_RDONLY)));
        assert_true(is_refused(tried(&b, "d/abs/passwd", O_RDONLY)));
        assert_true(is_refused(tried(&b, "d/near/f", O_RDONLY))); /* although it stays below */
        assert_true(is_refused(tried(&b, "d/e/lf", O_RDONLY)));
        assert_true(b.walk == walking);
        close(b.dir);
    }
}

static void long_parts_are_refused_alike(void **state)
{
    char path[600];

    memset(path, 'n', sizeof path);
    path[300] = '/';
    path[310] = 0;
    for (int walking = 0; walking < 2; walking++) {
        struct skt_beneath b = in_dir(walking);
        assert_int_equal(tried(&b, path, O_RDONLY), -ENAMETOOLONG);
        assert_int_equal(tried(&b, path + 1, O_RDONLY), -ENAMETOOLONG);
        assert_int_equal(tried(&b, path + 290, O_RDONLY), -ENOENT);
        close(b.dir);
    }
}

static void without_openat2_it_walks_and_asks_no_more(void **state)
{
    static const int errors[] = { ENOSYS, EPERM };

    for (int i = 0; i < 2; i++) {
        struct skt_beneath b = in_dir(false);
        no_openat2 = errors[i];
        asked = 0;
        assert_int_equal(tried(&b, "none", O_PATH), -ENOENT); /* tells nothing about the call */
        assert_int_equal(tried(&b, "d/e", O_PATH), 0);
        assert_int_equal(tried(&b, "d/e", O_PATH), 0);
        assert_int_equal(asked, 2);
        close(b.dir);
    }
}

static void a_parent_is_where_the_last_part_is(void **state)
{
    for (int walking = 0; walking < 2; walking++) {
        struct skt_beneath b = in_dir(walking);
        int top = skt_beneath_parent(&b, "f", 0), below = skt_beneath_parent(&b, "d/e/f", 4);
        struct stat is, want = stat_of("in");
        assert_true(top >= 0 && below >= 0);
        assert_false(fstat(top, &is));
        assert_true(is.st_ino == want.st_ino);
        assert_false(fstat(below, &is));
        want = stat_of("in/d/e");
        assert_true(is.st_ino == want.st_ino);
        assert_true(is_refused(skt_beneath_parent(&b, "l/f", 2)));
        close(top);
        close(below);
        close(b.dir);
    }
}

static void nothing_stays_open(void **state)
{
    struct skt_beneath b = in_dir(true);
    int before = dup(b.dir), after;

    close(before);
    for (int i = 0; i < 10; i++) {
        (void)tried(&b, "d/e/none", O_RDONLY);
        (void)tried(&b, "d/abs/passwd", O_RDONLY);
        (void)tried(&b, "d/e", O_PATH);
    }
    after = dup(b.dir);
    assert_int_equal(before, after);
    close(after);
    close(b.dir);
}

#define W(name) cmocka_unit_test_setup_teardown(name, up, world_down)
RUN(W(what_is_below_is_opened_and_links_are_not), W(long_parts_are_refused_alike),
    W(without_openat2_it_walks_and_asks_no_more), W(a_parent_is_where_the_last_part_is), W(nothing_stays_open))
