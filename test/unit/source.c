/* drive/file/source.c, sourcewalk.c, sourcelate.c: what a sender tells and reads. */
#include "test.h"

#include "storeworld.h"

#include "drive/sandbox.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

static struct skt_source *source_of(const char *const *paths)
{
    struct skt_source *source = NULL;
    char text[512];
    struct skt_room why = skt_room_of(text, sizeof text);

    if (skt_source_new(paths, &source, &why))
        fail_msg("%.*s", (int)(why.p - (uint8_t *)text), text);
    return source;
}
#define SOURCE(...) source_of((const char *const[]){ __VA_ARGS__, NULL })

static const char kinds[] = "?fdlha"; /* file, directory, symbolic link, hard link, directory again */

/* All entries, one a line: kind, path, and what a link leads to. */
static const char *all_of(struct skt_source *source)
{
    static char text[65536];
    struct skt_room room = skt_room_of(text, sizeof text - 1);
    struct skt_xfer_meta meta;

    while (skt_source_next(source, &meta)) {
        skt_put_u8(&room, (uint8_t)kinds[meta.kind]);
        skt_put_u8(&room, ' ');
        skt_put(&room, meta.path);
        if (skt_len(meta.target))
            skt_put_str(&room, " -> ");
        skt_put(&room, meta.target);
        skt_put_u8(&room, '\n');
    }
    assert_false(room.bad);
    *room.p = 0;
    return text;
}

static int64_t ask_source(struct skt_source *source, enum skt_xfer_event_kind kind, uint32_t file)
{
    return skt_source_do(source, &(struct skt_xfer_event){ .kind = kind, .file = file });
}

static int64_t read_source(struct skt_source *source, uint32_t file, uint64_t offset, void *to, size_t n)
{
    return skt_source_do(
        source, &(struct skt_xfer_event){
                    .kind = SKT_XFER_READ, .file = file, .offset = offset, .len = n, .room = skt_room_of(to, n) });
}

static void passed_is(const struct skt_source *source, uint64_t n, const char *words)
{
    char text[2048] = { 0 };
    struct skt_room room = skt_room_of(text, sizeof text - 1);

    assert_int_equal(skt_source_passed(source, &room), n);
    assert_string_equal(text, words);
}

/* ---- entries ---- */

static void a_tree_is_told_from_the_outside_and_again_from_the_inside(void **state)
{
    uint64_t files, bytes;

    assert_false(mkdir("t", 0750) || mkdir("t/b", 0700) || mkdir("t/b/c", 0700) || symlink("../x", "t/l"));
    world_text("t/z", "12345");
    world_text("t/a", "");
    world_text("t/b/c/f", "123");
    for (int slash = 0; slash < 2; slash++) {
        skt_auto(skt_source) struct skt_source *source = SOURCE(slash ? "./t//" : "t");
        skt_source_totals(source, &files, &bytes);
        assert_int_equal(files, 3);
        assert_int_equal(bytes, 8);
        assert_string_equal(
            all_of(source), "d t\nf t/a\nd t/b\nd t/b/c\nf t/b/c/f\nl t/l -> ../x\nf t/z\na t/b/c\na t/b\na t\n");
        passed_is(source, 0, "");
    }
}

static void a_point_is_its_content(void **state)
{
    assert_false(mkdir("t", 0750) || mkdir("t/b", 0700));
    world_text("t/f", "1");
    for (int i = 0; i < 3; i++) {
        static const char *const same[] = { "t/.", "t/./", "t/b/.." };
        skt_auto(skt_source) struct skt_source *source = SOURCE(same[i]);
        char is[4];
        assert_string_equal(all_of(source), "d b\nf f\na b\n");
        assert_int_equal(read_source(source, 1, 0, is, 4), 1);
    }
}

static void what_is_named_arrives_under_its_last_part(void **state)
{
    skt_auto(skt_source) struct skt_source *source = NULL;
    char here[4096], path[5000], is[4];

    assert_false(mkdir("t", 0750) || mkdir("t/b", 0700) || symlink("b", "t/l") || symlink("b", "t/m"));
    world_text("t/b/f", "one");
    world_text("t/g", "two");
    assert_non_null(getcwd(here, sizeof here));
    snprintf(path, sizeof path, "%s/t/g", here);
    source = SOURCE("t/b", path, "t/l", "t/m/");
    assert_string_equal(all_of(source), "d b\nf b/f\nf g\nl l -> b\nd m\nf m/f\na m\na b\n");
    assert_int_equal(read_source(source, 1, 0, is, 4), 3);
    assert_memory_equal(is, "one", 3);
    assert_int_equal(read_source(source, 2, 0, is, 4), 3);
    assert_memory_equal(is, "two", 3);
    assert_int_equal(read_source(source, 5, 0, is, 4), 3);
    assert_memory_equal(is, "one", 3);
}

static void an_entry_has_mode_time_and_size(void **state)
{
    skt_auto(skt_source) struct skt_source *source = NULL;
    const struct timespec times[2] = { { .tv_sec = 1 }, { .tv_sec = -2, .tv_nsec = 5 } };
    struct skt_xfer_meta meta;

    world_text("f", "12345");
    assert_false(chmod("f", 04751) || utimensat(AT_FDCWD, "f", times, 0));
    source = SOURCE("f");
    assert_true(skt_source_next(source, &meta));
    assert_int_equal(meta.mode, 04751);
    assert_true(meta.mtime == -2000000000 + 5);
    assert_int_equal(meta.size, 5);
    assert_false(skt_source_next(source, &meta));
}

static void names_are_any_bytes(void **state)
{
    char name[256] = { 0 }, want[600];

    memset(name, 'n', 255);
    assert_false(mkdir("t", 0700));
    world_text("t/two\nlines", "");
    world_text("t/\xe4\xb8\xad\xe6\x96\x87", "");
    assert_false(chdir("t"));
    world_text(name, "");
    world_text("\xff\x1b", "");
    assert_false(chdir(".."));
    {
        skt_auto(skt_source) struct skt_source *source = SOURCE("t");
        snprintf(
            want, sizeof want, "d t\nf t/%s\nf t/two\nlines\nf t/\xe4\xb8\xad\xe6\x96\x87\nf t/\xff\x1b\na t\n", name);
        assert_string_equal(all_of(source), want);
    }
}

static void other_names_of_a_file_are_links_after_all_files(void **state)
{
    skt_auto(skt_source) struct skt_source *source = NULL;
    uint64_t files, bytes;

    assert_false(mkdir("t", 0700) || mkdir("t/d", 0700));
    world_text("t/a", "1234");
    assert_false(link("t/a", "t/b") || link("t/a", "t/d/c") || link("t/a", "outside"));
    world_text("t/z", "1");
    source = SOURCE("t", "outside");
    skt_source_totals(source, &files, &bytes);
    assert_int_equal(files, 2);
    assert_int_equal(bytes, 5);
    assert_string_equal(
        all_of(source), "d t\nf t/a\nd t/d\nf t/z\nh t/b -> t/a\nh t/d/c -> t/a\nh outside -> t/a\na t/d\na t\n");
}

static void pipes_and_sockets_and_unfinished_files_are_passed_over(void **state)
{
    skt_auto(skt_source) struct skt_source *source = NULL;
    struct sockaddr_un at = { .sun_family = AF_UNIX, .sun_path = "t/socket" };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    assert_false(mkdir("t", 0700) || mkfifo("t/pipe\n", 0600) || bind(fd, (struct sockaddr *)&at, sizeof at));
    close(fd);
    world_text("t/f.part-sockit", "half");
    world_text("t/g", "whole");
    source = SOURCE("t");
    assert_string_equal(all_of(source), "d t\nf t/g\na t\n");
    passed_is(source, 3, "'t/socket': is a socket");
}

static void what_cannot_be_entered_is_passed_over(void **state)
{
    skt_auto(skt_source) struct skt_source *source = NULL;
    struct skt_xfer_meta meta;

    assert_false(mkdir("t", 0700) || mkdir("t/a", 0700) || mkdir("t/b", 0700) || mkdir("elsewhere", 0700));
    world_text("t/a/secret", "");
    world_text("elsewhere/f", "");
    source = SOURCE("t");
    assert_true(skt_source_next(source, &meta) && skt_source_next(source, &meta)); /* t, t/a */
    assert_false(rename("t/a", "was") || symlink("../elsewhere", "t/a"));
    assert_true(skt_source_next(source, &meta));
    assert_int_equal(meta.kind, SKT_XFER_DIR);
    assert_true(skt_span_is(meta.path, "t/b"));
    assert_int_equal(skt_source_passed(source, NULL), 1);
    assert_false(rename("t/b", "b") || mkdir("t/b", 0700)); /* and one that is another directory now */
    assert_true(skt_source_next(source, &meta));
    assert_int_equal(meta.kind, SKT_XFER_DIR_AGAIN);
    passed_is(source, 2, "'t/b': was exchanged");
}

static void each_thing_that_is_passed_over_is_told_once(void **state)
{
    skt_auto(skt_source) struct skt_source *source = NULL;
    struct skt_xfer_meta meta;
    struct skt_source_pass pass;

    assert_false(mkdir("t", 0700) || mkfifo("t/a", 0600) || mkfifo("t/b", 0600));
    world_text("t/c", "");
    source = SOURCE("t");
    assert_int_equal(skt_source_step(source, &meta), SKT_SOURCE_ENTRY); /* t */
    for (int i = 0; i < 2; i++) {
        assert_int_equal(skt_source_step(source, &meta), SKT_SOURCE_PASSED);
        pass = skt_source_pass(source);
        assert_true(skt_span_is(pass.path, i ? "t/b" : "t/a"));
        assert_string_equal(pass.why, "is a pipe");
        assert_int_equal(pass.error, 0);
    }
    assert_int_equal(skt_source_step(source, &meta), SKT_SOURCE_ENTRY);
    assert_true(skt_span_is(meta.path, "t/c"));
    assert_int_equal(skt_source_step(source, &meta), SKT_SOURCE_ENTRY); /* t again */
    assert_int_equal(skt_source_step(source, &meta), SKT_SOURCE_END);
}

static void what_has_too_long_a_path_is_named(void **state)
{
    skt_auto(skt_source) struct skt_source *source = NULL;
    struct skt_xfer_meta meta;
    char dir[251] = "", name[101] = "", said[512];
    struct skt_room room = skt_room_of(said, sizeof said - 1);

    memset(dir, 'd', 250);
    memset(name, 'x', 100);
    for (int i = 0; i < 16; i++) /* 4015 bytes in all */
        assert_false(mkdir(dir, 0700) || chdir(dir));
    world_text("a", "");
    world_text(name, "");
    assert_false(chdir(world_dir));
    source = SOURCE(dir);
    while (skt_source_next(source, &meta))
        assert_true(meta.kind != SKT_XFER_FILE || meta.path.end[-1] == 'a');
    assert_int_equal(skt_source_passed(source, &room), 1);
    *room.p = 0;
    assert_non_null(strstr(said, name));
    /* too long for who cleans up */
    for (int i = 0; i < 16; i++)
        assert_false(chdir(dir));
    assert_false(unlink("a") || unlink(name));
    for (int i = 0; i < 16; i++)
        assert_false(chdir("..") || rmdir(dir));
}

static void a_deep_tree_ends_at_the_cap(void **state)
{
    skt_auto(skt_source) struct skt_source *source = NULL;
    struct skt_xfer_meta meta;
    uint32_t dirs = 0;

    for (int i = 0; i < 140; i++)
        assert_false(mkdir("d", 0700) || chdir("d"));
    assert_false(chdir(world_dir));
    source = SOURCE("d");
    for (; skt_source_next(source, &meta) && meta.kind == SKT_XFER_DIR; dirs++) {
    }
    assert_int_equal(dirs, 128);
    assert_int_equal(skt_source_passed(source, NULL), 1);
}

static void ten_thousand_names_are_told_in_order(void **state)
{
    enum { N = 20000 }; /* more than one run */
    skt_auto(skt_source) struct skt_source *source = NULL;
    struct skt_xfer_meta meta;
    char path[32], *seen = calloc(1, N);
    uint32_t sorted = 0, n = 0, last = 0;

    assert_false(mkdir("t", 0700));
    for (int i = 0; i < N; i++) {
        snprintf(path, sizeof path, "t/%05d", i);
        world_text(path, "");
    }
    source = SOURCE("t");
    assert_true(skt_source_next(source, &meta));
    for (; skt_source_next(source, &meta) && meta.kind == SKT_XFER_FILE; n++) {
        uint32_t i = (uint32_t)strtoul((const char *)meta.path.p + 2, NULL, 10);
        assert_true(i < N && !seen[i]);
        seen[i] = 1;
        sorted += !n || i > last;
        last = i;
        assert_int_equal(ask_source(source, SKT_XFER_FORGET, n + 1), 0);
    }
    assert_int_equal(n, N);
    assert_true(sorted >= N - 1); /* at one place a new run begins */
    free(seen);
}

/* ---- reading ---- */

static void a_file_is_read_where_it_is_asked(void **state)
{
    skt_auto(skt_source) struct skt_source *source = NULL;
    struct skt_xfer_meta meta;
    char is[16];

    world_text("f", "0123456789");
    source = SOURCE("f");
    assert_true(skt_source_next(source, &meta));
    assert_int_equal(read_source(source, 0, 4, is, 3), 3);
    assert_memory_equal(is, "456", 3);
    assert_int_equal(read_source(source, 0, 8, is, 16), 2);
    assert_int_equal(read_source(source, 0, 10, is, 16), 0);
    assert_int_equal(read_source(source, 0, 11, is, 16), -EINVAL);
    assert_int_equal(ask_source(source, SKT_XFER_LAST, 0), 0);
    assert_int_equal(ask_source(source, SKT_XFER_FORGET, 0), 0);
    assert_int_equal(read_source(source, 0, 0, is, 16), -EBADF);
    assert_int_equal(ask_source(source, SKT_XFER_FORGET, 0), 0);
}

static void holes_and_zeros_are_not_read(void **state)
{
    enum { MIB = 1024 * 1024 };
    skt_auto(skt_source) struct skt_source *source = NULL;
    char *bytes = calloc(1, MIB);

    world_text("hole", "x");
    world_write("zeros", bytes, MIB);
    assert_false(truncate("hole", 1024 * MIB));
    source = SOURCE("hole", "zeros");
    assert_string_equal(all_of(source), "f hole\nf zeros\n");
    assert_int_equal(read_source(source, 0, 0, bytes, MIB), MIB);
    assert_int_equal(*bytes, 'x');
    assert_int_equal(read_source(source, 0, MIB, bytes, MIB), SKT_XFER_ALL_ZEROS);
    assert_int_equal(read_source(source, 0, 1023 * MIB, bytes, MIB), SKT_XFER_ALL_ZEROS);
    assert_int_equal(read_source(source, 1, 0, bytes, MIB), SKT_XFER_ALL_ZEROS);
    assert_int_equal(ask_source(source, SKT_XFER_LAST, 0), 0);
    free(bytes);
}

static uint64_t next_data(struct skt_source *source)
{
    struct skt_xfer_meta meta;

    assert_true(skt_source_next(source, &meta));
    return meta.data;
}

static void an_entry_says_how_much_the_disk_has_of_it(void **state)
{
    enum { MIB = 1024 * 1024 };
    skt_auto(skt_source) struct skt_source *source = NULL;
    char *bytes = calloc(1, MIB);
    int64_t blocks;

    world_text("hole", "x");
    assert_false(truncate("hole", 1024 * MIB));
    world_text("nothing", "");
    assert_false(truncate("nothing", 1024 * MIB));
    world_write("odd", bytes, 1001); /* its last page has room for more */
    world_write("zeros", bytes, MIB);
    world_text("empty", "");
    blocks = stat_of("hole").st_blocks;
    if (stat_of("nothing").st_blocks || blocks * 512 >= MIB) {
        print_message("there are no holes here: skipped\n");
        free(bytes);
        skip();
    }
    source = SOURCE("hole", "nothing", "odd", "zeros", "empty");
    assert_int_equal(next_data(source), blocks * 512);
    assert_int_equal(next_data(source), 0);
    assert_int_equal(next_data(source), 1001);
    assert_int_equal(next_data(source), MIB);
    assert_int_equal(next_data(source), 0);
    free(bytes);
}

static void a_file_that_changed_is_noticed(void **state)
{
    skt_auto(skt_source) struct skt_source *source = NULL;
    char is[16];
    int fd;

    for (const char *p = "abcdefg"; *p; p++)
        world_text((const char[]){ *p, 0 }, "0123456789");
    source = SOURCE("a", "b", "c", "d", "e", "f", "g");
    all_of(source);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(read_source(source, i, 0, is, 10), 10);
    assert_false(usleep(20 * 1000)); /* a file's time moves in steps of the clock's tick */
    fd = open("a", O_WRONLY);
    assert_true(fd >= 0 && write(fd, "x", 1) == 1 && !close(fd)); /* the same size */
    assert_false(chmod("b", 0600));
    assert_false(unlink("c"));
    world_text("new", "0123456789");
    assert_false(rename("new", "d"));
    assert_false(unlink("e") || symlink("a", "e"));
    assert_false(unlink("f") || truncate("g", 4));
    assert_int_equal(ask_source(source, SKT_XFER_LAST, 0), -ESTALE);
    assert_int_equal(ask_source(source, SKT_XFER_LAST, 1), -ESTALE);
    assert_int_equal(ask_source(source, SKT_XFER_LAST, 2), -ESTALE);
    assert_int_equal(read_source(source, 3, 0, is, 10), -ESTALE);
    assert_int_equal(read_source(source, 4, 0, is, 10), -ESTALE);
    assert_int_equal(read_source(source, 5, 0, is, 10), -ENOENT);
    assert_int_equal(read_source(source, 6, 0, is, 10), -ESTALE);
    assert_int_equal(read_source(source, 6, 0, is, 4), 4);
    assert_int_equal(ask_source(source, SKT_XFER_LAST, 6), -ESTALE);
}

static void reading_is_not_led_out_of_what_was_named(void **state)
{
    skt_auto(skt_source) struct skt_source *source = NULL;
    char is[16];

    assert_false(mkdir("t", 0700) || mkdir("t/d", 0700) || mkdir("out", 0700));
    world_text("t/d/f", "mine");
    world_text("out/f", "secret");
    source = SOURCE("t");
    all_of(source);
    assert_false(rename("t/d", "t/moved") || symlink("../out", "t/d"));
    assert_int_equal(read_source(source, 2, 0, is, 16), -ESTALE);
    assert_false(unlink("t/d") || rename("t/moved", "t/d"));
    assert_int_equal(read_source(source, 2, 0, is, 16), 4);
}

/* At any moment: what is told and what is read is never what lies outside. */
static void what_lies_outside_is_neither_told_nor_read(void **state)
{
    enum { TURNS = 300 };
    pid_t pid;

    assert_false(mkdir("t", 0700) || mkdir("t/d", 0700) || mkdir("out", 0700) || symlink("../out", "t/l"));
    world_text("t/d/f", "mine");
    world_text("out/f", "secret");
    world_text("out/g", "secret");
    pid = exchange_forever("t/d", "t/l");
    for (int i = 0; i < TURNS; i++) {
        skt_auto(skt_source) struct skt_source *source = SOURCE("t");
        struct skt_xfer_meta meta;
        for (uint32_t n = 0; skt_source_next(source, &meta); n++) {
            char is[8] = { 0 };
            if (meta.kind != SKT_XFER_FILE)
                continue;
            assert_int_equal(meta.size, 4);
            assert_true(meta.path.end[-1] == 'f');
            for (int k = 0; k < 10; k++) {
                if (read_source(source, n, 0, is, 8) >= 0)
                    assert_string_equal(is, "mine");
            }
        }
    }
    if (!end_exchange(pid))
        skip();
}

/* In a child, whose limit ends with it. */
static int read_with_few_descriptors(void)
{
    const struct rlimit limit = { 24, 24 };
    struct skt_source *source = SOURCE("t");
    char is[4];

    if (setrlimit(RLIMIT_NOFILE, &limit))
        return 1;
    all_of(source);
    for (uint32_t i = 1; i <= 100; i++) {
        if (read_source(source, i, 0, is, 4) != 1)
            return 2;
    }
    for (uint32_t i = 1; i <= 100; i++) {
        if (ask_source(source, SKT_XFER_LAST, i))
            return 3;
    }
    skt_source_free(source);
    return 0;
}

static void few_descriptors_are_enough(void **state)
{
    char path[16];
    int status;
    pid_t pid;

    assert_false(mkdir("t", 0700));
    for (int i = 0; i < 100; i++) {
        snprintf(path, sizeof path, "t/%d", i);
        world_text(path, "x");
    }
    pid = fork();
    assert_true(pid >= 0);
    if (!pid)
        _exit(read_with_few_descriptors());
    assert_true(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* With the rights that send keeps: what was named, and what is below it. */
static int send_in_the_sandbox(void)
{
    static const char *const paths[] = { "t", "u/f", NULL };
    const struct skt_sandbox_conf shut = { .trees = paths, .n_trees = 2 };
    struct skt_source *source = SOURCE("t", "u/f");
    char is[4];

    if (skt_sandbox(&shut) == -ENOSYS)
        return 77;
    if (strcmp(all_of(source), "d t\nf t/a\nf f\na t\n"))
        return 1;
    for (uint32_t i = 1; i <= 2; i++) {
        if (read_source(source, i, 0, is, 4) != 3 || ask_source(source, SKT_XFER_LAST, i))
            return 2;
    }
    skt_source_free(source);
    return 0;
}

static void the_sandbox_of_a_sender_is_large_enough(void **state)
{
    int status;
    pid_t pid;

    assert_false(mkdir("t", 0700) || mkdir("u", 0700));
    world_text("t/a", "one");
    world_text("u/f", "two");
    pid = fork();
    assert_true(pid >= 0);
    if (!pid)
        _exit(send_in_the_sandbox());
    assert_true(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- what cannot be sent ---- */

static void refused(const char *one, const char *other, int error, const char *words)
{
    const char *const paths[] = { one, other, NULL };
    struct skt_source *source = NULL;
    char text[512] = { 0 };
    struct skt_room why = skt_room_of(text, sizeof text - 1);

    assert_int_equal(skt_source_new(paths, &source, &why), error);
    assert_null(source);
    assert_string_equal(text, words);
    assert_int_equal(skt_source_new(paths, &source, NULL), error);
}

static void a_path_that_cannot_be_sent_is_told(void **state)
{
    assert_false(mkdir("a", 0700) || mkdir("b", 0700) || mkfifo("pipe", 0600));
    world_text("a/f", "");
    world_text("b/f", "");
    world_text("x.part-sockit", "");
    refused("a", "none\n", -ENOENT, "path 'none\\x0a' cannot be sent: No such file or directory");
    refused("", NULL, -ENOENT, "path '' cannot be sent: No such file or directory");
    refused("a/f/", NULL, -ENOTDIR, "path 'a/f/' cannot be sent: Not a directory");
    refused("pipe", NULL, -EINVAL, "path 'pipe' is no file, directory or symbolic link that can be sent");
    refused("/dev/null", NULL, -EINVAL, "path '/dev/null' is no file, directory or symbolic link that can be sent");
    refused(
        "x.part-sockit", NULL, -EINVAL, "path 'x.part-sockit' is no file, directory or symbolic link that can be sent");
    refused("a/f", "b/f", -EEXIST, "path 'b/f' would arrive under the name of another one: send it by itself");
    skt_source_free(NULL);
}

#define W(name) cmocka_unit_test_setup_teardown(name, world_up, world_down)
RUN(W(a_tree_is_told_from_the_outside_and_again_from_the_inside), W(a_point_is_its_content),
    W(what_is_named_arrives_under_its_last_part), W(an_entry_has_mode_time_and_size), W(names_are_any_bytes),
    W(other_names_of_a_file_are_links_after_all_files), W(pipes_and_sockets_and_unfinished_files_are_passed_over),
    W(what_has_too_long_a_path_is_named), W(each_thing_that_is_passed_over_is_told_once),
    W(what_cannot_be_entered_is_passed_over), W(a_deep_tree_ends_at_the_cap), W(ten_thousand_names_are_told_in_order),
    W(a_file_is_read_where_it_is_asked), W(holes_and_zeros_are_not_read), W(an_entry_says_how_much_the_disk_has_of_it),
    W(a_file_that_changed_is_noticed), W(reading_is_not_led_out_of_what_was_named),
    W(what_lies_outside_is_neither_told_nor_read), W(few_descriptors_are_enough),
    W(the_sandbox_of_a_sender_is_large_enough), W(a_path_that_cannot_be_sent_is_told))
