/* impair_bridge: options, the bridge, words. Start reading at impair_bridge(). */
#include "verb/impair_bridge.h"

#include "base/text.h"
#include "cli/json.h"
#include "drive/raw/bridge.h"
#include "verb/impair_both.h"
#include "verb/live.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct bridger {
    struct skt_cli *cli;
    const struct impair_bridge *conf;
    struct live live;
    struct skt_bridge *bridge;
    struct skt_profile *profile;
    const struct skt_netem *netem; /* in force, of the profile */
    skt_time began, profile_began; /* the profile's time begins anew when it is read anew */
    skt_time next_change, every, next_stats;
};

static const char *const way_names[] = { [SKT_UP] = "up", [SKT_DOWN] = "down" };

/* ---- figures ---- */

static void way_json(struct skt_json *j, const struct skt_bridge_way *w)
{
    impair_way_json(j, &w->line.way);
    skt_json_u64(j, "blackholed", w->line.blackholed);
    skt_json_u64(j, "missed", w->missed + w->cut);
    skt_json_u64(j, "refused", w->refused);
    skt_json_u64(j, "trains", w->trains);
}

static void begin_json(struct bridger *s, struct skt_json *j, const char *event)
{
    skt_json_begin(j, &s->cli->out);
    skt_json_str(j, "event", event);
    skt_json_double(j, "time", (double)(skt_bridge_now() - s->began) / SKT_SEC);
}

static void stats_json(struct bridger *s)
{
    struct skt_json j;

    begin_json(s, &j, "stats");
    for (int i = 0; i < 2; i++) {
        struct skt_bridge_way way;
        skt_bridge_stats(s->bridge, i, &way);
        skt_json_object(&j, way_names[i]);
        way_json(&j, &way);
        skt_json_close(&j);
    }
    skt_json_end(&j);
    (void)skt_sink_flush(&s->cli->out);
}

enum { COUNTS = 11, ROWS = COUNTS + 6 };

static void put_cell(struct skt_room *out, const struct skt_bridge_way *w, int row)
{
    const struct skt_impair_way *l = &w->line.way;
    const uint64_t counts[COUNTS] = { l->in, l->out, l->lost, l->dropped, l->duplicated, l->corrupted, l->reordered,
        w->line.blackholed, w->missed + w->cut, w->refused, w->trains };
    const uint64_t sizes[] = { l->in_bytes, l->out_bytes, l->queue_peak };

    if (row < COUNTS)
        skt_put_fmt(out, "%" PRIu64, counts[row]);
    else if (row < COUNTS + 3)
        skt_put_size(out, sizes[row - COUNTS]);
    else if (!l->error.n)
        skt_put_str(out, "-");
    else
        skt_put_time(out, row == COUNTS + 3 ? l->error.p50 : row == COUNTS + 4 ? l->error.p99 : l->error.max);
}

static void table(struct bridger *s)
{
    static const char *const rows[ROWS] = { "in", "out", "lost", "dropped", "duplicated", "corrupted", "reordered",
        "above the MTU", "missed", "refused", "trains cut", "bytes in", "bytes out", "queue at most", "late, half",
        "late, 99 %", "late, most" };
    struct skt_bridge_way way[2];

    for (int i = 0; i < 2; i++)
        skt_bridge_stats(s->bridge, i, &way[i]);
    skt_sink_fmt(&s->cli->out, "%-14s %12s %12s\n", "frames", way_names[SKT_UP], way_names[SKT_DOWN]);
    for (int row = 0; row < ROWS; row++) {
        char cell[2][32];
        for (int i = 0; i < 2; i++) {
            struct skt_room room = skt_room_of(cell[i], sizeof cell[i] - 1);
            put_cell(&room, &way[i], row);
            *room.p = 0;
        }
        skt_sink_fmt(&s->cli->out, "%-14s %12s %12s\n", rows[row], cell[SKT_UP], cell[SKT_DOWN]);
    }
}

/* The error histogram: how much later than asked frames left, in steps of the powers of two. */
static uint64_t bar(const struct skt_lag *lag, int step, skt_time *ret_to)
{
    uint32_t first = (uint32_t)step << SKT_LAG_FINE, n = 1u << SKT_LAG_FINE;
    uint64_t count = 0;

    for (uint32_t i = first; i < first + n; i++)
        count += lag->count[i];
    *ret_to = step ? (skt_time)1 << (step + SKT_LAG_FINE) : n;
    return count;
}

static void histogram(struct bridger *s)
{
    const struct skt_lag *lag[2] = { skt_bridge_lag(s->bridge, SKT_UP), skt_bridge_lag(s->bridge, SKT_DOWN) };
    const int finest = 7, steps = SKT_LAG_BUCKETS >> SKT_LAG_FINE; /* below 4 us is one line */
    uint64_t sum[2] = { 0 }, all = lag[0]->n + lag[1]->n, seen = 0;

    if (!all)
        return;
    skt_sink_fmt(&s->cli->out, "late below\n");
    for (int step = 0; step < steps && seen < all; step++) {
        char text[32];
        struct skt_room room = skt_room_of(text, sizeof text - 1);
        skt_time to = 0;

        for (int i = 0; i < 2; i++) {
            uint64_t n = bar(lag[i], step, &to);
            sum[i] += n;
            seen += n;
        }
        if (step < finest || (!sum[0] && !sum[1]))
            continue;
        skt_put_time(&room, to);
        *room.p = 0;
        skt_sink_fmt(&s->cli->out, "%-14s %12" PRIu64 " %12" PRIu64 "\n", text, sum[0], sum[1]);
        sum[0] = sum[1] = 0;
    }
}

/* ---- the network, and its changes in time ---- */

/* Both ways in the words of the grammar. */
struct words {
    char way[2][SKT_NETEM_TEXT + 1];
};

static void put_words(const struct bridger *s, struct words *words)
{
    for (int i = 0; i < 2; i++) {
        struct skt_room room = skt_room_of(words->way[i], SKT_NETEM_TEXT);
        skt_put_netem(&room, &s->netem->way[i]);
        *room.p = 0;
    }
}

static void say_network(struct bridger *s, const char *when)
{
    struct words w = { 0 };

    put_words(s, &w);
    if (!strcmp(w.way[SKT_UP], w.way[SKT_DOWN]))
        skt_cli_say(s->cli, "%s: %s", when, w.way[SKT_UP]);
    else
        skt_cli_say(s->cli, "%s: up %s; down %s", when, w.way[SKT_UP], w.way[SKT_DOWN]);
}

static void tell_change(struct bridger *s, const char *when)
{
    struct skt_json j;
    struct words w = { 0 };

    if (!s->cli->json) {
        say_network(s, when);
        return;
    }
    put_words(s, &w);
    begin_json(s, &j, "changed");
    for (int i = 0; i < 2; i++)
        skt_json_str(&j, way_names[i], w.way[i]);
    skt_json_end(&j);
}

/* What holds now, and when that ends. */
static void look_up(struct bridger *s, skt_time now)
{
    skt_time next;

    s->netem = skt_profile_at(s->profile, now - s->profile_began, &next);
    s->next_change = next == SKT_NEVER ? SKT_NEVER : s->profile_began + next;
}

static void change(struct bridger *s, skt_time now)
{
    look_up(s, now);
    skt_bridge_set(s->bridge, s->netem);
    tell_change(s, "now");
}

static void reload(struct bridger *s)
{
    char text[1024];
    struct skt_room why = skt_room_of(text, sizeof text - 1);
    struct skt_profile *profile;

    s->live.hung_up = false;
    if (!s->conf->profile)
        return;
    if (impair_profile(s->conf->profile, s->conf->netem, &profile, &why)) {
        *why.p = 0;
        skt_cli_warn(s->cli, "profile not changed: %s", text);
        return;
    }
    skt_profile_free(s->profile);
    s->profile = profile;
    s->profile_began = skt_bridge_now();
    look_up(s, s->profile_began);
    skt_bridge_set(s->bridge, s->netem);
    tell_change(s, "profile read anew");
}

/* ---- life ---- */

static void tell_news(struct bridger *s)
{
    const char *name;
    struct skt_json j;

    for (bool up; skt_bridge_news(s->bridge, &name, &up);) {
        if (s->cli->json) {
            begin_json(s, &j, up ? "interface_up" : "interface_down");
            skt_json_str(&j, "interface", name);
            skt_json_end(&j);
        } else if (up) {
            skt_cli_say(s->cli, "interface %s is up again", name);
        } else {
            skt_cli_warn(s->cli, "interface %s is down: what goes there is lost until it is up again", name);
        }
    }
}

static void say_start(struct bridger *s)
{
    const struct impair_bridge *c = s->conf;
    const char *hosted = skt_bridge_hosted(s->bridge);

    skt_cli_say(s->cli, "bridge from %s (up) to %s (down)", c->interfaces[0], c->interfaces[1]);
    say_network(s, "network");
    if (hosted)
        skt_cli_warn(s->cli, "interface %s has an address: this host answers there too, past the bridge", hosted);
    if (skt_bridge_cramped(s->bridge))
        skt_cli_warn(s->cli,
            "no right to large socket buffers (CAP_NET_ADMIN): if trains are missed, let the senders send none: "
            "ethtool -K IF tso off gso off");
    if (c->realtime && !skt_bridge_realtime(s->bridge))
        skt_cli_warn(s->cli, "no real-time priority: others may delay us (sockit doctor says more)");
}

/* Signals come in while it waits, nowhere else: the mask inside the wait is the one from before. */
static int turns(struct bridger *s)
{
    sigset_t ours, before;
    int r;

    sigemptyset(&ours);
    sigaddset(&ours, SIGINT);
    sigaddset(&ours, SIGTERM);
    sigaddset(&ours, SIGHUP);
    sigprocmask(SIG_BLOCK, &ours, &before);
    for (;;) {
        skt_time until = s->next_change < s->next_stats ? s->next_change : s->next_stats, now;

        r = skt_bridge_step(s->bridge, until, &before);
        tell_news(s);
        if (r == -EINTR && live_step(&s->live) == -EINTR)
            break;
        if (r < 0 && r != -EINTR)
            break;
        if (s->live.hung_up)
            reload(s);
        now = skt_bridge_now();
        if (now >= s->next_change)
            change(s, now);
        if (now >= s->next_stats) {
            stats_json(s);
            s->next_stats = now + s->every - (now - s->next_stats) % s->every;
        }
        if (s->cli->json)
            (void)skt_sink_flush(&s->cli->out);
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    return r;
}

/* A sentence that begins with a file's line, or with an option's value, is about use. */
static int fail(struct bridger *s, int r, enum skt_phase phase, struct skt_room *why, const char *text)
{
    bool ours = r == -EINVAL || r == -ERANGE || r == -E2BIG || r == -EMEDIUMTYPE;

    *why->p = 0;
    if (!*text)
        return skt_cli_fail(s->cli, phase, r, "bridge");
    return skt_cli_fail_why(s->cli, ours ? SKT_PHASE_USAGE : phase, r, text);
}

static int start(struct bridger *s)
{
    const struct impair_bridge *c = s->conf;
    const struct skt_bridge_conf conf = { .interfaces = { c->interfaces[0], c->interfaces[1] },
        .bytes = c->bytes,
        .mtu = c->mtu,
        .spin = c->spin,
        .realtime = c->realtime };
    const struct live_need need = { .file = c->profile };
    char text[1024];
    struct skt_room why = skt_room_of(text, sizeof text - 1);
    int r = impair_profile(c->profile, c->netem, &s->profile, &why);

    if (r)
        return fail(s, r, SKT_PHASE_FILE, &why, text);
    look_up(s, s->profile_began);
    if ((r = skt_bridge_new(&conf, s->netem, &s->bridge, &why)))
        return fail(s, r, SKT_PHASE_FILE, &why, text);
    s->began = s->profile_began = skt_bridge_now();
    say_start(s);
    look_up(s, s->began);
    s->every = c->stats ? c->stats : s->cli->json ? SKT_SEC : 0;
    s->next_stats = s->every ? s->began + s->every : SKT_NEVER;
    return live_shut_in(&s->live, &need);
}

static void report(struct bridger *s)
{
    if (s->every)
        stats_json(s);
    else if (!s->cli->quiet) {
        table(s);
        histogram(s);
    }
}

static int run(struct bridger *s)
{
    char text[128];
    int r = start(s);

    if (r)
        return r;
    r = turns(s);
    report(s);
    if (r == -EINTR)
        return 0; /* who is told to end has done its work */
    if (r != -ENODEV)
        return skt_cli_fail(s->cli, SKT_PHASE_TALK, r, "bridge");
    snprintf(text, sizeof text, "interface %s is gone", skt_bridge_gone(s->bridge));
    return skt_cli_fail_why(s->cli, SKT_PHASE_TALK, r, text);
}

int impair_bridge(struct skt_cli *cli, const struct impair_bridge *conf)
{
    struct bridger *s;
    int r;

    if (cli->pcap)
        return skt_cli_usage(
            cli, "--pcap does not go with --bridge: tcpdump -i %s records frames", conf->interfaces[0]);
    s = calloc(1, sizeof *s);
    if (!s)
        return skt_cli_fail(cli, SKT_PHASE_ANY, -ENOMEM, "bridge");
    s->cli = cli;
    s->conf = conf;
    if (!(r = live_open(&s->live, cli, NULL)))
        r = run(s);
    r = live_close(&s->live, r);
    skt_bridge_free(s->bridge);
    skt_profile_free(s->profile);
    free(s);
    return r;
}
