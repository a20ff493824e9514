/* pcapng: blocks of a capture file. A block: type, length, body, length again, all a multiple of four bytes. */
#include "wire/pcapng.h"

#include <errno.h>

enum { SECTION = 0x0a0d0d0a, INTERFACE = 1, STATS = 5, PACKET = 6 };
enum { ORDER = 0x1a2b3c4d, BLOCK_MIN = 12, TEXT_MAX = 255 };
enum { OPT_END = 0, OPT_COMMENT = 1, OPT_APPLICATION = 4, OPT_NAME = 2, OPT_FLAGS = 2, OPT_RESOLUTION = 9 };
enum { OPT_START = 2, OPT_STOP = 3, OPT_RECV = 4, OPT_DROP = 5 }; /* of STATS */
enum { NANOSECONDS = 9, MICROSECONDS = 6 };                       /* values of if_tsresol; without it, the latter */

/* ---- writing ---- */

/* To the next multiple of four, with zeros. */
static void pad(struct skt_room *out, size_t len)
{
    while (len++ % 4)
        skt_put_u8(out, 0);
}

/* Code, length without padding, value, padding. */
static void put_option(struct skt_room *out, uint16_t code, struct skt_span value)
{
    skt_put_u16(out, code);
    skt_put_u16(out, (uint16_t)skt_len(value));
    skt_put(out, value);
    pad(out, skt_len(value));
}

/* Cut to TEXT_MAX before a character that would not be whole: its bytes after the first are 10xxxxxx. */
static void put_text(struct skt_room *out, uint16_t code, struct skt_span text)
{
    size_t n = skt_len(text);

    if (n > TEXT_MAX)
        for (n = TEXT_MAX; n && (text.p[n] & 0xc0) == 0x80;)
            n--;
    if (n)
        put_option(out, code, skt_span_of(text.p, n));
}

/* Begins a block in a copy of the room, which end_block takes over when everything fitted. */
static struct skt_room begin_block(const struct skt_room *out, uint32_t type)
{
    struct skt_room block = *out;

    skt_put_u32(&block, type);
    skt_put_u32(&block, 0);
    return block;
}

/* The length stands at both ends, so that a file can be read backwards. */
static void end_block(struct skt_room *out, struct skt_room block)
{
    uint32_t len = (uint32_t)(block.p - out->p) + 4;
    struct skt_room head;

    skt_put_u32(&block, len);
    if (block.bad) {
        out->bad = true;
        return;
    }
    head = skt_room_of(out->p + 4, 4);
    skt_put_u32(&head, len);
    *out = block;
}

void skt_pcapng_put_section(struct skt_room *out, const char *application)
{
    struct skt_room b = begin_block(out, SECTION);

    skt_put_u32(&b, ORDER);
    skt_put_u32(&b, 0x00010000); /* version 1.0 */
    skt_put_u64(&b, UINT64_MAX); /* length not known */
    put_text(&b, OPT_APPLICATION, skt_span_str(application));
    skt_put_u32(&b, OPT_END);
    end_block(out, b);
}

void skt_pcapng_put_interface(struct skt_room *out, uint16_t type, uint32_t snap, const char *name)
{
    struct skt_room b = begin_block(out, INTERFACE);

    skt_put_u16(&b, type);
    skt_put_u16(&b, 0);
    skt_put_u32(&b, snap);
    put_text(&b, OPT_NAME, skt_span_str(name));
    put_option(&b, OPT_RESOLUTION, skt_span_of("\x09", 1));
    skt_put_u32(&b, OPT_END);
    end_block(out, b);
}

void skt_pcapng_put_packet(struct skt_room *out, const struct skt_pcapng_packet *p)
{
    uint8_t flags[4] = { 0, 0, 0, (uint8_t)p->direction };
    struct skt_room b = begin_block(out, PACKET);

    skt_put_u32(&b, p->iface);
    skt_put_u64(&b, (uint64_t)p->at);
    skt_put_u32(&b, (uint32_t)skt_len(p->bytes));
    skt_put_u32(&b, p->len);
    skt_put(&b, p->bytes);
    pad(&b, skt_len(p->bytes));
    put_text(&b, OPT_COMMENT, p->comment);
    if (p->direction)
        put_option(&b, OPT_FLAGS, skt_span_of(flags, sizeof flags));
    if (p->direction || skt_len(p->comment))
        skt_put_u32(&b, OPT_END);
    end_block(out, b);
}

static void put_count(struct skt_room *out, uint16_t code, uint64_t n)
{
    skt_put_u16(out, code);
    skt_put_u16(out, 8);
    skt_put_u64(out, n);
}

void skt_pcapng_put_stats(struct skt_room *out, uint32_t iface, skt_time at, uint64_t kept, uint64_t dropped)
{
    struct skt_room b = begin_block(out, STATS);

    skt_put_u32(&b, iface);
    skt_put_u64(&b, (uint64_t)at);
    put_count(&b, OPT_RECV, kept + dropped);
    put_count(&b, OPT_DROP, dropped);
    skt_put_u32(&b, OPT_END);
    end_block(out, b);
}

/* ---- reading ---- */

static uint16_t get_u16(const struct skt_pcapng *r, struct skt_span *in)
{
    uint16_t v = skt_get_u16(in);

    return r->little ? __builtin_bswap16(v) : v;
}

static uint32_t get_u32(const struct skt_pcapng *r, struct skt_span *in)
{
    uint32_t v = skt_get_u32(in);

    return r->little ? __builtin_bswap32(v) : v;
}

/* The next option. False at the end of the list; in->bad when it is broken. */
static bool get_option(const struct skt_pcapng *r, struct skt_span *in, uint16_t *ret_code, struct skt_span *ret_value)
{
    uint16_t len;

    if (!skt_len(*in))
        return false; /* a list may be absent, and writers forget its end */
    *ret_code = get_u16(r, in);
    len = get_u16(r, in);
    *ret_value = skt_get_span(in, len);
    (void)skt_get_span(in, -len & 3u);
    return !in->bad && *ret_code != OPT_END;
}

/* Timestamps are two 32-bit halves, high first, in both byte orders. */
static uint64_t get_stamp(const struct skt_pcapng *r, struct skt_span *in)
{
    uint64_t high = get_u32(r, in);

    return high << 32 | get_u32(r, in);
}

__extension__ typedef unsigned __int128 wide;

/* In ns; a stamp beyond the year 2262 is INT64_MAX. */
static skt_time stamp_ns(uint8_t resolution, uint64_t stamp)
{
    wide ns = stamp;

    if (resolution & 0x80) {
        ns = (ns * (uint64_t)SKT_SEC) >> (resolution & 0x7f);
    } else {
        for (unsigned i = resolution; i < NANOSECONDS; i++)
            ns *= 10;
        for (unsigned i = resolution; i > NANOSECONDS && ns; i--)
            ns /= 10;
    }
    return ns > INT64_MAX ? INT64_MAX : (skt_time)ns;
}

static int get_section(struct skt_pcapng *r, struct skt_span body, struct skt_pcapng_block *b)
{
    struct skt_span value;
    uint16_t code, major;

    b->kind = SKT_PCAPNG_SECTION;
    (void)get_u32(r, &body); /* the order, known by now */
    major = get_u16(r, &body);
    (void)get_u16(r, &body);
    (void)skt_get_u64(&body);
    if (body.bad || major != 1)
        return -EBADMSG;
    while (get_option(r, &body, &code, &value))
        if (code == OPT_APPLICATION)
            b->name = value;
    return body.bad ? -EBADMSG : 0;
}

/* Told of before its first packet; numbers count up in each section. */
static int get_interface(struct skt_pcapng *r, struct skt_span body, struct skt_pcapng_block *b)
{
    struct skt_span value;
    uint8_t resolution = MICROSECONDS;
    uint16_t code;
    uint32_t snap;

    b->kind = SKT_PCAPNG_INTERFACE;
    b->packet.iface = r->ifaces;
    b->type = get_u16(r, &body);
    (void)get_u16(r, &body);
    snap = get_u32(r, &body);
    while (get_option(r, &body, &code, &value)) {
        if (code == OPT_NAME)
            b->name = value;
        if (code == OPT_RESOLUTION)
            resolution = skt_len(value) == 1 ? skt_get_u8(&value) : 0xff;
    }
    if (body.bad || (resolution & 0x7f) > 63)
        return -EBADMSG;
    if (r->ifaces == SKT_PCAPNG_IFACES_MAX)
        return -E2BIG;
    r->snap[r->ifaces] = snap;
    r->resolution[r->ifaces++] = resolution;
    return 0;
}

/* What is captured cannot be longer than what was there, nor than the interface's cap. */
static int get_packet(const struct skt_pcapng *r, struct skt_span body, struct skt_pcapng_block *b)
{
    struct skt_pcapng_packet *p = &b->packet;
    struct skt_span value;
    uint64_t stamp;
    uint32_t len;
    uint16_t code;

    b->kind = SKT_PCAPNG_PACKET;
    p->iface = get_u32(r, &body);
    stamp = get_stamp(r, &body);
    len = get_u32(r, &body);
    p->len = get_u32(r, &body);
    p->bytes = skt_get_span(&body, len);
    (void)skt_get_span(&body, -len & 3u);
    if (body.bad || p->iface >= r->ifaces || len > p->len || (r->snap[p->iface] && len > r->snap[p->iface]))
        return -EBADMSG;
    p->at = stamp_ns(r->resolution[p->iface], stamp);
    while (get_option(r, &body, &code, &value)) {
        if (code == OPT_COMMENT && !skt_len(p->comment))
            p->comment = value;
        if (code == OPT_FLAGS && skt_len(value) != 4)
            return -EBADMSG;
        if (code == OPT_FLAGS)
            p->direction = get_u32(r, &value) & 3;
    }
    if (p->direction > SKT_PCAPNG_OUT)
        return -EBADMSG;
    return body.bad ? -EBADMSG : 0;
}

/* Counts are optional: what is not told is 0. */
static int get_stats(const struct skt_pcapng *r, struct skt_span body, struct skt_pcapng_block *b)
{
    struct skt_span value;
    uint64_t stamp, seen = 0;
    uint16_t code;

    b->kind = SKT_PCAPNG_STATS;
    b->packet.iface = get_u32(r, &body);
    stamp = get_stamp(r, &body);
    if (body.bad || b->packet.iface >= r->ifaces)
        return -EBADMSG;
    b->packet.at = stamp_ns(r->resolution[b->packet.iface], stamp);
    while (get_option(r, &body, &code, &value)) {
        uint64_t *count = code == OPT_RECV ? &seen : code == OPT_DROP ? &b->dropped : NULL;
        if (count && skt_len(value) != 8)
            return -EBADMSG;
        if (count)
            *count = r->little ? __builtin_bswap64(skt_get_u64(&value)) : skt_get_u64(&value);
    }
    b->kept = seen >= b->dropped ? seen - b->dropped : 0;
    return body.bad ? -EBADMSG : 0;
}

static int get_body(struct skt_pcapng *r, uint32_t type, struct skt_span body, struct skt_pcapng_block *b)
{
    switch (type) {
    case SECTION: return get_section(r, body, b);
    case INTERFACE: return get_interface(r, body, b);
    case PACKET: return get_packet(r, body, b);
    case STATS: return get_stats(r, body, b);
    default: b->kind = SKT_PCAPNG_OTHER; return 0; /* the draft: unknown blocks are skipped */
    }
}

/* A section tells its own byte order, in the word behind its length; what was said of interfaces before is over. */
static int begin_section(struct skt_pcapng *r, struct skt_span at)
{
    uint32_t order;

    (void)skt_get_u64(&at);
    order = skt_get_u32(&at);
    if (order != ORDER && order != __builtin_bswap32(ORDER))
        return -EBADMSG;
    r->begun = true;
    r->little = order != ORDER;
    r->ifaces = 0;
    return 0;
}

int skt_pcapng_get(struct skt_pcapng *r, struct skt_span *in, struct skt_pcapng_block *ret_block)
{
    struct skt_pcapng_block b = { 0 };
    struct skt_span at = *in, body;
    uint32_t type, len;
    int e;

    if (skt_len(at) < BLOCK_MIN)
        return 0;
    type = get_u32(r, &at); /* of a section it reads the same in both orders */
    if (type == SECTION && (e = begin_section(r, *in)))
        return e;
    if (!r->begun)
        return -EBADMSG;
    len = get_u32(r, &at);
    if (len > SKT_PCAPNG_BLOCK_MAX)
        return -E2BIG;
    if (len < BLOCK_MIN || len % 4)
        return -EBADMSG;
    if (skt_len(*in) < len)
        return 0;
    body = skt_get_span(&at, len - BLOCK_MIN);
    if (get_u32(r, &at) != len)
        return -EBADMSG;
    e = get_body(r, type, body, &b);
    if (e)
        return e;
    *in = at;
    *ret_block = b;
    return 1;
}
