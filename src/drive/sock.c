/* sock: addresses and options of sockets. */
#include "drive/sock.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

void sock_of_addr(const struct skt_addr *addr, struct sock_name *ret_name)
{
    struct sockaddr_in in4 = { .sin_family = AF_INET, .sin_port = htons(addr->port) };
    struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(addr->port), .sin6_scope_id = addr->id };

    *ret_name = (struct sock_name){ 0 };
    if (addr->family == SKT_IP4) {
        memcpy(&in4.sin_addr, addr->ip, 4);
        memcpy(&ret_name->ss, &in4, ret_name->len = sizeof in4);
    } else if (addr->family == SKT_IP6) {
        memcpy(&in6.sin6_addr, addr->ip, 16);
        memcpy(&ret_name->ss, &in6, ret_name->len = sizeof in6);
    }
}

struct skt_addr sock_addr(const struct sockaddr_storage *ss, socklen_t len)
{
    struct skt_addr addr = { .family = SKT_NOWHERE };
    struct sockaddr_in in4;
    struct sockaddr_in6 in6;

    if (ss->ss_family == AF_INET && len >= sizeof in4) {
        memcpy(&in4, ss, sizeof in4);
        addr.family = SKT_IP4;
        addr.port = ntohs(in4.sin_port);
        memcpy(addr.ip, &in4.sin_addr, 4);
    } else if (ss->ss_family == AF_INET6 && len >= sizeof in6) {
        memcpy(&in6, ss, sizeof in6);
        addr.family = SKT_IP6;
        addr.port = ntohs(in6.sin6_port);
        addr.id = in6.sin6_scope_id;
        memcpy(addr.ip, &in6.sin6_addr, 16);
    } else if (ss->ss_family == AF_UNIX) {
        addr.family = SKT_LOCAL;
    }
    return addr;
}

/* "@name" is Linux's abstract space. */
int sock_unix(const char *path, struct sock_name *ret_name)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    size_t n = strlen(path);

    if (n >= sizeof un.sun_path)
        return -ENAMETOOLONG;
    memcpy(un.sun_path, path, n);
    *ret_name = (struct sock_name){ .len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + 1) };
    if (path[0] == '@') {
        un.sun_path[0] = 0;
        ret_name->len--;
    }
    memcpy(&ret_name->ss, &un, sizeof un);
    return 0;
}

struct skt_addr sock_peer(int fd)
{
    struct sock_name name = { .len = sizeof name.ss };

    if (getpeername(fd, (struct sockaddr *)&name.ss, &name.len))
        return (struct skt_addr){ 0 };
    return sock_addr(&name.ss, name.len);
}

struct skt_addr sock_local(int fd)
{
    struct sock_name name = { .len = sizeof name.ss };

    if (getsockname(fd, (struct sockaddr *)&name.ss, &name.len))
        return (struct skt_addr){ 0 };
    return sock_addr(&name.ss, name.len);
}

static bool is_loopback(const struct skt_addr *a)
{
    static const uint8_t one[16] = { [15] = 1 }, mapped[13] = { [10] = 0xff, [11] = 0xff, [12] = 127 };

    return (a->family == SKT_IP4 && a->ip[0] == 127) ||
           (a->family == SKT_IP6 && (!memcmp(a->ip, one, 16) || !memcmp(a->ip, mapped, 13)));
}

bool sock_is_here(const struct skt_addr *local, const struct skt_addr *peer)
{
    return is_loopback(peer) || is_loopback(local) ||
           (local->family == peer->family && !memcmp(local->ip, peer->ip, sizeof local->ip));
}

/* Congestion control that does not pace, for peers on this host: bbr paces even there, which costs a pipe 1.4x.
 * Of those that every user may choose; cubic is refused inside a network namespace, reno is not. */
void sock_fast_cc(int fd)
{
    static const char *const names[] = { "cubic", "reno" };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, names[i], (socklen_t)strlen(names[i])))
            return;
}

static void set(int fd, int level, int option, int value)
{
    (void)setsockopt(fd, level, option, &value, sizeof value); /* a socket without it works, only less well */
}

void sock_pmtu(int fd)
{
    set(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE);
    set(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE);
}

/* On a listener they are inherited by what it accepts: no system call a connection. */
void sock_stream_options(int fd)
{
    set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set(fd, IPPROTO_TCP, TCP_KEEPIDLE, 60);
    set(fd, IPPROTO_TCP, TCP_KEEPINTVL, 10);
    set(fd, IPPROTO_TCP, TCP_KEEPCNT, 6);
    set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 120 * 1000); /* ms without an acknowledgement */
}
