/* stream: one ordered conversation: reads offered to the engine, one gathered write a turn, half-close, full and room,
 * and an end that loses nothing. Sockets, pipes, terminals, files. */
#include "drive/rt/inside.h"

#include "drive/rt/stamp.h"
#include "drive/tls.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    COPY_MAX = 2048, /* bytes: smaller pieces for a peer that does not read are copied */
    KEEP_BY_COPY = 16 * 1024
};                                /* a shorter rest is copied, so that it does not keep a whole block alive */
#define CLOSE_TIME (30 * SKT_SEC) /* for what is queued when the engine closes and the peer does not read */

static void read_wanted(struct skt_rt *rt, struct link *l, bool wanted)
{
    link_want(rt, l, wanted ? l->want | EPOLLIN : l->want & ~EPOLLIN);
}

static void deadline_in(struct skt_rt *rt, struct link *l, skt_time span)
{
    if (!link_extra(l))
        return; /* no memory for a deadline: idle time or the peer ends it */
    l->x->deadline = rt->now + span;
    (void)link_timer(rt, l);
}

static void announce(struct skt_rt *rt, struct link *l, const struct skt_addr *peer)
{
    struct skt_addr none = { 0 };
    struct skt_in in = { .kind = SKT_OPEN, .peer = peer ? peer : l->x && l->x->peer.family ? &l->x->peer : &none };

    if (l->via)
        in.via = l->via;
    if (l->x)
        l->x->deadline = 0;
    l->known = true;
    read_wanted(rt, l, true);
    if (l->idle_ms)
        (void)link_timer(rt, l);
    tell(rt, l, &in);
    if (!l->gone && (l->queue.bytes || l->out_eof))
        link_dirty(rt, l);
}

void stream_opened(struct skt_rt *rt, struct link *l, const struct skt_addr *peer)
{
    l->what = STREAM;
    l->heard = rt->now;
    if (rt->conf.stamps && l->socket)
        stamp_ask(l->fd);
    tapped_open(rt, l, l->via != 0);
    if (l->x && l->x->tls) {
        l->x->shaking = true;
        if (peer)
            l->x->peer = *peer;
        read_wanted(rt, l, true);
        (void)link_timer(rt, l);
        link_dirty(rt, l); /* a client's hello */
        return;
    }
    announce(rt, l, peer);
}

void stream_secured(struct skt_rt *rt, struct link *l)
{
    l->x->shaking = false;
    announce(rt, l, NULL);
}

/* --- inwards --- */

/* What the engine left, kept until it is offered again. */
static int keep_rest(struct link *l, struct skt_buf *buf, struct skt_span left)
{
    struct slice old = l->rest;
    uint32_t len = (uint32_t)skt_len(left);

    l->rest = (struct slice){ 0 };
    if (len >= KEEP_BY_COPY || (old.buf == buf && len)) {
        l->rest = (struct slice){ skt_buf_ref(buf), (uint32_t)(left.p - buf->data), len };
    } else if (len) {
        struct skt_buf *copy = skt_buf_new(len);
        if (copy) {
            memcpy(copy->data, left.p, len);
            l->rest = (struct slice){ copy, 0, len };
        }
    }
    skt_buf_put(old.buf);
    return len && !l->rest.buf ? -ENOMEM : 0;
}

static void ended(struct skt_rt *rt, struct link *l)
{
    struct skt_in in = { .kind = SKT_EOF,
        .data = l->rest.buf ? skt_span_of(l->rest.buf->data + l->rest.off, l->rest.len) : (struct skt_span){ 0 } };

    if (l->x && l->x->move) {
        move_end(rt, l, 1);
        return;
    }
    if (l->why) { /* a write had failed: this is the rest of the story */
        link_gone(rt, l, l->why);
        return;
    }
    l->eof_told = true;
    tapped_eof(rt, l, false);
    tell(rt, l, &in);
    skt_buf_put(l->rest.buf);
    l->rest = (struct slice){ 0 };
}

/* Tells it, and again what it held only because its hands were full of what it wanted sent: that is done by then, and
 * what comes of it goes out in the same write. False: the link is gone. */
static bool offer(struct skt_rt *rt, struct link *l, struct skt_in *in)
{
    for (int i = 0; i < OFFERS_A_TURN; i++) {
        const uint8_t *before = in->data.p;
        in->hold = false;
        tell(rt, l, in);
        if (l->gone)
            return false;
        if (!in->hold || in->data.p == before || !skt_len(in->data))
            break;
    }
    return true;
}

/* Bytes for the engine, in buf. */
void stream_offer(struct skt_rt *rt, struct link *l, struct skt_buf *buf, struct skt_span bytes)
{
    struct skt_in in = { .kind = SKT_DATA, .data = bytes, .buf = buf, .at = rt->came };
    size_t before = skt_len(bytes);

    skt_buf_ref(buf); /* the engine may let go of the link, and with it of the rest */
    if (offer(rt, l, &in) && keep_rest(l, buf, in.data))
        link_gone(rt, l, -ENOMEM);
    skt_buf_put(buf);
    if (l->gone)
        return;
    if (in.hold && l->rest.len) {
        rt->again |= l->rest.len < before; /* it goes on */
        link_hold(rt, l);
        read_wanted(rt, l, false);
    } else if (l->in_end) {
        ended(rt, l);
    } else if (l->rest.len >= UNREAD_MAX) {
        link_why(rt, l, "the peer sent %u bytes without an end of message", l->rest.len);
        link_gone(rt, l, -EMSGSIZE);
    } else {
        read_wanted(rt, l, l->what == STREAM && !(l->x && l->x->move));
    }
}

void stream_again(struct skt_rt *rt, struct link *l)
{
    if (l->x && l->x->move) /* what was left went that way */
        return;
    if (l->rest.buf)
        stream_offer(rt, l, l->rest.buf, skt_span_of(l->rest.buf->data + l->rest.off, l->rest.len));
    if (!l->gone && !l->held && l->x && l->x->tls)
        tlslink_cipher(rt, l, (struct skt_span){ 0 }); /* what the session has deciphered meanwhile */
}

/* After our close the peer's bytes are read and dropped, so that its kernel does not reset what we sent last. */
static void linger(struct skt_rt *rt, struct link *l)
{
    uint8_t waste[16 * 1024];
    ssize_t n = read(l->fd, waste, sizeof waste);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    l->x->lingered += n > 0 ? (uint32_t)n : 0;
    if (n <= 0 || l->x->lingered > LINGER_MAX)
        link_gone(rt, l, 0);
}

/* No byte follows what the engine was offered. */
void stream_ended(struct skt_rt *rt, struct link *l)
{
    l->in_end = true;
    read_wanted(rt, l, false);
    if (!l->held && !l->eof_told && !l->closing)
        ended(rt, l);
}

/* As recv, and rt->came. */
static ssize_t read_stamped(struct skt_rt *rt, const struct link *l, uint8_t *p, size_t n)
{
    union {
        struct cmsghdr align;
        char bytes[STAMP_SPACE];
    } control;
    struct iovec iov = { p, n };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
    ssize_t got = recvmsg(l->fd, &msg, MSG_DONTWAIT);

    if (got > 0)
        rt->came = stamp_of(&msg, rt->now);
    return got;
}

static ssize_t read_some(struct skt_rt *rt, const struct link *l, uint8_t *p, size_t n)
{
    if (!l->socket)
        return read(l->fd, p, n);
    return rt->conf.stamps ? read_stamped(rt, l, p, n) : recv(l->fd, p, n, MSG_DONTWAIT);
}

static void read_end(struct skt_rt *rt, struct link *l, int why)
{
    if (why) {
        link_gone(rt, l, l->why ? l->why : why);
        return;
    }
    read_wanted(rt, l, false);
    if (l->x && l->x->tls)
        tlslink_ended(rt, l);
    else
        stream_ended(rt, l);
}

static void stream_read(struct skt_rt *rt, struct link *l)
{
    bool filter = l->x && l->x->tls;
    size_t rest = filter ? 0 : l->rest.len;
    struct skt_room room;
    ssize_t n;

    if (block_room(rt, &rt->in, READ_MAX + rest, &room)) {
        rt->again = true;
        return;
    }
    n = read_some(rt, l, room.p + rest, filter ? CIPHER_MAX : READ_MAX);
    if (n <= 0) {
        if (n == 0 || (errno != EAGAIN && errno != EINTR))
            read_end(rt, l, n ? -errno : 0);
        return;
    }
    l->heard = rt->now;
    rt->stats.bytes_in += (uint64_t)n;
    if (rest)
        memcpy(room.p, l->rest.buf->data + l->rest.off, rest);
    block_used(&rt->in, room.p + rest + n);
    tapped_data(rt, l, false, skt_span_of(room.p + rest, (size_t)n));
    if (filter)
        tlslink_cipher(rt, l, skt_span_of(room.p, (size_t)n));
    else
        stream_offer(rt, l, rt->in.buf, skt_span_of(room.p, rest + (size_t)n));
    rt->came = 0;
}

/* The socket broke while we do not read it: what it still holds goes with it. */
static void broken(struct skt_rt *rt, struct link *l)
{
    int err = 0;
    socklen_t len = sizeof err;

    if (l->socket)
        (void)getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &err, &len);
    if (l->why || err)
        link_gone(rt, l, l->why ? l->why : -err);
    else if (l->eof_told || l->what != STREAM)
        link_gone(rt, l, l->out_ended ? 0 : -EPIPE);
    else
        link_want(rt, l, 0); /* both directions ended, bytes wait for the engine: no more news can come */
}

void stream_event(struct skt_rt *rt, struct link *l, unsigned events)
{
    if (l->what == LINGERING) {
        linger(rt, l);
        return;
    }
    if (l->x && l->x->proxy) {
        listener_proxy(rt, l);
        return;
    }
    if (events &
        (EPOLLIN | EPOLLHUP | EPOLLERR)) { /* before any write: a reset link must not be written to again and again */
        if (l->want & EPOLLIN && l->x && l->x->move && !move_deciphers(l))
            move_step(rt, l);
        else if (l->want & EPOLLIN)
            stream_read(rt, l);
        else if (events & (EPOLLHUP | EPOLLERR))
            broken(rt, l);
    }
    if (l->gone || !(events & EPOLLOUT))
        return;
    if (l->x && l->x->feeder && !l->queue.bytes) {
        struct link *from = link_of(rt, l->x->feeder);
        if (from)
            move_step(rt, from);
    } else {
        link_dirty(rt, l);
    }
}

/* --- outwards --- */

int stream_add(struct skt_rt *rt, struct link *l, struct skt_buf *buf, struct skt_span bytes)
{
    int r;

    if (l->out_eof || l->why) { /* after a half-close, or the socket is broken already: CLOSE is on its way */
        rt->stats.stale++;
        return 0;
    }
    if (skt_len(bytes) > rt->conf.queue_bytes - l->queue.bytes)
        return -ENOBUFS;
    r = l->full && skt_len(bytes) < COPY_MAX ? queue_copy(&l->queue, bytes) : queue_add(&l->queue, buf, bytes);
    if (r)
        return r;
    link_dirty(rt, l);
    return 0;
}

/* One gathered write. ret_whole: the socket took all that was asked, it may take more. */
static ssize_t write_some(const struct link *l, const struct queue *q, bool *ret_whole)
{
    __attribute__((uninitialized)) struct iovec iov[IOV_MAX_HERE]; /* a KiB a write need not be zeroed */
    struct msghdr msg = { .msg_iov = iov };
    size_t asked = 0;
    ssize_t n;

    msg.msg_iovlen = (size_t)queue_iov(q, iov, IOV_MAX_HERE);
    for (size_t i = 0; i < msg.msg_iovlen; i++)
        asked += iov[i].iov_len;
    if (!l->socket)
        n = writev(l->out, iov, (int)msg.msg_iovlen);
    else if (msg.msg_iovlen == 1)
        n = send(l->out, iov[0].iov_base, asked, MSG_DONTWAIT | MSG_NOSIGNAL);
    else
        n = sendmsg(l->out, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
    *ret_whole = n >= 0 && (size_t)n == asked;
    return n;
}

/* Writes are over; what the peer sent before may still be read, and its end tells the engine. */
static void write_failed(struct skt_rt *rt, struct link *l, int why)
{
    if (l->x && l->x->move && !l->closing) {
        move_target_broke(rt, l, why);
        return;
    }
    if (!(l->want & EPOLLIN) || l->in_end || l->closing || !l->socket || (l->x && l->x->move)) {
        link_gone(rt, l, why);
        return;
    }
    l->why = (int16_t)why;
    queue_done(&l->queue);
    link_want(rt, l, l->want & ~EPOLLOUT);
    if (l->x && l->x->feeder)
        link_gone(rt, l, why);
}

static void half_close(struct skt_rt *rt, struct link *l)
{
    l->out_ended = true;
    tapped_eof(rt, l, true);
    if (l->socket) {
        (void)shutdown(l->out, SHUT_WR); /* ENOTCONN: the reader of it will hear why */
    } else if (l->out != l->fd) {
        link_want(rt, l, l->want & ~EPOLLOUT);
        close(l->out);
        l->out = -1;
        l->out_polled = false;
    }
}

/* The engine closes, all is written. */
static void closed(struct skt_rt *rt, struct link *l)
{
    if (!l->socket || l->in_end || l->eof_told || !link_extra(l)) {
        link_gone(rt, l, 0);
        return;
    }
    if (!l->out_ended)
        half_close(rt, l);
    l->what = LINGERING; /* before it is told: nothing more goes to it */
    l->known = false;
    tell_kind(rt, l, SKT_CLOSE, 0);
    deadline_in(rt, l, LINGER_TIME);
    link_want(rt, l, EPOLLIN);
}

static void drained(struct skt_rt *rt, struct link *l)
{
    if (l->want & EPOLLOUT)
        link_want(rt, l, l->want & ~EPOLLOUT);
    if (l->full && !l->closing) {
        l->full = false;
        tell_kind(rt, l, SKT_ROOM, 0);
    }
    if (l->gone || l->queue.bytes)
        return;
    if (l->out_eof && !l->out_ended)
        half_close(rt, l);
    if (l->closing)
        closed(rt, l);
    else if (l->x && l->x->feeder && link_of(rt, l->x->feeder))
        move_step(rt, link_of(rt, l->x->feeder));
}

static void now_full(struct skt_rt *rt, struct link *l)
{
    link_want(rt, l, l->want | EPOLLOUT);
    if (l->full || l->closing || (l->x && l->x->shaking))
        return;
    l->full = true;
    tell_kind(rt, l, SKT_FULL, 0);
}

/* What waits goes out as far as the socket takes it. */
void stream_flush(struct skt_rt *rt, struct link *l)
{
    bool filter = l->x && l->x->tls, whole = true;
    struct queue *q = filter ? &l->x->cipher : &l->queue;

    if (l->what != STREAM || l->why)
        return;
    while (whole) {
        int r = filter ? tlslink_fill(rt, l) : 0;
        ssize_t n;

        if (r) {
            link_gone(rt, l, r);
            return;
        }
        if (!q->bytes) {
            if (!l->queue.bytes)
                drained(rt, l);
            return; /* else TLS shakes hands first */
        }
        n = write_some(l, q, &whole);
        if (n < 0 && errno != EAGAIN && errno != EINTR) {
            write_failed(rt, l, -errno);
            return;
        }
        if (n > 0) {
            l->heard = rt->now;
            rt->stats.bytes_out += (uint64_t)n;
            if (rt->conf.tap)
                tapped_queue(rt, l, q, (size_t)n);
            queue_drop(q, (size_t)n);
        }
    }
    now_full(rt, l);
}

void stream_close(struct skt_rt *rt, struct link *l, int why)
{
    struct linger now = { .l_onoff = 1 };

    if (l->what == DGRAM && why >= 0 && dgram_waits(l)) { /* dgram_flush ends it */
        l->closing = true;
        deadline_in(rt, l, CLOSE_TIME);
        return;
    }
    if (l->what != STREAM || why < 0) {
        if (l->socket && why < 0)
            (void)setsockopt(l->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
        link_gone(rt, l, why);
        return;
    }
    l->closing = true; /* nothing more is told but its CLOSE */
    read_wanted(rt, l, false);
    if (l->queue.bytes || (l->x && l->x->tls)) /* TLS has cipher text of its own to say */
        deadline_in(rt, l, CLOSE_TIME);
    if (l->x && l->x->tls)
        l->out_eof = true; /* says close_notify */
    link_dirty(rt, l);
}
