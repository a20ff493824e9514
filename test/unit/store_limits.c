/* drive/file/store.c, storemake.c, storework.c: full disks, small limits, the sandbox. Each in a child, whose mounts and limits end with it. */
#include "test.h"

#include "storeworld.h"

#include "drive/sandbox.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/vfs.h>

static const struct skt_store_conf plain;

/* ---- full disks ---- */

/* In a child, whose mounts and limits end with it. It says 0, or 77: not possible here. */
static void in_a_child(int (*what)(void))
{
    pid_t pid = fork();
    int status;

    assert_true(pid >= 0);
    if (!pid)
        _exit(what()); /* an assertion that fails in it would go on as the parent: EXPECT */
    assert_true(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
    if (WEXITSTATUS(status) == 77) {
        print_message("not allowed here: skipped\n");
        skip();
    }
    assert_int_equal(WEXITSTATUS(status), 0);
}

static bool put_line(const char *path, const char *line)
{
    int fd = open(path, O_WRONLY);
    bool is = fd >= 0 && write(fd, line, strlen(line)) == (ssize_t)strlen(line);

    if (fd >= 0)
        close(fd);
    return is;
}

/* A namespace of mounts; who is not root has to be it in a namespace of users first. */
static bool mounts_of_our_own(void)
{
    char uids[32], gids[32];

    if (!unshare(CLONE_NEWNS))
        return true;
    snprintf(uids, sizeof uids, "0 %u 1", geteuid());
    snprintf(gids, sizeof gids, "0 %u 1", getegid());
    return !unshare(CLONE_NEWUSER | CLONE_NEWNS) && put_line("/proc/self/setgroups", "deny") &&
           put_line("/proc/self/uid_map", uids) && put_line("/proc/self/gid_map", gids);
}

static bool mount_small(void)
{
    return !mkdir("small", 0700) && mounts_of_our_own() && !mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) &&
           !mount("tmpfs", "small", "tmpfs", 0, "size=1m,mode=700");
}

static void fill(const char *path)
{
    static const char bytes[65536] = { 1 };
    int fd = open(path, O_WRONLY | O_CREAT, 0600);

    while (write(fd, bytes, sizeof bytes) > 0) {
    }
    close(fd);
}

/* A line in a child: which one failed is its exit code. */
#define EXPECT(what)                                                                                                   \
    if (!(what))                                                                                                       \
    return print_error("line %d: %s\n", __LINE__, #what), 1

static int full_disk(void)
{
    enum { N = 512 * 1024 };
    static const struct skt_store_conf one_byte = { .keep_free = 1 };
    struct skt_store *store;
    char *bytes = malloc(N);

    if (!mount_small())
        return 77;
    memset(bytes, 'x', N);
    store = store_at("small", one_byte);
    EXPECT(make(store, 0, "huge", 1 << 21) == -ENOSPC);
    EXPECT(!is_there("small/huge.part-sockit"));
    EXPECT(!make(store, 0, "a", N));
    EXPECT(make(store, 1, "b", N) == -ENOSPC); /* that much was promised to a */
    EXPECT(!make(store, 1, "b", N / 2));
    fill("small/somebody");
    EXPECT(write_bytes(store, 0, 0, 0, bytes, N) == -ENOSPC);
    EXPECT(!unlink("small/somebody"));
    world_write("small/somebody", bytes, N / 2);
    EXPECT(make(store, 2, "c", 1) == -ENOSPC); /* more is promised than there is */
    EXPECT(!unlink("small/somebody"));
    EXPECT(!write_bytes(store, 0, 0, 0, bytes, N));
    EXPECT(!make(store, 3, "d", N / 8)); /* what was written is not promised any more */
    EXPECT(!finish(store, 0) && !drop_file(store, 3));
    EXPECT(stat_of("small/a").st_size == N);
    EXPECT(!drop_file(store, 1));
    EXPECT(!make(store, 2, "b", N / 2)); /* the promises were given back */
    skt_store_free(store);
    free(bytes);
    return 0;
}

static int full_disk_while_replacing(void)
{
    enum { N = 700 * 1024 };
    static const struct skt_store_conf conf = { .keep_free = 1, .overwrite = true };
    struct skt_store *store;
    char *bytes = malloc(N);

    if (!mount_small())
        return 77;
    memset(bytes, 'x', N);
    world_write("small/a", bytes, N);
    store = store_at("small", conf);
    EXPECT(make(store, 0, "a", N) == 1); /* if it is the same nothing is needed */
    EXPECT(write_bytes(store, 0, 0, 0, "y", 1) == -ENOSPC);
    EXPECT(!is_there("small/a.part-sockit"));
    EXPECT(!drop_file(store, 0));
    EXPECT(stat_of("small/a").st_size == N);
    skt_store_free(store);
    free(bytes);
    return 0;
}

static const uint64_t TIB = UINT64_C(1) << 40;

/* What is free for others while a file waits for its bytes: what its sender has of it, however long it is. */
static int sparse_on_a_small_disk(void)
{
    enum { N = 256 * 1024 };
    static const struct skt_store_conf one_byte = { .keep_free = 1 };
    struct skt_store *store;
    char *bytes = malloc(N);

    if (!mount_small())
        return 77;
    memset(bytes, 'x', N);
    store = store_at("small", one_byte);
    EXPECT(make_sparse(store, 0, "s", TIB, TIB) == -ENOSPC);
    EXPECT(make_sparse(store, 0, "s", TIB, UINT64_MAX) == -ENOSPC); /* as if nobody had said it */
    EXPECT(!make_sparse(store, 0, "s", TIB, N - 4095));             /* a page more is a page */
    EXPECT(make(store, 1, "b", 3 * N + 1) == -ENOSPC);
    EXPECT(!write_zeros(store, 0, 0, TIB / 2)); /* zeros are not what the promise was for */
    EXPECT(make(store, 1, "b", 3 * N + 1) == -ENOSPC);
    EXPECT(!write_bytes(store, 0, 0, TIB - N, bytes, N));
    EXPECT(!make(store, 1, "b", 2 * N) && !drop_file(store, 1)); /* it has all that it will have */
    EXPECT(!write_zeros(store, 0, TIB / 2, TIB / 2 - N) && !finish(store, 0));
    EXPECT((uint64_t)stat_of("small/s").st_size == TIB && stat_of("small/s").st_blocks * 512 == N);
    /* Resumed: what is there already is not needed again. */
    EXPECT(!rename("small/s", "small/s.part-sockit") && make_sparse(store, 0, "s", TIB, 4 * N - 65536) == 1);
    EXPECT(!drop_file(store, 0) && make_sparse(store, 0, "s", TIB, 5 * N) == -ENOSPC);
    skt_store_free(store);
    free(bytes);
    return 0;
}

/* Zeros that its sender has on his disk: they were promised, and are given back when they come. */
static int zeros_on_a_small_disk(void)
{
    enum { N = 512 * 1024 };
    static const struct skt_store_conf one_byte = { .keep_free = 1 };
    struct skt_store *store;

    if (!mount_small())
        return 77;
    store = store_at("small", one_byte);
    EXPECT(!make(store, 0, "a", N) && make(store, 1, "b", N) == -ENOSPC);
    EXPECT(!write_zeros(store, 0, 0, N / 2) && !make(store, 1, "b", N));
    EXPECT(!write_text(store, 0, N - 1, "x") && !finish(store, 0));
    skt_store_free(store);
    return 0;
}

/* Who has more than he said gets what nobody else was promised, and then the truth. */
static int liar_on_a_small_disk(void)
{
    enum { N = 256 * 1024 };
    static const struct skt_store_conf keep = { .keep_free = N };
    struct skt_store *store;
    char *bytes = malloc(N);

    if (!mount_small())
        return 77;
    memset(bytes, 'x', N);
    store = store_at("small", keep);
    EXPECT(!make_sparse(store, 0, "liar", TIB, 0) && !make(store, 1, "b", N));
    EXPECT(!write_bytes(store, 0, 0, 0, bytes, N) && !write_bytes(store, 0, 0, TIB - N, bytes, N));
    for (uint64_t i = 1; i < 5; i++)
        EXPECT(write_bytes(store, 0, 0, i * 2 * N, bytes, N) == -ENOSPC); /* b's, and what must stay free */
    EXPECT(stat_of("small/liar.part-sockit").st_blocks * 512 == 2 * N);
    EXPECT(!write_bytes(store, 0, 1, 0, bytes, N) && !finish(store, 1));
    EXPECT(write_bytes(store, 0, 0, 2 * N, bytes, N) == -ENOSPC && !drop_file(store, 0));
    EXPECT(make_sparse(store, 0, "liar", TIB, 0) == 1); /* it resumes, if there is room */
    skt_store_free(store);
    free(bytes);
    return 0;
}

/* Nothing has to stay free, if the user says so. */
static int all_of_a_small_disk(void)
{
    struct skt_store *store;
    struct statfs fs;

    if (!mount_small())
        return 77;
    store = store_at("small", plain);
    EXPECT(!statfs("small", &fs));
    EXPECT(!make(store, 0, "all", (uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize));
    skt_store_free(store);
    return 0;
}

/* A long file of holes is replaced by another: neither needs its length. */
static int sparse_one_is_replaced(void)
{
    static const struct skt_store_conf conf = { .keep_free = 1, .overwrite = true };
    struct skt_store *store;

    if (!mount_small())
        return 77;
    world_text("small/s", "old");
    EXPECT(!truncate("small/s", (off_t)TIB));
    store = store_at("small", conf);
    EXPECT(make_sparse(store, 0, "s", TIB, 4096) == 1);
    EXPECT(!write_text(store, 0, 0, "new") && !finish(store, 0));
    EXPECT((uint64_t)stat_of("small/s").st_size == TIB && stat_of("small/s").st_blocks * 512 <= 8192);
    skt_store_free(store);
    return 0;
}

static int small_limit(void)
{
    const struct rlimit limit = { 65536, 65536 };
    struct skt_store *store;

    EXPECT(!setrlimit(RLIMIT_FSIZE, &limit));
    store = store_at("in", plain);
    EXPECT(make(store, 0, "a", 65537) == -EFBIG); /* and no SIGXFSZ */
    EXPECT(!make(store, 0, "a", 65536));
    EXPECT(make(store, 1, "b", UINT64_MAX) == -EFBIG);
    skt_store_free(store);
    return 0;
}

static int few_descriptors(void)
{
    const struct rlimit limit = { 24, 24 };
    struct skt_store *store = store_at("in", plain);
    char path[16];

    EXPECT(!setrlimit(RLIMIT_NOFILE, &limit));
    for (uint32_t i = 0; i < 100; i++) {
        snprintf(path, sizeof path, "f%u", i);
        EXPECT(!make(store, i, path, 1));
    }
    for (uint32_t i = 0; i < 100; i++)
        EXPECT(!write_text(store, i, 0, "x") && !finish(store, i));
    skt_store_free(store);
    return 0;
}

/* Root may read them all the same: so as somebody else. */
static int mode_000(void)
{
    struct skt_store *store;
    char is[4];

    if (!geteuid())
        EXPECT(!chown(world_dir, 65534, 65534) && !setresgid(65534, 65534, 65534) && !setresuid(65534, 65534, 65534));
    store = store_at("in", plain);
    world_text("in/a", "same");
    world_text("in/b.part-sockit", "half");
    EXPECT(!chmod("in/a", 0) && !chmod("in/b.part-sockit", 0) && !mkdir("in/d", 0));
    EXPECT(make(store, 0, "a", 4) == 1 && read_bytes(store, 0, 0, is, 4) == 4);
    EXPECT(!(stat_of("in/a").st_mode & 07777));
    EXPECT(make(store, 1, "b", 4) == 1 && !write_text(store, 1, 0, "full") && !finish(store, 1));
    is_text("in/b", "full");
    EXPECT(!make_kind(store, SKT_XFER_DIR, 0, 2, "d", 0, ""));
    EXPECT(!make(store, 3, "d/c", 0) && !finish(store, 3));
    skt_store_free(store);
    return 0;
}

static void what_has_mode_000_is_compared_and_resumed(void **state) { in_a_child(mode_000); }
static void a_full_disk_is_told_and_survived(void **state) { in_a_child(full_disk); }
static void replacing_on_a_full_disk_keeps_the_old_one(void **state) { in_a_child(full_disk_while_replacing); }
static void a_sparse_file_needs_what_its_sender_has(void **state) { in_a_child(sparse_on_a_small_disk); }
static void zeros_give_back_what_was_promised(void **state) { in_a_child(zeros_on_a_small_disk); }
static void who_has_more_than_he_said_takes_nobodys_room(void **state) { in_a_child(liar_on_a_small_disk); }
static void replacing_a_sparse_file_needs_no_length(void **state) { in_a_child(sparse_one_is_replaced); }
static void all_of_a_disk_may_be_taken(void **state) { in_a_child(all_of_a_small_disk); }
static void a_limit_of_size_is_told_before_it_kills(void **state) { in_a_child(small_limit); }
static void few_descriptors_are_enough(void **state) { in_a_child(few_descriptors); }

/* ---- the sandbox ---- */

/* All that a receiver does, with the rights that recv keeps. */
static int in_the_sandbox(void)
{
    static const struct skt_store_conf conf = { .overwrite = true, .fds = 1 };
    const char *const tree = "in";
    const struct skt_sandbox_conf shut = { .trees = &tree, .n_trees = 1, .trees_written = true };
    struct skt_store *store = store_at("in", conf);
    char bytes[8192], is[8192];

    memset(bytes, 'x', sizeof bytes);
    world_write("in/old", bytes, sizeof bytes);
    world_write("in/shut.part-sockit", bytes, sizeof bytes);
    EXPECT(!mkdir("in/d", 0) && !mkdir("in/sub", 0700) && !symlink("x", "in/sym") && !chmod("in/shut.part-sockit", 0));
    if (skt_sandbox(&shut) == -ENOSYS)
        return 77;
    EXPECT(!make_kind(store, SKT_XFER_DIR, 0, 0, "d", 0, "") && !make_kind(store, SKT_XFER_DIR, 0, 0, "e", 0, ""));
    EXPECT(!make(store, 1, "d/new", 8192) && make(store, 2, "old", 8192) == 1 && make(store, 3, "shut", 8192) == 1);
    EXPECT(!write_bytes(store, 0, 1, 0, bytes, 8192) && !write_zeros(store, 1, 0, 4096));
    EXPECT(read_bytes(store, 2, 0, is, 8192) == 8192 && !write_text(store, 2, 0, "new"));
    EXPECT(read_bytes(store, 1, 0, is, 4096) == SKT_XFER_ALL_ZEROS);
    EXPECT(!finish(store, 1) && !finish(store, 2) && !finish(store, 3));
    EXPECT(!make_kind(store, SKT_XFER_SYMLINK, 0, 4, "sym", 0, "y"));
    EXPECT(!make_kind(store, SKT_XFER_HARDLINK, 0, 5, "e/hard", 0, "d/new"));
    EXPECT(!make_kind(store, SKT_XFER_HARDLINK, 0, 6, "sub/hard", 0, "old"));
    EXPECT(!make(store, 7, "gone", 8192) && !drop_file(store, 7) && !is_there("in/gone.part-sockit"));
    EXPECT(!make_kind(store, SKT_XFER_DIR_AGAIN, 0, 8, "d", 0, "") && !ask(store, SKT_XFER_SYNC, 0, 0));
    skt_store_free(store);
    return 0;
}

static void the_sandbox_of_a_receiver_is_large_enough(void **state) { in_a_child(in_the_sandbox); }

#define W(name) cmocka_unit_test_setup_teardown(name, world_up, world_down)
RUN(W(what_has_mode_000_is_compared_and_resumed), W(a_full_disk_is_told_and_survived),
    W(replacing_on_a_full_disk_keeps_the_old_one), W(a_sparse_file_needs_what_its_sender_has),
    W(zeros_give_back_what_was_promised), W(who_has_more_than_he_said_takes_nobodys_room),
    W(replacing_a_sparse_file_needs_no_length), W(all_of_a_disk_may_be_taken),
    W(a_limit_of_size_is_told_before_it_kills), W(few_descriptors_are_enough),
    W(the_sandbox_of_a_receiver_is_large_enough))
