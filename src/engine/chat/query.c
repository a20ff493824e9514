/* chat/query: what people ask: who is there, which channels, the server itself. Long answers (WHO, LIST) are jobs: a share
 * each turn, none while the asker's socket is full; its next line waits for the end. */
#include "engine/chat/inside.h"

#include <stdlib.h>

enum { JOB_SHARE = 64 }; /* lines a turn */

void skt_chat_job_end(struct skt_chat *c, struct user *u)
{
    c->jobs -= u->job != NO_JOB;
    u->job = NO_JOB;
    u->cursor = 0;
    skt_buf_put(u->job_mask);
    u->job_mask = NULL;
}

static void job_start(struct skt_chat *c, struct user *u, enum job_kind kind, struct skt_span mask)
{
    u->job_mask = skt_chat_text(mask, SKT_IRC_LINE);
    if (!u->job_mask) {
        skt_chat_doom(c, u);
        return;
    }
    u->job = kind;
    u->cursor = 0;
    c->jobs++;
}

/* LIST: each item that begins with < or > must hold (ELIST=U), and of the masks (ELIST=M) one, if there are any. */
static bool listed(const struct channel *ch, struct skt_span filter)
{
    struct skt_span item;
    bool masks = false, match = false;

    while (skt_irc_item(&filter, ',', &item)) {
        if (*item.p == '<' || *item.p == '>') {
            uint32_t n = 0;

            for (const uint8_t *p = item.p + 1; p < item.end && '0' <= *p && *p <= '9' && n < 100000000; p++)
                n = n * 10 + (uint32_t)(*p - '0');
            if (*item.p == '<' ? ch->n >= n : ch->n <= n)
                return false;
        } else {
            masks = true;
            match = match || skt_irc_match(item, channel_name(ch));
        }
    }
    return match || !masks;
}

/* Each of the following says one line, or none, about the thing at the cursor, and is false when there is no more. */
static bool list_step(struct skt_chat *c, struct user *u)
{
    const struct channel *ch;

    if (u->cursor >= c->channel_room) {
        skt_chat_num(c, u, 323, ":End of /LIST");
        return false;
    }
    ch = c->channels[u->cursor++];
    if (ch && skt_chat_sees(c, u, ch) && listed(ch, buf_span(u->job_mask)))
        skt_chat_num(c, u, 322, "%.*s %u :%.*s", S(channel_name(ch)), ch->n, S(buf_span(ch->topic)));
    return true;
}

static void who_line(struct skt_chat *c, struct user *u, struct user *who, const struct channel *ch)
{
    const struct member *m = ch ? skt_chat_member(c, ch, who) : NULL;
    struct skt_span rank = m ? skt_chat_prefix(u, m) : skt_span_of(NULL, 0);

    skt_chat_num(c, u, 352, "%.*s %.*s %.*s %s %.*s %c%.*s :0 %.*s", S(ch ? channel_name(ch) : skt_span_of("*", 1)),
        S(user_name(who)), S(user_host(who)), c->name, S(user_nick(who)), who->away ? 'G' : 'H', S(rank),
        S(buf_span(who->real)));
}

static void who_end(struct skt_chat *c, struct user *u, struct skt_span mask)
{
    skt_chat_num(
        c, u, 315, "%.*s :End of WHO list", S(skt_len(mask) ? cut_to(mask, CHANNEL_MAX) : skt_span_of("*", 1)));
}

static bool who_channel_step(struct skt_chat *c, struct user *u)
{
    const struct channel *ch = skt_chat_channel(c, buf_span(u->job_mask));
    struct user *who;

    if (!ch || u->cursor >= ch->n) {
        who_end(c, u, buf_span(u->job_mask));
        return false;
    }
    who = skt_chat_user(c, ch->members[u->cursor++].link);
    if (!who->invisible || skt_chat_member(c, ch, u))
        who_line(c, u, who, ch);
    return true;
}

static bool who_all_step(struct skt_chat *c, struct user *u)
{
    struct skt_span mask = buf_span(u->job_mask);
    struct user *who;

    if (u->cursor >= c->slots) {
        who_end(c, u, mask);
        return false;
    }
    who = c->users[u->cursor++];
    if (!who || who->state != REGISTERED || (who->invisible && who != u && !skt_chat_peers(u, who)))
        return true;
    if (!skt_len(mask) || skt_irc_match(mask, user_nick(who)) || skt_irc_match(mask, user_name(who)) ||
        skt_irc_match(mask, user_host(who)) || skt_irc_match(mask, buf_span(who->real)))
        who_line(c, u, who, NULL);
    return true;
}

static bool job_step(struct skt_chat *c, struct user *u)
{
    switch (u->job) {
    case JOB_LIST: return list_step(c, u);
    case JOB_WHO_ALL: return who_all_step(c, u);
    case JOB_WHO_CHANNEL: return who_channel_step(c, u);
    case NO_JOB: break;
    }
    return false;
}

void skt_chat_run_jobs(struct skt_chat *c)
{
    for (uint32_t i = 0; c->jobs && i < c->slots && !skt_outbox_full(&c->out); i++) {
        struct user *u = c->users[i];
        bool more = true;

        if (!u || u->job == NO_JOB || u->full)
            continue;
        for (int n = 0; more && n < JOB_SHARE && !u->doomed; n++)
            more = job_step(c, u);
        if (!more)
            skt_chat_job_end(c, u);
    }
}

void skt_chat_list(struct skt_chat *c, struct user *u, const struct skt_irc *m)
{
    skt_chat_num(c, u, 321, "Channel :Users  Name");
    job_start(c, u, JOB_LIST, skt_irc_param(m, 0));
}

void skt_chat_who(struct skt_chat *c, struct user *u, const struct skt_irc *m)
{
    struct skt_span mask = skt_irc_param(m, 0);
    const struct channel *ch = skt_chat_channel(c, mask);
    struct user *who = skt_chat_nick(c, mask);

    if (ch && skt_chat_sees(c, u, ch)) {
        job_start(c, u, JOB_WHO_CHANNEL, mask);
    } else if (who || (skt_len(mask) && *mask.p == '#')) {
        if (who)
            who_line(c, u, who, NULL);
        who_end(c, u, mask);
    } else {
        job_start(c, u, JOB_WHO_ALL, skt_span_is(mask, "0") ? skt_span_of(NULL, 0) : mask);
    }
}

/* 319: the channels of who that u may know of. */
static void whois_channels(struct skt_chat *c, struct user *u, const struct user *who)
{
    uint32_t i = 0;

    while (i < who->n) {
        struct skt_room *out = skt_chat_begin(c, u->caps & CAP_TIME);
        uint32_t shown = 0;

        skt_put_fmt(out, ":%s 319 %.*s %.*s :", c->name, S(user_nick(u)), S(user_nick(who)));
        for (; i < who->n && skt_left(*out) > CHANNEL_MAX + 3; i++) {
            const struct channel *ch = c->channels[who->joined[i].channel];

            if (!skt_chat_sees(c, u, ch) || (who->invisible && u != who && !skt_chat_member(c, ch, u)))
                continue;
            skt_put_str(out, shown++ ? " " : "");
            skt_put(out, skt_chat_prefix(u, &ch->members[who->joined[i].at]));
            skt_put(out, channel_name(ch));
        }
        if (out->bad || shown)
            skt_chat_give(c, u, skt_chat_end(c));
        if (out->bad)
            return;
    }
}

static void whois_one(struct skt_chat *c, struct user *u, struct skt_span nick)
{
    struct user *who = skt_chat_nick(c, nick);

    if (!who) {
        skt_chat_num(c, u, 401, "%.*s :No such nick", S(cut_to(nick, NICK_MAX)));
        return;
    }
    skt_chat_num(c, u, 311, "%.*s %.*s %.*s * :%.*s", S(user_nick(who)), S(user_name(who)), S(user_host(who)),
        S(buf_span(who->real)));
    whois_channels(c, u, who);
    skt_chat_num(c, u, 312, "%.*s %s :%s", S(user_nick(who)), c->name, c->network);
    if (who->away)
        skt_chat_num(c, u, 301, "%.*s :%.*s", S(user_nick(who)), S(buf_span(who->away)));
    skt_chat_num(c, u, 317, "%.*s %lld %lld :seconds idle, signon time", S(user_nick(who)),
        (long long)((c->now - who->talked) / SKT_SEC), (long long)((who->since + c->conf.wall_offset) / SKT_SEC));
}

void skt_chat_whois(struct skt_chat *c, struct user *u, const struct skt_irc *m)
{
    struct skt_span nicks = m->n > 1 ? m->param[1] : skt_irc_param(m, 0), list = nicks, nick;

    if (!skt_len(nicks)) {
        skt_chat_num(c, u, 431, ":No nickname given");
        return;
    }
    for (int n = 0; skt_irc_item(&list, ',', &nick) && n < TARGETS_MAX; n++)
        whois_one(c, u, nick);
    skt_chat_num(c, u, 318, "%.*s :End of /WHOIS list", S(cut_to(nicks, 200)));
}

/* Who left is not remembered: an honest "never heard of". */
void skt_chat_whowas(struct skt_chat *c, struct user *u, const struct skt_irc *m)
{
    skt_chat_num(c, u, 406, "%.*s :There was no such nickname", S(cut_to(m->param[0], NICK_MAX)));
    skt_chat_num(c, u, 369, "%.*s :End of WHOWAS", S(cut_to(m->param[0], NICK_MAX)));
}

void skt_chat_lusers(struct skt_chat *c, struct user *u, const struct skt_irc *m)
{
    const struct skt_chat_stats *s = &c->stats;

    skt_chat_num(c, u, 251, ":There are %u users and 0 invisible on 1 servers", s->users);
    skt_chat_num(c, u, 252, "0 :operators online");
    skt_chat_num(c, u, 253, "%u :unknown connections", s->links - s->users);
    skt_chat_num(c, u, 254, "%u :channels formed", s->channels);
    skt_chat_num(c, u, 255, ":I have %u clients and 0 servers", s->links);
    skt_chat_num(c, u, 265, "%u %u :Current local users %u, max %u", s->users, s->peak_users, s->users, s->peak_users);
    skt_chat_num(c, u, 266, "%u %u :Current global users %u, max %u", s->users, s->peak_users, s->users, s->peak_users);
}

void skt_chat_motd(struct skt_chat *c, struct user *u, const struct skt_irc *m)
{
    struct skt_span text = buf_span(c->motd), line;

    if (!skt_len(text)) {
        skt_chat_num(c, u, 422, ":MOTD File is missing");
        return;
    }
    skt_chat_num(c, u, 375, ":- %s Message of the day - ", c->name);
    while (text.p < text.end) {
        if (!skt_get_line(&text, &line)) {
            line = text;
            text.p = text.end;
        }
        skt_chat_num(c, u, 372, ":- %.*s", S(line));
    }
    skt_chat_num(c, u, 376, ":End of /MOTD command");
}

static void isupport(struct skt_chat *c, struct user *u)
{
    skt_chat_num(c, u, 005,
        "CASEMAPPING=ascii CHANTYPES=# CHANMODES=b,k,l,imnst PREFIX=(ov)@+ NICKLEN=%d CHANNELLEN=%d TOPICLEN=%d KICKLEN=%d "
        "AWAYLEN=%d USERLEN=%d HOSTLEN=%d KEYLEN=%d :are supported by this server",
        NICK_MAX, CHANNEL_MAX, TOPIC_MAX, REASON_MAX, AWAY_MAX, USER_MAX, HOST_MAX, KEY_MAX);
    skt_chat_num(c, u, 005,
        "NETWORK=%s MODES=%d MAXLIST=b:%d CHANLIMIT=#:%u TARGMAX=PRIVMSG:%d,NOTICE:%d,WHOIS:%d,KICK:%d,NAMES:1,JOIN:,PART: "
        "ELIST=MU SAFELIST UTF8ONLY LINELEN=%d :are supported by this server",
        c->network, MODES_MAX, BANS_MAX, c->conf.max_joined, TARGETS_MAX, TARGETS_MAX, TARGETS_MAX, TARGETS_MAX,
        SKT_IRC_LINE);
}

void skt_chat_welcome(struct skt_chat *c, struct user *u)
{
    skt_chat_num(c, u, 001, ":Welcome to the %s network, %.*s", c->network, S(user_nick(u)));
    if (u->bare) { /* a person, who reads all this */
        if (c->motd)
            skt_chat_motd(c, u, NULL);
        skt_chat_notice(c, u, "Say: JOIN #lobby, then: MSG #lobby hello everyone. HELP tells more, QUIT ends.");
        return;
    }
    skt_chat_num(c, u, 002, ":Your host is %s, running sockit", c->name);
    skt_chat_num(c, u, 003, ":This server keeps no date of its creation");
    skt_chat_num(c, u, 004, "%s sockit i biklmnostv bklov", c->name);
    isupport(c, u);
    skt_chat_lusers(c, u, NULL);
    skt_chat_motd(c, u, NULL);
}

void skt_chat_version(struct skt_chat *c, struct user *u, const struct skt_irc *m)
{
    skt_chat_num(c, u, 351, "sockit %s :IRC", c->name);
    isupport(c, u);
}

void skt_chat_time(struct skt_chat *c, struct user *u, const struct skt_irc *m)
{
    uint8_t text[24];
    struct skt_room out = skt_room_of(text, sizeof text);

    skt_irc_put_time(&out, c->now + c->conf.wall_offset);
    skt_chat_num(c, u, 391, "%s :%.*s", c->name, (int)sizeof text, (const char *)text);
}

/* ISON and USERHOST take their nicks as parameters, or in one with blanks; `put` says one of them. */
static void each_nick(struct skt_chat *c, struct user *u, const struct skt_irc *m, uint32_t max, int numeric,
    void (*put)(struct skt_room *out, const struct user *who))
{
    struct skt_room *out = skt_chat_begin(c, u->caps & CAP_TIME);
    const char *blank = "";

    skt_put_fmt(out, ":%s %d %.*s :", c->name, numeric, S(user_nick(u)));
    for (uint32_t i = 0, n = 0; i < m->n; i++) {
        struct skt_span list = m->param[i], nick;

        while (skt_irc_item(&list, ' ', &nick) && n++ < max) {
            const struct user *who = skt_chat_nick(c, nick);

            if (!who || skt_left(*out) < sizeof who->mask + 4)
                continue;
            skt_put_str(out, blank);
            put(out, who);
            blank = " ";
        }
    }
    skt_chat_give(c, u, skt_chat_end(c));
}

static void put_ison(struct skt_room *out, const struct user *who) { skt_put(out, user_nick(who)); }

static void put_userhost(struct skt_room *out, const struct user *who)
{
    skt_put(out, user_nick(who));
    skt_put_str(out, who->away ? "=-" : "=+");
    skt_put(out, user_name(who));
    skt_put_str(out, "@");
    skt_put(out, user_host(who));
}

void skt_chat_ison(struct skt_chat *c, struct user *u, const struct skt_irc *m)
{
    each_nick(c, u, m, SKT_IRC_LINE, 303, put_ison);
}

void skt_chat_userhost(struct skt_chat *c, struct user *u, const struct skt_irc *m)
{
    each_nick(c, u, m, 5, 302, put_userhost);
}
