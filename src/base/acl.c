/* acl: allow and deny lists of networks. A list is a few rows that are asked once a connection: no tree, first match. */
#include "base/acl.h"

#include "base/grow.h"
#include "base/text.h"

#include <errno.h>

#include "base/banned.h"

enum { MAPPED_BITS = 96 }; /* RFC 4291, section 2.5.5.2: ::ffff:0:0/96 is IPv4 */
static const uint8_t mapped[MAPPED_BITS / 8] = { [10] = 0xff, [11] = 0xff };

int skt_acl_init(struct skt_acl *acl, uint32_t max)
{
    *acl = (struct skt_acl){ .max = max };
    return 0;
}

void skt_acl_done(struct skt_acl *acl)
{
    if (!acl)
        return;
    free(acl->rows);
    *acl = (struct skt_acl){ .max = acl->max };
}

static unsigned ip_bits(uint8_t family) { return family == SKT_IP4 ? 32 : 128; }

/* Are the first bits of a and b the same? */
static bool same_bits(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    unsigned odd = bits % 8;

    if (memcmp(a, b, bits / 8) != 0)
        return false;
    return !odd || !((a[bits / 8] ^ b[bits / 8]) >> (8 - odd));
}

/* Puts 0 into all bits of ip beyond the first ones. */
static void clear_beyond(uint8_t ip[16], unsigned bits)
{
    for (unsigned i = bits; i < 128; i++)
        ip[i / 8] &= (uint8_t) ~(0x80u >> i % 8);
}

/* Two stacks meet in one socket: the kernel shows an IPv4 peer of an IPv6 listener as ::ffff:a.b.c.d. Without this a
 * deny row for IPv4 would be walked around by the choice of the listener. */
static bool is_mapped(const struct skt_addr *addr)
{
    return addr->family == SKT_IP6 && same_bits(addr->ip, mapped, MAPPED_BITS);
}

static void unmap(struct skt_addr *addr)
{
    memmove(addr->ip, addr->ip + MAPPED_BITS / 8, 4);
    memset(addr->ip + 4, 0, 12);
    addr->family = SKT_IP4;
}

/* "ADDRESS/BITS"; a lone address is all its bits. */
static int parse_cidr(const char *cidr, struct skt_addr *ret_addr, uint64_t *ret_bits, struct skt_room *why)
{
    struct skt_span s = skt_span_str(cidr);
    const char *slash = strchr(cidr, '/');
    size_t n = slash ? (size_t)(slash - cidr) : strlen(cidr);
    char ip[64] = { 0 }; /* no address is as long */
    struct skt_room room = skt_room_of(ip, sizeof ip - 1);

    skt_put(&room, skt_span_of(cidr, n));
    /* brackets, ports and scopes belong to one peer, not to a network; too long is left empty, which is no address */
    if (strchr(ip, '[') || strchr(ip, '%') || skt_addr_parse(ip, ret_addr) ||
        (ret_addr->family == SKT_IP4 && strchr(ip, ':')))
        return skt_refuse(why, -EINVAL, "network", s, "is not ADDRESS/BITS, such as 192.0.2.0/24 or fe80::/10");
    *ret_bits = ip_bits(ret_addr->family);
    if (slash && skt_u64_parse(slash + 1, *ret_bits, ret_bits, NULL))
        return skt_refuse(
            why, -EINVAL, "network", s, "needs a number of bits from 0 to %u after the /", ip_bits(ret_addr->family));
    return 0;
}

/* Bits beyond the mask are most often a slip, and what was meant then is not certain: the sentence offers it. */
static int refuse_loose_bits(struct skt_room *why, const char *cidr, struct skt_addr net, uint64_t bits)
{
    char text[64] = { 0 };
    struct skt_room room = skt_room_of(text, sizeof text - 1);

    skt_put_ip(&room, &net);
    return skt_refuse(why, -EINVAL, "network", skt_span_str(cidr), "has bits beyond /%u: write %s/%u", (unsigned)bits,
        text, (unsigned)bits);
}

static int push(struct skt_acl *acl, const struct skt_acl_row *row)
{
    if (acl->n == acl->max)
        return -ENOSPC;
    if (acl->n == acl->size) {
        struct skt_acl_row *rows = skt_grow(acl->rows, &acl->size, acl->max, sizeof *rows);

        if (!rows)
            return -ENOMEM;
        acl->rows = rows;
    }
    acl->rows[acl->n++] = *row;
    acl->has_allow = acl->has_allow || row->allow;
    return 0;
}

int skt_acl_add(struct skt_acl *acl, bool allow, const char *cidr, struct skt_room *why)
{
    struct skt_acl_row row = { .allow = allow };
    struct skt_addr addr, net;
    uint64_t bits = 0;
    int r = parse_cidr(cidr, &addr, &bits, why);

    if (r)
        return r;
    net = addr;
    clear_beyond(net.ip, (unsigned)bits);
    if (memcmp(net.ip, addr.ip, sizeof net.ip) != 0)
        return refuse_loose_bits(why, cidr, net, bits);
    if (is_mapped(&net) && bits >= MAPPED_BITS) {
        unmap(&net);
        bits -= MAPPED_BITS;
    }
    memcpy(row.ip, net.ip, sizeof row.ip);
    row.family = net.family;
    row.bits = (uint8_t)bits;
    r = push(acl, &row);
    if (r == -ENOSPC)
        return skt_refuse(why, r, "network", skt_span_str(cidr), "is one too many: the list takes %u", acl->max);
    return r ? skt_refuse(why, r, "network", skt_span_str(cidr), "finds no memory") : 0;
}

bool skt_acl_allows(const struct skt_acl *acl, const struct skt_addr *addr)
{
    struct skt_addr peer = *addr;

    if (!acl || addr->family == SKT_LOCAL)
        return true;
    if (is_mapped(&peer))
        unmap(&peer);
    for (uint32_t i = 0; i < acl->n; i++) {
        const struct skt_acl_row *row = &acl->rows[i];

        if (row->family == peer.family && same_bits(row->ip, peer.ip, row->bits))
            return row->allow;
    }
    return !acl->has_allow;
}
