/* tls: the module's contexts: files in, SSL_CTX out. Start reading at context_new(). */
#include "drive/plug/tls.h"

#include "base/text.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { FILE_MAX = 4 << 20 /* the system's list of authorities has some 220 KiB */ };

/* Mozilla's "intermediate": forward secrecy and AEAD only. TLS 1.3 has nothing else. */
static const char server_ciphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20";

/* ---- files ---- */

static void put_file(struct skt_room *why, const char *what, const char *path)
{
    skt_put_fmt(why, "%s ", what);
    skt_put_quoted(why, skt_span_str(path), 256);
}

/* -errno of a file, in words; never 0. */
static int cannot_read(const char *what, const char *path, int error, struct skt_room *why)
{
    put_file(why, what, path);
    skt_put_fmt(why, ": %s", strerror(error));
    return error > 0 ? -error : -EIO;
}

/* The whole file in memory: it may be a pipe, and cert and key may be one file. BIO_free wipes it: a memory BIO does. */
static int pem_read(const char *what, const char *path, BIO **ret_pem, struct skt_room *why)
{
    FILE *f = fopen(path, "re");
    BIO *pem = f ? BIO_new(BIO_s_mem()) : NULL;
    char part[4096];
    size_t n, all = 0;
    bool ok = pem;
    int error;

    if (!f)
        return cannot_read(what, path, errno, why);
    (void)setvbuf(f, NULL, _IONBF, 0); /* a copy that could not be wiped; and it only changes speed */
    if (ok)
        BIO_set_flags(pem, BIO_FLAGS_NONCLEAR_RST);
    while (ok && all <= FILE_MAX && (n = fread(part, 1, sizeof part, f)) > 0) {
        ok = BIO_write(pem, part, (int)n) == (int)n;
        all += n;
    }
    OPENSSL_cleanse(part, sizeof part);
    error = !ok ? ENOMEM : ferror(f) ? errno : all > FILE_MAX ? EFBIG : 0;
    (void)fclose(f); /* was only read */
    if (!error) {
        *ret_pem = pem;
        return 0;
    }
    BIO_free(pem);
    return cannot_read(what, path, error, why);
}

/* The last PEM read failed only because there is no more. */
static bool at_end(void)
{
    unsigned long error = ERR_peek_last_error();

    return !error || (ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE);
}

static int bad_file(const char *what, const char *path, const char *reason, struct skt_room *why)
{
    unsigned long error = ERR_peek_error();
    bool no_memory = ERR_GET_REASON(error) == ERR_R_MALLOC_FAILURE;
    const char *text = ERR_reason_error_string(error);

    put_file(why, what, path);
    skt_put_fmt(why, ": %s", no_memory ? "out of memory" : reason ? reason : text ? text : "not readable");
    ERR_clear_error();
    return no_memory ? -ENOMEM : -EINVAL;
}

/* ---- certificate and key ---- */

/* The leaf, then what the server sends along. */
static int use_chain(SSL_CTX *ctx, BIO *pem, const char *path, struct skt_room *why)
{
    X509 *cert = PEM_read_bio_X509_AUX(pem, NULL, NULL, NULL);
    bool ok = cert && SSL_CTX_use_certificate(ctx, cert);

    X509_free(cert);
    if (!cert && at_end())
        return bad_file("certificate", path, "no PEM certificate in it", why);
    while (ok && (cert = PEM_read_bio_X509(pem, NULL, NULL, NULL))) {
        ok = SSL_CTX_add0_chain_cert(ctx, cert);
        if (!ok)
            X509_free(cert);
    }
    if (!ok || !at_end())
        return bad_file("certificate", path, NULL, why);
    ERR_clear_error();
    return 0;
}

struct pass {
    const char *text;
    bool asked;
};

/* In place of OpenSSL's own, which would ask on the terminal. */
static int give_pass(char *p, int size, int writing, void *data)
{
    struct pass *pass = data;
    size_t n = pass->text ? strlen(pass->text) : 0;

    pass->asked = true;
    if (!pass->text || n > (size_t)size)
        return -1;
    memcpy(p, pass->text, n);
    return (int)n;
}

static int use_key(SSL_CTX *ctx, BIO *pem, const struct skt_tls_conf *conf, struct skt_room *why)
{
    const char *path = conf->key ? conf->key : conf->cert;
    struct pass pass = { .text = conf->pass };
    EVP_PKEY *key = PEM_read_bio_PrivateKey(pem, NULL, give_pass, &pass);
    bool fits;

    if (!key && pass.asked)
        return bad_file("key", path, pass.text ? "the pass phrase is wrong" : "encrypted, and no pass phrase", why);
    if (!key)
        return bad_file("key", path, "no PEM private key in it", why);
    fits = SSL_CTX_use_PrivateKey(ctx, key) && SSL_CTX_check_private_key(ctx);
    EVP_PKEY_free(key);
    if (fits)
        return 0;
    put_file(why, "key", path);
    skt_put_str(why, " does not belong to ");
    put_file(why, "certificate", conf->cert);
    ERR_clear_error();
    return -EINVAL;
}

static int use_identity(SSL_CTX *ctx, const struct skt_tls_conf *conf, struct skt_room *why)
{
    BIO *cert = NULL, *key = NULL;
    int r;

    if (!conf->cert && conf->server)
        return skt_put_str(why, "a TLS server needs a certificate: give cert and key"), -EINVAL;
    if (!conf->cert)
        return 0;
    r = pem_read("certificate", conf->cert, &cert, why);
    if (r)
        return r;
    r = use_chain(ctx, cert, conf->cert, why);
    key = cert;
    if (conf->key && !r)
        r = pem_read("key", conf->key, &key, why);
    else
        (void)BIO_reset(cert); /* to its first byte: see NONCLEAR_RST */
    if (!r)
        r = use_key(ctx, key, conf, why);
    if (key != cert)
        BIO_free(key);
    BIO_free(cert);
    return r;
}

/* ---- whom to trust ---- */

static int trust_file(SSL_CTX *ctx, const struct skt_tls_conf *conf, struct skt_room *why)
{
    X509_STORE *store = SSL_CTX_get_cert_store(ctx);
    BIO *pem = NULL;
    X509 *cert;
    bool ok = true;
    int n = 0, r = pem_read("cacert", conf->cacert, &pem, why);

    if (r)
        return r;
    while (ok && (cert = PEM_read_bio_X509(pem, NULL, NULL, NULL))) {
        ok = X509_STORE_add_cert(store, cert) && (!conf->server || SSL_CTX_add_client_CA(ctx, cert));
        X509_free(cert);
        n++;
    }
    BIO_free(pem);
    if (!ok || !n || !at_end())
        return bad_file("cacert", conf->cacert, n && ok ? NULL : "no PEM certificate in it", why);
    ERR_clear_error();
    /* Whoever names a certificate means it, be it an authority's, one between, or the server's own. */
    (void)X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN); /* only ORs bits */
    return 0;
}

/* One file with all authorities, where Debian, Fedora, SUSE and OpenSSL itself keep it. OpenSSL's directory of hashed
 * names would be read at each handshake, when a sandbox may have closed it. */
static int trust_system(SSL_CTX *ctx, struct skt_room *why)
{
    const char *own = getenv(X509_get_default_cert_file_env());
    const char *files[] = { own ? own : "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/ssl/ca-bundle.pem", X509_get_default_cert_file() };

    for (size_t i = 0; i < (own ? 1 : sizeof files / sizeof *files); i++) {
        struct skt_room before = *why;
        BIO *pem = NULL;
        int r = pem_read("list of authorities", files[i], &pem, why);

        if (!r) {
            r = trust_roots(SSL_CTX_get_cert_store(ctx), pem);
            BIO_free(pem);
            if (!r)
                return 0;
            (void)bad_file("list of authorities", files[i], r == -ENODATA ? "no PEM certificate in it" : NULL, why);
        }
        if (own) /* the user's own wish */
            return r;
        *why = before;
    }
    skt_put_str(why, "this system has no list of certificate authorities: install ca-certificates, or use --cacert or "
                     "--pin");
    return -ENOENT;
}

static int use_trust(SSL_CTX *ctx, const struct skt_tls_conf *conf, struct skt_room *why)
{
    int r = 0;

    if (conf->cacert)
        r = trust_file(ctx, conf, why);
    else if (!conf->server && !conf->insecure && !conf->pin)
        r = trust_system(ctx, why);
    if (r)
        return r;
    SSL_CTX_set_cert_verify_callback(ctx, verify, NULL);
    if (!conf->server)
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    else if (conf->cacert)
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    return 0;
}

/* ---- versions, protocols, key log ---- */

static int version_of(const char *text, int otherwise, struct skt_room *why)
{
    if (!text)
        return otherwise;
    if (!strcmp(text, "1.2"))
        return TLS1_2_VERSION;
    if (!strcmp(text, "1.3"))
        return TLS1_3_VERSION;
    skt_put_str(why, "TLS version ");
    skt_put_quoted(why, skt_span_str(text), 32);
    skt_put_str(why, " is neither 1.2 nor 1.3");
    return -EINVAL;
}

static int use_versions(SSL_CTX *ctx, const struct skt_tls_conf *conf, struct skt_room *why)
{
    int min = version_of(conf->min_version, TLS1_2_VERSION, why);
    int max = version_of(conf->max_version, TLS1_3_VERSION, why);

    if (min < 0 || max < 0)
        return -EINVAL;
    if (max < min)
        return skt_put_str(why, "the lowest TLS version is above the highest"), -EINVAL;
    return SSL_CTX_set_min_proto_version(ctx, min) && SSL_CTX_set_max_proto_version(ctx, max) ? 0 : -EINVAL;
}

/* "h2,http/1.1" to the wire's form (RFC 7301 section 3.1: a byte of length, 1 to 255, before each). */
static int alpn_parse(struct tls *tls, const char *text, struct skt_room *why)
{
    struct skt_room out = skt_room_of(tls->alpn, sizeof tls->alpn);

    for (const char *end; text; text = *end ? end + 1 : NULL) {
        size_t n;

        end = strchrnul(text, ',');
        n = (size_t)(end - text);
        skt_put_u8(&out, (uint8_t)n);
        skt_put(&out, skt_span_of(text, n));
        if (!n || n >= sizeof((struct skt_tls_info *)0)->alpn || out.bad) {
            skt_put_str(why, "ALPN list: a name is empty or longer than 63 bytes, or they are too many");
            return -EINVAL;
        }
    }
    tls->alpn_size = (uint32_t)(out.p - tls->alpn);
    return 0;
}

/* The server's choice. RFC 7301 section 3.2: without a common protocol it sends "no_application_protocol". */
static int choose_alpn(
    SSL *ssl, const unsigned char **ret, unsigned char *ret_n, const unsigned char *in, unsigned n, void *unused)
{
    const struct session *s = SSL_get_app_data(ssl);
    unsigned char *found;

    if (SSL_select_next_proto(&found, ret_n, s->tls->alpn, s->tls->alpn_size, in, n) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *ret = found;
    return SSL_TLSEXT_ERR_OK;
}

static bool use_alpn(SSL_CTX *ctx, const struct tls *tls)
{
    if (!tls->alpn_size)
        return true;
    if (tls->conf.server)
        SSL_CTX_set_alpn_select_cb(ctx, choose_alpn, NULL);
    else if (SSL_CTX_set_alpn_protos(ctx, tls->alpn, tls->alpn_size)) /* 0 is success, for once */
        return false;
    return true;
}

/* A line in one write: threads append to the same file. */
static void log_key(const SSL *ssl, const char *line)
{
    const struct session *s = SSL_get_app_data(ssl);
    char text[512];
    struct skt_room out = skt_room_of(text, sizeof text);

    skt_put_fmt(&out, "%s\n", line);
    if (!out.bad && write(s->tls->keylog, text, (size_t)(out.p - (uint8_t *)text)) < 0)
        return; /* a full disk must not end the connection; the dissection will miss a key */
}

static int open_keylog(struct tls *tls, struct skt_room *why)
{
    const char *path = tls->conf.keylog;

    tls->keylog = path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0600) : -1;
    return path && tls->keylog < 0 ? cannot_read("key log", path, errno, why) : 0;
}

/* ---- contexts ---- */

static bool use_options(SSL_CTX *ctx, const struct tls *tls)
{
    static const unsigned char id[] = "sockit";

    /* Tickets hold the sessions, so no cache does: nothing grows with the number of clients. */
    (void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_mode(
        ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    (void)SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    if (tls->keylog >= 0)
        SSL_CTX_set_keylog_callback(ctx, log_key);
    if (!tls->conf.server)
        return true;
    (void)SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    (void)SSL_CTX_set_dh_auto(ctx, 1); /* these setters only store: they cannot fail */
    return SSL_CTX_set_cipher_list(ctx, server_ciphers) && SSL_CTX_set_session_id_context(ctx, id, sizeof id - 1);
}

/* Everything that a reload may change. */
static int context_new(struct tls *tls, SSL_CTX **ret_ctx, struct skt_room *why)
{
    const struct skt_tls_conf *conf = &tls->conf;
    SSL_CTX *ctx;
    int r;

    ERR_clear_error();
    ctx = SSL_CTX_new(conf->server ? TLS_server_method() : TLS_client_method());
    if (!ctx || !use_options(ctx, tls) || !use_alpn(ctx, tls)) {
        SSL_CTX_free(ctx);
        ERR_clear_error();
        skt_put_str(why, "TLS: out of memory");
        return -ENOMEM;
    }
    r = use_versions(ctx, conf, why);
    if (!r)
        r = use_identity(ctx, conf, why);
    if (!r)
        r = use_trust(ctx, conf, why);
    if (r) {
        SSL_CTX_free(ctx);
        return r;
    }
    *ret_ctx = ctx;
    return 0;
}

/* ---- life ---- */

/* The strings of a conf, to copy and to free them alike. */
static const size_t strings[] = {
    offsetof(struct skt_tls_conf, cert),
    offsetof(struct skt_tls_conf, key),
    offsetof(struct skt_tls_conf, pass),
    offsetof(struct skt_tls_conf, cacert),
    offsetof(struct skt_tls_conf, pin),
    offsetof(struct skt_tls_conf, name),
    offsetof(struct skt_tls_conf, alpn),
    offsetof(struct skt_tls_conf, min_version),
    offsetof(struct skt_tls_conf, max_version),
    offsetof(struct skt_tls_conf, keylog),
};

static char **string_at(struct skt_tls_conf *conf, size_t i) { return (char **)((char *)conf + strings[i]); }

static bool keep_strings(struct skt_tls_conf *conf)
{
    bool ok = true;

    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++) {
        char **text = string_at(conf, i);

        if (*text && !(*text = ok ? strdup(*text) : NULL))
            ok = false;
    }
    return ok;
}

static void drop_strings(struct skt_tls_conf *conf)
{
    if (conf->pass)
        OPENSSL_cleanse((char *)conf->pass, strlen(conf->pass));
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++)
        free(*string_at(conf, i));
}

void tls_put(struct tls *tls)
{
    if (atomic_fetch_sub(&tls->refs, 1) != 1)
        return;
    SSL_CTX_free(tls->ctx);
    if (tls->keylog >= 0)
        (void)close(tls->keylog); /* each line went out in its own write */
    (void)pthread_mutex_destroy(&tls->lock);
    drop_strings(&tls->conf);
    free(tls);
}

static void tls_free(struct skt_tls *tls) { tls_put((struct tls *)tls); }

static int tls_init(struct tls *tls, struct skt_room *why)
{
    const struct skt_tls_conf *conf = &tls->conf;
    int r = pins_parse(tls, conf->pin, why);

    if (!r)
        r = alpn_parse(tls, conf->alpn, why);
    if (!r)
        r = open_keylog(tls, why);
    return r ? r : context_new(tls, &tls->ctx, why);
}

static const struct skt_tls_ops *own_ops(void);

static int tls_new(const struct skt_tls_conf *conf, struct skt_tls **ret_tls, struct skt_room *why)
{
    struct tls *tls = calloc(1, sizeof *tls);
    int r;

    if (!tls)
        return -ENOMEM;
    tzset(); /* reads /etc/localtime now, not at the first certificate, when a sandbox may be closed */
    tls->head.ops = own_ops();
    atomic_init(&tls->refs, 1);
    tls->keylog = -1;
    tls->conf = *conf;
    (void)pthread_mutex_init(&tls->lock, NULL); /* cannot fail with default attributes on Linux */
    r = keep_strings(&tls->conf) ? tls_init(tls, why) : -ENOMEM;
    if (r) {
        tls_put(tls);
        return r;
    }
    *ret_tls = &tls->head;
    return 0;
}

static int tls_reload(struct skt_tls *head, struct skt_room *why)
{
    struct tls *tls = (struct tls *)head;
    SSL_CTX *fresh, *old;
    int r = context_new(tls, &fresh, why);

    if (r)
        return r;
    (void)pthread_mutex_lock(&tls->lock); /* as in ssl_new */
    old = tls->ctx;
    tls->ctx = fresh;
    (void)pthread_mutex_unlock(&tls->lock);
    SSL_CTX_free(old);
    return 0;
}

extern const struct skt_tls_ops skt_plug_tls;
__attribute__((visibility("default"))) const struct skt_tls_ops skt_plug_tls = {
    .new = tls_new,
    .free = tls_free,
    .reload = tls_reload,
    .session_new = session_new,
    .session_free = session_free,
    .recv = session_recv,
    .eof = session_eof,
    .read = session_read,
    .write = session_write,
    .send = session_send,
    .shut = session_shut,
    .is_open = session_is_open,
    .waiting = session_waiting,
    .has_input = session_has_input,
    .why = session_why,
    .info = session_info,
};

static const struct skt_tls_ops *own_ops(void) { return &skt_plug_tls; }
