#pragma once
#include <sockit/engine.h>

/* dns: names to addresses, without blocking. Numeric hosts and localhost are answered here; the first other name loads
 * the plug-in sockit-dns.so (c-ares: hosts file, resolv.conf, A and AAAA together, order of RFC 6724).
 *
 * Ask, then take answers with next until it is false: after each ask, after each step. Step when the descriptor is
 * readable and at wake. One thread. */
struct skt_dns;

struct skt_dns_conf {
    const char *servers; /* "127.0.0.1:5353,[::1]:53" instead of resolv.conf; NULL: the system's */
    skt_time timeout;    /* of the first try, doubled for each more; 0: 2 s */
    uint32_t tries;      /* 0: 3 */
    uint32_t max_asks;   /* under way at once, cancelled ones included; 0: 256 */
};

enum { SKT_DNS_ADDRS = 16, SKT_DNS_HOST_MAX = 253 };

struct skt_dns_answer {
    uint32_t token;
    /* 0 with n >= 1; -ENOENT no such name; -ENODATA the name has no address; -ETIMEDOUT no server answered; -EAGAIN the
     * servers fail, or none is there; -EBADMSG they answer nonsense; -EINVAL no name; -EAFNOSUPPORT an address of the
     * other family; -ENOMEM; -ENOSYS no plug-in */
    int why;
    const char *text; /* the same for people: "no such name". Static */
    uint32_t n;
    struct skt_addr addrs[SKT_DNS_ADDRS]; /* the best first, with the port asked for */
};

int skt_dns_new(const struct skt_dns_conf *conf /* NULL: defaults; copied */, struct skt_dns **ret_dns);
void skt_dns_free(struct skt_dns *dns);
SKT_CLEANUP(skt_dns)

/* Loads the plug-in and reads resolv.conf now, for those who close a sandbox after: it must still allow to read
 * /etc/hosts and to make UDP and TCP sockets. -ENOSYS: not installed. */
int skt_dns_load(struct skt_dns *dns);
int skt_dns_fd(const struct skt_dns *dns);                      /* constant; readable: step. Level-triggered */
skt_time skt_dns_wake(const struct skt_dns *dns, skt_time now); /* step at that time at the latest; SKT_NEVER */
void skt_dns_step(struct skt_dns *dns, skt_time now);

/* The token comes back in the answer; it need not be unique. 0; -EINVAL: the host is no name (empty, too long, blanks,
 * not ASCII); -ENOSPC: max_asks are under way; -ENOMEM. A missing plug-in is told by the answer. */
int skt_dns_ask(struct skt_dns *dns, uint32_t token, const char *host, uint16_t port);
/* The same, for addresses of one family alone; the other's server is not waited for. SKT_NOWHERE: of both. */
int skt_dns_ask_for(struct skt_dns *dns, uint32_t token, const char *host, uint16_t port, uint8_t family);
void skt_dns_cancel(struct skt_dns *dns, uint32_t token); /* no answer with that token comes any more */
bool skt_dns_next(struct skt_dns *dns, struct skt_dns_answer *ret_answer);

/* What the module exports as skt_plug_dns. The front owns the questions; the module sets done, and why, n, addrs. */
struct skt_dns_ask {
    struct skt_dns_ask *next;
    struct skt_dns_answer answer;
    uint16_t port;
    uint8_t family;  /* SKT_IP4, SKT_IP6; else both */
    bool done, gone; /* gone: cancelled */
};
struct skt_dns_ops {
    int (*new)(const struct skt_dns_conf *conf, int epoll, void **ret_plug); /* its sockets join epoll */
    void (*free)(void *plug);                                                /* sets done on all that are left */
    skt_time (*wake)(void *plug, skt_time now);
    void (*step)(void *plug, skt_time now);
    void (*ask)(void *plug, struct skt_dns_ask *ask, const char *host); /* may be done at once */
};
