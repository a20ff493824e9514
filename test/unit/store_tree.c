/* drive/file/store.h from one end to the other: a tree is read and stored by a plain engine, killed at any step, and begun again. */
#include "test.h"

#include "storeworld.h"

#include <dirent.h>
#include <sys/wait.h>

enum { GROUP = 64 * 1024, LATE = 64 };

/* ---- the engine: entries in order, group by group, what differs is written ---- */

struct carrier {
    struct skt_source *source;
    struct skt_store *store;
    long steps; /* that are left to live; -1: for ever */
    uint64_t same, written;
    uint32_t refused;
};

static void step(struct carrier *c)
{
    if (c->steps >= 0 && !c->steps--)
        _exit(9);
}

static int64_t read_at(struct carrier *c, bool here, uint32_t file, uint64_t offset, uint8_t *to, size_t n)
{
    const struct skt_xfer_event event = {
        .kind = SKT_XFER_READ, .file = file, .offset = offset, .len = n, .room = skt_room_of(to, n)
    };
    int64_t r = here ? skt_store_do(c->store, &event) : skt_source_do(c->source, &event);

    step(c);
    if (r == SKT_XFER_ALL_ZEROS)
        memset(to, 0, n);
    return r;
}

static void carry_group(struct carrier *c, uint32_t file, uint64_t offset, size_t n, bool compare)
{
    static uint8_t there[GROUP], here[GROUP];
    int64_t r = read_at(c, false, file, offset, there, n);

    assert_true(r == SKT_XFER_ALL_ZEROS || r == (int64_t)n);
    if (compare) {
        int64_t q = read_at(c, true, file, offset, here, n);
        assert_true(q == SKT_XFER_ALL_ZEROS || q == (int64_t)n);
        if (!memcmp(here, there, n)) {
            c->same += n;
            return;
        }
    }
    assert_int_equal(write_bytes(c->store, 0, file, offset, r == SKT_XFER_ALL_ZEROS ? NULL : there, n), 0);
    c->written += r == SKT_XFER_ALL_ZEROS ? 0 : n;
    step(c);
}

static void carry(struct carrier *c, uint32_t file, const struct skt_xfer_meta *meta)
{
    struct skt_xfer_event event = { .kind = SKT_XFER_MAKE, .file = file, .meta = meta };
    int64_t made = skt_store_do(c->store, &event);

    step(c);
    c->refused += made < 0;
    if (made < 0 || meta->kind != SKT_XFER_FILE)
        return;
    for (uint64_t at = 0; at < meta->size; at += GROUP)
        carry_group(c, file, at, meta->size - at < GROUP ? (size_t)(meta->size - at) : GROUP, made == 1);
    event.kind = SKT_XFER_LAST;
    assert_int_equal(skt_source_do(c->source, &event), 0);
    assert_int_equal(finish(c->store, file), 0);
    step(c);
    event.kind = SKT_XFER_FORGET;
    assert_int_equal(skt_source_do(c->source, &event), 0);
}

static void carry_all(struct carrier *c)
{
    static const char *const paths[] = { "t", NULL };
    static const struct skt_store_conf plain;
    struct skt_xfer_meta meta;

    assert_int_equal(skt_source_new(paths, &c->source, NULL), 0);
    c->store = store_at("in", plain);
    for (uint32_t file = 0; skt_source_next(c->source, &meta); file++)
        carry(c, file, &meta);
    skt_source_free(c->source);
    skt_store_free(c->store);
}

/* A receiver's or a sender's kill is the same here. True: it lived to the end. */
static bool carry_some(long steps)
{
    pid_t pid = fork();
    int status;

    assert_true(pid >= 0);
    if (!pid) {
        carry_all(&(struct carrier){ .steps = steps });
        _exit(0);
    }
    assert_true(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
    assert_true(WEXITSTATUS(status) == 9 || WEXITSTATUS(status) == 0);
    return !WEXITSTATUS(status);
}

/* ---- the tree ---- */

static void some_bytes(const char *path, size_t n, uint32_t seed)
{
    uint8_t *bytes = malloc(n + 1);

    for (size_t i = 0; i < n; i++)
        bytes[i] = (uint8_t)((seed = seed * 1664525 + 1013904223) >> 24);
    world_write(path, bytes, n);
    free(bytes);
}

static void stamp(const char *path, int64_t ns)
{
    const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { ns / SKT_SEC, ns % SKT_SEC } };

    assert_false(utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW));
}

static void make_tree(void)
{
    char name[300] = "t/", path[64];

    assert_false(mkdir("t", 0700) || mkdir("t/d", 0700) || mkdir("t/d/\xe4\xb8\xad\n\xe6\x96\x87", 0700) ||
                 mkdir("t/none", 0700));
    some_bytes("t/large", 1000 * 1000 + 7, 1);
    some_bytes("t/d/\xe4\xb8\xad\n\xe6\x96\x87/\x1b[2J\xff", 4096, 2);
    some_bytes("t/d/exact", 2 * GROUP, 3);
    world_text("t/empty", "");
    memset(name + 2, 'n', 255);
    some_bytes(name, GROUP + 1, 4);
    for (int i = 0; i < LATE; i++) {
        snprintf(path, sizeof path, "t/d/%d", i);
        some_bytes(path, (size_t)(i * i), (uint32_t)i);
    }
    some_bytes("t/sparse", 100, 5);
    assert_false(truncate("t/sparse", 64 * GROUP + 1));
    assert_false(symlink("../../\xe4\xb8\xad\n", "t/d/sym") || symlink("d", "t/near") || link("t/large", "t/d/hard"));
    stamp("t/near", 987654321012345678);
    stamp("t/large", 1234567890000000001);
    assert_false(chmod("t/d/exact", 0) || chmod("t/d/1", 0555) || chmod("t/none", 0500));
    stamp("t/d", 1111111111111111111);
    assert_false(chmod("t/d", 0550));
    stamp("t", 5);
}

static void is_same_file(const char *a, const char *b, int64_t size)
{
    static char one[GROUP], other[GROUP];
    int fds[2] = { open(a, O_RDONLY), open(b, O_RDONLY) };

    assert_true(fds[0] >= 0 && fds[1] >= 0);
    for (ssize_t n = 1; n > 0;) {
        n = read(fds[0], one, GROUP);
        assert_true(n >= 0 && read(fds[1], other, GROUP) == n);
        assert_memory_equal(one, other, (size_t)n);
        size -= n;
    }
    assert_true(!size);
    close(fds[0]);
    close(fds[1]);
}

static void is_same_link(const char *a, const char *b)
{
    char one[100], other[100];
    ssize_t n = readlink(a, one, sizeof one);

    assert_true(n > 0 && readlink(b, other, sizeof other) == n);
    assert_memory_equal(one, other, (size_t)n);
}

/* Each of a in b, and as many. */
static void is_same_tree(const char *a, const char *b)
{
    struct stat one = stat_of(a), other = stat_of(b);
    char path[2][1000];
    int n = 0;
    DIR *dir;

    assert_true(one.st_mode == other.st_mode && one.st_nlink == other.st_nlink);
    assert_true(one.st_mtim.tv_sec == other.st_mtim.tv_sec && one.st_mtim.tv_nsec == other.st_mtim.tv_nsec);
    if (S_ISREG(one.st_mode)) {
        assert_false(chmod(a, 0600) || chmod(b, 0600)); /* to be read by who is not root */
        is_same_file(a, b, one.st_size);
        assert_true(other.st_blocks <= one.st_blocks + 16);
        assert_false(chmod(a, one.st_mode & 07777) || chmod(b, one.st_mode & 07777));
    }
    if (S_ISLNK(one.st_mode))
        is_same_link(a, b);
    if (!S_ISDIR(one.st_mode))
        return;
    for (int second = 0; second < 2; second++) {
        dir = opendir(second ? b : a);
        assert_non_null(dir);
        for (struct dirent *d; (d = readdir(dir));) {
            n += second ? -1 : 1;
            if (second || !strcmp(d->d_name, ".") || !strcmp(d->d_name, ".."))
                continue;
            snprintf(path[0], sizeof path[0], "%s/%s", a, d->d_name);
            snprintf(path[1], sizeof path[1], "%s/%s", b, d->d_name);
            is_same_tree(path[0], path[1]);
        }
        closedir(dir);
    }
    assert_int_equal(n, 0);
}

/* Modes of 000 are not for who is not root: who sends must be able to read. */
static void make_readable_tree(void)
{
    make_tree();
    if (geteuid())
        assert_false(chmod("t/d/exact", 0400));
}

/* ---- tests ---- */

static void a_tree_arrives_as_it_was(void **state)
{
    struct carrier c = { .steps = -1 };

    make_readable_tree();
    carry_all(&c);
    assert_int_equal(c.refused, 0);
    is_same_tree("t", "in/t");
    c = (struct carrier){ .steps = -1 };
    carry_all(&c); /* and again: nothing is written, and all is as it was */
    assert_true(!c.refused && !c.written && c.same > 0);
    is_same_tree("t", "in/t");
}

static void a_transfer_killed_at_any_step_goes_on(void **state)
{
    struct carrier c = { .steps = -1 };
    int kills = 0;

    make_readable_tree();
    for (long steps = 1; !carry_some(steps); steps += 1 + steps / 16)
        kills++;
    assert_true(kills > 30);
    is_same_tree("t", "in/t");
    carry_all(&c);
    assert_true(!c.refused && !c.written);
}

#define W(name) cmocka_unit_test_setup_teardown(name, world_up, world_down)
RUN(W(a_tree_arrives_as_it_was), W(a_transfer_killed_at_any_step_goes_on))
