/* drive/file/store.c, storemake.c, storework.c: directories, links, and paths that would lead out. */
#include "test.h"

#include "storeworld.h"

#include <sys/syscall.h>

#include "drive/file/storeinside.h"

#include <sys/sysmacros.h>

static const struct skt_store_conf plain, over = { .overwrite = true };

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

/* Whose a part is is asked between looking at it and opening it: there it is exchanged. */
static bool is_moment;

uid_t geteuid(void)
{
    if (is_moment) {
        is_moment = false;
        assert_false(unlink("in/a.part-sockit") || link("out/precious", "in/a.part-sockit"));
    }
    return (uid_t)syscall(SYS_geteuid);
}

static void a_part_that_becomes_a_hard_link_meanwhile_is_not_touched(void **state)
{
    skt_auto(skt_store) struct skt_store *store = store_at("in", plain);

    assert_false(mkdir("out", 0700));
    world_text("out/precious", "precious");
    world_text("in/a.part-sockit", "half");
    is_moment = true;
    assert_int_equal(make(store, 0, "a", 4), -ESTALE);
    assert_false(is_moment);
    is_text("out/precious", "precious");
    assert_int_equal(make(store, 0, "a", 4), 0); /* it is not ours, and goes */
    is_text("out/precious", "precious");
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
RUN(W(directories_can_be_written_until_they_come_again), W(a_directory_keeps_the_group_that_it_inherits),
    W(a_symbolic_link_is_its_text), W(a_hard_link_is_another_name), W(no_path_leads_out),
    W(no_symbolic_link_is_followed), W(a_directory_that_becomes_a_link_meanwhile_is_not_followed),
    W(a_directory_that_becomes_a_link_at_any_moment_is_not_followed),
    W(a_part_that_becomes_a_hard_link_meanwhile_is_not_touched), W(a_part_that_somebody_exchanged_is_not_finished),
    W(a_part_that_somebody_exchanged_is_not_written), W(a_part_with_another_name_is_not_written),
    W(pipes_and_devices_are_not_opened), W(two_at_one_path_are_one_too_many), W(what_is_begun_has_a_cap),
    W(a_directory_that_cannot_be_had_is_told))
