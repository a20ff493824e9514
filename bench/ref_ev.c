/* ref_ev PORT: the echo on libev. */
#include "common.h"

#include <errno.h>
#include <ev.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CHUNK = 64 * 1024 };

struct conn {
    ev_io io;
    char *rest; /* of an echo that did not fit its socket */
    size_t from, n;
};

static char chunk[CHUNK];

static void drop(struct ev_loop *loop, struct conn *c)
{
    ev_io_stop(loop, &c->io);
    close(c->io.fd);
    free(c->rest);
    free(c);
}

static void want(struct ev_loop *loop, struct conn *c, int events)
{
    ev_io_stop(loop, &c->io);
    ev_io_set(&c->io, c->io.fd, events);
    ev_io_start(loop, &c->io);
}

static void flush(struct ev_loop *loop, struct conn *c)
{
    ssize_t sent = send(c->io.fd, c->rest + c->from, c->n - c->from, MSG_NOSIGNAL);

    if (sent < 0) {
        if (errno != EAGAIN)
            drop(loop, c);
        return;
    }
    if ((c->from += (size_t)sent) < c->n)
        return;
    free(c->rest);
    c->rest = NULL;
    want(loop, c, EV_READ);
}

static void keep(struct ev_loop *loop, struct conn *c, const char *bytes, size_t n)
{
    c->rest = bench_alloc(n);
    memcpy(c->rest, bytes, n);
    c->from = 0;
    c->n = n;
    want(loop, c, EV_WRITE);
}

static void on_ready(struct ev_loop *loop, ev_io *io, int events)
{
    struct conn *c = (struct conn *)io;
    ssize_t n, sent;

    if (c->rest) {
        flush(loop, c);
        return;
    }
    n = recv(io->fd, chunk, CHUNK, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    sent = n > 0 ? send(io->fd, chunk, (size_t)n, MSG_NOSIGNAL) : 0;
    if (n <= 0 || (sent < 0 && errno != EAGAIN))
        drop(loop, c);
    else if (sent < n)
        keep(loop, c, chunk + (sent > 0 ? sent : 0), (size_t)(n - (sent > 0 ? sent : 0)));
}

static void on_accept(struct ev_loop *loop, ev_io *io, int events)
{
    for (int fd; (fd = accept4(io->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
        struct conn *c = bench_alloc(sizeof *c);

        ev_io_init(&c->io, on_ready, fd, EV_READ);
        ev_io_start(loop, &c->io);
    }
}

int main(int argc, char **argv)
{
    struct ev_loop *loop = ev_default_loop(EVBACKEND_EPOLL);
    static ev_io listener;

    bench_raise_files();
    ev_io_init(&listener, on_accept, bench_listen(bench_number(argv[1], 1, 65535)), EV_READ);
    ev_io_start(loop, &listener);
    return !ev_run(loop, 0);
}
