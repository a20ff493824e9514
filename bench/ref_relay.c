/* ref_relay PORT [runs]: a bare line relay. A line goes to all others; each link gets all lines of a turn by one writev.
 * No names, no rooms, no parsing: what a chat server can at best be. runs: the lines that came by one receive are one
 * piece instead of a piece each, which a server can do only as long as all of them have the same readers. */
#include "common.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { EVENTS = 256, LINKS = 1 << 16, CHUNK = 64 * 1024, LINE_MAX_BYTES = 4096, PIECES = 1024 /* IOV_MAX */ };
enum { REST_MAX = 1 << 20 };

struct link {
    bool open;
    char *rest; /* what its socket did not take */
    size_t from, n;
    char *carry; /* a line that is not whole yet */
    size_t carried;
};

static int epoll, highest;
static struct link links[LINKS]; /* by descriptor */
static struct {
    int from;
    char *bytes;
    size_t n;
} pieces[PIECES]; /* of this turn, in the chunks that were received */
static char *chunks[EVENTS];
static int piece_count, chunk_count;
static bool runs;
static struct iovec iov[PIECES]; /* static: on the stack it would be cleared for each link */

static void watch(int op, int fd, uint32_t what)
{
    struct epoll_event ev = { .events = what, .data.fd = fd };

    if (epoll_ctl(epoll, op, fd, &ev))
        bench_die("epoll_ctl");
}

static void drop(int fd)
{
    free(links[fd].rest);
    free(links[fd].carry);
    links[fd] = (struct link){ 0 };
    close(fd);
}

/* A slow link: its bytes are copied behind what waits already; too slow, it is dropped. */
static void keep(int fd, int count, size_t skip)
{
    struct link *l = &links[fd];
    bool waited = l->rest;

    for (int i = 0; i < count; i++) {
        size_t off = skip < iov[i].iov_len ? skip : iov[i].iov_len, n = iov[i].iov_len - off;

        skip -= off;
        if (!n)
            continue;
        if (l->n + n > REST_MAX || !(l->rest = realloc(l->rest, l->n + n))) {
            drop(fd);
            return;
        }
        memcpy(l->rest + l->n, (char *)iov[i].iov_base + off, n);
        l->n += n;
    }
    if (!waited)
        watch(EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLOUT);
}

static void flush(int fd)
{
    struct link *l = &links[fd];
    ssize_t sent = send(fd, l->rest + l->from, l->n - l->from, MSG_NOSIGNAL);

    if (sent < 0 && errno != EAGAIN) {
        drop(fd);
        return;
    }
    l->from += sent > 0 ? (size_t)sent : 0;
    if (l->from < l->n)
        return;
    free(l->rest);
    l->rest = NULL;
    l->from = l->n = 0;
    watch(EPOLL_CTL_MOD, fd, EPOLLIN);
}

static void deliver(int fd)
{
    size_t total = 0;
    ssize_t sent = 0;
    int count = 0;

    for (int i = 0; i < piece_count; i++)
        if (pieces[i].from != fd) {
            iov[count++] = (struct iovec){ pieces[i].bytes, pieces[i].n };
            total += pieces[i].n;
        }
    if (!count)
        return;
    if (!links[fd].rest)
        sent = writev(fd, iov, count);
    if (sent < 0 && errno != EAGAIN)
        drop(fd);
    else if (sent < 0 || (size_t)sent < total)
        keep(fd, count, sent > 0 ? (size_t)sent : 0);
}

static void deliver_turn(void)
{
    for (int fd = 0; piece_count && fd <= highest; fd++)
        if (links[fd].open)
            deliver(fd);
    piece_count = 0;
}

static void end_turn(void)
{
    deliver_turn();
    while (chunk_count)
        free(chunks[--chunk_count]);
}

static void add_piece(int from, char *bytes, size_t n)
{
    if (piece_count == PIECES)
        deliver_turn();
    pieces[piece_count].from = from;
    pieces[piece_count].bytes = bytes;
    pieces[piece_count++].n = n;
}

/* Keeps what follows the last line end for the next time. */
static bool keep_carry(struct link *l, const char *bytes, size_t n)
{
    free(l->carry);
    l->carry = n && n <= LINE_MAX_BYTES ? bench_alloc(n) : NULL;
    l->carried = l->carry ? n : 0;
    if (l->carry)
        memcpy(l->carry, bytes, n);
    return n <= LINE_MAX_BYTES;
}

static void pull(int fd)
{
    struct link *l = &links[fd];
    char *bytes = malloc(LINE_MAX_BYTES + CHUNK), *p = bytes, *end, *lf;
    ssize_t n = bytes ? recv(fd, bytes + l->carried, CHUNK, 0) : -1;

    if (n <= 0) {
        free(bytes);
        if (n == 0 || errno != EAGAIN)
            drop(fd);
        return;
    }
    chunks[chunk_count++] = bytes;
    if (l->carried)
        memcpy(bytes, l->carry, l->carried);
    end = bytes + l->carried + n;
    while ((lf = runs ? memrchr(p, '\n', (size_t)(end - p)) : memchr(p, '\n', (size_t)(end - p)))) {
        add_piece(fd, p, (size_t)(lf + 1 - p));
        p = lf + 1;
    }
    if (!keep_carry(l, p, (size_t)(end - p)))
        drop(fd);
}

static void accept_all(int listener)
{
    for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
        if (fd >= LINKS) {
            close(fd);
            continue;
        }
        links[fd].open = true;
        highest = highest < fd ? fd : highest;
        watch(EPOLL_CTL_ADD, fd, EPOLLIN);
    }
}

int main(int argc, char **argv)
{
    struct epoll_event ev[EVENTS];
    int listener;

    runs = argc > 2 && !strcmp(argv[2], "runs");
    bench_raise_files();
    epoll = epoll_create1(EPOLL_CLOEXEC);
    listener = bench_listen(bench_number(argv[1], 1, 65535));
    watch(EPOLL_CTL_ADD, listener, EPOLLIN);
    for (;;) {
        int n = epoll_wait(epoll, ev, EVENTS, -1);

        for (int i = 0; i < n; i++) {
            int fd = ev[i].data.fd;

            if (fd == listener)
                accept_all(listener);
            else {
                if (ev[i].events & EPOLLOUT)
                    flush(fd);
                if (links[fd].open && ev[i].events & ~(uint32_t)EPOLLOUT)
                    pull(fd);
            }
        }
        end_turn();
    }
}
