/* cli/sink.c: buffered writing whose failures are kept. */
#include "test.h"

#include "cli/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static void nothing_is_written_before_it_must_be(void **state)
{
    int fd = memfd_create("sink", MFD_CLOEXEC);
    struct skt_sink sink;
    char text[16];

    skt_sink_init(&sink, fd);
    assert_false(sink.by_line);
    skt_sink_fmt(&sink, "%s %d\n", "hello", 42);
    assert_int_equal(lseek(fd, 0, SEEK_END), 0);
    assert_int_equal(skt_sink_flush(&sink), 0);
    assert_int_equal(pread(fd, text, sizeof text, 0), 9);
    assert_memory_equal(text, "hello 42\n", 9);
    skt_sink_done(&sink);
    close(fd);
}

static void whole_lines_leave_together(void **state)
{
    int fd = memfd_create("sink", MFD_CLOEXEC);
    struct skt_sink sink;
    char c;

    skt_sink_init(&sink, fd);
    for (int i = 0; i < 10000; i++) {
        off_t size;

        skt_sink_str(&sink, "a line of twenty-four b");
        skt_sink_str(&sink, "\n");
        size = lseek(fd, 0, SEEK_END);
        if (size) {
            assert_int_equal(pread(fd, &c, 1, size - 1), 1);
            assert_int_equal(c, '\n');
        }
    }
    assert_int_equal(skt_sink_flush(&sink), 0);
    assert_int_equal(lseek(fd, 0, SEEK_END), 240000);
    skt_sink_done(&sink);
    close(fd);
}

static void a_sink_by_line_writes_each_line(void **state)
{
    int fd = memfd_create("sink", MFD_CLOEXEC);
    struct skt_sink sink;

    skt_sink_init(&sink, fd);
    sink.by_line = true;
    skt_sink_str(&sink, "one\ntw");
    assert_int_equal(lseek(fd, 0, SEEK_END), 4);
    skt_sink_str(&sink, "o\n");
    assert_int_equal(lseek(fd, 0, SEEK_END), 8);
    skt_sink_done(&sink);
    close(fd);
}

static void big_bytes_keep_their_place(void **state)
{
    int fd = memfd_create("sink", MFD_CLOEXEC);
    struct skt_sink sink;
    size_t n = 3 << 20;
    char *big = malloc(n), *back = malloc(n + 2);

    memset(big, 'b', n);
    skt_sink_init(&sink, fd);
    skt_sink_str(&sink, "a");
    skt_sink_put(&sink, skt_span_of(big, n));
    skt_sink_str(&sink, "c");
    assert_int_equal(skt_sink_flush(&sink), 0);
    assert_int_equal(pread(fd, back, n + 2, 0), n + 2);
    assert_true(back[0] == 'a' && back[n + 1] == 'c' && !memcmp(back + 1, big, n));
    skt_sink_done(&sink);
    close(fd);
    free(big);
    free(back);
}

static void a_full_disk_is_kept_until_asked(void **state)
{
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    struct skt_sink sink;

    if (fd < 0)
        skip();
    skt_sink_init(&sink, fd);
    skt_sink_str(&sink, "lost");
    assert_int_equal(skt_sink_flush(&sink), -ENOSPC);
    skt_sink_str(&sink, "more");
    skt_sink_fmt(&sink, "%d", 1);
    assert_int_equal(skt_sink_flush(&sink), -ENOSPC);
    assert_true(skt_left(skt_sink_room(&sink, 1)) == 0);
    skt_sink_done(&sink);
    close(fd);
}

static void a_reader_that_went_away_is_an_error_and_no_signal(void **state)
{
    int ends[2];
    struct skt_sink sink;

    assert_int_equal(pipe(ends), 0);
    close(ends[0]);
    (void)signal(SIGPIPE, SIG_IGN);
    skt_sink_init(&sink, ends[1]);
    skt_sink_str(&sink, "anyone?");
    assert_int_equal(skt_sink_flush(&sink), -EPIPE);
    skt_sink_done(&sink);
    close(ends[1]);
}

/* Somebody else may have made our stdout non-blocking. */
static void a_full_pipe_is_waited_for(void **state)
{
    int ends[2];
    struct skt_sink sink;
    char byte[4096];
    size_t n = 0;
    pid_t child;

    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    child = fork();
    if (child == 0) {
        skt_sink_init(&sink, ends[1]);
        for (int i = 0; i < 200000; i++)
            skt_sink_str(&sink, "x");
        _exit(skt_sink_flush(&sink) ? 1 : 0);
    }
    close(ends[1]);
    usleep(50000); /* it fills the pipe meanwhile */
    (void)fcntl(ends[0], F_SETFL, 0);
    for (ssize_t got; (got = read(ends[0], byte, sizeof byte)) > 0;)
        n += (size_t)got;
    assert_int_equal(n, 200000);
    close(ends[0]);
}

static void a_format_of_any_length_is_whole(void **state)
{
    struct skt_sink sink;

    skt_sink_init(&sink, -1);
    for (int n = 1; n < 600; n++)
        skt_sink_fmt(&sink, "%0*d", n, 7);
    skt_sink_fmt(&sink, "%0*d", 200000, 7);
    assert_int_equal(sink.err, 0);
    assert_int_equal(sink.n, 599 * 600 / 2 + 200000);
    for (size_t i = 0, n = 1; n < 600; i += n++) /* each ends in its 7 */
        assert_int_equal(sink.bytes[i + n - 1], '7');
    assert_int_equal(sink.bytes[sink.n - 1], '7');
    skt_sink_done(&sink);
}

static void a_sink_without_descriptor_keeps_all(void **state)
{
    struct skt_sink sink;

    skt_sink_init(&sink, -1);
    for (int i = 0; i < 100000; i++)
        skt_sink_str(&sink, "0123456789");
    assert_int_equal(skt_sink_flush(&sink), 0);
    assert_int_equal(sink.n, 1000000);
    assert_int_equal(skt_left(skt_sink_room(&sink, 100 << 20)), 0);
    assert_int_equal(sink.err, -EMSGSIZE);
    skt_sink_done(&sink);
}

RUN(T(nothing_is_written_before_it_must_be), T(whole_lines_leave_together), T(a_sink_by_line_writes_each_line),
    T(big_bytes_keep_their_place), T(a_full_disk_is_kept_until_asked),
    T(a_reader_that_went_away_is_an_error_and_no_signal), T(a_full_pipe_is_waited_for),
    T(a_format_of_any_length_is_whole), T(a_sink_without_descriptor_keeps_all))
