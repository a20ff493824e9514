/* chat serve, hub: rooms for people, spoken in IRC. */
#include "verb/verbs.h"

#include <sockit/chat.h>

#include "base/text.h"
#include "cli/json.h"
#include "drive/crypt.h"
#include "drive/tap.h"
#include "verb/live.h"
#include "verb/objects.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct hall {
    struct skt_cli *cli;
    struct live live;
    struct skt_chat *chat;
    struct skt_chat_conf conf;
    struct skt_listen_conf listen, listen_tls;
    struct live_tls tls;
    const char *where, *where_tls, *password_file, *motd_file;
    char password[256], *motd;
    skt_time stats_every;
};

/* --- what happened --- */

static const char *const names[] = {
    [SKT_CHAT_CONNECTED] = "connected",
    [SKT_CHAT_REGISTERED] = "registered",
    [SKT_CHAT_LEFT] = "left",
    [SKT_CHAT_NICK] = "nick",
    [SKT_CHAT_JOINED] = "joined",
    [SKT_CHAT_PARTED] = "parted",
    [SKT_CHAT_KICKED] = "kicked",
    [SKT_CHAT_TOPIC] = "topic",
    [SKT_CHAT_MESSAGE] = "message",
};

static void json_event(struct hall *h, const struct skt_chat_event *ev)
{
    struct skt_json j;

    skt_json_begin(&j, &h->cli->out);
    skt_json_str(&j, "event", names[ev->what]);
    skt_json_span(&j, "nick", ev->nick);
    if (skt_len(ev->host))
        skt_json_span(&j, "host", ev->host);
    if (skt_len(ev->target))
        skt_json_span(&j, "target", ev->target);
    if (skt_len(ev->text))
        skt_json_span(&j, "text", ev->text);
    if (ev->what == SKT_CHAT_MESSAGE)
        skt_json_u64(&j, "deliveries", ev->deliveries);
    skt_json_end(&j);
}

/* Talk of the server is about who is there; what people say to each other is theirs. */
static void say_event(struct hall *h, const struct skt_chat_event *ev)
{
    char text[1024];
    struct skt_room room = skt_room_of(text, sizeof text - 1);

    if (ev->what == SKT_CHAT_MESSAGE || ev->what == SKT_CHAT_CONNECTED)
        return;
    skt_put(&room, skt_len(ev->nick) ? ev->nick : ev->host); /* who left before he had a name */
    skt_put_fmt(&room, " %s", names[ev->what]);
    if (ev->what == SKT_CHAT_REGISTERED) {
        skt_put_str(&room, " from ");
        skt_put(&room, ev->host);
    }
    if (skt_len(ev->target)) {
        skt_put_u8(&room, ' ');
        skt_put(&room, ev->target);
    }
    if (skt_len(ev->text)) {
        skt_put_str(&room, ": ");
        skt_put(&room, ev->text);
    }
    *room.p = 0;
    skt_cli_say(h->cli, "%s", text); /* it escapes */
}

static void events(struct hall *h)
{
    struct skt_chat_event ev;

    while (skt_chat_next(h->chat, &ev)) {
        if (h->cli->json)
            json_event(h, &ev);
        else
            say_event(h, &ev);
    }
    if (h->cli->json)
        (void)skt_sink_flush(&h->cli->out);
}

static void stats(struct hall *h)
{
    struct skt_chat_stats st;
    struct skt_json j;

    skt_chat_stats(h->chat, &st);
    skt_json_begin(&j, &h->cli->out);
    skt_json_str(&j, "event", "stats");
    skt_json_u64(&j, "links", st.links);
    skt_json_u64(&j, "users", st.users);
    skt_json_u64(&j, "channels", st.channels);
    skt_json_u64(&j, "messages", st.messages);
    skt_json_u64(&j, "deliveries", st.deliveries);
    skt_json_u64(&j, "refused_full", st.refused_full);
    skt_json_u64(&j, "refused_ip", st.refused_ip);
    skt_json_u64(&j, "lost_unregistered", st.lost_unregistered);
    skt_json_u64(&j, "lost_silent", st.lost_silent);
    skt_json_u64(&j, "lost_flood", st.lost_flood);
    skt_json_u64(&j, "bad_lines", st.bad_lines);
    skt_json_u64(&j, "long_lines", st.long_lines);
    skt_json_end(&j);
    (void)skt_sink_flush(&h->cli->out);
}

/* --- start --- */

/* A whole small file; the end of its last line goes. */
static int read_file(struct hall *h, const char *path, char *text, size_t size)
{
    FILE *f = fopen(path, "re");
    size_t n;

    if (!f)
        return skt_cli_fail(h->cli, SKT_PHASE_FILE, errno, path);
    n = fread(text, 1, size, f);
    (void)fclose(f); /* it was only read */
    if (n == size)
        return skt_cli_usage(h->cli, "%s is longer than %zu bytes", path, size - 1);
    while (n && (text[n - 1] == '\n' || text[n - 1] == '\r'))
        n--;
    text[n] = 0;
    return 0;
}

static int read_files(struct hall *h)
{
    enum { MOTD_MAX = 16 * 1024 };
    int r;

    if (h->password_file) {
        if ((r = read_file(h, h->password_file, h->password, sizeof h->password)))
            return r;
        h->conf.password = h->password;
    }
    if (!h->motd_file)
        return 0;
    h->motd = malloc(MOTD_MAX);
    if (!h->motd)
        return skt_cli_fail(h->cli, SKT_PHASE_ANY, -ENOMEM, "message of the day");
    h->conf.motd = h->motd;
    return read_file(h, h->motd_file, h->motd, MOTD_MAX);
}

static int listen_on(struct hall *h, int engine, const char *where, const struct skt_listen_conf *conf)
{
    struct skt_addr at = { 0 };
    skt_link link;
    int r = skt_rt_listen(h->live.rt, engine, where, conf, &link);

    if (r)
        return skt_cli_fail_why(
            h->cli, r == -EINVAL ? SKT_PHASE_USAGE : SKT_PHASE_LISTEN, r, skt_rt_why(h->live.rt, 0));
    (void)skt_rt_local(h->live.rt, link, &at);
    if (at.family == SKT_LOCAL) {
        skt_cli_say(h->cli, "chat on %s", where);
        return 0;
    }
    skt_cli_say(h->cli, "chat on %s%s; join with: irssi -c %s -p %u%s", live_addr(&at), conf->tls ? " (TLS)" : "",
        at.family == SKT_IP4 && at.ip[0] == 127 ? "127.0.0.1" : "ADDRESS", at.port, conf->tls ? " --tls" : "");
    if (!conf->tls)
        skt_cli_say(
            h->cli, "or by hand: nc -C 127.0.0.1 %u, then NICK yourname, JOIN #lobby, PRIVMSG #lobby :hello", at.port);
    return 0;
}

static int open_all(struct hall *h)
{
    int engine, r;

    if ((r = read_files(h)) || (r = live_tls(&h->live, &h->tls, true)))
        return r;
    if ((r = skt_chance(&h->conf.seed, sizeof h->conf.seed)))
        return skt_cli_fail(h->cli, SKT_PHASE_ANY, r, "random bytes");
    h->conf.wall_offset = skt_tap_wall();
    if ((r = skt_chat_new(&h->conf, &h->chat)))
        return r == -EINVAL ? skt_cli_usage(h->cli, "server name '%s' is not a host name", h->conf.name)
                            : skt_cli_fail(h->cli, SKT_PHASE_ANY, r, "chat");
    engine = skt_rt_add(h->live.rt, skt_chat_engine(h->chat));
    h->listen_tls.tls = h->live.tls;
    if (h->where && (r = listen_on(h, engine, h->where, &h->listen)))
        return r;
    if (h->where_tls && (r = listen_on(h, engine, h->where_tls, &h->listen_tls)))
        return r;
    return live_shut_in(&h->live, &(struct live_need){ .listen = { (const char *[]){ h->where, h->where_tls }, 2 } });
}

static int run(struct hall *h)
{
    int r = open_all(h);

    if (r || (r = live_every(&h->live, h->stats_every)))
        return r;
    while ((r = live_step(&h->live)) > 0) {
        events(h);
        if (live_due(&h->live))
            stats(h);
    }
    skt_chat_stop(h->chat, skt_rt_now(h->live.rt), "the server ends");
    if (skt_rt_step(h->live.rt) == -EINTR) /* one turn to say so; the signal may end one that did not begin */
        (void)skt_rt_step(h->live.rt);
    events(h);
    if (h->stats_every || h->cli->verbose)
        stats(h);
    return r == -EINTR || r >= 0 ? 0 : skt_cli_fail(h->cli, SKT_PHASE_ANY, r, "runtime");
}

static int open_and_run(struct hall *h)
{
    struct skt_rt_conf rt = { .queue_bytes = 1 << 20 };
    int r;

    h->tls.tls = h->where_tls != NULL;
    if (!(r = live_open(&h->live, h->cli, &rt)))
        r = run(h);
    skt_rt_free(h->live.rt); /* before the engine that it drives */
    h->live.rt = NULL;
    skt_chat_free(h->chat);
    free(h->motd);
    return live_close(&h->live, r);
}

static int chat_serve(struct skt_cli *cli)
{
    struct hall h = { .cli = cli, .where = "127.0.0.1:6667" };
    const struct skt_opt opts[] = {
        SKT_OPT_STR('l', "listen", &h.where, "HOST:PORT", "where plain IRC is spoken (127.0.0.1:6667)"),
        SKT_OPT_STR(0, "tls", &h.where_tls, "HOST:PORT", "where IRC is spoken inside TLS; needs --cert"),
        SKT_OPT_PATH(0, "cert", &h.tls.cert, "FILE", "certificate and its chain (PEM); SIGHUP reads it anew"),
        SKT_OPT_PATH(0, "key", &h.tls.key, "FILE", "its private key (default: in the file of --cert)"),
        SKT_OPT_STR(0, "name", &h.conf.name, "HOST", "name of the server (sockit.local)"),
        SKT_OPT_STR(0, "network", &h.conf.network, "NAME", "name of the network (sockit)"),
        SKT_OPT_PATH(0, "motd", &h.motd_file, "FILE", "message of the day"),
        SKT_OPT_PATH(0, "password-file", &h.password_file, "FILE", "ask everyone for the password in FILE"),
        SKT_OPT_U32('m', "max-conns", &h.conf.max_users, "N", "at most N people (10000)", .max = 1 << 20),
        SKT_OPT_U32(0, "max-channels", &h.conf.max_channels, "N", "at most N channels (2000)"),
        SKT_OPT_U32(0, "max-per-ip", &h.conf.max_per_ip, "N", "at most N people of one address (64)"),
        SKT_OPT_TIME(0, "timeout", &h.conf.ping_after, "TIME", "ping who is silent for TIME (90s)"),
        SKT_OPT_FLAG(0, "flood-free", &h.conf.flood_free, "no limit on how fast people may write"),
        SKT_OPT_TIME(0, "stats", &h.stats_every, "TIME", "print counters as JSON each TIME, and at the end"),
        SKT_OPT_END,
    };
    int r = skt_cli_parse(cli, opts);

    if (!r)
        r = live_tls_unused(cli, opts, h.where_tls != NULL);
    return r ? r : open_and_run(&h);
}

const struct skt_verb skt_verb_chat_serve = {
    "chat serve",
    "Serve chat rooms over IRC",
    chat_serve,
    .examples = SKT_EXAMPLES({ "sockit chat serve", "on loopback, port 6667" },
        { "sockit chat serve --listen '*:6667' --tls '*:6697' --cert chat.pem", "for a team" }),
    .objects = objects_chat,
    .see_also = "hub,serve",
};

static int hub(struct skt_cli *cli)
{
    struct hall h = { .cli = cli, .where = "127.0.0.1:6667" };
    const struct skt_opt opts[] = {
        SKT_OPT_STR('l', "listen", &h.where, "HOST:PORT", "where the chat room is (127.0.0.1:6667)"),
        SKT_OPT_END,
    };
    int r = skt_cli_parse(cli, opts);

    return r ? r : open_and_run(&h);
}

const struct skt_verb skt_verb_hub = {
    "hub",
    "A place for a team: today its chat room",
    hub,
    .examples = SKT_EXAMPLES(
        { "sockit hub", "on loopback, port 6667" }, { "sockit hub --listen '*:6667'", "open to the network" }),
    .objects = objects_chat,
    .see_also = "chat serve",
};
