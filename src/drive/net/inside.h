#pragma once
/* inside: what the files of the façade share. net.c opens, io.c moves bytes, tlsio.c is the filter between. */
#include <sockit/net.h>

#include "drive/here.h"
#include "drive/sock.h"

#include <poll.h>
#include <stdatomic.h>
#include <sys/types.h>
#include <sys/un.h>

enum {
    NET_READ = 64 * 1024,         /* room for what was received and not yet taken */
    NET_LINE_MAX = 64 * 1024,     /* default of SKT_SO_LINE_MAX */
    NET_LINE_LIMIT = 1024 * 1024, /* and its limit */
    NET_LOCAL_DGRAM = 256 * 1024, /* Unix datagrams are only limited by the sender's buffer (208 KiB by default) */
    NET_NAME = 5 + 4 * 108 + 1,   /* "unix:" and a path of 108 bytes, escaped */
    NET_SENDERS = 64,
};

/* Unix senders have paths, struct skt_addr has a number for them: the newest paths, FIFO. Number i is in path[i % 64]. */
struct net_senders {
    uint32_t newest; /* numbers begin with 1 */
    struct sock_name path[NET_SENDERS];
};

struct net_tls {
    struct skt_tls_session *session;
    size_t in_from, in_to, out_from, out_to;
    uint8_t in[16 * 1024], out[16 * 1024]; /* cipher: read and not yet taken by the session; not yet sent */
};

union net_control { /* what the kernel tells of a datagram, or is told */
    struct cmsghdr align;
    char bytes[HERE_SPACE];
};

struct skt_sock {
    int fd;
    bool listener, dgram;
    bool ended; /* the peer's end was read */
    atomic_bool stopped;
    uint8_t family;
    struct skt_tls *tls;    /* of a listener: borrowed */
    struct net_tls *filter; /* NULL: plain */
    int spare;              /* of a listener: given up for a moment to turn a peer away when there is no other; or -1 */
    uint8_t *buf;           /* received; [from, to) is not taken yet. Made by the first receiving call */
    size_t cap, from, to;
    size_t line_max;
    skt_time pause;
    struct skt_addr peer; /* of a connected socket */
    struct net_senders *senders;
    struct here here;       /* of a datagram socket for every address */
    struct sock_name bound; /* Unix: the path to unlink at close, if it is still this socket: */
    dev_t dev;
    ino_t ino;
    struct skt_err err;
    char local_text[NET_NAME], peer_text[NET_NAME], name_text[NET_NAME];
};

/* net.c */
/* Fills *err (may be NULL) and gives why. what: "connect localhost:80"; reason: NULL: taken from why. */
int net_err(struct skt_err *err, enum skt_stage stage, int why, const struct skt_addr *peer, const char *what,
    const char *reason);
int net_fail(struct skt_sock *s, enum skt_stage stage, int why, const char *reason); /* the same of a socket */
/* Until one of events is there. 0, -ETIMEDOUT, -ECANCELED, -errno. */
int net_wait(struct skt_sock *s, short events, skt_time deadline);
int net_poll(struct pollfd *polls, size_t n, skt_time deadline); /* how many; 0: the deadline passed; -errno */
void net_nap(skt_time length, skt_time deadline);                /* where the kernel has no event to wait for */

/* What the caller asked for, escaped and cut; ends with NUL. */
void net_put_where(char *text, size_t size, const char *where);
void net_name(const struct sock_name *name, char text[NET_NAME]);
void net_names(struct skt_sock *s); /* family, peer and both texts, as the system has them */
const struct sock_name *net_sender(const struct skt_sock *s, uint32_t id); /* NULL: forgotten */
int net_new(int fd, struct skt_sock **ret_sock); /* takes fd, which is non-blocking, unless it fails */

/* dial.c */
struct skt_dns_answer;
struct skt_endpoint;
/* what: "connect localhost:80", for err. */
int net_parse(const char *what, const char *where, struct skt_endpoint *ret_to, struct skt_err *err);
int net_resolve(const char *what, const struct skt_endpoint *to, skt_time deadline, struct skt_dns_answer *ret_answer,
    struct skt_err *err);
int net_adopt(int fd, struct skt_sock **ret_sock); /* non-blocking and close-on-exec from now on */

/* tlsio.c: results as in io.c, and the socket's error is set */
int net_tls_start(struct skt_sock *s, struct skt_tls *tls, const char *host);
void net_tls_free(struct net_tls *t);
int net_tls_shake(struct skt_sock *s, skt_time deadline); /* at once when done before */
int net_tls_read(struct skt_sock *s, struct skt_room *into, skt_time deadline);
int net_tls_write(struct skt_sock *s, struct skt_span bytes, skt_time deadline);
int net_tls_shut(struct skt_sock *s, skt_time deadline);
bool net_tls_has_input(const struct skt_sock *s);

/* io.c: the socket itself. 1, 0 at the end, -errno; the socket's error is not set. */
int net_read(struct skt_sock *s, struct skt_room *into, skt_time deadline);
int net_write(struct skt_sock *s, struct skt_span *bytes, skt_time deadline); /* 1: some of it; bytes->p moved on */
