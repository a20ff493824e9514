/* dns: the front of the resolver. Answers what needs no one else, and keeps the questions of the module sockit-dns.so. */
#include "drive/dns.h"

#include "base/text.h"
#include "drive/plug.h"

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { MAX_ASKS = 256 };

struct skt_dns {
    struct skt_dns_conf conf; /* servers is ours */
    const struct skt_dns_ops *ops;
    void *plug; /* NULL until a name needs it */
    int epoll;
    uint32_t asks;                    /* in both lists */
    struct skt_dns_ask *open;         /* under way, the newest first */
    struct skt_dns_ask *ready, **end; /* answered, the oldest first; end: where the next goes */
};

static const struct {
    int why;
    const char *text;
} texts[] = {
    { -ENOENT, "no such name" },
    { -ENODATA, "the name has no address" },
    { -ETIMEDOUT, "no name server answered" },
    { -EAGAIN, "the name servers fail, or none is there" },
    { -EBADMSG, "the name server answered nonsense" },
    { -EINVAL, "not a name" },
    { -ENOMEM, "out of memory" },
    { -ENOSYS, "names cannot be resolved: sockit-dns.so, which needs c-ares, cannot be loaded; use an address" },
};

static const char *text_of(int why, uint8_t family)
{
    if (why == -ENODATA && family)
        return family == SKT_IP4 ? "the name has no IPv4 address" : "the name has no IPv6 address";
    if (why == -EAFNOSUPPORT)
        return family == SKT_IP4 ? "that is an IPv6 address, but IPv4 is asked for"
                                 : "that is an IPv4 address, but IPv6 is asked for";
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (texts[i].why == why)
            return texts[i].text;
    return why ? "resolving failed" : "";
}

int skt_dns_new(const struct skt_dns_conf *conf, struct skt_dns **ret_dns)
{
    struct skt_dns *dns = calloc(1, sizeof *dns);

    if (!dns)
        return -ENOMEM;
    if (conf)
        dns->conf = *conf;
    if (!dns->conf.max_asks)
        dns->conf.max_asks = MAX_ASKS;
    dns->end = &dns->ready;
    dns->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (dns->epoll < 0) {
        int r = -errno;

        free(dns);
        return r;
    }
    if (dns->conf.servers && !(dns->conf.servers = strdup(dns->conf.servers))) {
        skt_dns_free(dns);
        return -ENOMEM;
    }
    *ret_dns = dns;
    return 0;
}

static void free_list(struct skt_dns_ask *ask)
{
    while (ask) {
        struct skt_dns_ask *next = ask->next;

        free(ask);
        ask = next;
    }
}

void skt_dns_free(struct skt_dns *dns)
{
    if (!dns)
        return;
    if (dns->plug)
        dns->ops->free(dns->plug);
    free_list(dns->open);
    free_list(dns->ready);
    (void)close(dns->epoll); /* nothing is written to it */
    free((char *)dns->conf.servers);
    free(dns);
}

int skt_dns_load(struct skt_dns *dns)
{
    if (dns->plug)
        return 0;
    dns->ops = skt_plug("dns");
    return dns->ops ? dns->ops->new (&dns->conf, dns->epoll, &dns->plug) : -ENOSYS;
}

int skt_dns_fd(const struct skt_dns *dns) { return dns->epoll; }

skt_time skt_dns_wake(const struct skt_dns *dns, skt_time now)
{
    if (dns->ready)
        return now;
    return dns->open ? dns->ops->wake(dns->plug, now) : SKT_NEVER;
}

static void make_ready(struct skt_dns *dns, struct skt_dns_ask *ask)
{
    ask->next = NULL;
    ask->answer.text = text_of(ask->answer.why, ask->family);
    *dns->end = ask;
    dns->end = &ask->next;
}

/* Moves what the module has answered: to ready, or away if no one waits for it any more. */
static void collect(struct skt_dns *dns)
{
    for (struct skt_dns_ask **at = &dns->open, *ask; (ask = *at);) {
        if (!ask->done) {
            at = &ask->next;
            continue;
        }
        *at = ask->next;
        if (!ask->gone) {
            make_ready(dns, ask);
            continue;
        }
        dns->asks--;
        free(ask);
    }
}

void skt_dns_step(struct skt_dns *dns, skt_time now)
{
    if (!dns->plug)
        return;
    dns->ops->step(dns->plug, now);
    collect(dns);
}

/* What may be asked at all: no blanks, no controls, ASCII (a name in another script must be given as xn--...). */
static bool is_name(const char *host)
{
    size_t n = strlen(host);

    if (!n || n > SKT_DNS_HOST_MAX + 1 || (n == SKT_DNS_HOST_MAX + 1 && host[n - 1] != '.'))
        return false;
    for (; *host; host++)
        if (*host <= ' ' || *host >= 0x7f) /* char is signed on some machines: negative is below the blank */
            return false;
    return true;
}

/* RFC 6761 section 6.3: localhost, and names that end in it, are loopback, and no server is asked. */
static bool is_localhost(const char *host)
{
    static const char name[] = "localhost";
    size_t n = strlen(host), len = sizeof name - 1;

    if (n && host[n - 1] == '.')
        n--;
    return n >= len && !strncasecmp(host + n - len, name, len) && (n == len || host[n - len - 1] == '.');
}

/* IPv4 first, other than RFC 6724: a server without a host listens on 127.0.0.1. */
static void answer_localhost(struct skt_dns_ask *ask)
{
    struct skt_dns_answer *answer = &ask->answer;

    if (ask->family != SKT_IP6)
        answer->addrs[answer->n++] = (struct skt_addr){ .family = SKT_IP4, .port = ask->port, .ip = { 127, 0, 0, 1 } };
    if (ask->family != SKT_IP4)
        answer->addrs[answer->n++] = (struct skt_addr){ .family = SKT_IP6, .port = ask->port, .ip = { [15] = 1 } };
}

/* A zone may be a name, which only the kernel knows the number of. */
static bool parse_zoned(const char *host, struct skt_addr *ret_addr)
{
    const char *zone = strchr(host, '%');
    char number[64];
    struct skt_room out = skt_room_of(number, sizeof number);

    if (!zone || !zone[1])
        return false;
    skt_put(&out, skt_span_of(host, (size_t)(zone - host)));
    skt_put(&out, skt_span_of("", 1));
    if (out.bad || skt_addr_parse(number, ret_addr) || ret_addr->family != SKT_IP6)
        return false;
    ret_addr->id = if_nametoindex(zone + 1);
    return ret_addr->id;
}

static bool answer_number(struct skt_dns_ask *ask, const char *host)
{
    struct skt_addr *addr = &ask->answer.addrs[0];

    if (skt_addr_parse(host, addr) && !parse_zoned(host, addr))
        return false;
    addr->port = ask->port;
    if (ask->family && addr->family != ask->family)
        ask->answer.why = -EAFNOSUPPORT;
    else
        ask->answer.n = 1;
    return true;
}

static void ask_plug(struct skt_dns *dns, struct skt_dns_ask *ask, const char *host)
{
    int r = strpbrk(host, ":%[]") ? -EINVAL : skt_dns_load(dns); /* an address that is none is no name either */

    if (r) {
        ask->answer.why = r;
        make_ready(dns, ask);
        return;
    }
    ask->next = dns->open;
    dns->open = ask;
    dns->ops->ask(dns->plug, ask, host);
    collect(dns);
}

int skt_dns_ask_for(struct skt_dns *dns, uint32_t token, const char *host, uint16_t port, uint8_t family)
{
    struct skt_dns_ask *ask;

    if (dns->asks == dns->conf.max_asks)
        return -ENOSPC;
    if (!is_name(host))
        return -EINVAL;
    ask = calloc(1, sizeof *ask);
    if (!ask)
        return -ENOMEM;
    dns->asks++;
    ask->answer.token = token;
    ask->port = port;
    ask->family = family;
    if (is_localhost(host))
        answer_localhost(ask);
    else if (!answer_number(ask, host)) {
        ask_plug(dns, ask, host);
        return 0;
    }
    make_ready(dns, ask);
    return 0;
}

int skt_dns_ask(struct skt_dns *dns, uint32_t token, const char *host, uint16_t port)
{
    return skt_dns_ask_for(dns, token, host, port, SKT_NOWHERE);
}

void skt_dns_cancel(struct skt_dns *dns, uint32_t token)
{
    for (struct skt_dns_ask *ask = dns->open; ask; ask = ask->next)
        ask->gone |= ask->answer.token == token; /* c-ares cannot forget one question: its answer finds nobody */
    dns->end = &dns->ready;
    for (struct skt_dns_ask *ask; (ask = *dns->end);) {
        if (ask->answer.token != token) {
            dns->end = &ask->next;
            continue;
        }
        *dns->end = ask->next;
        dns->asks--;
        free(ask);
    }
}

bool skt_dns_next(struct skt_dns *dns, struct skt_dns_answer *ret_answer)
{
    struct skt_dns_ask *ask = dns->ready;

    if (!ask)
        return false;
    *ret_answer = ask->answer;
    dns->ready = ask->next;
    if (!dns->ready)
        dns->end = &dns->ready;
    dns->asks--;
    free(ask);
    return true;
}
