/* irc: the lines of IRC. Start reading at skt_irc_parse(). */
#include "wire/irc.h"

#include "base/utf8.h"

#include <errno.h>

static bool skip_blanks(struct skt_span *s)
{
    while (s->p < s->end && *s->p == ' ')
        s->p++;
    return s->p < s->end;
}

/* Up to the next blank or the end. */
static struct skt_span word(struct skt_span *s)
{
    const uint8_t *blank = s->p < s->end ? memchr(s->p, ' ', skt_len(*s)) : NULL;
    struct skt_span w = { .p = s->p, .end = blank ? blank : s->end };

    s->p = w.end;
    return w;
}

static bool has(struct skt_span s, int c) { return s.p < s.end && memchr(s.p, c, skt_len(s)); }

int skt_irc_parse(struct skt_span line, struct skt_irc *ret_irc)
{
    struct skt_irc m = { 0 };
    const uint8_t *start = line.p;
    bool big = false;

    if (has(line, 0) || has(line, '\r'))
        return -EBADMSG;
    if (line.p < line.end && *line.p == '@') {
        m.tags = word(&line);
        m.tags.p++;
        big = line.p + 1 - start > SKT_IRC_TAGS;
        if (!skip_blanks(&line))
            return -EBADMSG;
    }
    big = big || skt_len(line) > SKT_IRC_LINE - 2;
    if (!skip_blanks(&line))
        return -ENODATA;
    if (*line.p == ':') {
        m.source = word(&line);
        m.source.p++;
        if (!skip_blanks(&line))
            return -EBADMSG;
    }
    m.command = word(&line);
    while (skip_blanks(&line)) {
        bool last = *line.p == ':' || m.n == SKT_IRC_PARAMS - 1;

        line.p += *line.p == ':';
        m.param[m.n++] = last ? line : word(&line);
        if (last)
            break;
    }
    *ret_irc = m;
    return big ? -EMSGSIZE : 0;
}

bool skt_irc_item(struct skt_span *list, char separator, struct skt_span *ret_item)
{
    while (list->p < list->end && *list->p == (uint8_t)separator)
        list->p++;
    if (list->p == list->end)
        return false;
    const uint8_t *to = memchr(list->p, separator, skt_len(*list));
    *ret_item = (struct skt_span){ .p = list->p, .end = to ? to : list->end };
    list->p = ret_item->end;
    return true;
}

bool skt_irc_tag(struct skt_span *tags, struct skt_span *ret_key, struct skt_span *ret_value)
{
    struct skt_span tag;
    const uint8_t *eq;

    if (!skt_irc_item(tags, ';', &tag))
        return false;
    eq = memchr(tag.p, '=', skt_len(tag));
    *ret_key = (struct skt_span){ .p = tag.p, .end = eq ? eq : tag.end };
    *ret_value = (struct skt_span){ .p = eq ? eq + 1 : tag.end, .end = tag.end };
    return true;
}

/* IRCv3 message-tags: what stands for what after a backslash. */
static const struct {
    uint8_t plain, escaped;
} tag_escape[] = { { ';', ':' }, { ' ', 's' }, { '\\', '\\' }, { '\r', 'r' }, { '\n', 'n' } };
enum { TAG_ESCAPES = sizeof tag_escape / sizeof *tag_escape };

void skt_irc_put_tag_value(struct skt_room *out, struct skt_span value)
{
    for (; value.p < value.end; value.p++) {
        size_t i = 0;

        while (i < TAG_ESCAPES && tag_escape[i].plain != *value.p)
            i++;
        if (i < TAG_ESCAPES)
            skt_put_u8(out, '\\');
        skt_put_u8(out, i < TAG_ESCAPES ? tag_escape[i].escaped : *value.p);
    }
}

/* "If a lone \ exists at the end of an escaped value, ... then there SHOULD be no output character"; any other letter
 * stands for itself. */
void skt_irc_untag_value(struct skt_room *out, struct skt_span tag_value)
{
    while (tag_value.p < tag_value.end) {
        uint8_t c = *tag_value.p++;

        if (c == '\\' && tag_value.p == tag_value.end)
            return;
        if (c == '\\') {
            size_t i = 0;

            c = *tag_value.p++;
            while (i < TAG_ESCAPES && tag_escape[i].escaped != c)
                i++;
            c = i < TAG_ESCAPES ? tag_escape[i].plain : c;
        }
        skt_put_u8(out, c);
    }
}

bool skt_irc_same(struct skt_span a, struct skt_span b)
{
    if (skt_len(a) != skt_len(b))
        return false;
    for (; a.p < a.end; a.p++, b.p++)
        if (skt_irc_lower(*a.p) != skt_irc_lower(*b.p))
            return false;
    return true;
}

bool skt_irc_is(struct skt_span a, const char *text) { return skt_irc_same(a, skt_span_str(text)); }

void skt_irc_put_folded(struct skt_room *out, struct skt_span name)
{
    for (; name.p < name.end; name.p++)
        skt_put_u8(out, skt_irc_lower(*name.p));
}

bool skt_irc_match(struct skt_span mask, struct skt_span text)
{
    const uint8_t *star = NULL, *from = NULL; /* the last '*', and where in text it was tried up to */

    while (text.p < text.end) {
        if (mask.p < mask.end && *mask.p == '*') {
            star = ++mask.p;
            from = text.p;
        } else if (mask.p < mask.end && (*mask.p == '?' || skt_irc_lower(*mask.p) == skt_irc_lower(*text.p))) {
            mask.p++;
            text.p++;
        } else if (star) {
            mask.p = star;
            text.p = ++from;
        } else {
            return false;
        }
    }
    while (mask.p < mask.end && *mask.p == '*')
        mask.p++;
    return mask.p == mask.end;
}

/* Characters above ASCII that no name may have, in order: blanks, controls, what is invisible, turns the direction of
 * writing, combines with its neighbour, looks like ASCII, or is private. */
static const struct {
    uint32_t from, to;
} not_in_names[] = {
    { 0x00a0, 0x00a0 },
    { 0x00ad, 0x00ad },
    { 0x0300, 0x036f },
    { 0x034f, 0x034f },
    { 0x0600, 0x0605 },
    { 0x061c, 0x061c },
    { 0x06dd, 0x06dd },
    { 0x070f, 0x070f },
    { 0x115f, 0x1160 },
    { 0x1680, 0x1680 },
    { 0x17b4, 0x17b5 },
    { 0x180b, 0x180f },
    { 0x1ab0, 0x1aff },
    { 0x1dc0, 0x1dff },
    { 0x2000, 0x206f },
    { 0x20d0, 0x20ff },
    { 0x2800, 0x2800 },
    { 0x3000, 0x3000 },
    { 0x3164, 0x3164 },
    { 0xe000, 0xf8ff },
    { 0xfe00, 0xfe0f },
    { 0xfe20, 0xfe2f },
    { 0xfeff, 0xfeff },
    { 0xff00, 0xff5e },
    { 0xffa0, 0xffa0 },
    { 0xffe0, 0xffff },
    { 0x1d159, 0x1d159 },
    { 0x1d173, 0x1d17a },
    { 0x1d400, 0x1d7ff },
    { 0xe0000, 0xe0fff },
    { 0xf0000, 0x10ffff },
};

static bool wide_char_ok(uint32_t c)
{
    if (c < 0xa0)
        return false; /* C1 */
    for (size_t i = 0; i < sizeof not_in_names / sizeof *not_in_names; i++)
        if (not_in_names[i].from <= c && c <= not_in_names[i].to)
            return false;
    return true;
}

static bool is_letter(uint32_t c) { return ('a' <= c && c <= 'z') || ('A' <= c && c <= 'Z'); }

/* RFC 2812 2.3.1: letter, special; and after the first one also digit and '-'. */
static bool nick_char_ok(uint32_t c, bool first)
{
    if (is_letter(c) || (c < 0x80 && c && strchr("[]\\`_^{|}", (int)c)))
        return true;
    return !first && (('0' <= c && c <= '9') || c == '-');
}

bool skt_irc_nick_ok(struct skt_span nick, size_t max, bool wide)
{
    bool latin = false, twins = false, first = true;

    if (!skt_len(nick) || skt_len(nick) > max)
        return false;
    while (nick.p < nick.end) {
        uint32_t c;
        size_t n = skt_utf8_next(nick, &c);

        if (!n || !(c < 0x80 ? nick_char_ok(c, first) : wide && wide_char_ok(c)))
            return false;
        latin = latin || is_letter(c);
        twins = twins || (0x370 <= c && c <= 0x52f); /* Greek and Cyrillic: half of their letters look Latin */
        first = false;
        nick.p += n;
    }
    return !(latin && twins);
}

bool skt_irc_channel_ok(struct skt_span name, size_t max)
{
    if (skt_len(name) < 2 || skt_len(name) > max || *name.p != '#')
        return false;
    while (name.p < name.end) {
        uint32_t c;
        size_t n = skt_utf8_next(name, &c);

        if (!n || c <= ' ' || c == ',' || c == 0x7f || (c >= 0x80 && !wide_char_ok(c)))
            return false;
        name.p += n;
    }
    return true;
}

/* Days since 1970 to a date, by the 400-year cycle that begins on the first of March of the year 0. */
static void civil(int64_t days, int *ret_year, int *ret_month, int *ret_day)
{
    int64_t z = days + 719468, era = z / 146097, doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;

    *ret_day = (int)(doy - (153 * mp + 2) / 5 + 1);
    *ret_month = (int)(mp < 10 ? mp + 3 : mp - 9);
    *ret_year = (int)(yoe + era * 400 + (*ret_month <= 2));
}

static void put_digits(struct skt_room *out, int64_t v, int n, char after)
{
    uint8_t text[8];

    for (int i = n; i-- > 0; v /= 10)
        text[i] = (uint8_t)('0' + v % 10);
    text[n] = (uint8_t)after;
    skt_put(out, skt_span_of(text, (size_t)n + 1));
}

void skt_irc_put_time(struct skt_room *out, int64_t ns)
{
    int64_t ms = ns > 0 ? ns / SKT_MS : 0, s = ms / 1000;
    int year, month, day;

    civil(s / 86400, &year, &month, &day);
    put_digits(out, year, 4, '-');
    put_digits(out, month, 2, '-');
    put_digits(out, day, 2, 'T');
    put_digits(out, s / 3600 % 24, 2, ':');
    put_digits(out, s / 60 % 60, 2, ':');
    put_digits(out, s % 60, 2, '.');
    put_digits(out, ms % 1000, 3, 'Z');
}
