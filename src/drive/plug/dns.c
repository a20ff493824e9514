/* dns: the module's half of the resolver: c-ares's sockets in one epoll, its answers into the front's questions. */
#include "drive/dns.h"

#include <ares.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <time.h>

enum { TIMEOUT_MS = 2000, TRIES = 3, EVENTS = 16 };

/* Some name servers drop what asks for IPv6, and c-ares would wait for all its time-outs. After this long a second
 * question, for IPv4 alone, runs beside; if it is answered first, that is the answer. */
static const skt_time patience = 300 * SKT_MS;

/* Which resolv.conf was read. */
struct stamp {
    uint64_t dev, ino, size;
    int64_t seconds, ns;
};

struct plug {
    ares_channel channel;
    struct skt_dns_conf conf; /* servers: only whether there are some */
    struct stamp stamp;
    int epoll;                      /* the front's */
    struct question *oldest, **end; /* not answered, in the order in which they were asked */
};

struct question {
    struct question *next;
    struct plug *plug;
    struct skt_dns_ask *ask; /* NULL: answered; a call of c-ares may still hold us */
    skt_time second_at;      /* SKT_NEVER: it runs, or has run */
    unsigned calls;          /* of c-ares, under way */
    char host[SKT_DNS_HOST_MAX + 2];
};

/* ares_library_init counts, but is not safe between threads: each runtime has a resolver of its own. */
static pthread_mutex_t library = PTHREAD_MUTEX_INITIALIZER;

static bool library_up(void)
{
    int r;

    (void)pthread_mutex_lock(&library); /* cannot fail: a plain mutex, never held by its caller */
    r = ares_library_init(ARES_LIB_INIT_ALL);
    (void)pthread_mutex_unlock(&library);
    return r == ARES_SUCCESS;
}

static void library_down(void)
{
    (void)pthread_mutex_lock(&library); /* as above */
    ares_library_cleanup();
    (void)pthread_mutex_unlock(&library);
}

/* c-ares opens, closes and minds its sockets; this keeps the epoll the same. */
static void watch(void *data, ares_socket_t fd, int readable, int writable)
{
    struct plug *plug = data;
    struct epoll_event event = { .data.fd = fd };

    event.events = (readable ? EPOLLIN : 0) | (writable ? EPOLLOUT : 0);
    if (!event.events)
        (void)epoll_ctl(plug->epoll, EPOLL_CTL_DEL, fd, NULL); /* not there: then it is as it should be */
    else if (epoll_ctl(plug->epoll, EPOLL_CTL_MOD, fd, &event) && errno == ENOENT)
        (void)epoll_ctl(plug->epoll, EPOLL_CTL_ADD, fd, &event); /* no memory: the question times out */
}

static int error_of(int status)
{
    switch (status) {
    case ARES_SUCCESS: return 0;
    case ARES_ENOTFOUND: return -ENOENT;
    case ARES_ENODATA: return -ENODATA;
    case ARES_ETIMEOUT: return -ETIMEDOUT;
    case ARES_ENOMEM: return -ENOMEM;
    case ARES_EBADNAME: return -EINVAL;
    case ARES_EBADRESP:
    case ARES_EFORMERR:
    case ARES_EBADQUERY: return -EBADMSG;
    case ARES_ECANCELLED:
    case ARES_EDESTRUCTION: return -ECANCELED;
    /* c-ares 1.18 says ECONNREFUSED for SERVFAIL and REFUSED too, when no other server knew more. */
    default: return -EAGAIN;
    }
}

static bool addr_of(const struct ares_addrinfo_node *node, uint16_t port, struct skt_addr *ret_addr)
{
    *ret_addr = (struct skt_addr){ .port = port };
    if (node->ai_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)node->ai_addr;

        ret_addr->family = SKT_IP4;
        memcpy(ret_addr->ip, &in->sin_addr, 4);
        return true;
    }
    if (node->ai_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)node->ai_addr;

        ret_addr->family = SKT_IP6;
        ret_addr->id = in6->sin6_scope_id;
        memcpy(ret_addr->ip, &in6->sin6_addr, 16);
        return true;
    }
    return false;
}

/* Lets go of a question that is answered; the last call of c-ares frees it. */
static void finish(struct question *q)
{
    struct question **at = &q->plug->oldest;

    q->ask->done = true;
    q->ask = NULL;
    while (*at != q)
        at = &(*at)->next;
    *at = q->next;
    if (!q->next)
        q->plug->end = at;
}

static void answer(struct question *q, int status, const struct ares_addrinfo *info)
{
    struct skt_dns_answer *answer = &q->ask->answer;

    answer->why = error_of(status);
    for (const struct ares_addrinfo_node *node = info ? info->nodes : NULL; node && answer->n < SKT_DNS_ADDRS;
         node = node->ai_next)
        answer->n += addr_of(node, q->ask->port, &answer->addrs[answer->n]);
    if (!answer->why && !answer->n)
        answer->why = -ENODATA;
    if (answer->why)
        answer->n = 0;
    finish(q);
}

static void call_ended(struct question *q, struct ares_addrinfo *info)
{
    if (info)
        ares_freeaddrinfo(info);
    if (!--q->calls && !q->ask)
        free(q);
}

static void first_answered(void *data, int status, int timeouts, struct ares_addrinfo *info)
{
    struct question *q = data;

    if (q->ask)
        answer(q, status, info);
    call_ended(q, info);
}

/* Only good news count: for bad ones the first question is asked. */
static void second_answered(void *data, int status, int timeouts, struct ares_addrinfo *info)
{
    struct question *q = data;

    if (q->ask && status == ARES_SUCCESS && info && info->nodes)
        answer(q, status, info);
    call_ended(q, info);
}

static void call(struct question *q, int family, ares_addrinfo_callback answered)
{
    /* SOCK_STREAM: each address once. No NOSORT: the order of RFC 6724. */
    const struct ares_addrinfo_hints hints = { .ai_family = family, .ai_socktype = SOCK_STREAM };

    q->calls++;
    ares_getaddrinfo(q->plug->channel, q->host, NULL, &hints, answered, q); /* may call back at once */
}

static struct stamp stamp_now(void)
{
    struct stat st;

    if (stat("/etc/resolv.conf", &st))
        return (struct stamp){ 0 };
    return (struct stamp){ st.st_dev, st.st_ino, (uint64_t)st.st_size, st.st_mtim.tv_sec, st.st_mtim.tv_nsec };
}

static int plug_open(struct plug *plug)
{
    const struct skt_dns_conf *conf = &plug->conf;
    struct ares_options options = {
        .timeout = conf->timeout ? (int)(conf->timeout / SKT_MS) : TIMEOUT_MS,
        .tries = conf->tries ? (int)conf->tries : TRIES,
        .sock_state_cb = watch,
        .sock_state_cb_data = plug,
    };
    ares_channel channel;
    int status;

    plug->stamp = stamp_now();
    status = ares_init_options(&channel, &options, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB);
    if (status != ARES_SUCCESS)
        return error_of(status);
    if (conf->servers && ares_set_servers_ports_csv(channel, conf->servers) != ARES_SUCCESS) {
        ares_destroy(channel);
        return -EINVAL;
    }
    plug->channel = channel;
    return 0;
}

/* Another network, another name server: c-ares 1.18 reads resolv.conf once, so it is made anew. What of the old one is
 * still under way was answered already. A file that cannot be read leaves all as it was. */
static void refresh(struct plug *plug)
{
    const struct stamp now = stamp_now();
    ares_channel old = plug->channel;

    if (plug->oldest || plug->conf.servers || !memcmp(&now, &plug->stamp, sizeof now))
        return;
    if (!plug_open(plug))
        ares_destroy(old);
}

static skt_time clock_now(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail: the clock exists, and so does t */
    return t.tv_sec * SKT_SEC + t.tv_nsec;
}

static void plug_ask(void *data, struct skt_dns_ask *ask, const char *host)
{
    struct plug *plug = data;
    struct question *q = calloc(1, sizeof *q);

    if (!q) {
        ask->answer.why = -ENOMEM;
        ask->done = true;
        return;
    }
    refresh(plug);
    q->plug = plug;
    q->ask = ask;
    q->second_at = ask->family ? SKT_NEVER : clock_now() + patience;
    (void)snprintf(q->host, sizeof q->host, "%s", host); /* it fits: the front has checked */
    *plug->end = q;
    plug->end = &q->next;
    call(q, ask->family == SKT_IP4 ? AF_INET : ask->family == SKT_IP6 ? AF_INET6 : AF_UNSPEC, first_answered);
}

static int plug_new(const struct skt_dns_conf *conf, int epoll, void **ret_plug)
{
    struct plug *plug = calloc(1, sizeof *plug);
    int r;

    if (!plug)
        return -ENOMEM;
    plug->conf = *conf;
    plug->epoll = epoll;
    plug->end = &plug->oldest;
    if (!library_up()) {
        free(plug);
        return -ENOMEM;
    }
    r = plug_open(plug);
    if (r) {
        library_down();
        free(plug);
        return r;
    }
    *ret_plug = plug;
    return 0;
}

static void plug_free(void *data)
{
    struct plug *plug = data;

    ares_destroy(plug->channel);
    library_down();
    free(plug);
}

static skt_time plug_wake(void *data, skt_time now)
{
    struct plug *plug = data;
    struct timeval tv, *left = ares_timeout(plug->channel, NULL, &tv);
    /* Rounded up: c-ares compares in its own clock, and a step too early would only spin. */
    skt_time wake = left ? now + left->tv_sec * SKT_SEC + left->tv_usec * SKT_US + SKT_MS : SKT_NEVER;

    for (const struct question *q = plug->oldest; q; q = q->next)
        wake = q->second_at < wake ? q->second_at : wake;
    return wake;
}

static void ask_again(struct plug *plug, skt_time now)
{
    for (struct question *q = plug->oldest, *next; q; q = next) {
        next = q->next;
        if (q->second_at > now)
            continue;
        q->second_at = SKT_NEVER;
        call(q, AF_INET, second_answered);
    }
}

static void plug_step(void *data, skt_time now)
{
    struct plug *plug = data;
    struct epoll_event events[EVENTS];
    int n = epoll_wait(plug->epoll, events, EVENTS, 0);

    for (int i = 0; i < n; i++) {
        bool broken = events[i].events & (EPOLLERR | EPOLLHUP);
        int fd = events[i].data.fd;

        ares_process_fd(plug->channel, events[i].events & EPOLLIN || broken ? fd : ARES_SOCKET_BAD,
            events[i].events & EPOLLOUT || broken ? fd : ARES_SOCKET_BAD);
    }
    if (n <= 0)
        ares_process_fd(plug->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD); /* time-outs only */
    ask_again(plug, now);
}

extern const struct skt_dns_ops skt_plug_dns;
__attribute__((visibility("default"))) const struct skt_dns_ops skt_plug_dns = {
    .new = plug_new,
    .free = plug_free,
    .wake = plug_wake,
    .step = plug_step,
    .ask = plug_ask,
};
