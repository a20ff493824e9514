/* chat/mode: MODE, of users (i) and of channels (b; k; l; i m n s t; o v). */
#include "engine/chat/inside.h"

#include <stdlib.h>

static const struct {
    char letter;
    uint32_t bit;
} flags[] = { { 'i', MODE_INVITE }, { 'm', MODE_MODERATED }, { 'n', MODE_NO_OUTSIDE }, { 's', MODE_SECRET },
    { 't', MODE_TOPIC } };
enum { FLAGS = sizeof flags / sizeof *flags, CHANGES_MAX = 260 };

/* What one MODE line changed, as it will be told: "+o-v" and "ann bob". */
struct changes {
    char sign; /* the last one written */
    uint8_t letters[32], params[CHANGES_MAX];
    struct skt_room letter, param;
    int with_param;
};

/* One change of a channel that is asked for. */
struct wish {
    struct skt_chat *c;
    struct user *u;
    struct channel *ch;
    const struct skt_irc *m;
    uint32_t next; /* parameter */
    bool add;
    char letter;
    struct changes done;
};

static void done(struct wish *w, struct skt_span param)
{
    char sign = w->add ? '+' : '-';

    if (w->done.sign != sign)
        skt_put_u8(&w->done.letter, (uint8_t)sign);
    w->done.sign = sign;
    skt_put_u8(&w->done.letter, (uint8_t)w->letter);
    if (skt_len(param)) {
        skt_put_u8(&w->done.param, ' ');
        skt_put(&w->done.param, param);
        w->done.with_param++;
    }
}

/* The next parameter; empty when there is none or the line has had its share. */
static struct skt_span next_param(struct wish *w)
{
    if (w->done.with_param >= MODES_MAX)
        return (struct skt_span){ 0 };
    return skt_irc_param(w->m, w->next++);
}

static void give_rank(struct wish *w, uint32_t rank)
{
    struct skt_span nick = next_param(w);
    struct user *who = skt_chat_nick(w->c, nick);
    struct member *m = who ? skt_chat_member(w->c, w->ch, who) : NULL;

    if (!skt_len(nick))
        return;
    if (!m) {
        skt_chat_num(w->c, w->u, who ? 441 : 401, "%.*s %.*s%s", S(cut_to(nick, NICK_MAX)), S(channel_name(w->ch)),
            who ? " :They aren't on that channel" : " :No such nick");
        return;
    }
    if (!(m->flags & rank) == !w->add)
        return;
    m->flags ^= rank;
    done(w, user_nick(who));
}

static void list_bans(struct skt_chat *c, struct user *u, const struct channel *ch)
{
    for (uint32_t i = 0; i < ch->bans; i++)
        skt_chat_num(c, u, 367, "%.*s %.*s", S(channel_name(ch)), S(buf_span(ch->ban[i])));
    skt_chat_num(c, u, 368, "%.*s :End of channel ban list", S(channel_name(ch)));
}

/* "ann" is ann!*@*, "*@host" is *!*@host. */
static struct skt_span whole_mask(struct skt_span mask, uint8_t *room, size_t n)
{
    struct skt_room out = skt_room_of(room, n);
    bool bang = memchr(mask.p, '!', skt_len(mask)), at = memchr(mask.p, '@', skt_len(mask));

    if (at && !bang)
        skt_put_str(&out, "*!");
    skt_put(&out, mask);
    if (!at)
        skt_put_str(&out, bang ? "@*" : "!*@*");
    return out.bad ? skt_span_of(NULL, 0) : skt_span_of(room, (size_t)(out.p - room));
}

/* False: no memory, and nothing happened. */
static bool add_ban(struct channel *ch, struct skt_span mask)
{
    if (!ch->ban)
        ch->ban = calloc(BANS_MAX, sizeof(struct skt_buf *));
    if (!ch->ban || !(ch->ban[ch->bans] = skt_chat_text(mask, SKT_IRC_LINE)))
        return false;
    ch->bans++;
    return true;
}

static void ban(struct wish *w)
{
    uint8_t room[100];
    struct channel *ch = w->ch;
    struct skt_span mask = next_param(w);
    uint32_t i = 0;

    if (!skt_len(mask))
        return;
    mask = whole_mask(mask, room, sizeof room);
    while (i < ch->bans && !skt_irc_same(buf_span(ch->ban[i]), mask))
        i++;
    if (!skt_len(mask) || (i < ch->bans) == w->add)
        return;
    if (!w->add) {
        skt_buf_put(ch->ban[i]);
        ch->ban[i] = ch->ban[--ch->bans];
    } else if (ch->bans == BANS_MAX) {
        skt_chat_num(w->c, w->u, 478, "%.*s b :Channel ban list is full", S(channel_name(ch)));
        return;
    } else if (!add_ban(ch, mask)) {
        return; /* not done, so not told */
    }
    done(w, mask);
}

static void lock(struct wish *w)
{
    struct skt_span key = next_param(w);
    struct skt_buf *buf;

    if (!w->add && w->ch->modes & MODE_KEY) {
        skt_buf_put(w->ch->key);
        w->ch->key = NULL;
        w->ch->modes &= ~(uint32_t)MODE_KEY;
        done(w, skt_span_of("*", 1));
    }
    if (!w->add || !skt_len(key))
        return;
    if (skt_len(key) > KEY_MAX || memchr(key.p, ' ', skt_len(key)) || memchr(key.p, ',', skt_len(key)) ||
        *key.p == ':') {
        skt_chat_num(w->c, w->u, 525, "%.*s :Key is not well-formed: at most %d letters, no blank, no comma",
            S(channel_name(w->ch)), KEY_MAX);
        return;
    }
    buf = skt_chat_text(key, KEY_MAX);
    if (!buf)
        return;
    skt_buf_put(w->ch->key);
    w->ch->key = buf;
    w->ch->modes |= MODE_KEY;
    done(w, key);
}

static void limit(struct wish *w)
{
    struct skt_span text;
    uint32_t n = 0;

    if (!w->add) {
        if (w->ch->modes & MODE_LIMIT)
            done(w, (struct skt_span){ 0 });
        w->ch->modes &= ~(uint32_t)MODE_LIMIT;
        return;
    }
    text = next_param(w);
    for (const uint8_t *p = text.p; p < text.end; p++) {
        if (*p < '0' || '9' < *p || n > 1000000)
            return;
        n = n * 10 + (uint32_t)(*p - '0');
    }
    if (!n)
        return;
    w->ch->limit = n;
    w->ch->modes |= MODE_LIMIT;
    done(w, text);
}

static void flag(struct wish *w)
{
    int i = 0;

    while (i < FLAGS && flags[i].letter != w->letter)
        i++;
    if (i == FLAGS) {
        skt_chat_num(w->c, w->u, 472, "%c :is unknown mode char to me", w->letter);
        return;
    }
    if (!(w->ch->modes & flags[i].bit) == !w->add)
        return;
    w->ch->modes ^= flags[i].bit;
    done(w, (struct skt_span){ 0 });
}

static void change(struct wish *w)
{
    switch (w->letter) {
    case 'o': give_rank(w, MEMBER_OP); break;
    case 'v': give_rank(w, MEMBER_VOICE); break;
    case 'b': ban(w); break;
    case 'k': lock(w); break;
    case 'l': limit(w); break;
    default: flag(w);
    }
}

static void tell_modes(struct skt_chat *c, struct user *u, const struct channel *ch)
{
    uint8_t text[16 + KEY_MAX + 16];
    struct skt_room out = skt_room_of(text, sizeof text);
    bool inside = skt_chat_member(c, ch, u);

    skt_put_u8(&out, '+');
    for (int i = 0; i < FLAGS; i++)
        if (ch->modes & flags[i].bit)
            skt_put_u8(&out, (uint8_t)flags[i].letter);
    if (ch->modes & MODE_KEY)
        skt_put_u8(&out, 'k');
    if (ch->modes & MODE_LIMIT)
        skt_put_u8(&out, 'l');
    if (ch->modes & MODE_KEY) {
        skt_put_u8(&out, ' ');
        skt_put(&out, inside ? buf_span(ch->key) : skt_span_of("*", 1));
    }
    if (ch->modes & MODE_LIMIT)
        skt_put_fmt(&out, " %u", ch->limit);
    skt_chat_num(c, u, 324, "%.*s %.*s", S(channel_name(ch)), (int)(out.p - text), (const char *)text);
    skt_chat_num(c, u, 329, "%.*s %lld", S(channel_name(ch)), (long long)ch->created);
}

/* "b", "+b", "bb": only to look. Everyone in the channel may. */
static bool only_looks(const struct skt_irc *m)
{
    struct skt_span s = m->param[1];

    for (; s.p < s.end; s.p++)
        if (*s.p != 'b' && *s.p != '+')
            return false;
    return m->n == 2 && skt_len(m->param[1]);
}

static void channel_mode(struct skt_chat *c, struct user *u, const struct skt_irc *m, struct channel *ch)
{
    struct member *me = skt_chat_member(c, ch, u);
    struct wish w = { .c = c, .u = u, .ch = ch, .m = m, .next = 2, .add = true };
    struct skt_span s = skt_irc_param(m, 1);

    if (m->n < 2) {
        tell_modes(c, u, ch);
        return;
    }
    if (only_looks(m)) {
        list_bans(c, u, ch);
        return;
    }
    if (!me || !(me->flags & MEMBER_OP)) {
        skt_chat_need_op(c, u, ch);
        return;
    }
    w.done.letter = skt_room_of(w.done.letters, sizeof w.done.letters);
    w.done.param = skt_room_of(w.done.params, sizeof w.done.params);
    /* Room for what the longest change takes (sign, letter; blank, mask): the line told is whole. */
    for (; s.p < s.end && skt_left(w.done.letter) > 2 && skt_left(w.done.param) > 101; s.p++) {
        if (*s.p == '+' || *s.p == '-') {
            w.add = *s.p == '+';
            continue;
        }
        w.letter = (char)*s.p;
        change(&w);
    }
    if (w.done.letter.p == w.done.letters)
        return;
    skt_chat_cast(c, ch,
        skt_chat_from(c, u, ch->timed, "MODE %.*s %.*s%.*s", S(channel_name(ch)),
            (int)(w.done.letter.p - w.done.letters), (const char *)w.done.letters,
            (int)(w.done.param.p - w.done.params), (const char *)w.done.params),
        0);
}

static void user_mode(struct skt_chat *c, struct user *u, const struct skt_irc *m)
{
    struct skt_span s = skt_irc_param(m, 1);
    bool add = true, was = u->invisible, unknown = false;

    if (!skt_irc_same(m->param[0], user_nick(u))) {
        if (skt_chat_nick(c, m->param[0]))
            skt_chat_num(c, u, 502, ":Can't change mode for other users");
        else
            skt_chat_num(c, u, 401, "%.*s :No such nick", S(cut_to(m->param[0], NICK_MAX)));
        return;
    }
    if (m->n < 2) {
        skt_chat_num(c, u, 221, "+%s", u->invisible ? "i" : "");
        return;
    }
    for (; s.p < s.end; s.p++) {
        if (*s.p == '+' || *s.p == '-')
            add = *s.p == '+';
        else if (*s.p == 'i')
            u->invisible = add;
        else
            unknown = true;
    }
    if (unknown)
        skt_chat_num(c, u, 501, ":Unknown MODE flag");
    if (was != u->invisible)
        skt_chat_give(c, u, skt_chat_from(c, u, true, "MODE %.*s :%ci", S(user_nick(u)), u->invisible ? '+' : '-'));
}

void skt_chat_mode(struct skt_chat *c, struct user *u, const struct skt_irc *m)
{
    struct channel *ch = skt_chat_channel(c, m->param[0]);

    if (!skt_len(m->param[0]) || *m->param[0].p != '#')
        user_mode(c, u, m);
    else if (ch && skt_chat_sees(c, u, ch))
        channel_mode(c, u, m, ch);
    else
        skt_chat_no_channel(c, u, m->param[0]);
}
