/* net: the façade's sockets as such: clock, errors, options, names, waiting, closing. Opening is in dial.c and
 * bind.c, moving bytes in io.c. */
#include "drive/net/inside.h"

#include "base/text.h"
#include "base/utf8.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { POLL_MAX = 1024, SHOW = 256 };

/* ---- time ---- */

skt_time skt_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * SKT_SEC + t.tv_nsec;
}

skt_time skt_in(skt_time length)
{
    skt_time now = skt_now();

    return length < SKT_NEVER - now ? now + length : SKT_NEVER;
}

int net_poll(struct pollfd *polls, size_t n, skt_time deadline)
{
    for (;;) {
        skt_time now = skt_now(), left = deadline > now ? deadline - now : 0;
        struct timespec t = { .tv_sec = left / SKT_SEC, .tv_nsec = left % SKT_SEC };
        int r;

        r = ppoll(polls, n, deadline == SKT_NEVER ? NULL : &t, NULL);
        if (r >= 0 || errno != EINTR)
            return r < 0 ? -errno : r;
    }
}

int net_wait(struct skt_sock *s, short events, skt_time deadline)
{
    struct pollfd p = { .fd = s->fd, .events = events };
    int r;

    /* skt_sock_stop sets the flag, then shuts the socket down for good: whichever side of poll it falls on, we see it. */
    if (atomic_load(&s->stopped))
        return -ECANCELED;
    r = net_poll(&p, 1, deadline);
    if (atomic_load(&s->stopped))
        return -ECANCELED;
    return r < 0 ? r : r ? 0 : -ETIMEDOUT;
}

void net_nap(skt_time length, skt_time deadline)
{
    skt_time until = skt_in(length);

    (void)net_poll(NULL, 0, until < deadline ? until : deadline); /* too short a nap does no harm */
}

/* ---- errors ---- */

static const char *too_late(enum skt_stage stage)
{
    switch (stage) {
    case SKT_AT_RESOLVE: return "no name server answered within the deadline";
    case SKT_AT_CONNECT: return "no answer within the deadline";
    case SKT_AT_ACCEPT: return "nobody connected within the deadline";
    case SKT_AT_TLS: return "the TLS handshake was not done within the deadline";
    case SKT_AT_SEND: return "the peer did not take all of it within the deadline";
    case SKT_AT_RECV: return "not received within the deadline";
    case SKT_AT_BIND:
    case SKT_AT_LISTEN:
    case SKT_AT_LIMIT: break;
    }
    return "not done within the deadline";
}

/* What to do about it, where that is more than the system's words. */
static const char *reason_of(enum skt_stage stage, int why, const struct skt_addr *at)
{
    switch (why) {
    case -ETIMEDOUT: return too_late(stage);
    case -ECANCELED: return "stopped";
    case -ECONNREFUSED: return "connection refused: nothing listens there";
    case -ECONNRESET: return "connection reset by the peer";
    case -EPIPE: return "the peer has closed the connection";
    case -EADDRINUSE: return "address in use: another program has it (or choose port 0)";
    case -EADDRNOTAVAIL: return "this machine has no such address";
    case -EACCES:
        return stage == SKT_AT_BIND && at ? "needs CAP_NET_BIND_SERVICE (or choose a port >= 1024)" : "not permitted";
    case -EMFILE: return "no descriptor left (see ulimit -n)";
    case -EMSGSIZE: return "message too long";
    case -ENOSYS: return "its plug-in is not installed";
    default: return strerrordesc_np(-why) ? strerrordesc_np(-why) : "unknown error";
    }
}

/* As much of text as there is room for. */
static void put_cut(struct skt_room *out, const char *text)
{
    size_t n = strlen(text), left = skt_left(*out);

    skt_put(out, skt_span_of(text, n < left ? n : left));
}

void net_put_where(char *text, size_t size, const char *where)
{
    struct skt_room out = skt_room_of(text, size - 1);

    for (; *where && !out.bad;
         where++) /* a byte at a time: what does not fit is cut; UTF-8 becomes \xNN, and is no host */
        skt_put_escaped(&out, skt_span_of(where, 1));
    *out.p = 0;
}

int net_err(struct skt_err *err, enum skt_stage stage, int why, const struct skt_addr *peer, const char *what,
    const char *reason)
{
    struct skt_room out;

    if (!err)
        return why;
    *err = (struct skt_err){ .stage = stage, .errno_ = -why };
    if (peer)
        err->peer = *peer;
    out = skt_room_of(err->text, sizeof err->text - 1);
    put_cut(&out, what);
    put_cut(&out, ": ");
    put_cut(&out, reason ? reason : reason_of(stage, why, peer));
    *out.p = 0;
    return why;
}

int net_fail(struct skt_sock *s, enum skt_stage stage, int why, const char *reason)
{
    static const char *const verb[] = {
        [SKT_AT_RESOLVE] = "resolve",
        [SKT_AT_BIND] = "bind",
        [SKT_AT_LISTEN] = "listen on",
        [SKT_AT_ACCEPT] = "accept on",
        [SKT_AT_CONNECT] = "connect",
        [SKT_AT_TLS] = "TLS with",
        [SKT_AT_SEND] = "send to",
        [SKT_AT_RECV] = "receive from",
        [SKT_AT_LIMIT] = "limit of",
    };
    bool named = !s->listener && s->peer_text[0];
    char what[sizeof s->err.text];
    struct skt_room out = skt_room_of(what, sizeof what - 1);

    put_cut(&out, verb[stage]);
    put_cut(&out, " ");
    put_cut(&out, named ? s->peer_text : s->local_text[0] ? s->local_text : "a socket");
    *out.p = 0;
    return net_err(&s->err, stage, why, &s->peer, what, reason);
}

const struct skt_err *skt_sock_err(const struct skt_sock *s) { return &s->err; }

/* ---- names ---- */

static void put_path(struct skt_room *out, const struct sock_name *name)
{
    const struct sockaddr_un *un = (const struct sockaddr_un *)&name->ss;
    size_t head = offsetof(struct sockaddr_un, sun_path), n = name->len > head ? name->len - head : 0;
    bool abstract = n && !un->sun_path[0];

    put_cut(out, abstract ? "unix:@" : "unix:");
    if (!abstract)
        n = strnlen(un->sun_path, n);
    skt_put_escaped(out, skt_span_of(un->sun_path + abstract, n - abstract));
}

void net_name(const struct sock_name *name, char text[NET_NAME])
{
    struct skt_room out = skt_room_of(text, NET_NAME - 1);
    struct skt_addr addr;

    if (name->ss.ss_family == AF_UNIX) {
        put_path(&out, name);
    } else {
        addr = sock_addr(&name->ss, name->len);
        skt_put_addr(&out, &addr);
    }
    *out.p = 0;
}

void net_names(struct skt_sock *s)
{
    struct sock_name name = { .len = sizeof name.ss };

    if (!getsockname(s->fd, (struct sockaddr *)&name.ss, &name.len)) {
        s->family = (uint8_t)sock_addr(&name.ss, name.len).family;
        net_name(&name, s->local_text);
    }
    name.len = sizeof name.ss;
    if (!s->listener && !getpeername(s->fd, (struct sockaddr *)&name.ss, &name.len)) {
        s->peer = sock_addr(&name.ss, name.len);
        net_name(&name, s->peer_text);
    }
}

const char *skt_sock_local(const struct skt_sock *s) { return s->local_text; }
const char *skt_sock_peer(const struct skt_sock *s) { return s->peer_text; }

const struct sock_name *net_sender(const struct skt_sock *s, uint32_t id)
{
    const struct net_senders *all = s->senders;

    return all && id && id <= all->newest && all->newest - id < NET_SENDERS ? &all->path[id % NET_SENDERS] : NULL;
}

const char *skt_sock_name(struct skt_sock *s, const struct skt_addr *addr)
{
    const struct sock_name *path = addr->family == SKT_LOCAL ? net_sender(s, addr->id) : NULL;
    struct skt_room out = skt_room_of(s->name_text, NET_NAME - 1);

    if (path)
        put_path(&out, path);
    else if (addr->family == SKT_LOCAL)
        put_cut(&out, "unix:");
    else
        skt_put_addr(&out, addr);
    *out.p = 0;
    return s->name_text;
}

/* The next piece to print: one LF or TAB, or what comes before it, as far as one write goes. */
static struct skt_span show_piece(struct skt_span bytes)
{
    struct skt_span piece = bytes;
    size_t n = 0, whole;

    if (*bytes.p == '\n' || *bytes.p == '\t')
        return skt_span_of(bytes.p, 1);
    while (n < SHOW && n < skt_len(bytes) && bytes.p[n] != '\n' && bytes.p[n] != '\t')
        n++;
    piece.end = piece.p + n;
    whole = skt_utf8_whole(piece);
    if (n == SHOW && whole) /* a character that the piece cuts belongs to the next */
        piece.end = piece.p + whole;
    return piece;
}

void skt_show(FILE *to, struct skt_span bytes)
{
    while (skt_len(bytes)) {
        char text[4 * SHOW];
        struct skt_room out = skt_room_of(text, sizeof text);
        struct skt_span piece = show_piece(bytes);

        if (*piece.p == '\n' || *piece.p == '\t')
            skt_put(&out, piece);
        else
            skt_put_escaped(&out, piece);
        (void)fwrite(text, 1, (size_t)((char *)out.p - text), to); /* the stream remembers its failure: ferror */
        bytes.p = piece.end;
    }
}

/* ---- options ---- */

struct option {
    int level, name;
};

static bool option_of(const struct skt_sock *s, enum skt_option option, struct option *ret_o)
{
    bool ip6 = s->family == SKT_IP6;

    switch (option) {
    case SKT_SO_NODELAY: *ret_o = (struct option){ IPPROTO_TCP, TCP_NODELAY }; return true;
    case SKT_SO_KEEPALIVE: *ret_o = (struct option){ SOL_SOCKET, SO_KEEPALIVE }; return true;
    case SKT_SO_BROADCAST: *ret_o = (struct option){ SOL_SOCKET, SO_BROADCAST }; return true;
    case SKT_SO_SEND_BUFFER: *ret_o = (struct option){ SOL_SOCKET, SO_SNDBUF }; return true;
    case SKT_SO_RECV_BUFFER: *ret_o = (struct option){ SOL_SOCKET, SO_RCVBUF }; return true;
    case SKT_SO_TTL:
        *ret_o = ip6 ? (struct option){ IPPROTO_IPV6, IPV6_UNICAST_HOPS } : (struct option){ IPPROTO_IP, IP_TTL };
        return true;
    case SKT_SO_LINE_MAX:
    case SKT_SO_PAUSE: return false;
    }
    return false;
}

static int set_ours(struct skt_sock *s, enum skt_option option, int64_t value)
{
    if (value < (option == SKT_SO_LINE_MAX) || (option == SKT_SO_LINE_MAX && value > NET_LINE_LIMIT))
        return -EINVAL;
    if (option == SKT_SO_LINE_MAX)
        s->line_max = (size_t)value;
    else
        s->pause = value;
    return 0;
}

int skt_sock_set(struct skt_sock *s, enum skt_option option, int64_t value)
{
    struct option o;
    int n = (int)value;

    if (!option_of(s, option, &o))
        return set_ours(s, option, value);
    if (n != value || n < 0)
        return -EINVAL;
    return setsockopt(s->fd, o.level, o.name, &n, sizeof n) ? -errno : 0;
}

int skt_sock_get(const struct skt_sock *s, enum skt_option option, int64_t *ret_value)
{
    struct option o;
    int n = 0;
    socklen_t len = sizeof n;

    if (!option_of(s, option, &o)) {
        *ret_value = option == SKT_SO_LINE_MAX ? (int64_t)s->line_max : s->pause;
        return 0;
    }
    if (getsockopt(s->fd, o.level, o.name, &n, &len))
        return -errno;
    *ret_value = n;
    return 0;
}

/* ---- life ---- */

int net_new(int fd, struct skt_sock **ret_sock)
{
    struct skt_sock *s = calloc(1, sizeof *s);
    int type = 0, listens = 0, r = 0;
    socklen_t len = sizeof type;

    if (!s)
        return -ENOMEM;
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) || getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len))
        r = -errno;
    else if (type != SOCK_STREAM && type != SOCK_DGRAM)
        r = -EPROTOTYPE;
    if (r) {
        free(s);
        return r;
    }
    s->fd = fd;
    s->spare = -1;
    s->line_max = NET_LINE_MAX;
    s->dgram = type == SOCK_DGRAM;
    s->listener = listens;
    net_names(s);
    if (s->dgram && !s->peer.family)
        here_ask(fd);
    *ret_sock = s;
    return 0;
}

int skt_poll(struct skt_sock *const *socks, size_t n, skt_time deadline, size_t *ret_i)
{
    struct pollfd polls[POLL_MAX];
    int r;

    if (!n || n > POLL_MAX)
        return -EINVAL;
    for (size_t i = 0; i < n; i++) {
        if (socks[i]->from < socks[i]->to || net_tls_has_input(socks[i])) {
            *ret_i = i;
            return 0;
        }
        polls[i] = (struct pollfd){ .fd = socks[i]->fd, .events = POLLIN };
    }
    r = net_poll(polls, n, deadline);
    for (size_t i = 0; r > 0 && i < n; i++)
        if (polls[i].revents) {
            *ret_i = i;
            return 0;
        }
    return r < 0 ? r : -ETIMEDOUT;
}

void skt_sock_stop(struct skt_sock *s)
{
    int keep = errno; /* for the code that a signal interrupted */

    atomic_store(&s->stopped, true);
    (void)shutdown(s->fd, SHUT_RDWR); /* wakes who waits, also on listeners and datagrams; an error changes nothing */
    errno = keep;
}

/* Our Unix path goes with us, unless somebody else has put a socket of his own there. */
static void unlink_path(struct skt_sock *s)
{
    const char *path = ((const struct sockaddr_un *)&s->bound.ss)->sun_path;
    struct stat st;

    if (s->bound.len && !lstat(path, &st) && st.st_dev == s->dev && st.st_ino == s->ino)
        (void)unlink(path); /* no longer ours to mend */
}

void skt_sock_close(struct skt_sock *s)
{
    if (!s)
        return;
    if (s->filter)
        (void)net_tls_shut(s, 0); /* what the socket takes at once: a courtesy to the peer */
    net_tls_free(s->filter);
    unlink_path(s);
    close(s->fd);
    if (s->spare >= 0)
        close(s->spare);
    free(s->buf);
    free(s->senders);
    here_done(&s->here);
    free(s);
}
