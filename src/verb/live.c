/* live: a runtime, with what every verb needs around it. */
#include "verb/live.h"

#include "base/text.h"
#include "drive/plug.h"
#include "drive/sandbox.h"
#include "drive/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { LINKS_DEFAULT_MAX = 200 * 1000, FDS_OF_OURS = 32, ALSO_MAX = 64 };

/* Signals belong to the process: its runtimes are stopped, whichever turn they are in. */
static struct skt_rt *runtimes[ALSO_MAX];
static volatile sig_atomic_t n_runtimes, interrupted, hangup;
static int terminal = -1; /* copy of a standard descriptor that is one: when it hangs up, we end. -1: none, or nohup */

static void on_signal(int sig)
{
    int saved = errno;

    if (sig == SIGHUP)
        hangup = 1;
    else
        interrupted = 1;
    for (int i = 0; i < n_runtimes && (i == 0 || sig != SIGHUP); i++) /* SIGHUP is for live_step alone */
        skt_rt_stop(runtimes[i]);
    errno = saved;
}

void live_also_stop(struct skt_rt *rt)
{
    if (n_runtimes < ALSO_MAX) {
        runtimes[n_runtimes] = rt;
        n_runtimes++;
    }
}

static void catch_signals(void)
{
    struct sigaction act = { .sa_handler = on_signal, .sa_flags = SA_RESTART }, before;

    sigaction(SIGINT, &act, NULL);
    sigaction(SIGTERM, &act, NULL);
    if (!sigaction(SIGHUP, &act, &before) && before.sa_handler != SIG_IGN)
        for (int fd = 2; fd >= 0 && terminal < 0; fd--)
            terminal = isatty(fd) ? fcntl(fd, F_DUPFD_CLOEXEC, 3) : -1;
}

bool live_interrupted(void) { return interrupted != 0; }

skt_time live_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * SKT_SEC + t.tv_nsec;
}

/* As many descriptors as the administrator allows. */
static uint32_t raise_limit(void)
{
    struct rlimit lim;

    if (getrlimit(RLIMIT_NOFILE, &lim))
        return 1024 - FDS_OF_OURS;
    lim.rlim_cur = lim.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &lim);
    (void)getrlimit(RLIMIT_NOFILE, &lim);
    if (lim.rlim_cur > LINKS_DEFAULT_MAX)
        return LINKS_DEFAULT_MAX;
    return lim.rlim_cur > 2 * FDS_OF_OURS ? (uint32_t)lim.rlim_cur - FDS_OF_OURS : FDS_OF_OURS;
}

int live_open(struct live *live, struct skt_cli *cli, const struct skt_rt_conf *conf)
{
    struct skt_rt_conf c = conf ? *conf : (struct skt_rt_conf){ 0 };
    uint32_t most = raise_limit();
    int r;

    *live = (struct live){ .cli = cli };
    if (!c.max_links || c.max_links > most)
        c.max_links = most;
    if (cli->pcap) {
        struct skt_tap_conf tap = { .wall = skt_tap_wall() };
        if ((r = skt_tap_open(cli->pcap, &tap, &live->tap)))
            return skt_cli_fail(cli, SKT_PHASE_FILE, r, cli->pcap);
        c.tap = live->tap;
    }
    if ((r = skt_rt_new(&c, &live->rt)))
        return skt_cli_fail(cli, SKT_PHASE_ANY, r, "runtime");
    n_runtimes = 0;
    live_also_stop(live->rt);
    catch_signals();
    return 0;
}

int live_tls_unused(struct skt_cli *cli, const struct skt_opt *opts, bool tls)
{
    static const char *const names[] = { "cert", "key", "cacert", "pin", "insecure", "servername", "alpn", "keylog",
        "pcap-plain" };

    for (size_t i = 0; i < sizeof names / sizeof *names && !tls; i++)
        if (skt_cli_given(cli, opts, names[i]))
            return skt_cli_usage(cli, "--%s is about TLS: add --tls", names[i]);
    return 0;
}

int live_family(struct skt_cli *cli, const struct skt_opt *opts, const struct live_family *o, const char *unused,
    uint8_t *ret_family)
{
    if (unused && (skt_cli_given(cli, opts, "ipv4") || skt_cli_given(cli, opts, "ipv6")))
        return skt_cli_usage(cli, "%s", unused);
    if (o->ip4 && o->ip6)
        return skt_cli_usage(cli, "--ipv4 and --ipv6 exclude each other");
    *ret_family = o->ip4 ? SKT_IP4 : o->ip6 ? SKT_IP6 : SKT_NOWHERE;
    return 0;
}

int live_tls(struct live *live, const struct live_tls *o, bool server)
{
    char text[512];
    struct skt_room why = skt_room_of(text, sizeof text - 1);
    struct skt_tls_conf conf = { .server = server,
        .cert = o->cert,
        .key = o->key,
        .cacert = o->cacert,
        .pin = o->pin,
        .name = o->name,
        .insecure = o->insecure,
        .alpn = o->alpn,
        .keylog = o->keylog };
    int r;

    if (!o->tls)
        return 0;
    if (server && !o->cert)
        return skt_cli_usage(live->cli, "--tls of a server needs --cert FILE");
    r = skt_tls_new(&conf, &live->tls, &why);
    if (!r) {
        live->tls_files = o;
        return 0;
    }
    *why.p = 0;
    return skt_cli_fail_why(live->cli, r == -ENOENT || r == -EACCES ? SKT_PHASE_FILE : SKT_PHASE_TLS, r, text);
}

int live_close(struct live *live, int code)
{
    int r;

    n_runtimes = 0;
    skt_rt_free(live->rt);
    skt_tls_free(live->tls);
    r = skt_tap_close(live->tap);
    if (r)
        r = skt_cli_fail(live->cli, SKT_PHASE_FILE, r, live->cli->pcap);
    return code ? code : r;
}

/* SIGHUP says two things: a person wants files read anew, or the terminal was closed. */
static bool terminal_is_gone(void) { return terminal >= 0 && !isatty(terminal); }

static void reload(struct live *live)
{
    char text[512];
    struct skt_room why = skt_room_of(text, sizeof text - 1);

    hangup = 0;
    live->hung_up = true;
    if (!live->tls)
        return;
    if (skt_tls_reload(live->tls, &why)) {
        *why.p = 0;
        skt_cli_warn(live->cli, "certificate not changed: %s", text);
    } else {
        skt_cli_say(live->cli, "certificate read anew");
    }
}

int live_step(struct live *live)
{
    int r = interrupted ? -EINTR : skt_rt_step(live->rt);

    if (hangup && terminal_is_gone()) {
        interrupted = 1;
        return -EINTR;
    }
    if (hangup)
        reload(live);
    if (r == -EINTR && !interrupted)
        return 1;
    return r;
}

/* An engine without links: it only wakes. */
static void clock_recv(void *self, skt_time now, struct skt_in *in) {}
static bool clock_send(void *self, skt_time now, struct skt_out *out) { return false; }
static skt_time clock_wake(const void *self) { return ((const struct live *)self)->due; }

static const struct skt_engine_ops clock_ops = { clock_recv, clock_send, clock_wake };

int live_every(struct live *live, skt_time every)
{
    int r;

    if (!every)
        return 0;
    live->every = every;
    live->due = live_now() + every;
    r = skt_rt_add(live->rt, (struct skt_engine){ &clock_ops, live });
    return r < 0 ? skt_cli_fail(live->cli, SKT_PHASE_ANY, r, "runtime") : 0;
}

bool live_due(struct live *live)
{
    if (!live->every || skt_rt_now(live->rt) < live->due)
        return false;
    live->due += live->every;
    if (live->due < skt_rt_now(live->rt)) /* we were held up: what was missed is not made up for */
        live->due = skt_rt_now(live->rt) + live->every;
    return true;
}

void live_unsaid(struct live_lines *l, struct skt_cli *cli)
{
    static const char text[] = "... and %llu more lines";
    unsigned long long n = l->unsaid;

    if (n && l->warned)
        skt_cli_answer(cli, text, n);
    else if (n)
        skt_cli_say(cli, text, n);
    l->unsaid = 0;
    l->warned = false;
}

static bool may_tell(struct live_lines *l, struct skt_cli *cli, bool warning)
{
    skt_time now = live_now();

    if (now - l->second > SKT_SEC) {
        live_unsaid(l, cli);
        l->second = now;
        l->n = 0;
    }
    if (l->n++ < LIVE_LINES)
        return true;
    l->unsaid++;
    l->warned |= warning;
    return false;
}

bool live_may_warn(struct live_lines *l, struct skt_cli *cli) { return may_tell(l, cli, true); }

bool live_may_say(struct live_lines *l, struct skt_cli *cli)
{
    return (!cli->quiet || cli->log_fd >= 0) && may_tell(l, cli, false);
}

/* The directory of a file, for a file that takes its place is another one. */
static void allow_dir(struct live *live, struct skt_sandbox_conf *conf, const char *file)
{
    char dir[PATH_MAX];
    size_t i = 0;

    if (!file || snprintf(dir, sizeof dir, "%s", file) >= (int)sizeof dir)
        return;
    while (i < SKT_SANDBOX_FILES && conf->read[i])
        i++;
    if (i < SKT_SANDBOX_FILES)
        conf->read[i] = skt_cli_keep(live->cli, dirname(dir));
}

/* Certificates that are renewed are often symbolic links that change: both ends are allowed. */
static void allow_tls(struct live *live, struct skt_sandbox_conf *conf)
{
    const struct live_tls *o = live->tls_files;
    const char *const files[] = { o->cert, o->key, o->cacert };

    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char real[PATH_MAX];
        allow_dir(live, conf, files[i]);
        if (files[i] && realpath(files[i], real) && strcmp(real, files[i]) != 0)
            allow_dir(live, conf, real);
    }
}

/* Commands need all that they need; a name needs its module, before no code can be loaded any more. */
static void allow_peer(struct skt_sandbox_conf *conf, const struct live_need *need)
{
    struct skt_endpoint e;
    struct skt_addr addr;

    if (!need->peer || skt_endpoint_parse(need->peer, &e, NULL))
        return; /* nonsense is told when it is opened */
    conf->exec = e.scheme == SKT_EXEC;
    conf->low_ports = need->source != NULL;
    if ((e.scheme == SKT_TCP || e.scheme == SKT_TLS || e.scheme == SKT_UDP) && skt_addr_parse(e.host, &addr))
        (void)skt_plug("dns"); /* the resolver says it when there is none */
}

static void allow_listeners(struct live *live, struct skt_sandbox_conf *conf, const struct live_need *need)
{
    struct skt_endpoint e;
    size_t n = 0;

    for (uint32_t i = 0; i < need->listen.n && n < SKT_SANDBOX_FILES; i++) {
        if (!need->listen.at[i] || skt_endpoint_parse(need->listen.at[i], &e, NULL))
            continue;
        if ((e.scheme == SKT_UNIX || e.scheme == SKT_UNIXGRAM) && *e.path != '@')
            conf->remove[n++] = skt_cli_keep(live->cli, e.path);
    }
}

int live_shut_in(struct live *live, const struct live_need *need)
{
    struct skt_sandbox_conf conf = { 0 };
    const char *off = getenv("SOCKIT_SANDBOX");
    int r;

    if (off && !strcmp(off, "off"))
        return 0;
    allow_peer(&conf, need);
    allow_listeners(live, &conf, need);
    if (live->tls_files)
        allow_tls(live, &conf);
    allow_dir(live, &conf, need->file);
    conf.trees = need->trees.at;
    conf.n_trees = need->trees.n;
    conf.trees_written = need->trees_written;
    r = skt_sandbox(&conf);
    if (r == -ENOSYS) {
        skt_cli_debug(live->cli, 1, "no sandbox: the module is not installed");
        return 0;
    }
    if (r)
        return skt_cli_fail(live->cli, SKT_PHASE_ANY, r, "the sandbox, which SOCKIT_SANDBOX=off leaves out");
    skt_cli_debug(live->cli, 1, "sandbox: no rights%s%s", skt_sandbox_parts() & SKT_SANDBOX_LANDLOCK ? ", files" : "",
        skt_sandbox_parts() & SKT_SANDBOX_SECCOMP ? ", system calls" : "");
    return 0;
}

const char *live_where(struct skt_cli *cli, const char *scheme, const char *host, const char *port)
{
    char text[512];
    bool number = host && strchr(host, ':') && host[0] != '[';

    if (!port)
        snprintf(text, sizeof text, "%s%s", scheme, host);
    else
        snprintf(text, sizeof text, number ? "%s[%s]:%s" : "%s%s:%s", scheme, host, port);
    return skt_cli_keep(cli, text);
}

/* RFC 4291 2.5.5.2: who comes over IPv4 to a socket of both kinds. */
static struct skt_addr unmapped(const struct skt_addr *addr)
{
    static const uint8_t prefix[12] = { [10] = 0xff, [11] = 0xff };
    struct skt_addr a = *addr;

    if (a.family != SKT_IP6 || memcmp(a.ip, prefix, sizeof prefix) != 0)
        return a;
    a.family = SKT_IP4;
    memmove(a.ip, a.ip + sizeof prefix, 4);
    memset(a.ip + 4, 0, sizeof a.ip - 4);
    return a;
}

const char *live_addr(const struct skt_addr *addr)
{
    static _Thread_local char texts[4][80];
    static _Thread_local unsigned turn;
    char *text = texts[turn++ % 4];
    struct skt_room room = skt_room_of(text, sizeof texts[0] - 1);
    struct skt_addr a = unmapped(addr);

    skt_put_addr(&room, &a);
    *room.p = 0;
    return text;
}

bool live_leads_back(const struct skt_addr *at, const char *to)
{
    struct skt_endpoint e;
    struct skt_addr host;
    static const struct skt_addr any;

    if (skt_endpoint_parse(to, &e, NULL) || (e.scheme != SKT_TCP && e.scheme != SKT_UDP) || e.port != at->port)
        return false;
    if (!*e.host || !strcmp(e.host, "localhost"))
        return true;
    return !skt_addr_parse(e.host, &host) && host.family == at->family &&
           (!memcmp(host.ip, at->ip, sizeof host.ip) || (!memcmp(at->ip, any.ip, sizeof any.ip) && host.ip[0] == 127));
}
