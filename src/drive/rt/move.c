/* move: bytes from link to link that nobody looks at: sendfile, splice, and a plain copy where those cannot
 * (TLS, a tap, a terminal, a file to be written). */
#include "drive/rt/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    PIPE_SIZE = 1 << 20,
    STEP = 1 << 20, /* bytes of one call */
    STEPS = 4       /* calls a turn: others want their turn, too */
};

enum how { COPY, SENDFILE, SPLICE, SPLICE_TWICE, DECIPHER /* TLS: what its filter gives */ };

struct move {
    skt_link to;
    enum how how;
    uint64_t left;   /* UINT64_MAX: until the end */
    uint64_t untold; /* bytes moved that the engine has not heard of */
    int pipe[2];     /* SPLICE_TWICE; -1 */
    size_t in_pipe;  /* bytes */
    bool ended;      /* the source; the pipe may still hold something */
};

static mode_t kind_of(int fd)
{
    struct stat st;

    return fstat(fd, &st) ? 0 : st.st_mode & S_IFMT;
}

static enum how choose(const struct skt_rt *rt, const struct link *from, const struct link *to)
{
    mode_t a = kind_of(from->fd), b = kind_of(to->out);

    if (from->x && from->x->tls)
        return DECIPHER;
    if (rt->conf.tap || (to->x && to->x->tls))
        return COPY;
    if (a == S_IFREG)
        return b == S_IFREG ? COPY : SENDFILE;
    if (b == S_IFREG || (a != S_IFSOCK && a != S_IFIFO))
        return COPY;
    return a == S_IFIFO || b == S_IFIFO ? SPLICE : SPLICE_TWICE;
}

static int pipe_take(struct skt_rt *rt, int pipe[2])
{
    if (rt->n_pipes) {
        rt->n_pipes--;
        memcpy(pipe, rt->pipes[rt->n_pipes], 2 * sizeof *pipe);
        return 0;
    }
    if (pipe2(pipe, O_NONBLOCK | O_CLOEXEC))
        return -errno;
    (void)fcntl(pipe[0], F_SETPIPE_SZ, PIPE_SIZE); /* refused above the user's limit: 64 KiB then */
    return 0;
}

static void pipe_give(struct skt_rt *rt, struct move *m)
{
    if (m->pipe[0] < 0)
        return;
    if (!m->in_pipe && rt->n_pipes < (int)(sizeof rt->pipes / sizeof *rt->pipes)) {
        memcpy(rt->pipes[rt->n_pipes++], m->pipe, sizeof m->pipe);
    } else {
        close(m->pipe[0]);
        close(m->pipe[1]);
    }
}

static void moved(struct skt_rt *rt, struct move *m, struct link *from, struct link *to, uint64_t n)
{
    from->heard = to->heard = rt->now;
    rt->stats.bytes_in += n;
    rt->stats.bytes_out += n;
    m->untold += n;
    if (m->left != UINT64_MAX)
        m->left -= n;
}

/* A user's own pipe holds 64 KiB: more a call, fewer calls. Not a pipe, or above the user's limit: it stays. */
static void widen(int fd) { (void)fcntl(fd, F_SETPIPE_SZ, PIPE_SIZE); }

int move_start(struct skt_rt *rt, struct link *from, struct link *to, uint64_t len)
{
    struct move *m;
    int r = 0;

    if (from == to || from->what != STREAM || (to->what != STREAM && to->what != OPENING) || (from->x && from->x->move))
        return -EINVAL;
    if (!link_extra(from) || !link_extra(to) || !(m = malloc(sizeof *m)))
        return -ENOMEM;
    *m = (struct move){ .to = link_id(to), .left = len, .pipe = { -1, -1 }, .ended = from->in_end };
    m->how = choose(rt, from, to);
    if (m->how == SPLICE_TWICE && pipe_take(rt, m->pipe))
        m->how = COPY;
    widen(from->fd);
    widen(to->out);
    from->x->move = m;
    to->x->feeder = link_id(from);
    if (from->rest.len) { /* what was read already goes first */
        uint32_t n = from->rest.len < len ? from->rest.len : (uint32_t)len;
        r = stream_add(rt, to, from->rest.buf, skt_span_of(from->rest.buf->data + from->rest.off, n));
        if (!r)
            moved(rt, m, from, to, n);
        from->rest.off += n;
        from->rest.len -= n;
        if (!from->rest.len) {
            skt_buf_put(from->rest.buf);
            from->rest = (struct slice){ 0 };
        }
    }
    if (!r)
        move_step(rt, from);
    return r;
}

/* False: the engine, told of it, ended this. */
static bool report(struct skt_rt *rt, struct move *m, struct link *from, struct link *to)
{
    struct skt_in in = { .kind = SKT_MOVE, .len = m->untold };

    if (!m->untold)
        return true;
    m->untold = 0;
    tell(rt, to, &in);
    return !from->gone && from->x && from->x->move == m && !to->gone;
}

/* The last report, with the bytes that are not told yet. */
void move_end(struct skt_rt *rt, struct link *from, int why)
{
    struct move *m = from->x->move;
    struct link *to = link_of(rt, m->to);
    struct skt_in in = { .kind = SKT_MOVE, .len = m->untold, .why = why };

    from->x->move = NULL;
    pipe_give(rt, m);
    free(m);
    if (why == 1)
        from->in_end = from->eof_told = true;
    link_want(rt, from, from->in_end ? from->want & ~EPOLLIN : from->want | EPOLLIN);
    if (!to)
        return;
    to->x->feeder = 0;
    if (!to->queue.bytes)
        link_want(rt, to, to->want & ~EPOLLOUT);
    if (!to->closing)
        tell(rt, to, &in);
}

/* --- one call each: bytes moved, 0 at the source's end, -EAGAIN: look at *ret_source for who is not ready --- */

static ssize_t copy(struct skt_rt *rt, struct link *from, struct link *to, size_t n, bool *ret_source)
{
    struct skt_room room;
    ssize_t got, put = 0;
    int r;

    if (block_room(rt, &rt->in, n < BLOCK ? n : BLOCK, &room))
        return -ENOMEM;
    if (n > skt_left(room))
        n = skt_left(room);
    got = from->socket ? recv(from->fd, room.p, n, MSG_DONTWAIT) : read(from->fd, room.p, n);
    if (got <= 0) {
        *ret_source = true;
        return got ? -errno : 0;
    }
    tapped_data(rt, from, false, skt_span_of(room.p, (size_t)got));
    if (!(to->x && to->x->tls)) {
        put = to->socket ? send(to->out, room.p, (size_t)got, MSG_DONTWAIT | MSG_NOSIGNAL)
                         : write(to->out, room.p, (size_t)got);
        if (put < 0 && errno != EAGAIN && errno != EINTR)
            return errno == EINVAL ? -EIO : -errno;
        put = put < 0 ? 0 : put;
        tapped_data(rt, to, true, skt_span_of(room.p, (size_t)put));
    }
    if (put < got) { /* the rest waits as any bytes do */
        block_used(&rt->in, room.p + got);
        r = stream_add(rt, to, rt->in.buf, skt_span_of(room.p + put, (size_t)(got - put)));
        if (r)
            return r;
    }
    return got;
}

/* splice and sendfile do not say which end was not ready: ask. */
static ssize_t not_ready(const struct link *to, bool *ret_source)
{
    struct pollfd p = { .fd = to->out, .events = POLLOUT };

    *ret_source = poll(&p, 1, 0) == 1;
    return -EAGAIN;
}

static ssize_t splice_some(int from, int to, size_t n)
{
    ssize_t r = splice(from, NULL, to, NULL, n, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

    return r < 0 ? -errno : r;
}

static ssize_t splice_twice(struct move *m, struct link *from, struct link *to, size_t n, bool *ret_source)
{
    ssize_t r = 0;

    if (!m->in_pipe && !m->ended) {
        r = splice_some(from->fd, m->pipe[1], n);
        *ret_source = true;
        if (r < 0)
            return r;
        m->ended = r == 0;
        m->in_pipe = (size_t)r;
    }
    if (!m->in_pipe)
        return 0;
    r = splice_some(m->pipe[0], to->out, m->in_pipe);
    *ret_source = false;
    if (r > 0)
        m->in_pipe -= (size_t)r;
    return r;
}

static ssize_t once(struct skt_rt *rt, struct move *m, struct link *from, struct link *to, bool *ret_source)
{
    size_t n = m->left < STEP ? (size_t)m->left : STEP;
    ssize_t r;

    switch (m->how) {
    case COPY: return copy(rt, from, to, n, ret_source);
    case SENDFILE:
        r = sendfile(to->out, from->fd, NULL, n);
        r = r < 0 ? -errno : r;
        *ret_source = false;
        return r;
    case SPLICE: r = splice_some(from->fd, to->out, n); return r == -EAGAIN ? not_ready(to, ret_source) : r;
    case SPLICE_TWICE: return splice_twice(m, from, to, n, ret_source);
    case DECIPHER: break; /* move_bytes */
    }
    return -EINVAL;
}

/* The target takes no splice after all (a terminal, a device): what is in the pipe is written as any bytes are. */
static int spill(struct skt_rt *rt, struct move *m, struct link *to)
{
    while (m->in_pipe) {
        struct skt_room room;
        ssize_t n;
        int r = block_room(rt, &rt->in, READ_MAX, &room);

        if (r)
            return r;
        n = read(m->pipe[0], room.p, skt_left(room) < m->in_pipe ? skt_left(room) : m->in_pipe);
        if (n <= 0)
            return -EIO;
        m->in_pipe -= (size_t)n;
        block_used(&rt->in, room.p + n);
        if ((r = stream_add(rt, to, rt->in.buf, skt_span_of(room.p, (size_t)n))))
            return r;
    }
    return 0;
}

/* Wait for the end that is not ready, and for that alone. The engine knows by FULL that it is the target. */
static void wait_for(struct skt_rt *rt, struct link *from, struct link *to, bool source)
{
    link_want(rt, from, source ? from->want | EPOLLIN : from->want & ~EPOLLIN);
    link_want(rt, to, source && !to->queue.bytes ? to->want & ~EPOLLOUT : to->want | EPOLLOUT);
    if (to->full == !source || to->queue.bytes) /* a queue tells of itself */
        return;
    to->full = !source;
    tell_kind(rt, to, source ? SKT_ROOM : SKT_FULL, 0);
}

/* One splice or sendfile does not say at which end it failed, but only one of the two is a socket. */
static void broke(struct skt_rt *rt, struct link *from, struct link *to, bool source, int err)
{
    enum how how = from->x->move->how;

    if (how == SPLICE || how == SENDFILE)
        source = from->socket && err != -EPIPE;
    if (source)
        link_gone(rt, from, err);
    else
        move_target_broke(rt, to, err);
}

/* Nothing more goes to it; but what it said before that still goes to the other end. */
void move_target_broke(struct skt_rt *rt, struct link *to, int err)
{
    if (to->socket && !to->why && !to->in_end && to->x->move) {
        to->why = (int16_t)err;
        move_step(rt, to);
    }
    link_gone(rt, to, err);
}

bool move_deciphers(const struct link *from) { return from->x->move->how == DECIPHER; }

/* Bytes that the filter of `from` gave. False: the target's socket is full, no more for now. */
bool move_bytes(struct skt_rt *rt, struct link *from, struct skt_buf *buf, struct skt_span *bytes)
{
    struct move *m = from->x->move;
    struct link *to = link_of(rt, m->to);
    size_t n = skt_len(*bytes) < m->left ? skt_len(*bytes) : (size_t)m->left;
    int r;

    if (!to) {
        move_end(rt, from, -EPIPE);
        return false;
    }
    r = stream_add(rt, to, buf, skt_span_of(bytes->p, n));
    bytes->p += n;
    if (r) {
        link_gone(rt, to, r);
        return false;
    }
    moved(rt, m, from, to, n);
    if (!m->left) {
        move_end(rt, from, 0);
        return false;
    }
    if (!report(rt, m, from, to))
        return false;
    if (to->queue.bytes >= CIPHER_AHEAD) {
        link_want(rt, from, from->want & ~EPOLLIN);
        return false;
    }
    return true;
}

void move_step(struct skt_rt *rt, struct link *from)
{
    struct move *m = from->x->move;
    struct link *to = link_of(rt, m->to);
    ssize_t r = 1;
    bool source = false;

    if (!to) {
        move_end(rt, from, -EPIPE);
        return;
    }
    if (to->what == OPENING || to->queue.bytes) { /* in order: what is queued goes first */
        link_want(rt, from, from->want & ~EPOLLIN);
        if (to->queue.bytes)
            link_dirty(rt, to);
        return;
    }
    if (m->how == DECIPHER) { /* room again: what the session still has, then the socket */
        link_want(rt, from, from->want | EPOLLIN);
        tlslink_cipher(rt, from, (struct skt_span){ 0 });
        return;
    }
    for (int i = 0; i < STEPS && m->left && !to->queue.bytes; i++) {
        r = once(rt, m, from, to, &source);
        if (r == -EINTR)
            continue;
        if (r == -EINVAL && m->how != COPY) { /* these two cannot: a device, a file opened to append, ... */
            moved(rt, m, from, to, m->in_pipe);
            m->how = COPY;
            if ((r = spill(rt, m, to)))
                break;
            r = 1; /* not the end */
            continue;
        }
        if (r <= 0)
            break;
        moved(rt, m, from, to, (uint64_t)r);
    }
    if (!m->left || r == 0) {
        move_end(rt, from, m->left ? 1 : 0);
        return;
    }
    if (!report(rt, m, from, to))
        return;
    if (to->queue.bytes)
        wait_for(rt, from, to, false);
    else if (r == -EAGAIN)
        wait_for(rt, from, to, source);
    else if (r < 0)
        broke(rt, from, to, source, (int)r);
    else
        wait_for(rt, from, to, !m->in_pipe); /* both may be ready: the next turn tells. What is in the pipe goes on
                                              * without the source, which may have nothing more to say */
}
