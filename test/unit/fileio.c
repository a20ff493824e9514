/* drive/file/fileio.c: whole bytes, and holes. */
#include "test.h"

#include "storeworld.h"

#include "drive/file/fileio.h"

enum { PAGE = 4096 };

static int file(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0);
    return fd;
}

static long blocks(int fd)
{
    struct stat st;

    assert_false(fstat(fd, &st));
    return (long)st.st_blocks * 512;
}

static void zero_is_each_byte(void **state)
{
    uint8_t bytes[300] = { 0 };

    for (size_t n = 0; n <= sizeof bytes; n++)
        assert_true(skt_is_zero(skt_span_of(bytes, n)));
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = 1;
        assert_false(skt_is_zero(skt_span_of(bytes, sizeof bytes)));
        bytes[i] = 0;
    }
}

static void a_read_ends_with_the_file(void **state)
{
    char is[8];
    int fd = file("a");

    assert_int_equal(skt_file_write(fd, skt_span_str("hello"), 3), 5);
    assert_int_equal(skt_file_read(fd, skt_room_of(is, 8), 0), 8);
    assert_memory_equal(is, "\0\0\0hello", 8);
    assert_int_equal(skt_file_read(fd, skt_room_of(is, 8), 6), 2);
    assert_int_equal(skt_file_read(fd, skt_room_of(is, 8), 60), 0);
    assert_int_equal(skt_file_read(-1, skt_room_of(is, 8), 0), -EBADF);
    assert_int_equal(skt_file_write(-1, skt_span_str("x"), 0), -EBADF);
    close(fd);
}

/* At any border of a page, with zeros of any length at any place. */
static void what_is_written_is_there_whatever_is_zero(void **state)
{
    enum { N = 6 * PAGE };
    uint8_t *bytes = malloc(N), *is = malloc(N + 100);

    for (uint32_t i = 0; i < 100; i++) {
        uint32_t offset = i * 997 % (2 * PAGE), from = i * 7919 % N, n = i * 104729 % (N - from);
        int fd = file("a");
        memset(bytes, 'x', N);
        memset(bytes + from, 0, n);
        for (int again = 0; again < 2; again++) { /* upon a hole, and upon other bytes */
            int64_t wrote = skt_file_write(fd, skt_span_of(bytes, N), offset);
            assert_true(0 < wrote && wrote <= N && (again || wrote <= N - n + 2 * PAGE));
            assert_false(ftruncate(fd, offset + N));
            assert_int_equal(skt_file_read(fd, skt_room_of(is, N + 100), offset), N);
            assert_memory_equal(is, bytes, N);
            memset(bytes, 'y', N);
            memset(bytes + (from + PAGE) % N, 0, PAGE < N - (from + PAGE) % N ? PAGE : 0);
        }
        close(fd);
    }
    free(bytes);
    free(is);
}

static void zeros_become_holes(void **state)
{
    enum { N = 64 * PAGE };
    uint8_t *bytes = malloc(N);
    int fd = file("a");

    memset(bytes, 'x', N);
    assert_int_equal(skt_file_write(fd, skt_span_of(bytes, N), 0), N);
    assert_false(skt_file_is_hole(fd, 0, N));
    assert_int_equal(skt_file_write_zeros(fd, PAGE, N - 2 * PAGE), 0);
    assert_true(skt_file_is_hole(fd, PAGE, N - 2 * PAGE));
    assert_false(skt_file_is_hole(fd, PAGE, N - PAGE));
    assert_true(skt_file_is_hole(fd, N, 1));
    assert_true(blocks(fd) <= 4 * PAGE);
    assert_int_equal(skt_file_write_zeros(fd, 10, 100), 0); /* less than a page */
    assert_int_equal(skt_file_read(fd, skt_room_of(bytes, 120), 0), 120);
    assert_true(bytes[9] == 'x' && !bytes[10] && !bytes[109] && bytes[110] == 'x');
    assert_int_equal(skt_file_write_zeros(fd, 0, 0), 0);
    free(bytes);
    close(fd);
}

static void a_copy_has_the_bytes_and_the_holes(void **state)
{
    enum { N = 200 * PAGE };
    uint8_t *bytes = calloc(1, N), *is = malloc(N);
    int from = file("from"), to;

    memset(bytes + 10 * PAGE, 'x', 5 * PAGE + 1);
    bytes[N - 1] = 'z';
    assert_int_equal(skt_file_write(from, skt_span_of(bytes, N), 0), 7 * PAGE); /* the others stay holes */
    for (size_t n = 0; n <= N; n += 50 * PAGE) {
        to = file("to");
        assert_int_equal(skt_file_copy(from, to, n, NULL), 0);
        assert_false(ftruncate(to, (off_t)n));
        assert_int_equal(skt_file_read(to, skt_room_of(is, N), 0), n);
        assert_memory_equal(is, bytes, n);
        assert_true(blocks(to) <= blocks(from));
        close(to);
    }
    assert_true(skt_file_copy(-1, from, N, NULL) < 0);
    to = open("from", O_RDONLY);
    assert_true(skt_file_copy(from, to, N, NULL) < 0);
    close(to);
    close(from);
    free(bytes);
    free(is);
}

#define W(name) cmocka_unit_test_setup_teardown(name, world_up, world_down)
RUN(T(zero_is_each_byte), W(a_read_ends_with_the_file), W(what_is_written_is_there_whatever_is_zero),
    W(zeros_become_holes), W(a_copy_has_the_bytes_and_the_holes))
