/* text: addresses and endpoints, read and written. Units are in units.c, ports in ports.c, escapes in
 * escape.c. */
#include "base/text.h"

#include "base/utf8.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/banned.h"

enum {
    IP_TEXT_MAX = 64, /* the longest: eight groups, scope, brackets, port: 59 */
    SCOPE_MAX = 15,   /* an interface name */
    NO_PORT = -1,
};

static struct skt_span before(struct skt_span s, const uint8_t *p) { return (struct skt_span){ .p = s.p, .end = p }; }
static struct skt_span from(struct skt_span s, const uint8_t *p) { return (struct skt_span){ .p = p, .end = s.end }; }

static const uint8_t *find(struct skt_span s, int c) { return s.p < s.end ? memchr(s.p, c, skt_len(s)) : NULL; }
static bool begins(struct skt_span s, int c) { return s.p < s.end && *s.p == c; }

/* Takes prefix off the front of *s, if it is there. */
static bool skip(struct skt_span *s, const char *prefix)
{
    size_t n = strlen(prefix);

    if (skt_len(*s) < n || memcmp(s->p, prefix, n) != 0)
        return false;
    s->p += n;
    return true;
}

/* ---- numbers ---- */

/* Value of a digit in any base up to 16; 16: none. */
static unsigned digit(uint8_t c)
{
    if ('0' <= c && c <= '9')
        return c - '0';
    if ('a' <= (c | 0x20) && (c | 0x20) <= 'f')
        return (c | 0x20) - 'a' + 10u;
    return 16;
}

/* The whole of s as a number 0..max, max < 2^32. */
static bool get_number(struct skt_span s, unsigned base, uint32_t max, uint32_t *ret_n)
{
    uint64_t n = 0;

    if (s.p == s.end)
        return false;
    for (; s.p < s.end; s.p++) {
        if (digit(*s.p) >= base || (n = n * base + digit(*s.p)) > max)
            return false;
    }
    *ret_n = (uint32_t)n;
    return true;
}

/* ---- addresses ---- */

/* "1.2.3.4", nothing shorter, and no leading zero: some read "010" as eight. */
static bool get_ip4(struct skt_span s, uint8_t *ret_ip)
{
    uint8_t ip[4];
    uint32_t n;

    for (int i = 0; i < 4; i++) {
        const uint8_t *dot = i < 3 ? find(s, '.') : s.end;
        struct skt_span part = dot ? before(s, dot) : s;

        if (!dot || !get_number(part, 10, 255, &n) || (skt_len(part) > 1 && *part.p == '0'))
            return false;
        ip[i] = (uint8_t)n;
        s.p = dot + (i < 3);
    }
    memcpy(ret_ip, ip, sizeof ip);
    return true;
}

/* One group of an IPv6 address, or its IPv4 tail, which is two. Gives the number of bytes; 0: neither. */
static size_t get_group(struct skt_span part, uint8_t ret_bytes[4])
{
    uint32_t n;

    if (find(part, '.'))
        return get_ip4(part, ret_bytes) ? 4 : 0;
    if (skt_len(part) > 4 || !get_number(part, 16, 0xffff, &n))
        return 0;
    ret_bytes[0] = (uint8_t)(n >> 8);
    ret_bytes[1] = (uint8_t)n;
    return 2;
}

/* RFC 4291, section 2.2: all three forms. */
static bool get_ip6(struct skt_span s, uint8_t *ret_ip)
{
    uint8_t ip[16] = { 0 }, bytes[4];
    size_t n = 0, gap = SIZE_MAX; /* bytes so far; where "::" stands among them */
    size_t got;

    /* collect the groups from the left, remember where the gap is, and move what stands right of it to the end */
    if (skip(&s, "::"))
        gap = 0;
    while (s.p < s.end) {
        const uint8_t *colon = find(s, ':');

        got = get_group(colon ? before(s, colon) : s, bytes);
        if (!got || n + got > sizeof ip || (got == 4 && colon))
            return false;
        memcpy(ip + n, bytes, got);
        n += got;
        if (!colon)
            break;
        s.p = colon + 1;
        if (begins(s, ':') && gap == SIZE_MAX) {
            gap = n;
            s.p++;
        } else if (s.p == s.end) {
            return false; /* a single colon at the end */
        }
    }
    if (gap == SIZE_MAX ? n != sizeof ip : n == sizeof ip)
        return false;
    if (gap != SIZE_MAX) {
        memmove(ip + sizeof ip - (n - gap), ip + gap, n - gap);
        memset(ip + gap, 0, sizeof ip - n);
    }
    memcpy(ret_ip, ip, sizeof ip);
    return true;
}

/* "::1", "fe80::1%eth0": the scope comes back as text, empty if there is none. */
static bool get_ip6_scope(struct skt_span s, uint8_t *ret_ip, struct skt_span *ret_scope)
{
    const uint8_t *percent = find(s, '%');
    struct skt_span scope = from(s, percent ? percent + 1 : s.end);

    if (percent && (!skt_len(scope) || skt_len(scope) > SCOPE_MAX))
        return false;
    if (!get_ip6(percent ? before(s, percent) : s, ret_ip))
        return false;
    *ret_scope = scope;
    return true;
}

/* Only a number is taken for a scope: to look up the name of an interface is the kernel's business. */
static int get_addr6(struct skt_span s, struct skt_addr *ret_addr)
{
    struct skt_addr addr = { .family = SKT_IP6, .port = ret_addr->port };
    struct skt_span scope;

    if (!get_ip6_scope(s, addr.ip, &scope))
        return -EINVAL;
    if (skt_len(scope) && !get_number(scope, 10, UINT32_MAX, &addr.id))
        return -EINVAL;
    *ret_addr = addr;
    return 0;
}

/* Splits "[HOST]:PORT", "HOST:PORT", "HOST" or an IPv6 address without brackets; *ret_port has p NULL if there is no
 * port. -EINVAL: brackets that do not match, or what follows them. */
static int split_port(struct skt_span s, struct skt_span *ret_host, struct skt_span *ret_port, bool *ret_bracket)
{
    const uint8_t *colon = find(s, ':'), *close = find(s, ']');
    bool bracket = begins(s, '[');

    if (bracket && (!close || (close + 1 < s.end && close[1] != ':')))
        return -EINVAL;
    if (bracket)
        colon = close + 1 < s.end ? close + 1 : NULL;
    else if (colon && find(from(s, colon + 1), ':'))
        colon = NULL;
    *ret_bracket = bracket;
    *ret_port = colon ? from(s, colon + 1) : (struct skt_span){ 0 };
    *ret_host = bracket ? (struct skt_span){ .p = s.p + 1, .end = close } : colon ? before(s, colon) : s;
    return 0;
}

int skt_addr_parse(const char *text, struct skt_addr *ret_addr)
{
    struct skt_addr addr = { 0 };
    struct skt_span host, port;
    uint32_t n = 0;
    bool bracket;

    if (split_port(skt_span_str(text), &host, &port, &bracket) || (port.p && !get_number(port, 10, 65535, &n)))
        return -EINVAL;
    if (!bracket && get_ip4(host, addr.ip))
        addr.family = SKT_IP4;
    else if ((!bracket && port.p) || get_addr6(host, &addr))
        return -EINVAL;
    addr.port = (uint16_t)n;
    *ret_addr = addr;
    return 0;
}

static void put_ip4(struct skt_room *out, const uint8_t *ip)
{
    skt_put_fmt(out, "%u.%u.%u.%u", ip[0], ip[1], ip[2], ip[3]);
}

/* Where the zeros are that "::" stands for: the longest run of at least two groups, the first of equal ones. */
static int longest_zeros(const uint16_t group[8], int *ret_n)
{
    int at = 8, n = 1;

    for (int i = 0, run = 0; i < 8; i++) {
        run = group[i] ? 0 : run + 1;
        if (run > n) {
            n = run;
            at = i - run + 1;
        }
    }
    *ret_n = n;
    return at;
}

/* RFC 5952: lower case, no leading zeros, one "::", and the dotted form where IPv4 is mapped. */
static void put_ip6(struct skt_room *out, const uint8_t *ip)
{
    uint16_t group[8];
    int n, gap;

    for (int i = 0; i < 8; i++)
        group[i] = (uint16_t)(ip[2 * i] << 8 | ip[2 * i + 1]);
    gap = longest_zeros(group, &n);
    if (gap == 0 && n == 5 && group[5] == 0xffff) {
        skt_put_str(out, "::ffff:");
        put_ip4(out, ip + 12);
        return;
    }
    for (int i = 0; i < 8; i++) {
        if (i == gap) {
            skt_put_str(out, "::");
            i += n - 1;
        } else {
            skt_put_fmt(out, i && i != gap + n ? ":%x" : "%x", group[i]);
        }
    }
}

static void put_ip(struct skt_room *out, const struct skt_addr *addr)
{
    switch ((enum skt_family)addr->family) {
    case SKT_NOWHERE: skt_put_str(out, "-"); break;
    case SKT_LOCAL: skt_put_fmt(out, "unix#%u", addr->id); break;
    case SKT_IP4: put_ip4(out, addr->ip); break;
    case SKT_IP6:
        put_ip6(out, addr->ip);
        if (addr->id)
            skt_put_fmt(out, "%%%u", addr->id);
    }
}

/* Both writers fill a room of their own first: skt_put_fmt wants one byte more than it writes. */
static void put_text(struct skt_room *out, const uint8_t *text, const struct skt_room *end)
{
    assert(!end->bad);
    skt_put(out, skt_span_of(text, (size_t)(end->p - text)));
}

void skt_put_ip(struct skt_room *out, const struct skt_addr *addr)
{
    uint8_t text[IP_TEXT_MAX];
    struct skt_room room = skt_room_of(text, sizeof text);

    put_ip(&room, addr);
    put_text(out, text, &room);
}

void skt_put_addr(struct skt_room *out, const struct skt_addr *addr)
{
    uint8_t text[IP_TEXT_MAX];
    struct skt_room room = skt_room_of(text, sizeof text);
    bool bracket = addr->family == SKT_IP6;

    skt_put_str(&room, bracket ? "[" : "");
    put_ip(&room, addr);
    skt_put_str(&room, bracket ? "]" : "");
    if (addr->family == SKT_IP4 || addr->family == SKT_IP6)
        skt_put_fmt(&room, ":%u", addr->port);
    put_text(out, text, &room);
}

/* ---- endpoints ---- */

static const char *const prefixes[] = {
    [SKT_TCP] = "tcp:",
    [SKT_UDP] = "udp:",
    [SKT_TLS] = "tls:",
    [SKT_UNIX] = "unix:",
    [SKT_UNIXGRAM] = "unixgram:",
    [SKT_FD] = "fd:",
    [SKT_EXEC] = "exec:",
};

/* A host that a person may mean; whether it exists, the resolver knows. Names in other scripts are let through. */
static bool is_host(struct skt_span host)
{
    for (const uint8_t *p = host.p; p < host.end; p++) {
        if (*p <= ' ' || *p == 0x7f || strchr("/\\@[]?#\"", *p))
            return false;
    }
    return skt_utf8_valid(host);
}

static int set_host(struct skt_endpoint *e, struct skt_span host, bool bracket, struct skt_room *why)
{
    struct skt_span scope;
    uint8_t ip[16];

    if (bracket && !get_ip6_scope(host, ip, &scope))
        return skt_refuse(why, -EINVAL, "address", host, "in brackets is not an IPv6 address");
    if (!is_host(host))
        return skt_refuse(why, -EINVAL, "host", host, "is neither a name nor an address");
    if (skt_len(host) >= sizeof e->host)
        return skt_refuse(why, -ERANGE, "host", host, "is longer than %zu bytes", sizeof e->host - 1);
    if (skt_len(host))
        memcpy(e->host, host.p, skt_len(host));
    return 0;
}

/* Numbers and well-known names are for ports.c, which wants a string. */
static int set_port(struct skt_endpoint *e, struct skt_span port, struct skt_room *why)
{
    char text[32];

    if (skt_len(port) >= sizeof text)
        return skt_refuse(why, -EINVAL, "port", port, "is neither a number nor a well-known service");
    memcpy(text, port.p, skt_len(port));
    text[skt_len(port)] = 0;
    return skt_port_parse(text, &e->port, why);
}

/* One word without a colon, where a port must be given: it is the port, or the port is missing. */
static int set_lone_port(struct skt_endpoint *e, struct skt_span word, struct skt_room *why)
{
    const uint8_t *p = word.p;

    if (!set_port(e, word, NULL))
        return 0;
    while (p < word.end && digit(*p) < 10)
        p++;
    if (p == word.end)
        return set_port(e, word, why); /* a number, but not that of a port */
    return skt_refuse(why, -EINVAL, "address", word, "has no port: write HOST:PORT");
}

/* port: what it is if the text has none; NO_PORT: it must have one. The frequent slips come first, each with its own
 * sentence: a path, a URL, an IPv6 address without brackets, a host without a port. */
static int parse_inet(struct skt_span s, int32_t port, struct skt_endpoint *e, struct skt_room *why)
{
    struct skt_span host, number, scope;
    uint8_t ip[16];
    bool bracket;
    int r;

    if (s.p == s.end)
        return skt_refuse(why, -EINVAL, "address", s, "is empty: write [HOST:]PORT");
    if (begins(s, '/') || begins(s, '.'))
        return skt_refuse(why, -EINVAL, "address", s, "looks like a path: for a Unix socket write unix:PATH");
    if (find(s, '/'))
        return skt_refuse(why, -EINVAL, "address", s, "is not [HOST:]PORT: leave out scheme:// and path");
    if (split_port(s, &host, &number, &bracket))
        return skt_refuse(why, -EINVAL, "address", s, "is not [HOST:]PORT: the brackets do not match");
    if (!number.p && !bracket && find(host, ':') && (port == NO_PORT || !get_ip6_scope(host, ip, &scope)))
        return skt_refuse(why, -EINVAL, "address", s, "has several colons: write an IPv6 address as [ADDRESS]:PORT");
    if (!number.p && !bracket && port == NO_PORT)
        return set_lone_port(e, s, why);
    if (!number.p && port == NO_PORT)
        return skt_refuse(why, -EINVAL, "address", s, "has no port: write [ADDRESS]:PORT");
    if ((r = set_host(e, host, bracket, why)))
        return r;
    if (number.p)
        return set_port(e, number, why);
    e->port = (uint16_t)port;
    return 0;
}

static int parse_path(struct skt_span s, struct skt_endpoint *e, struct skt_room *why)
{
    if (s.p == s.end)
        return skt_refuse(why, -EINVAL, "path", s, "is empty: write unix:PATH");
    if (skt_len(s) >= sizeof e->path)
        return skt_refuse(
            why, -ERANGE, "path", s, "is longer than %zu bytes, which a Unix socket cannot have", sizeof e->path - 1);
    memcpy(e->path, s.p, skt_len(s));
    return 0;
}

static int parse_fd(struct skt_span s, struct skt_endpoint *e, struct skt_room *why)
{
    uint32_t fd;

    if (!get_number(s, 10, INT32_MAX, &fd))
        return skt_refuse(why, -EINVAL, "descriptor", s, "is not a number: write fd:N");
    e->fd = (int)fd;
    return 0;
}

static int parse_command(struct skt_span s, struct skt_endpoint *e, struct skt_room *why)
{
    if (s.p == s.end)
        return skt_refuse(why, -EINVAL, "command", s, "is empty: write exec:COMMAND");
    e->command = (const char *)s.p; /* s runs to the NUL of the text */
    return 0;
}

/* All is put together in e, so that *ret_endpoint stays untouched on failure. */
static int parse_endpoint(const char *text, int32_t port, struct skt_endpoint *ret_endpoint, struct skt_room *why)
{
    struct skt_endpoint e = { .scheme = SKT_TCP };
    struct skt_span s = skt_span_str(text);
    int r = 0;

    /* without a prefix it is TCP; an unknown word before a colon is a host: "udpx:80" */
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        if (skip(&s, prefixes[i])) {
            e.scheme = (enum skt_scheme)i;
            break;
        }
    }
    switch (e.scheme) {
    case SKT_TCP:
    case SKT_UDP:
    case SKT_TLS: r = parse_inet(s, port, &e, why); break;
    case SKT_UNIX:
    case SKT_UNIXGRAM: r = parse_path(s, &e, why); break;
    case SKT_FD: r = parse_fd(s, &e, why); break;
    case SKT_EXEC: r = parse_command(s, &e, why); break;
    }
    if (!r)
        *ret_endpoint = e;
    return r;
}

int skt_endpoint_parse(const char *text, struct skt_endpoint *ret_endpoint, struct skt_room *why)
{
    return parse_endpoint(text, NO_PORT, ret_endpoint, why);
}

int skt_endpoint_parse_host(const char *text, uint16_t port, struct skt_endpoint *ret_endpoint, struct skt_room *why)
{
    return parse_endpoint(text, port, ret_endpoint, why);
}

static void put_inet(struct skt_room *out, const struct skt_endpoint *e)
{
    bool bracket = strchr(e->host, ':');
    char port[8];

    skt_put_str(out, bracket ? "[" : "");
    skt_put_escaped(out, skt_span_str(e->host));
    skt_put_str(out, bracket ? "]" : "");
    snprintf(port, sizeof port, *e->host ? ":%u" : "%u", e->port);
    skt_put_str(out, port);
}

/* Is the host called as a scheme is? Then "tcp:" may not be left out: "udp:80" is not port 80 of a host "udp". */
static bool is_scheme(const char *host)
{
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        if (*host && strlen(host) == strlen(prefixes[i]) - 1 && !strncmp(host, prefixes[i], strlen(host)))
            return true;
    }
    return false;
}

void skt_put_endpoint(struct skt_room *out, const struct skt_endpoint *endpoint)
{
    uint8_t *begin = out->p;
    char fd[16];

    if (endpoint->scheme != SKT_TCP || is_scheme(endpoint->host))
        skt_put_str(out, prefixes[endpoint->scheme]);
    switch (endpoint->scheme) {
    case SKT_TCP:
    case SKT_UDP:
    case SKT_TLS: put_inet(out, endpoint); break;
    case SKT_UNIX:
    case SKT_UNIXGRAM: skt_put_escaped(out, skt_span_str(endpoint->path)); break;
    case SKT_FD:
        snprintf(fd, sizeof fd, "%d", endpoint->fd);
        skt_put_str(out, fd);
        break;
    case SKT_EXEC: skt_put_escaped(out, skt_span_str(endpoint->command)); break;
    }
    if (out->bad)
        out->p = begin;
}
