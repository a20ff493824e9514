#pragma once
#include <sockit/tls.h>

#include <errno.h>

/* tls: a pure filter between a socket's bytes (cipher) and a link's bytes (plain). No descriptor, nothing waits:
 *
 *   socket -> recv -> [session] -> read  -> engine
 *   socket <- send <- [session] <- write <- engine
 *
 * After each recv: read until it gives 0; after recv, read, write and shut: send until it gives false. A client's first
 * bytes are ready after new. What a failure leaves in send (an alert) is worth one try before the socket is closed. */
struct skt_tls_session;

enum {
    SKT_TLS_END = -ENODATA,     /* of read: the peer sent close_notify, all was read */
    SKT_TLS_CUT = -ECONNABORTED /* of read: the socket ended without close_notify: the data may be cut short */
};

struct skt_tls_info {
    const char *version; /* "TLSv1.3" */
    const char *cipher;  /* "TLS_AES_256_GCM_SHA384" */
    char alpn[64];       /* agreed upon; one of ours. "": none */
    bool resumed;
};

/* host: what the user asked for, a name or an address; NULL for a server. -EDESTADDRREQ: a client that verifies has
 * no name to verify (a Unix socket: conf.name is needed). -ENOMEM. */
int skt_tls_session_new(struct skt_tls *tls, const char *host, struct skt_tls_session **ret_session);
void skt_tls_session_free(struct skt_tls_session *s);
SKT_CLEANUP(skt_tls_session)

/* Takes bytes from the socket, at most 32 KiB until they are read; cipher->p advances. Goes on with the handshake.
 * 0; -EPROTO, -EKEYREJECTED (the certificate), -EACCES (the peer refused us), -ENOMEM: the session is dead, see why. */
int skt_tls_recv(struct skt_tls_session *s, struct skt_span *cipher);
/* The socket gives no more. 0, or SKT_TLS_CUT when that broke the handshake. */
int skt_tls_eof(struct skt_tls_session *s);
/* Fills plain: > 0 bytes put; 0: more is needed from the socket (or sent first); SKT_TLS_END, SKT_TLS_CUT, -errno as
 * of recv. */
int skt_tls_read(struct skt_tls_session *s, struct skt_room *plain);
/* Takes from plain while less than 64 KiB wait in send. 0 (nothing taken before is_open); -EPIPE after shut; -errno. */
int skt_tls_write(struct skt_tls_session *s, struct skt_span *plain);
/* Puts what waits for the socket. False: nothing was put. */
bool skt_tls_send(struct skt_tls_session *s, struct skt_room *cipher);
/* Ends our direction with close_notify; reading goes on. 0; -ENOTCONN before is_open. Twice is once. */
int skt_tls_shut(struct skt_tls_session *s);

bool skt_tls_is_open(const struct skt_tls_session *s);   /* the handshake is done, the peer verified */
size_t skt_tls_waiting(const struct skt_tls_session *s); /* bytes for send */
bool skt_tls_has_input(const struct skt_tls_session *s); /* recv took bytes that read has not looked at yet */
/* Why it failed, as a sentence without the peer: "certificate has expired (2024-02-01)". "" when it has not. Valid as
 * long as the session; nothing of it needs escaping. */
const char *skt_tls_why(const struct skt_tls_session *s);
void skt_tls_info(const struct skt_tls_session *s, struct skt_tls_info *ret_info); /* after is_open */

/* What the module exports as skt_plug_tls, and the heads by which the front finds the way to it. */
struct skt_tls_ops {
    int (*new)(const struct skt_tls_conf *conf, struct skt_tls **ret_tls, struct skt_room *why);
    void (*free)(struct skt_tls *tls);
    int (*reload)(struct skt_tls *tls, struct skt_room *why);
    int (*session_new)(struct skt_tls *tls, const char *host, struct skt_tls_session **ret_session);
    void (*session_free)(struct skt_tls_session *s);
    int (*recv)(struct skt_tls_session *s, struct skt_span *cipher);
    int (*eof)(struct skt_tls_session *s);
    int (*read)(struct skt_tls_session *s, struct skt_room *plain);
    int (*write)(struct skt_tls_session *s, struct skt_span *plain);
    bool (*send)(struct skt_tls_session *s, struct skt_room *cipher);
    int (*shut)(struct skt_tls_session *s);
    bool (*is_open)(const struct skt_tls_session *s);
    size_t (*waiting)(const struct skt_tls_session *s);
    bool (*has_input)(const struct skt_tls_session *s);
    const char *(*why)(const struct skt_tls_session *s);
    void (*info)(const struct skt_tls_session *s, struct skt_tls_info *ret_info);
};
struct skt_tls {
    const struct skt_tls_ops *ops;
};
struct skt_tls_session {
    const struct skt_tls_ops *ops;
};
