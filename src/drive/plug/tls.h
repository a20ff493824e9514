#pragma once
#include "drive/tls.h"

#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>

/* What the files of the module share: tls.c loads contexts, tls_session.c filters, tls_verify.c judges
 * certificates, tls_roots.c has the system's authorities. */

enum { PINS_MAX = 16, PIN_BYTES = 32 /* SHA-256 */, ALPN_MAX = 256, WHY_MAX = 640 };

struct tls {
    struct skt_tls head;
    atomic_uint refs;         /* the caller's one and each session's: the context's callbacks look in here */
    struct skt_tls_conf conf; /* its strings are ours */
    uint32_t pins, alpn_size;
    uint8_t pin[PINS_MAX][PIN_BYTES];
    uint8_t alpn[ALPN_MAX]; /* as on the wire: length, name, ... */
    int keylog;             /* descriptor; -1: none */
    pthread_mutex_t lock;   /* of ctx: a reload changes it while other threads open links */
    SSL_CTX *ctx;
};

struct session {
    struct skt_tls_session head;
    struct tls *tls;
    SSL *ssl;
    struct pile {
        uint8_t *p; /* NULL while empty: an idle session holds no buffer */
        uint32_t from, to, size;
    } in, out;
    bool open, eof, ended, shut; /* eof: of the socket; ended: close_notify came; shut: ours went */
    int error;                   /* sticky, -errno */
    char *why;                   /* WHY_MAX; NULL until there is a reason */
    char name[256];              /* client: what is verified; "" for none */
};

void tls_put(struct tls *tls); /* drops a reference */

int session_new(struct skt_tls *tls, const char *host, struct skt_tls_session **ret_session);
void session_free(struct skt_tls_session *s);
int session_recv(struct skt_tls_session *s, struct skt_span *cipher);
int session_eof(struct skt_tls_session *s);
int session_read(struct skt_tls_session *s, struct skt_room *plain);
int session_write(struct skt_tls_session *s, struct skt_span *plain);
bool session_send(struct skt_tls_session *s, struct skt_room *cipher);
int session_shut(struct skt_tls_session *s);
bool session_is_open(const struct skt_tls_session *s);
size_t session_waiting(const struct skt_tls_session *s);
bool session_has_input(const struct skt_tls_session *s);
const char *session_why(const struct skt_tls_session *s);
void session_info(const struct skt_tls_session *s, struct skt_tls_info *ret_info);

/* A room of WHY_MAX - 1 bytes in s->why, zeroed. The first reason stays: NULL when there is one, or no memory. */
bool session_why_room(struct session *s, struct skt_room *ret_room);

/* The store trusts every certificate of the file. 0; -ENODATA: it has none; -ENOMEM. */
int trust_roots(X509_STORE *store, BIO *pem);

/* "sha256//...[;sha256//...]" */
int pins_parse(struct tls *tls, const char *text, struct skt_room *why);
/* The context's certificate callback: 1 good, 0 bad with the reason in the session. */
int verify(X509_STORE_CTX *chain, void *unused);
