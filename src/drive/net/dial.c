/* dial: from "host:port" to a connected façade socket, within one deadline. Start reading at skt_dial(). */
#include "drive/net/inside.h"

#include "base/text.h"
#include "drive/dns.h"
#include "drive/eyeballs.h"

#include <sockit/tls.h>

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- resolving ---- */

static int ask(const char *host, uint16_t port, skt_time deadline, struct skt_dns_answer *ret_answer)
{
    skt_auto(skt_dns) struct skt_dns *dns = NULL;
    int r = skt_dns_new(NULL, &dns);

    if (!r)
        r = skt_dns_ask(dns, 0, host, port);
    while (!r && !skt_dns_next(dns, ret_answer)) {
        struct pollfd p = { .fd = skt_dns_fd(dns), .events = POLLIN };
        skt_time now = skt_now(), wake = skt_dns_wake(dns, now);

        if (now >= deadline && deadline != SKT_NEVER)
            r = -ETIMEDOUT;
        else if ((r = net_poll(&p, 1, wake < deadline ? wake : deadline)) >= 0)
            r = 0;
        skt_dns_step(dns, skt_now());
    }
    return r;
}

int net_resolve(const char *what, const struct skt_endpoint *to, skt_time deadline, struct skt_dns_answer *ret_answer,
    struct skt_err *err)
{
    int r = ask(to->host, to->port, deadline, ret_answer);

    if (r)
        return net_err(err, SKT_AT_RESOLVE, r, NULL, what, r == -EINVAL ? "that is no host name" : NULL);
    return ret_answer->why ? net_err(err, SKT_AT_RESOLVE, ret_answer->why, NULL, what, ret_answer->text) : 0;
}

int net_parse(const char *what, const char *where, struct skt_endpoint *ret_to, struct skt_err *err)
{
    char text[200];
    struct skt_room why = skt_room_of(text, sizeof text - 1);
    int r = skt_endpoint_parse(where, ret_to, &why);

    *why.p = 0;
    return r ? net_err(err, SKT_AT_RESOLVE, r, NULL, what, text[0] ? text : NULL) : 0;
}

int skt_resolve(const char *where, skt_time deadline, struct skt_addr *ret_addrs, size_t max, struct skt_err *err)
{
    struct skt_endpoint to;
    struct skt_dns_answer answer = { 0 };
    size_t n;
    int r = net_parse("resolve", where, &to, err);

    if (!r && to.scheme != SKT_TCP && to.scheme != SKT_UDP && to.scheme != SKT_TLS)
        r = net_err(err, SKT_AT_RESOLVE, -EINVAL, NULL, "resolve", "not HOST:PORT");
    if (!r)
        r = net_resolve(where, &to, deadline, &answer, err);
    if (r)
        return r;
    n = answer.n < max ? answer.n : max;
    memcpy(ret_addrs, answer.addrs, n * sizeof *ret_addrs);
    return (int)n;
}

/* ---- attempts ---- */

struct race {
    struct skt_eyeballs e;
    int type;                 /* SOCK_STREAM, SOCK_DGRAM */
    struct skt_addr source;   /* SKT_NOWHERE: any address; its port may still be asked for */
    int fd[SKT_EYEBALLS_MAX]; /* of those that e is trying */
};

static int bind_source(int fd, const struct race *race, uint8_t family)
{
    static const int on = 1;
    struct skt_addr from = race->source;
    struct sock_name name;

    if (from.family == SKT_NOWHERE) {
        if (!from.port)
            return 0;
        from.family = family;
    }
    if (from.family != family)
        return -EAFNOSUPPORT;
    sock_of_addr(&from, &name);
    if (from.port)
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    else /* the port is chosen by connect, which knows the peer: no run out of ports */
        (void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    return bind(fd, (struct sockaddr *)&name.ss, name.len) ? -errno : 0;
}

/* 0: connected; -EINPROGRESS: poll fd for POLLOUT; -errno: it failed, no fd. */
static int attempt(const struct race *race, const struct skt_addr *to, int *ret_fd)
{
    struct sock_name name;
    int fd, r;

    sock_of_addr(to, &name);
    fd = socket(name.ss.ss_family, race->type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    r = bind_source(fd, race, to->family);
    if (!r && connect(fd, (struct sockaddr *)&name.ss, name.len))
        r = errno == EINTR ? -EINPROGRESS : -errno; /* connect(2): an interrupted one goes on */
    if (r && r != -EINPROGRESS)
        close(fd);
    else
        *ret_fd = fd;
    return r;
}

/* Is the other end somebody else? A port of this machine where nobody listens may connect to itself, when the kernel
 * draws the same number for our end: refused. 0 or -errno. */
static int meet(int fd)
{
    struct skt_addr a = sock_local(fd), b = sock_peer(fd);

    if (b.family == SKT_NOWHERE)
        return -ENOTCONN; /* gone already */
    return a.family == b.family && a.port == b.port && a.id == b.id && !memcmp(a.ip, b.ip, sizeof a.ip) ? -ECONNREFUSED
                                                                                                        : 0;
}

static void reset(int fd)
{
    static const struct linger now = { .l_onoff = 1 };

    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now); /* no TIME_WAIT, which would hold the port */
    close(fd);
}

/* The attempt has an end: 0 won, else it failed. */
static void ended(struct race *race, uint32_t i, int why)
{
    if (!why)
        why = meet(race->fd[i]);
    if (!why) {
        skt_eyeballs_won(&race->e, i);
        return;
    }
    if (race->fd[i] >= 0)
        reset(race->fd[i]);
    skt_eyeballs_failed(&race->e, skt_now(), i, why);
}

static void start_due(struct race *race)
{
    uint32_t i;

    while (!race->e.over && skt_eyeballs_next(&race->e, skt_now(), &i)) {
        int r;

        race->fd[i] = -1;
        r = attempt(race, &race->e.addr[i], &race->fd[i]);
        if (r != -EINPROGRESS)
            ended(race, i, r);
    }
}

static int so_error(int fd)
{
    int why = 0;
    socklen_t len = sizeof why;

    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &len) ? -errno : -why;
}

/* Waits until attempts end or the next is due. 0, -ETIMEDOUT, -errno. */
static int wait_attempts(struct race *race, skt_time deadline)
{
    struct pollfd polls[SKT_EYEBALLS_MAX];
    uint32_t of[SKT_EYEBALLS_MAX];
    skt_time wake = skt_eyeballs_wake(&race->e);
    size_t n = 0;
    int r;

    for (uint32_t i = 0; i < race->e.n; i++)
        if (skt_eyeballs_trying(&race->e, i)) {
            of[n] = i;
            polls[n++] = (struct pollfd){ .fd = race->fd[i], .events = POLLOUT };
        }
    r = net_poll(polls, n, wake < deadline ? wake : deadline);
    for (size_t k = 0; r > 0 && k < n && !race->e.over; k++)
        if (polls[k].revents)
            ended(race, of[k], so_error(race->fd[of[k]]));
    return r < 0 ? r : r == 0 && deadline <= wake ? -ETIMEDOUT : 0;
}

/* Gives the connected descriptor, or -errno and whose fault it was. */
static int run(struct race *race, skt_time deadline, uint32_t *ret_i)
{
    int r = 0;

    start_due(race);
    while (!r && !race->e.over && !skt_eyeballs_all_failed(&race->e)) {
        r = wait_attempts(race, deadline);
        start_due(race);
    }
    for (uint32_t i = 0; i < race->e.started; i++)
        if (skt_eyeballs_trying(&race->e, i))
            close(race->fd[i]);
    *ret_i = race->e.over ? race->e.winner : 0;
    if (race->e.over)
        return race->fd[race->e.winner];
    return r ? r : skt_eyeballs_why(&race->e, ret_i);
}

/* ":PORT", "HOST", "HOST:PORT", numeric. */
static int source_parse(const char *text, struct skt_addr *ret_source)
{
    struct skt_addr addr = { .family = SKT_NOWHERE };
    bool port_only = text[0] == ':' && text[1] != ':';
    int r = port_only ? skt_port_parse(text + 1, &addr.port, NULL) : skt_addr_parse(text, &addr);

    if (!r)
        *ret_source = addr;
    return r;
}

/* ---- dialling ---- */

struct dial {
    const char *what; /* "connect localhost:80" */
    const struct skt_dial_conf *conf;
    struct skt_endpoint to;
    skt_time deadline;
    struct skt_err *err;
};

/* The descriptor becomes a socket, or is closed. */
static int wrap(const struct dial *d, int fd, struct skt_sock **ret_sock)
{
    int r = net_new(fd, ret_sock);

    if (r) {
        close(fd);
        return net_err(d->err, SKT_AT_LIMIT, r, NULL, d->what, NULL);
    }
    if (!(*ret_sock)->dgram)
        sock_stream_options(fd);
    return 0;
}

static enum skt_stage stage_of(int why) { return why == -EMFILE || why == -ENFILE ? SKT_AT_LIMIT : SKT_AT_CONNECT; }

static int dial_inet(const struct dial *d, struct skt_sock **ret_sock)
{
    struct race race = { .type = d->to.scheme == SKT_UDP ? SOCK_DGRAM : SOCK_STREAM };
    struct skt_dns_answer answer = { 0 };
    uint32_t i = 0;
    int r = d->conf->source ? source_parse(d->conf->source, &race.source) : 0;

    if (r)
        return net_err(d->err, SKT_AT_BIND, r, NULL, d->what, "the source is not a numeric [HOST][:PORT]");
    r = net_resolve(d->what, &d->to, d->deadline, &answer, d->err);
    if (r)
        return r;
    skt_eyeballs_init(&race.e, answer.addrs, answer.n, 0);
    r = run(&race, d->deadline, &i);
    return r < 0 ? net_err(d->err, stage_of(r), r, &race.e.addr[i], d->what, NULL) : wrap(d, r, ret_sock);
}

/* A full backlog says EAGAIN, and no event tells when there is room: ask again from time to time. */
static int connect_path(int fd, const struct sock_name *name, skt_time deadline)
{
    while (connect(fd, (const struct sockaddr *)&name->ss, name->len)) {
        if (errno != EAGAIN && errno != EINTR)
            return -errno;
        if (skt_now() >= deadline)
            return -ETIMEDOUT;
        net_nap(5 * SKT_MS, deadline);
    }
    return 0;
}

static int dial_unix(const struct dial *d, struct skt_sock **ret_sock)
{
    bool dgram = d->to.scheme == SKT_UNIXGRAM;
    struct sockaddr_un any = { .sun_family = AF_UNIX };
    struct sock_name name;
    int r = sock_unix(d->to.path, &name);
    int fd = r ? -1 : socket(AF_UNIX, (dgram ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (!r && fd < 0)
        r = -errno;
    /* A name of the kernel's choice, without a file, so that the other end can answer. unix(7), autobind */
    if (!r && dgram && bind(fd, (struct sockaddr *)&any, sizeof any.sun_family))
        r = -errno;
    if (!r)
        r = connect_path(fd, &name, d->deadline);
    if (!r)
        return wrap(d, fd, ret_sock);
    if (fd >= 0)
        close(fd);
    return net_err(d->err, stage_of(r), r, NULL, d->what, NULL);
}

int net_adopt(int fd, struct skt_sock **ret_sock)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK))
        return -errno;
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC); /* it is a descriptor, as F_GETFL has shown */
    return net_new(fd, ret_sock);
}

static int dial_fd(const struct dial *d, struct skt_sock **ret_sock)
{
    int r = net_adopt(d->to.fd, ret_sock);

    return r ? net_err(d->err, SKT_AT_CONNECT, r, NULL, d->what, NULL) : 0;
}

/* Without a conf: the system's authorities and the name that was dialled. */
static int start_tls(const struct dial *d, struct skt_sock *s)
{
    skt_auto(skt_tls) struct skt_tls *own = NULL;
    char text[200];
    struct skt_room why = skt_room_of(text, sizeof text - 1);
    int r = d->conf->tls ? 0 : skt_tls_new(&(struct skt_tls_conf){ 0 }, &own, &why);

    *why.p = 0;
    if (r)
        return net_err(d->err, SKT_AT_TLS, r, &s->peer, d->what, text[0] ? text : NULL);
    r = net_tls_start(s, own ? own : d->conf->tls, d->to.host);
    if (!r)
        r = net_tls_shake(s, d->deadline);
    if (r && d->err)
        *d->err = s->err;
    return r;
}

static int dial_any(const struct dial *d, struct skt_sock **ret_sock)
{
    switch (d->to.scheme) {
    case SKT_TCP:
    case SKT_UDP:
    case SKT_TLS: return dial_inet(d, ret_sock);
    case SKT_UNIX:
    case SKT_UNIXGRAM: return dial_unix(d, ret_sock);
    case SKT_FD: return dial_fd(d, ret_sock);
    case SKT_EXEC: break;
    }
    return net_err(d->err, SKT_AT_CONNECT, -EOPNOTSUPP, NULL, d->what, "a command is not a socket");
}

int skt_dial(const char *where, const struct skt_dial_conf *conf, skt_time deadline, struct skt_sock **ret_sock,
    struct skt_err *err)
{
    static const struct skt_dial_conf defaults;
    char what[8 + 256] = "connect ";
    struct dial d = { .what = what, .conf = conf ? conf : &defaults, .deadline = deadline, .err = err };
    struct skt_sock *s = NULL;
    int r;

    net_put_where(what + strlen(what), sizeof what - strlen(what), where);
    r = net_parse(what, where, &d.to, err);
    if (!r)
        r = dial_any(&d, &s);
    if (r)
        return r;
    assert(s);
    if (d.to.scheme == SKT_TLS)
        r = start_tls(&d, s);
    if (r)
        skt_sock_close(s);
    else
        *ret_sock = s;
    return r;
}
