/* impair: a proxy that is a bad network; impair_bridge.c is its other half. */
#include "verb/verbs.h"

#include "base/acl.h"
#include "base/text.h"
#include "cli/json.h"
#include "drive/crypt.h"
#include "engine/impair/proxy.h"
#include "verb/impair_both.h"
#include "verb/impair_bridge.h"
#include "verb/live.h"
#include "verb/objects.h"
#include "verb/topics.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>

enum { FIFO_PRIORITY = 1 /* above all that is not real time; what sockit doctor tries */ };

/* An option per word of the grammar, in the order in which they are taken. */
enum word { DELAY, LOSS, DUPLICATE, CORRUPT, REORDER, RATE, LIMIT, SLOT, WORDS };
static const char *const word_names[WORDS] = {
    [DELAY] = "delay",
    [LOSS] = "loss",
    [DUPLICATE] = "duplicate",
    [CORRUPT] = "corrupt",
    [REORDER] = "reorder",
    [RATE] = "rate",
    [LIMIT] = "limit",
    [SLOT] = "slot",
};

struct impairer {
    struct skt_cli *cli;
    const char *listen, *to, *words[WORDS], *distribution, *up, *down, *profile, *reset_after;
    bool udp, realtime;
    uint64_t seed, slice_size;
    double share;
    const char *slice;
    uint32_t max_conns;
    struct live_family family;
    uint8_t to_family; /* of the target's address */
    skt_time stats_every, idle, spin;
    struct skt_strs allow, deny;
    struct skt_acl acl;
    struct skt_impair_conf conf;
    struct skt_netem netem;
    struct impair_bridge bridge;
    struct live live;
    struct skt_impair *impair;
    skt_time began;
    struct live_lines lines;
};

/* --- what happened --- */

static bool may_say(struct impairer *s) { return live_may_say(&s->lines, s->cli); }

static const char *reason(struct impairer *s, const struct skt_impair_event *ev)
{
    const char *why = skt_rt_why(s->live.rt, ev->link);

    return !ev->why ? "" : *why ? why : strerror(-ev->why);
}

static void event_json(struct impairer *s, const char *name, const struct skt_impair_event *ev)
{
    struct skt_json j;

    skt_json_begin(&j, &s->cli->out);
    skt_json_str(&j, "event", name);
    skt_json_u64(&j, "number", ev->number);
    skt_json_str(&j, "peer", live_addr(&ev->peer));
    skt_json_bool(&j, "hit", ev->hit);
    if (ev->what == SKT_IMPAIR_LEFT) {
        skt_json_u64(&j, "bytes_up", ev->up);
        skt_json_u64(&j, "bytes_down", ev->down);
        skt_json_double(&j, "duration", (double)ev->stayed / SKT_SEC);
    }
    if (ev->what != SKT_IMPAIR_CAME)
        skt_json_str(&j, "error", ev->why ? reason(s, ev) : NULL);
    skt_json_end(&j);
}

static void left(struct impairer *s, const struct skt_impair_event *ev)
{
    char text[160];
    struct skt_room room = skt_room_of(text, sizeof text - 1);

    skt_put_size(&room, ev->up);
    skt_put_str(&room, " up, ");
    skt_put_size(&room, ev->down);
    skt_put_str(&room, " down, ");
    skt_put_time(&room, ev->stayed);
    *room.p = 0;
    skt_cli_say(s->cli, "%s left: %s%s%s", live_addr(&ev->peer), text, ev->why ? ": " : "", reason(s, ev));
}

static void counts_json(struct impairer *s)
{
    struct skt_impair_stats stats;
    struct skt_rt_stats rt;
    struct skt_json j;

    skt_impair_stats(s->impair, skt_rt_now(s->live.rt), &stats);
    skt_rt_stats(s->live.rt, &rt);
    skt_json_begin(&j, &s->cli->out);
    skt_json_str(&j, "event", "stats");
    skt_json_double(&j, "time", (double)(skt_rt_now(s->live.rt) - s->began) / SKT_SEC);
    skt_json_u64(&j, "came", stats.came);
    skt_json_u64(&j, "hit", stats.hit);
    skt_json_u64(&j, "failed", stats.failed);
    skt_json_u64(&j, "refused", stats.refused + rt.refused);
    skt_json_u64(&j, "denied", rt.denied);
    skt_json_u64(&j, "there", stats.there);
    skt_json_u64(&j, "unsent", rt.datagrams_lost);
    skt_json_object(&j, "up");
    impair_way_json(&j, &stats.up);
    skt_json_close(&j);
    skt_json_object(&j, "down");
    impair_way_json(&j, &stats.down);
    skt_json_close(&j);
    skt_json_end(&j);
    (void)skt_sink_flush(&s->cli->out);
}

static void say_network(struct impairer *s, const char *when)
{
    char text[2][SKT_NETEM_TEXT + 1];

    for (int i = 0; i < 2; i++) {
        struct skt_room room = skt_room_of(text[i], SKT_NETEM_TEXT);
        skt_put_netem(&room, &s->impair->way[i].path.conf);
        *room.p = 0;
    }
    if (!strcmp(text[0], text[1]))
        skt_cli_say(s->cli, "%s: %s", when, text[0]);
    else
        skt_cli_say(s->cli, "%s: up %s; down %s", when, text[0], text[1]);
}

static void changed(struct impairer *s)
{
    struct skt_json j;

    if (!s->cli->json) {
        if (may_say(s))
            say_network(s, "now");
        return;
    }
    skt_json_begin(&j, &s->cli->out);
    skt_json_str(&j, "event", "changed");
    skt_json_double(&j, "time", (double)(skt_rt_now(s->live.rt) - s->began) / SKT_SEC);
    for (int i = 0; i < 2; i++) {
        char text[SKT_NETEM_TEXT];
        struct skt_room room = skt_room_of(text, sizeof text);
        skt_put_netem(&room, &s->impair->way[i].path.conf);
        skt_json_span(&j, i ? "down" : "up", skt_span_of(text, (size_t)((char *)room.p - text)));
    }
    skt_json_end(&j);
}

static void one_line(struct impairer *s, const struct skt_impair_event *ev)
{
    const char *peer = live_addr(&ev->peer);

    if (ev->what == SKT_IMPAIR_FAILED) {
        if (live_may_warn(&s->lines, s->cli))
            skt_cli_warn(s->cli, "target for %s: %s", peer, reason(s, ev));
        return;
    }
    if (!may_say(s))
        return;
    if (ev->what == SKT_IMPAIR_CAME)
        skt_cli_say(s->cli, "%s connected%s", peer, ev->hit ? "" : ", and is let alone");
    else
        left(s, ev);
}

static void one_event(struct impairer *s, const struct skt_impair_event *ev)
{
    static const char *const names[] = {
        [SKT_IMPAIR_CAME] = "connected", [SKT_IMPAIR_FAILED] = "failed", [SKT_IMPAIR_LEFT] = "disconnected"
    };

    switch (ev->what) {
    case SKT_IMPAIR_CAME:
    case SKT_IMPAIR_FAILED:
    case SKT_IMPAIR_LEFT:
        if (s->cli->json)
            event_json(s, names[ev->what], ev);
        else
            one_line(s, ev);
        break;
    case SKT_IMPAIR_CHANGED: changed(s); break;
    case SKT_IMPAIR_COUNTS: counts_json(s); break;
    }
}

/* --- the table at the end --- */

static void put_cell(struct skt_room *room, const struct skt_impair_way *w, int row)
{
    const uint64_t counts[] = { w->in, w->out, w->lost, w->resent, w->dropped, w->duplicated, w->corrupted,
        w->reordered };
    const int n = sizeof counts / sizeof *counts;

    if (row < n)
        skt_put_fmt(room, "%" PRIu64, counts[row]);
    else if (row < n + 3)
        skt_put_size(room, row == n ? w->in_bytes : row == n + 1 ? w->out_bytes : w->queue_peak);
    else if (!w->error.n)
        skt_put_str(room, "-");
    else
        skt_put_time(room, row == n + 3 ? w->error.p50 : row == n + 4 ? w->error.p99 : w->error.max);
}

static void table(struct impairer *s)
{
    static const char *const rows[] = { "in", "out", "lost", "resent", "dropped", "duplicated", "corrupted",
        "reordered", "bytes in", "bytes out", "queue at most", "late, half", "late, 99 %", "late, most" };
    struct skt_impair_stats stats;

    skt_impair_stats(s->impair, skt_rt_now(s->live.rt), &stats);
    skt_sink_fmt(&s->cli->out, "%-14s %12s %12s\n", s->udp ? "datagrams" : "segments", "up", "down");
    for (int row = 0; row < (int)(sizeof rows / sizeof *rows); row++) {
        char up[32], down[32];
        struct skt_room a = skt_room_of(up, sizeof up - 1), b = skt_room_of(down, sizeof down - 1);
        put_cell(&a, &stats.up, row);
        put_cell(&b, &stats.down, row);
        *a.p = *b.p = 0;
        skt_sink_fmt(&s->cli->out, "%-14s %12s %12s\n", rows[row], up, down);
    }
    skt_sink_fmt(&s->cli->out, "%s: %" PRIu64 " came, %" PRIu64 " hit, %" PRIu64 " failed, %" PRIu64 " refused\n",
        s->udp ? "flows" : "connections", stats.came, stats.hit, stats.failed, stats.refused);
}

/* --- the profile --- */

static int take_profile(struct impairer *s)
{
    char text[1024];
    struct skt_room why = skt_room_of(text, sizeof text - 1);
    struct skt_profile *profile;
    int r = impair_profile(s->profile, &s->netem, &profile, &why);

    *why.p = 0;
    if (r)
        return skt_cli_fail_why(
            s->cli, r == -EINVAL || r == -ERANGE || r == -E2BIG ? SKT_PHASE_USAGE : SKT_PHASE_FILE, r, text);
    impair_take(s->impair, profile);
    return 0;
}

static void reload(struct impairer *s)
{
    char text[1024];
    struct skt_room why = skt_room_of(text, sizeof text - 1);
    struct skt_profile *profile;

    s->live.hung_up = false;
    if (!s->profile)
        return;
    if (impair_profile(s->profile, &s->netem, &profile, &why)) {
        *why.p = 0;
        skt_cli_warn(s->cli, "profile not changed: %s", text);
        return;
    }
    impair_take(s->impair, profile);
    if (s->cli->json)
        changed(s);
    else
        say_network(s, "profile read anew");
}

/* --- life --- */

/* A deadline is met to some microseconds: the kernel may round it by 50 us, and lets others run first. */
static void be_precise(struct impairer *s)
{
    struct sched_param param = { .sched_priority = FIFO_PRIORITY };

    (void)prctl(PR_SET_TIMERSLACK, 1UL);
    if (!s->realtime)
        return;
    if (sched_setscheduler(0, SCHED_FIFO, &param))
        skt_cli_warn(
            s->cli, "no real-time priority: %s; others may delay us (sockit doctor says more)", strerror(errno));
}

static int open_listener(struct impairer *s, int engine)
{
    struct skt_listen_conf conf = { .max_conns = s->max_conns, .idle = s->idle, .acl = s->acl.n ? &s->acl : NULL };
    const char *where = live_where(s->cli, s->udp ? "udp:" : "", s->listen, NULL);
    struct skt_addr at = { 0 };
    skt_link link;
    int r = skt_rt_listen(s->live.rt, engine, where, &conf, &link);

    if (r)
        return skt_cli_fail_why(
            s->cli, r == -EINVAL ? SKT_PHASE_USAGE : SKT_PHASE_LISTEN, r, skt_rt_why(s->live.rt, 0));
    if (skt_rt_local(s->live.rt, link, &at) || at.family == SKT_LOCAL)
        skt_cli_say(s->cli, "listening on %s, to %s", s->listen, s->to);
    else if (live_leads_back(&at, s->conf.to))
        return skt_cli_usage(s->cli, "--to %s is where --listen is: it would lead to itself", s->to);
    else
        skt_cli_say(s->cli, "listening on %s%s, to %s", live_addr(&at), s->udp ? " (UDP)" : "", s->to);
    return 0;
}

static int start(struct impairer *s)
{
    const struct live_need need = { .listen = { &s->listen, 1 }, .peer = s->conf.to, .file = s->profile };
    struct skt_open_conf open = { .idle = s->idle, .family = s->to_family };
    int r = skt_impair_new(&s->conf, &s->impair), n;

    if (r)
        return skt_cli_fail(s->cli, SKT_PHASE_ANY, r, "engine");
    if ((r = take_profile(s)))
        return r;
    n = skt_rt_add(s->live.rt, skt_impair_engine(s->impair));
    skt_rt_open_defaults(s->live.rt, n, &open);
    if ((r = open_listener(s, n)))
        return r;
    say_network(s, "network");
    impair_say_toxics(s->cli, &s->conf);
    be_precise(s);
    return live_shut_in(&s->live, &need);
}

static int run(struct impairer *s)
{
    int r = start(s);

    if (r)
        return r;
    s->began = live_now();
    while ((r = live_step(&s->live)) > 0) {
        for (struct skt_impair_event ev; skt_impair_next(s->impair, &ev);)
            one_event(s, &ev);
        if (s->live.hung_up)
            reload(s);
        if (s->cli->json)
            (void)skt_sink_flush(&s->cli->out);
    }
    live_unsaid(&s->lines, s->cli);
    if (s->conf.every)
        counts_json(s);
    else if (!s->cli->quiet)
        table(s);
    if (r == -EINTR)
        return 0; /* a server that is told to end has done its work */
    return r < 0 ? skt_cli_fail(s->cli, SKT_PHASE_TALK, r, "runtime") : r;
}

/* --- options --- */

static int bad(struct impairer *s, const char *option, struct skt_room *why, const char *text)
{
    *why->p = 0;
    return skt_cli_usage(s->cli, "--%s: %s", option, text);
}

static int network(struct impairer *s)
{
    char text[1024], delay[512];
    struct skt_room why = skt_room_of(text, sizeof text - 1);

    if (s->distribution && !s->words[DELAY])
        return skt_cli_usage(s->cli, "--distribution is that of --delay's jitter: give --delay 'TIME JITTER'");
    if (s->distribution) {
        snprintf(delay, sizeof delay, "%s distribution %s", s->words[DELAY], s->distribution);
        s->words[DELAY] = delay;
    }
    s->netem.seed = s->seed;
    for (int i = 0; i < WORDS; i++)
        if (s->words[i] && skt_netem_set(&s->netem, SKT_BOTH, word_names[i], s->words[i], &why))
            return bad(s, word_names[i], &why, text);
    if (s->up && skt_netem_line(&s->netem, SKT_UP, s->up, &why))
        return bad(s, "up", &why, text);
    if (s->down && skt_netem_line(&s->netem, SKT_DOWN, s->down, &why))
        return bad(s, "down", &why, text);
    if (!s->profile && skt_netem_check(&s->netem, &why)) {
        *why.p = 0;
        return skt_cli_usage(s->cli, "%s", text);
    }
    return 0;
}

/* SIZE[/DELAY], and TIME or SIZE: what ends in a B or in nothing but a number is a size. */
static int toxics(struct impairer *s)
{
    char text[512], size[64];
    struct skt_room why = skt_room_of(text, sizeof text - 1);
    const char *slash = s->slice ? strchr(s->slice, '/') : NULL;
    size_t n = s->reset_after ? strlen(s->reset_after) : 0;

    if (s->slice) {
        snprintf(size, sizeof size, "%.*s", slash ? (int)(slash - s->slice) : 63, s->slice);
        if (skt_size_parse(size, &s->slice_size, &why) ||
            (slash && skt_time_parse(slash + 1, &s->conf.slice_delay, &why)))
            return bad(s, "slice", &why, text);
        if (!s->slice_size || s->slice_size > UINT32_MAX)
            return skt_cli_usage(s->cli, "--slice: a piece has 1 byte to 4GiB, not %s", size);
        s->conf.slice = (uint32_t)s->slice_size;
    }
    if (n && (s->reset_after[n - 1] == 's' || s->reset_after[n - 1] == 'm' || s->reset_after[n - 1] == 'h')) {
        if (skt_time_parse(s->reset_after, &s->conf.reset_after, &why))
            return bad(s, "reset-after", &why, text);
    } else if (n && skt_size_parse(s->reset_after, &s->conf.reset_bytes, &why)) {
        return bad(s, "reset-after", &why, text);
    }
    if (n && !s->conf.reset_after && !s->conf.reset_bytes)
        return skt_cli_usage(s->cli, "--reset-after: 0 is no time and no size; give 5s or 64KiB");
    return 0;
}

static int acl_rows(struct impairer *s)
{
    char text[256];

    for (int allow = 0; allow < 2; allow++) {
        const struct skt_strs *rows = allow ? &s->allow : &s->deny;
        for (uint32_t i = 0; i < rows->n; i++) {
            struct skt_room why = skt_room_of(text, sizeof text - 1);
            if (skt_acl_add(&s->acl, allow, rows->at[i], &why))
                return bad(s, allow ? "allow" : "deny", &why, text);
        }
    }
    return 0;
}

static int check(struct impairer *s)
{
    const struct skt_impair_conf *c = &s->conf;
    char text[512];
    struct skt_room why = skt_room_of(text, sizeof text - 1);
    struct skt_endpoint e;
    int r;

    if (!s->listen || !s->to)
        return skt_cli_usage(s->cli, "give --listen [HOST:]PORT and --to HOST:PORT");
    if (skt_endpoint_parse(s->to, &e, &why))
        return bad(s, "to", &why, text);
    if ((r = toxics(s)) || (r = network(s)) || (r = acl_rows(s)))
        return r;
    if (s->udp && (c->reset_after || c->reset_bytes || c->limit_bytes || c->slow_close || c->slice))
        return skt_cli_usage(
            s->cli, "--reset-after, --limit-data, --slow-close and --slice need a stream: they do not go with --udp");
    return 0;
}

static int bridge(struct impairer *s)
{
    const struct skt_impair_conf *c = &s->conf;
    struct impair_bridge *b = &s->bridge;
    int r;

    if (!b->interfaces[0] && b->interfaces[1])
        return skt_cli_usage(s->cli, "'%s' is one argument too many; a value of several words is quoted, as in %s",
            b->interfaces[1], "--delay '100ms 20ms'");
    if (!b->interfaces[0])
        return skt_cli_usage(s->cli, "--mtu is that of a bridge: give --bridge IF_A IF_B");
    if (!b->interfaces[1])
        return skt_cli_usage(s->cli, "a bridge has two ends: --bridge IF_A IF_B");
    if (s->listen || s->to || s->udp || s->reset_after || s->slice || s->share < 1 || s->max_conns || s->allow.n ||
        s->deny.n || c->blackhole || c->slow_close || c->limit_bytes)
        return skt_cli_usage(s->cli,
            "--bridge knows frames, not connections: no --listen, --to, --udp, --share, --allow, "
            "--deny, --max-conns, --reset-after, --blackhole, --slow-close, --slice, --limit-data");
    if ((r = network(s)))
        return r;
    b->netem = &s->netem;
    b->profile = s->profile;
    b->bytes = 2 * c->line_bytes;
    b->spin = s->spin;
    b->realtime = s->realtime;
    b->stats = s->stats_every;
    return impair_bridge(s->cli, b);
}

static int proxy_open(struct impairer *s)
{
    const struct skt_rt_conf rt = { .spin = s->spin, .stamps = true };
    char to[600];
    int r;

    snprintf(to, sizeof to, "%s%s", s->udp ? "udp:" : "", s->to);
    s->conf.to = skt_cli_keep(s->cli, to);
    s->conf.datagrams = s->udp;
    s->conf.changes = s->profile != NULL;
    s->conf.spare = 1 - s->share;
    s->conf.max_flows = s->udp ? s->max_conns : 0;
    s->conf.flow_idle = s->udp && s->idle != 300 * SKT_SEC ? s->idle : 0;
    s->conf.every = s->stats_every ? s->stats_every : s->cli->json ? SKT_SEC : 0;
    if (!s->conf.to)
        return skt_cli_fail(s->cli, SKT_PHASE_ANY, -ENOMEM, "address");
    if ((r = skt_chance(&s->conf.secret, sizeof s->conf.secret)))
        return skt_cli_fail(s->cli, SKT_PHASE_ANY, r, "random bytes");
    return live_open(&s->live, s->cli, &rt);
}

static int proxy(struct impairer *s)
{
    int r;

    (void)skt_acl_init(&s->acl, 4096);
    if (!(r = check(s))) {
        if (!(r = proxy_open(s)))
            r = run(s);
        r = live_close(&s->live, r);
        skt_impair_free(s->impair);
    }
    skt_acl_done(&s->acl);
    return r;
}

static int impair(struct skt_cli *cli)
{
    struct impairer s = { .cli = cli, .share = 1, .idle = 300 * SKT_SEC, .spin = 300 * SKT_US };
    const struct skt_opt opts[] = {
        SKT_OPT_STR('l', "listen", &s.listen, "[HOST:]PORT", "where to listen; also unix:/path"),
        SKT_OPT_STR('t', "to", &s.to, "HOST:PORT", "lead each who comes to HOST:PORT"),
        SKT_OPT_STR(
            'b', "bridge", &s.bridge.interfaces[0], "IF_A", "stand between interfaces IF_A and IF_B; up is to IF_B"),
        SKT_ARG_OPT(&s.bridge.interfaces[1], "IF_B", "the other interface of --bridge"),
        SKT_OPT_U32(0, "mtu", &s.bridge.mtu, "N", "of a bridge: packets above N bytes vanish without a word", .min = 68,
            .max = 65535),
        SKT_OPT_FLAG('u', "udp", &s.udp, "datagrams instead of streams"),
        LIVE_FAMILY_ROWS(&s.family, "reach the target of --to"),
        SKT_OPT_STR(
            0, "delay", &s.words[DELAY], "'TIME [JITTER [CORR]]'", "each packet arrives so much later, each way"),
        SKT_OPT_STR(0, "distribution", &s.distribution, "D",
            "of the jitter: uniform, normal, pareto or paretonormal (uniform)"),
        SKT_OPT_STR(0, "loss", &s.words[LOSS], "'PCT [CORR]'",
            "lose packets; also 'gemodel P [R [1-H [1-K]]]' and 'state P13 [P31 [P32 [P23 [P14]]]]'"),
        SKT_OPT_STR(0, "duplicate", &s.words[DUPLICATE], "'PCT [CORR]'", "send packets twice"),
        SKT_OPT_STR(0, "corrupt", &s.words[CORRUPT], "'PCT [CORR]'", "flip a bit; a stream's segment is lost by that"),
        SKT_OPT_STR(0, "reorder", &s.words[REORDER], "'PCT [CORR] [gap N]'", "send packets at once, past the delayed"),
        SKT_OPT_STR(0, "rate", &s.words[RATE], "'RATE [OVERHEAD ...] [burst SIZE]'",
            "so much a second each way: 10mbit, 1MB/s"),
        SKT_OPT_STR(0, "limit", &s.words[LIMIT], "N|SIZE",
            "of the queue before the rate, in packets or bytes (256KiB): then datagrams are dropped, senders of streams "
            "wait"),
        SKT_OPT_STR(0, "slot", &s.words[SLOT], "'MIN [MAX] ...'", "packets gather, and go together"),
        SKT_OPT_STR(0, "up", &s.up, "SPEC", "words for the way to the target alone: 'delay 50ms loss 1%'"),
        SKT_OPT_STR(0, "down", &s.down, "SPEC", "words for the way back alone"),
        SKT_OPT_PATH(0, "profile", &s.profile, "FILE",
            "changes in time, such as 'at 5s: loss 100%' ('sockit help profile'); SIGHUP reads it anew"),
        SKT_OPT_U64(0, "seed", &s.seed, "N", "the same seed hits the same packets (0)"),
        SKT_OPT_PERCENT(0, "share", &s.share, "PCT", "of the connections are hit, the others let alone (100%)"),
        SKT_OPT_STR(
            0, "reset-after", &s.reset_after, "TIME|SIZE", "reset a connection that is so old, or passed so much"),
        SKT_OPT_FLAG(0, "blackhole", &s.conf.blackhole, "take all, let nothing out"),
        SKT_OPT_TIME(0, "slow-close", &s.conf.slow_close, "TIME", "an end arrives so much later"),
        SKT_OPT_STR(0, "slice", &s.slice, "SIZE[/DELAY]", "bytes come in pieces of SIZE, DELAY apart (100us)"),
        SKT_OPT_SIZE(0, "limit-data", &s.conf.limit_bytes, "SIZE", "close a connection that passed SIZE one way"),
        SKT_OPT_SIZE(0, "line", &s.conf.line_bytes, "SIZE",
            "on the way at once, each way of a connection (4MiB) or a bridge (128MiB)", .min = 1448, .max = 1 << 30),
        SKT_OPT_U32('m', "max-conns", &s.max_conns, "N", "at most N connections (all we may open), or flows (4096)",
            .max = 100000),
        SKT_OPT_TIME(0, "timeout", &s.idle, "TIME", "close a connection silent for TIME (5m); a flow: forget it (60s)"),
        SKT_OPT_LIST(0, "allow", &s.allow, "CIDR", "serve these addresses; all others are denied"),
        SKT_OPT_LIST(0, "deny", &s.deny, "CIDR", "deny these addresses"),
        SKT_OPT_TIME(0, "stats", &s.stats_every, "TIME", "print counters as JSON each TIME, and at the end"),
        SKT_OPT_TIME(0, "spin", &s.spin, "TIME", "stay awake up to TIME before a deadline (300us): precise, costs CPU",
            .max = 10 * SKT_MS),
        SKT_OPT_FLAG(0, "realtime", &s.realtime, "run before all others (SCHED_FIFO), where allowed"),
        SKT_OPT_END,
    };
    int r = skt_cli_parse(cli, opts);

    if (r || (r = live_family(cli, opts, &s.family, s.to ? NULL : "--ipv4 and --ipv6 are about --to", &s.to_family)))
        return r;
    if (s.bridge.interfaces[0] || s.bridge.interfaces[1] || s.bridge.mtu)
        return bridge(&s);
    return proxy(&s);
}

const struct skt_verb skt_verb_impair = {
    "impair",
    "Be a bad network: delay, loss, rate, resets; proxy or bridge",
    impair,
    .usage = "(--listen [HOST:]PORT --to HOST:PORT | --bridge IF_A IF_B) [OPTION]...",
    .examples = SKT_EXAMPLES({ "sockit impair --listen 8080 --to localhost:80 --delay '100ms 20ms'", "a far server" },
        { "sockit impair -l 5353 -t 9.9.9.9:53 -u --loss 'gemodel 1% 10%'", "bursts of loss for datagrams" },
        { "sockit impair -l 8080 -t localhost:80 --down 'rate 2mbit' --up 'rate 512kbit'", "a home line" },
        { "sockit impair -l 8080 -t localhost:80 --reset-after 64KiB --share 10%", "a tenth of all is reset" },
        { "sockit impair -l 8080 -t localhost:80 --profile flap.profile --json", "changes in time, counters a second" },
        { "sockit impair --bridge eth1 eth2 --delay 300ms --rate 1mbit", "a satellite between two interfaces" }),
    .objects = objects_impair,
    .topic = &topic_profile,
    .see_also = "serve,doctor",
};
