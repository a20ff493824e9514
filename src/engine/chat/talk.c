/* chat/talk: what people say: messages, topics, being away. */
#include "engine/chat/inside.h"

#include <stdlib.h>

/* 0; else the numeric that says why u may not speak in ch. */
static int muted(const struct skt_chat *c, const struct user *u, const struct channel *ch)
{
    const struct member *m = skt_chat_member(c, ch, u);

    if (m && m->flags & (MEMBER_OP | MEMBER_VOICE))
        return 0;
    if ((!m && ch->modes & MODE_NO_OUTSIDE) || ch->modes & MODE_MODERATED || (ch->bans && skt_chat_banned(ch, u)))
        return 404;
    return 0;
}

static struct line message(
    struct skt_chat *c, const struct user *u, bool timed, bool notice, struct skt_span target, struct skt_span text)
{
    struct skt_room *out = skt_chat_begin(c, timed);

    skt_put(out, skt_span_of(":", 1));
    skt_put(out, user_mask(u));
    skt_put(out, notice ? skt_span_of(" NOTICE ", 8) : skt_span_of(" PRIVMSG ", 9));
    skt_put(out, target);
    skt_put(out, skt_span_of(" :", 2));
    skt_chat_put_cut(out, text);
    return skt_chat_end(c);
}

static uint32_t to_channel(
    struct skt_chat *c, struct user *u, const struct channel *ch, struct skt_span text, bool notice)
{
    bool echo = u->caps & CAP_ECHO, inside = skt_chat_member(c, ch, u);
    struct line line = message(c, u, ch->timed || echo, notice, channel_name(ch), text);
    uint32_t n = skt_chat_cast(c, ch, line, echo ? 0 : u->link);

    if (!line.plain.buf)
        skt_chat_doom(c, u); /* nobody got it, and that ought not to stay unsaid */
    else if (echo && !inside)
        skt_chat_give(c, u, line);
    return n - (echo && inside);
}

static void to_user(struct skt_chat *c, struct user *u, struct user *who, struct skt_span text, bool notice)
{
    struct line line = message(c, u, (who->caps | u->caps) & CAP_TIME, notice, user_nick(who), text);

    skt_chat_give(c, who, line);
    if (u->caps & CAP_ECHO)
        skt_chat_give(c, u, line);
    if (who->away && !notice)
        skt_chat_num(c, u, 301, "%.*s :%.*s", S(user_nick(who)), S(buf_span(who->away)));
}

/* "automatic replies must never be sent in response to a NOTICE" (RFC 2812 3.3.2): of errors too. */
static void say_one(struct skt_chat *c, struct user *u, struct skt_span target, struct skt_span text, bool notice)
{
    struct channel *ch = *target.p == '#' ? skt_chat_channel(c, target) : NULL;
    struct user *who = *target.p == '#' ? NULL : skt_chat_nick(c, target);
    struct skt_span shown = cut_to(target, CHANNEL_MAX);
    uint32_t n = 1;

    if (!ch && !who) {
        if (!notice)
            skt_chat_num(c, u, *target.p == '#' ? 403 : 401, "%.*s :No such %s", S(shown),
                *target.p == '#' ? "channel" : "nick or channel");
        return;
    }
    if (ch && muted(c, u, ch)) {
        if (!notice)
            skt_chat_num(c, u, 404, "%.*s :Cannot send to channel%s", S(channel_name(ch)),
                skt_chat_member(c, ch, u) ? "" : ": JOIN it first");
        return;
    }
    if (ch)
        n = to_channel(c, u, ch, text, notice);
    else
        to_user(c, u, who, text, notice);
    c->stats.messages++;
    c->stats.deliveries += n;
    skt_chat_note(c, &(struct skt_chat_event){ .what = SKT_CHAT_MESSAGE,
                         .link = u->link,
                         .nick = user_nick(u),
                         .target = ch ? channel_name(ch) : user_nick(who),
                         .deliveries = n,
                         .notice = notice,
                         .text = c->conf.log_text ? text : skt_span_of(NULL, 0) });
}

static void say(struct skt_chat *c, struct user *u, const struct skt_irc *m, bool notice)
{
    struct skt_span targets = skt_irc_param(m, 0), text = skt_irc_param(m, 1), target;

    u->talked = c->now;
    if (!skt_len(targets) || !skt_len(text)) {
        if (!notice && !skt_len(targets))
            skt_chat_num(c, u, 411, ":No recipient given (%.*s)", S(cut_to(m->command, 20)));
        else if (!notice)
            skt_chat_num(c, u, 412, ":No text to send");
        return;
    }
    for (int n = 0; skt_irc_item(&targets, ',', &target); n++) {
        if (n == TARGETS_MAX) {
            if (!notice)
                skt_chat_num(
                    c, u, 407, "%.*s :Too many targets: at most %d", S(cut_to(target, CHANNEL_MAX)), TARGETS_MAX);
            return;
        }
        say_one(c, u, target, text, notice);
    }
}

void skt_chat_privmsg(struct skt_chat *c, struct user *u, const struct skt_irc *m) { say(c, u, m, false); }
void skt_chat_do_notice(struct skt_chat *c, struct user *u, const struct skt_irc *m) { say(c, u, m, true); }

static void tell_topic(struct skt_chat *c, struct user *u, const struct channel *ch)
{
    if (!ch->topic) {
        skt_chat_num(c, u, 331, "%.*s :No topic is set", S(channel_name(ch)));
        return;
    }
    skt_chat_num(c, u, 332, "%.*s :%.*s", S(channel_name(ch)), S(buf_span(ch->topic)));
    skt_chat_num(c, u, 333, "%.*s %.*s %lld", S(channel_name(ch)), S(buf_span(ch->topic_by)), (long long)ch->topic_at);
}

/* Replaces *at by a copy of text; empty: by nothing. False: no memory, and *at is as it was. */
static bool replace(struct skt_buf **at, struct skt_span text, size_t max)
{
    struct skt_buf *buf = skt_len(text) ? skt_chat_text(text, max) : NULL;

    if (skt_len(text) && !buf)
        return false;
    skt_buf_put(*at);
    *at = buf;
    return true;
}

void skt_chat_topic(struct skt_chat *c, struct user *u, const struct skt_irc *m)
{
    struct channel *ch = skt_chat_channel(c, m->param[0]);
    struct member *me;

    if (m->n < 2 && ch && skt_chat_sees(c, u, ch)) {
        tell_topic(c, u, ch);
        return;
    }
    ch = skt_chat_own_channel(c, u, m->param[0], &me);
    if (!ch)
        return;
    if (ch->modes & MODE_TOPIC && !(me->flags & MEMBER_OP)) {
        skt_chat_need_op(c, u, ch);
        return;
    }
    if (!replace(&ch->topic_by, user_mask(u), sizeof u->mask) || !replace(&ch->topic, m->param[1], TOPIC_MAX)) {
        skt_chat_doom(c, u);
        return;
    }
    ch->topic_at = (c->now + c->conf.wall_offset) / SKT_SEC;
    skt_chat_cast(
        c, ch, skt_chat_from(c, u, ch->timed, "TOPIC %.*s :%.*s", S(channel_name(ch)), S(buf_span(ch->topic))), 0);
    skt_chat_tell(c, SKT_CHAT_TOPIC, u, channel_name(ch), buf_span(ch->topic));
}

void skt_chat_away(struct skt_chat *c, struct user *u, const struct skt_irc *m)
{
    if (!replace(&u->away, skt_irc_param(m, 0), AWAY_MAX)) {
        skt_chat_doom(c, u);
        return;
    }
    if (u->away) {
        skt_chat_num(c, u, 306, ":You have been marked as being away");
        skt_chat_cast_peers(c, u, skt_chat_from(c, u, true, "AWAY :%.*s", S(buf_span(u->away))), CAP_AWAY_NOTIFY);
    } else {
        skt_chat_num(c, u, 305, ":You are no longer marked as being away");
        skt_chat_cast_peers(c, u, skt_chat_from(c, u, true, "AWAY"), CAP_AWAY_NOTIFY);
    }
}
