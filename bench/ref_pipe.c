/* ref_pipe listen|connect PORT [splice]: one end of a pipe over TCP. Plain: read and write of 256 KiB. With splice:
 * sendfile from a file, splice from a pipe, both otherwise. */
#include "common.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK = 256 * 1024 };

static char chunk[CHUNK];

static void write_all(int fd, size_t n)
{
    for (size_t at = 0; at < n;) {
        ssize_t w = write(fd, chunk + at, n - at);

        if (w <= 0)
            bench_die("write");
        at += (size_t)w;
    }
}

static void copy(int in, int out)
{
    for (ssize_t n; (n = read(in, chunk, CHUNK));) {
        if (n < 0)
            bench_die("read");
        write_all(out, (size_t)n);
    }
}

static bool is_pipe(int fd)
{
    struct stat st;

    return !fstat(fd, &st) && S_ISFIFO(st.st_mode);
}

/* False: this pair of descriptors cannot be spliced, and nothing was moved. */
static bool splice_straight(int in, int out)
{
    fcntl(is_pipe(in) ? in : out, F_SETPIPE_SZ, 1 << 20);
    for (bool first = true;; first = false) {
        ssize_t n = splice(in, NULL, out, NULL, 1 << 20, SPLICE_F_MOVE | SPLICE_F_MORE);

        if (n == 0)
            return true;
        if (n < 0 && first && errno == EINVAL)
            return false;
        if (n < 0)
            bench_die("splice");
    }
}

/* Socket to file: splice wants a pipe on one side. */
static bool splice_by_pipe(int in, int out)
{
    int p[2];

    if (pipe2(p, O_CLOEXEC))
        bench_die("pipe");
    fcntl(p[1], F_SETPIPE_SZ, 1 << 20);
    for (bool first = true;; first = false) {
        ssize_t n = splice(in, NULL, p[1], NULL, 1 << 20, SPLICE_F_MOVE | SPLICE_F_MORE);

        if (n == 0)
            return true;
        if (n < 0 && first && errno == EINVAL)
            return false;
        if (n < 0)
            bench_die("splice");
        for (ssize_t m; n > 0; n -= m)
            if ((m = splice(p[0], NULL, out, NULL, (size_t)n, SPLICE_F_MOVE | SPLICE_F_MORE)) <= 0)
                bench_die("splice");
    }
}

static bool send_file(int in, int out)
{
    for (bool first = true;; first = false) {
        ssize_t n = sendfile(out, in, NULL, 1 << 30);

        if (n == 0)
            return true;
        if (n < 0 && first && errno == EINVAL)
            return false;
        if (n < 0)
            bench_die("sendfile");
    }
}

static void move_all(int in, int out, bool zero_copy)
{
    bool moved = zero_copy && (is_pipe(in) || is_pipe(out) ? splice_straight(in, out)
                                  : in == STDIN_FILENO     ? send_file(in, out)
                                                           : splice_by_pipe(in, out));

    if (!moved)
        copy(in, out);
}

static int open_peer(bool listening, uint32_t port)
{
    struct sockaddr_in to = bench_loopback(port);
    int fd, listener;

    if (listening) {
        listener = bench_listen(port);
        fcntl(listener, F_SETFL, 0);
        fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        close(listener);
    } else {
        fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        bench_tune(fd);
        if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to))
            bench_die("connect");
    }
    if (fd < 0)
        bench_die("socket");
    return fd;
}

int main(int argc, char **argv)
{
    bool listening = argc > 1 && !strcmp(argv[1], "listen");
    bool zero_copy = argc > 3 && !strcmp(argv[3], "splice");
    int fd = open_peer(listening, bench_number(argc > 2 ? argv[2] : NULL, 1, 65535));

    if (listening)
        move_all(fd, STDOUT_FILENO, zero_copy);
    else
        move_all(STDIN_FILENO, fd, zero_copy);
    return 0;
}
