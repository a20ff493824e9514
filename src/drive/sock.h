#pragma once
#include <sockit/engine.h>

#include <sys/socket.h>

/* sock: addresses and options of sockets, for the runtime and for net.h. */
struct sock_name {
    struct sockaddr_storage ss;
    socklen_t len;
};

void sock_of_addr(const struct skt_addr *addr, struct sock_name *ret_name); /* len 0: not an IP address */
struct skt_addr sock_addr(const struct sockaddr_storage *ss, socklen_t len);
int sock_unix(const char *path, struct sock_name *ret_name); /* "@name": abstract. -ENAMETOOLONG */
struct skt_addr sock_peer(int fd);                           /* SKT_NOWHERE: not connected */
struct skt_addr sock_local(int fd);
bool sock_is_here(const struct skt_addr *local, const struct skt_addr *peer); /* both ends are on this host */

void sock_stream_options(int fd); /* no delay, keepalive, user time-out; a listener's are inherited */
void sock_pmtu(int fd);    /* datagrams are not fragmented, and the kernel's own idea of the path's MTU is not asked */
void sock_fast_cc(int fd); /* congestion control that does not pace, for peers on this host */
