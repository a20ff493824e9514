/* ref_epoll PORT [SPIN_US]: a plain epoll echo, as bare as it can be right: level-triggered, one recv and one send a
 * turn. What the kernel did not take waits in memory, and nothing more is read from that connection meanwhile.
 * SPIN_US: poll that long before sleeping. */
#include "common.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 256, CHUNK = 64 * 1024, FILES = 1 << 19 };

struct rest { /* of an echo that did not fit its socket */
    size_t from, n;
    char bytes[];
};

static int epoll;
static char chunk[CHUNK]; /* static: a large array on the stack is cleared at each call by -ftrivial-auto-var-init */
static struct rest *rests[FILES];

static void drop(int fd)
{
    free(rests[fd]);
    rests[fd] = NULL;
    close(fd);
}

static void watch(int op, int fd, uint32_t what)
{
    struct epoll_event ev = { .events = what, .data.fd = fd };

    if (epoll_ctl(epoll, op, fd, &ev))
        bench_die("epoll_ctl");
}

static void keep(int fd, const char *bytes, size_t n)
{
    rests[fd] = bench_alloc(sizeof **rests + n);
    rests[fd]->n = n;
    memcpy(rests[fd]->bytes, bytes, n);
    watch(EPOLL_CTL_MOD, fd, EPOLLOUT);
}

static void flush(int fd)
{
    struct rest *r = rests[fd];
    ssize_t sent = send(fd, r->bytes + r->from, r->n - r->from, MSG_NOSIGNAL);

    if (sent < 0) {
        if (errno != EAGAIN)
            drop(fd);
        return;
    }
    r->from += (size_t)sent;
    if (r->from < r->n)
        return;
    free(r);
    rests[fd] = NULL;
    watch(EPOLL_CTL_MOD, fd, EPOLLIN);
}

static void echo(int fd)
{
    ssize_t n = recv(fd, chunk, CHUNK, 0), sent;

    if (n <= 0) {
        if (n == 0 || errno != EAGAIN)
            drop(fd);
        return;
    }
    sent = send(fd, chunk, (size_t)n, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN)
        drop(fd);
    else if (sent < n)
        keep(fd, chunk + (sent > 0 ? sent : 0), (size_t)(n - (sent > 0 ? sent : 0)));
}

static void accept_all(int listener)
{
    for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;)
        watch(EPOLL_CTL_ADD, fd, EPOLLIN);
}

static int wait_spinning(struct epoll_event *ev, int64_t spin)
{
    int n = epoll_wait(epoll, ev, EVENTS, spin ? 0 : -1);

    for (int64_t until = bench_now() + spin; spin && !n; n = epoll_wait(epoll, ev, EVENTS, 0))
        if (bench_now() > until)
            return epoll_wait(epoll, ev, EVENTS, -1);
    return n;
}

int main(int argc, char **argv)
{
    struct epoll_event ev[EVENTS];
    int64_t spin = argc > 2 ? bench_number(argv[2], 0, 100000) * 1000LL : 0;
    int listener;

    bench_raise_files();
    epoll = epoll_create1(EPOLL_CLOEXEC);
    listener = bench_listen(bench_number(argv[1], 1, 65535));
    watch(EPOLL_CTL_ADD, listener, EPOLLIN);
    for (;;) {
        int n = wait_spinning(ev, spin);

        for (int i = 0; i < n; i++)
            if (ev[i].data.fd == listener)
                accept_all(listener);
            else if (rests[ev[i].data.fd])
                flush(ev[i].data.fd);
            else
                echo(ev[i].data.fd);
    }
}
