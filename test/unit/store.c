/* drive/file/store.c, storemake.c, storework.c: what a receiver's files become. Directories, links and paths are in store_paths.c, full
 * disks and the sandbox in store_limits.c. */
#include "test.h"

#include "storeworld.h"

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
    char to[16];

    assert_int_equal(make_sparse(store, 0, "sparse", 1024 * MIB, 1), 0);
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

#define W(name) cmocka_unit_test_setup_teardown(name, world_up, world_down)
RUN(W(a_file_has_its_name_when_it_is_whole), W(an_empty_file_is_a_file), W(setuid_is_not_set_unless_asked_for),
    W(times_before_1970_are_kept), W(a_range_beyond_the_file_is_refused), W(names_are_any_bytes),
    W(a_name_of_255_bytes_is_resumed_under_a_hash), W(ten_thousand_files_need_few_descriptors),
    W(what_was_dropped_is_compared), W(a_killed_receiver_resumes), W(a_part_without_any_byte_is_as_good_as_none),
    W(what_has_nothing_is_not_left_behind), W(a_file_of_zeros_is_made_at_its_end),
    W(an_equal_file_only_gets_mode_and_time), W(another_file_is_not_overwritten),
    W(overwriting_keeps_the_old_one_until_the_new_one_is_whole), W(overwriting_by_a_shorter_one_needs_no_bytes),
    W(overwriting_is_resumed_where_it_was), W(a_sparse_file_takes_no_space), W(pages_of_zeros_inside_of_data_are_holes),
    W(zeros_take_the_place_of_what_was_there))
