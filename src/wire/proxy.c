/* proxy: the PROXY protocol, versions 1 and 2. */
#include "wire/proxy.h"

#include "base/text.h"

#include <errno.h>
#include <string.h>

enum { V1_MAX = 107 }; /* with CRLF; proxy-protocol.txt 2.1 */
static const uint8_t v2_mark[12] = "\r\n\r\n\0\r\nQUIT\n";

static bool next_word(struct skt_span *in, char *word, size_t size)
{
    const uint8_t *space = memchr(in->p, ' ', skt_len(*in)), *end = space ? space : in->end;
    size_t n = (size_t)(end - in->p);

    if (!n || n >= size)
        return false;
    memcpy(word, in->p, n);
    word[n] = 0;
    in->p = space ? space + 1 : end;
    return true;
}

static bool v1_addr(const char *ip, const char *port, uint8_t family, struct skt_addr *ret_addr)
{
    struct skt_addr addr;
    uint64_t n;

    if (skt_addr_parse(ip, &addr) || addr.family != family || addr.port || skt_u64_parse(port, 65535, &n, NULL))
        return false;
    addr.port = (uint16_t)n;
    *ret_addr = addr;
    return true;
}

/* "PROXY TCP4 192.0.2.1 192.0.2.2 56324 443" */
static int v1_get(struct skt_span line, struct skt_addr *peer, struct skt_addr *ret_to)
{
    char family[8], word[4][48];
    struct skt_addr from, to;
    uint8_t want;

    line.p += strlen("PROXY ");
    if (!next_word(&line, family, sizeof family))
        return -EBADMSG;
    if (!strcmp(family, "UNKNOWN"))
        return 0;
    want = !strcmp(family, "TCP4") ? SKT_IP4 : !strcmp(family, "TCP6") ? SKT_IP6 : SKT_NOWHERE;
    for (int i = 0; i < 4; i++)
        if (!next_word(&line, word[i], sizeof word[i]))
            return -EBADMSG;
    if (skt_len(line) || !v1_addr(word[0], word[2], want, &from) || !v1_addr(word[1], word[3], want, &to))
        return -EBADMSG;
    *peer = from;
    *ret_to = to;
    return 0;
}

static struct skt_addr v2_addr(struct skt_span *ips, uint8_t family)
{
    struct skt_addr addr = { .family = family };
    struct skt_span ip = skt_get_span(ips, family == SKT_IP4 ? 4 : 16);

    if (!ips->bad)
        memcpy(addr.ip, ip.p, skt_len(ip));
    return addr;
}

static int v2_get(struct skt_span *in, struct skt_addr *peer, struct skt_addr *ret_to)
{
    struct skt_span head = *in, body;
    struct skt_addr from, to;
    uint8_t command, family;
    uint16_t len;

    head.p += sizeof v2_mark;
    command = skt_get_u8(&head);
    family = skt_get_u8(&head) >> 4;
    len = skt_get_u16(&head);
    if (head.bad)
        return -EAGAIN;
    if (command >> 4 != 2 || (command & 15) > 1 || sizeof v2_mark + 4 + len > SKT_PROXY_MAX)
        return -EBADMSG;
    body = skt_get_span(&head, len);
    if (head.bad)
        return -EAGAIN;
    if ((command & 15) == 1 && (family == 1 || family == 2)) { /* else LOCAL, or a family without addresses */
        from = v2_addr(&body, family == 1 ? SKT_IP4 : SKT_IP6);
        to = v2_addr(&body, from.family);
        from.port = skt_get_u16(&body);
        to.port = skt_get_u16(&body);
        if (body.bad)
            return -EBADMSG;
        *peer = from;
        *ret_to = to;
    }
    *in = head;
    return 0;
}

static bool begins(struct skt_span in, const void *mark, size_t n)
{
    return !memcmp(in.p, mark, skt_len(in) < n ? skt_len(in) : n);
}

int skt_proxy_get(struct skt_span *in, struct skt_addr *peer, struct skt_addr *ret_to)
{
    struct skt_span rest = *in, line;
    int r;

    if (!skt_len(*in))
        return -EAGAIN;
    if (begins(*in, v2_mark, sizeof v2_mark))
        return skt_len(*in) < sizeof v2_mark ? -EAGAIN : v2_get(in, peer, ret_to);
    if (!begins(*in, "PROXY ", 6))
        return -EBADMSG;
    if (!skt_get_line(&rest, &line))
        return skt_len(*in) < V1_MAX ? -EAGAIN : -EBADMSG;
    if (skt_len(line) + 2 > V1_MAX || line.end[0] != '\r')
        return -EBADMSG;
    r = v1_get(line, peer, ret_to);
    if (!r)
        *in = rest;
    return r;
}

void skt_proxy_put(struct skt_room *out, const struct skt_addr *peer, const struct skt_addr *to)
{
    if (peer->family != to->family || (peer->family != SKT_IP4 && peer->family != SKT_IP6)) {
        skt_put_str(out, "PROXY UNKNOWN\r\n");
        return;
    }
    skt_put_str(out, peer->family == SKT_IP4 ? "PROXY TCP4 " : "PROXY TCP6 ");
    skt_put_ip(out, peer);
    skt_put_u8(out, ' ');
    skt_put_ip(out, to);
    skt_put_fmt(out, " %u %u\r\n", peer->port, to->port);
}
