/* drive/rt/move.c: bytes that nobody looks at, in each of its ways, with every kind of end. */
#include "rtworld.h"

#include "drive/tap.h"

#include <sys/stat.h>

enum { N = 3 << 20 };

/* A file that holds the first n bytes of the pattern, open for reading. */
static int file_of(size_t n)
{
    char path[] = "/tmp/sockit-move-XXXXXX";
    int fd = mkstemp(path), in = open(path, O_RDONLY | O_CLOEXEC);

    assert_true(fd >= 0 && in >= 0);
    assert_int_equal(write(fd, pattern(), n), n);
    close(fd);
    unlink(path);
    return in;
}

static skt_link adopt(int in, int out)
{
    skt_link link = 0;

    assert_int_equal(skt_rt_adopt(rt, 0, in, out, &link), 0);
    return link;
}

struct two {
    skt_link ls, a, b;
    int fd_a, fd_b;
    struct tape t;
};

static struct two two(const struct skt_rt_conf *conf)
{
    struct two w = { 0 };

    begin(conf);
    w.ls = listen_at("0", NULL);
    w.a = came(w.ls, &w.fd_a);
    w.b = came(w.ls, &w.fd_b);
    return w;
}

static void two_end(struct two *w)
{
    nothing_after_close(h, w->a);
    nothing_after_close(h, w->b);
    tape_free(&w->t);
    if (w->fd_a >= 0)
        close(w->fd_a);
    if (w->fd_b >= 0)
        close(w->fd_b);
    end();
}

/* The peer of a sends n bytes while the peer of b reads. */
static void pour(struct two *w, size_t n)
{
    size_t sent = 0;

    while (sent < n) {
        ssize_t r = write(w->fd_a, pattern() + sent, n - sent);
        sent += r > 0 ? (size_t)r : 0;
        turn();
        (void)pull(w->fd_b, &w->t);
    }
}

static int last_why(skt_link to) { return told(h, to, SKT_MOVE) ? last(h, to, SKT_MOVE)->why : 0; }

static void from_socket_to_socket_until_the_end(void **state)
{
    struct two w = two(NULL);

    say_move(h, w.a, w.b, UINT64_MAX);
    pour(&w, N);
    shutdown(w.fd_a, SHUT_WR);
    UNTIL(last_why(w.b) == 1);
    assert_int_equal(moved(h, w.b), N);
    assert_int_equal(told(h, w.a, SKT_EOF), 0); /* that is told by the move's end */
    assert_int_equal(told(h, w.a, SKT_DATA), 0);
    say(h, w.b, "after");
    say_close(h, w.b, 0);
    UNTIL(pull(w.fd_b, &w.t));
    assert_int_equal(w.t.n, N + 5);
    assert_memory_equal(w.t.p, pattern(), N);
    say_close(h, w.a, 0);
    UNTIL(told(h, w.a, SKT_CLOSE) && told(h, w.b, SKT_CLOSE));
    two_end(&w);
}

/* The parts: a length ends the move, and what follows is told to the engine again. */
static void a_length_is_kept_to_the_byte(void **state)
{
    struct two w = two(NULL);

    say_move(h, w.a, w.b, 100000);
    pour(&w, 150000);
    UNTIL(moved(h, w.b) == 100000 && h->got_n == 50000);
    assert_int_equal(last_why(w.b), 0);
    UNTIL(pulled(w.fd_b, &w.t, 100000));
    turns(5);
    (void)pull(w.fd_b, &w.t);
    tape_is(&w.t, pattern(), 100000);
    assert_memory_equal(h->got, pattern() + 100000, 50000);
    shutdown(w.fd_a, SHUT_WR);
    UNTIL(told(h, w.a, SKT_EOF));
    two_end(&w);
}

static void what_was_read_already_goes_first_and_counts(void **state)
{
    struct two w = two(NULL);

    h->hold = true;
    put(w.fd_a, "0123456789");
    UNTIL(h->offered);
    turns(2);
    say_move(h, w.a, w.b, UINT64_MAX);
    put(w.fd_a, "abc");
    UNTIL(pulled(w.fd_b, &w.t, 13));
    shutdown(w.fd_a, SHUT_WR);
    UNTIL(last_why(w.b) == 1);
    tape_is(&w.t, "0123456789abc", 13);
    assert_int_equal(moved(h, w.b), 13);
    two_end(&w);
}

static void a_length_may_lie_within_what_was_read_already(void **state)
{
    struct two w = two(NULL);

    h->hold = true;
    put(w.fd_a, "0123456789");
    UNTIL(h->offered);
    turns(2);
    h->hold = false;
    say_move(h, w.a, w.b, 4);
    UNTIL(pulled(w.fd_b, &w.t, 4));
    UNTIL(!strcmp(heard(h, w.a), "456789"));
    turns(3);
    (void)pull(w.fd_b, &w.t);
    tape_is(&w.t, "0123", 4);
    assert_int_equal(moved(h, w.b), 4);
    two_end(&w);
}

static void a_target_that_does_not_read_makes_the_source_wait(void **state)
{
    struct two w = two(NULL);
    size_t sent = 0;
    uint64_t seen;

    say_move(h, w.a, w.b, UINT64_MAX);
    for (int quiet = 0; quiet < 30;) {
        ssize_t r = write(w.fd_a, pattern() + sent % N, N - sent % N);
        sent += r > 0 ? (size_t)r : 0;
        quiet = r > 0 ? 0 : quiet + 1;
        turn();
        assert_true(sent < 200u << 20);
    }
    assert_true(told(h, w.b, SKT_FULL) > told(h, w.b, SKT_ROOM));
    seen = stats().turns;
    turns(20);
    assert_true(stats().turns - seen <= 21);
    while (w.t.n < sent) {
        turn();
        (void)pull(w.fd_b, &w.t);
    }
    UNTIL(told(h, w.b, SKT_FULL) == told(h, w.b, SKT_ROOM));
    assert_int_equal(w.t.n, sent);
    two_end(&w);
}

static void a_source_that_resets_is_told_with_its_reason(void **state)
{
    struct two w = two(NULL);

    say_move(h, w.a, w.b, UINT64_MAX);
    put(w.fd_a, "half");
    UNTIL(pulled(w.fd_b, &w.t, 4));
    reset_close(w.fd_a);
    w.fd_a = -1;
    UNTIL(told(h, w.a, SKT_CLOSE));
    assert_int_equal(last(h, w.a, SKT_CLOSE)->why, -ECONNRESET);
    assert_int_equal(last_why(w.b), -ECONNRESET);
    assert_int_equal(told(h, w.b, SKT_CLOSE), 0); /* the target lives */
    say(h, w.b, "!");
    UNTIL(pulled(w.fd_b, &w.t, 5));
    two_end(&w);
}

static void a_target_that_resets_is_told_and_the_source_lives(void **state)
{
    struct two w = two(NULL);

    say_move(h, w.a, w.b, UINT64_MAX);
    turns(2);
    reset_close(w.fd_b);
    w.fd_b = -1;
    while (!told(h, w.b, SKT_CLOSE)) {
        (void)!write(w.fd_a, "x", 1);
        turn();
    }
    assert_true(last(h, w.b, SKT_CLOSE)->why < 0);
    assert_true(last_why(w.b) < 0);
    assert_int_equal(told(h, w.a, SKT_CLOSE), 0);
    say(h, w.a, "still here");
    struct tape t = { 0 };
    UNTIL(pulled(w.fd_a, &t, 10));
    tape_is(&t, "still here", 10);
    tape_free(&t);
    two_end(&w);
}

static void the_target_may_be_closed_by_the_engine_meanwhile(void **state)
{
    struct two w = two(NULL);

    say_move(h, w.a, w.b, UINT64_MAX);
    put(w.fd_a, "one");
    UNTIL(pulled(w.fd_b, &w.t, 3));
    say_close(h, w.b, 0);
    UNTIL(told(h, w.b, SKT_CLOSE));
    for (int i = 0; i < 10; i++) {
        put(w.fd_a, "two");
        turn();
    }
    close(w.fd_b);
    w.fd_b = -1;
    turns(5);
    nothing_after_close(h, w.b);
    say(h, w.a, "alive");
    struct tape t = { 0 };
    UNTIL(pulled(w.fd_a, &t, 5));
    tape_free(&t);
    two_end(&w);
}

static void the_source_may_be_closed_by_the_engine_meanwhile(void **state)
{
    struct two w = two(NULL);

    say_move(h, w.a, w.b, UINT64_MAX);
    put(w.fd_a, "one");
    UNTIL(pulled(w.fd_b, &w.t, 3));
    say_close(h, w.a, 0);
    UNTIL(told(h, w.a, SKT_CLOSE));
    UNTIL(last_why(w.b) != 0);
    say(h, w.b, "free again");
    UNTIL(pulled(w.fd_b, &w.t, 13));
    two_end(&w);
}

static void from_a_file_to_a_socket_with_and_without_a_length(void **state)
{
    for (int all = 0; all < 2; all++) {
        struct two w = two(NULL);
        skt_link file = adopt(file_of(N), -1);

        say_move(h, file, w.b, all ? UINT64_MAX : 1234567);
        UNTIL(pulled(w.fd_b, &w.t, all ? N : 1234567));
        if (all)
            UNTIL(last_why(w.b) == 1);
        else
            UNTIL(h->got_n == N - 1234567);
        tape_is(&w.t, pattern(), all ? N : 1234567);
        if (!all)
            assert_memory_equal(h->got, pattern() + 1234567, N - 1234567);
        two_end(&w);
    }
}

static void from_a_file_to_a_file(void **state)
{
    char path[] = "/tmp/sockit-move-XXXXXX";
    uint8_t *back = malloc(N);
    int out = mkstemp(path);
    skt_link from, to;

    begin(NULL);
    from = adopt(file_of(N), -1);
    to = adopt(-1, dup(out));
    say_move(h, from, to, UINT64_MAX);
    UNTIL(last_why(to) == 1);
    assert_int_equal(moved(h, to), N);
    assert_int_equal(pread(out, back, N, 0), N);
    assert_memory_equal(back, pattern(), N);
    free(back);
    close(out);
    unlink(path);
    end();
}

static void from_a_socket_to_a_file_and_to_one_opened_to_append(void **state)
{
    for (int append = 0; append < 2; append++) {
        char path[] = "/tmp/sockit-move-XXXXXX";
        uint8_t *back = malloc(N);
        struct two w = two(NULL);
        int out = mkstemp(path);
        skt_link to = adopt(-1, open(path, O_WRONLY | O_CLOEXEC | (append ? O_APPEND : 0)));

        say_move(h, w.a, to, UINT64_MAX);
        pour(&w, N);
        shutdown(w.fd_a, SHUT_WR);
        UNTIL(last_why(to) == 1);
        assert_int_equal(pread(out, back, N, 0), N);
        assert_memory_equal(back, pattern(), N);
        free(back);
        close(out);
        unlink(path);
        two_end(&w);
    }
}

static void through_pipes_both_ways(void **state)
{
    struct two w = two(NULL);
    int in[2], out[2];
    skt_link from, to;
    size_t sent = 0;

    assert_int_equal(pipe2(in, O_CLOEXEC | O_NONBLOCK), 0);
    assert_int_equal(pipe2(out, O_CLOEXEC | O_NONBLOCK), 0);
    from = adopt(in[0], -1);
    to = adopt(-1, out[1]);
    say_move(h, from, w.a, UINT64_MAX); /* pipe to socket; the peers are joined by hand below */
    say_move(h, w.b, to, UINT64_MAX);   /* socket to pipe */
    while (w.t.n < N) {
        uint8_t some[65536];
        ssize_t r = sent < N ? write(in[1], pattern() + sent, N - sent) : 0;
        sent += r > 0 ? (size_t)r : 0;
        turn();
        r = read(w.fd_a, some, sizeof some);
        for (ssize_t done = 0; done < r;) {
            ssize_t k = write(w.fd_b, some + done, (size_t)(r - done));
            done += k > 0 ? k : 0;
            turn();
            (void)pull(out[0], &w.t);
        }
        (void)pull(out[0], &w.t);
    }
    tape_is(&w.t, pattern(), N);
    close(in[1]);
    UNTIL(last_why(w.a) == 1);
    shutdown(w.fd_b, SHUT_WR);
    UNTIL(last_why(to) == 1);
    assert_int_equal(moved(h, w.a), N);
    assert_int_equal(moved(h, to), N);
    close(out[0]);
    two_end(&w);
}

static void a_full_pipe_makes_the_source_wait_without_spinning(void **state)
{
    struct two w = two(NULL);
    int out[2];
    skt_link to;
    size_t sent = 0;
    uint64_t before;

    assert_int_equal(pipe2(out, O_CLOEXEC | O_NONBLOCK), 0);
    to = adopt(-1, out[1]);
    say_move(h, w.a, to, UINT64_MAX);
    for (int quiet = 0; quiet < 30;) {
        ssize_t r = write(w.fd_a, pattern() + sent % N, N - sent % N);
        sent += r > 0 ? (size_t)r : 0;
        quiet = r > 0 ? 0 : quiet + 1;
        turn();
    }
    before = stats().turns;
    skt_time at = real_now();
    while (real_now() < at + 20 * SKT_MS)
        turn();
    assert_true(stats().turns - before < 60); /* a turn a millisecond, by the ticker */
    while (w.t.n < sent) {
        turn();
        (void)pull(out[0], &w.t);
    }
    assert_int_equal(w.t.n, sent);
    close(out[0]);
    two_end(&w);
}

static void a_pipe_that_nobody_reads_ends_the_move(void **state)
{
    struct two w = two(NULL);
    int out[2];
    skt_link to;

    assert_int_equal(pipe2(out, O_CLOEXEC | O_NONBLOCK), 0);
    to = adopt(-1, out[1]);
    say_move(h, w.a, to, UINT64_MAX);
    close(out[0]);
    put(w.fd_a, "x");
    UNTIL(told(h, to, SKT_CLOSE));
    assert_int_equal(last(h, to, SKT_CLOSE)->why, -EPIPE);
    assert_int_equal(last_why(to), -EPIPE);
    assert_int_equal(told(h, w.a, SKT_CLOSE), 0);
    two_end(&w);
}

static void a_full_disk_is_told_as_such(void **state)
{
    struct two w = two(NULL);
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    skt_link to;

    if (full < 0)
        skip();
    to = adopt(-1, full);
    say_move(h, w.a, to, UINT64_MAX);
    put(w.fd_a, "x");
    UNTIL(told(h, to, SKT_CLOSE));
    assert_int_equal(last(h, to, SKT_CLOSE)->why, -ENOSPC);
    assert_int_equal(told(h, w.a, SKT_CLOSE), 0);
    two_end(&w);
}

/* With a tap bytes are looked at after all; they arrive the same, and are recorded. */
static void with_a_tap_it_is_a_copy_that_is_recorded(void **state)
{
    char path[] = "/tmp/sockit-move-XXXXXX";
    int fd = mkstemp(path);
    struct skt_tap *tap = NULL;
    struct stat st;
    struct two w;

    assert_int_equal(skt_tap_open(path, &(struct skt_tap_conf){ 0 }, &tap), 0);
    w = two(&(struct skt_rt_conf){ .tap = tap });
    say_move(h, w.a, w.b, UINT64_MAX);
    pour(&w, N);
    shutdown(w.fd_a, SHUT_WR);
    UNTIL(last_why(w.b) == 1);
    UNTIL(pulled(w.fd_b, &w.t, N));
    tape_is(&w.t, pattern(), N);
    two_end(&w);
    assert_int_equal(skt_tap_close(tap), 0);
    assert_int_equal(fstat(fd, &st), 0);
    assert_true(st.st_size > 2 * N); /* in and out */
    close(fd);
    unlink(path);
}

static void nonsense_is_refused(void **state)
{
    struct two w = two(NULL);

    say_move(h, w.a, w.a, 1); /* to itself: told by CLOSE of the target */
    UNTIL(told(h, w.a, SKT_CLOSE));
    assert_int_equal(last(h, w.a, SKT_CLOSE)->why, -EINVAL);
    say_move(h, w.ls, w.b, 1); /* a listener has no bytes */
    UNTIL(told(h, w.b, SKT_CLOSE));
    assert_int_equal(last(h, w.b, SKT_CLOSE)->why, -EINVAL);
    two_end(&w);
}

static void a_move_is_no_silence(void **state)
{
    struct two w = { 0 };

    begin(NULL);
    w.ls = listen_at("0", &(struct skt_listen_conf){ .idle = 10 * SKT_SEC });
    w.a = came(w.ls, &w.fd_a);
    w.b = came(w.ls, &w.fd_b);
    say_move(h, w.a, w.b, UINT64_MAX);
    for (int i = 0; i < 5; i++) {
        put(w.fd_a, "x");
        UNTIL(pulled(w.fd_b, &w.t, (size_t)i + 1));
        shift += 4 * SKT_SEC;
        turns(2);
    }
    assert_int_equal(told(h, 0, SKT_CLOSE), 0);
    shift += 11 * SKT_SEC;
    turns(3);
    assert_int_equal(told(h, w.a, SKT_CLOSE) + told(h, w.b, SKT_CLOSE), 2);
    two_end(&w);
}

RUN(T(from_socket_to_socket_until_the_end), T(a_length_is_kept_to_the_byte),
    T(what_was_read_already_goes_first_and_counts), T(a_length_may_lie_within_what_was_read_already),
    T(a_target_that_does_not_read_makes_the_source_wait), T(a_source_that_resets_is_told_with_its_reason),
    T(a_target_that_resets_is_told_and_the_source_lives), T(the_target_may_be_closed_by_the_engine_meanwhile),
    T(the_source_may_be_closed_by_the_engine_meanwhile), T(from_a_file_to_a_socket_with_and_without_a_length),
    T(from_a_file_to_a_file), T(from_a_socket_to_a_file_and_to_one_opened_to_append), T(through_pipes_both_ways),
    T(a_full_pipe_makes_the_source_wait_without_spinning), T(a_pipe_that_nobody_reads_ends_the_move),
    T(a_full_disk_is_told_as_such), T(with_a_tap_it_is_a_copy_that_is_recorded), T(nonsense_is_refused),
    T(a_move_is_no_silence))
