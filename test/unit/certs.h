#pragma once
/* Certificates for the tests, made on the spot: nothing to expire in the tree. Include after test.h. */
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct cert {
    EVP_PKEY *key;
    X509 *x509;
};

struct cert_conf {
    const char *cn, *san;    /* "DNS:a.test,IP:127.0.0.1"; NULL: none */
    long from_days, to_days; /* from now; both 0: yesterday to tomorrow */
    bool ca;
    const struct cert *issuer; /* NULL: itself */
};

static inline void cert_extend(X509 *x509, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx = { .issuer_cert = issuer, .subject_cert = x509 };
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);

    assert_non_null(extension);
    assert_int_equal(X509_add_ext(x509, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

static inline struct cert cert_make(struct cert_conf conf)
{
    static long serial = 1;
    struct cert cert = { .key = EVP_EC_gen("P-256"), .x509 = X509_new() };
    const struct cert *issuer = conf.issuer ? conf.issuer : &cert;
    X509_NAME *name = X509_get_subject_name(cert.x509);
    bool dated = conf.from_days || conf.to_days;

    X509_set_version(cert.x509, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(cert.x509), serial++);
    X509_gmtime_adj(X509_getm_notBefore(cert.x509), (dated ? conf.from_days : -1) * 86400);
    X509_gmtime_adj(X509_getm_notAfter(cert.x509), (dated ? conf.to_days : 1) * 86400);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)conf.cn, -1, -1, 0);
    X509_set_issuer_name(cert.x509, X509_get_subject_name(issuer->x509));
    X509_set_pubkey(cert.x509, cert.key);
    if (conf.san)
        cert_extend(cert.x509, issuer->x509, NID_subject_alt_name, conf.san);
    cert_extend(cert.x509, issuer->x509, NID_basic_constraints, conf.ca ? "critical,CA:TRUE" : "CA:FALSE");
    cert_extend(cert.x509, issuer->x509, NID_subject_key_identifier, "hash");
    cert_extend(cert.x509, issuer->x509, NID_authority_key_identifier, "keyid");
    assert_true(X509_sign(cert.x509, issuer->key, EVP_sha256()) > 0);
    return cert;
}

static inline void cert_free(struct cert *cert)
{
    EVP_PKEY_free(cert->key);
    X509_free(cert->x509);
    *cert = (struct cert){ 0 };
}

/* PATH.crt and PATH.key; the key encrypted if there is a pass phrase. */
static inline void cert_write(const struct cert *cert, const char *path, const char *pass)
{
    char file[256];
    FILE *f;

    snprintf(file, sizeof file, "%s.crt", path);
    assert_non_null(f = fopen(file, "w"));
    assert_int_equal(PEM_write_X509(f, cert->x509), 1);
    fclose(f);
    snprintf(file, sizeof file, "%s.key", path);
    assert_non_null(f = fopen(file, "w"));
    assert_int_equal(PEM_write_PKCS8PrivateKey(
                         f, cert->key, pass ? EVP_aes_128_cbc() : NULL, pass, pass ? (int)strlen(pass) : 0, NULL, NULL),
        1);
    fclose(f);
}

/* "sha256//BASE64" of the public key: what curl --pinnedpubkey takes. */
static inline void cert_pin(const struct cert *cert, char ret_pin[static 64])
{
    unsigned char *der = NULL, hash[32];
    int n = i2d_PUBKEY(cert->key, &der);

    assert_true(n > 0 && EVP_Digest(der, (size_t)n, hash, NULL, EVP_sha256(), NULL));
    OPENSSL_free(der);
    memcpy(ret_pin, "sha256//", 8);
    EVP_EncodeBlock((unsigned char *)ret_pin + 8, hash, sizeof hash);
}
