/* drive/rt/adopt.c: descriptors of others: files, pipes, sockets. */
#include "rtworld.h"

enum { N = 900 * 1000 };

static skt_link adopt(int in, int out)
{
    skt_link link = 0;

    assert_int_equal(skt_rt_adopt(rt, 0, in, out, &link), 0);
    return link;
}

static int file_of(size_t n)
{
    char path[] = "/tmp/sockit-adopt-XXXXXX";
    int fd = mkstemp(path), in = open(path, O_RDONLY | O_CLOEXEC);

    assert_int_equal(write(fd, pattern(), n), n);
    close(fd);
    unlink(path);
    return in;
}

static void pipe_new(int ret[2]) { assert_int_equal(pipe2(ret, O_CLOEXEC | O_NONBLOCK), 0); }

static void a_file_is_read_to_its_end_and_held_at_will(void **state)
{
    skt_link link;

    begin(NULL);
    link = adopt(file_of(N), -1);
    h->most = 100000;
    UNTIL(told(h, link, SKT_EOF));
    assert_int_equal(h->got_n, N);
    assert_memory_equal(h->got, pattern(), N);
    say(h, link, "nowhere to go");
    turns(2);
    assert_int_equal(stats().stale, 1);
    end();
}

static void a_pipe_for_writing_only_is_watched_for_room(void **state)
{
    struct tape t = { 0 };
    skt_link link;
    int p[2];

    begin(NULL);
    pipe_new(p);
    link = adopt(-1, p[1]);
    say_n(h, link, pattern(), N);
    UNTIL(told(h, link, SKT_FULL));
    UNTIL(pulled(p[0], &t, N));
    UNTIL(told(h, link, SKT_ROOM));
    tape_is(&t, pattern(), N);
    say_end(h, link);
    UNTIL(pull(p[0], &t)); /* its reader hears the end */
    tape_free(&t);
    close(p[0]);
    end();
}

static void a_full_pipe_beside_a_file_does_not_spin(void **state)
{
    struct tape t = { 0 };
    uint64_t before;
    skt_time at;
    skt_link link;
    int p[2];

    begin(NULL);
    pipe_new(p);
    link = adopt(file_of(10), p[1]);
    UNTIL(told(h, link, SKT_EOF));
    say_n(h, link, pattern(), N);
    UNTIL(told(h, link, SKT_FULL));
    before = stats().turns;
    at = real_now();
    while (real_now() < at + 20 * SKT_MS)
        turn();
    assert_true(stats().turns - before < 60); /* a turn a millisecond, by the ticker */
    UNTIL(pulled(p[0], &t, N));
    UNTIL(told(h, link, SKT_ROOM));
    tape_is(&t, pattern(), N);
    tape_free(&t);
    close(p[0]);
    end();
}

static void a_pipe_beside_a_file_to_be_written(void **state)
{
    char path[] = "/tmp/sockit-adopt-XXXXXX", got[16];
    int p[2], fd = mkstemp(path);
    skt_link link;

    begin(NULL);
    pipe_new(p);
    link = adopt(p[0], dup(fd));
    say(h, link, "written");
    put(p[1], "read");
    UNTIL(!strcmp(heard(h, link), "read"));
    UNTIL(pread(fd, got, sizeof got, 0) == 7);
    close(p[1]);
    UNTIL(told(h, link, SKT_EOF));
    close(fd);
    unlink(path);
    end();
}

static void an_inherited_socket_is_one(void **state)
{
    struct tape t = { 0 };
    skt_link link;
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
    begin(NULL);
    link = adopt(pair[0], pair[0]);
    put(pair[1], "in");
    UNTIL(!strcmp(heard(h, link), "in"));
    say(h, link, "out");
    say_end(h, link);
    UNTIL(pull(pair[1], &t));
    tape_is(&t, "out", 3);
    tape_free(&t);
    close(pair[1]);
    UNTIL(told(h, link, SKT_EOF));
    end();
}

static void a_descriptor_that_is_none_is_told(void **state)
{
    skt_link link;

    begin(NULL);
    link = adopt(999, -1);
    UNTIL(told(h, link, SKT_CLOSE));
    assert_int_equal(last(h, link, SKT_CLOSE)->why, -EBADF);
    end();
}

static void a_directory_is_told(void **state)
{
    skt_link link;

    begin(NULL);
    link = adopt(open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC), -1);
    UNTIL(told(h, link, SKT_CLOSE));
    assert_int_equal(last(h, link, SKT_CLOSE)->why, -EISDIR);
    end();
}

static void the_other_users_of_a_pipe_keep_it_as_it_was(void **state)
{
    int p[2], other;

    assert_int_equal(pipe2(p, O_CLOEXEC), 0); /* blocking */
    begin(NULL);
    other = dup(p[0]);
    (void)adopt(p[0], -1);
    turns(2);
    assert_false(fcntl(other, F_GETFL) & O_NONBLOCK);
    close(other);
    close(p[1]);
    end();
}

static void more_than_eight_files_are_refused_and_said(void **state)
{
    uint32_t closed = 0;

    begin(NULL);
    h->hold = true;
    for (int i = 0; i < 9; i++)
        (void)adopt(file_of(1), -1);
    turns(3);
    closed = told(h, 0, SKT_CLOSE);
    assert_int_equal(closed, 1);
    assert_int_equal(last(h, 0, SKT_CLOSE)->why, -EPERM);
    end();
}

RUN(T(a_file_is_read_to_its_end_and_held_at_will), T(a_pipe_for_writing_only_is_watched_for_room),
    T(a_full_pipe_beside_a_file_does_not_spin), T(a_pipe_beside_a_file_to_be_written), T(an_inherited_socket_is_one),
    T(a_descriptor_that_is_none_is_told), T(a_directory_is_told), T(the_other_users_of_a_pipe_keep_it_as_it_was),
    T(more_than_eight_files_are_refused_and_said))
