/* tls_session: the filter. OpenSSL reads and writes two piles of bytes; nothing here knows a socket. */
#include "drive/plug/tls.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

enum {
    IN_MAX = 32 * 1024,     /* ciphertext taken and not decrypted: a record (16 KiB + 256) always fits */
    OUT_SOFT = 64 * 1024,   /* write takes no more above */
    OUT_HARD = 256 * 1024,  /* OpenSSL's own answers stop above: a peer cannot make them pile up */
    RECORD_MAX = 16 * 1024, /* RFC 8446 section 5.1: the plaintext of a record */
    PILE_MIN = 1024,
};

/* ---- piles ---- */

static uint32_t pile_len(const struct pile *pile) { return pile->to - pile->from; }

static void pile_drop(struct pile *pile, uint32_t n)
{
    pile->from += n;
    if (pile->from < pile->to)
        return;
    free(pile->p);
    *pile = (struct pile){ 0 };
}

/* Callers keep n far below 2^32: see the caps above. */
static bool pile_add(struct pile *pile, const void *p, uint32_t n)
{
    uint32_t have = pile_len(pile);

    if (n > pile->size - pile->to && pile->from) {
        memmove(pile->p, pile->p + pile->from, have);
        pile->from = 0;
        pile->to = have;
    }
    if (n > pile->size - pile->to) {
        uint32_t size = have + n < 2 * pile->size ? 2 * pile->size : have + n;
        uint8_t *more = realloc(pile->p, size < PILE_MIN ? PILE_MIN : size);

        if (!more)
            return false;
        pile->p = more;
        pile->size = size < PILE_MIN ? PILE_MIN : size;
    }
    memcpy(pile->p + pile->to, p, n);
    pile->to += n;
    return true;
}

/* ---- the piles as OpenSSL's BIO ---- */

static int bio_read(BIO *bio, char *p, int n)
{
    struct session *s = BIO_get_data(bio);
    uint32_t have = pile_len(&s->in), take = have < (uint32_t)n ? have : (uint32_t)n;

    BIO_clear_retry_flags(bio);
    if (!have) {
        if (!s->eof)
            BIO_set_retry_read(bio);
        return s->eof ? 0 : -1;
    }
    memcpy(p, s->in.p + s->in.from, take);
    pile_drop(&s->in, take);
    return (int)take;
}

static int bio_write(BIO *bio, const char *p, int n)
{
    struct session *s = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    if (pile_len(&s->out) >= OUT_HARD && !s->shut) {
        BIO_set_retry_write(bio);
        return -1;
    }
    return pile_add(&s->out, p, (uint32_t)n) ? n : -1;
}

static long bio_ctrl(BIO *bio, int command, long number, void *p)
{
    struct session *s = BIO_get_data(bio);

    if (command == BIO_CTRL_EOF)
        return s->eof && !pile_len(&s->in);
    return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *bio_method;
static pthread_once_t bio_method_once = PTHREAD_ONCE_INIT;

static void free_bio_method(void) { BIO_meth_free(bio_method); }

static void make_bio_method(void)
{
    bio_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "sockit");
    if (bio_method && BIO_meth_set_read(bio_method, bio_read) && BIO_meth_set_write(bio_method, bio_write) &&
        BIO_meth_set_ctrl(bio_method, bio_ctrl) && OPENSSL_atexit(free_bio_method))
        return;
    BIO_meth_free(bio_method);
    bio_method = NULL;
}

static BIO *bio_new(struct session *s)
{
    BIO *bio;

    (void)pthread_once(&bio_method_once, make_bio_method); /* fails for no reason that POSIX names */
    bio = bio_method ? BIO_new(bio_method) : NULL;
    if (!bio)
        return NULL;
    BIO_set_data(bio, s);
    BIO_set_init(bio, 1);
    return bio;
}

/* ---- why ---- */

bool session_why_room(struct session *s, struct skt_room *ret_room)
{
    if (s->why)
        return false;
    s->why = calloc(1, WHY_MAX);
    if (!s->why)
        return false;
    *ret_room = skt_room_of(s->why, WHY_MAX - 1);
    return true;
}

static const char closed_early[] = "the peer closed during the TLS handshake";

/* What OpenSSL means by its most common complaints about a peer. */
static const struct {
    int reason;
    const char *text;
} complaints[] = {
    { SSL_R_HTTP_REQUEST, "the peer speaks plain HTTP, not TLS" },
    { SSL_R_HTTPS_PROXY_REQUEST, "the peer speaks plain HTTP, not TLS" },
    { SSL_R_WRONG_VERSION_NUMBER, "the peer does not speak TLS" },
    { SSL_R_PACKET_LENGTH_TOO_LONG, "the peer does not speak TLS" },
    { SSL_R_UNSUPPORTED_PROTOCOL, "the peer's TLS version is older than we allow" },
    { SSL_R_VERSION_TOO_LOW, "the peer's TLS version is older than we allow" },
    { SSL_R_NO_SHARED_CIPHER, "no cipher in common with the peer" },
    { SSL_R_NO_APPLICATION_PROTOCOL, "no application protocol (ALPN) in common with the peer" },
    { SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE, "the peer has no certificate, and one is demanded" },
    { SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED, "the peer refused: it demands a certificate" },
    { SSL_R_UNEXPECTED_EOF_WHILE_READING, "the peer closed without saying so in TLS: data may be cut short" },
};

static const char *complaint(int reason)
{
    for (size_t i = 0; i < sizeof complaints / sizeof *complaints; i++)
        if (complaints[i].reason == reason)
            return complaints[i].text;
    return NULL;
}

static void put_error(struct skt_room *why, unsigned long error)
{
    int reason = ERR_GET_REASON(error);
    const char *text = complaint(reason);

    if (text)
        skt_put_str(why, text);
    else if (SSL_AD_REASON_OFFSET <= reason && reason < SSL_AD_REASON_OFFSET + 256)
        skt_put_fmt(why, "the peer refused: %s", SSL_alert_desc_string_long(reason - SSL_AD_REASON_OFFSET));
    else if ((text = ERR_reason_error_string(error)))
        skt_put_fmt(why, "TLS: %s", text);
    else
        skt_put_str(why, "TLS failed");
}

static int error_of(unsigned long error)
{
    int reason = ERR_GET_REASON(error);

    if (ERR_GET_LIB(error) != ERR_LIB_SSL)
        return reason == ERR_R_MALLOC_FAILURE ? -ENOMEM : -EPROTO;
    if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED || reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE)
        return -EKEYREJECTED;
    if (reason == SSL_R_UNEXPECTED_EOF_WHILE_READING)
        return SKT_TLS_CUT;
    if (reason == ERR_R_MALLOC_FAILURE)
        return -ENOMEM;
    return reason >= SSL_AD_REASON_OFFSET ? -EACCES : -EPROTO;
}

/* Ends the session with the oldest of OpenSSL's errors, which is the cause of the others; but a bad certificate is one
 * whatever was tried with it before. */
static int end_by_error(struct session *s)
{
    unsigned long last = ERR_peek_last_error(), error = ERR_get_error();
    struct skt_room why;

    if (ERR_GET_LIB(last) == ERR_LIB_SSL && ERR_GET_REASON(last) == SSL_R_CERTIFICATE_VERIFY_FAILED)
        error = last;
    s->error = error ? error_of(error) : s->eof ? SKT_TLS_CUT : -ENOMEM;
    if (session_why_room(s, &why)) {
        if (!s->open && s->error == SKT_TLS_CUT)
            skt_put_str(&why, closed_early);
        else if (error)
            put_error(&why, error);
        else
            skt_put_str(&why, s->error == -ENOMEM ? "out of memory" : complaint(SSL_R_UNEXPECTED_EOF_WHILE_READING));
    }
    ERR_clear_error();
    return s->error;
}

/* What a call of OpenSSL that did not succeed means: 0 for "later", else the session's end. */
static int outcome(struct session *s, int result)
{
    switch (SSL_get_error(s->ssl, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE: return 0;
    case SSL_ERROR_ZERO_RETURN: s->ended = true; return SKT_TLS_END;
    default: return end_by_error(s);
    }
}

/* ---- life ---- */

/* "[::1]" and "fe80::1%eth0" without what is no part of the address; "example.org." without its dot (RFC 6066
 * section 3: the name is "without a trailing dot"). */
static bool bare_name(const char *host, char *ret_name, size_t size)
{
    size_t n;

    host += *host == '[';
    n = strchr(host, ':') ? strcspn(host, "]%") : strlen(host);
    if (n && host[n - 1] == '.')
        n--;
    if (!n || n >= size)
        return false;
    memcpy(ret_name, host, n);
    ret_name[n] = 0;
    return true;
}

/* What to send as SNI and what to verify. */
static int set_name(struct session *s, const char *host)
{
    const struct skt_tls_conf *conf = &s->tls->conf;
    X509_VERIFY_PARAM *param = SSL_get0_param(s->ssl);
    bool needed = !conf->insecure && (!s->tls->pins || conf->cacert);

    if (conf->name)
        host = conf->name;
    if (!host || !bare_name(host, s->name, sizeof s->name))
        return needed ? -EDESTADDRREQ : 0;
    if (X509_VERIFY_PARAM_set1_ip_asc(param, s->name)) /* RFC 6066 section 3: an address is no SNI */
        return 0;
    ERR_clear_error();
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (!X509_VERIFY_PARAM_set1_host(param, s->name, 0) || !SSL_set_tlsext_host_name(s->ssl, s->name))
        return -ENOMEM;
    return 0;
}

static SSL *ssl_new(struct tls *tls)
{
    SSL *ssl;

    (void)pthread_mutex_lock(&tls->lock); /* cannot fail: a plain mutex, never held by its caller */
    ssl = SSL_new(tls->ctx);
    (void)pthread_mutex_unlock(&tls->lock);
    return ssl;
}

/* Ends the session for a reason of our own. */
static int end_with(struct session *s, int error, const char *text)
{
    struct skt_room why;

    s->error = error;
    if (session_why_room(s, &why))
        skt_put_str(&why, text);
    return error;
}

/* RFC 7301 section 3.2: the server chooses from our list, which OpenSSL 3.0 does not check. */
static bool alpn_is_ours(const struct session *s)
{
    const unsigned char *alpn;
    struct skt_span list = skt_span_of(s->tls->alpn, s->tls->alpn_size);
    unsigned n;

    SSL_get0_alpn_selected(s->ssl, &alpn, &n);
    while (n && skt_len(list))
        if (skt_span_eq(skt_get_span(&list, skt_get_u8(&list)), skt_span_of(alpn, n)))
            return true;
    return !n;
}

/* Goes as far as the bytes reach. 0 whether done or not. */
static int shake(struct session *s)
{
    int result, r = 0;

    ERR_clear_error();
    result = SSL_do_handshake(s->ssl);
    if (result != 1)
        r = outcome(s, result);
    if (r == SKT_TLS_END)
        return end_with(s, SKT_TLS_CUT, closed_early);
    if (result != 1)
        return r;
    if (!alpn_is_ours(s))
        return end_with(s, -EPROTO, "the peer chose an application protocol (ALPN) that was not offered");
    s->open = true;
    return 0;
}

static int session_start(struct session *s, const char *host)
{
    BIO *bio;
    int r = 0;

    s->ssl = ssl_new(s->tls);
    bio = s->ssl ? bio_new(s) : NULL;
    if (!bio)
        return -ENOMEM;
    SSL_set_bio(s->ssl, bio, bio); /* owns it now */
    if (!SSL_set_app_data(s->ssl, s))
        return -ENOMEM;
    if (s->tls->conf.server) {
        SSL_set_accept_state(s->ssl);
        return 0;
    }
    SSL_set_connect_state(s->ssl);
    r = set_name(s, host);
    return r ? r : shake(s);
}

int session_new(struct skt_tls *head, const char *host, struct skt_tls_session **ret_session)
{
    struct tls *tls = (struct tls *)head;
    struct session *s = calloc(1, sizeof *s);
    int r;

    if (!s)
        return -ENOMEM;
    s->head.ops = head->ops;
    s->tls = tls;
    atomic_fetch_add(&tls->refs, 1);
    r = session_start(s, host);
    ERR_clear_error();
    if (r) {
        session_free(&s->head);
        return r;
    }
    *ret_session = &s->head;
    return 0;
}

void session_free(struct skt_tls_session *head)
{
    struct session *s = (struct session *)head;

    SSL_free(s->ssl);
    free(s->in.p);
    free(s->out.p);
    free(s->why);
    tls_put(s->tls);
    free(s);
}

/* ---- bytes ---- */

int session_recv(struct skt_tls_session *head, struct skt_span *cipher)
{
    struct session *s = (struct session *)head;
    uint32_t room = IN_MAX - pile_len(&s->in);
    uint32_t n = skt_len(*cipher) < room ? (uint32_t)skt_len(*cipher) : room;

    if (s->error)
        return s->error;
    if (s->ended) { /* RFC 8446 section 6.1: what comes after close_notify is ignored */
        cipher->p = cipher->end;
        return 0;
    }
    if (n && !pile_add(&s->in, cipher->p, n))
        return end_with(s, -ENOMEM, "out of memory");
    cipher->p += n;
    return s->open ? 0 : shake(s);
}

int session_eof(struct skt_tls_session *head)
{
    struct session *s = (struct session *)head;

    if (s->error || s->eof)
        return s->error;
    s->eof = true;
    return s->open ? 0 : shake(s);
}

int session_read(struct skt_tls_session *head, struct skt_room *plain)
{
    struct session *s = (struct session *)head;
    size_t got, all = 0;
    int r = s->error;

    if (!r && s->ended)
        r = SKT_TLS_END;
    if (r || !s->open)
        return r;
    ERR_clear_error();
    while (skt_left(*plain) && all < INT32_MAX / 2) {
        size_t left = skt_left(*plain) < RECORD_MAX ? skt_left(*plain) : RECORD_MAX;
        int result = SSL_read_ex(s->ssl, plain->p, left, &got);

        if (result != 1) {
            r = outcome(s, result);
            break;
        }
        plain->p += got;
        all += got;
    }
    return all ? (int)all : r; /* the end or the error is told by the next read */
}

int session_write(struct skt_tls_session *head, struct skt_span *plain)
{
    struct session *s = (struct session *)head;
    size_t took;

    if (s->error)
        return s->error;
    if (s->shut)
        return -EPIPE;
    if (!s->open)
        return 0;
    ERR_clear_error();
    while (skt_len(*plain) && pile_len(&s->out) < OUT_SOFT) {
        size_t n = skt_len(*plain) < RECORD_MAX ? skt_len(*plain) : RECORD_MAX;
        int result = SSL_write_ex(s->ssl, plain->p, n, &took);

        if (result != 1)
            return outcome(s, result);
        plain->p += took;
    }
    return 0;
}

bool session_send(struct skt_tls_session *head, struct skt_room *cipher)
{
    struct session *s = (struct session *)head;
    size_t have = pile_len(&s->out), n = have < skt_left(*cipher) ? have : skt_left(*cipher);

    if (!n)
        return false;
    skt_put(cipher, skt_span_of(s->out.p + s->out.from, n));
    pile_drop(&s->out, (uint32_t)n);
    return true;
}

int session_shut(struct skt_tls_session *head)
{
    struct session *s = (struct session *)head;
    int result;

    if (s->error || s->shut)
        return s->error;
    if (!s->open)
        return -ENOTCONN;
    s->shut = true;
    ERR_clear_error();
    result = SSL_shutdown(s->ssl); /* 0: ours went, theirs is awaited */
    return result < 0 ? outcome(s, result) : 0;
}

/* ---- questions ---- */

bool session_is_open(const struct skt_tls_session *s) { return ((const struct session *)s)->open; }

size_t session_waiting(const struct skt_tls_session *s) { return pile_len(&((const struct session *)s)->out); }

bool session_has_input(const struct skt_tls_session *head)
{
    const struct session *s = (const struct session *)head;

    return pile_len(&s->in) || (s->open && SSL_has_pending(s->ssl));
}

const char *session_why(const struct skt_tls_session *head)
{
    const struct session *s = (const struct session *)head;

    return s->why ? s->why : s->error ? "out of memory" : "";
}

void session_info(const struct skt_tls_session *head, struct skt_tls_info *ret_info)
{
    const struct session *s = (const struct session *)head;
    const unsigned char *alpn;
    unsigned n;

    *ret_info = (struct skt_tls_info){
        .version = SSL_get_version(s->ssl),
        .cipher = SSL_get_cipher_name(s->ssl),
        .resumed = SSL_session_reused(s->ssl),
    };
    SSL_get0_alpn_selected(s->ssl, &alpn, &n);
    if (n < sizeof ret_info->alpn)
        memcpy(ret_info->alpn, alpn ? alpn : (const unsigned char *)"", n);
}
