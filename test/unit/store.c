/* drive/store.c, storemake.c, storework.c: what a receiver's files become. */
#include "test.h"

#include "storeworld.h"

#include "drive/sandbox.h"
#include "drive/storeinside.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/sysmacros.h>

static const struct skt_store_conf plain, over = { .overwrite = true };

/* ---- files ---- */

static void a_file_has_its_name_when_it_is_whole(void **state)
{
    skt_auto(skt_store) struct skt_store *store = store_at("in", plain);
    struct stat st;

    assert_int_equal(make(store, 0, "a", 10), 0);
    assert_int_equal(write_text(store, 0, 5, "world"), 0);
    assert_false(is_there("in/a"));
    assert_true(is_there("in/a.part-sockit"));
    assert_int_equal(write_text(store, 0, 0, "hello"), 0);
    assert_int_equal(finish(store, 0), 0);
    is_text("in/a", "helloworld");
    assert_false(is_there("in/a.part-sockit"));
    st = stat_of("in/a");
    assert_int_equal(st.st_mode & 07777, MODE);
    assert_true(st.st_mtim.tv_sec == MTIME / SKT_SEC && st.st_mtim.tv_nsec == MTIME % SKT_SEC);
    assert_int_equal(ask(store, SKT_XFER_SYNC, 0, 0), 0);
    assert_int_equal(finish(store, 0), -EBADF); /* it is not ours any more */
}

static void an_empty_file_is_a_file(void **state)
{
    skt_auto(skt_store) struct skt_store *store = store_at("in", plain);

    assert_int_equal(make(store, 0, "empty", 0), 0);
    assert_int_equal(finish(store, 0), 0);
    assert_int_equal(stat_of("in/empty").st_size, 0);
}

static void setuid_is_not_set_unless_asked_for(void **state)
{
    static const struct skt_store_conf special = { .special_modes = true };
    struct skt_xfer_meta meta = { .kind = SKT_XFER_FILE, .mode = 07755, .path = skt_span_str("s") };
    struct skt_xfer_event event = { .kind = SKT_XFER_MAKE, .meta = &meta };

    for (int i = 0; i < 2; i++) {
        skt_auto(skt_store) struct skt_store *store = store_at(i ? "special" : "plain", i ? special : plain);
        assert_int_equal(skt_store_do(store, &event), 0);
        assert_int_equal(finish(store, 0), 0);
    }
    assert_int_equal(stat_of("plain/s").st_mode & 07777, 0755);
    assert_int_equal(stat_of("special/s").st_mode & 07777, 07755);
}

static void times_before_1970_are_kept(void **state)
{
    skt_auto(skt_store) struct skt_store *store = store_at("in", plain);
    struct skt_xfer_meta meta = {
        .kind = SKT_XFER_FILE, .mode = 0600, .mtime = -1500000000, .path = skt_span_str("o")
    };
    struct skt_xfer_event event = { .kind = SKT_XFER_MAKE, .meta = &meta };

    assert_int_equal(skt_store_do(store, &event), 0);
    assert_int_equal(finish(store, 0), 0);
    assert_int_equal(stat_of("in/o").st_mtim.tv_sec, -2);
    assert_int_equal(stat_of("in/o").st_mtim.tv_nsec, 500000000);
}

static void a_range_beyond_the_file_is_refused(void **state)
{
    skt_auto(skt_store) struct skt_store *store = store_at("in", plain);
    char to[8];

    assert_int_equal(make(store, 0, "a", 10), 0);
    assert_int_equal(write_text(store, 0, 5, "world"), 0);
    assert_int_equal(write_text(store, 0, 6, "world"), -EINVAL);
    assert_int_equal(write_zeros(store, 0, UINT64_MAX, 2), -EINVAL);
    assert_int_equal(read_bytes(store, 0, 11, to, 8), -EINVAL);
    assert_int_equal(read_bytes(store, 0, 10, to, 8), 0);
    assert_int_equal(write_text(store, 1, 0, "no such file"), -EBADF);
    assert_int_equal(stat_of("in/a.part-sockit").st_size, 10);
}

static void names_are_any_bytes(void **state)
{
    static const char *const names[] = { "two\nlines", "\xe4\xb8\xad\xe6\x96\x87", "\x01\x1b[2J\xff\xfe", " ", "-rf",
        "~", "a\\b", ".hidden", "..." };
    skt_auto(skt_store) struct skt_store *store = store_at("in", plain);

    for (uint32_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[64];
        assert_int_equal(make(store, i, names[i], 1), 0);
        assert_int_equal(write_text(store, i, 0, "x"), 0);
        assert_int_equal(finish(store, i), 0);
        snprintf(path, sizeof path, "in/%s", names[i]);
        is_text(path, "x");
    }
}

static void a_name_of_255_bytes_is_resumed_under_a_hash(void **state)
{
    skt_auto(skt_store) struct skt_store *store = store_at("in", plain);
    char name[300] = { 0 }, path[320];

    memset(name, 'n', 255);
    assert_int_equal(make(store, 0, name, 2), 0);
    assert_int_equal(write_text(store, 0, 0, "h"), 0);
    assert_int_equal(drop_file(store, 0), 0);
    assert_int_equal(make(store, 1, name, 2), 1);
    assert_int_equal(write_text(store, 1, 1, "i"), 0);
    assert_int_equal(finish(store, 1), 0);
    snprintf(path, sizeof path, "in/%s", name);
    is_text(path, "hi");
    name[255] = 'n';
    assert_int_equal(make(store, 2, name, 2), -ENAMETOOLONG);
}

static void ten_thousand_files_need_few_descriptors(void **state)
{
    static const struct skt_store_conf few = { .fds = 4 };
    skt_auto(skt_store) struct skt_store *store = store_at("in", few);
    char path[32];

    for (uint32_t i = 0; i < 10000; i++) {
        snprintf(path, sizeof path, "f%u", i);
        assert_int_equal(make(store, i, path, 4), 0);
        if (i < 100)
            continue;
        assert_int_equal(write_text(store, i - 100, 0, "four"), 0); /* its descriptor was closed long ago */
        assert_int_equal(finish(store, i - 100), 0);
    }
    is_text("in/f0", "four");
    is_text("in/f9899", "four");
}

/* ---- what is there already ---- */

static void what_was_dropped_is_compared(void **state)
{
    char is[4];

    for (uint64_t size = 2; size <= 6; size += 2) { /* the part becomes shorter, stays, becomes longer */
        skt_auto(skt_store) struct skt_store *store = store_at("in", plain);
        assert_int_equal(make(store, 0, "a", 4), 0);
        assert_int_equal(write_text(store, 0, 0, "abcd"), 0);
        assert_int_equal(drop_file(store, 0), 0);
        assert_int_equal(make(store, 1, "a", size), 1);
        assert_int_equal(stat_of("in/a.part-sockit").st_size, (long)size);
        assert_int_equal(read_bytes(store, 1, 0, is, sizeof is), size < 4 ? (long)size : 4);
        assert_memory_equal(is, "abcd", size < 4 ? size : 4);
        assert_int_equal(drop_file(store, 1), 0);
        assert_int_equal(unlink("in/a.part-sockit"), 0);
    }
}

static void a_killed_receiver_resumes(void **state)
{
    pid_t pid = fork();
    int status;
    char is[4];

    assert_true(pid >= 0);
    if (!pid) {
        struct skt_store *dying = store_at("in", plain);
        make(dying, 0, "a", 8);
        write_text(dying, 0, 0, "half");
        _exit(9); /* nothing is cleaned up */
    }
    assert_true(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 9);
    {
        skt_auto(skt_store) struct skt_store *store = store_at("in", plain);
        assert_int_equal(make(store, 0, "a", 8), 1);
        assert_int_equal(read_bytes(store, 0, 0, is, 4), 4);
        assert_memory_equal(is, "half", 4);
        assert_int_equal(write_text(store, 0, 4, "full"), 0);
        assert_int_equal(finish(store, 0), 0);
        is_text("in/a", "halffull");
    }
}

static void a_part_without_any_byte_is_as_good_as_none(void **state)
{
    skt_auto(skt_store) struct skt_store *store = store_at("in", plain);

    for (int again = 0; again < 2; again++) {
        world_text("in/a.part-sockit", "");
        assert_false(truncate("in/a.part-sockit", again ? 100000 : 0));
        assert_int_equal(make(store, 0, "a", 100000), 0);
        assert_int_equal(drop_file(store, 0), 0);
        assert_false(is_there("in/a.part-sockit"));
    }
}

static void what_has_nothing_is_not_left_behind(void **state)
{
    struct skt_store *store = store_at("in", plain);
    char is[4];

    assert_int_equal(make(store, 0, "a", 100), 0);
    assert_int_equal(read_bytes(store, 0, 0, is, 4), SKT_XFER_ALL_ZEROS);
    assert_int_equal(write_zeros(store, 0, 0, 100), 0);
    assert_false(is_there("in/a.part-sockit"));
    assert_int_equal(drop_file(store, 0), 0);
    assert_int_equal(make_kind(store, SKT_XFER_FILE, 7, 0, "b", 100, ""), 0);
    assert_int_equal(make_kind(store, SKT_XFER_FILE, 7, 1, "c", 100, ""), 0);
    assert_int_equal(write_bytes(store, 7, 1, 0, "x", 1), 0);
    world_text("in/d.part-sockit", "");
    assert_int_equal(make_kind(store, SKT_XFER_FILE, 8, 0, "d", 100, ""), 0);
    assert_int_equal(ask(store, SKT_XFER_CLOSED_SESSION, 7, 0), 0);
    assert_false(is_there("in/b.part-sockit"));
    assert_true(is_there("in/c.part-sockit"));
    assert_true(is_there("in/d.part-sockit"));
    skt_store_free(store);
    assert_false(is_there("in/d.part-sockit"));
}

static void a_file_of_zeros_is_made_at_its_end(void **state)
{
    skt_auto(skt_store) struct skt_store *store = store_at("in", plain);

    assert_int_equal(make(store, 0, "a", 5), 0);
    assert_int_equal(write_zeros(store, 0, 0, 5), 0);
    assert_int_equal(finish(store, 0), 0);
    assert_int_equal(stat_of("in/a").st_size, 5);
    assert_int_equal(stat_of("in/a").st_blocks, 0);
}

static void an_equal_file_only_gets_mode_and_time(void **state)
{
    skt_auto(skt_store) struct skt_store *store = store_at("in", plain);
    struct stat before, after;
    char is[8];

    world_text("in/a", "same");
    before = stat_of("in/a");
    assert_int_equal(make(store, 0, "a", 4), 1);
    assert_int_equal(read_bytes(store, 0, 0, is, sizeof is), 4);
    assert_memory_equal(is, "same", 4);
    assert_int_equal(finish(store, 0), 0);
    after = stat_of("in/a");
    assert_true(before.st_ino == after.st_ino);
    assert_int_equal(after.st_mode & 07777, MODE);
    assert_true(after.st_mtim.tv_sec == MTIME / SKT_SEC);
}

static void another_file_is_not_overwritten(void **state)
{
    skt_auto(skt_store) struct skt_store *store = store_at("in", plain);

    world_text("in/a", "mine");
    assert_int_equal(make(store, 0, "a", 5), -EEXIST); /* another size: no need to compare */
    assert_int_equal(make(store, 0, "a", 4), 1);
    assert_int_equal(write_text(store, 0, 0, "your"), -EEXIST);
    assert_int_equal(drop_file(store, 0), 0);
    is_text("in/a", "mine");
    assert_false(is_there("in/a.part-sockit"));
    assert_true(stat_of("in/a").st_mtim.tv_sec != MTIME / SKT_SEC);

    assert_int_equal(symlink("a", "in/sym"), 0);
    assert_int_equal(make(store, 1, "sym", 4), -EEXIST);
    assert_int_equal(make(store, 1, "late", 4), 0); /* and it comes while we write */
    assert_int_equal(write_text(store, 1, 0, "your"), 0);
    world_text("in/late", "mine");
    assert_int_equal(finish(store, 1), -EEXIST);
    is_text("in/late", "mine");
}

static void overwriting_keeps_the_old_one_until_the_new_one_is_whole(void **state)
{
    skt_auto(skt_store) struct skt_store *store = store_at("in", over);
    char is[16];

    world_text("in/a", "0123456789");
    assert_int_equal(link("in/a", "in/other"), 0);
    assert_int_equal(make(store, 0, "a", 12), 1);
    assert_int_equal(read_bytes(store, 0, 0, is, 12), 12);
    assert_memory_equal(is, "0123456789\0\0", 12);
    assert_false(is_there("in/a.part-sockit"));
    assert_int_equal(write_text(store, 0, 10, "xy"), 0);
    is_text("in/a", "0123456789");
    assert_int_equal(read_bytes(store, 0, 0, is, 12), 12);
    assert_memory_equal(is, "0123456789xy", 12);
    assert_int_equal(finish(store, 0), 0);
    is_text("in/a", "0123456789xy");
    is_text("in/other", "0123456789"); /* its other name is another file now */
}

static void overwriting_by_a_shorter_one_needs_no_bytes(void **state)
{
    skt_auto(skt_store) struct skt_store *store = store_at("in", over);
    char is[16];

    world_text("in/a", "0123456789");
    assert_int_equal(make(store, 0, "a", 4), 1);
    assert_int_equal(read_bytes(store, 0, 0, is, 12), 4);
    assert_int_equal(finish(store, 0), 0);
    is_text("in/a", "0123");
    assert_int_equal(stat_of("in/a").st_mode & 07777, MODE);
}

static void overwriting_is_resumed_where_it_was(void **state)
{
    skt_auto(skt_store) struct skt_store *store = store_at("in", over);
    char is[4];

    world_text("in/a", "oooo");
    assert_int_equal(make(store, 0, "a", 4), 1);
    assert_int_equal(write_text(store, 0, 0, "n"), 0);
    assert_int_equal(drop_file(store, 0), 0);
    is_text("in/a", "oooo");
    assert_int_equal(make(store, 1, "a", 4), 1);
    assert_int_equal(read_bytes(store, 1, 0, is, 4), 4);
    assert_memory_equal(is, "nooo", 4);
    assert_int_equal(drop_file(store, 1), 0);
}

/* ---- holes ---- */

static void a_sparse_file_takes_no_space(void **state)
{
    enum { MIB = 1024 * 1024 };
    static const struct skt_store_conf any = { .keep_free = 1 };
    skt_auto(skt_store) struct skt_store *store = store_at("in", any);
    int64_t r = make(store, 0, "sparse", 1024 * MIB);
    char to[16];

    if (r == -ENOSPC) {
        print_message("there is no GiB free here: skipped\n");
        skip();
    }
    assert_int_equal(r, 0);
    for (uint64_t i = 0; i < 1024; i++)
        assert_int_equal(write_zeros(store, 0, i * MIB, MIB), 0);
    assert_int_equal(write_text(store, 0, 512 * MIB, "x"), 0);
    assert_int_equal(read_bytes(store, 0, MIB, to, sizeof to), SKT_XFER_ALL_ZEROS);
    assert_int_equal(read_bytes(store, 0, 512 * MIB, to, sizeof to), 16);
    assert_memory_equal(to, "x\0\0\0\0\0\0", 8);
    assert_int_equal(finish(store, 0), 0);
    assert_true(stat_of("in/sparse").st_size == 1024 * MIB);
    assert_true(stat_of("in/sparse").st_blocks * 512 <= MIB);
}

static void pages_of_zeros_inside_of_data_are_holes(void **state)
{
    enum { N = 256 * 1024 };
    skt_auto(skt_store) struct skt_store *store = store_at("in", plain);
    char *bytes = calloc(1, N), *is = malloc(N);

    bytes[0] = 'a';
    bytes[N - 1] = 'z';
    assert_int_equal(make(store, 0, "a", N), 0);
    assert_int_equal(write_bytes(store, 0, 0, 0, bytes, N), 0);
    assert_int_equal(read_bytes(store, 0, 0, is, N), N);
    assert_memory_equal(is, bytes, N);
    assert_true(stat_of("in/a.part-sockit").st_blocks * 512 < N / 2);
    free(bytes);
    free(is);
}

static void zeros_take_the_place_of_what_was_there(void **state)
{
    enum { N = 64 * 1024 };
    skt_auto(skt_store) struct skt_store *store = store_at("in", plain);
    char *bytes = malloc(2 * N), *is = malloc(2 * N);

    for (int as_data = 0; as_data < 2; as_data++) {
        memset(bytes, 'x', 2 * N);
        assert_int_equal(make(store, 0, "a", 2 * N), 0);
        assert_int_equal(write_bytes(store, 0, 0, 0, bytes, 2 * N), 0);
        memset(bytes + 100, 0, N);
        assert_int_equal(write_bytes(store, 0, 0, 100, as_data ? bytes + 100 : NULL, N), 0);
        assert_int_equal(read_bytes(store, 0, 0, is, 2 * N), 2 * N);
        assert_memory_equal(is, bytes, 2 * N);
        assert_int_equal(drop_file(store, 0), 0);
        assert_int_equal(unlink("in/a.part-sockit"), 0);
    }
    free(bytes);
    free(is);
}

/* ---- what is no file ---- */

static void directories_can_be_written_until_they_come_again(void **state)
{
    skt_auto(skt_store) struct skt_store *store = store_at("in", plain);
    struct skt_xfer_meta meta = { .kind = SKT_XFER_DIR, .mode = 0500, .mtime = MTIME, .path = skt_span_str("d") };
    struct skt_xfer_event event = { .kind = SKT_XFER_MAKE, .meta = &meta };

    for (int i = 0; i < 2; i++) { /* and the second time it is there, with that mode */
        meta.kind = SKT_XFER_DIR;
        assert_int_equal(skt_store_do(store, &event), 0);
        assert_int_equal(stat_of("in/d").st_mode & 0700, 0700);
        assert_int_equal(make(store, 0, i ? "d/b" : "d/a", 0), 0);
        assert_int_equal(finish(store, 0), 0);
        meta.kind = SKT_XFER_DIR_AGAIN;
        assert_int_equal(skt_store_do(store, &event), 0);
        assert_int_equal(stat_of("in/d").st_mode & 07777, 0500);
        assert_true(stat_of("in/d").st_mtim.tv_sec == MTIME / SKT_SEC);
    }
    assert_int_equal(make(store, 0, "none/a", 0), -ENOENT);
    assert_int_equal(make(store, 0, "d/a/b", 0), -ENOTDIR);
    assert_int_equal(make(store, 0, "d", 0), -EISDIR);
    world_text("in/f", "");
    assert_int_equal(make_kind(store, SKT_XFER_DIR, 0, 0, "f", 0, ""), -EEXIST);
}

static void a_directory_keeps_the_group_that_it_inherits(void **state)
{
    skt_auto(skt_store) struct skt_store *store = store_at("in", plain);

    assert_false(chmod("in", 02755));
    if (!(stat_of("in").st_mode & S_ISGID))
        skip();
    assert_int_equal(make_kind(store, SKT_XFER_DIR, 0, 0, "d", 0, ""), 0);
    assert_int_equal(make_kind(store, SKT_XFER_DIR_AGAIN, 0, 1, "d", 0, ""), 0);
    assert_int_equal(stat_of("in/d").st_mode & 07777, 02000 | MODE);
}

static void a_symbolic_link_is_its_text(void **state)
{
    skt_auto(skt_store) struct skt_store *store = store_at("in", plain);
    skt_auto(skt_store) struct skt_store *replacing = store_at("in", over);
    char text[5001];

    assert_int_equal(make_kind(store, SKT_XFER_SYMLINK, 0, 0, "l", 0, "../../etc/\npasswd"), 0);
    assert_int_equal(readlink("in/l", text, sizeof text), 17);
    assert_memory_equal(text, "../../etc/\npasswd", 17);
    assert_true(stat_of("in/l").st_mtim.tv_sec == MTIME / SKT_SEC);
    assert_int_equal(make_kind(store, SKT_XFER_SYMLINK, 0, 1, "l", 0, "../../etc/\npasswd"), 0);
    assert_int_equal(make_kind(store, SKT_XFER_SYMLINK, 0, 2, "l", 0, "other"), -EEXIST);
    assert_int_equal(make_kind(replacing, SKT_XFER_SYMLINK, 0, 2, "l", 0, "other"), 0);
    assert_int_equal(readlink("in/l", text, sizeof text), 5);
    assert_int_equal(make_kind(store, SKT_XFER_SYMLINK, 0, 3, "e", 0, ""), -EINVAL);
    memset(text, 'x', 5000);
    text[5000] = 0;
    assert_int_equal(make_kind(store, SKT_XFER_SYMLINK, 0, 3, "e", 0, text), -ENAMETOOLONG);
    assert_int_equal(make_kind(store, SKT_XFER_DIR, 0, 4, "d", 0, ""), 0);
    assert_int_equal(make_kind(replacing, SKT_XFER_SYMLINK, 0, 5, "d", 0, "x"), -EEXIST);
}

static void a_hard_link_is_another_name(void **state)
{
    skt_auto(skt_store) struct skt_store *store = store_at("in", plain);
    skt_auto(skt_store) struct skt_store *replacing = store_at("in", over);

    assert_int_equal(make_kind(store, SKT_XFER_DIR, 0, 0, "d", 0, ""), 0);
    assert_int_equal(make(store, 1, "d/a", 1), 0);
    assert_int_equal(make_kind(store, SKT_XFER_HARDLINK, 0, 2, "b", 0, "d/a"), -EAGAIN);
    assert_int_equal(write_text(store, 1, 0, "x"), 0);
    assert_int_equal(finish(store, 1), 0);
    assert_int_equal(make_kind(store, SKT_XFER_HARDLINK, 0, 2, "b", 0, "d/a"), 0);
    assert_true(stat_of("in/b").st_ino == stat_of("in/d/a").st_ino);
    assert_int_equal(make_kind(store, SKT_XFER_HARDLINK, 0, 3, "b", 0, "d/a"), 0); /* it is that already */
    world_text("in/c", "mine");
    assert_int_equal(make_kind(store, SKT_XFER_HARDLINK, 0, 4, "c", 0, "d/a"), -EEXIST);
    assert_int_equal(make_kind(replacing, SKT_XFER_HARDLINK, 0, 4, "c", 0, "d/a"), 0);
    assert_true(stat_of("in/c").st_ino == stat_of("in/d/a").st_ino);
    assert_int_equal(make_kind(store, SKT_XFER_HARDLINK, 0, 5, "e", 0, "none"), -ENOENT);
    assert_int_equal(make_kind(store, SKT_XFER_HARDLINK, 0, 5, "e", 0, "d"), -EINVAL);
    assert_int_equal(make_kind(store, SKT_XFER_HARDLINK, 0, 5, "e", 0, "../x"), -EINVAL);
    assert_int_equal(make_kind(store, SKT_XFER_HARDLINK, 0, 5, "e", 0, "/etc/passwd"), -EINVAL);
    assert_int_equal(make_kind(store, 9, 0, 5, "e", 0, ""), -EINVAL);
}

/* ---- attacks ---- */

static void no_path_leads_out(void **state)
{
    static const char *const bad[] = { "", "/", "/abs", "..", ".", "../x", "d/../../x", "d/..", "d/.", "./d", "d//x",
        "d/", "x.part-sockit", "x.part-sockit/y" };
    skt_auto(skt_store) struct skt_store *store = store_at("in", plain);
    struct skt_xfer_meta meta = { .kind = SKT_XFER_FILE, .path = skt_span_of("a\0b", 3) };

    assert_int_equal(make_kind(store, SKT_XFER_DIR, 0, 0, "d", 0, ""), 0);
    for (uint32_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        for (enum skt_xfer_kind kind = SKT_XFER_FILE; kind <= SKT_XFER_DIR_AGAIN; kind++)
            assert_int_equal(make_kind(store, kind, 0, i, bad[i], 1, "d"), -EINVAL);
    }
    assert_int_equal(skt_store_do(store, &(struct skt_xfer_event){ .kind = SKT_XFER_MAKE, .meta = &meta }), -EINVAL);
    assert_false(is_there("x"));
}

static bool is_refusal(int64_t r) { return r == -ELOOP || r == -ENOTDIR || r == -ESTALE; }

/* With openat2 and without. */
static void no_symbolic_link_is_followed(void **state)
{
    assert_false(mkdir("out", 0700) || mkdir("out/sub", 0700));
    world_text("out/sub/theirs", "");
    for (int walking = 0; walking < 2; walking++) {
        skt_auto(skt_store) struct skt_store *store = store_at(walking ? "in2" : "in", over);
        store->base.walk = walking;
        assert_false(chdir(walking ? "in2" : "in") || symlink("../out", "way") || symlink("../out/file", "f") ||
                     symlink("../out/part", "g.part-sockit"));
        assert_true(is_refusal(make(store, 0, "way/a", 1)));
        assert_true(is_refusal(make(store, 0, "way/sub/a", 1)));
        assert_true(is_refusal(make_kind(store, SKT_XFER_HARDLINK, 0, 0, "hard", 0, "way/sub/theirs")));
        assert_true(is_refusal(make_kind(store, SKT_XFER_DIR, 0, 0, "way/d", 0, "")));
        assert_true(is_refusal(make_kind(store, SKT_XFER_DIR_AGAIN, 0, 0, "way", 0, "")));
        assert_int_equal(make_kind(store, SKT_XFER_DIR, 0, 0, "way", 0, ""), -EEXIST);
        assert_int_equal(make(store, 1, "f", 1), 0); /* the link is replaced */
        assert_int_equal(write_text(store, 1, 0, "x"), 0);
        assert_int_equal(finish(store, 1), 0);
        assert_true(S_ISREG(stat_of("f").st_mode));
        assert_int_equal(make(store, 2, "g", 1), 0); /* this one as well */
        assert_int_equal(write_text(store, 2, 0, "x"), 0);
        assert_int_equal(finish(store, 2), 0);
        assert_false(chdir(".."));
        assert_false(is_there("out/file") || is_there("out/part") || is_there("out/a") || is_there("out/d") ||
                     is_there("out/sub/a.part-sockit"));
    }
}

static void a_directory_that_becomes_a_link_meanwhile_is_not_followed(void **state)
{
    static const struct skt_store_conf one = { .fds = 1, .overwrite = true };
    skt_auto(skt_store) struct skt_store *store = store_at("in", one);

    assert_false(mkdir("out", 0700));
    assert_int_equal(make_kind(store, SKT_XFER_DIR, 0, 0, "d", 0, ""), 0);
    assert_int_equal(make(store, 1, "d/a", 1), 0);
    assert_int_equal(write_text(store, 1, 0, "x"), 0);
    assert_int_equal(make(store, 2, "d/b", 1), 0);
    assert_int_equal(write_text(store, 2, 0, "x"), 0);
    assert_int_equal(make(store, 3, "d/c", 1), 0);
    assert_false(rename("in/d", "in/moved") || symlink("../out", "in/d"));
    world_text("out/a.part-sockit", "theirs");
    assert_true(is_refusal(write_text(store, 1, 0, "x"))); /* b took its descriptor */
    assert_int_equal(write_text(store, 2, 0, "x"), 0);     /* this one is open: the file that it was */
    assert_true(is_refusal(write_text(store, 3, 0, "x"))); /* and this one was not yet there */
    assert_true(is_refusal(finish(store, 3)));
    assert_true(is_refusal(finish(store, 1)));
    assert_true(is_refusal(finish(store, 2)));
    is_text("out/a.part-sockit", "theirs");
    assert_false(is_there("out/a") || is_there("out/b") || is_there("out/c.part-sockit"));
}

/* The same by chance, at any moment, also without openat2. */
static void a_directory_that_becomes_a_link_at_any_moment_is_not_followed(void **state)
{
    enum { TURNS = 3000 };
    int good = 0, bad = 0;
    pid_t pid;

    assert_false(mkdir("in", 0700) || mkdir("in/d", 0700) || mkdir("in/d/e", 0700) || mkdir("out", 0700) ||
                 mkdir("out/e", 0700) || symlink("../out", "in/l"));
    pid = exchange_forever("in/d", "in/l");
    for (int walking = 0; walking < 2; walking++) {
        skt_auto(skt_store) struct skt_store *store = store_at("in", over);
        store->base.walk = walking;
        for (int i = 0; i < TURNS; i++) {
            int64_t r = make(store, 0, i % 2 ? "d/a" : "d/e/a", 1);
            r = r < 0 ? r : write_text(store, 0, 0, "x");
            r = r < 0 ? r : finish(store, 0);
            (void)drop_file(store, 0);
            (void)make_kind(store, SKT_XFER_DIR, 0, 1, "d/e/sub", 0, "");
            (void)make_kind(store, SKT_XFER_SYMLINK, 0, 2, "d/sym", 0, "x");
            *(r ? &bad : &good) += 1;
            assert_true(!r || is_refusal(r) || r == -ENOENT || r == -EEXIST);
        }
    }
    if (!end_exchange(pid))
        skip();
    assert_true(!rmdir("out/e") && !rmdir("out")); /* nothing came there */
    print_message("%d stored, %d refused\n", good, bad);
}

static void a_part_that_somebody_exchanged_is_not_finished(void **state)
{
    skt_auto(skt_store) struct skt_store *store = store_at("in", plain);

    assert_int_equal(make(store, 0, "a", 4), 0);
    assert_int_equal(write_text(store, 0, 0, "mine"), 0);
    assert_false(unlink("in/a.part-sockit"));
    world_text("in/a.part-sockit", "evil");
    assert_int_equal(finish(store, 0), -ESTALE);
    assert_false(is_there("in/a"));
}

static void a_part_that_somebody_exchanged_is_not_written(void **state)
{
    static const struct skt_store_conf one = { .fds = 1 };
    skt_auto(skt_store) struct skt_store *store = store_at("in", one);

    assert_int_equal(make(store, 0, "a", 4), 0);
    assert_int_equal(make(store, 1, "b", 4), 0);
    assert_int_equal(write_text(store, 0, 0, "mine"), 0);
    assert_int_equal(write_text(store, 1, 0, "mine"), 0); /* it took the descriptor of a */
    assert_false(rename("in/a.part-sockit", "in/away"));
    assert_int_equal(write_text(store, 0, 0, "mine"), -ESTALE);
    world_text("in/a.part-sockit", "evil");
    assert_int_equal(write_text(store, 0, 0, "mine"), -ESTALE);
    assert_false(unlink("in/a.part-sockit") || mkfifo("in/a.part-sockit", 0600));
    assert_int_equal(write_text(store, 0, 0, "mine"), -ESTALE);
    assert_false(unlink("in/a.part-sockit") || rename("in/away", "in/a.part-sockit"));
    assert_int_equal(write_text(store, 0, 0, "mine"), 0);
}

static void a_part_with_another_name_is_not_written(void **state)
{
    skt_auto(skt_store) struct skt_store *store = store_at("in", plain);

    world_text("precious", "gold");
    assert_false(link("precious", "in/a.part-sockit"));
    assert_int_equal(make(store, 0, "a", 4), 0);
    assert_int_equal(write_text(store, 0, 0, "lead"), 0);
    is_text("precious", "gold");
}

static void pipes_and_devices_are_not_opened(void **state)
{
    skt_auto(skt_store) struct skt_store *store = store_at("in", over);

    assert_false(mkfifo("in/pipe", 0600) || mkfifo("in/b.part-sockit", 0600));
    assert_int_equal(make(store, 0, "pipe", 0), -EEXIST);
    assert_int_equal(make(store, 1, "b", 0), 0); /* only we use such names */
    assert_int_equal(finish(store, 1), 0);
    if (mknod("in/dev", S_IFCHR | 0600, makedev(1, 3)))
        print_message("no devices can be made here: not tried\n");
    else
        assert_int_equal(make(store, 2, "dev", 0), -EEXIST);
}

static void two_at_one_path_are_one_too_many(void **state)
{
    skt_auto(skt_store) struct skt_store *store = store_at("in", plain);
    skt_auto(skt_store) struct skt_store *another = store_at("in", plain); /* as another program would */

    assert_int_equal(make_kind(store, SKT_XFER_FILE, 1, 0, "a", 1, ""), 0);
    assert_int_equal(make_kind(store, SKT_XFER_FILE, 2, 0, "a", 1, ""), -EBUSY);
    assert_int_equal(make_kind(store, SKT_XFER_SYMLINK, 2, 0, "a", 0, "x"), -EBUSY);
    assert_int_equal(make(another, 0, "a", 1), 0);
    assert_int_equal(write_bytes(store, 1, 0, 0, "x", 1), 0);
    assert_int_equal(write_text(another, 0, 0, "y"), -EBUSY);
    assert_int_equal(drop_file(another, 0), 0);
    assert_int_equal(make(another, 0, "a", 1), -EBUSY);
    assert_int_equal(ask(store, SKT_XFER_CLOSED_SESSION, 1, 0), 0);
    assert_int_equal(make(another, 0, "a", 1), 1);
}

static void what_is_begun_has_a_cap(void **state)
{
    static const struct skt_store_conf two = { .max_files = 2, .max_depth = 2 };
    skt_auto(skt_store) struct skt_store *store = store_at("in", two);

    assert_int_equal(make(store, 0, "a", 1), 0);
    assert_int_equal(make(store, 1, "b", 1), 0);
    assert_int_equal(make(store, 2, "c", 1), -ENFILE);
    assert_int_equal(drop_file(store, 0), 0);
    assert_int_equal(make(store, 2, "c", 1), 0);
    assert_int_equal(make_kind(store, SKT_XFER_DIR, 0, 3, "d", 0, ""), 0);
    assert_int_equal(make_kind(store, SKT_XFER_DIR, 0, 4, "d/e", 0, ""), 0);
    assert_int_equal(make_kind(store, SKT_XFER_DIR, 0, 5, "d/e/f", 0, ""), -ENAMETOOLONG);
}

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

static void a_directory_that_cannot_be_had_is_told(void **state)
{
    struct skt_store *store = NULL;

    world_text("file", "");
    assert_int_equal(skt_store_new("file", &plain, &store), -ENOTDIR);
    assert_int_equal(skt_store_new("no/parent", &plain, &store), -ENOENT);
    assert_null(store);
    skt_store_free(NULL);
}

#define W(name) cmocka_unit_test_setup_teardown(name, world_up, world_down)
RUN(W(a_file_has_its_name_when_it_is_whole), W(an_empty_file_is_a_file), W(setuid_is_not_set_unless_asked_for),
    W(times_before_1970_are_kept), W(a_range_beyond_the_file_is_refused), W(names_are_any_bytes),
    W(a_name_of_255_bytes_is_resumed_under_a_hash), W(ten_thousand_files_need_few_descriptors),
    W(what_was_dropped_is_compared), W(a_killed_receiver_resumes), W(a_part_without_any_byte_is_as_good_as_none),
    W(what_has_nothing_is_not_left_behind), W(a_file_of_zeros_is_made_at_its_end),
    W(an_equal_file_only_gets_mode_and_time), W(another_file_is_not_overwritten),
    W(overwriting_keeps_the_old_one_until_the_new_one_is_whole), W(overwriting_by_a_shorter_one_needs_no_bytes),
    W(overwriting_is_resumed_where_it_was), W(what_has_mode_000_is_compared_and_resumed),
    W(a_sparse_file_takes_no_space), W(pages_of_zeros_inside_of_data_are_holes),
    W(zeros_take_the_place_of_what_was_there), W(directories_can_be_written_until_they_come_again),
    W(a_directory_keeps_the_group_that_it_inherits), W(a_symbolic_link_is_its_text), W(a_hard_link_is_another_name),
    W(no_path_leads_out), W(no_symbolic_link_is_followed), W(a_directory_that_becomes_a_link_meanwhile_is_not_followed),
    W(a_directory_that_becomes_a_link_at_any_moment_is_not_followed), W(a_part_that_somebody_exchanged_is_not_finished),
    W(a_part_that_somebody_exchanged_is_not_written), W(a_part_with_another_name_is_not_written),
    W(pipes_and_devices_are_not_opened), W(two_at_one_path_are_one_too_many), W(what_is_begun_has_a_cap),
    W(a_full_disk_is_told_and_survived), W(replacing_on_a_full_disk_keeps_the_old_one),
    W(a_limit_of_size_is_told_before_it_kills), W(few_descriptors_are_enough),
    W(the_sandbox_of_a_receiver_is_large_enough), W(a_directory_that_cannot_be_had_is_told))
