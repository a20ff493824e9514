/* io: bytes and datagrams through a façade socket. Start reading at skt_recv_line(). */
#include "drive/net/inside.h"

#include "base/utf8.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum {
    PARTS_MAX = 16,
    GATHER = 16 * 1024, /* TLS: parts up to that many bytes become one record */
};

/* ---- the socket itself ---- */

/* After a call said no: 0 to try again, else why. */
static int again(struct skt_sock *s, short events, skt_time deadline)
{
    if (atomic_load(&s->stopped))
        return -ECANCELED; /* the shutdown speaks, not the peer */
    if (errno == EINTR)
        return 0;
    return errno == EAGAIN ? net_wait(s, events, deadline) : -errno;
}

int net_read(struct skt_sock *s, struct skt_room *into, skt_time deadline)
{
    for (;;) {
        ssize_t n = recv(s->fd, into->p, skt_left(*into), 0);
        int r;

        if (n > 0) {
            into->p += n;
            return 1;
        }
        if (n == 0)
            return atomic_load(&s->stopped) ? -ECANCELED : 0;
        r = again(s, POLLIN, deadline);
        if (r)
            return r;
    }
}

/* One sendmsg, when there is room. > 0: bytes sent. A full Unix datagram queue is not ours: poll calls the socket
 * writable, and only time helps. */
static ssize_t send_some(struct skt_sock *s, const struct msghdr *m, skt_time deadline)
{
    for (;;) {
        ssize_t n = sendmsg(s->fd, m, MSG_NOSIGNAL);
        bool full = n < 0 && errno == EAGAIN;
        int r;

        if (n >= 0)
            return n;
        r = again(s, POLLOUT, deadline);
        if (r)
            return r;
        if (full && s->dgram && s->family == SKT_LOCAL) {
            if (skt_now() >= deadline)
                return -ETIMEDOUT;
            net_nap(SKT_MS, deadline);
        }
    }
}

int net_write(struct skt_sock *s, struct skt_span *bytes, skt_time deadline)
{
    struct iovec iov = { .iov_base = (void *)(uintptr_t)bytes->p, .iov_len = skt_len(*bytes) };
    ssize_t n = send_some(s, &(struct msghdr){ .msg_iov = &iov, .msg_iovlen = 1 }, deadline);

    if (n < 0)
        return (int)n;
    bytes->p += n;
    return 1;
}

/* ---- sending ---- */

static int send_plain(struct skt_sock *s, struct iovec *iov, size_t n, skt_time deadline)
{
    struct msghdr m = { .msg_iov = iov, .msg_iovlen = n };

    do {
        ssize_t sent = send_some(s, &m, deadline);

        if (sent < 0)
            return net_fail(s, SKT_AT_SEND, (int)sent, NULL);
        for (; m.msg_iovlen && (size_t)sent >= m.msg_iov->iov_len; m.msg_iov++, m.msg_iovlen--)
            sent -= (ssize_t)m.msg_iov->iov_len;
        if (m.msg_iovlen) {
            m.msg_iov->iov_base = (uint8_t *)m.msg_iov->iov_base + sent;
            m.msg_iov->iov_len -= (size_t)sent;
        }
    } while (m.msg_iovlen);
    return 0;
}

/* A record is what the peer's program reads at once: small parts share one. */
static int send_tls(struct skt_sock *s, const struct skt_span *parts, size_t n, skt_time deadline)
{
    uint8_t all[GATHER];
    struct skt_room out = skt_room_of(all, sizeof all);
    int r = 0;

    for (size_t i = 0; i < n; i++)
        skt_put(&out, parts[i]);
    if (!out.bad)
        return net_tls_write(s, skt_span_of(all, (size_t)(out.p - all)), deadline);
    for (size_t i = 0; !r && i < n; i++)
        r = net_tls_write(s, parts[i], deadline);
    return r;
}

int skt_send_parts(struct skt_sock *s, const struct skt_span *parts, size_t n, skt_time deadline)
{
    struct iovec iov[PARTS_MAX];

    if (n > PARTS_MAX)
        return net_fail(s, SKT_AT_LIMIT, -EINVAL, "more than 16 parts");
    if (s->filter)
        return send_tls(s, parts, n, deadline);
    for (size_t i = 0; i < n; i++)
        iov[i] = (struct iovec){ .iov_base = (void *)(uintptr_t)parts[i].p, .iov_len = skt_len(parts[i]) };
    return n || s->dgram ? send_plain(s, iov, n, deadline) : 0;
}

int skt_send_all(struct skt_sock *s, struct skt_span bytes, skt_time deadline)
{
    return skt_send_parts(s, &bytes, 1, deadline);
}

int skt_sendto(struct skt_sock *s, struct skt_span bytes, const struct skt_addr *to, skt_time deadline)
{
    struct iovec iov = { .iov_base = (void *)(uintptr_t)bytes.p, .iov_len = skt_len(bytes) };
    struct sock_name name;
    union net_control control;
    struct msghdr m = { .msg_name = &name.ss, .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control };
    ssize_t n;

    if (to->family == SKT_LOCAL) {
        const struct sock_name *path = net_sender(s, to->id);
        if (!path)
            return net_fail(s, SKT_AT_SEND, -EDESTADDRREQ, "that sender has no path, or was forgotten");
        name = *path;
    } else {
        sock_of_addr(to, &name);
    }
    m.msg_namelen = name.len;
    m.msg_controllen = here_put(&s->here, to->here, name.ss.ss_family, &control);
    n = send_some(s, &m, deadline);
    if (n == -EINVAL && m.msg_controllen) { /* that address is not ours any more: from where the route says */
        m.msg_controllen = 0;
        n = send_some(s, &m, deadline);
    }
    return n < 0 ? net_fail(s, SKT_AT_SEND, (int)n, NULL) : 0;
}

int skt_send_end(struct skt_sock *s, skt_time deadline)
{
    int r = s->filter ? net_tls_shut(s, deadline) : 0;

    if (!r && shutdown(s->fd, SHUT_WR))
        r = net_fail(s, SKT_AT_SEND, -errno, NULL);
    return r;
}

/* ---- receiving ---- */

/* One read of at least a byte. 1, 0 at the end, -errno; sets the error. */
static int read_some(struct skt_sock *s, struct skt_room *into, skt_time deadline)
{
    int r;

    if (s->ended)
        return 0;
    r = s->filter ? net_tls_read(s, into, deadline) : net_read(s, into, deadline);
    s->ended = r == 0;
    return r < 0 && !s->filter ? net_fail(s, SKT_AT_RECV, r, NULL) : r;
}

static int buf_ready(struct skt_sock *s)
{
    size_t line = s->line_max + 2; /* and its CRLF */
    size_t cap = s->dgram && s->family == SKT_LOCAL ? NET_LOCAL_DGRAM : line > NET_READ ? line : NET_READ;
    uint8_t *buf;

    if (cap <= s->cap)
        return 0;
    buf = realloc(s->buf, cap);
    if (!buf)
        return net_fail(s, SKT_AT_LIMIT, -ENOMEM, NULL);
    s->buf = buf;
    s->cap = cap;
    return 0;
}

/* More into the buffer, behind what is not taken yet; that is less than the whole buffer. */
static int fill(struct skt_sock *s, skt_time deadline)
{
    struct skt_room into;
    int r = buf_ready(s);

    if (r)
        return r;
    if (s->from) {
        memmove(s->buf, s->buf + s->from, s->to - s->from);
        s->to -= s->from;
        s->from = 0;
    }
    into = skt_room_of(s->buf + s->to, s->cap - s->to);
    r = read_some(s, &into, deadline);
    s->to = (size_t)(into.p - s->buf);
    return r;
}

static struct skt_span unread(const struct skt_sock *s) { return skt_span_of(s->buf + s->from, s->to - s->from); }

static int take(struct skt_sock *s, size_t n, struct skt_span *ret_bytes)
{
    *ret_bytes = skt_span_of(s->buf + s->from, n);
    s->from += n;
    return 1;
}

int skt_recv(struct skt_sock *s, struct skt_span *ret_bytes, skt_time deadline)
{
    struct skt_addr from;
    int r = 1;

    if (s->dgram)
        return skt_recvfrom(s, ret_bytes, &from, deadline);
    if (s->from == s->to)
        r = fill(s, deadline);
    return r > 0 ? take(s, s->to - s->from, ret_bytes) : r;
}

int skt_recv_text(struct skt_sock *s, struct skt_span *ret_text, skt_time deadline)
{
    size_t whole;

    if (s->dgram)
        return skt_recv(s, ret_text, deadline);
    while (!s->buf || !(whole = skt_utf8_whole(unread(s)))) {
        int r = fill(s, deadline);

        if (r < 0)
            return r;
        if (!r) /* what the end cut stays cut */
            return s->from < s->to ? take(s, s->to - s->from, ret_text) : 0;
    }
    return take(s, whole, ret_text);
}

/* A line of the buffer; seen: bytes known to have no LF. 0: not yet; -EMSGSIZE: too long. */
static int line_in(struct skt_sock *s, size_t seen, struct skt_span *ret_line)
{
    size_t n = s->to - s->from;
    const uint8_t *start = s->buf + s->from, *lf = n > seen ? memchr(start + seen, '\n', n - seen) : NULL;
    size_t len = lf ? (size_t)(lf - start) : n;

    if (lf && len && lf[-1] == '\r')
        len--;
    if (len > s->line_max + (lf ? 0 : 1)) /* without LF the last byte may be the CR before it */
        return net_fail(s, SKT_AT_LIMIT, -EMSGSIZE, "line too long");
    if (!lf)
        return 0;
    (void)take(s, (size_t)(lf - start) + 1, ret_line);
    ret_line->end = start + len;
    return 1;
}

/* Nothing followed for the pause: whole characters count as a line. */
static int line_paused(struct skt_sock *s, struct skt_span *ret_line)
{
    size_t whole = skt_utf8_whole(unread(s));

    return whole ? take(s, whole, ret_line) : 0;
}

int skt_recv_line(struct skt_sock *s, struct skt_span *ret_line, skt_time deadline)
{
    size_t seen = 0;

    if (s->dgram)
        return net_fail(s, SKT_AT_RECV, -EOPNOTSUPP, "a datagram socket has no lines");
    for (;;) {
        bool some = s->from < s->to, pauses = some && s->pause > 0;
        skt_time pause = pauses ? skt_in(s->pause) : SKT_NEVER;
        int r = some ? line_in(s, seen, ret_line) : 0;

        if (r)
            return r;
        seen = s->to - s->from;
        r = fill(s, pause < deadline ? pause : deadline);
        if (r == -ETIMEDOUT && pause <= deadline)
            r = line_paused(s, ret_line);
        else if (r == 0)
            return s->from < s->to ? take(s, s->to - s->from, ret_line) : 0;
        else if (r > 0)
            r = 0;
        if (r)
            return r;
    }
}

/* What is there already, then straight into the caller's room. */
static void take_into(struct skt_sock *s, struct skt_room *into)
{
    struct skt_span bytes;
    size_t n = s->to - s->from, left = skt_left(*into);

    (void)take(s, n < left ? n : left, &bytes);
    skt_put(into, bytes);
}

int skt_recv_exact(struct skt_sock *s, struct skt_room *into, skt_time deadline)
{
    const uint8_t *start = into->p;

    if (s->dgram)
        return net_fail(s, SKT_AT_RECV, -EOPNOTSUPP, "a datagram socket has no stream");
    if (s->from < s->to)
        take_into(s, into);
    while (skt_left(*into)) {
        int r = read_some(s, into, deadline);

        if (r < 0)
            return r;
        if (!r)
            return into->p == start ? 0 : net_fail(s, SKT_AT_RECV, -ENODATA, "the peer ended inside");
    }
    return 1;
}

/* ---- datagrams ---- */

/* The number of a Unix path. */
static uint32_t sender_id(struct skt_sock *s, const struct sock_name *path)
{
    struct net_senders *all = s->senders ? s->senders : (s->senders = calloc(1, sizeof *all));

    if (!all || path->len <= offsetof(struct sockaddr_un, sun_path))
        return 0; /* out of memory, or the sender has no path */
    for (uint32_t id = all->newest; net_sender(s, id); id--)
        if (all->path[id % NET_SENDERS].len == path->len &&
            !memcmp(&all->path[id % NET_SENDERS].ss, &path->ss, path->len))
            return id;
    all->path[++all->newest % NET_SENDERS] = *path;
    return all->newest;
}

static int datagram(struct skt_sock *s, struct msghdr *m, skt_time deadline)
{
    for (;;) {
        ssize_t n = recvmsg(s->fd, m, MSG_TRUNC);
        int r;

        if (n >= 0 && !atomic_load(&s->stopped)) {
            s->from = s->to = (size_t)n < s->cap ? (size_t)n : s->cap;
            return m->msg_flags & MSG_TRUNC ? -EMSGSIZE : 1;
        }
        if (n >= 0)
            return -ECANCELED;
        r = again(s, POLLIN, deadline);
        if (r)
            return r;
    }
}

int skt_recvfrom(struct skt_sock *s, struct skt_span *ret_bytes, struct skt_addr *ret_from, skt_time deadline)
{
    struct sock_name name = { .len = 0 };
    struct iovec iov;
    union net_control control;
    struct msghdr m = { .msg_name = &name.ss,
        .msg_namelen = sizeof name.ss,
        .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof control };
    int r;

    if (!s->dgram)
        return net_fail(s, SKT_AT_RECV, -EOPNOTSUPP, "a stream has no datagrams");
    r = buf_ready(s);
    if (r)
        return r;
    iov = (struct iovec){ .iov_base = s->buf, .iov_len = s->cap };
    r = datagram(s, &m, deadline);
    if (r < 0)
        return net_fail(s, r == -EMSGSIZE ? SKT_AT_LIMIT : SKT_AT_RECV, r, NULL);
    name.len = m.msg_namelen;
    *ret_from = sock_addr(&name.ss, name.len);
    if (s->family == SKT_LOCAL)
        *ret_from = (struct skt_addr){ .family = SKT_LOCAL, .id = sender_id(s, &name) };
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c && !ret_from->here; c = CMSG_NXTHDR(&m, c))
        ret_from->here = here_of(&s->here, c);
    *ret_bytes = skt_span_of(s->buf, s->to);
    return 1;
}

/* ---- the end ---- */

void skt_sock_finish(struct skt_sock *s, skt_time deadline)
{
    struct skt_span dropped;

    if (s->dgram || s->listener || skt_send_end(s, deadline))
        return;
    while (skt_recv(s, &dropped, deadline) > 0)
        ;
}
