#pragma once
#include <sockit/engine.h>

#include <stdio.h>

SKT_BEGIN
/* net: sockets that wait, for programs of one page. No thread, no signal handler, no SIGPIPE. A socket belongs to one
 * thread at a time. For thousands of sockets in one thread take sockit/rt.h.
 * Calls that may wait have a deadline: a moment, so that a whole conversation can have one. skt_in() makes it from now;
 * SKT_NEVER: none; 0: do only what needs no waiting. They give what is said below, or -errno: -ETIMEDOUT the deadline
 * passed, -ECANCELED skt_sock_stop was called. */
struct skt_sock;
struct skt_tls; /* sockit/tls.h */

skt_time skt_now(void); /* CLOCK_MONOTONIC */
skt_time skt_in(skt_time length);

/* clang-format off */
enum skt_stage {
    SKT_AT_RESOLVE, SKT_AT_BIND, SKT_AT_LISTEN, SKT_AT_ACCEPT, SKT_AT_CONNECT, SKT_AT_TLS, SKT_AT_SEND, SKT_AT_RECV,
    SKT_AT_LIMIT /* a cap, of ours or of the system: a line too long, no descriptor left */
};
enum skt_option { /* of skt_sock_set */
    SKT_SO_NODELAY, SKT_SO_KEEPALIVE, SKT_SO_BROADCAST, /* 0, 1; the first two are on for TCP */
    SKT_SO_SEND_BUFFER, SKT_SO_RECV_BUFFER, SKT_SO_TTL, /* bytes, bytes, hops */
    SKT_SO_LINE_MAX, /* bytes, 1..1 MiB (64 KiB). This and the next are handed down to accepted sockets */
    SKT_SO_PAUSE     /* skt_recv_line takes text without LF when so long nothing followed: skt_time (0: never) */
};
/* clang-format on */
struct skt_err {
    enum skt_stage stage; /* what failed, also by time */
    int errno_;           /* above 0 */
    struct skt_addr peer; /* SKT_NOWHERE: none yet */
    char text[256];       /* one sentence: "connect 127.0.0.1:8080: connection refused: nothing listens there" */
};

/* ---- opening ---- */
struct skt_dial_conf {
    struct skt_tls *tls; /* of "tls:"; NULL: the system's authorities. Borrowed during the call */
    const char *source;  /* local "HOST", ":PORT" or "HOST:PORT", numeric; NULL: any */
};
struct skt_bind_conf {
    int backlog;         /* 0: 4096; the system cuts it to net.core.somaxconn */
    bool dual;           /* an IPv6 socket takes IPv4 too */
    bool no_reuse;       /* no SO_REUSEADDR: wait until the port's last connections are forgotten */
    struct skt_tls *tls; /* of "tls:": needed, with a certificate. Borrowed as long as the listener */
};
/* where: "HOST:PORT", "udp:HOST:PORT", "tls:HOST:PORT", "unix:/path", "unixgram:/path", "fd:N" (taken over). Resolves,
 * tries all addresses (RFC 8305), connects, shakes hands. Gives as a result what connect_ex does. conf, err: or NULL. */
int skt_dial(const char *where, const struct skt_dial_conf *conf, skt_time deadline, struct skt_sock **ret_sock,
    struct skt_err *err);
/* socket, bind and listen; a datagram socket can then receive, and send to anyone. where: as above, or "[udp:]PORT".
 * No HOST: 127.0.0.1; "*": every IPv4 address; "[::]": every IPv6 one. Port 0: the system chooses. */
int skt_bind(const char *where, const struct skt_bind_conf *conf, skt_time deadline, struct skt_sock **ret_sock,
    struct skt_err *err);
/* The TLS handshake is left to the first call on the new socket. -EMFILE: no descriptor; the peer was turned away. */
int skt_accept(struct skt_sock *listener, skt_time deadline, struct skt_sock **ret_sock);
/* Addresses of "HOST:PORT" in the order to try: how many, 1..max. */
int skt_resolve(const char *where, skt_time deadline, struct skt_addr *ret_addrs, size_t max, struct skt_err *err);

/* ---- streams ---- */
/* All of it, or failure: then nobody knows how much arrived. On a datagram socket: one datagram to its peer. */
int skt_send_all(struct skt_sock *sock, struct skt_span bytes, skt_time deadline);
int skt_send_parts(struct skt_sock *sock, const struct skt_span *parts, size_t n, skt_time deadline); /* n <= 16 */
int skt_send_end(struct skt_sock *sock, skt_time deadline); /* half-close: the peer reads the end */

/* 1 and bytes borrowed until the next receiving call on the socket; 0: the peer has ended. */
int skt_recv(struct skt_sock *sock, struct skt_span *ret_bytes, skt_time deadline);     /* what there is */
int skt_recv_text(struct skt_sock *sock, struct skt_span *ret_text, skt_time deadline); /* cuts no UTF-8 character */
/* Without its LF or CRLF, which the last may lack. -EMSGSIZE: above SKT_SO_LINE_MAX. Half a line waits for its rest. */
int skt_recv_line(struct skt_sock *sock, struct skt_span *ret_line, skt_time deadline);
/* Fills *into; into->p says how far it came. 0: the end came before the first byte; -ENODATA: inside. */
int skt_recv_exact(struct skt_sock *sock, struct skt_room *into, skt_time deadline);

/* ---- datagrams: each whole; an empty one is one too ---- */
int skt_sendto(struct skt_sock *sock, struct skt_span bytes, const struct skt_addr *to, skt_time deadline);
/* 1 and bytes as above. *ret_from is for skt_sendto, which then sends from the address that the
 * datagram came to; of Unix sockets only the last 64 senders are known. */
int skt_recvfrom(struct skt_sock *sock, struct skt_span *ret_bytes, struct skt_addr *ret_from, skt_time deadline);

/* ---- all sockets ---- */
int skt_sock_set(struct skt_sock *sock, enum skt_option option, int64_t value);
int skt_sock_get(const struct skt_sock *sock, enum skt_option option, int64_t *ret_value); /* as the system has it */
const struct skt_err *skt_sock_err(const struct skt_sock *sock); /* of the call that failed last */

/* "127.0.0.1:9", "[::1]:9", "unix:/path", escaped. Valid as long as the socket; the third until it is called again. */
const char *skt_sock_local(const struct skt_sock *sock);
const char *skt_sock_peer(const struct skt_sock *sock);
const char *skt_sock_name(struct skt_sock *sock, const struct skt_addr *addr);

/* The first of n that skt_recv or skt_accept would not wait for. */
int skt_poll(struct skt_sock *const *socks, size_t n, skt_time deadline, size_t *ret_i);
/* What waits on it, now or later, gives -ECANCELED. From any thread or signal handler. */
void skt_sock_stop(struct skt_sock *sock);
/* Ends, and drops what comes until the peer ends too: a close with bytes unread resets the connection, and the peer
 * may lose our last words (RFC 1122, 4.2.2.13). */
void skt_sock_finish(struct skt_sock *sock, skt_time deadline);
void skt_sock_close(struct skt_sock *sock); /* takes NULL */
static inline void skt_sock_cleanup(struct skt_sock **sock) { skt_sock_close(*sock); }

/* Prints a stranger's text: LF, TAB and what is harmless as it is, what could command a terminal as \xNN. */
void skt_show(FILE *to, struct skt_span bytes);
SKT_END
