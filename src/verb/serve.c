/* serve: a server for many clients. */
#include "verb/verbs.h"

#include <sockit/relay.h>
#include <sockit/serve.h>

#include "base/acl.h"
#include "base/text.h"
#include "drive/crypt.h"
#include "verb/exits.h"
#include "verb/live.h"
#include "verb/objects.h"
#include "verb/serve_json.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

enum { LISTENERS_MAX = 16, THREADS_MAX = 64 };

enum policy { REFUSE, WAIT };

/* Read-only for the threads, but for the lock and what it guards. */
struct server {
    struct skt_cli *cli;
    bool udp, echo, discard, send_proxy;
    const char *reply, *say, *exec, *to;
    uint32_t threads, max_conns;
    uint8_t to_family; /* of the target's address */
    enum policy policy;
    struct skt_listen_conf listen;
    struct skt_rt_conf rt;
    uint64_t rate, seed;
    skt_time stats_every;
    struct skt_strs where, allow, deny;
    struct skt_acl acl;
    struct live_tls tls;
    struct live_family family;
    struct live live; /* of the first thread */
    pthread_mutex_t lock;
    struct live_lines lines;
    uint16_t ports[LISTENERS_MAX]; /* that the first thread listens on */
    struct worker *workers;
};

struct worker {
    struct server *server;
    struct skt_rt *rt;
    struct skt_serve *serve; /* or */
    struct skt_relay *relay;
    struct exits *exits; /* of --exec */
    pthread_t thread;
    struct skt_rt_stats stats; /* as of its last turn: the runtime itself is its thread's alone */
};

/* --- what happened --- */

static bool may_say(struct server *s) { return live_may_say(&s->lines, s->cli); }

static void came(struct server *s, const struct skt_addr *peer)
{
    if (s->cli->json)
        serve_json_came(s->cli, peer);
    else if (may_say(s))
        skt_cli_say(s->cli, "%s connected", live_addr(peer));
}

/* What is worth telling of a command's end. SIGTERM is ours: its peer went first. */
static void put_exit(struct skt_room *out, int status)
{
    if (status == EXIT_UNKNOWN)
        return;
    if (WIFEXITED(status) && WEXITSTATUS(status))
        skt_put_fmt(out, ": the command ended with %d", WEXITSTATUS(status));
    else if (WIFSIGNALED(status) && WTERMSIG(status) != SIGTERM)
        skt_put_fmt(out, ": the command was killed by signal %d", WTERMSIG(status));
}

static void left(struct worker *w, const struct skt_relay_event *ev, int status)
{
    struct server *s = w->server;
    const char *sentence = ev->why ? skt_rt_why(w->rt, ev->link) : "";
    char text[200];
    struct skt_room room = skt_room_of(text, sizeof text - 1);
    bool why = ev->why && !ev->failed; /* a target that failed has its line already */

    if (s->cli->json) {
        serve_json_left(s->cli, ev, status);
        return;
    }
    if (!may_say(s))
        return;
    skt_put_size(&room, ev->in);
    skt_put_str(&room, " in, ");
    skt_put_size(&room, ev->out);
    skt_put_str(&room, " out, ");
    skt_put_time(&room, ev->stayed);
    put_exit(&room, status);
    *room.p = 0;
    skt_cli_say(s->cli, "%s left: %s%s%s", live_addr(&ev->peer), text, why ? ": " : "",
        !why         ? ""
        : !*sentence ? strerror(-ev->why)
                     : sentence);
}

static void serve_event(struct worker *w, const struct skt_serve_event *ev)
{
    if (ev->what == SKT_SERVE_CAME)
        came(w->server, &ev->peer);
    else
        left(w,
            &(struct skt_relay_event){ .link = ev->link,
                .peer = ev->peer,
                .in = ev->in,
                .out = ev->out,
                .stayed = ev->stayed,
                .why = ev->why },
            EXIT_UNKNOWN);
}

static void relay_event(struct worker *w, const struct skt_relay_event *ev)
{
    const char *why;

    switch (ev->what) {
    case SKT_RELAY_CAME: came(w->server, &ev->peer); break;
    case SKT_RELAY_LEFT:
        if (!w->exits || !exits_left(w->exits, ev, skt_rt_now(w->rt)))
            left(w, ev, EXIT_UNKNOWN);
        break;
    case SKT_RELAY_FAILED:
        why = skt_rt_why(w->rt, ev->link);
        if (live_may_warn(&w->server->lines, w->server->cli))
            skt_cli_warn(w->server->cli, "target for %s: %s", live_addr(&ev->peer), *why ? why : strerror(-ev->why));
        break;
    case SKT_RELAY_BYTES: break;
    }
}

/* A TLS handshake that failed: the engine has not heard of it. */
static void unheard(struct server *s, const struct skt_addr *peer, const char *why)
{
    if (s->cli->json)
        serve_json_unheard(s->cli, peer, why);
    else if (may_say(s))
        skt_cli_say(s->cli, "TLS with %s: %s", live_addr(peer), why);
}

static void stats(struct server *s)
{
    struct skt_rt_stats sum = { 0 };

    for (uint32_t i = 0; i < s->threads; i++)
        for (size_t k = 0; k < sizeof sum / sizeof(uint64_t); k++) /* all numbers; the last word holds links */
            ((uint64_t *)&sum)[k] += ((const uint64_t *)&s->workers[i].stats)[k];
    serve_json_stats(s->cli, &sum);
}

/* --- the threads: each a runtime and an engine of its own, sharing nothing but the port --- */

static struct skt_engine engine_of(struct worker *w)
{
    struct server *s = w->server;
    const char *text = s->reply ? s->reply : s->say ? s->say : "";
    struct skt_serve_conf serve = { .rate = s->rate,
        .text = skt_span_str(text),
        .quiet = s->cli->quiet && !s->cli->json && s->cli->log_fd < 0,
        .mode = s->echo    ? SKT_SERVE_ECHO
                : s->reply ? SKT_SERVE_REPLY
                : s->say   ? SKT_SERVE_SAY
                           : SKT_SERVE_DISCARD };
    struct skt_relay_conf relay = { .to = s->to ? s->to : s->exec,
        .rate = s->rate,
        .datagrams = s->udp,
        .proxy = s->send_proxy,
        .flow_idle = s->listen.idle,
        .seed = s->seed };

    if (!s->to && !s->exec) {
        w->serve = skt_serve_new(&serve);
        return w->serve ? skt_serve_engine(w->serve) : (struct skt_engine){ 0 };
    }
    w->exits = s->exec ? exits_new() : NULL; /* without memory nobody is told how commands end */
    w->relay = skt_relay_new(&relay);
    return w->relay ? skt_relay_engine(w->relay) : (struct skt_engine){ 0 };
}

/* Where to listen. Port 0 is any for the first thread, and then the same for all. */
static const char *text_of(struct worker *w, uint32_t i)
{
    struct server *s = w->server;
    const char *where = s->where.at[i];
    size_t n = strlen(where);
    char text[512];

    if (w == s->workers || !n || where[n - 1] != '0' || (n > 1 && where[n - 2] != ':'))
        return where;
    snprintf(text, sizeof text, "%.*s%u", (int)n - 1, where, s->ports[i]);
    return skt_cli_keep(s->cli, text);
}

static int listen_all(struct worker *w, int engine)
{
    struct server *s = w->server;

    for (uint32_t i = 0; i < s->where.n; i++) {
        const char *where = live_where(s->cli, s->udp ? "udp:" : "", text_of(w, i), NULL);
        struct skt_listen_conf conf = s->listen;
        struct skt_addr at;
        skt_link link;
        int r;

        conf.join_port = w != s->workers;
        conf.share_port = !conf.join_port && s->threads > 1;
        r = skt_rt_listen(w->rt, engine, where, &conf, &link);
        if (r)
            return skt_cli_fail_why(s->cli, r == -EINVAL ? SKT_PHASE_USAGE : SKT_PHASE_LISTEN, r, skt_rt_why(w->rt, 0));
        if (s->to && !skt_rt_local(w->rt, link, &at) && live_leads_back(&at, s->to))
            return skt_cli_usage(s->cli, "--to %s is where we listen: it would lead to itself", s->to);
        if (w != s->workers)
            continue;
        s->ports[i] = skt_rt_local(w->rt, link, &at) ? 0 : at.port;
        serve_json_listening(
            s->cli, skt_rt_local(w->rt, link, &at) || at.family == SKT_LOCAL ? s->where.at[i] : live_addr(&at));
        if (!skt_rt_local(w->rt, link, &at) && at.family != SKT_LOCAL)
            skt_cli_say(s->cli, "listening on %s%s", live_addr(&at), s->udp ? " (UDP)" : s->tls.tls ? " (TLS)" : "");
        else
            skt_cli_say(s->cli, "listening on %s", s->where.at[i]);
    }
    return 0;
}

static int worker_open(struct worker *w)
{
    struct skt_engine e = engine_of(w);
    struct skt_open_conf open = { .idle = w->server->listen.idle, .family = w->server->to_family };
    int n;

    if (!e.ops)
        return skt_cli_fail(w->server->cli, SKT_PHASE_ANY, -ENOMEM, "engine");
    n = skt_rt_add(w->rt, e);
    skt_rt_open_defaults(w->rt, n, &open);
    return listen_all(w, n);
}

/* Who has left, and how his command ended. */
static void commands_ended(struct worker *w, bool all)
{
    struct skt_relay_event ev;
    skt_link target;
    int status;

    while (skt_rt_exited(w->rt, &target, &status))
        exits_ended(w->exits, target, status);
    while (exits_next(w->exits, skt_rt_now(w->rt), all, &ev, &status)) {
        pthread_mutex_lock(&w->server->lock);
        left(w, &ev, status);
        if (w->server->cli->json)
            (void)skt_sink_flush(&w->server->cli->out);
        pthread_mutex_unlock(&w->server->lock);
    }
}

/* Most turns have nothing to say: then nobody waits for anybody. */
static void turn_done(struct worker *w)
{
    struct server *s = w->server;
    struct skt_serve_event served;
    struct skt_relay_event relayed;
    struct skt_addr peer;
    const char *why;

    if (skt_rt_unheard(w->rt, &peer, &why)) {
        pthread_mutex_lock(&s->lock);
        unheard(s, &peer, why);
        if (s->cli->json)
            (void)skt_sink_flush(&s->cli->out);
        pthread_mutex_unlock(&s->lock);
    }
    while (w->serve ? skt_serve_next(w->serve, &served) : skt_relay_next(w->relay, &relayed)) {
        pthread_mutex_lock(&s->lock);
        if (w->serve)
            serve_event(w, &served);
        else
            relay_event(w, &relayed);
        if (s->cli->json)
            (void)skt_sink_flush(&s->cli->out);
        pthread_mutex_unlock(&s->lock);
    }
    if (w->exits)
        commands_ended(w, false);
    if (!s->stats_every && !s->cli->verbose)
        return;
    pthread_mutex_lock(&s->lock);
    skt_rt_stats(w->rt, &w->stats);
    pthread_mutex_unlock(&s->lock);
}

static void last_turn_done(struct worker *w)
{
    turn_done(w);
    if (w->exits)
        commands_ended(w, true);
}

/* A runtime without links has lost its listeners. */
static int ended(struct server *s, int r)
{
    return r ? skt_cli_fail(s->cli, SKT_PHASE_TALK, r, "runtime")
             : skt_cli_fail_why(s->cli, SKT_PHASE_LISTEN, -ENOMEM, "listen: the kernel would not watch the socket");
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;

    int r;

    while ((r = skt_rt_step(w->rt)) > 0)
        turn_done(w);
    last_turn_done(w);
    if (r != -EINTR) {
        pthread_mutex_lock(&w->server->lock);
        (void)ended(w->server, r);
        pthread_mutex_unlock(&w->server->lock);
    }
    return NULL;
}

static int first_main(struct server *s)
{
    struct worker *w = s->workers;
    int r;

    while ((r = live_step(&s->live)) > 0) {
        turn_done(w);
        if (!live_due(&s->live))
            continue;
        pthread_mutex_lock(&s->lock);
        stats(s);
        pthread_mutex_unlock(&s->lock);
    }
    last_turn_done(w);
    return r;
}

static int open_workers(struct server *s)
{
    int r = worker_open(&s->workers[0]);

    for (uint32_t i = 1; i < s->threads && !r; i++) {
        struct worker *w = &s->workers[i];

        if ((r = skt_rt_new(&s->rt, &w->rt)))
            return skt_cli_fail(s->cli, SKT_PHASE_ANY, r, "runtime");
        live_also_stop(w->rt);
        r = worker_open(w);
    }
    return r;
}

static int start_threads(struct server *s)
{
    for (uint32_t i = 1; i < s->threads; i++) {
        int r = pthread_create(&s->workers[i].thread, NULL, worker_main, &s->workers[i]);
        if (r)
            return skt_cli_fail(s->cli, SKT_PHASE_ANY, r, "thread");
    }
    return 0;
}

static void stop_threads(struct server *s)
{
    for (uint32_t i = 1; i < s->threads; i++) {
        if (!s->workers[i].thread)
            continue;
        skt_rt_stop(s->workers[i].rt);
        pthread_join(s->workers[i].thread, NULL);
    }
}

static int run(struct server *s)
{
    const struct live_need need = { .listen = s->where, .peer = s->to ? s->to : s->exec };
    int r;

    if ((r = live_tls(&s->live, &s->tls, true)))
        return r;
    s->listen.tls = s->live.tls;
    s->workers[0].rt = s->live.rt;
    s->rt.tap = s->live.tap;
    if ((r = open_workers(s)) || (r = live_every(&s->live, s->stats_every)) || (r = live_shut_in(&s->live, &need)))
        return r;
    r = start_threads(s);
    if (!r)
        r = first_main(s);
    stop_threads(s);
    live_unsaid(&s->lines, s->cli);
    if (s->stats_every || s->cli->verbose)
        stats(s);
    if (r == -EINTR)
        return 0; /* a server that is told to end has done its work */
    return r > 0 ? r : ended(s, r);
}

static void close_workers(struct server *s)
{
    for (uint32_t i = 0; i < s->threads; i++) {
        if (i)
            skt_rt_free(s->workers[i].rt);
        skt_serve_free(s->workers[i].serve);
        skt_relay_free(s->workers[i].relay);
        exits_free(s->workers[i].exits);
    }
}

/* --- options --- */

static int acl_rows(struct server *s)
{
    char text[256];

    for (int allow = 0; allow < 2; allow++) {
        const struct skt_strs *rows = allow ? &s->allow : &s->deny;
        for (uint32_t i = 0; i < rows->n; i++) {
            struct skt_room why = skt_room_of(text, sizeof text - 1);
            if (!skt_acl_add(&s->acl, allow, rows->at[i], &why))
                continue;
            *why.p = 0;
            return skt_cli_usage(s->cli, "--%s: %s", allow ? "allow" : "deny", text);
        }
    }
    s->listen.acl = s->acl.n ? &s->acl : NULL;
    return 0;
}

/* What can be known to be wrong before anybody comes. */
static int check_to(struct server *s)
{
    char text[256];
    struct skt_room why = skt_room_of(text, sizeof text - 1);
    struct skt_endpoint e;

    if (skt_endpoint_parse(s->to, &e, &why)) {
        *why.p = 0;
        return skt_cli_usage(s->cli, "--to: %s", text);
    }
    if (e.scheme == SKT_UDP && !s->udp)
        return skt_cli_usage(s->cli, "--to %s needs --udp", s->to);
    if (e.scheme == SKT_TLS)
        return skt_cli_usage(s->cli, "--to %s: a relay does not speak TLS to its target", s->to);
    return 0;
}

static int check(struct server *s)
{
    int modes = s->echo + s->discard + (s->reply != NULL) + (s->say != NULL) + (s->exec != NULL) + (s->to != NULL);

    if (modes != 1)
        return skt_cli_usage(s->cli, "give one of --echo, --reply, --say, --discard, --exec, --to%s",
            modes ? "; they exclude each other" : "");
    if (s->udp && s->exec)
        return skt_cli_usage(s->cli, "--exec needs a stream: it does not go with --udp");
    if (s->udp && (s->tls.tls || s->send_proxy || s->listen.proxy))
        return skt_cli_usage(s->cli, "--tls and the PROXY protocol need a stream: they do not go with --udp");
    if (s->send_proxy && !s->to)
        return skt_cli_usage(s->cli, "--send-proxy needs --to");
    for (uint32_t i = 0; s->threads > 1 && i < s->where.n; i++)
        if (!strncmp(s->where.at[i], "unix", 4))
            return skt_cli_usage(s->cli, "threads share ports, not Unix sockets: leave out -j");
    if (s->threads > 1 && s->cli->pcap)
        return skt_cli_usage(s->cli, "--pcap needs one thread: leave out -j");
    if (s->to && (modes = check_to(s)))
        return modes;
    return acl_rows(s);
}

static int serve(struct skt_cli *cli)
{
    static const char no_family[] =
        "--ipv4 and --ipv6 are about the target of --to; to listen on IPv6, give its address: [::1]:7000";
    static const char *const policies[] = { [REFUSE] = "refuse", [WAIT] = "wait", NULL };
    struct server s = {
        .cli = cli, .threads = 1, .listen = { .idle = 300 * SKT_SEC }, .lock = PTHREAD_MUTEX_INITIALIZER
    };
    char exec[4096], to[600];
    uint64_t queue = 1 << 20;
    uint32_t spin = 0;
    const struct skt_opt opts[] = {
        SKT_OPT_FLAG('e', "echo", &s.echo, "send back what comes"),
        SKT_OPT_STR('r', "reply", &s.reply, "PREFIX", "answer each line or datagram with PREFIX and itself"),
        SKT_OPT_STR('s', "say", &s.say, "TEXT", "say TEXT to who connects, then close"),
        SKT_OPT_FLAG('d', "discard", &s.discard, "read and drop what comes"),
        SKT_OPT_STR(0, "exec", &s.exec, "CMD", "run CMD by sh for each, with the peer as its stdin and stdout"),
        SKT_OPT_STR('t', "to", &s.to, "HOST:PORT", "lead each to HOST:PORT (relay)"),
        SKT_OPT_FLAG('u', "udp", &s.udp, "datagrams instead of streams"),
        SKT_OPT_U32('j', "threads", &s.threads, "N", "N threads that share the port (1)", .min = 1, .max = THREADS_MAX),
        SKT_OPT_U32(
            'm', "max-conns", &s.max_conns, "N", "at most N connections a listener and thread (all we may open)"),
        SKT_OPT_CHOICE(0, "at-max", &s.policy, "POLICY", policies, "at --max-conns refuse or let wait (refuse)"),
        SKT_OPT_TIME(0, "timeout", &s.listen.idle, "TIME", "close who is silent for TIME (5m); 0: never"),
        SKT_OPT_RATE(0, "limit-rate", &s.rate, "RATE", "take at most RATE from each connection"),
        SKT_OPT_SIZE(
            0, "queue", &queue, "SIZE", "drop who lets more than SIZE wait (1MiB)", .min = 4096, .max = 1 << 30),
        SKT_OPT_LIST(0, "allow", &s.allow, "CIDR", "serve these addresses; all others are denied"),
        SKT_OPT_LIST(0, "deny", &s.deny, "CIDR", "deny these addresses"),
        LIVE_FAMILY_ROWS(&s.family, "reach the target of --to"),
        LIVE_TLS_SERVER_ROWS(&s.tls),
        SKT_OPT_FLAG(0, "proxy-protocol", &s.listen.proxy, "a PROXY header (v1, v2) comes first"),
        SKT_OPT_FLAG(0, "send-proxy", &s.send_proxy, "send a PROXY header (v1) to the target of --to"),
        SKT_OPT_TIME(0, "stats", &s.stats_every, "TIME", "print counters as JSON each TIME, and at the end"),
        SKT_OPT_U32(0, "busy-poll", &spin, "USEC", "spin for USEC microseconds before sleeping: less latency, more CPU",
            .max = 1000000),
        SKT_OPT_FLAG(0, "cc-system", &s.rt.cc_system, "keep the system's congestion control for peers on this host"),
        SKT_ARGS(&s.where, "[HOST:]PORT", "where to listen; also unix:/path", .min = 1, .max = LISTENERS_MAX),
        SKT_OPT_END,
    };
    int r = skt_cli_parse(cli, opts);

    if (r)
        return r;
    (void)skt_acl_init(&s.acl, 4096);
    if ((r = check(&s)) || (r = live_tls_unused(cli, opts, s.tls.tls)) ||
        (r = live_family(cli, opts, &s.family, s.to ? NULL : no_family, &s.to_family)))
        goto end;
    if (s.exec) {
        snprintf(exec, sizeof exec, "exec:%s", s.exec);
        s.exec = exec;
    } else if (s.to && s.udp && strncmp(s.to, "udp:", 4) != 0) {
        snprintf(to, sizeof to, "udp:%s", s.to);
        s.to = to;
    }
    s.rt.queue_bytes = (uint32_t)queue;
    s.rt.busy_poll = spin * SKT_US;
    s.rt.tap_plain = s.tls.plain;
    s.listen.max_conns = s.max_conns;
    s.listen.wait = s.policy == WAIT;
    s.workers = calloc(s.threads, sizeof *s.workers);
    if (!s.workers) {
        r = skt_cli_fail(cli, SKT_PHASE_ANY, -ENOMEM, "threads");
        goto end;
    }
    for (uint32_t i = 0; i < s.threads; i++)
        s.workers[i].server = &s;
    if ((r = skt_chance(&s.seed, sizeof s.seed)))
        r = skt_cli_fail(cli, SKT_PHASE_ANY, r, "random bytes");
    else if (!(r = live_open(&s.live, cli, &s.rt)))
        r = run(&s);
    close_workers(&s);
    r = live_close(&s.live, r);
end:
    free(s.workers);
    skt_acl_done(&s.acl);
    return r;
}

const struct skt_verb skt_verb_serve = {
    "serve",
    "Serve many clients over TCP, UDP, Unix sockets, TLS",
    serve,
    .examples = SKT_EXAMPLES({ "sockit serve --echo 7000", "echo, on loopback" },
        { "sockit serve --reply 'Server received: ' 8080", "answer each line" },
        { "sockit serve -u --echo -j 2 '*:9999'", "UDP on every address, two threads" },
        { "sockit serve --to db.lan:5432 --allow 10.0.0.0/8 '*:5432'", "a relay for one network" },
        { "sockit serve --exec 'date' 1313", "run a command for each who comes" }),
    .objects = objects_serve,
    .see_also = "listen,connect",
};
