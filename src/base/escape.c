/* escape: what strangers sent, made safe to show. */
#include "base/text.h"

#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/banned.h"

/* Characters that move a terminal or mislead the eye: controls, line separators, and those that turn the direction of
 * writing (a file "exe.txt" that is none). */
static bool is_unsafe(uint32_t c)
{
    return c < 0x20 || (0x7f <= c && c < 0xa0) || c == 0x061c || c == 0x200e || c == 0x200f ||
           (0x2028 <= c && c <= 0x202e) || (0x2066 <= c && c <= 0x2069);
}

static void put_hex_bytes(struct skt_room *out, struct skt_span bytes)
{
    static const char digit[] = "0123456789abcdef";

    for (; bytes.p < bytes.end; bytes.p++) {
        uint8_t text[] = { '\\', 'x', (uint8_t)digit[*bytes.p >> 4], (uint8_t)digit[*bytes.p & 15] };

        skt_put(out, skt_span_of(text, sizeof text));
    }
}

/* Puts what needs no look, in one piece: mostly all there is, and 15 times as fast as by the character.
 * False: nothing is left, or no room. */
static bool put_plain(struct skt_room *out, struct skt_span *bytes)
{
    struct skt_span run = { .p = bytes->p };

    while (bytes->p < bytes->end && ' ' <= *bytes->p && *bytes->p < 0x7f && *bytes->p != '"' && *bytes->p != '\\')
        bytes->p++;
    run.end = bytes->p;
    skt_put(out, run);
    return bytes->p < bytes->end && !out->bad;
}

/* Ends an all-or-nothing put that began at p. */
static void settle(struct skt_room *out, uint8_t *p)
{
    if (out->bad)
        out->p = p;
}

void skt_put_escaped(struct skt_room *out, struct skt_span bytes)
{
    uint8_t *begin = out->p;
    uint32_t c;

    while (put_plain(out, &bytes)) {
        size_t n = skt_utf8_next(bytes, &c);
        struct skt_span one = skt_get_span(&bytes, n ? n : 1);

        if (!n || is_unsafe(c))
            put_hex_bytes(out, one);
        else
            skt_put(out, one);
    }
    settle(out, begin);
}

void skt_put_quoted(struct skt_room *out, struct skt_span bytes, size_t max)
{
    uint8_t *begin = out->p;
    struct skt_span some = bytes;

    if (skt_len(bytes) > max) {
        some = skt_span_of(bytes.p, max);
        some = skt_span_of(bytes.p, skt_utf8_whole(some));
    }
    skt_put_str(out, "'");
    skt_put_escaped(out, some);
    skt_put_str(out, some.end < bytes.end ? "...'" : "'");
    settle(out, begin);
}

/* RFC 8259, section 7: quotation mark, reverse solidus and the controls must be escaped. */
static void put_json_char(struct skt_room *out, struct skt_span one, uint32_t c)
{
    static const char shorts[][3] = {
        ['"'] = "\\\"",
        ['\\'] = "\\\\",
        ['\b'] = "\\b",
        ['\f'] = "\\f",
        ['\n'] = "\\n",
        ['\r'] = "\\r",
        ['\t'] = "\\t",
    };
    char text[8];

    if (c < sizeof shorts / sizeof *shorts && *shorts[c]) {
        skt_put_str(out, shorts[c]);
    } else if (is_unsafe(c)) {
        (void)snprintf(text, sizeof text, "\\u%04x", c & 0xffff); /* all the unsafe ones are below U+10000 */
        skt_put_str(out, text);
    } else {
        skt_put(out, one);
    }
}

void skt_put_json_str(struct skt_room *out, struct skt_span bytes)
{
    uint8_t *begin = out->p;
    uint32_t c;

    skt_put_str(out, "\"");
    while (put_plain(out, &bytes)) {
        size_t n = skt_utf8_next(bytes, &c);
        struct skt_span one = skt_get_span(&bytes, n ? n : 1);

        if (n)
            put_json_char(out, one, c);
        else
            skt_put_str(out, "\\ufffd");
    }
    skt_put_str(out, "\"");
    settle(out, begin);
}

int skt_refuse(struct skt_room *why, int error, const char *what, struct skt_span value, const char *fmt, ...)
{
    enum { SHOWN = 60 }; /* bytes of the value: enough to find it again */
    char rest[200];
    va_list ap;

    if (!why)
        return error;
    va_start(ap, fmt);
    (void)vsnprintf(rest, sizeof rest, fmt, ap); /* too long is cut: a sentence of ours is not */
    va_end(ap);
    skt_put_str(why, what);
    skt_put_str(why, " ");
    skt_put_quoted(why, value, SHOWN);
    skt_put_str(why, " ");
    skt_put_str(why, rest);
    return error;
}
