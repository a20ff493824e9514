/* base/text.h, utf8.h, acl.h: what people type. What was read is written and read again; no sentence harms a terminal. */
#include "base/acl.h"
#include "base/ranges.h"
#include "base/text.h"
#include "base/utf8.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TEXT_MAX = 1024 };

static void is_harmless(struct skt_span s)
{
    assert(skt_utf8_valid(s));
    for (; s.p < s.end; s.p++)
        assert(*s.p >= ' ' && *s.p != 0x7f);
}

/* Empties why, which a parser may have written. */
static void read_why(struct skt_room *why, uint8_t *text, size_t size)
{
    is_harmless(skt_span_of(text, (size_t)(why->p - text)));
    *why = skt_room_of(text, size);
}

/* Is it written as it is? What would harm a terminal is not, and is another text when it is read again. */
static bool stays(const char *text)
{
    char escaped[4 * TEXT_MAX];
    struct skt_room out = skt_room_of(escaped, sizeof escaped);

    skt_put_escaped(&out, skt_span_str(text));
    return skt_span_is(skt_span_of(escaped, (size_t)(out.p - (uint8_t *)escaped)), text);
}

static void addresses(const char *text, struct skt_room *why)
{
    char again[256];
    struct skt_room out = skt_room_of(again, sizeof again);
    struct skt_addr addr, copy;
    struct skt_acl acl;

    (void)skt_acl_init(&acl, 2);
    if (!skt_acl_add(&acl, true, text, why) && !skt_addr_parse(text, &addr))
        assert(skt_acl_allows(&acl, &addr)); /* an address is inside itself */
    skt_acl_done(&acl);
    if (skt_addr_parse(text, &addr))
        return;
    skt_put_addr(&out, &addr);
    skt_put_u8(&out, 0);
    assert(!out.bad && !skt_addr_parse(again, &copy));
    assert(copy.family == addr.family && copy.port == addr.port && !memcmp(copy.ip, addr.ip, sizeof addr.ip));
}

static void endpoints(const char *text, struct skt_room *why)
{
    char again[TEXT_MAX + 16];
    struct skt_room out = skt_room_of(again, sizeof again);
    struct skt_endpoint end, copy;

    (void)skt_endpoint_parse_host(text, 6667, &end, why);
    if (skt_endpoint_parse(text, &end, why) || !stays(text))
        return;
    skt_put_endpoint(&out, &end);
    skt_put_u8(&out, 0);
    assert(!out.bad && !skt_endpoint_parse(again, &copy, why));
    assert(copy.scheme == end.scheme && copy.port == end.port && copy.fd == end.fd && !strcmp(copy.host, end.host));
    assert(!strcmp(copy.path, end.path) && !copy.command == !end.command);
}

static void units(const char *text, struct skt_room *why)
{
    struct skt_ranges ports;
    uint64_t n;
    skt_time time;
    double share;
    uint16_t port;

    (void)skt_u64_parse(text, 1000, &n, why);
    (void)skt_size_parse(text, &n, why);
    (void)skt_rate_parse(text, &n, why);
    (void)skt_port_parse(text, &port, why);
    if (!skt_time_parse(text, &time, why))
        assert(time >= 0);
    if (!skt_percent_parse(text, &share, why))
        assert(0 <= share && share <= 1);
    if (skt_ranges_init(&ports, 100))
        return;
    (void)skt_ports_parse(text, &ports, why);
    skt_ranges_done(&ports);
}

/* The bytes of a stranger: no byte of theirs reaches the screen as a control, whatever it is cut from. */
static void strangers(struct skt_span s)
{
    static uint8_t room[6 * TEXT_MAX + 2];
    struct skt_room out = skt_room_of(room, sizeof room);

    assert(skt_utf8_whole(s) <= skt_len(s) && skt_len(s) - skt_utf8_whole(s) < 4);
    skt_put_escaped(&out, s);
    assert(!out.bad);
    is_harmless(skt_span_of(room, (size_t)(out.p - room)));
    out = skt_room_of(room, sizeof room);
    skt_put_json_str(&out, s);
    assert(!out.bad);
    is_harmless(skt_span_of(room, (size_t)(out.p - room)));
}

/* A number as people read it, cut to three digits: what is read back is not above it. */
static void writers(struct skt_span s)
{
    char text[64];
    struct skt_room out = skt_room_of(text, sizeof text);
    uint64_t n = skt_get_u64(&s), got;
    skt_time time;

    skt_put_size(&out, n);
    skt_put_u8(&out, 0);
    assert(!out.bad && !skt_size_parse(text, &got, NULL) && got <= n);
    out = skt_room_of(text, sizeof text);
    skt_put_time(&out, (skt_time)(n >> 2));
    skt_put_u8(&out, 0);
    assert(!out.bad && !skt_time_parse(text, &time, NULL) && time <= (skt_time)(n >> 2));
    out = skt_room_of(text, sizeof text);
    skt_put_rate(&out, n >> 4);
    skt_put_u8(&out, 0);
    assert(!out.bad && !skt_rate_parse(text, &got, NULL) && got <= n >> 4);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[TEXT_MAX + 1];
    uint8_t sentence[512];
    struct skt_room why = skt_room_of(sentence, sizeof sentence);

    if (size > TEXT_MAX)
        return 0;
    strangers(skt_span_of(data, size));
    writers(skt_span_of(data, size));
    memcpy(text, data, size);
    text[size] = 0;
    addresses(text, &why);
    read_why(&why, sentence, sizeof sentence);
    endpoints(text, &why);
    read_why(&why, sentence, sizeof sentence);
    units(text, &why);
    read_why(&why, sentence, sizeof sentence);
    return 0;
}
