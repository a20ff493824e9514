/* ip: IPv4, IPv6, TCP and UDP headers. Start reading at skt_ip_put() and skt_ip_get(). */
#include "wire/ip.h"

#include <errno.h>

enum { IP4_HEAD = 20, IP6_HEAD = 40, TCP_HEAD = 20, UDP_HEAD = 8, MSS_OPTION = 4, EXTENSIONS_MAX = 8 };
enum { HOP_BY_HOP = 0, ROUTING = 43, FRAGMENT = 44, DESTINATION = 60 }; /* IPv6 extension headers */
enum { OPT_END = 0, OPT_NOP = 1, OPT_MSS = 2 };

/* Big-endian words, 32 bits at a time: 2^32 of them fit into the 64-bit sum, and fold brings the halves together. */
uint64_t skt_ip_sum(uint64_t sum, struct skt_span bytes)
{
    while (skt_len(bytes) >= 4)
        sum += skt_get_u32(&bytes);
    if (skt_len(bytes) >= 2)
        sum += skt_get_u16(&bytes);
    if (skt_len(bytes))
        sum += (uint64_t)skt_get_u8(&bytes) << 8; /* RFC 1071: padded with a zero byte */
    return sum;
}

uint16_t skt_ip_fold(uint64_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

static size_t ip_len(const struct skt_addr *addr) { return addr->family == SKT_IP4 ? 4 : 16; }

/* The pseudo header of RFC 9293 3.1 and RFC 8200 8.1; their order of fields does not change a sum. */
static uint64_t pseudo(const struct skt_addr *from, const struct skt_addr *to, uint8_t protocol, size_t len)
{
    uint64_t sum = skt_ip_sum(len + protocol, skt_span_of(from->ip, ip_len(from)));

    return skt_ip_sum(sum, skt_span_of(to->ip, ip_len(to)));
}

/* No options: 20 bytes. The header's own checksum is put in last. */
static void put_ip4(struct skt_room *out, const struct skt_ip_packet *p, size_t len)
{
    uint8_t *head = out->p;
    struct skt_room sum;

    skt_put_u16(out, 0x4500);
    skt_put_u16(out, (uint16_t)(IP4_HEAD + len));
    skt_put_u32(out, 0x4000); /* no identification, may not be fragmented: RFC 6864 */
    skt_put_u8(out, p->ttl ? p->ttl : 64);
    skt_put_u8(out, p->protocol);
    skt_put_u16(out, 0);
    skt_put(out, skt_span_of(p->from.ip, 4));
    skt_put(out, skt_span_of(p->to.ip, 4));
    sum = skt_room_of(head + 10, 2);
    skt_put_u16(&sum, skt_ip_fold(skt_ip_sum(0, skt_span_of(head, IP4_HEAD))));
}

static void put_ip6(struct skt_room *out, const struct skt_ip_packet *p, size_t len)
{
    skt_put_u32(out, 0x60000000);
    skt_put_u16(out, (uint16_t)len);
    skt_put_u8(out, p->protocol);
    skt_put_u8(out, p->ttl ? p->ttl : 64);
    skt_put(out, skt_span_of(p->from.ip, 16));
    skt_put(out, skt_span_of(p->to.ip, 16));
}

/* The checksum stays zero here: skt_ip_put has it, when the payload is there as well. */
static void put_tcp(struct skt_room *out, const struct skt_ip_packet *p, size_t head)
{
    skt_put_u16(out, p->from.port);
    skt_put_u16(out, p->to.port);
    skt_put_u32(out, p->seq);
    skt_put_u32(out, p->ack);
    skt_put_u8(out, (uint8_t)(head / 4 << 4));
    skt_put_u8(out, p->flags);
    skt_put_u16(out, p->window);
    skt_put_u32(out, 0); /* checksum, urgent pointer */
    if (p->mss) {
        skt_put_u16(out, OPT_MSS << 8 | MSS_OPTION);
        skt_put_u16(out, p->mss);
    }
}

static void put_udp(struct skt_room *out, const struct skt_ip_packet *p, size_t len)
{
    skt_put_u16(out, p->from.port);
    skt_put_u16(out, p->to.port);
    skt_put_u16(out, (uint16_t)len);
    skt_put_u16(out, 0);
}

int skt_ip_put(struct skt_room *out, const struct skt_ip_packet *p)
{
    bool ip4 = p->from.family == SKT_IP4, tcp = p->protocol == SKT_IP_TCP;
    size_t ip = ip4 ? IP4_HEAD : IP6_HEAD, head = !tcp ? UDP_HEAD : p->mss ? TCP_HEAD + MSS_OPTION : TCP_HEAD;
    size_t seen = head + skt_len(p->payload), len = seen + p->unseen;
    struct skt_room sum;
    uint8_t *body;
    uint16_t v;

    if (p->from.family != p->to.family || (!ip4 && p->from.family != SKT_IP6))
        return -EAFNOSUPPORT;
    if (!tcp && p->protocol != SKT_IP_UDP)
        return -EPROTONOSUPPORT;
    if (len + (ip4 ? ip : 0) > 65535)
        return -EMSGSIZE;
    if (out->bad || skt_left(*out) < ip + seen) {
        out->bad = true;
        return 0;
    }
    body = out->p + ip;
    (ip4 ? put_ip4 : put_ip6)(out, p, len);
    if (tcp)
        put_tcp(out, p, head);
    else
        put_udp(out, p, len);
    skt_put(out, p->payload);
    v = skt_ip_fold(skt_ip_sum(pseudo(&p->from, &p->to, p->protocol, len), skt_span_of(body, seen)));
    sum = skt_room_of(body + (tcp ? 16 : 6), 2);
    skt_put_u16(&sum, v || tcp ? v : 0xffff); /* RFC 768: a sum of 0 is sent as all ones */
    return 0;
}

/* Bytes of the header at the start of in that are one option of TCP. False: the list is over or wrong. */
static bool tcp_option(struct skt_span *in, uint8_t *ret_kind, struct skt_span *ret_value)
{
    uint8_t kind = skt_get_u8(in), len;

    *ret_value = skt_span_of(NULL, 0);
    *ret_kind = kind;
    if (in->bad || kind == OPT_END)
        return false;
    if (kind == OPT_NOP)
        return true;
    len = skt_get_u8(in);
    *ret_value = skt_get_span(in, len < 2 ? SIZE_MAX : len - 2u);
    return !in->bad;
}

/* Moves body to the payload. */
static int get_tcp(struct skt_span *body, struct skt_ip_packet *p)
{
    struct skt_span options, value;
    uint8_t head, kind;

    p->from.port = skt_get_u16(body);
    p->to.port = skt_get_u16(body);
    p->seq = skt_get_u32(body);
    p->ack = skt_get_u32(body);
    head = (skt_get_u8(body) >> 4) * 4;
    p->flags = skt_get_u8(body);
    p->window = skt_get_u16(body);
    (void)skt_get_u32(body); /* checksum, seen to by whole(), and urgent pointer */
    if (head < TCP_HEAD)
        return -EBADMSG;
    options = skt_get_span(body, head - TCP_HEAD);
    while (skt_len(options) && tcp_option(&options, &kind, &value))
        if (kind == OPT_MSS && skt_len(value) == 2)
            p->mss = skt_get_u16(&value);
    return options.bad ? -EBADMSG : 0;
}

/* RFC 768: the length counts header and data; bytes behind it are not the datagram's. */
static int get_udp(struct skt_span *body, struct skt_ip_packet *p)
{
    size_t all = skt_len(*body);
    uint16_t len;

    p->from.port = skt_get_u16(body);
    p->to.port = skt_get_u16(body);
    len = skt_get_u16(body);
    (void)skt_get_u16(body);
    if (body->bad || len < UDP_HEAD || len > all)
        return -EBADMSG;
    *body = skt_get_span(body, len - UDP_HEAD);
    return 0;
}

/* The ports and what follows them, where they are there. */
static int get_body(struct skt_span body, struct skt_ip_packet *p)
{
    struct skt_span all = body;
    int r = 0;

    if (p->protocol == SKT_IP_TCP)
        r = get_tcp(&body, p);
    else if (p->protocol == SKT_IP_UDP)
        r = get_udp(&body, p);
    if (r || body.bad)
        return -EBADMSG;
    p->payload = body;
    if (p->fragment || (p->protocol != SKT_IP_TCP && p->protocol != SKT_IP_UDP))
        return 0;
    if (p->protocol == SKT_IP_UDP) {
        all.end = body.end;
        if (p->from.family == SKT_IP4 && !all.p[6] && !all.p[7])
            return 0;
    }
    p->sums_right &= !skt_ip_fold(skt_ip_sum(pseudo(&p->from, &p->to, p->protocol, skt_len(all)), all));
    return 0;
}

static void get_address(struct skt_span *in, uint8_t family, struct skt_addr *ret_addr)
{
    struct skt_span ip;

    *ret_addr = (struct skt_addr){ .family = family };
    ip = skt_get_span(in, ip_len(ret_addr));
    if (skt_len(ip))
        memcpy(ret_addr->ip, ip.p, skt_len(ip));
}

/* Only the bytes that the header claims are looked at: Ethernet pads short packets. */
static int get_ip4(struct skt_span *in, struct skt_ip_packet *p)
{
    struct skt_span whole = *in, body;
    uint8_t head = (skt_get_u8(in) & 15) * 4;
    uint16_t len, at;

    (void)skt_get_u8(in);
    len = skt_get_u16(in);
    (void)skt_get_u16(in);
    at = skt_get_u16(in);
    p->ttl = skt_get_u8(in);
    p->protocol = skt_get_u8(in);
    (void)skt_get_u16(in);
    get_address(in, SKT_IP4, &p->from);
    get_address(in, SKT_IP4, &p->to);
    if (in->bad || head < IP4_HEAD || len < head || len > skt_len(whole))
        return -EBADMSG;
    *in = whole;
    p->sums_right = !skt_ip_fold(skt_ip_sum(0, skt_span_of(whole.p, head)));
    (void)skt_get_span(in, head);
    body = skt_get_span(in, len - head);
    p->fragment = at & 0x3fff; /* "more fragments", or an offset */
    p->payload = body;
    return at & 0x1fff ? 0 : get_body(body, p);
}

/* RFC 8200 4: the headers before the upper one. *ret_later: a fragment without its start. */
static int skip_extensions(struct skt_span *body, struct skt_ip_packet *p, bool *ret_later)
{
    for (int i = 0; i < EXTENSIONS_MAX; i++) {
        uint8_t kind = p->protocol, len;
        uint16_t at;
        if (kind != HOP_BY_HOP && kind != ROUTING && kind != FRAGMENT && kind != DESTINATION)
            return 0;
        p->protocol = skt_get_u8(body);
        len = skt_get_u8(body);
        at = skt_get_u16(body);
        (void)skt_get_span(body, 4u + (kind == FRAGMENT ? 0 : len * 8u));
        if (body->bad)
            return -EBADMSG;
        p->fragment |= kind == FRAGMENT && (at & 0xfff9);
        if (kind == FRAGMENT && (at & 0xfff8)) {
            *ret_later = true;
            return 0;
        }
    }
    return -EBADMSG;
}

/* RFC 8200: no checksum of its own, the length does not count this header. */
static int get_ip6(struct skt_span *in, struct skt_ip_packet *p)
{
    struct skt_span body;
    bool later = false;
    uint16_t len;

    (void)skt_get_u32(in);
    len = skt_get_u16(in);
    p->protocol = skt_get_u8(in);
    p->ttl = skt_get_u8(in);
    get_address(in, SKT_IP6, &p->from);
    get_address(in, SKT_IP6, &p->to);
    body = skt_get_span(in, len);
    p->sums_right = true;
    if (in->bad || skip_extensions(&body, p, &later))
        return -EBADMSG;
    p->payload = body;
    return later ? 0 : get_body(body, p);
}

int skt_ip_get(struct skt_span *in, struct skt_ip_packet *ret_packet)
{
    struct skt_span at = *in, peek = *in;
    struct skt_ip_packet p = { 0 };
    uint8_t version = skt_get_u8(&peek) >> 4;
    int r = version == 4 ? get_ip4(&at, &p) : version == 6 ? get_ip6(&at, &p) : -EBADMSG;

    if (r)
        return r;
    *in = at;
    *ret_packet = p;
    return 0;
}
