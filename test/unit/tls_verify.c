/* drive/plug/tls_verify.c, by the front: which certificates are good, and what is said of the others. */
#include "test.h"

#include "seed.h"
#include "tls_pair.h"

/* A client with this conf against the server with that certificate: opens. */
static void expect_good(struct skt_tls_conf conf, const char *host, const char *cert)
{
    struct skt_tls *client = tls_of(conf), *server = server_new(cert);
    struct pair *p = pair_new(client, host, server, 1);

    expect_open(p);
    close_both(client, server, p);
}

/* ... the client refuses for this reason, and the server hears of it. */
static void expect_bad(struct skt_tls_conf conf, const char *host, const char *cert, const char *why)
{
    struct skt_tls *client = tls_of(conf), *server = server_new(cert);
    struct pair *p = pair_new(client, host, server, 1);

    pump(p);
    assert_string_equal(skt_tls_why(p->side[0].s), why);
    assert_int_equal(p->side[0].error, -EKEYREJECTED);
    assert_false(skt_tls_is_open(p->side[0].s));
    assert_int_equal(p->side[1].error, -EACCES);
    assert_non_null(strstr(skt_tls_why(p->side[1].s), "the peer refused: "));
    close_both(client, server, p);
}

/* ---- certificates ---- */

static void the_name_or_the_address_must_be_in_the_certificate(void **state)
{
    char trust[128];
    struct skt_tls_conf conf = { .cacert = trust };

    snprintf(trust, sizeof trust, "%s/ca.crt", dir);
    expect_good(conf, "a.test", "good");
    expect_good(conf, "A.Test.", "good");
    expect_good(conf, "any.w.test", "good");
    expect_good(conf, "127.0.0.1", "good");
    expect_good(conf, "[::1]", "good");
    expect_bad(conf, "c.test", "good", "certificate is for 'a.test', '*.w.test', 127.0.0.1, ..., not for 'c.test'");
    expect_bad(conf, "127.0.0.2", "next", "certificate is for 'a.test', not for '127.0.0.2'");
    expect_bad(conf, "w.test", "good", "certificate is for 'a.test', '*.w.test', 127.0.0.1, ..., not for 'w.test'");
    expect_bad(conf, "x.any.w.test", "good",
        "certificate is for 'a.test', '*.w.test', 127.0.0.1, ..., not for 'x.any.w.test'");
    expect_bad(conf, "a.test", "nameless", "certificate is for 'Joe\\x0aBloggs', not for 'a.test'");
    conf.name = "a.test";
    expect_good(conf, "elsewhere.test", "good");
    expect_good(conf, NULL, "good"); /* a Unix socket */
}

static void a_client_that_verifies_needs_a_name(void **state)
{
    struct skt_tls *client = client_new(), *careless = tls_of((struct skt_tls_conf){ .insecure = true });
    struct skt_tls_session *s;

    assert_int_equal(skt_tls_session_new(client, NULL, &s), -EDESTADDRREQ);
    assert_int_equal(skt_tls_session_new(client, "", &s), -EDESTADDRREQ);
    assert_int_equal(skt_tls_session_new(careless, NULL, &s), 0);
    skt_tls_session_free(s);
    skt_tls_free(client);
    skt_tls_free(careless);
}

static void dates_and_issuers_are_checked(void **state)
{
    struct skt_tls_conf conf = { .cacert = file("ca.crt") };
    struct cert cert = cert_make((struct cert_conf){ "e", "DNS:a.test", -9, -2, .issuer = &ca });
    char why[256];
    struct tm tm;

    ASN1_TIME_to_tm(X509_get0_notAfter(cert.x509), &tm);
    strftime(why, sizeof why, "certificate has expired (%Y-%m-%d)", &tm);
    expect_bad(conf, "a.test", "expired", why);
    ASN1_TIME_to_tm(ASN1_TIME_adj(X509_getm_notBefore(cert.x509), time(NULL), 2, 0), &tm);
    strftime(why, sizeof why, "certificate is not valid before %Y-%m-%d (is the clock right?)", &tm);
    expect_bad(conf, "a.test", "future", why);
    cert_free(&cert);
    snprintf(why, sizeof why, "self-signed certificate: use --cacert or --pin %s", pin_self);
    expect_bad(conf, "a.test", "self", why);
    conf.cacert = file("self.crt");
    expect_good(conf, "a.test", "self");
    conf.insecure = true;
    expect_good(conf, "c.test", "expired");
}

static void expect_stranger(struct skt_tls *client)
{
    struct skt_tls *server = server_new("stranger");
    struct pair *p = pair_new(client, "a.test", server, 1);
    const char *why = "certificate is signed by 'Evil\\x1b[2J Authority', which is not trusted: use --cacert or --pin";

    pump(p);
    assert_memory_equal(skt_tls_why(p->side[0].s), why, strlen(why));
    close_both(client, server, p);
}

static void strangers_are_refused_and_their_names_escaped(void **state) { expect_stranger(client_new()); }

static void the_system_trusts_none_of_ours(void **state)
{
    char why[256];
    struct skt_tls *tls;

    if (skt_tls_new(&(struct skt_tls_conf){ 0 }, &tls, NULL))
        skip(); /* a system without ca-certificates */
    skt_tls_free(tls);
    snprintf(why, sizeof why, "self-signed certificate: use --cacert or --pin %s", pin_self);
    expect_bad((struct skt_tls_conf){ 0 }, "a.test", "self", why);
}

/* The list is of this file's own making: SSL_CERT_FILE names it, as for every user of OpenSSL. */
static void the_list_of_authorities_is_searched_by_name(void **state)
{
    char command[512];
    struct skt_tls *tls;

    snprintf(command, sizeof command, "(echo '# a list'; cat %s %s %s %s) > %s", file("self.crt"), file("good.key"),
        file("nameless.crt"), file("ca.crt"), file("list.pem"));
    assert_int_equal(system(command), 0);
    assert_int_equal(setenv("SSL_CERT_FILE", file("list.pem"), 1), 0);
    expect_good((struct skt_tls_conf){ 0 }, "a.test", "good");
    expect_good((struct skt_tls_conf){ 0 }, "a.test", "self");
    expect_stranger(tls_of((struct skt_tls_conf){ 0 }));
    setenv("SSL_CERT_FILE", file("good.key"), 1);
    assert_int_equal(skt_tls_new(&(struct skt_tls_conf){ 0 }, &tls, NULL), -ENODATA);
    setenv("SSL_CERT_FILE", file("none"), 1);
    assert_int_equal(skt_tls_new(&(struct skt_tls_conf){ 0 }, &tls, NULL), -ENOENT);
    unsetenv("SSL_CERT_FILE");
}

/* Two authorities of one name and two keys, as at a change of keys: the right one is found whichever comes first. */
static void authorities_of_the_same_name_are_all_tried(void **state)
{
    struct cert twin = cert_make((struct cert_conf){ "Test Authority", .ca = true });
    char command[512];

    cert_write(&twin, file("twin"), NULL);
    for (int i = 0; i < 2; i++) {
        snprintf(command, sizeof command, "cat %s %s > %s", file(i ? "ca.crt" : "twin.crt"),
            file(i ? "twin.crt" : "ca.crt"), file("list.pem"));
        assert_int_equal(system(command), 0);
        setenv("SSL_CERT_FILE", file("list.pem"), 1);
        expect_good((struct skt_tls_conf){ 0 }, "a.test", "good");
    }
    unsetenv("SSL_CERT_FILE");
    cert_free(&twin);
}

/* A spoilt list: certificates that do not decode are passed over, and nothing worse happens. */
static void a_damaged_list_breaks_nothing(void **state)
{
    unsigned char *der = NULL;
    int n = i2d_X509(ca.x509, &der);
    struct skt_random random;

    setenv("SSL_CERT_FILE", file("list.pem"), 1);
    FOR_SEEDS(100)
    {
        size_t at;
        uint8_t was;
        struct skt_tls *client, *server = server_new("good");
        struct pair *p;
        FILE *f = fopen(file("list.pem"), "w");

        skt_random_init(&random, unit_seed);
        at = skt_random_below(&random, unit_seed & 1 ? 60 : (uint64_t)n); /* often in the head, where the lengths are */
        was = der[at];
        der[at] ^= (uint8_t)(1 + skt_random_below(&random, 255));
        PEM_write(f, "CERTIFICATE", "", der, n);
        der[at] = was;
        fclose(f);
        client = tls_of((struct skt_tls_conf){ 0 });
        p = pair_new(client, "a.test", server, 1);
        pump(p);
        CHECK(skt_tls_is_open(p->side[0].s) || p->side[0].error == -EKEYREJECTED);
        close_both(client, server, p);
    }
    unsetenv("SSL_CERT_FILE");
    OPENSSL_free(der);
}

static void a_pin_is_trust_enough_and_a_wrong_one_never(void **state)
{
    char both[160], why[160];

    expect_good((struct skt_tls_conf){ .pin = pin_self }, "any.test", "self");
    expect_good((struct skt_tls_conf){ .pin = pin_good, .cacert = file("ca.crt") }, "a.test", "good");
    snprintf(both, sizeof both, "%s;%s", pin_good, pin_self);
    expect_good((struct skt_tls_conf){ .pin = both }, "any.test", "self");
    snprintf(why, sizeof why, "the server's key is %s, not the pinned one", pin_self);
    expect_bad((struct skt_tls_conf){ .pin = pin_good }, "a.test", "self", why);
    expect_bad((struct skt_tls_conf){ .pin = pin_good, .insecure = true }, "a.test", "self", why);
    expect_bad((struct skt_tls_conf){ .pin = pin_good, .cacert = file("ca.crt") }, "c.test", "good",
        "certificate is for 'a.test', '*.w.test', 127.0.0.1, ..., not for 'c.test'");
}

static void a_server_may_demand_a_certificate(void **state)
{
    struct skt_tls_conf demand = {
        .server = true, .cert = file("good.crt"), .key = file("good.key"), .cacert = file("ca.crt")
    };
    struct skt_tls *server = tls_of(demand), *client = client_new();
    struct pair *p = pair_new(client, "a.test", server, 1);

    pump(p);
    assert_int_equal(p->side[1].error, -EKEYREJECTED);
    assert_string_equal(skt_tls_why(p->side[1].s), "the peer has no certificate, and one is demanded");
    assert_int_equal(p->side[0].error, -EACCES);
    assert_string_equal(skt_tls_why(p->side[0].s), "the peer refused: it demands a certificate");
    pair_free(p);
    skt_tls_free(client);
    client = tls_of((struct skt_tls_conf){ .cacert = file("ca.crt"), .cert = file("joe.crt"), .key = file("joe.key") });
    p = pair_new(client, "a.test", server, 1);
    expect_open(p);
    pair_free(p);
    skt_tls_free(client);
    client =
        tls_of((struct skt_tls_conf){ .cacert = file("ca.crt"), .cert = file("self.crt"), .key = file("self.key") });
    p = pair_new(client, "a.test", server, 1);
    pump(p);
    assert_int_equal(p->side[1].error, -EKEYREJECTED);
    assert_string_equal(skt_tls_why(p->side[1].s), "self-signed certificate");
    close_both(client, server, p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(the_name_or_the_address_must_be_in_the_certificate),
        T(a_client_that_verifies_needs_a_name),
        T(dates_and_issuers_are_checked),
        T(strangers_are_refused_and_their_names_escaped),
        T(the_system_trusts_none_of_ours),
        T(the_list_of_authorities_is_searched_by_name),
        T(authorities_of_the_same_name_are_all_tried),
        T(a_damaged_list_breaks_nothing),
        T(a_pin_is_trust_enough_and_a_wrong_one_never),
        T(a_server_may_demand_a_certificate),
    };

    return cmocka_run_group_tests(tests, make_all, remove_all);
}
