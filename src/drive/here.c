/* here: addresses of ours by number, told by the kernel and to it (IP_PKTINFO, RFC 3542). */
#include "drive/here.h"

#include "drive/sock.h"

#include <stdlib.h>
#include <string.h>

void here_ask(int fd)
{
    static const uint8_t any[16];
    struct skt_addr local = sock_local(fd);
    int on = 1;

    if (memcmp(local.ip, any, sizeof any) != 0)
        return;
    if (local.family == SKT_IP4)
        (void)setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof on);
    else if (local.family == SKT_IP6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on);
}

static uint8_t number_of(struct here *h, const void *ip, size_t n)
{
    uint8_t full[16] = { 0 };

    memcpy(full, ip, n);
    for (uint8_t i = h->n; i > 0; i--)
        if (!memcmp(h->ip[i - 1], full, sizeof full))
            return i;
    if (h->n == HERE_MAX || (!h->ip && !(h->ip = calloc(HERE_MAX, sizeof *h->ip))))
        return 0;
    memcpy(h->ip[h->n], full, sizeof full);
    return ++h->n;
}

uint8_t here_of(struct here *h, const struct cmsghdr *c)
{
    struct in_pktinfo info;
    struct in6_pktinfo info6;

    if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
        memcpy(&info, CMSG_DATA(c), sizeof info);
        return number_of(h, &info.ipi_spec_dst, sizeof info.ipi_spec_dst); /* ours also when it came to a broadcast */
    }
    if (c->cmsg_level != IPPROTO_IPV6 || c->cmsg_type != IPV6_PKTINFO)
        return 0;
    memcpy(&info6, CMSG_DATA(c), sizeof info6);
    return IN6_IS_ADDR_MULTICAST(&info6.ipi6_addr) ? 0 : number_of(h, &info6.ipi6_addr, sizeof info6.ipi6_addr);
}

const uint8_t *here_ip(const struct here *h, uint8_t number)
{
    return number && number <= h->n ? h->ip[number - 1] : NULL;
}

static size_t put(struct cmsghdr *c, int level, int type, const void *info, size_t n)
{
    *c = (struct cmsghdr){ .cmsg_len = CMSG_LEN(n), .cmsg_level = level, .cmsg_type = type };
    memcpy(CMSG_DATA(c), info, n);
    return CMSG_SPACE(n);
}

size_t here_put(const struct here *h, uint8_t number, sa_family_t family, void *at)
{
    const uint8_t *ip = here_ip(h, number);
    struct in_pktinfo info = { 0 };
    struct in6_pktinfo info6 = { 0 };

    if (!ip)
        return 0;
    memcpy(&info.ipi_spec_dst, ip, sizeof info.ipi_spec_dst);
    memcpy(&info6.ipi6_addr, ip, sizeof info6.ipi6_addr);
    return family == AF_INET ? put(at, IPPROTO_IP, IP_PKTINFO, &info, sizeof info)
                             : put(at, IPPROTO_IPV6, IPV6_PKTINFO, &info6, sizeof info6);
}

void here_done(struct here *h)
{
    free(h->ip);
    *h = (struct here){ 0 };
}
