/* load_udp: datagrams to an echo, separate (sendmmsg, recvmmsg) or as trains (GSO out, GRO in), a window of them in
 * flight on each socket. */
#include "load.h"

#include "common.h"

#include <errno.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    BATCH = 32,          /* messages a system call */
    TRAIN_BYTES = 65000, /* a train is one IP packet to the kernel: below 64 KiB with its headers */
    TRAIN_SEGS = 64,     /* UDP_MAX_SEGMENTS of Linux before 6.9 */
    SLOT = 65536,        /* what one receive can bring */
    LOST_MS = 20,        /* silence for that long: the window is taken for lost */
};

struct usock {
    int fd;
    uint32_t in_flight;
    int64_t heard;
};

struct udp {
    const struct load *load;
    int epoll;
    struct usock *socks;
    uint32_t segs; /* of a train; 1: separate */
    uint64_t done, lost, wrong;
    struct hist hist;
    uint8_t *out; /* one train; each begins with the time at which it was sent */
    uint8_t *in;  /* BATCH slots */
    struct mmsghdr msgs[BATCH];
    struct iovec iov[BATCH];
    _Alignas(struct cmsghdr) char control[BATCH][CMSG_SPACE(sizeof(int))];
};

static void udp_init(struct udp *u, const struct load *load)
{
    struct sockaddr_in to = bench_loopback(load->port);

    *u = (struct udp){ .load = load, .epoll = epoll_create1(EPOLL_CLOEXEC), .segs = 1 };
    if (load->trains)
        u->segs = load->size * TRAIN_SEGS > TRAIN_BYTES ? TRAIN_BYTES / load->size : TRAIN_SEGS;
    if (u->segs > load->window)
        u->segs = load->window;
    u->socks = bench_alloc(load->links * sizeof *u->socks);
    u->out = bench_alloc((size_t)u->segs * load->size);
    u->in = bench_alloc((size_t)BATCH * SLOT);
    for (uint32_t i = 0; i < load->links; i++) {
        struct usock *s = &u->socks[i];
        struct epoll_event ev = { .events = EPOLLIN, .data.ptr = s };

        s->fd = bench_udp(0, load->trains);
        if (connect(s->fd, (struct sockaddr *)&to, sizeof to) || epoll_ctl(u->epoll, EPOLL_CTL_ADD, s->fd, &ev))
            bench_die("udp socket");
    }
}

static void send_train(struct udp *u, struct usock *s)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(uint16_t))] = { 0 };
    struct iovec iov = { u->out, (size_t)u->segs * u->load->size };
    struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    uint16_t seg = (uint16_t)u->load->size;

    c->cmsg_level = SOL_UDP;
    c->cmsg_type = UDP_SEGMENT;
    c->cmsg_len = CMSG_LEN(sizeof seg);
    memcpy(CMSG_DATA(c), &seg, sizeof seg);
    if (sendmsg(s->fd, &m, 0) == (ssize_t)iov.iov_len)
        s->in_flight += u->segs;
    else if (errno != EAGAIN && errno != ENOBUFS && errno != ECONNREFUSED)
        bench_die("sendmsg of a train");
}

static bool send_separate(struct udp *u, struct usock *s)
{
    static struct mmsghdr msgs[BATCH];
    struct iovec iov = { u->out, u->load->size };
    uint32_t n = u->load->window - s->in_flight;
    int sent;

    n = n < BATCH ? n : BATCH;
    for (uint32_t i = 0; i < n; i++)
        msgs[i] = (struct mmsghdr){ .msg_hdr = { .msg_iov = &iov, .msg_iovlen = 1 } };
    sent = sendmmsg(s->fd, msgs, n, 0);
    if (sent < 0 && errno != EAGAIN && errno != ENOBUFS && errno != ECONNREFUSED)
        bench_die("sendmmsg");
    s->in_flight += sent > 0 ? (uint32_t)sent : 0;
    return sent == (int)n;
}

static void fill_window(struct udp *u, struct usock *s, int64_t now)
{
    memcpy(u->out, &now, sizeof now);
    if (u->segs == 1 && !u->load->trains)
        while (s->in_flight < u->load->window && send_separate(u, s)) {
        }
    else
        for (uint32_t n = u->load->window / u->segs; n > 0 && s->in_flight + u->segs <= u->load->window; n--)
            send_train(u, s);
}

/* GRO gives several datagrams as one, and the length of each by cmsg. */
static uint32_t segment_of(const struct msghdr *m, uint32_t bytes)
{
    int seg = 0;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR((struct msghdr *)m, c))
        if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO)
            memcpy(&seg, CMSG_DATA(c), sizeof seg);
    return seg > 0 ? (uint32_t)seg : bytes;
}

static void count(struct udp *u, struct usock *s, uint32_t slot, int64_t now)
{
    uint32_t bytes = u->msgs[slot].msg_len, seg = segment_of(&u->msgs[slot].msg_hdr, bytes), n;
    int64_t stamp;

    if (seg != u->load->size || bytes % seg) {
        u->wrong++;
        return;
    }
    n = bytes / seg;
    memcpy(&stamp, u->in + (size_t)slot * SLOT, sizeof stamp);
    if (stamp) /* only the first of a train has one */
        hist_add(&u->hist, now - stamp);
    u->done += n;
    s->in_flight -= n < s->in_flight ? n : s->in_flight; /* a late one, counted lost before, comes too */
    s->heard = now;
}

static bool drain(struct udp *u, struct usock *s)
{
    int64_t now;
    int n;

    for (int i = 0; i < BATCH; i++) {
        u->iov[i] = (struct iovec){ u->in + (size_t)i * SLOT, SLOT };
        u->msgs[i].msg_hdr = (struct msghdr){ .msg_iov = &u->iov[i],
            .msg_iovlen = 1,
            .msg_control = u->control[i],
            .msg_controllen = u->load->trains ? sizeof u->control[i] : 0 };
    }
    n = recvmmsg(s->fd, u->msgs, BATCH, 0, NULL);
    if (n < 0 && errno != EAGAIN && errno != ECONNREFUSED)
        bench_die("recvmmsg");
    now = bench_now();
    for (int i = 0; i < n; i++)
        count(u, s, (uint32_t)i, now);
    return n == BATCH;
}

/* A socket that hears nothing lost its window (or the server is not there yet): it begins anew. */
static void give_up(struct udp *u, struct usock *s, int64_t now)
{
    if (now - s->heard < LOST_MS * 1000000LL)
        return;
    u->lost += s->in_flight;
    s->in_flight = 0;
    s->heard = now;
    fill_window(u, s, now);
}

void load_udp(const struct load *load)
{
    struct span_of_time t = { .from = load_guard(load) };
    struct epoll_event ev[64];
    static struct udp u;
    int64_t looked = 0;

    udp_init(&u, load);
    for (int64_t now = bench_now(); !load_ends(&t, now); now = bench_now()) {
        int n = epoll_wait(u.epoll, ev, 64, LOST_MS / 2);

        for (int i = 0; i < n; i++) {
            struct usock *s = ev[i].data.ptr;

            while (drain(&u, s)) {
            }
            fill_window(&u, s, bench_now());
        }
        if (now - looked > LOST_MS * 500000LL) {
            looked = now;
            for (uint32_t i = 0; i < load->links; i++)
                give_up(&u, &u.socks[i], now);
        }
        if (load_begins(load, &t, now)) {
            u.done = u.lost = 0;
            u.hist = (struct hist){ 0 };
        }
    }
    load_print(load, &t, u.done, &u.hist);
    printf(" lost=%llu wrong=%llu\n", (unsigned long long)u.lost, (unsigned long long)u.wrong);
}
