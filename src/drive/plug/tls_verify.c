/* tls_verify: is this certificate the one we want, and if not, why, in words that help. */
#include "drive/plug/tls.h"

#include "base/text.h"

#include <openssl/x509v3.h>
#include <time.h>

static const char pin_prefix[] = "sha256//";
enum { PIN_TEXT = 44 }; /* base64 of 32 bytes, one '=' */

static int pin_parse(struct skt_span text, uint8_t *ret_pin)
{
    uint8_t bytes[PIN_BYTES + 1]; /* the decoder counts the padding */
    size_t prefix = sizeof pin_prefix - 1;

    if (skt_len(text) != prefix + PIN_TEXT || memcmp(text.p, pin_prefix, prefix) != 0 || text.end[-1] != '=' ||
        EVP_DecodeBlock(bytes, text.p + prefix, PIN_TEXT) != (int)sizeof bytes)
        return -EINVAL;
    memcpy(ret_pin, bytes, PIN_BYTES);
    return 0;
}

int pins_parse(struct tls *tls, const char *text, struct skt_room *why)
{
    for (const char *end; text; text = *end ? end + 1 : NULL) {
        struct skt_span one;

        end = strchrnul(text, ';');
        one = skt_span_of(text, (size_t)(end - text));
        if (tls->pins == PINS_MAX) {
            skt_put_fmt(why, "more than %d pins", PINS_MAX);
            return -EINVAL;
        }
        if (pin_parse(one, tls->pin[tls->pins])) {
            skt_put_str(why, "pin ");
            skt_put_quoted(why, one, 80);
            skt_put_str(why, " is not \"sha256//\" and 44 characters of base64");
            return -EINVAL;
        }
        tls->pins++;
    }
    return 0;
}

/* SHA-256 of the public key as it stands in the certificate (SubjectPublicKeyInfo), as RFC 7469 section 2.4 has it. */
static bool key_hash(X509 *cert, uint8_t *ret_hash)
{
    unsigned char *der = NULL;
    int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);
    bool ok = n > 0 && EVP_Digest(der, (size_t)n, ret_hash, NULL, EVP_sha256(), NULL);

    OPENSSL_free(der);
    return ok;
}

static bool is_pinned(const struct tls *tls, X509 *cert)
{
    uint8_t hash[PIN_BYTES];

    if (!key_hash(cert, hash))
        return false;
    for (uint32_t i = 0; i < tls->pins; i++)
        if (!memcmp(tls->pin[i], hash, PIN_BYTES))
            return true;
    return false;
}

static void put_pin(struct skt_room *why, X509 *cert)
{
    uint8_t hash[PIN_BYTES];
    char text[PIN_TEXT + 1];

    if (!key_hash(cert, hash))
        return;
    (void)EVP_EncodeBlock((unsigned char *)text, hash, PIN_BYTES); /* always PIN_TEXT and a NUL */
    skt_put_fmt(why, "%s%s", pin_prefix, text);
}

static void put_date(struct skt_room *why, const ASN1_TIME *at)
{
    struct tm tm;

    if (ASN1_TIME_to_tm(at, &tm))
        skt_put_fmt(why, "%04d-%02d-%02d", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
    else
        skt_put_str(why, "a date that is none");
}

/* The common name, or what stands there instead. */
static void put_subject(struct skt_room *why, const X509_NAME *name)
{
    int i = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
    const ASN1_STRING *text;

    if (i < 0 && X509_NAME_entry_count(name))
        i = X509_NAME_entry_count(name) - 1; /* the most specific one */
    if (i < 0) {
        skt_put_str(why, "nobody");
        return;
    }
    text = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, i));
    skt_put_quoted(why, skt_span_of(ASN1_STRING_get0_data(text), (size_t)ASN1_STRING_length(text)), 64);
}

static bool put_general_name(struct skt_room *why, const GENERAL_NAME *name)
{
    int type;
    const ASN1_STRING *text = GENERAL_NAME_get0_value(name, &type);
    struct skt_span bytes;
    struct skt_addr addr = { 0 };

    if (type != GEN_DNS && type != GEN_IPADD)
        return false;
    bytes = skt_span_of(ASN1_STRING_get0_data(text), (size_t)ASN1_STRING_length(text));
    if (type == GEN_DNS) {
        skt_put_quoted(why, bytes, 64);
        return true;
    }
    if (skt_len(bytes) != 4 && skt_len(bytes) != 16)
        return false;
    addr.family = skt_len(bytes) == 4 ? SKT_IP4 : SKT_IP6;
    memcpy(addr.ip, bytes.p, skt_len(bytes));
    skt_put_ip(why, &addr);
    return true;
}

/* The names that the certificate is for: the first three, and "..." for the rest. */
static void put_names(struct skt_room *why, X509 *cert)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    int shown = 0, i, n = sk_GENERAL_NAME_num(names); /* -1 for NULL */

    for (i = 0; i < n && shown < 3; i++) {
        struct skt_room before = *why;

        if (shown)
            skt_put_str(why, ", ");
        if (put_general_name(why, sk_GENERAL_NAME_value(names, i)))
            shown++;
        else
            *why = before;
    }
    if (!shown)
        put_subject(why, X509_get_subject_name(cert));
    else if (i < n)
        skt_put_str(why, ", ...");
    GENERAL_NAMES_free(names);
}

static void put_unknown(struct skt_room *why, const struct session *s, X509 *leaf)
{
    skt_put_str(why, "certificate is signed by ");
    put_subject(why, X509_get_issuer_name(leaf));
    skt_put_str(why, ", which is not trusted");
    skt_put_str(why, s->tls->conf.server ? "" : ": use --cacert or --pin ");
    if (!s->tls->conf.server)
        put_pin(why, leaf);
}

static void put_wrong_name(struct skt_room *why, const struct session *s, X509 *leaf)
{
    skt_put_str(why, "certificate is for ");
    put_names(why, leaf);
    skt_put_str(why, ", not for ");
    skt_put_quoted(why, skt_span_str(s->name), sizeof s->name);
}

static void put_reason(struct skt_room *why, const struct session *s, X509_STORE_CTX *chain)
{
    X509 *leaf = X509_STORE_CTX_get0_cert(chain), *at = X509_STORE_CTX_get_current_cert(chain);
    const char *whose = X509_STORE_CTX_get_error_depth(chain) > 0 ? "the issuer's certificate" : "certificate";
    int error = X509_STORE_CTX_get_error(chain);

    if (!at)
        at = leaf;
    switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        skt_put_fmt(why, "%s has expired (", whose);
        put_date(why, X509_get0_notAfter(at));
        skt_put_str(why, ")");
        return;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        skt_put_fmt(why, "%s is not valid before ", whose);
        put_date(why, X509_get0_notBefore(at));
        skt_put_str(why, " (is the clock right?)");
        return;
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        skt_put_str(why, "self-signed certificate");
        skt_put_str(why, s->tls->conf.server ? "" : ": use --cacert or --pin ");
        if (!s->tls->conf.server)
            put_pin(why, leaf);
        return;
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE: put_unknown(why, s, leaf); return;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH: put_wrong_name(why, s, leaf); return;
    default: skt_put_fmt(why, "%s: %s", whose, X509_verify_cert_error_string(error)); /* OpenSSL's own list: ints */
    }
}

static int refuse(struct session *s, X509_STORE_CTX *chain)
{
    struct skt_room why;

    if (session_why_room(s, &why))
        put_reason(&why, s, chain);
    return 0;
}

static int refuse_key(struct session *s, X509_STORE_CTX *chain)
{
    struct skt_room why;

    if (session_why_room(s, &why)) {
        skt_put_str(&why, "the server's key is ");
        put_pin(&why, X509_STORE_CTX_get0_cert(chain));
        skt_put_str(&why, ", not the pinned one");
    }
    X509_STORE_CTX_set_error(chain, X509_V_ERR_APPLICATION_VERIFICATION);
    return 0;
}

int verify(X509_STORE_CTX *chain, void *unused)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(chain, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct session *s = SSL_get_app_data(ssl);
    const struct skt_tls_conf *conf = &s->tls->conf;
    bool pinned = s->tls->pins > 0;

    if (pinned && !is_pinned(s->tls, X509_STORE_CTX_get0_cert(chain)))
        return refuse_key(s, chain);
    if (!conf->insecure && (!pinned || conf->cacert))
        return X509_verify_cert(chain) > 0 ? 1 : refuse(s, chain);
    X509_STORE_CTX_set_error(chain, X509_V_OK);
    return 1;
}
