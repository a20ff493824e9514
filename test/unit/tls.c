/* drive/tls.c and drive/plug/tls.c: contexts: files, reload, protocols, key log. */
#include "test.h"

#include "tls_pair.h"

#include <pthread.h>
#include <sys/stat.h>

/* ---- what is agreed upon ---- */

static void agree(const char *client_alpn, const char *server_alpn, const char *agreed)
{
    struct skt_tls *client = tls_of((struct skt_tls_conf){ .cacert = file("ca.crt"), .alpn = client_alpn });
    struct skt_tls *server = tls_of((struct skt_tls_conf){
        .server = true, .cert = file("good.crt"), .key = file("good.key"), .alpn = server_alpn });
    struct pair *p = pair_new(client, "a.test", server, 1);
    struct skt_tls_info info;

    pump(p);
    if (agreed)
        for (int i = 0; i < 2; i++) {
            assert_true(skt_tls_is_open(p->side[i].s));
            skt_tls_info(p->side[i].s, &info);
            assert_string_equal(info.alpn, agreed);
        }
    else {
        assert_int_equal(p->side[0].error, -EACCES);
        assert_int_equal(p->side[1].error, -EPROTO);
        assert_non_null(strstr(skt_tls_why(p->side[1].s), "(ALPN)"));
    }
    close_both(client, server, p);
}

static void the_servers_order_of_protocols_wins(void **state)
{
    agree("http/1.1,h2", "h2,http/1.1", "h2");
    agree("irc", "h2,irc", "irc");
    agree("irc", NULL, "");
    agree(NULL, "h2", "");
    agree("irc", "h2,http/1.1", NULL);
}

static void versions_that_do_not_meet_are_told(void **state)
{
    struct skt_tls *client = tls_of((struct skt_tls_conf){ .cacert = file("ca.crt"), .max_version = "1.2" });
    struct skt_tls *server = tls_of((struct skt_tls_conf){
        .server = true, .cert = file("good.crt"), .key = file("good.key"), .min_version = "1.3" });
    struct pair *p = pair_new(client, "a.test", server, 1);

    pump(p);
    assert_string_equal(skt_tls_why(p->side[1].s), "the peer's TLS version is older than we allow");
    assert_string_equal(skt_tls_why(p->side[0].s), "the peer refused: protocol version");
    close_both(client, server, p);
}

static void the_key_log_has_a_line_a_secret(void **state)
{
    struct skt_tls *client = tls_of((struct skt_tls_conf){ .cacert = file("ca.crt"), .keylog = file("keys") });
    struct skt_tls *server = server_new("good");
    struct pair *p = pair_new(client, "a.test", server, 1);
    char line[512];
    struct stat st;
    int lines = 0;
    FILE *f;

    expect_open(p);
    assert_int_equal(stat(file("keys"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_non_null(f = fopen(file("keys"), "r"));
    for (; fgets(line, sizeof line, f); lines++)
        assert_non_null(strstr(line, "_SECRET")); /* CLIENT_HANDSHAKE_TRAFFIC_SECRET ... */
    assert_true(lines >= 4);
    fclose(f);
    close_both(client, server, p);
}

/* ---- files ---- */

static void expect_refused(struct skt_tls_conf conf, int error, const char *part)
{
    char text[512] = "";
    struct skt_room why = skt_room_of(text, sizeof text - 1);
    struct skt_tls *tls = NULL;

    assert_int_equal(skt_tls_new(&conf, &tls, &why), error);
    assert_null(tls);
    if (!strstr(text, part))
        fail_msg("'%s' does not say '%s'", text, part);
    assert_int_equal(skt_tls_new(&conf, &tls, NULL), error);
}

static void what_cannot_work_is_refused_with_a_reason(void **state)
{
    const char *cert = file("good.crt"), *key = file("good.key"), *keyfile = file("ca.key"), *empty = file("empty");

    fclose(fopen(empty, "w"));
    expect_refused((struct skt_tls_conf){ .server = true }, -EINVAL, "needs a certificate");
    expect_refused((struct skt_tls_conf){ .server = true, .cert = file("none") }, -ENOENT, "none': No such file");
    expect_refused((struct skt_tls_conf){ .server = true, .cert = dir }, -EISDIR, "Is a directory");
    expect_refused((struct skt_tls_conf){ .server = true, .cert = "/dev/zero" }, -EFBIG, "too large");
    expect_refused((struct skt_tls_conf){ .server = true, .cert = empty }, -EINVAL, "no PEM certificate");
    expect_refused((struct skt_tls_conf){ .server = true, .cert = cert }, -EINVAL, "no PEM private key");
    expect_refused(
        (struct skt_tls_conf){ .server = true, .cert = cert, .key = keyfile }, -EINVAL, "does not belong to");
    expect_refused((struct skt_tls_conf){ .server = true, .cert = file("locked.crt"), .key = file("locked.key") },
        -EINVAL, "no pass phrase");
    expect_refused(
        (struct skt_tls_conf){ .server = true, .cert = file("locked.crt"), .key = file("locked.key"), .pass = "guess" },
        -EINVAL, "pass phrase is wrong");
    expect_refused((struct skt_tls_conf){ .cacert = key }, -EINVAL, "no PEM certificate");
    expect_refused((struct skt_tls_conf){ .pin = "sha256//short" }, -EINVAL, "pin 'sha256//short'");
    expect_refused((struct skt_tls_conf){ .pin = "" }, -EINVAL, "pin ''");
    expect_refused((struct skt_tls_conf){ .insecure = true, .alpn = "h2,,irc" }, -EINVAL, "ALPN");
    expect_refused((struct skt_tls_conf){ .insecure = true, .min_version = "1.1" }, -EINVAL, "'1.1'");
    expect_refused((struct skt_tls_conf){ .insecure = true, .min_version = "1.3", .max_version = "1.2" }, -EINVAL,
        "above the highest");
    expect_refused((struct skt_tls_conf){ .insecure = true, .keylog = dir }, -EISDIR, "key log");
    skt_tls_free(tls_of((struct skt_tls_conf){
        .server = true, .cert = file("locked.crt"), .key = file("locked.key"), .pass = "secret" }));
}

static void cert_and_key_may_be_one_file(void **state)
{
    char command[512];

    snprintf(command, sizeof command, "cat %s %s > %s", file("good.crt"), file("good.key"), file("one.pem"));
    assert_int_equal(system(command), 0);
    skt_tls_free(tls_of((struct skt_tls_conf){ .server = true, .cert = file("one.pem") }));
    snprintf(command, sizeof command, "cat %s %s > %s", file("good.key"), file("good.crt"), file("one.pem"));
    assert_int_equal(system(command), 0);
    skt_tls_free(tls_of((struct skt_tls_conf){ .server = true, .cert = file("one.pem") }));
}

static void copy(const char *from, const char *to)
{
    char command[512];

    snprintf(command, sizeof command, "cp %s %s", file(from), file(to));
    assert_int_equal(system(command), 0);
}

/* The name of the certificate that the server shows now: it is not for 127.0.0.9. */
static void expect_shown(struct skt_tls *server, const char *why)
{
    struct skt_tls *client = client_new();
    struct pair *p = pair_new(client, "127.0.0.9", server, 1);

    pump(p);
    assert_string_equal(skt_tls_why(p->side[0].s), why);
    pair_free(p);
    skt_tls_free(client);
}

static void a_reload_shows_the_new_certificate_or_keeps_the_old(void **state)
{
    static const char *good = "certificate is for 'a.test', '*.w.test', 127.0.0.1, ..., not for '127.0.0.9'";
    struct skt_tls *server, *client = client_new();
    char text[512] = "";
    struct skt_room why = skt_room_of(text, sizeof text - 1);
    struct pair *p;

    copy("good.crt", "now.crt");
    copy("good.key", "now.key");
    server = server_new("now");
    expect_shown(server, good);
    p = pair_new(client, "a.test", server, 1);
    expect_open(p);
    copy("next.crt", "now.crt");
    assert_int_equal(skt_tls_reload(server, &why), -EINVAL); /* the key is still the old one's */
    assert_non_null(strstr(text, "does not belong to"));
    expect_shown(server, good);
    copy("next.key", "now.key");
    assert_int_equal(skt_tls_reload(server, NULL), 0);
    expect_shown(server, "certificate is for 'a.test', not for '127.0.0.9'");
    write_all(p, 0, skt_span_str("still here")); /* what was open stays open */
    assert_int_equal(p->side[1].n, 10);
    close_both(client, server, p);
}

static void *open_many(void *tls)
{
    for (int i = 0; i < 200; i++) {
        struct skt_tls_session *s;

        if (skt_tls_session_new(tls, NULL, &s))
            return tls;
        skt_tls_session_free(s);
    }
    return NULL;
}

static void a_reload_may_run_beside_threads_that_open_links(void **state)
{
    struct skt_tls *server = server_new("good");
    pthread_t thread[2];
    void *bad;

    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, open_many, server), 0);
    for (int i = 0; i < 20; i++)
        assert_int_equal(skt_tls_reload(server, NULL), 0);
    for (int i = 0; i < 2; i++) {
        pthread_join(thread[i], &bad);
        assert_null(bad);
    }
    skt_tls_free(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(the_servers_order_of_protocols_wins),
        T(versions_that_do_not_meet_are_told),
        T(the_key_log_has_a_line_a_secret),
        T(what_cannot_work_is_refused_with_a_reason),
        T(cert_and_key_may_be_one_file),
        T(a_reload_shows_the_new_certificate_or_keeps_the_old),
        T(a_reload_may_run_beside_threads_that_open_links),
    };

    return cmocka_run_group_tests(tests, make_all, remove_all);
}
