/* ports: numbers, names and lists of them. Port 0 is a number like others: it means "you choose" to who listens, and
 * is a port that can be probed to who scans; but "-" and "-N" begin at 1. */
#include "base/text.h"

#include "base/ranges.h"

#include <errno.h>

#include "base/banned.h"

/* The best known of IANA's names; base reads no /etc/services, and so a list means the same on every machine. */
static const struct {
    const char *name;
    uint16_t port;
} services[] = {
    { "echo", 7 },
    { "discard", 9 },
    { "daytime", 13 },
    { "ftp-data", 20 },
    { "ftp", 21 },
    { "ssh", 22 },
    { "telnet", 23 },
    { "smtp", 25 },
    { "time", 37 },
    { "whois", 43 },
    { "domain", 53 },
    { "dns", 53 },
    { "tftp", 69 },
    { "finger", 79 },
    { "http", 80 },
    { "kerberos", 88 },
    { "pop3", 110 },
    { "ident", 113 },
    { "ntp", 123 },
    { "netbios-ssn", 139 },
    { "imap", 143 },
    { "snmp", 161 },
    { "bgp", 179 },
    { "irc", 194 },
    { "ldap", 389 },
    { "https", 443 },
    { "smb", 445 },
    { "submissions", 465 },
    { "syslog", 514 },
    { "submission", 587 },
    { "ipp", 631 },
    { "ldaps", 636 },
    { "rsync", 873 },
    { "imaps", 993 },
    { "pop3s", 995 },
    { "socks", 1080 },
    { "mqtt", 1883 },
    { "nfs", 2049 },
    { "mysql", 3306 },
    { "rdp", 3389 },
    { "postgresql", 5432 },
    { "amqp", 5672 },
    { "vnc", 5900 },
    { "redis", 6379 },
    { "ircs", 6697 },
    { "mongodb", 27017 },
};

static int get_port(struct skt_span s, uint16_t *ret_port, struct skt_room *why)
{
    const uint8_t *p = s.p;
    uint32_t n = 0;

    for (size_t i = 0; i < sizeof services / sizeof *services; i++) {
        if (skt_span_is(s, services[i].name)) {
            *ret_port = services[i].port;
            return 0;
        }
    }
    for (; p < s.end && '0' <= *p && *p <= '9'; p++)
        n = n > UINT16_MAX ? n : n * 10 + (*p - '0'); /* once above it stays there */
    if (p < s.end || s.p == s.end)
        return skt_refuse(why, -EINVAL, "port", s, "is neither a number nor a well-known service");
    if (n > UINT16_MAX)
        return skt_refuse(why, -ERANGE, "port", s, "is above 65535");
    *ret_port = (uint16_t)n;
    return 0;
}

int skt_port_parse(const char *text, uint16_t *ret_port, struct skt_room *why)
{
    return get_port(skt_span_str(text), ret_port, why);
}

/* "80", "http", "1-1024", "1000-", "-1024", "-". A name may have a '-' of its own: it is looked up whole first. */
static int get_port_range(struct skt_span s, uint16_t *ret_first, uint16_t *ret_last, struct skt_room *why)
{
    const uint8_t *dash = s.p < s.end ? memchr(s.p, '-', skt_len(s)) : NULL;
    uint16_t first = 1, last = UINT16_MAX;
    int r = 0;

    if (!dash || !get_port(s, &first, NULL)) {
        r = get_port(s, &first, why);
        last = first;
    } else {
        if (dash > s.p)
            r = get_port((struct skt_span){ .p = s.p, .end = dash }, &first, why);
        if (!r && dash + 1 < s.end)
            r = get_port((struct skt_span){ .p = dash + 1, .end = s.end }, &last, why);
    }
    if (!r && first > last)
        r = skt_refuse(why, -EINVAL, "ports", s, "run backwards: write %u-%u", last, first);
    if (!r) {
        *ret_first = first;
        *ret_last = last;
    }
    return r;
}

static int refuse_piece(struct skt_room *why, int error, struct skt_span list, uint32_t max)
{
    if (error == -ENOSPC)
        return skt_refuse(why, error, "ports", list, "are more than %u pieces: give them in parts", max);
    return skt_refuse(why, error, "ports", list, "find no memory");
}

/* Adds the parts of the list one by one; what came before a bad one stays in ports. */
static int add_ports(struct skt_span s, struct skt_ranges *ports, struct skt_room *why)
{
    struct skt_span list = s;
    const uint8_t *comma;
    int r = 0;

    do {
        struct skt_span part = list;
        uint16_t first, last;

        comma = list.p < list.end ? memchr(list.p, ',', skt_len(list)) : NULL;
        part.end = comma ? comma : list.end;
        list.p = comma ? comma + 1 : list.end;
        if (part.p == part.end)
            return skt_refuse(why, -EINVAL, "ports", s, "have an empty place: write for example 22,80,8000-8100");
        if ((r = get_port_range(part, &first, &last, why)))
            return r;
        if ((r = skt_ranges_take(ports, first, last + 1u, NULL)))
            return refuse_piece(why, r, s, ports->max);
    } while (comma);
    return 0;
}

/* Works on a set of its own, so that a failure in the middle of the list leaves *ports alone. */
int skt_ports_parse(const char *text, struct skt_ranges *ports, struct skt_room *why)
{
    struct skt_ranges all;
    int r = skt_ranges_init(&all, ports->max);

    for (uint32_t i = 0; !r && i < ports->n; i++) {
        if ((r = skt_ranges_take(&all, ports->items[i].from, ports->items[i].to, NULL)))
            (void)refuse_piece(why, r, skt_span_str(text), ports->max);
    }
    if (!r)
        r = add_ports(skt_span_str(text), &all, why);
    if (r) {
        skt_ranges_done(&all);
        return r;
    }
    skt_ranges_done(ports);
    *ports = all;
    return 0;
}
