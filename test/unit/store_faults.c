/* drive/file/store.h when the world fails: each allocation and each system call in turn, alone or with all that follow. Nothing breaks or
 * leaks, what was answered with 0 is so, what was there is whole, and what failed succeeds later. The linker leads the calls here. */
#include "test.h"

#include "storeworld.h"

#include <dirent.h>
#include <stdarg.h>
#include <sys/vfs.h>

static long left = -1;   /* calls that succeed; -1: all */
static bool one, failed; /* only one fails; one did */
static int error_now;

static bool fails(void)
{
    if (left < 0 || left-- > 0)
        return false;
    left = one ? -1 : 0;
    failed = true;
    errno = error_now;
    return true;
}

/* Type, name, parameters, arguments, result of one that fails. */
#define WRAP(type, name, params, args, bad)                                                                            \
    type __real_##name params;                                                                                         \
    type __wrap_##name params;                                                                                         \
    type __wrap_##name params { return fails() ? bad : __real_##name args; }

WRAP(void *, malloc, (size_t n), (n), NULL)
WRAP(void *, calloc, (size_t n, size_t size), (n, size), NULL)
WRAP(void *, realloc, (void *p, size_t n), (p, n), NULL)
WRAP(char *, strdup, (const char *s), (s), NULL)
WRAP(DIR *, fdopendir, (int fd), (fd), NULL)
WRAP(ssize_t, readlinkat, (int d, const char *p, char *b, size_t n), (d, p, b, n), -1)
WRAP(int, fstat, (int fd, struct stat *st), (fd, st), -1)
WRAP(int, fstatat, (int d, const char *p, struct stat *st, int f), (d, p, st, f), -1)
WRAP(int, fstatfs, (int fd, struct statfs *fs), (fd, fs), -1)
WRAP(int, ftruncate, (int fd, off_t n), (fd, n), -1)
WRAP(int, fchmod, (int fd, mode_t mode), (fd, mode), -1)
WRAP(int, futimens, (int fd, const struct timespec *t), (fd, t), -1)
WRAP(int, utimensat, (int d, const char *p, const struct timespec *t, int f), (d, p, t, f), -1)
WRAP(int, mkdirat, (int d, const char *p, mode_t mode), (d, p, mode), -1)
WRAP(int, symlinkat, (const char *t, int d, const char *p), (t, d, p), -1)
WRAP(int, linkat, (int d, const char *p, int e, const char *q, int f), (d, p, e, q, f), -1)
WRAP(int, unlinkat, (int d, const char *p, int f), (d, p, f), -1)
WRAP(int, renameat, (int d, const char *p, int e, const char *q), (d, p, e, q), -1)
WRAP(int, renameat2, (int d, const char *p, int e, const char *q, unsigned f), (d, p, e, q, f), -1)
WRAP(int, flock, (int fd, int how), (fd, how), -1)
WRAP(off_t, lseek, (int fd, off_t at, int how), (fd, at, how), -1)
WRAP(int, fallocate, (int fd, int how, off_t at, off_t n), (fd, how, at, n), -1)
WRAP(ssize_t, pread, (int fd, void *b, size_t n, off_t at), (fd, b, n, at), -1)
WRAP(ssize_t, pwrite, (int fd, const void *b, size_t n, off_t at), (fd, b, n, at), -1)
WRAP(ssize_t, copy_file_range, (int a, off_t *x, int b, off_t *y, size_t n, unsigned f), (a, x, b, y, n, f), -1)
WRAP(long, syscall, (long n, long a, long b, long c, long d), (n, a, b, c, d), -1)

int __wrap_syncfs(int fd);
int __wrap_syncfs(int fd) { return fails() ? -1 : 0; } /* the machine's disks have other work */

int __real_openat(int dir, const char *path, int flags, mode_t mode);
int __wrap_openat(int dir, const char *path, int flags, ...);
int __wrap_openat(int dir, const char *path, int flags, ...)
{
    va_list ap;
    mode_t mode;

    va_start(ap, flags);
    mode = flags & O_CREAT ? va_arg(ap, mode_t) : 0;
    va_end(ap);
    return fails() ? -1 : __real_openat(dir, path, flags, mode);
}

int __real_open(const char *path, int flags, mode_t mode);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
    va_list ap;
    mode_t mode;

    va_start(ap, flags);
    mode = flags & O_CREAT ? va_arg(ap, mode_t) : 0;
    va_end(ap);
    return fails() ? -1 : __real_open(path, flags, mode);
}

static int descriptors(void)
{
    int n = 0;

    for (int fd = 0; fd < 256; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

/* ---- a receiver ---- */

enum { SIZE = 5 * 4096, DATA = 4096 };
enum { NEW = 1, OLD = 2, SYM = 4, HARD = 8, DIRS = 16, SYNC = 32, ALL = 63 };

/* The bytes: data, zeros, data. */
static const char *content(void)
{
    static char bytes[SIZE];

    memset(bytes, 'n', DATA);
    memset(bytes + SIZE - DATA, 'n', DATA);
    return bytes;
}

static bool receive_file(struct skt_store *store, uint32_t file, const char *path)
{
    static char is[SIZE];
    int64_t r = make(store, file, path, SIZE);
    bool good = r >= 0;

    if (r == 1)
        good = read_bytes(store, file, 0, is, SIZE) != -EBADF;
    good = good && !write_bytes(store, 0, file, SIZE - DATA - 1, content() + SIZE - DATA - 1, DATA + 1);
    good = good && !write_bytes(store, 0, file, 0, content(), DATA);
    good = good && !write_zeros(store, file, DATA, SIZE - 2 * DATA);
    good = good && !finish(store, file);
    if (!good)
        (void)drop_file(store, file);
    return good;
}

/* What of it was answered with 0. */
static int receive(void)
{
    static const struct skt_store_conf conf = { .overwrite = true, .fds = 1, .keep_free = 1 };
    skt_auto(skt_store) struct skt_store *store = NULL;
    int good = 0;

    if (skt_store_new("in", &conf, &store))
        return 0;
    good |= !make_kind(store, SKT_XFER_DIR, 0, 0, "d", 0, "") ? DIRS : 0;
    good |= receive_file(store, 1, "d/new") ? NEW : 0;
    good |= receive_file(store, 2, "old") ? OLD : 0;
    good |= !make_kind(store, SKT_XFER_SYMLINK, 0, 3, "sym", 0, "to") ? SYM : 0;
    good |= !make_kind(store, SKT_XFER_HARDLINK, 0, 4, "hard", 0, "d/new") ? HARD : 0;
    good &= make_kind(store, SKT_XFER_DIR_AGAIN, 0, 5, "d", 0, "") ? ~DIRS : ~0;
    good |= !ask(store, SKT_XFER_SYNC, 0, 0) ? SYNC : 0;
    return good;
}

/* EPERM of fchmod: a file system without modes, and no failure. */
static bool has_mode(const char *path) { return error_now == EPERM || (stat_of(path).st_mode & 07777) == MODE; }

static bool has_content(const char *path)
{
    static char is[SIZE + 1];
    int fd = open(path, O_RDONLY);
    ssize_t n = read(fd, is, sizeof is);

    close(fd);
    return n == SIZE && !memcmp(is, content(), SIZE) && has_mode(path);
}

static void is_so(int good)
{
    char text[8];

    if (good & NEW)
        assert_true(has_content("in/d/new"));
    if (good & OLD)
        assert_true(has_content("in/old"));
    else if (!has_content("in/old"))
        is_text("in/old", "was here");
    if (good & SYM)
        assert_true(readlink("in/sym", text, sizeof text) == 2);
    if (good & HARD)
        assert_true(stat_of("in/hard").st_ino == stat_of("in/d/new").st_ino);
    if (good & DIRS)
        assert_true(has_mode("in/d"));
}

/* The second time all is there already: also what is compared and replaced fails. */
static void receive_with_faults(const char *before)
{
    static const int errors[] = { EIO, ENOSPC, EINTR, ENOSYS, EPERM };

    for (uint32_t k = 0; k < 2 * sizeof errors / sizeof *errors; k++) {
        one = k % 2;
        error_now = errors[k / 2];
        failed = true;
        if (error_now == EINTR && !one)
            continue; /* it is tried again for ever, and rightly */
        for (long n = 0; failed; n++) {
            int fds, good;
            assert_false(mkdir("in", 0700));
            world_text("in/old", "was here");
            if (*before) {
                assert_false(mkdir("in/d", 0700) || symlink("another", "in/sym"));
                world_text("in/hard", "another");
                world_text("in/d/new.part-sockit", before);
            }
            fds = descriptors();
            failed = false;
            left = n;
            good = receive();
            left = -1;
            assert_int_equal(descriptors(), fds);
            is_so(good);
            assert_true(failed || good == ALL);
            good = receive();
            if (good != ALL)
                fail_msg("after a fault in call %ld (%s, %s): %d", n, strerror(error_now), one ? "one" : "all", good);
            is_so(ALL);
            assert_false(nftw("in", world_open_up, 32, FTW_PHYS) || nftw("in", world_remove, 32, FTW_DEPTH | FTW_PHYS));
        }
    }
}

static void each_call_of_a_receiver_fails_in_turn(void **state) { receive_with_faults(""); }
static void each_call_of_a_resuming_receiver_fails_in_turn(void **state) { receive_with_faults("something"); }

/* ---- a sender ---- */

enum { ENTRIES = 10 };

/* False: something is missing, and nothing was said. */
static bool send_all(uint32_t *ret_entries)
{
    skt_auto(skt_source) struct skt_source *source = NULL;
    static const char *const paths[] = { "t", "t/f", NULL };
    struct skt_xfer_meta meta;
    uint32_t n = 0, told = 0;
    char is[16];

    *ret_entries = 0;
    if (skt_source_new(paths, &source, NULL))
        return true;
    for (; skt_source_next(source, &meta); n++) {
        struct skt_xfer_event event = { .kind = SKT_XFER_READ, .file = n, .room = skt_room_of(is, sizeof is) };
        int64_t r;
        if (meta.kind != SKT_XFER_FILE)
            continue;
        r = skt_source_do(source, &event);
        told += r < 0;
        assert_true(r < 0 || (r == 3 && !memcmp(is, "one", 3)));
        event.kind = SKT_XFER_LAST;
        told += skt_source_do(source, &event) != 0;
        event.kind = SKT_XFER_FORGET;
        assert_int_equal(skt_source_do(source, &event), 0);
    }
    *ret_entries = n;
    return n >= ENTRIES || told || skt_source_passed(source, NULL);
}

static void each_call_of_a_sender_fails_in_turn(void **state)
{
    uint32_t n;

    assert_false(mkdir("t", 0700) || mkdir("t/d", 0700) || symlink("to", "t/sym"));
    world_text("t/a", "one");
    world_text("t/f", "one");
    world_text("t/d/b", "one");
    assert_false(link("t/a", "t/d/again"));
    for (int k = 0; k < 2; k++) {
        one = k;
        failed = true;
        for (long i = 0; failed; i++) {
            int fds = descriptors();
            failed = false;
            error_now = EIO;
            left = i;
            assert_true(send_all(&n));
            left = -1;
            assert_int_equal(descriptors(), fds);
        }
        assert_int_equal(n, ENTRIES);
    }
}

/* A thousand trees are made and removed: in memory, if that can be had. */
static int up(void **state)
{
    if (!access("/dev/shm", W_OK | X_OK))
        setenv("TMPDIR", "/dev/shm", 0);
    return world_up(state);
}

#define W(name) cmocka_unit_test_setup_teardown(name, up, world_down)
RUN(W(each_call_of_a_receiver_fails_in_turn), W(each_call_of_a_resuming_receiver_fails_in_turn),
    W(each_call_of_a_sender_fails_in_turn))
