#pragma once
#include <sockit/engine.h>

#include <netinet/in.h>
#include <sys/socket.h>

/* here: which address of ours a datagram came to, so that the answer leaves from there and not from where the route says.
 * An address has no room for a second one, so ours have numbers: struct skt_addr's `here`. */
enum {
    HERE_MAX = 255, /* numbers are a byte; what comes to others is answered by the route */
    HERE_SPACE = CMSG_SPACE(sizeof(struct in6_pktinfo))
};

struct here {
    uint8_t n;         /* addresses so far; IPv4 mapped, if the socket is IPv6 */
    uint8_t (*ip)[16]; /* HERE_MAX, made when first needed */
};

/* A socket that is bound to every address of this host: the kernel is to tell. One that does not chooses by the route. */
void here_ask(int fd);
/* The number of the address that is told in a control message of recvmsg; 0: it tells another thing, or there is no memory
 * or number left. */
uint8_t here_of(struct here *h, const struct cmsghdr *c);
const uint8_t *here_ip(const struct here *h, uint8_t number); /* NULL: none of ours */
/* Puts a control message for sendmsg to a peer of that family at `at`, HERE_SPACE bytes. Its length; 0: no such number.
 * sendmsg says EINVAL when the address is not ours any more, or was one of many: then the route may choose. */
size_t here_put(const struct here *h, uint8_t number, sa_family_t family, void *at);
void here_done(struct here *h);
