/* bind: façade sockets that wait for others: listeners and bound datagram sockets. Start reading at skt_bind(). */
#include "drive/net/inside.h"

#include "base/text.h"
#include "drive/dns.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BACKLOG_HERE = 4096 };

struct binding {
    const char *what; /* "bind *:80" */
    const struct skt_bind_conf *conf;
    struct skt_endpoint to;
    skt_time deadline;
    struct skt_err *err;
};

static bool is_dgram(const struct binding *b) { return b->to.scheme == SKT_UDP || b->to.scheme == SKT_UNIXGRAM; }

static bool is_full(int why) { return why == -EMFILE || why == -ENFILE; }

static int fail(const struct binding *b, enum skt_stage stage, int why, const struct skt_addr *at)
{
    return net_err(b->err, is_full(why) ? SKT_AT_LIMIT : stage, why, at, b->what, NULL);
}

/* ---- where ---- */

/* One address: loopback for none, all for "*", and of a name's addresses IPv4 before IPv6: every client can reach it
 * there, while many cannot or do not ask for IPv6. */
static int address(const struct binding *b, struct skt_addr *ret_addr)
{
    bool all = !strcmp(b->to.host, "*");
    struct skt_dns_answer answer = { 0 };
    uint32_t i = 0;
    int r;

    if (all || !b->to.host[0]) {
        *ret_addr = (struct skt_addr){ .family = all && b->conf->dual ? SKT_IP6 : SKT_IP4, .port = b->to.port };
        if (!all)
            memcpy(ret_addr->ip, (const uint8_t[]){ 127, 0, 0, 1 }, 4);
        return 0;
    }
    r = net_resolve(b->what, &b->to, b->deadline, &answer, b->err);
    if (r)
        return r;
    while (i + 1 < answer.n && answer.addrs[i].family != SKT_IP4)
        i++;
    *ret_addr = answer.addrs[answer.addrs[i].family == SKT_IP4 ? i : 0];
    return 0;
}

/* SO_REUSEADDR lets a server start again at once. Not for datagrams: there it would let two sockets share a port, and
 * one of them hear nothing. */
static int socket_for(const struct binding *b, const struct skt_addr *at)
{
    int type = (is_dgram(b) ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC;
    int fd = socket(at->family == SKT_IP6 ? AF_INET6 : AF_INET, type, 0);
    int reuse = !b->conf->no_reuse, only = !b->conf->dual, r = 0;

    if (fd < 0)
        return -errno;
    if (!is_dgram(b) && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof reuse))
        r = -errno;
    if (!r && at->family == SKT_IP6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only))
        r = -errno;
    if (!r)
        return fd;
    close(fd);
    return r;
}

static int bind_inet(const struct binding *b, int *ret_fd)
{
    struct skt_addr at = { 0 };
    struct sock_name name;
    int r = address(b, &at), fd;

    if (r)
        return r;
    fd = socket_for(b, &at);
    if (fd < 0)
        return fail(b, SKT_AT_BIND, fd, &at);
    sock_of_addr(&at, &name);
    if (bind(fd, (struct sockaddr *)&name.ss, name.len)) {
        r = fail(b, SKT_AT_BIND, -errno, &at);
        close(fd);
        return r;
    }
    *ret_fd = fd;
    return 0;
}

/* A socket file that a dead server left behind. */
static bool is_stale(const struct sock_name *name, int type)
{
    const char *path = ((const struct sockaddr_un *)&name->ss)->sun_path;
    struct stat st;
    int fd;
    bool stale;

    if (!path[0] || lstat(path, &st) || !S_ISSOCK(st.st_mode))
        return false;
    fd = socket(AF_UNIX, type, 0);
    stale = fd >= 0 && connect(fd, (const struct sockaddr *)&name->ss, name->len) && errno == ECONNREFUSED;
    if (fd >= 0)
        close(fd);
    return stale && !unlink(path);
}

static int bind_path(const struct binding *b, struct sock_name *ret_name, int *ret_fd)
{
    int type = (is_dgram(b) ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC;
    int r = sock_unix(b->to.path, ret_name), fd = r ? -1 : socket(AF_UNIX, type, 0);

    if (!r && fd < 0)
        r = -errno;
    if (!r && bind(fd, (struct sockaddr *)&ret_name->ss, ret_name->len))
        r = -errno;
    if (r == -EADDRINUSE && is_stale(ret_name, type))
        r = bind(fd, (struct sockaddr *)&ret_name->ss, ret_name->len) ? -errno : 0;
    if (!r) {
        *ret_fd = fd;
        return 0;
    }
    if (fd >= 0)
        close(fd);
    return fail(b, SKT_AT_BIND, r, NULL);
}

/* ---- binding ---- */

/* The path is ours to unlink; its inode says later whether it still is. */
static void own_path(struct skt_sock *s, const struct sock_name *name)
{
    struct stat st;

    if (lstat(((const struct sockaddr_un *)&name->ss)->sun_path, &st))
        return; /* abstract: no file */
    s->bound = *name;
    s->dev = st.st_dev;
    s->ino = st.st_ino;
}

static int bind_any(const struct binding *b, struct skt_sock **ret_sock)
{
    struct sock_name name = { .len = 0 };
    int fd = -1, r;

    switch (b->to.scheme) {
    case SKT_TCP:
    case SKT_UDP:
    case SKT_TLS: r = bind_inet(b, &fd); break;
    case SKT_UNIX:
    case SKT_UNIXGRAM: r = bind_path(b, &name, &fd); break;
    case SKT_FD: r = net_adopt(b->to.fd, ret_sock); return r ? fail(b, SKT_AT_BIND, r, NULL) : 0;
    default: r = net_err(b->err, SKT_AT_BIND, -EOPNOTSUPP, NULL, b->what, "a command is not a socket");
    }
    if (r)
        return r;
    if (!is_dgram(b) && listen(fd, b->conf->backlog > 0 ? b->conf->backlog : BACKLOG_HERE))
        r = fail(b, SKT_AT_LISTEN, -errno, NULL);
    else if ((r = net_new(fd, ret_sock)))
        fail(b, SKT_AT_LIMIT, r, NULL);
    if (r) {
        if (name.len) /* an abstract one has no file: nothing happens */
            (void)unlink(((const struct sockaddr_un *)&name.ss)->sun_path);
        close(fd);
        return r;
    }
    assert(*ret_sock);
    if (name.len)
        own_path(*ret_sock, &name);
    return 0;
}

int skt_bind(const char *where, const struct skt_bind_conf *conf, skt_time deadline, struct skt_sock **ret_sock,
    struct skt_err *err)
{
    static const struct skt_bind_conf defaults;
    char what[8 + 256] = "bind ";
    struct binding b = { .what = what, .conf = conf ? conf : &defaults, .deadline = deadline, .err = err };
    struct skt_sock *s = NULL;
    int r;

    net_put_where(what + strlen(what), sizeof what - strlen(what), where);
    r = net_parse(what, where, &b.to, err);
    if (!r && b.to.scheme == SKT_TLS && !b.conf->tls)
        r = net_err(err, SKT_AT_TLS, -EINVAL, NULL, what, "a TLS listener needs a certificate (tls in skt_bind_conf)");
    if (!r)
        r = bind_any(&b, &s);
    if (r)
        return r;
    assert(s);
    if (b.to.scheme == SKT_TLS)
        s->tls = b.conf->tls;
    if (s->listener) {
        sock_stream_options(s->fd); /* accepted sockets inherit them */
        s->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
    *ret_sock = s;
    return 0;
}

/* ---- accepting ---- */

/* Out of descriptors, the waiting peer would keep the listener readable and a server's loop spinning. The spare one
 * buys the means to take the peer and let it go. */
static void turn_away(struct skt_sock *l)
{
    int fd;

    if (l->spare >= 0)
        close(l->spare);
    fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0)
        close(fd);
    else
        net_nap(10 * SKT_MS, SKT_NEVER); /* another thread took the spare: do not spin */
    l->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* accept(2): Linux hands out network errors that already wait on the new connection; they are the peer's bad luck. */
static bool is_passing(int error)
{
    switch (error) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH: return true;
    default: return false;
    }
}

static int accept_fd(struct skt_sock *l, skt_time deadline)
{
    for (bool waited = false;;) {
        int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK), r = fd < 0 ? -errno : 0;

        if (fd >= 0)
            return fd;
        if (atomic_load(&l->stopped))
            return -ECANCELED;
        /* The kernel wants a descriptor before it looks for a peer: EMFILE does not mean that there is one. */
        if (r == -EAGAIN || (is_full(r) && !waited)) {
            r = net_wait(l, POLLIN, deadline);
            waited = true;
        } else if (is_passing(-r)) {
            r = 0;
        }
        if (r)
            return r;
    }
}

int skt_accept(struct skt_sock *l, skt_time deadline, struct skt_sock **ret_sock)
{
    struct skt_sock *s;
    int r, fd;

    if (!l->listener) /* EOPNOTSUPP of accept would look like a peer's bad luck */
        return net_fail(l, SKT_AT_ACCEPT, -EINVAL, "not a listener");
    fd = accept_fd(l, deadline);
    if (is_full(fd)) {
        turn_away(l);
        return net_fail(l, SKT_AT_LIMIT, fd, NULL);
    }
    if (fd < 0)
        return net_fail(l, SKT_AT_ACCEPT, fd, NULL);
    r = net_new(fd, &s);
    if (r) {
        close(fd);
        return net_fail(l, SKT_AT_LIMIT, r, NULL);
    }
    s->line_max = l->line_max;
    s->pause = l->pause;
    if (l->tls && (r = net_tls_start(s, l->tls, NULL))) {
        l->err = s->err;
        skt_sock_close(s);
        return r;
    }
    *ret_sock = s;
    return 0;
}
