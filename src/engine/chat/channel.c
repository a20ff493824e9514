/* chat/channel: who is in which channel. Members are an array of links, so that a message walks over nothing else; a user
 * knows its place in each, so that leaving is cheap too. */
#include "engine/chat/inside.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

static struct skt_span folded(struct skt_span name, uint8_t *room, size_t n)
{
    struct skt_room out = skt_room_of(room, n);

    skt_irc_put_folded(&out, name);
    return skt_span_of(room, (size_t)(out.p - room));
}

struct channel *skt_chat_channel(const struct skt_chat *c, struct skt_span name)
{
    uint8_t key[CHANNEL_MAX];
    uint32_t id;

    if (skt_len(name) > CHANNEL_MAX || !skt_names_get(&c->channel_names, folded(name, key, sizeof key), &id))
        return NULL;
    return c->channels[id];
}

static struct joined *place_of(const struct user *u, const struct channel *ch)
{
    for (uint32_t i = 0; i < u->n; i++)
        if (u->joined[i].channel == ch->id)
            return &u->joined[i];
    return NULL;
}

struct member *skt_chat_member(const struct skt_chat *c, const struct channel *ch, const struct user *u)
{
    const struct joined *j = place_of(u, ch);

    return j ? &ch->members[j->at] : NULL;
}

void skt_chat_channel_free(struct channel *ch)
{
    if (!ch)
        return;
    while (ch->bans)
        skt_buf_put(ch->ban[--ch->bans]);
    skt_buf_put(ch->topic);
    skt_buf_put(ch->topic_by);
    skt_buf_put(ch->key);
    free(ch->ban);
    free(ch->members);
    free(ch);
}

/* A free id, the least. */
static int find_id(struct skt_chat *c, uint32_t *ret_id)
{
    uint32_t id = c->first_free, room = c->channel_room ? 2 * c->channel_room : 16;
    struct channel **channels;

    while (id < c->channel_room && c->channels[id])
        id++;
    if (id == c->channel_room) {
        channels = realloc(c->channels, room * sizeof(struct channel *));
        if (!channels)
            return -ENOMEM;
        memset(channels + c->channel_room, 0, (room - c->channel_room) * sizeof(struct channel *));
        c->channels = channels;
        c->channel_room = room;
    }
    *ret_id = c->first_free = id;
    return 0;
}

/* A new channel without members. NULL: no memory. */
static struct channel *found(struct skt_chat *c, struct skt_span name)
{
    struct channel *ch = calloc(1, sizeof *ch + skt_len(name));
    uint8_t key[CHANNEL_MAX];
    uint32_t id;

    if (!ch || find_id(c, &id) || skt_names_put(&c->channel_names, folded(name, key, sizeof key), id)) {
        free(ch);
        return NULL;
    }
    ch->id = id;
    ch->serial = ++c->serial;
    ch->modes = MODE_NO_OUTSIDE | MODE_TOPIC;
    ch->created = (c->now + c->conf.wall_offset) / SKT_SEC;
    ch->name_n = (uint32_t)skt_len(name);
    memcpy(ch->name, name.p, ch->name_n);
    c->channels[id] = ch;
    c->stats.channels++;
    return ch;
}

/* True: there is somebody left. */
static bool drop_if_empty(struct skt_chat *c, struct channel *ch)
{
    uint8_t key[CHANNEL_MAX];

    if (ch->n)
        return true;
    skt_names_del(&c->channel_names, folded(channel_name(ch), key, sizeof key));
    c->channels[ch->id] = NULL;
    if (ch->id < c->first_free)
        c->first_free = ch->id;
    c->stats.channels--;
    skt_chat_channel_free(ch);
    return false;
}

/* Room for one more in an array of `size` bytes each. */
static bool reserve(void *array, uint32_t n, uint32_t *room, size_t size, void **ret_array)
{
    uint32_t more = *room ? 2 * *room : 4;

    *ret_array = array;
    if (n < *room)
        return true;
    array = realloc(array, more * size);
    if (!array)
        return false;
    *ret_array = array;
    *room = more;
    return true;
}

static int enter(struct user *u, struct channel *ch, uint32_t flags)
{
    void *members, *joined;
    bool ok = reserve(ch->members, ch->n, &ch->room, sizeof *ch->members, &members);

    ch->members = members;
    ok = ok && reserve(u->joined, u->n, &u->room, sizeof *u->joined, &joined);
    if (!ok)
        return -ENOMEM;
    u->joined = joined;
    if (u->caps & CAP_TIME) {
        flags |= MEMBER_TIME;
        ch->timed++;
    }
    u->joined[u->n++] = (struct joined){ .channel = ch->id, .at = ch->n };
    ch->members[ch->n++] = (struct member){ .link = u->link, .flags = flags };
    return 0;
}

bool skt_chat_leave(struct skt_chat *c, struct user *u, struct channel *ch)
{
    struct joined *j = place_of(u, ch), *moved;
    struct member *m, *last = &ch->members[ch->n - 1];

    assert(j && j->at < ch->n);
    m = &ch->members[j->at];
    ch->timed -= !!(m->flags & MEMBER_TIME);
    if (m != last) {
        moved = place_of(skt_chat_user(c, last->link), ch);
        assert(moved);
        moved->at = j->at;
        *m = *last;
    }
    ch->n--;
    *j = u->joined[--u->n];
    return drop_if_empty(c, ch);
}

void skt_chat_mark_time(struct skt_chat *c, struct user *u)
{
    for (uint32_t i = 0; i < u->n; i++) {
        struct channel *ch = c->channels[u->joined[i].channel];
        struct member *m = &ch->members[u->joined[i].at];

        ch->timed -= !!(m->flags & MEMBER_TIME);
        m->flags &= ~(uint32_t)MEMBER_TIME;
        if (u->caps & CAP_TIME) {
            m->flags |= MEMBER_TIME;
            ch->timed++;
        }
    }
}

bool skt_chat_banned(const struct channel *ch, const struct user *u)
{
    for (uint32_t i = 0; i < ch->bans; i++)
        if (skt_irc_match(buf_span(ch->ban[i]), user_mask(u)))
            return true;
    return false;
}

bool skt_chat_sees(const struct skt_chat *c, const struct user *u, const struct channel *ch)
{
    return !(ch->modes & MODE_SECRET) || place_of(u, ch);
}

struct skt_span skt_chat_prefix(const struct user *to, const struct member *m)
{
    bool op = m->flags & MEMBER_OP, voice = m->flags & MEMBER_VOICE;

    if (op && voice && to->caps & CAP_MULTI_PREFIX)
        return skt_span_of("@+", 2);
    return op ? skt_span_of("@", 1) : voice ? skt_span_of("+", 1) : skt_span_of(NULL, 0);
}

void skt_chat_no_channel(struct skt_chat *c, struct user *u, struct skt_span name)
{
    skt_chat_num(c, u, 403, "%.*s :No such channel", S(cut_to(name, CHANNEL_MAX)));
}

void skt_chat_need_op(struct skt_chat *c, struct user *u, const struct channel *ch)
{
    skt_chat_num(c, u, 482, "%.*s :You're not channel operator", S(channel_name(ch)));
}

struct channel *skt_chat_own_channel(
    struct skt_chat *c, struct user *u, struct skt_span name, struct member **ret_member)
{
    struct channel *ch = skt_chat_channel(c, name);
    struct member *m = ch ? skt_chat_member(c, ch, u) : NULL;

    if (!ch)
        skt_chat_no_channel(c, u, name);
    else if (!m)
        skt_chat_num(c, u, 442, "%.*s :You're not on that channel", S(channel_name(ch)));
    if (m)
        *ret_member = m;
    return m ? ch : NULL;
}

void skt_chat_names(struct skt_chat *c, struct user *u, const struct channel *ch)
{
    bool inside = place_of(u, ch);
    uint32_t i = 0;

    while (i < ch->n) {
        struct skt_room *out = skt_chat_begin(c, u->caps & CAP_TIME);
        const char *blank = "";

        skt_put_fmt(out, ":%s 353 %.*s %c %.*s :", c->name, S(user_nick(u)), ch->modes & MODE_SECRET ? '@' : '=',
            S(channel_name(ch)));
        for (; i < ch->n && skt_left(*out) > sizeof u->mask + 3; i++) {
            const struct user *who = skt_chat_user(c, ch->members[i].link);

            if (who->invisible && !inside)
                continue;
            skt_put_str(out, blank);
            skt_put(out, skt_chat_prefix(u, &ch->members[i]));
            skt_put(out, u->caps & CAP_USERHOST ? user_mask(who) : user_nick(who));
            blank = " ";
        }
        skt_chat_give(c, u, skt_chat_end(c));
        if (out->bad)
            return;
    }
    skt_chat_num(c, u, 366, "%.*s :End of /NAMES list", S(channel_name(ch)));
}

static bool invited(const struct user *u, const struct channel *ch)
{
    for (uint32_t i = 0; i < INVITES_MAX; i++)
        if (u->invited[i] == ch->serial)
            return true;
    return false;
}

/* Why u may not come in; 0: it may. */
static int barred(const struct skt_chat *c, const struct user *u, const struct channel *ch, struct skt_span key)
{
    if (ch->n >= c->conf.max_members || (ch->modes & MODE_LIMIT && ch->n >= ch->limit))
        return 471;
    if (ch->modes & MODE_INVITE && !invited(u, ch))
        return 473;
    if (skt_chat_banned(ch, u) && !invited(u, ch))
        return 474;
    if (ch->modes & MODE_KEY && !skt_span_eq(key, buf_span(ch->key)))
        return 475;
    return 0;
}

static void tell_barred(struct skt_chat *c, struct user *u, const struct channel *ch, int why)
{
    static const char *const text[] = { "Cannot join channel (+l): it is full", "",
        "Cannot join channel (+i): ask for an invitation", "Cannot join channel (+b): you are banned",
        "Cannot join channel (+k): say JOIN #channel KEY" };

    skt_chat_num(c, u, why, "%.*s :%s", S(channel_name(ch)), text[why - 471]);
}

static void tell_joined(struct skt_chat *c, struct user *u, struct channel *ch)
{
    struct line line = skt_chat_from(c, u, ch->timed, "JOIN %.*s", S(channel_name(ch)));

    skt_chat_cast_caps(c, ch, line, 0, CAP_EXTENDED_JOIN, false);
    line = skt_chat_from(c, u, ch->timed, "JOIN %.*s * :%.*s", S(channel_name(ch)), S(buf_span(u->real)));
    skt_chat_cast_caps(c, ch, line, 0, CAP_EXTENDED_JOIN, true);
    if (u->away) {
        line = skt_chat_from(c, u, ch->timed, "AWAY :%.*s", S(buf_span(u->away)));
        skt_chat_cast_caps(c, ch, line, u->link, CAP_AWAY_NOTIFY, true);
    }
    if (ch->topic) {
        skt_chat_num(c, u, 332, "%.*s :%.*s", S(channel_name(ch)), S(buf_span(ch->topic)));
        skt_chat_num(
            c, u, 333, "%.*s %.*s %lld", S(channel_name(ch)), S(buf_span(ch->topic_by)), (long long)ch->topic_at);
    }
    if (!(u->caps & CAP_NO_NAMES))
        skt_chat_names(c, u, ch);
    skt_chat_tell(c, SKT_CHAT_JOINED, u, channel_name(ch), skt_span_of(NULL, 0));
}

static void join_one(struct skt_chat *c, struct user *u, struct skt_span name, struct skt_span key)
{
    struct channel *ch = skt_chat_channel(c, name);
    int why;

    if (!skt_irc_channel_ok(name, CHANNEL_MAX)) {
        skt_chat_num(c, u, 403, "%.*s :No such channel: a name is # and up to %d letters", S(cut_to(name, CHANNEL_MAX)),
            CHANNEL_MAX - 1);
        return;
    }
    if (ch && place_of(u, ch))
        return;
    if (u->n >= c->conf.max_joined || (!ch && skt_names_full(&c->channel_names))) {
        skt_chat_num(c, u, 405, "%.*s :%s", S(name),
            u->n >= c->conf.max_joined ? "You have joined too many channels" : "The server has too many channels");
        return;
    }
    why = ch ? barred(c, u, ch, key) : 0;
    if (why) {
        tell_barred(c, u, ch, why);
        return;
    }
    if (!ch)
        ch = found(c, name);
    if (!ch || enter(u, ch, ch->n ? 0 : MEMBER_OP)) {
        if (ch)
            drop_if_empty(c, ch);
        skt_chat_doom(c, u);
        return;
    }
    for (uint32_t i = 0; i < INVITES_MAX; i++)
        if (u->invited[i] == ch->serial)
            u->invited[i] = 0; /* an invitation is for once */
    tell_joined(c, u, ch);
}

static void part_one(struct skt_chat *c, struct user *u, struct channel *ch, struct skt_span why)
{
    struct line line;

    why = cut_to(why, REASON_MAX);
    line = skt_len(why) ? skt_chat_from(c, u, ch->timed, "PART %.*s :%.*s", S(channel_name(ch)), S(why))
                        : skt_chat_from(c, u, ch->timed, "PART %.*s", S(channel_name(ch)));
    skt_chat_cast(c, ch, line, 0);
    skt_chat_tell(c, SKT_CHAT_PARTED, u, channel_name(ch), why);
    (void)skt_chat_leave(c, u, ch); /* ch is not used after this */
}

void skt_chat_join(struct skt_chat *c, struct user *u, const struct skt_irc *m)
{
    struct skt_span names = m->param[0], keys = skt_irc_param(m, 1), name, key;

    if (skt_span_is(names, "0")) { /* RFC 2812 3.2.1: leave all */
        while (u->n)
            part_one(c, u, c->channels[u->joined[u->n - 1].channel], (struct skt_span){ 0 });
        return;
    }
    for (uint32_t n = 0; skt_irc_item(&names, ',', &name) && n < c->conf.max_joined && !u->doomed; n++) {
        if (!skt_irc_item(&keys, ',', &key))
            key = (struct skt_span){ 0 };
        join_one(c, u, name, key);
    }
}

void skt_chat_part(struct skt_chat *c, struct user *u, const struct skt_irc *m)
{
    struct skt_span names = m->param[0], name;
    struct member *me;

    while (skt_irc_item(&names, ',', &name)) {
        struct channel *ch = skt_chat_own_channel(c, u, name, &me);

        if (ch)
            part_one(c, u, ch, skt_irc_param(m, 1));
    }
}

void skt_chat_do_names(struct skt_chat *c, struct user *u, const struct skt_irc *m)
{
    struct skt_span names = skt_irc_param(m, 0), name;

    if (!skt_irc_item(&names, ',', &name)) {
        skt_chat_num(c, u, 366, "* :End of /NAMES list");
        return;
    }
    struct channel *ch = skt_chat_channel(c, name); /* TARGMAX=NAMES:1 */
    if (ch && skt_chat_sees(c, u, ch))
        skt_chat_names(c, u, ch);
    else
        skt_chat_num(c, u, 366, "%.*s :End of /NAMES list", S(cut_to(name, CHANNEL_MAX)));
}

/* False: u is no more in ch, and ch may be gone. */
static bool kick_one(struct skt_chat *c, struct user *u, struct channel *ch, struct skt_span nick, struct skt_span why)
{
    struct user *who = skt_chat_nick(c, nick);

    if (!who) {
        skt_chat_num(c, u, 401, "%.*s :No such nick", S(cut_to(nick, NICK_MAX)));
        return true;
    }
    if (!place_of(who, ch)) {
        skt_chat_num(c, u, 441, "%.*s %.*s :They aren't on that channel", S(user_nick(who)), S(channel_name(ch)));
        return true;
    }
    why = cut_to(skt_len(why) ? why : user_nick(u), REASON_MAX);
    skt_chat_cast(c, ch,
        skt_chat_from(c, u, ch->timed, "KICK %.*s %.*s :%.*s", S(channel_name(ch)), S(user_nick(who)), S(why)), 0);
    skt_chat_tell(c, SKT_CHAT_KICKED, who, channel_name(ch), user_nick(u));
    return skt_chat_leave(c, who, ch) && who != u;
}

void skt_chat_kick(struct skt_chat *c, struct user *u, const struct skt_irc *m)
{
    struct skt_span nicks = m->param[1], nick;
    struct member *me;
    struct channel *ch = skt_chat_own_channel(c, u, m->param[0], &me);

    if (!ch)
        return;
    if (!(me->flags & MEMBER_OP)) {
        skt_chat_need_op(c, u, ch);
        return;
    }
    for (int n = 0; n < TARGETS_MAX && skt_irc_item(&nicks, ',', &nick); n++)
        if (!kick_one(c, u, ch, nick, skt_irc_param(m, 2)))
            return;
}

void skt_chat_invite(struct skt_chat *c, struct user *u, const struct skt_irc *m)
{
    struct user *who = skt_chat_nick(c, m->param[0]);
    struct member *me;
    struct channel *ch;

    if (!who) {
        skt_chat_num(c, u, 401, "%.*s :No such nick", S(cut_to(m->param[0], NICK_MAX)));
        return;
    }
    ch = skt_chat_own_channel(c, u, m->param[1], &me);
    if (!ch)
        return;
    if (ch->modes & MODE_INVITE && !(me->flags & MEMBER_OP)) {
        skt_chat_need_op(c, u, ch);
        return;
    }
    if (place_of(who, ch)) {
        skt_chat_num(c, u, 443, "%.*s %.*s :is already on channel", S(user_nick(who)), S(channel_name(ch)));
        return;
    }
    who->invited[who->invites++ % INVITES_MAX] = ch->serial;
    skt_chat_num(c, u, 341, "%.*s %.*s", S(user_nick(who)), S(channel_name(ch)));
    if (who->away)
        skt_chat_num(c, u, 301, "%.*s :%.*s", S(user_nick(who)), S(buf_span(who->away)));
    struct line line = skt_chat_from(c, u, true, "INVITE %.*s %.*s", S(user_nick(who)), S(channel_name(ch)));
    skt_chat_give(c, who, line);
    skt_chat_cast_caps(c, ch, line, u->link, CAP_INVITE_NOTIFY, true);
}
