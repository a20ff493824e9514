#pragma once
#include <sockit/bytes.h>

/* irc: the lines of IRC (RFC 1459 and 2812, tags of IRCv3), both ways. Spans borrow from the line that was parsed. */

enum {
    SKT_IRC_LINE = 512,    /* bytes of a line without its tags, CR LF included: RFC 2812 2.3 */
    SKT_IRC_TAGS = 4096,   /* of the tags that a client sends, with '@' and the blank: IRCv3 message-tags */
    SKT_IRC_PARAMS = 15,   /* RFC 2812 2.3; what is beyond joins the last one */
    SKT_IRC_NICK_MAX = 64, /* bytes of the longest name that a server of ours allows */
};

struct skt_irc {
    struct skt_span tags;   /* without '@' */
    struct skt_span source; /* without ':' */
    struct skt_span command;
    struct skt_span param[SKT_IRC_PARAMS];
    uint32_t n; /* params */
};

/* One line without its CR LF. 0; -ENODATA: nothing but blanks; -EMSGSIZE: above SKT_IRC_LINE or SKT_IRC_TAGS, with command
 * (and source) set if they could be read; -EBADMSG: NUL or CR inside, or tags without a command. */
int skt_irc_parse(struct skt_span line, struct skt_irc *ret_irc);
/* The parameter, or nothing when there are fewer. */
static inline struct skt_span skt_irc_param(const struct skt_irc *irc, uint32_t i)
{
    return i < irc->n ? irc->param[i] : (struct skt_span){ 0 };
}

/* The next of tags, which moves on: key and value, the value still escaped. False: no more. */
bool skt_irc_tag(struct skt_span *tags, struct skt_span *ret_key, struct skt_span *ret_value);
void skt_irc_put_tag_value(struct skt_room *out, struct skt_span value);   /* escapes ; blank \ CR LF */
void skt_irc_untag_value(struct skt_room *out, struct skt_span tag_value); /* and back */

/* The next of a list "a,b,c"; empty ones are left out. */
bool skt_irc_item(struct skt_span *list, char separator, struct skt_span *ret_item);

/* CASEMAPPING=ascii: A-Z are a-z, no other character has a twin. */
static inline uint8_t skt_irc_lower(uint8_t c) { return 'A' <= c && c <= 'Z' ? (uint8_t)(c + 32) : c; }
bool skt_irc_same(struct skt_span a, struct skt_span b);
bool skt_irc_is(struct skt_span a, const char *text);
void skt_irc_put_folded(struct skt_room *out, struct skt_span name);
/* '*' any run, '?' any byte; case as above. Linear in the text but for the last '*' (no blow-up). */
bool skt_irc_match(struct skt_span mask, struct skt_span text);

/* RFC 2812 2.3.1 with at most max bytes; wide: also letters of other scripts, see doc/protocol/irc.md. */
bool skt_irc_nick_ok(struct skt_span nick, size_t max, bool wide);
/* '#' and then anything but blank, comma, BELL and controls; UTF-8. */
bool skt_irc_channel_ok(struct skt_span name, size_t max);

/* "2026-11-20T12:33:39.123Z", 24 bytes, from ns since 1970 (UTC; before 1970 counts as 1970). */
void skt_irc_put_time(struct skt_room *out, int64_t ns);
