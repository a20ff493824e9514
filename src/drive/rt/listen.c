/* listen: listeners: bind with words for what fails, accept in batches, who may come and how many, PROXY headers. */
#include "drive/rt/inside.h"

#include "base/acl.h"
#include "base/text.h"
#include "drive/tls.h"
#include "wire/proxy.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

struct listener {
    struct skt_listen_conf conf;
    uint32_t conns;
    bool check_here; /* bound to every address: a peer on this host shows only at accept */
    bool paused;     /* at max_conns, conf.wait; or nothing can be accepted now */
    char path[sizeof((struct sockaddr_un *)0)->sun_path]; /* Unix: unlinked at the end; "": none */
    dev_t dev; /* of that file: it is unlinked only if it still is the one that we made */
    ino_t ino;
};

/* --- bind --- */

static int failed(struct skt_rt *rt, const char *where, const char *what, int err)
{
    const char *hint = "";

    if (err == EACCES && !strcmp(what, "bind"))
        hint = ": needs CAP_NET_BIND_SERVICE (or choose a port >= 1024)";
    else if (err == EADDRINUSE && !strncmp(where, "unix", 4))
        hint = ": another program listens there, or a file is in the way";
    else if (err == EADDRINUSE)
        hint = !strncmp(where, "udp", 3) ? ": another program listens there (ss -lunp shows it)"
                                         : ": another program listens there (ss -ltnp shows it)";
    else if (err == EADDRNOTAVAIL)
        hint = ": no interface of this machine has that address";
    rt->why_link = 0;
    snprintf(rt->why_of, sizeof rt->why_of, "%s %s: %s%s", what, where, strerror(err), hint);
    return -err;
}

static int refuse_text(struct skt_rt *rt, const char *text)
{
    rt->why_link = 0;
    snprintf(rt->why_of, sizeof rt->why_of, "%s", text);
    return -EINVAL;
}

static int listen_addr(const struct skt_endpoint *e, struct skt_addr *ret_addr)
{
    if (!strcmp(e->host, "*")) {
        *ret_addr = (struct skt_addr){ .family = SKT_IP6 };
    } else if (!*e->host || !strcasecmp(e->host, "localhost")) {
        *ret_addr = (struct skt_addr){ .family = SKT_IP4, .ip = { 127, 0, 0, 1 } };
    } else {
        int r = skt_addr_parse(e->host, ret_addr);
        if (r)
            return r;
    }
    ret_addr->port = e->port;
    return 0;
}

/* A socket file that nobody listens on any more is in the way: say so by removing it. A connect to any other file is
 * refused as well: what is no socket stays, whatever it is. */
static bool unlink_stale(const char *path, int type, const struct sock_name *name)
{
    struct stat st;
    bool stale;
    int probe;

    if (*path == '@' || lstat(path, &st) || !S_ISSOCK(st.st_mode))
        return false;
    probe = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (probe < 0)
        return false;
    stale = connect(probe, (const struct sockaddr *)&name->ss, name->len) && errno == ECONNREFUSED;
    close(probe);
    return stale && !unlink(path);
}

static int bind_unix(struct skt_rt *rt, const char *where, const struct skt_endpoint *e, int type, int *ret_fd)
{
    struct sock_name name;
    int fd, r = sock_unix(e->path, &name);

    if (r)
        return failed(rt, where, "path", -r);
    fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return failed(rt, where, "socket", errno);
    r = bind(fd, (struct sockaddr *)&name.ss, name.len) ? errno : 0;
    if (r == EADDRINUSE && unlink_stale(e->path, type, &name))
        r = bind(fd, (struct sockaddr *)&name.ss, name.len) ? errno : 0;
    if (r) {
        r = failed(rt, where, "bind", r);
        close(fd);
        return r;
    }
    *ret_fd = fd;
    return 0;
}

static int bind_inet(
    struct skt_rt *rt, const char *where, const struct skt_addr *addr, int type, bool join, bool dual, int *ret_fd)
{
    struct sock_name name;
    int on = 1, only = !dual, fd, r;

    sock_of_addr(addr, &name);
    fd = socket(name.ss.ss_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return failed(rt, where, "socket", errno);
    if (type == SOCK_STREAM)
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (join)
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    if (addr->family == SKT_IP6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only);
    if (bind(fd, (struct sockaddr *)&name.ss, name.len)) {
        r = failed(rt, where, "bind", errno);
        close(fd);
        return r;
    }
    *ret_fd = fd;
    return 0;
}

static int bind_to(struct skt_rt *rt, const char *where, const struct skt_endpoint *e, bool join, int *ret_fd)
{
    int type = e->scheme == SKT_UDP || e->scheme == SKT_UNIXGRAM ? SOCK_DGRAM : SOCK_STREAM, r;
    bool dual = !strcmp(e->host, "*");
    struct skt_addr addr;

    switch (e->scheme) {
    case SKT_UNIX:
    case SKT_UNIXGRAM: return bind_unix(rt, where, e, type, ret_fd);
    case SKT_FD:
        *ret_fd = e->fd;
        (void)fcntl(e->fd, F_SETFL, fcntl(e->fd, F_GETFL) | O_NONBLOCK);
        return 0;
    case SKT_EXEC: return refuse_text(rt, "a command cannot be listened on");
    case SKT_TCP:
    case SKT_UDP:
    case SKT_TLS: break;
    }
    if (listen_addr(e, &addr)) {
        snprintf(rt->why_of, sizeof rt->why_of,
            "listen address '%s' is not numeric: give an address of this machine, or * for all", e->host);
        rt->why_link = 0;
        return -EINVAL;
    }
    r = bind_inet(rt, where, &addr, type, join, dual, ret_fd);
    if (r == -EAFNOSUPPORT && dual) { /* a kernel without IPv6 */
        addr.family = SKT_IP4;
        r = bind_inet(rt, where, &addr, type, join, false, ret_fd);
    }
    return r;
}

static bool is_any(const struct skt_addr *a)
{
    static const uint8_t any[16];

    return !memcmp(a->ip, any, sizeof any);
}

static void own_path(struct listener *ls, const char *path)
{
    struct stat st;

    if (lstat(path, &st))
        return;
    snprintf(ls->path, sizeof ls->path, "%s", path);
    ls->dev = st.st_dev;
    ls->ino = st.st_ino;
}

/* Only now: of those who bind without it the kernel lets one alone have the port (of streams, one alone listen), so a second
 * program is told so. Set before, it would let any program of this user take a share of who comes. */
static void share_port(const struct link *l, const struct skt_listen_conf *conf)
{
    int on = 1;

    if (conf && conf->share_port)
        (void)setsockopt(l->fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on); /* else who joins is refused, and says so */
}

static int stream_listener(struct skt_rt *rt, struct link *l, const char *where, const struct skt_listen_conf *conf,
    const struct skt_endpoint *e)
{
    struct skt_addr local = sock_local(l->fd);
    struct listener *ls;

    if (!link_extra(l) || !(ls = l->x->listener = calloc(1, sizeof *ls)))
        return -ENOMEM;
    if (conf)
        ls->conf = *conf;
    if (e->scheme == SKT_UNIX && e->path[0] != '@')
        own_path(ls, e->path);
    if (e->scheme != SKT_UNIX) {
        sock_stream_options(l->fd);
        ls->check_here = is_any(&local);
        if (!rt->conf.cc_system && sock_is_here(&local, &local) && !ls->check_here)
            sock_fast_cc(l->fd);
    }
    if (listen(l->fd, BACKLOG))
        return failed(rt, where, "listen", errno);
    share_port(l, conf);
    l->known = true;
    link_want(rt, l, EPOLLIN);
    return 0;
}

/* Datagrams have no listener's state but, of a Unix socket, its file. */
static int dgram_listener(
    struct skt_rt *rt, struct link *l, const struct skt_listen_conf *conf, const struct skt_endpoint *e)
{
    int r = dgram_start(rt, l, false);

    share_port(l, conf);
    if (conf && conf->pmtu)
        sock_pmtu(l->fd);
    if (r || e->scheme != SKT_UNIXGRAM || e->path[0] == '@')
        return r;
    l->x->listener = calloc(1, sizeof *l->x->listener);
    if (!l->x->listener)
        return -ENOMEM;
    own_path(l->x->listener, e->path);
    return 0;
}

int skt_rt_listen(
    struct skt_rt *rt, int engine, const char *where, const struct skt_listen_conf *conf, skt_link *ret_link)
{
    struct skt_endpoint e;
    struct skt_room why = skt_room_of(rt->why_of, sizeof rt->why_of - 1);
    struct link *l;
    int r = skt_endpoint_parse(where, &e, &why), type = SOCK_STREAM;
    socklen_t len = sizeof type;

    if (!r && e.scheme == SKT_TLS && !(conf && conf->tls)) /* never in the plain by mistake */
        r = skt_refuse(&why, -EINVAL, "address", skt_span_str(where), "needs TLS to be set up, with a certificate");
    if (r) {
        *why.p = 0;
        rt->why_link = 0;
        return -EINVAL; /* also what is out of range: the text is wrong, as in skt_rt_open */
    }
    if ((r = link_new(rt, engine, LISTENER, &l)))
        return failed(rt, where, "listen", -r);
    l->socket = true;
    r = bind_to(rt, where, &e, conf && conf->join_port, &l->fd);
    l->out = l->fd;
    if (!r && getsockopt(l->fd, SOL_SOCKET, SO_TYPE, &type, &len))
        r = failed(rt, where, "listen", errno);
    if (!r && conf)
        l->idle_ms = link_idle(conf->idle);
    if (!r)
        r = type == SOCK_DGRAM ? dgram_listener(rt, l, conf, &e) : stream_listener(rt, l, where, conf, &e);
    if (r) {
        l->known = false; /* the caller is told here */
        link_gone(rt, l, r);
        return r;
    }
    *ret_link = link_id(l);
    return 0;
}

void listener_free(struct extra *x)
{
    const struct listener *ls = x->listener;
    struct stat st;

    if (ls && ls->path[0] && !lstat(ls->path, &st) && st.st_dev == ls->dev && st.st_ino == ls->ino)
        unlink(ls->path); /* else another one listens there meanwhile */
    free(x->listener);
}

/* --- accept --- */

static void start(struct skt_rt *rt, struct link *ls_link, int fd, const struct skt_addr *peer)
{
    struct listener *ls = ls_link->x->listener;
    struct link *l;
    int r = link_new(rt, ls_link->engine, OPENING, &l);

    if (r) {
        rt->stats.refused++;
        close(fd);
        return;
    }
    rt->stats.accepted++;
    ls->conns++;
    l->fd = l->out = fd;
    l->socket = true;
    l->via = link_id(ls_link);
    l->idle_ms = link_idle(ls->conf.idle);
    if (ls->check_here) {
        struct skt_addr local = sock_local(fd);
        if (!rt->conf.cc_system && sock_is_here(&local, peer))
            sock_fast_cc(fd);
    }
    if ((ls->conf.proxy || ls->conf.tls) && !link_extra(l)) {
        link_gone(rt, l, -ENOMEM);
        return;
    }
    if (ls->conf.proxy || ls->conf.tls)
        l->x->deadline = rt->now + SHAKE_TIME;
    if (ls->conf.tls && (r = tlslink_start(rt, l, ls->conf.tls, NULL))) {
        link_gone(rt, l, r);
        return;
    }
    if (ls->conf.proxy) {
        l->x->proxy = true;
        l->what = STREAM;
        link_want(rt, l, EPOLLIN);
        (void)link_timer(rt, l);
        return;
    }
    stream_opened(rt, l, peer);
}

/* Nothing can be accepted: look again in a while, not at once and for ever. */
static void rest(struct skt_rt *rt, struct link *l)
{
    l->x->listener->paused = true;
    link_want(rt, l, 0);
    l->x->deadline = rt->now + REST_TIME;
    (void)link_timer(rt, l);
}

void listener_rested(struct skt_rt *rt, struct link *l)
{
    l->x->deadline = 0;
    l->x->listener->paused = false;
    link_want(rt, l, EPOLLIN);
}

/* No descriptor is left: the spare one lets the peer be told instead of waiting for ever. */
static void shed(struct skt_rt *rt, struct link *l)
{
    int fd;

    if (rt->spare_fd < 0) /* another thread was faster */
        rt->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (rt->spare_fd < 0) {
        rest(rt, l);
        return;
    }
    close(rt->spare_fd);
    fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
        rt->stats.refused++;
        close(fd);
    }
    rt->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* Over the cap: the backlog waits, or the peer is told at once. */
static bool at_cap(struct skt_rt *rt, struct link *l)
{
    struct listener *ls = l->x->listener;

    if (!ls->conf.max_conns || ls->conns < ls->conf.max_conns)
        return false;
    if (ls->conf.wait) {
        ls->paused = true;
        link_want(rt, l, 0);
    }
    return true;
}

void listener_event(struct skt_rt *rt, struct link *l)
{
    struct listener *ls = l->x->listener;

    for (int i = 0; i < ACCEPTS_A_TURN && !l->gone; i++) {
        struct sock_name name = { .len = sizeof name.ss };
        bool full = at_cap(rt, l);
        struct skt_addr peer;
        int fd;

        if (ls->paused)
            return;
        fd = accept4(l->fd, (struct sockaddr *)&name.ss, &name.len, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0) {
            if (errno == EINTR || errno == ECONNABORTED)
                continue;
            if (errno == EAGAIN)
                return;
            rt->stats.accept_errors++;
            if (errno == EMFILE || errno == ENFILE)
                shed(rt, l);
            else if (errno == ENOMEM || errno == ENOBUFS)
                rest(rt, l);
            return;
        }
        peer = sock_addr(&name.ss, name.len);
        if (full || (!ls->conf.proxy && !skt_acl_allows(ls->conf.acl, &peer))) {
            full ? rt->stats.refused++ : rt->stats.denied++;
            close(fd);
            continue;
        }
        start(rt, l, fd, &peer);
    }
}

void listener_left(struct skt_rt *rt, struct link *l)
{
    struct link *ls_link = link_of(rt, l->via);
    struct listener *ls = ls_link ? ls_link->x->listener : NULL;

    if (!ls) /* the listener went first */
        return;
    ls->conns--;
    if (ls->paused) {
        ls->paused = false;
        link_want(rt, ls_link, EPOLLIN);
    }
}

/* What has come of the header is taken, but not a byte of what follows it. */
void listener_proxy(struct skt_rt *rt, struct link *l)
{
    const struct link *ls_link = link_of(rt, l->via);
    const struct skt_acl *acl = ls_link ? ls_link->x->listener->conf.acl : NULL;
    struct skt_addr peer = sock_peer(l->fd), to;
    struct extra *x = l->x;
    struct skt_span in;
    uint8_t *tail;
    ssize_t n;
    int r;

    if (!x->head && !(x->head = malloc(SKT_PROXY_MAX))) {
        link_gone(rt, l, -ENOMEM);
        return;
    }
    tail = x->head + x->head_n;
    n = recv(l->fd, tail, SKT_PROXY_MAX - x->head_n, MSG_PEEK | MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    in = skt_span_of(x->head, x->head_n + (n > 0 ? (size_t)n : 0));
    r = n <= 0 || !ls_link ? -ECONNRESET : skt_proxy_get(&in, &peer, &to);
    if (r == -EAGAIN) { /* all of it is header; left in the socket it would wake us again and again */
        (void)!recv(l->fd, tail, (size_t)n, MSG_DONTWAIT);
        x->head_n += (uint16_t)n;
        return;
    }
    if (r || !skt_acl_allows(acl, &peer)) {
        rt->stats.denied++;
        link_gone(rt, l, r ? r : -EACCES);
        return;
    }
    (void)!recv(l->fd, tail, (size_t)(in.p - tail), MSG_DONTWAIT);
    free(x->head);
    x->head = NULL;
    l->x->proxy = false;
    l->x->peer = peer;
    stream_opened(rt, l, &peer);
}
