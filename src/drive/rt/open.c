/* open: from a text to a connection: resolve, happy eyeballs, connect, TLS, all inside one deadline. Also commands. */
#include "drive/rt/inside.h"

#include "base/text.h"
#include "drive/dns.h"
#include "drive/eyeballs.h"
#include "drive/tls.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

enum step { START, RESOLVE, TRY };
#define OPEN_TIMEOUT (10 * SKT_SEC)

struct opening {
    enum step step;
    struct skt_endpoint to;
    struct skt_tls *tls;
    char *command;    /* EXEC; owned */
    char source[300]; /* "": any */
    uint8_t family;   /* SKT_IP4, SKT_IP6; else both */
    bool pmtu, doubt;
    skt_time wake; /* step again then */
    struct skt_eyeballs eyes;
    int fds[SKT_EYEBALLS_MAX]; /* of attempts under way; -1 */
};

static int bad_text(struct skt_rt *rt, struct link *l, const char *text)
{
    link_why(rt, l, "%s", text);
    return -EINVAL;
}

int open_start(struct skt_rt *rt, struct link *l, const char *where, const struct skt_open_conf *conf)
{
    char text[256];
    struct skt_room why = skt_room_of(text, sizeof text - 1);
    struct opening *o;

    if (!link_extra(l) || !(o = l->x->opening = calloc(1, sizeof *o)))
        return -ENOMEM;
    memset(o->fds, -1, sizeof o->fds);
    l->known = true;
    if (skt_endpoint_parse(where, &o->to, &why)) {
        *why.p = 0;
        return bad_text(rt, l, text);
    }
    if (o->to.scheme == SKT_EXEC && !(o->command = strdup(o->to.command)))
        return -ENOMEM;
    if (o->to.scheme == SKT_TLS && !conf->tls)
        return bad_text(rt, l, "a tls: address needs TLS to be set up");
    o->tls = o->to.scheme == SKT_TLS || (conf->tls && o->to.scheme != SKT_UDP && o->to.scheme != SKT_EXEC) ? conf->tls
                                                                                                           : NULL;
    if (conf->source)
        snprintf(o->source, sizeof o->source, "%s", conf->source);
    l->idle_ms = link_idle(conf->idle);
    o->family = conf->family;
    o->pmtu = conf->pmtu;
    o->doubt = conf->doubt;
    l->socket = true;
    l->x->deadline = rt->now + (conf->timeout ? conf->timeout : OPEN_TIMEOUT);
    o->wake = rt->now; /* begins in the next turn: nothing is told before this returns */
    return link_timer(rt, l);
}

int skt_rt_open(struct skt_rt *rt, int engine, const char *where, const struct skt_open_conf *conf, skt_link *ret_link)
{
    static const struct skt_open_conf none;
    struct link *l;
    int r = link_new(rt, engine, OPENING, &l);

    if (r)
        return r;
    r = open_start(rt, l, where, conf ? conf : &none);
    *ret_link = link_id(l);
    if (r) {
        l->known = false; /* the caller is told here */
        link_gone(rt, l, r);
    }
    return r;
}

static void attempts_close(struct opening *o)
{
    for (int i = 0; i < SKT_EYEBALLS_MAX; i++) {
        if (o->fds[i] >= 0)
            close(o->fds[i]);
        o->fds[i] = -1;
    }
}

void open_free(struct skt_rt *rt, struct extra *x)
{
    if (!x->opening)
        return;
    attempts_close(x->opening);
    free(x->opening->command);
    free(x->opening);
    x->opening = NULL;
}

skt_time open_wake(const struct link *l) { return l->x->opening->wake; }

static void fail(struct skt_rt *rt, struct link *l, const char *stage, const char *what, int err, const char *text)
{
    link_why(rt, l, "%s %s: %s", stage, what, text ? text : strerror(-err));
    link_gone(rt, l, err);
}

/* --- connected --- */

static void connected(struct skt_rt *rt, struct link *l, int fd)
{
    struct opening *o = l->x->opening;
    struct skt_addr peer = sock_peer(fd), local = sock_local(fd);
    bool datagrams = o->to.scheme == SKT_UDP || o->to.scheme == SKT_UNIXGRAM;
    struct skt_tls *tls = o->tls;
    bool pmtu = o->pmtu, doubt = o->doubt;
    char host[256];
    int r;

    snprintf(host, sizeof host, "%s", o->to.host);
    l->fd = l->out = fd;
    l->x->peer = peer;
    open_free(rt, l->x);
    if (datagrams) {
        struct skt_in in = { .kind = SKT_OPEN, .peer = &peer };
        l->x->deadline = 0;
        if (pmtu)
            sock_pmtu(fd);
        if ((r = dgram_start(rt, l, doubt)))
            link_gone(rt, l, r);
        else
            tell(rt, l, &in);
        return;
    }
    if (peer.family != SKT_LOCAL) {
        sock_stream_options(fd);
        if (!rt->conf.cc_system && sock_is_here(&local, &peer))
            sock_fast_cc(fd);
    }
    if (tls && (r = tlslink_start(rt, l, tls, *host ? host : NULL))) {
        link_gone(rt, l, r);
        return;
    }
    stream_opened(rt, l, &peer);
}

/* --- attempts --- */

static int bind_source(const struct opening *o, int fd, uint8_t family)
{
    struct skt_addr addr = { .family = family };
    struct skt_endpoint e;
    struct sock_name name;
    int r, on = 1;

    if (!o->source[0])
        return 0;
    if (skt_addr_parse(o->source, &addr)) {
        if ((r = skt_endpoint_parse(o->source[0] == ':' ? o->source + 1 : o->source, &e, NULL)))
            return r;
        addr = (struct skt_addr){ .family = family, .port = e.port };
    }
    if (addr.family != family)
        return -EAFNOSUPPORT;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sock_of_addr(&addr, &name);
    return bind(fd, (struct sockaddr *)&name.ss, name.len) ? -errno : 0;
}

/* 0: connected; -EINPROGRESS; else it failed and *ret_fd is -1. */
static int attempt(const struct opening *o, const struct skt_addr *addr, int *ret_fd)
{
    int type = o->to.scheme == SKT_UDP ? SOCK_DGRAM : SOCK_STREAM, fd, r;
    struct sock_name name;

    sock_of_addr(addr, &name);
    *ret_fd = -1;
    fd = socket(name.ss.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    r = bind_source(o, fd, addr->family);
    if (!r && connect(fd, (struct sockaddr *)&name.ss, name.len))
        r = errno == EINTR ? -EINPROGRESS : -errno; /* POSIX: it goes on */
    if (r && r != -EINPROGRESS)
        close(fd);
    else
        *ret_fd = fd;
    return r;
}

static void won(struct skt_rt *rt, struct link *l, uint32_t i)
{
    struct opening *o = l->x->opening;
    int fd = o->fds[i];

    skt_eyeballs_won(&o->eyes, i);
    o->fds[i] = -1;
    attempts_close(o);
    connected(rt, l, fd);
}

static void all_failed(struct skt_rt *rt, struct link *l)
{
    struct opening *o = l->x->opening;
    uint32_t i = 0;
    int why = skt_eyeballs_why(&o->eyes, &i);
    char text[80];
    struct skt_room room = skt_room_of(text, sizeof text - 1);

    if (o->eyes.n)
        skt_put_addr(&room, &o->eyes.addr[i]);
    *room.p = 0;
    fail(rt, l, "connect", o->eyes.n ? text : o->to.host, why, NULL);
}

void open_late(struct skt_rt *rt, struct link *l)
{
    const struct opening *o = l->x->opening;
    char text[80];
    struct skt_room room = skt_room_of(text, sizeof text - 1);

    if (o->step != TRY) {
        link_why(rt, l, "resolve %s: no answer in time", o->to.host);
        return;
    }
    skt_put_addr(&room, &o->eyes.addr[0]);
    *room.p = 0;
    link_why(rt, l, "connect %s: no answer in time", text);
}

/* Starts what is due; the first of them all may win at once. */
static void try_more(struct skt_rt *rt, struct link *l)
{
    struct opening *o = l->x->opening;
    uint32_t i;

    while (skt_eyeballs_next(&o->eyes, rt->now, &i)) {
        struct epoll_event ev = { .events = EPOLLOUT, .data.u64 = link_id(l) | (uint64_t)(i + 1) << 32 };
        int r = attempt(o, &o->eyes.addr[i], &o->fds[i]);

        if (r == -EINPROGRESS && epoll_ctl(rt->epoll, EPOLL_CTL_ADD, o->fds[i], &ev))
            r = -errno;
        if (!r) {
            won(rt, l, i);
            return;
        }
        if (r != -EINPROGRESS)
            skt_eyeballs_failed(&o->eyes, rt->now, i, r);
    }
    if (skt_eyeballs_all_failed(&o->eyes)) {
        all_failed(rt, l);
        return;
    }
    o->wake = skt_eyeballs_wake(&o->eyes);
    (void)link_timer(rt, l);
}

/* A connect to our own host may meet itself when nobody listens on the port: that is a refusal. */
static bool met_itself(int fd)
{
    struct skt_addr local = sock_local(fd), peer = sock_peer(fd);

    return local.family != SKT_LOCAL && local.port == peer.port && !memcmp(local.ip, peer.ip, sizeof local.ip);
}

void open_event(struct skt_rt *rt, struct link *l, uint32_t tag, unsigned events)
{
    struct opening *o = l->x ? l->x->opening : NULL;
    uint32_t i = tag - 1;
    socklen_t len = sizeof(int);
    int err = 0;

    if (!o || i >= SKT_EYEBALLS_MAX || o->fds[i] < 0)
        return;
    (void)getsockopt(o->fds[i], SOL_SOCKET, SO_ERROR, &err, &len);
    if (!err && met_itself(o->fds[i]))
        err = ECONNREFUSED;
    if (!err) {
        (void)epoll_ctl(rt->epoll, EPOLL_CTL_DEL, o->fds[i], NULL); /* the link registers it as its own */
        won(rt, l, i);
        return;
    }
    close(o->fds[i]);
    o->fds[i] = -1;
    skt_eyeballs_failed(&o->eyes, rt->now, i, -err);
    try_more(rt, l);
}

/* --- resolve --- */

static void answer(struct skt_rt *rt, const struct skt_dns_answer *a)
{
    struct link *l = link_of(rt, a->token);
    struct opening *o = l && l->x ? l->x->opening : NULL;

    if (!o || o->step != RESOLVE)
        return;
    if (a->why) {
        fail(rt, l, "resolve", o->to.host, a->why, a->text);
        return;
    }
    o->step = TRY;
    skt_eyeballs_init(&o->eyes, a->addrs, a->n, 0);
    try_more(rt, l);
}

void open_dns(struct skt_rt *rt)
{
    struct skt_dns_answer a;

    while (skt_dns_next(rt->dns, &a))
        answer(rt, &a);
}

static void resolve(struct skt_rt *rt, struct link *l)
{
    struct opening *o = l->x->opening;
    const char *host = o->to.host[0] && strcmp(o->to.host, "*") != 0 ? o->to.host : "localhost";
    int r = rt_dns(rt);

    o->step = RESOLVE;
    o->wake = SKT_NEVER;
    if (!r)
        r = skt_dns_ask_for(rt->dns, link_id(l), host, o->to.port, o->family);
    if (r)
        fail(rt, l, "resolve", host, r, r == -EINVAL ? "not a host name" : NULL);
    else
        open_dns(rt);
}

/* --- Unix sockets and commands --- */

static void open_unix(struct skt_rt *rt, struct link *l)
{
    struct opening *o = l->x->opening;
    bool datagrams = o->to.scheme == SKT_UNIXGRAM;
    struct sock_name name;
    int r = sock_unix(o->to.path, &name), fd;
    sa_family_t family = AF_UNIX;

    fd = r ? -1 : socket(AF_UNIX, (datagrams ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && datagrams) /* a name of its own, chosen by the kernel: else there is no answer */
        (void)bind(fd, (struct sockaddr *)&family, sizeof family);
    if (fd >= 0 && !connect(fd, (struct sockaddr *)&name.ss, name.len)) {
        connected(rt, l, fd);
        return;
    }
    r = r ? r : -errno;
    if (fd >= 0)
        close(fd);
    fail(rt, l, "connect", o->to.path, r == -EAGAIN ? -ECONNREFUSED : r, NULL); /* EAGAIN: its backlog is full */
}

static int spawn(const char *command, int fd, pid_t *ret_pid)
{
    char *const argv[] = { (char *)"sh", (char *)"-c", (char *)command, NULL };
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t defaults;
    int r;

    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    sigaddset(&defaults, SIGINT);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fd, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, fd, STDOUT_FILENO);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setsigdefault(&attr, &defaults);
    r = posix_spawn(ret_pid, "/bin/sh", &actions, &attr, argv, environ);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&actions);
    return -r;
}

static void open_exec(struct skt_rt *rt, struct link *l)
{
    struct opening *o = l->x->opening;
    pid_t pid = 0;
    int pair[2], r = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) ? -errno : 0;

    if (!r) {
        r = spawn(o->command, pair[1], &pid);
        close(pair[1]);
        if (r)
            close(pair[0]);
    }
    if (r) {
        fail(rt, l, "run", o->command, r, NULL);
        return;
    }
    l->x->child = pid;
    connected(rt, l, pair[0]);
}

void open_step(struct skt_rt *rt, struct link *l)
{
    struct opening *o = l->x->opening;

    if (o->step != START) {
        if (o->step == TRY)
            try_more(rt, l);
        return;
    }
    switch (o->to.scheme) {
    case SKT_TCP:
    case SKT_TLS:
    case SKT_UDP: resolve(rt, l); break;
    case SKT_UNIX:
    case SKT_UNIXGRAM: open_unix(rt, l); break;
    case SKT_EXEC: open_exec(rt, l); break;
    case SKT_FD: connected(rt, l, o->to.fd); break;
    }
}

/* --- children --- */

static void exited(struct skt_rt *rt, skt_link link, int status)
{
    uint32_t i = (rt->first_exit + rt->n_exits) % EXITS_MAX;

    rt->exits[i].link = link;
    rt->exits[i].status = status;
    if (rt->n_exits < EXITS_MAX)
        rt->n_exits++;
    else
        rt->first_exit = (rt->first_exit + 1) % EXITS_MAX;
}

bool skt_rt_exited(struct skt_rt *rt, skt_link *ret_link, int *ret_status)
{
    if (!rt->n_exits)
        return false;
    *ret_link = rt->exits[rt->first_exit].link;
    *ret_status = rt->exits[rt->first_exit].status;
    rt->first_exit = (rt->first_exit + 1) % EXITS_MAX;
    rt->n_exits--;
    return true;
}

/* Nothing else wakes us when a command ends. */
static void reap_in(struct skt_rt *rt, skt_time span)
{
    rt->reap_at = rt->now + span;
    (void)skt_heap_push(&rt->timers, rt->reap_at, 0); /* of no link. No memory: any other turn will do */
}

/* A command whose conversation is over is asked to end, unless it ended the conversation itself. */
void children_add(struct skt_rt *rt, const struct link *l)
{
    pid_t pid = l->x->child;
    int status;

    if (!pid)
        return;
    if (waitpid(pid, &status, WNOHANG) == pid) {
        exited(rt, link_id(l), status);
        return;
    }
    if (!l->in_end)
        (void)kill(-pid, SIGTERM);
    if (rt->n_children == rt->children_room) {
        uint32_t room = rt->children_room ? 2 * rt->children_room : 16;
        struct child *more = realloc(rt->children, room * sizeof *more);
        if (!more)
            return; /* it stays a zombie and goes with us */
        rt->children = more;
        rt->children_room = room;
    }
    rt->children[rt->n_children++] = (struct child){ pid, link_id(l) };
    reap_in(rt, REAP_SOON);
}

void children_reap(struct skt_rt *rt)
{
    for (uint32_t i = 0; i < rt->n_children; i++) {
        struct child *c = &rt->children[i];
        int status;
        pid_t pid = waitpid(c->pid, &status, WNOHANG);

        if (!pid)
            continue;
        if (pid > 0)
            exited(rt, c->link, status);
        rt->children[i--] = rt->children[--rt->n_children];
    }
    if (rt->n_children)
        reap_in(rt, REAP_TIME);
}
