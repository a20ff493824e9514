/* chat/command: from a line to its handler; registration and the small commands. */
#include "engine/chat/inside.h"

#include "base/utf8.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

static skt_chat_command do_msg, do_quiet;

/* A command. early: also before registration. join: a person at nc (no USER) may leave out the colon: parameter `join`
 * takes the rest of the line; 0: none does. */
static const struct command {
    const char *name;
    skt_chat_command *run;
    uint32_t least; /* parameters */
    bool early;
    uint32_t join;
} commands[] = {
    { "PRIVMSG", skt_chat_privmsg, 0, .join = 1 }, { "NOTICE", skt_chat_do_notice, 0, .join = 1 },
    { "MSG", do_msg, 0, .join = 1 }, { "PING", skt_chat_ping, 1, .early = true },
    { "PONG", skt_chat_pong, 0, .early = true }, { "JOIN", skt_chat_join, 1 }, { "PART", skt_chat_part, 1, .join = 1 },
    { "QUIT", skt_chat_quit, 0, .early = true }, { "NICK", skt_chat_do_nick, 0, .early = true },
    { "USER", skt_chat_do_user, 4, .early = true }, { "PASS", skt_chat_pass, 1, .early = true },
    { "CAP", skt_chat_cap, 1, .early = true }, { "TOPIC", skt_chat_topic, 1, .join = 1 }, { "MODE", skt_chat_mode, 1 },
    { "NAMES", skt_chat_do_names, 0 }, { "LIST", skt_chat_list, 0 }, { "WHO", skt_chat_who, 0 },
    { "WHOIS", skt_chat_whois, 0 }, { "WHOWAS", skt_chat_whowas, 1 }, { "AWAY", skt_chat_away, 0 },
    { "KICK", skt_chat_kick, 2, .join = 2 }, { "INVITE", skt_chat_invite, 2 }, { "ISON", skt_chat_ison, 1 },
    { "USERHOST", skt_chat_userhost, 1 }, { "SETNAME", skt_chat_setname, 1 }, { "LUSERS", skt_chat_lusers, 0 },
    { "MOTD", skt_chat_motd, 0 }, { "VERSION", skt_chat_version, 0 }, { "TIME", skt_chat_time, 0 },
    { "HELP", skt_chat_help, 0, .early = true },
    { "ERROR", do_quiet, 0, .early = true }, /* "only from servers" (RFC 2812 3.7.4): ignored */
};

/* By the bits of enum CAP_. */
static const char *const cap_names[] = { "away-notify", "cap-notify", "echo-message", "extended-join", "invite-notify",
    "multi-prefix", "no-implicit-names", "server-time", "setname", "standard-replies", "userhost-in-names" };
enum { CAPS = sizeof cap_names / sizeof *cap_names };
static_assert(CAP_USERHOST == 1 << (CAPS - 1), "the names follow the bits");

static const struct command *find(struct skt_span name)
{
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (skt_irc_is(name, commands[i].name))
            return &commands[i];
    return NULL;
}

static void fail_line(struct skt_chat *c, struct user *u, int r, const struct skt_irc *m)
{
    switch (r) {
    case -EMSGSIZE:
        c->stats.long_lines++;
        skt_chat_num(c, u, 417, ":Input line was too long");
        break;
    case -EILSEQ:
        c->stats.bad_utf8++;
        skt_chat_say(c, u, ":%s FAIL %.*s INVALID_UTF8 :Not UTF-8, so not taken: set your client to UTF-8", c->name,
            S(skt_utf8_valid(m->command) ? cut_to(m->command, 20) : skt_span_of("*", 1)));
        break;
    default:
        c->stats.bad_lines++;
        skt_chat_notice(c, u, "This line was not taken: it has a NUL or a CR inside, or no command");
    }
}

/* May this run now? Registers a person who goes on without USER. */
static bool admit(struct skt_chat *c, struct user *u, const struct command *cmd)
{
    if (u->state == REGISTERED || cmd->early)
        return true;
    skt_chat_try_register(c, u, true);
    if (u->state == FRESH)
        skt_chat_num(c, u, 451, ":You have not registered: say NICK yourname first");
    return u->state == REGISTERED;
}

void skt_chat_line(struct skt_chat *c, struct user *u, struct skt_span line)
{
    struct skt_irc m;
    const struct command *cmd;
    int r = skt_irc_parse(line, &m);

    if (r == -ENODATA)
        return;
    u->spoke = true;
    if (!r && !skt_utf8_valid(line))
        r = -EILSEQ;
    if (r) {
        fail_line(c, u, r, &m);
        return;
    }
    if (skt_len(m.command) > 1 && *m.command.p == '/')
        m.command.p++; /* "/join": a habit of people who know IRC from its clients */
    cmd = find(m.command);
    if (!cmd) {
        skt_chat_num(c, u, 421, "%.*s :Unknown command%s", S(cut_to(m.command, 32)),
            u->bare || !u->has_nick ? ": say HELP" : "");
        return;
    }
    if (!admit(c, u, cmd))
        return;
    if (m.n < cmd->least) {
        skt_chat_num(c, u, 461, "%s :Not enough parameters", cmd->name);
        return;
    }
    if (u->bare && cmd->join && m.n > cmd->join + 1) {
        m.param[cmd->join].end = m.param[m.n - 1].end;
        m.n = cmd->join + 1;
    }
    cmd->run(c, u, &m);
}

static void do_msg(struct skt_chat *c, struct user *u, const struct skt_irc *m) { skt_chat_privmsg(c, u, m); }
static void do_quiet(struct skt_chat *c, struct user *u, const struct skt_irc *m) {}

void skt_chat_put_caps(struct skt_room *out, uint32_t caps)
{
    const char *blank = "";

    for (int i = 0; i < CAPS; i++)
        if (caps & 1u << i) {
            skt_put_str(out, blank);
            skt_put_str(out, cap_names[i]);
            blank = " ";
        }
}

static void tell_caps(struct skt_chat *c, struct user *u, const char *what, uint32_t caps)
{
    struct skt_room *out = skt_chat_begin(c, u->caps & CAP_TIME);

    skt_put_fmt(out, ":%s CAP %.*s %s :", c->name, S(user_nick(u)), what);
    skt_chat_put_caps(out, caps);
    skt_chat_give(c, u, skt_chat_end(c));
}

/* "-a b": what u->caps would become. False: one of them is unknown, so none is changed. */
static bool wanted_caps(struct skt_span list, uint32_t *caps)
{
    struct skt_span name;
    uint32_t now = *caps;

    while (skt_irc_item(&list, ' ', &name)) {
        bool off = *name.p == '-';
        int i = 0;

        name.p += off;
        while (i < CAPS && !skt_span_is(name, cap_names[i]))
            i++;
        if (i == CAPS)
            return false;
        now = off ? now & ~(1u << i) : now | 1u << i;
    }
    *caps = now;
    return true;
}

static void cap_req(struct skt_chat *c, struct user *u, struct skt_span list)
{
    uint32_t caps = u->caps;
    bool ok = wanted_caps(list, &caps);

    skt_chat_say(c, u, ":%s CAP %.*s %s :%.*s", c->name, S(user_nick(u)), ok ? "ACK" : "NAK", S(cut_to(list, 400)));
    if (!ok)
        return;
    u->caps = caps;
    skt_chat_mark_time(c, u);
}

/* "the server MUST NOT complete registration until CAP END", once LS or REQ was said before it. */
void skt_chat_cap(struct skt_chat *c, struct user *u, const struct skt_irc *m)
{
    struct skt_span sub = m->param[0];
    bool ls = skt_irc_is(sub, "LS"), req = skt_irc_is(sub, "REQ");

    if (u->state == FRESH && (ls || req))
        u->capping = true;
    if (ls) {
        if (skt_len(skt_irc_param(m, 1)) > 2 && memcmp(m->param[1].p, "302", 3) >= 0)
            u->caps |= CAP_CAP_NOTIFY; /* 302 and later: implied */
        tell_caps(c, u, "LS", (1u << CAPS) - 1);
    } else if (req) {
        cap_req(c, u, skt_irc_param(m, 1));
    } else if (skt_irc_is(sub, "LIST")) {
        tell_caps(c, u, "LIST", u->caps);
    } else if (skt_irc_is(sub, "END")) {
        u->capping = false;
        skt_chat_try_register(c, u, false);
        skt_chat_retime(c, u);
    } else {
        skt_chat_num(c, u, 410, "%.*s :Invalid CAP command", S(cut_to(sub, 32)));
    }
}

/* In a time that does not tell how much of it was right. */
static bool same_secret(struct skt_span a, struct skt_span b)
{
    uint8_t differ = skt_len(a) != skt_len(b);

    for (size_t i = 0; i < skt_len(a) && skt_len(b); i++)
        differ |= a.p[i] ^ b.p[i % skt_len(b)];
    return !differ;
}

void skt_chat_pass(struct skt_chat *c, struct user *u, const struct skt_irc *m)
{
    if (u->state != FRESH)
        skt_chat_num(c, u, 462, ":You may not reregister");
    else
        u->has_pass = c->password && same_secret(m->param[0], buf_span(c->password));
}

void skt_chat_do_nick(struct skt_chat *c, struct user *u, const struct skt_irc *m)
{
    if (!skt_len(skt_irc_param(m, 0))) {
        skt_chat_num(c, u, 431, ":No nickname given");
        return;
    }
    skt_chat_take_nick(c, u, m->param[0]);
    skt_chat_try_register(c, u, false);
    skt_chat_retime(c, u);
}

void skt_chat_do_user(struct skt_chat *c, struct user *u, const struct skt_irc *m)
{
    struct skt_buf *real;

    if (u->state != FRESH || u->has_user) {
        skt_chat_num(c, u, 462, ":You may not reregister");
        return;
    }
    if (!skt_len(m->param[0]) || !skt_len(m->param[3])) {
        skt_chat_num(c, u, 461, "USER :Not enough parameters");
        return;
    }
    real = skt_chat_text(m->param[3], REAL_MAX);
    if (!real) {
        skt_chat_doom(c, u);
        return;
    }
    u->real = real;
    skt_chat_take_user(u, m->param[0]);
    u->has_user = true;
    skt_chat_try_register(c, u, false);
    skt_chat_retime(c, u);
}

void skt_chat_ping(struct skt_chat *c, struct user *u, const struct skt_irc *m)
{
    if (!skt_len(m->param[0]))
        skt_chat_num(c, u, 409, ":No origin specified");
    else
        skt_chat_say(c, u, ":%s PONG %s :%.*s", c->name, c->name, S(m->param[0]));
}

void skt_chat_pong(struct skt_chat *c, struct user *u, const struct skt_irc *m) {} /* that it was heard is enough */

void skt_chat_quit(struct skt_chat *c, struct user *u, const struct skt_irc *m)
{
    struct skt_span why = skt_irc_param(m, 0);

    if (u->bare && m->n > 1)
        why.end = m->param[m->n - 1].end;
    skt_chat_kill(c, u, skt_len(why) ? "Quit: " : "Quit", why);
}

void skt_chat_setname(struct skt_chat *c, struct user *u, const struct skt_irc *m)
{
    struct skt_buf *real;
    struct line line;

    if (!skt_len(m->param[0]) || skt_len(m->param[0]) > REAL_MAX) {
        skt_chat_say(c, u, ":%s FAIL SETNAME INVALID_REALNAME :A name has 1 to %d bytes", c->name, REAL_MAX);
        return;
    }
    real = skt_chat_text(m->param[0], REAL_MAX);
    if (!real) {
        skt_chat_doom(c, u);
        return;
    }
    skt_buf_put(u->real);
    u->real = real;
    line = skt_chat_from(c, u, true, "SETNAME :%.*s", S(buf_span(real)));
    if (u->caps & CAP_SETNAME)
        skt_chat_give(c, u, line);
    skt_chat_cast_peers(c, u, line, CAP_SETNAME);
}

void skt_chat_help(struct skt_chat *c, struct user *u, const struct skt_irc *m)
{
    static const char *const text[] = { "NICK name               take a name, or another one",
        "JOIN #channel [key]     enter a channel; it begins when the first one comes, who keeps order in it",
        "MSG #channel text       say something to all in it; MSG name text: to one person",
        "NAMES #channel          who is in it; LIST: all channels; WHOIS name: about a person",
        "TOPIC #channel [text]   see or set what it is about; PART #channel: leave it",
        "AWAY [text]             away, or back again; KICK, INVITE, MODE: for those who keep order",
        "QUIT [text]             good-bye. Any IRC client works here too: irssi, weechat, hexchat" };

    skt_chat_num(c, u, 704, "* :What you can say here:");
    for (size_t i = 0; i < sizeof text / sizeof *text; i++)
        skt_chat_num(c, u, 705, "* :%s", text[i]);
    skt_chat_num(c, u, 706, "* :End of /HELP");
}
