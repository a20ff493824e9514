/* frame: what stands in the headers of a frame, and trains cut into frames. Start reading at skt_cut_put(). */
#include "wire/frame.h"

#include "wire/ip.h"

#include <errno.h>

enum { IP4 = 0x0800, IP6 = 0x86dd, VLAN = 0x8100, QINQ = 0x88a8 };
enum { IP4_HEAD = 20, IP6_HEAD = 40, TCP_HEAD = 20, UDP_HEAD = 8 };
enum { FIN = 1, PSH = 8, CWR = 128 };

/* The type of the packet, and *frame goes forward to it. */
static uint16_t packet_of(struct skt_span *frame)
{
    uint16_t type;

    (void)skt_get_span(frame, SKT_FRAME_HEAD - 2);
    type = skt_get_u16(frame);
    for (int i = 0; i < SKT_FRAME_VLANS && (type == VLAN || type == QINQ); i++) {
        (void)skt_get_u16(frame);
        type = skt_get_u16(frame);
    }
    return type;
}

size_t skt_frame_packet(struct skt_span frame)
{
    struct skt_span rest = frame;

    (void)packet_of(&rest);
    return rest.bad ? skt_len(frame) : (size_t)(rest.p - frame.p);
}

static uint16_t u16_at(const uint8_t *p) { return (uint16_t)(p[0] << 8 | p[1]); }

static void set_u16(uint8_t *p, uint64_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static void set_u32(uint8_t *p, uint32_t v)
{
    set_u16(p, v >> 16);
    set_u16(p + 2, v);
}

static uint32_t u32_at(const uint8_t *p) { return (uint32_t)u16_at(p) << 16 | u16_at(p + 2); }

/* ---- ECN: the lower two bits of what was the type of service; RFC 3168, 5 ---- */

bool skt_frame_capable(struct skt_span frame)
{
    uint16_t type = packet_of(&frame);

    if (skt_len(frame) < IP4_HEAD)
        return false;
    return type == IP4 ? frame.p[1] & 3 : type == IP6 && (frame.p[1] >> 4 & 3);
}

void skt_frame_mark(struct skt_room frame)
{
    struct skt_span rest = skt_span_of(frame.p, skt_left(frame));
    uint16_t type = packet_of(&rest);
    uint8_t *p = frame.p + (rest.p - frame.p);

    if (skt_len(rest) < IP4_HEAD)
        return;
    if (type == IP6)
        p[1] |= 3 << 4;
    if (type != IP4)
        return;
    uint16_t before = u16_at(p);
    p[1] |= 3;
    /* RFC 1624, eqn. 3: HC' = ~(~HC + ~m + m') */
    set_u16(p + 10, skt_ip_fold((uint64_t)(uint16_t)~u16_at(p + 10) + (uint16_t)~before + u16_at(p)));
}

/* ---- checksums ---- */

void skt_frame_settle(struct skt_room frame, struct skt_frame_debt debt)
{
    size_t len = skt_left(frame);
    uint16_t sum;

    if (!debt.start || (size_t)debt.start + debt.at + 2 > len)
        return;
    sum = skt_ip_fold(skt_ip_sum(0, skt_span_of(frame.p + debt.start, len - debt.start)));
    set_u16(frame.p + debt.start + debt.at, sum ? sum : 0xffff); /* in UDP 0 means none, in TCP both are the same */
}

/* The sum of the pseudo-header for that many bytes of TCP or UDP: not inverted, as the kernel leaves it. */
static uint16_t pseudo_sum(const struct skt_cut *cut, const uint8_t *frame, size_t len)
{
    const uint8_t *ip = frame + cut->l3;
    uint64_t sum = len + (cut->kind == SKT_TRAIN_TCP ? SKT_IP_TCP : SKT_IP_UDP);

    sum = skt_ip_sum(sum, cut->ip6 ? skt_span_of(ip + 8, 32) : skt_span_of(ip + 12, 8));
    return (uint16_t)~skt_ip_fold(sum);
}

/* ---- trains ---- */

/* Where TCP or UDP begins; 0: not to be found. IPv6's extension headers are passed over. */
static size_t transport_of(struct skt_span ip, bool ip6, uint8_t protocol)
{
    const uint8_t *begin = ip.p;
    uint8_t next;

    if (!ip6) {
        size_t head = skt_len(ip) >= IP4_HEAD ? (size_t)(ip.p[0] & 15) * 4 : 0;
        return head >= IP4_HEAD && ip.p[9] == protocol && !(u16_at(ip.p + 6) & 0x3fff) ? head : 0;
    }
    struct skt_span head = skt_get_span(&ip, IP6_HEAD);
    if (ip.bad)
        return 0;
    next = head.p[6];
    while (next == 0 || next == 43 || next == 60) { /* hop by hop, routing, destination; RFC 8200, 4 */
        uint8_t after = skt_get_u8(&ip);
        size_t len = 8 * (size_t)skt_get_u8(&ip) + 6;
        (void)skt_get_span(&ip, len);
        next = after;
        if (ip.bad)
            return 0;
    }
    return next == protocol ? (size_t)(ip.p - begin) : 0;
}

int skt_cut_init(
    struct skt_cut *cut, struct skt_span frame, enum skt_train kind, uint32_t seg, struct skt_frame_debt debt)
{
    struct skt_cut c = { .frame = frame, .kind = kind, .seg = seg, .debt_paid = !debt.start };
    struct skt_span ip = frame;
    uint16_t type = packet_of(&ip);
    size_t l4 = 0, len = skt_len(frame), head;

    c.ip6 = type == IP6;
    if (len > SKT_FRAME_MAX || !seg || (type != IP4 && type != IP6))
        return -EBADMSG;
    c.l3 = (uint16_t)(ip.p - frame.p);
    l4 = transport_of(ip, c.ip6, kind == SKT_TRAIN_TCP ? SKT_IP_TCP : SKT_IP_UDP);
    c.l4 = (uint16_t)(c.l3 + l4);
    head = kind == SKT_TRAIN_TCP ? TCP_HEAD : UDP_HEAD;
    if (!l4 || len < c.l4 + head)
        return -EBADMSG;
    if (kind == SKT_TRAIN_TCP)
        head = (size_t)(frame.p[c.l4 + 12] >> 4) * 4;
    if (head < UDP_HEAD || (kind == SKT_TRAIN_TCP && head < TCP_HEAD) || len <= c.l4 + head)
        return -EBADMSG;
    c.head = (uint32_t)(c.l4 + head);
    c.n = (uint32_t)((len - c.head + seg - 1) / seg);
    *cut = c;
    return 0;
}

/* What differs between the headers of the segments; as the kernel's own tcp_gso_segment does it. */
static void put_lengths(const struct skt_cut *cut, uint32_t i, uint8_t *frame, size_t len)
{
    uint8_t *ip = frame + cut->l3, *l4 = frame + cut->l4;
    bool last = i + 1 == cut->n;

    if (cut->ip6) {
        set_u16(ip + 4, len - cut->l3 - IP6_HEAD);
    } else {
        set_u16(ip + 2, len - cut->l3);
        set_u16(ip + 4, (uint64_t)u16_at(ip + 4) + i); /* the identification counts; wraps */
        set_u16(ip + 10, 0);
        set_u16(ip + 10, skt_ip_fold(skt_ip_sum(0, skt_span_of(ip, (size_t)(ip[0] & 15) * 4))));
    }
    if (cut->kind == SKT_TRAIN_UDP) {
        set_u16(l4 + 4, len - cut->l4);
        return;
    }
    set_u32(l4 + 4, u32_at(l4 + 4) + i * cut->seg);
    if (!last)
        l4[13] &= (uint8_t) ~(FIN | PSH);
    if (i)
        l4[13] &= (uint8_t)~CWR;
}

void skt_cut_put(const struct skt_cut *cut, uint32_t i, struct skt_room *out, struct skt_frame_debt *ret_debt)
{
    size_t from = cut->head + (size_t)i * cut->seg, all = skt_len(cut->frame);
    size_t body = from < all ? all - from < cut->seg ? all - from : cut->seg : 0, len = cut->head + body;
    uint8_t *frame = out->p, *sum;
    uint16_t at = cut->kind == SKT_TRAIN_TCP ? 16 : 6;

    if (skt_left(*out) < len) {
        out->bad = true;
        return;
    }
    skt_put(out, skt_span_of(cut->frame.p, cut->head));
    skt_put(out, skt_span_of(cut->frame.p + from, body));
    put_lengths(cut, i, frame, len);
    sum = frame + cut->l4 + at;
    /* The kernel's own sum, where there is one, knows a routing header's last address; its length is exchanged. */
    if (cut->debt_paid)
        set_u16(sum, pseudo_sum(cut, frame, len - cut->l4));
    else
        set_u16(
            sum, (uint16_t)~skt_ip_fold((uint64_t)u16_at(sum) + (uint16_t) ~(uint16_t)(all - cut->l4) + len - cut->l4));
    *ret_debt = (struct skt_frame_debt){ .start = cut->l4, .at = at };
}
