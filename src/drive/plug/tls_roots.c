/* tls_roots: the system's certificate authorities, decoded when a chain needs them. To decode all 140 takes OpenSSL 3.0
 * some 35 ms of each start; to find them in the file and their names in the certificates takes 2 ms. */
#include "drive/plug/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>

enum { ROOTS_MAX = 4096, TAG_SEQUENCE = 0x30, TAG_VERSION = 0xa0 };

struct roots {
    uint32_t n, room;
    struct root {
        unsigned char *der; /* OpenSSL's to free */
        uint32_t size;
    } * root;
};

static void roots_free(struct roots *roots)
{
    for (uint32_t i = 0; i < roots->n; i++)
        OPENSSL_free(roots->root[i].der);
    free(roots->root);
    free(roots);
}

static bool roots_add(struct roots *roots, unsigned char *der, long size)
{
    if (roots->n == roots->room) {
        uint32_t room = roots->room ? 2 * roots->room : 256;
        struct root *more = room <= ROOTS_MAX ? reallocarray(roots->root, room, sizeof *more) : NULL;

        if (!more)
            return false;
        roots->root = more;
        roots->room = room;
    }
    roots->root[roots->n++] = (struct root){ .der = der, .size = (uint32_t)size };
    return true;
}

/* One element of DER: its content, and in passes it. bad for what is cut or of no definite length. */
static struct skt_span der_get(struct skt_span *in, uint8_t tag)
{
    uint32_t n;

    if (skt_get_u8(in) != tag)
        in->bad = true;
    n = skt_get_u8(in);
    if (n == 0x81)
        n = skt_get_u8(in);
    else if (n == 0x82)
        n = skt_get_u16(in);
    else if (n >= 0x80)
        in->bad = true;
    return skt_get_span(in, n);
}

static void der_skip(struct skt_span *in)
{
    if (skt_len(*in))
        (void)der_get(in, *in->p); /* only moves in */
}

/* RFC 5280 section 4.1: version, serialNumber, signature, issuer, validity, subject. The subject as a whole element. */
static struct skt_span subject_of(const struct root *root)
{
    struct skt_span in = skt_span_of(root->der, root->size), cert = der_get(&in, TAG_SEQUENCE),
                    tbs = der_get(&cert, TAG_SEQUENCE), subject;

    if (skt_len(tbs) && *tbs.p == TAG_VERSION)
        der_skip(&tbs);
    for (int i = 0; i < 4; i++)
        der_skip(&tbs);
    subject = tbs;
    (void)der_get(&tbs, TAG_SEQUENCE); /* only moves tbs */
    subject.end = tbs.p;
    subject.bad = tbs.bad;
    return subject;
}

static bool has_subject(const struct root *root, const X509_NAME *name)
{
    struct skt_span subject = subject_of(root);
    const unsigned char *p = subject.p;
    X509_NAME *own = subject.bad ? NULL : d2i_X509_NAME(NULL, &p, (long)skt_len(subject));
    bool same = own && !X509_NAME_cmp(own, name);

    X509_NAME_free(own);
    return same;
}

/* Decodes one into the store, which keeps it. Borrowed from there; NULL: broken, or out of memory. */
static X509 *decode(X509_STORE *store, const struct root *root)
{
    const unsigned char *p = root->der;
    X509 *cert = d2i_X509(NULL, &p, root->size);
    bool kept = cert && X509_STORE_add_cert(store, cert);

    X509_free(cert);
    return kept ? cert : NULL;
}

/* All of that name go into the store, where OpenSSL chooses by key identifier; one of them is the result. */
static int by_subject(X509_LOOKUP *lookup, X509_LOOKUP_TYPE type, const X509_NAME *name, X509_OBJECT *result)
{
    const struct roots *roots = X509_LOOKUP_get_method_data(lookup);
    X509 *cert = NULL;

    if (type != X509_LU_X509)
        return 0;
    ERR_set_mark();
    for (uint32_t i = 0; i < roots->n; i++)
        if (has_subject(&roots->root[i], name)) {
            X509 *one = decode(X509_LOOKUP_get_store(lookup), &roots->root[i]);

            cert = one ? one : cert;
        }
    ERR_pop_to_mark();
    if (!cert || !X509_OBJECT_set1_X509(result, cert))
        return 0;
    X509_free(cert); /* the reference that set1 took: OpenSSL expects a result that is only borrowed, as by_dir's is */
    return 1;
}

static X509_LOOKUP_METHOD *by_roots;
static pthread_once_t by_roots_once = PTHREAD_ONCE_INIT;

static void free_by_roots(void) { X509_LOOKUP_meth_free(by_roots); }

static void free_lookup(X509_LOOKUP *lookup)
{
    struct roots *roots = X509_LOOKUP_get_method_data(lookup);

    if (roots)
        roots_free(roots);
}

static void make_by_roots(void)
{
    by_roots = X509_LOOKUP_meth_new("sockit");
    if (by_roots && X509_LOOKUP_meth_set_get_by_subject(by_roots, by_subject) &&
        X509_LOOKUP_meth_set_free(by_roots, free_lookup) && OPENSSL_atexit(free_by_roots))
        return;
    X509_LOOKUP_meth_free(by_roots);
    by_roots = NULL;
}

/* What is no certificate, and what is "TRUSTED" with conditions of OpenSSL's own, is passed over. */
static struct roots *roots_read(BIO *pem)
{
    struct roots *roots = calloc(1, sizeof *roots);
    char *name, *header;
    unsigned char *der;
    long size;

    while (roots && PEM_read_bio(pem, &name, &header, &der, &size)) {
        bool take = !strcmp(name, PEM_STRING_X509) && size < UINT16_MAX && roots_add(roots, der, size);

        OPENSSL_free(name);
        OPENSSL_free(header);
        if (!take)
            OPENSSL_free(der);
    }
    return roots;
}

int trust_roots(X509_STORE *store, BIO *pem)
{
    struct roots *roots = roots_read(pem);
    X509_LOOKUP *lookup;
    int r = !roots ? -ENOMEM : roots->n ? 0 : -ENODATA;

    ERR_clear_error();                                 /* the end of the file counts as an error there */
    (void)pthread_once(&by_roots_once, make_by_roots); /* fails for no reason that POSIX names */
    lookup = !r && by_roots ? X509_STORE_add_lookup(store, by_roots) : NULL;
    if (lookup && X509_LOOKUP_set_method_data(lookup, roots))
        return 0;
    if (roots)
        roots_free(roots);
    return r ? r : -ENOMEM;
}
