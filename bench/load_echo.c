/* load_echo: TCP. A closed loop of messages on C connections; connections that echo once and close; idle ones. */
#include "load.h"

#include "common.h"
#include "meter.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 256, CHUNK = 256 * 1024, RAMP = 64, SHIFTS = 256, SOURCES = 64 };

struct conn {
    int fd;
    uint32_t id;
    uint32_t sent, got; /* bytes of the message in flight; got <= sent <= size */
    bool wants_out;     /* EPOLLOUT is asked for: the socket was full */
    int64_t since;      /* when this message was begun */
    uint64_t count;     /* messages since the measurement began */
};

struct echo {
    const struct load *load;
    int epoll;
    struct conn *conns;
    uint8_t *pattern; /* size + SHIFTS bytes; connection i sends it from i % SHIFTS, so a mix-up is seen */
    uint8_t *chunk;
    struct hist hist;
    uint64_t done;
};

static const uint8_t *pattern_of(const struct echo *e, const struct conn *c) { return e->pattern + c->id % SHIFTS; }

static void echo_init(struct echo *e, const struct load *load)
{
    *e = (struct echo){ .load = load, .epoll = epoll_create1(EPOLL_CLOEXEC) };
    e->conns = bench_alloc(load->links * sizeof *e->conns);
    e->pattern = bench_alloc(load->size + SHIFTS);
    e->chunk = bench_alloc(CHUNK);
    for (uint32_t i = 0, x = 1; i < load->size + SHIFTS; i++)
        e->pattern[i] = (uint8_t)((x = x * 1664525 + 1013904223) >> 24);
}

static void want_out(struct echo *e, struct conn *c, bool want)
{
    struct epoll_event ev = { .events = EPOLLIN | (want ? EPOLLOUT : 0), .data.ptr = c };

    if (c->wants_out != want && epoll_ctl(e->epoll, EPOLL_CTL_MOD, c->fd, &ev))
        bench_die("epoll_ctl");
    c->wants_out = want;
}

static void push(struct echo *e, struct conn *c)
{
    ssize_t n = send(c->fd, pattern_of(e, c) + c->sent, e->load->size - c->sent, MSG_NOSIGNAL);

    if (n < 0 && errno != EAGAIN)
        bench_die("send on connection %u", c->id);
    if (n > 0)
        c->sent += (uint32_t)n;
    want_out(e, c, c->sent < e->load->size);
}

static void begin_message(struct echo *e, struct conn *c, int64_t now)
{
    c->sent = c->got = 0;
    c->since = now;
    push(e, c);
}

/* Takes what came; true: the message is whole again. */
static bool pull(struct echo *e, struct conn *c)
{
    ssize_t n = recv(c->fd, e->chunk, CHUNK, 0);

    if (n < 0 && errno == EAGAIN)
        return false;
    if (n <= 0)
        bench_die("connection %u was %s", c->id, n ? "broken" : "closed by the server");
    if ((uint64_t)n > c->sent - c->got || memcmp(e->chunk, pattern_of(e, c) + c->got, (size_t)n)) {
        errno = 0;
        bench_die("connection %u: the echo is not what was sent", c->id);
    }
    c->got += (uint32_t)n;
    return c->got == e->load->size;
}

static void turn(struct echo *e, struct epoll_event *ev)
{
    struct conn *c = ev->data.ptr;
    int64_t now;

    if (ev->events & EPOLLOUT)
        push(e, c);
    if (!(ev->events & ~(uint32_t)EPOLLOUT) || !pull(e, c))
        return;
    now = bench_now();
    hist_add(&e->hist, now - c->since);
    e->done++;
    c->count++;
    begin_message(e, c, now);
}

/* One message there and back before the measurement: the server has accepted it, and has its buffers. */
static void warm(struct echo *e, struct conn *c)
{
    struct pollfd p = { .fd = c->fd };

    begin_message(e, c, bench_now());
    for (;;) {
        p.events = POLLIN | (c->sent < e->load->size ? POLLOUT : 0);
        if (poll(&p, 1, 10000) <= 0)
            bench_die("connection %u is not served", c->id);
        if (p.revents & POLLOUT)
            push(e, c);
        if (p.revents & ~POLLOUT && pull(e, c))
            return;
    }
}

/* Never more than RAMP connections that the server has not accepted: the ramp must not overflow its backlog. */
static void open_all(struct echo *e, uint32_t from, uint32_t to, bool speak)
{
    for (uint32_t i = from; i < to; i++) {
        struct conn *c = &e->conns[i];
        struct epoll_event ev = { .events = EPOLLIN, .data.ptr = c };

        *c = (struct conn){ .fd = load_connect(e->load->port), .id = i };
        if (epoll_ctl(e->epoll, EPOLL_CTL_ADD, c->fd, &ev))
            bench_die("epoll_ctl");
        if (speak)
            warm(e, c);
        else if (i % RAMP == RAMP - 1)
            usleep(2000);
    }
}

/* The least served connection's messages over the mean: 1 is fair, 0 is starved. */
static double least_share(const struct echo *e)
{
    uint64_t least = UINT64_MAX;

    for (uint32_t i = 0; i < e->load->links; i++)
        least = e->conns[i].count < least ? e->conns[i].count : least;
    return e->done ? (double)least * e->load->links / (double)e->done : 0;
}

static void forget(struct echo *e)
{
    e->hist = (struct hist){ 0 };
    e->done = 0;
    for (uint32_t i = 0; i < e->load->links; i++)
        e->conns[i].count = 0;
}

void load_echo(const struct load *load)
{
    struct span_of_time t = { 0 };
    struct epoll_event ev[EVENTS];
    static struct echo e;

    load_guard(load);
    echo_init(&e, load);
    open_all(&e, 0, load->links, true);
    t.from = load_guard(load);
    for (uint32_t i = 0; i < load->links; i++)
        begin_message(&e, &e.conns[i], bench_now());
    for (int64_t now = bench_now(); !load_ends(&t, now); now = bench_now()) {
        int n = epoll_wait(e.epoll, ev, EVENTS, 1000);

        for (int i = 0; i < n; i++)
            turn(&e, &ev[i]);
        if (load_begins(load, &t, now))
            forget(&e);
    }
    load_print(load, &t, e.done, &e.hist);
    printf(" least=%.2f\n", least_share(&e));
}

/* Each from a source address of many, so that TIME_WAIT on this side never runs out of ports. */
static void reconnect(struct echo *e, struct conn *c)
{
    struct sockaddr_in to = bench_loopback(e->load->port), from = bench_loopback(0);
    struct epoll_event ev = { .events = EPOLLIN, .data.ptr = c };
    int one = 1;

    from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + (uint32_t)(c->count++ + c->id) % SOURCES);
    *c = (struct conn){ .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), .id = c->id, .count = c->count };
    if (c->fd < 0)
        bench_die("socket");
    bench_tune(c->fd);
    setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    c->since = bench_now();
    /* Blocking is right here: on loopback the handshake is over when the SYN was sent. */
    if (bind(c->fd, (struct sockaddr *)&from, sizeof from) || connect(c->fd, (struct sockaddr *)&to, sizeof to))
        bench_die("connect");
    if (epoll_ctl(e->epoll, EPOLL_CTL_ADD, c->fd, &ev))
        bench_die("epoll_ctl");
    push(e, c);
    if (c->sent < e->load->size)
        bench_die("a message of %u bytes does not fit a fresh socket", e->load->size);
}

void load_accept(const struct load *load)
{
    struct span_of_time t = { 0 };
    struct epoll_event ev[EVENTS];
    static struct echo e;

    load_guard(load);
    echo_init(&e, load);
    open_all(&e, 0, 1, true); /* waits for the server */
    close(e.conns[0].fd);
    t.from = load_guard(load);
    for (uint32_t i = 0; i < load->links; i++) {
        e.conns[i].id = i;
        reconnect(&e, &e.conns[i]);
    }
    for (int64_t now = bench_now(); !load_ends(&t, now); now = bench_now()) {
        int n = epoll_wait(e.epoll, ev, EVENTS, 1000);

        for (int i = 0; i < n; i++) {
            struct conn *c = ev[i].data.ptr;

            if (!pull(&e, c))
                continue;
            hist_add(&e.hist, bench_now() - c->since);
            e.done++;
            close(c->fd);
            reconnect(&e, c);
        }
        if (load_begins(load, &t, now)) {
            e.hist = (struct hist){ 0 };
            e.done = 0;
        }
    }
    load_print(load, &t, e.done, &e.hist);
    putchar('\n');
}

/* The first FIRST connections pay for what a server has anyway: its tables, its buffers, its libraries. */
void load_idle(const struct load *load)
{
    enum { FIRST = 16 };
    static struct echo e;
    int64_t before, after;

    load_guard(load);
    echo_init(&e, load);
    if (load->links <= FIRST || !load->server)
        bench_die("idle: more than %d connections, and a server to look at", FIRST);
    open_all(&e, 0, FIRST, true);
    before = meter_memory(load->server);
    open_all(&e, FIRST, load->links, !load->silent);
    usleep(300000); /* what the server frees lazily is freed */
    after = meter_memory(load->server);
    printf("links=%u memory=%lld each=%.0f\n", load->links, (long long)after,
        (double)(after - before) / (double)(load->links - FIRST));
}
