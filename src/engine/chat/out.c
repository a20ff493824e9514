/* chat/out: lines out. A line is written once, in the outbox's block, and given to whoever shall have it. */
#include "engine/chat/inside.h"

#include "base/utf8.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

enum { LINE_ROOM = 1024 }; /* a time tag, a line of 512 and printf's NUL */

struct skt_room *skt_chat_begin(struct skt_chat *c, bool timed)
{
    c->pen = c->whole = skt_outbox_room(&c->out, LINE_ROOM);
    if (timed) {
        skt_put(&c->pen, skt_span_of("@time=", 6));
        skt_irc_put_time(&c->pen, c->now + c->conf.wall_offset);
        skt_put(&c->pen, skt_span_of(" ", 1));
    }
    c->body = c->pen.p;
    if (c->body)
        c->pen.end = c->body + SKT_IRC_LINE - 2;
    return &c->pen;
}

void skt_chat_put_cut(struct skt_room *out, struct skt_span text)
{
    size_t left = skt_left(*out);

    if (skt_len(text) > left)
        text = cut_to(text, skt_utf8_whole(cut_to(text, left)));
    skt_put(out, text);
}

/* What a terminal would obey must not reach the one of somebody at nc: of the controls only those pass that IRC uses for
 * colours, bold and CTCP, and the tab. */
static const uint8_t harmless[32] = { [1] = 1,
    [2] = 1,
    [3] = 1,
    [4] = 1,
    ['\t'] = 1,
    [0x0f] = 1,
    [0x11] = 1,
    [0x16] = 1,
    [0x1d] = 1,
    [0x1e] = 1,
    [0x1f] = 1 };

static void scrub(uint8_t *p, const uint8_t *end)
{
    for (; p < end; p++) {
        if ((*p < 32 && !harmless[*p]) || *p == 0x7f)
            *p = '?';
        else if (*p == 0xc2 && p + 1 < end && p[1] < 0xa0) /* C1 in UTF-8: some terminals take U+009B for ESC [ */
            p[0] = p[1] = '?';
    }
}

struct line skt_chat_end(struct skt_chat *c)
{
    struct line line = { 0 };
    uint32_t tags;

    if (c->pen.bad)
        return line; /* no memory: all other text is bounded or cut */
    scrub(c->body, c->pen.p);
    tags = (uint32_t)(c->body - c->whole.p);
    c->whole.p = c->pen.p;
    skt_put(&c->whole, skt_span_of("\r\n", 2));
    line.plain = line.timed = skt_outbox_took(&c->out, c->whole);
    line.plain.at += tags;
    line.plain.len -= tags;
    return line;
}

static void put_fmt(struct skt_room *out, const char *fmt, va_list ap)
{
    size_t left = skt_left(*out);
    int n;

    if (out->bad)
        return;
    n = vsnprintf((char *)out->p, left + 1, fmt, ap); /* LINE_ROOM has place for the NUL */
    if (n > 0)
        out->p += (size_t)n <= left ? (size_t)n : skt_utf8_whole(skt_span_of(out->p, left));
}

static bool wants_time(const struct user *u) { return u->caps & CAP_TIME; }

void skt_chat_give(struct skt_chat *c, struct user *u, struct line line)
{
    if (u->state != GONE && !skt_outbox_to(&c->out, u->link, wants_time(u) ? line.timed : line.plain))
        skt_chat_doom(c, u);
}

/* A stream with a hole is worse than none. */
static void lost(struct skt_chat *c, skt_link link)
{
    struct user *u = skt_chat_user(c, link);

    if (u)
        skt_chat_doom(c, u);
}

uint32_t skt_chat_cast(struct skt_chat *c, const struct channel *ch, struct line line, skt_link but)
{
    uint32_t n = 0;

    if (!line.plain.buf)
        return 0; /* no memory for the line: nobody gets it; the caller tells */
    for (const struct member *m = ch->members, *end = m + ch->n; m < end; m++) {
        if (m->link == but)
            continue;
        if (!skt_outbox_to(&c->out, m->link, m->flags & MEMBER_TIME ? line.timed : line.plain))
            lost(c, m->link);
        n++;
    }
    return n;
}

void skt_chat_cast_caps(
    struct skt_chat *c, const struct channel *ch, struct line line, skt_link but, uint32_t cap, bool has)
{
    for (uint32_t i = 0; i < ch->n; i++) {
        struct user *u = skt_chat_user(c, ch->members[i].link);

        if (u && u->link != but && !(u->caps & cap) == !has)
            skt_chat_give(c, u, line);
    }
}

void skt_chat_cast_peers(struct skt_chat *c, struct user *u, struct line line, uint32_t cap)
{
    u->stamp = ++c->stamp;
    for (uint32_t i = 0; i < u->n; i++) {
        const struct channel *ch = c->channels[u->joined[i].channel];

        for (uint32_t j = 0; j < ch->n; j++) {
            struct user *peer = skt_chat_user(c, ch->members[j].link);

            if (!peer || peer->stamp == c->stamp)
                continue;
            peer->stamp = c->stamp;
            if ((peer->caps & cap) == cap)
                skt_chat_give(c, peer, line);
        }
    }
}

struct line skt_chat_from(struct skt_chat *c, const struct user *u, bool timed, const char *fmt, ...)
{
    struct skt_room *out = skt_chat_begin(c, timed);
    va_list ap;

    skt_put(out, skt_span_of(":", 1));
    skt_put(out, user_mask(u));
    skt_put(out, skt_span_of(" ", 1));
    va_start(ap, fmt);
    put_fmt(out, fmt, ap);
    va_end(ap);
    return skt_chat_end(c);
}

void skt_chat_say(struct skt_chat *c, struct user *u, const char *fmt, ...)
{
    struct skt_room *out = skt_chat_begin(c, wants_time(u));
    va_list ap;

    va_start(ap, fmt);
    put_fmt(out, fmt, ap);
    va_end(ap);
    skt_chat_give(c, u, skt_chat_end(c));
}

/* ":server WORD nick " */
static struct skt_room *begin_reply(struct skt_chat *c, const struct user *u, const char *word)
{
    struct skt_room *out = skt_chat_begin(c, wants_time(u));

    skt_put_fmt(out, ":%s %s ", c->name, word);
    skt_put(out, user_nick(u));
    skt_put(out, skt_span_of(" ", 1));
    return out;
}

void skt_chat_num(struct skt_chat *c, struct user *u, int numeric, const char *fmt, ...)
{
    char word[4] = { (char)('0' + numeric / 100), (char)('0' + numeric / 10 % 10), (char)('0' + numeric % 10) };
    struct skt_room *out = begin_reply(c, u, word);
    va_list ap;

    va_start(ap, fmt);
    put_fmt(out, fmt, ap);
    va_end(ap);
    skt_chat_give(c, u, skt_chat_end(c));
}

void skt_chat_notice(struct skt_chat *c, struct user *u, const char *fmt, ...)
{
    struct skt_room *out = begin_reply(c, u, "NOTICE");
    va_list ap;

    skt_put(out, skt_span_of(":", 1));
    va_start(ap, fmt);
    put_fmt(out, fmt, ap);
    va_end(ap);
    skt_chat_give(c, u, skt_chat_end(c));
}

struct skt_buf *skt_chat_text(struct skt_span text, size_t max)
{
    size_t n = skt_utf8_whole(cut_to(text, max));
    struct skt_buf *buf = skt_buf_new(n);

    if (buf && n)
        memcpy(buf->data, text.p, n);
    return buf;
}
