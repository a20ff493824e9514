/* dgram: datagrams in trains: one system call and one walk through the kernel's stack for many (UDP GRO and GSO). */
#include "drive/rt/inside.h"

#include "drive/here.h"
#include "drive/rt/stamp.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/un.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#define UDP_GRO     104
#endif

enum {
    TRAIN_MAX = 65507 - 20, /* bytes of one GSO send: what an IPv6 or IPv4 datagram could carry */
    TRAIN_SEGS = 64,        /* UDP_MAX_SEGMENTS of the kernels before 6.9 */
    READS_A_TURN = 16,
    WAITING_MAX = 1024, /* trains kept for a full socket; then they are dropped, as a network does */
    PATHS_MAX = 64,     /* Unix peers remembered by number, the oldest forgotten */
};

struct train {
    struct slice bytes;
    uint32_t seg;
    struct skt_addr peer;
};

struct dgrams {
    bool connected, no_gso, paused;
    bool doubt, answered; /* of a connected one: ICMP is not believed; something came */
    struct here here;
    struct train rest;     /* what the engine held; buf NULL: none */
    uint32_t n, head;      /* trains waiting: n of them from head, a ring */
    struct train *waiting; /* WAITING_MAX, made when first needed */
    uint32_t paths_n;      /* numbers given to Unix peers so far */
    struct sockaddr_un *paths;
};

int dgram_start(struct skt_rt *rt, struct link *l, bool doubt)
{
    struct dgrams *d;
    struct sock_name name = { .len = sizeof name.ss };
    int on = 1, big = 4 << 20;

    if (!link_extra(l) || !(d = l->x->dgrams = calloc(1, sizeof *d)))
        return -ENOMEM;
    d->doubt = doubt;
    d->connected = !getpeername(l->fd, (struct sockaddr *)&name.ss, &name.len);
    if (!d->connected)
        here_ask(l->fd);
    if (rt->conf.stamps)
        stamp_ask(l->fd);
    (void)setsockopt(l->fd, IPPROTO_UDP, UDP_GRO, &on, sizeof on);
    if (setsockopt(l->fd, SOL_SOCKET, SO_RCVBUFFORCE, &big, sizeof big)) /* for who may; else up to net.core.rmem_max */
        (void)setsockopt(l->fd, SOL_SOCKET, SO_RCVBUF, &big, sizeof big);
    (void)setsockopt(l->fd, SOL_SOCKET, SO_SNDBUF, &big, sizeof big);
    l->what = DGRAM;
    l->known = true;
    link_want(rt, l, EPOLLIN);
    if (l->idle_ms && d->connected)
        (void)link_timer(rt, l);
    else
        l->idle_ms = 0; /* a server's socket has no silence to end */
    return 0;
}

bool dgram_waits(const struct link *l) { return l->x->dgrams->n != 0; }

void dgram_free(struct extra *x)
{
    struct dgrams *d = x->dgrams;

    if (!d)
        return;
    for (uint32_t i = 0; i < d->n; i++)
        skt_buf_put(d->waiting[(d->head + i) % WAITING_MAX].bytes.buf);
    skt_buf_put(d->rest.bytes.buf);
    free(d->waiting);
    free(d->paths);
    here_done(&d->here);
    free(d);
}

/* --- Unix peers: an address has no room for a path, so it has a number --- */

static uint32_t path_number(struct dgrams *d, const struct sockaddr_un *un)
{
    uint32_t first = d->paths_n > PATHS_MAX ? d->paths_n - PATHS_MAX : 0;

    if (!d->paths && !(d->paths = calloc(PATHS_MAX, sizeof *d->paths)))
        return 0;
    for (uint32_t i = d->paths_n; i-- > first;)
        if (!memcmp(d->paths[i % PATHS_MAX].sun_path, un->sun_path, sizeof un->sun_path))
            return i + 1;
    d->paths[d->paths_n % PATHS_MAX] = *un;
    return ++d->paths_n;
}

static struct skt_addr addr_from(struct dgrams *d, const struct sockaddr_storage *ss, socklen_t len)
{
    struct skt_addr addr = sock_addr(ss, len);
    struct sockaddr_un un = { 0 };

    if (addr.family == SKT_LOCAL && len > sizeof un.sun_family) {
        memcpy(&un, ss, len < sizeof un ? len : sizeof un);
        addr.id = path_number(d, &un);
    }
    return addr;
}

static int addr_to(const struct dgrams *d, const struct skt_addr *addr, struct sock_name *ret_name)
{
    const struct sockaddr_un *un;

    if (addr->family != SKT_LOCAL) {
        sock_of_addr(addr, ret_name);
        return 0;
    }
    if (!addr->id || addr->id > d->paths_n || addr->id + PATHS_MAX <= d->paths_n)
        return -ESTALE; /* nameless, or forgotten */
    un = &d->paths[(addr->id - 1) % PATHS_MAX];
    memcpy(&ret_name->ss, un, sizeof *un);
    ret_name->len = un->sun_path[0] ? sizeof *un : (socklen_t)(sizeof un->sun_family + 6); /* autobind: 5 digits */
    return 0;
}

/* --- our own addresses, by number --- */

void dgram_local(const struct link *l, const struct skt_addr *peer, struct skt_addr *ret_local)
{
    const struct dgrams *d = l->x->dgrams;

    const uint8_t *ip = here_ip(&d->here, peer->here);

    *ret_local = sock_local(l->fd);
    if (ip)
        memcpy(ret_local->ip, ip, sizeof ret_local->ip);
}

/* --- in --- */

/* What the kernel says of a train besides. */
struct said {
    uint32_t seg; /* 0: one datagram */
    uint8_t here;
};

static struct said said(struct dgrams *d, struct msghdr *msg)
{
    struct said s = { 0 };

    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) {
            int size;
            memcpy(&size, CMSG_DATA(c), sizeof size);
            s.seg = (uint32_t)size;
        } else if (!s.here) {
            s.here = here_of(&d->here, c);
        }
    }
    return s;
}

/* Tells the engine of a train; what it holds of it waits here, and the rest in the socket. False: read no more now. */
static bool offer(struct skt_rt *rt, struct link *l, struct skt_in *in)
{
    struct dgrams *d = l->x->dgrams;

    for (int i = 0; i < OFFERS_A_TURN; i++) {
        const uint8_t *before = in->data.p;
        in->hold = false;
        tell(rt, l, in);
        if (l->gone)
            return false;
        if (!in->hold)
            return true;
        if (in->data.p == before)
            break;
    }
    d->rest =
        (struct train){ { skt_buf_ref(in->buf), (uint32_t)(in->data.p - in->buf->data), (uint32_t)skt_len(in->data) },
            in->seg, *in->peer };
    d->paused = true;
    link_want(rt, l, l->want & ~EPOLLIN);
    link_hold(rt, l);
    return false;
}

/* One train. False: nothing more is there now, or the link is gone. */
static bool receive(struct skt_rt *rt, struct link *l)
{
    struct dgrams *d = l->x->dgrams;
    struct sock_name name = { 0 };
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int)) + HERE_SPACE + STAMP_SPACE];
    } control;
    struct skt_room room;
    struct iovec iov;
    struct msghdr msg = { .msg_name = &name.ss,
        .msg_namelen = sizeof name.ss,
        .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof control };
    struct skt_addr peer;
    struct skt_in in = { .kind = SKT_DATA, .peer = &peer };
    struct said more;
    ssize_t n;

    if (block_room(rt, &rt->in, READ_MAX, &room))
        return false;
    iov = (struct iovec){ room.p, READ_MAX };
    n = recvmsg(l->fd, &msg, MSG_DONTWAIT);
    if (n < 0) {
        if (d->connected && errno == ECONNREFUSED) { /* ICMP said so */
            if (d->doubt && d->answered) {
                tell_kind(rt, l, SKT_EOF, -ECONNREFUSED);
                return true;
            }
            link_why_peer(rt, l, "talk to", "nobody listens there");
            link_gone(rt, l, -ECONNREFUSED);
        }
        return errno == EINTR;
    }
    d->answered = true;
    block_used(&rt->in, room.p + n);
    in.buf = rt->in.buf;
    in.data = skt_span_of(room.p, (size_t)n);
    more = said(d, &msg);
    in.seg = more.seg < (size_t)n ? more.seg : 0;
    peer = msg.msg_namelen ? addr_from(d, &name.ss, msg.msg_namelen) : l->x->peer;
    peer.here = more.here;
    if (rt->conf.stamps)
        in.at = stamp_of(&msg, rt->now);
    l->heard = rt->now;
    rt->stats.bytes_in += (uint64_t)n;
    rt->stats.datagrams_in += in.seg ? ((size_t)n + in.seg - 1) / in.seg : 1;
    tapped_datagram(rt, l, false, &peer, in.data, in.seg);
    return offer(rt, l, &in);
}

/* The engine did something: it may have room again. */
void dgram_again(struct skt_rt *rt, struct link *l)
{
    struct dgrams *d = l->x->dgrams;
    struct train t = d->rest;
    struct skt_in in = { .kind = SKT_DATA, .buf = t.bytes.buf, .seg = t.seg, .peer = &t.peer };
    bool goes_on = true;

    d->paused = false;
    d->rest = (struct train){ 0 };
    if (t.bytes.buf) {
        in.data = skt_span_of(t.bytes.buf->data + t.bytes.off, t.bytes.len);
        goes_on = offer(rt, l, &in);
        skt_buf_put(t.bytes.buf);
    }
    if (goes_on)
        link_want(rt, l, l->want | EPOLLIN);
}

void dgram_event(struct skt_rt *rt, struct link *l, unsigned events)
{
    if (events & (EPOLLIN | EPOLLERR | EPOLLHUP))
        for (int i = 0; i < READS_A_TURN && receive(rt, l); i++)
            ;
    if (!l->gone && events & EPOLLOUT)
        link_dirty(rt, l);
}

/* --- out --- */

/* Room for what the kernel is told with a train. */
struct tell {
    _Alignas(struct cmsghdr) char room[CMSG_SPACE(sizeof(uint16_t)) + HERE_SPACE];
    size_t len;
};

static void tell_more(struct tell *t, int level, int type, const void *p, size_t n)
{
    struct cmsghdr *c = (struct cmsghdr *)(void *)(t->room + t->len);

    c->cmsg_len = CMSG_LEN(n);
    c->cmsg_level = level;
    c->cmsg_type = type;
    memcpy(CMSG_DATA(c), p, n);
    t->len += CMSG_SPACE(n);
}

/* One system call. Bytes sent, or -errno. */
static ssize_t send_piece(struct link *l, const struct skt_addr *peer, struct skt_span bytes, uint32_t seg)
{
    const struct dgrams *d = l->x->dgrams;
    struct iovec iov = { (void *)bytes.p, skt_len(bytes) };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
    struct tell tell = { .len = 0 };
    struct sock_name name;
    uint16_t size = (uint16_t)seg;
    size_t without;
    ssize_t n;
    int r;

    if (peer->family != SKT_NOWHERE && !d->connected) {
        if ((r = addr_to(d, peer, &name)))
            return r;
        msg.msg_name = &name.ss;
        msg.msg_namelen = name.len;
    }
    if (seg && iov.iov_len > seg)
        tell_more(&tell, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof size);
    without = tell.len;
    if (msg.msg_name)
        tell.len += here_put(&d->here, peer->here, name.ss.ss_family, tell.room + tell.len);
    msg.msg_control = tell.len ? tell.room : NULL;
    msg.msg_controllen = tell.len;
    n = sendmsg(l->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && errno == EINVAL && without < tell.len) { /* not ours any more, or of many: as the route says */
        msg.msg_controllen = without;
        n = sendmsg(l->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    return n < 0 ? -errno : n;
}

/* As much of a train as the socket takes; train->p moves. 0, or -EAGAIN. What is refused for other reasons is lost, as
 * on any network, and counted. */
static int send_train(
    struct skt_rt *rt, struct link *l, const struct skt_addr *peer, struct skt_span *train, uint32_t seg)
{
    struct dgrams *d = l->x->dgrams;
    bool any = false, told = false;

    while (!any || skt_len(*train)) { /* an empty datagram is one, too */
        size_t step = seg && !d->no_gso ? TRAIN_MAX / seg * seg : seg, n = skt_len(*train);
        ssize_t r;

        if (seg && step > TRAIN_SEGS * (size_t)seg)
            step = TRAIN_SEGS * (size_t)seg;
        if (seg && n > step)
            n = step ? step : seg;
        r = send_piece(l, peer, skt_span_of(train->p, n), d->no_gso ? 0 : seg);
        if (r == -EAGAIN || r == -ENOBUFS)
            return -EAGAIN;
        if (r == -EINTR)
            continue;
        if (r == -ECONNREFUSED && d->doubt && d->answered && !told) { /* of an older one: this did not go */
            told = true;
            continue;
        }
        if (seg && n > seg && !d->no_gso && (r == -EIO || r == -EINVAL || r == -EMSGSIZE)) {
            d->no_gso = true; /* this route's device cannot: one by one from now on */
            continue;
        }
        any = true;
        train->p += n;
        if (r < 0) {
            rt->stats.datagrams_lost += seg ? (n + seg - 1) / seg : 1;
            continue;
        }
        rt->stats.bytes_out += (uint64_t)r;
        rt->stats.datagrams_out += seg ? (n + seg - 1) / seg : 1;
        tapped_datagram(rt, l, true, d->connected ? &l->x->peer : peer, skt_span_of(train->p - n, n), seg);
    }
    l->heard = rt->now;
    return 0;
}

static int keep(struct skt_rt *rt, struct link *l, const struct skt_out *out, struct skt_buf *buf, struct skt_span left)
{
    struct dgrams *d = l->x->dgrams;

    if (!d->waiting)
        d->waiting = malloc(WAITING_MAX * sizeof *d->waiting);
    if (!d->waiting || d->n == WAITING_MAX) { /* lost, as on any network; the socket is for others, too */
        rt->stats.datagrams_lost += out->seg ? (skt_len(left) + out->seg - 1) / out->seg : 1;
        return 0;
    }
    d->waiting[(d->head + d->n++) % WAITING_MAX] =
        (struct train){ { skt_buf_ref(buf), (uint32_t)(left.p - buf->data), (uint32_t)skt_len(left) }, out->seg,
            out->peer };
    link_want(rt, l, l->want | EPOLLOUT);
    if (!l->full) {
        l->full = true;
        tell_kind(rt, l, SKT_FULL, 0);
    }
    return 0;
}

int dgram_send(struct skt_rt *rt, struct link *l, const struct skt_out *out, struct skt_buf *buf, struct skt_span bytes)
{
    struct skt_span left = bytes;

    if (!l->x->dgrams->n && !send_train(rt, l, &out->peer, &left, out->seg))
        return 0;
    return keep(rt, l, out, buf, left);
}

void dgram_flush(struct skt_rt *rt, struct link *l)
{
    struct dgrams *d = l->x->dgrams;

    while (d->n) {
        struct train *t = &d->waiting[d->head];
        struct skt_span left = skt_span_of(t->bytes.buf->data + t->bytes.off, t->bytes.len);
        int r = send_train(rt, l, &t->peer, &left, t->seg);

        t->bytes.off = (uint32_t)(left.p - t->bytes.buf->data);
        t->bytes.len = (uint32_t)skt_len(left);
        if (r)
            return;
        skt_buf_put(t->bytes.buf);
        d->head = (d->head + 1) % WAITING_MAX;
        d->n--;
    }
    link_want(rt, l, l->want & ~EPOLLOUT);
    if (l->full) {
        l->full = false;
        tell_kind(rt, l, SKT_ROOM, 0);
    }
    if (!l->gone && l->closing)
        link_gone(rt, l, 0);
}
