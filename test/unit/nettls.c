/* drive/net/tls.c: TLS through the façade, with certificates made on the spot. */
#include "netpair.h"

#include "failing.h"

#include "../../src/drive/net/tlsio.c" /* its allocations fail when we say so */

#include <sockit/tls.h>

#include "certs.h"

#include <sys/stat.h>

static char dir[] = "/tmp/sockit-nettls-XXXXXX";
static struct skt_tls *server_tls, *client_tls; /* localhost and 127.0.0.1; the client trusts that very certificate */

static char *in_dir(const char *name)
{
    static char path[128];

    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static struct skt_tls *tls_of(const struct skt_tls_conf *conf)
{
    char text[200] = "";
    struct skt_room why = skt_room_of(text, sizeof text - 1);
    struct skt_tls *tls = NULL;

    if (skt_tls_new(conf, &tls, &why))
        fail_msg("%s", text);
    return tls;
}

static int make_all(void **state)
{
    struct cert cert = cert_make((struct cert_conf){ .cn = "test", .san = "DNS:localhost,IP:127.0.0.1", .ca = true });
    char crt[64], key[64];

    assert_non_null(mkdtemp(dir));
    cert_write(&cert, in_dir("a"), NULL);
    cert_free(&cert);
    cert = cert_make((struct cert_conf){ .cn = "another", .ca = true });
    cert_write(&cert, in_dir("system"), NULL);
    cert_free(&cert);
    setenv("SSL_CERT_FILE", in_dir("system.crt"), 1); /* the system's authorities, also where none are installed */
    snprintf(crt, sizeof crt, "%s/a.crt", dir);
    snprintf(key, sizeof key, "%s/a.key", dir);
    server_tls = tls_of(&(struct skt_tls_conf){ .server = true, .cert = crt, .key = key });
    client_tls = tls_of(&(struct skt_tls_conf){ .cacert = crt });
    return 0;
}

static int remove_all(void **state)
{
    skt_tls_free(server_tls);
    skt_tls_free(client_tls);
    unlink(in_dir("a.crt"));
    unlink(in_dir("a.key"));
    unlink(in_dir("system.crt"));
    unlink(in_dir("system.key"));
    return rmdir(dir);
}

static struct skt_sock *tls_listener(void)
{
    struct skt_bind_conf conf = { .tls = server_tls };
    struct skt_sock *l = NULL;
    struct skt_err err;

    if (skt_bind("tls:127.0.0.1:0", &conf, SOON, &l, &err))
        fail_msg("%s", err.text);
    return l;
}

struct peer {
    struct skt_sock *listener;
    void (*act)(struct skt_sock *s);
    int accepted;
    struct skt_err err; /* of its last call */
    pthread_t thread;
};

static void *serve_one(void *arg)
{
    struct peer *p = arg;
    struct skt_sock *s = NULL;

    p->accepted = skt_accept(p->listener, SOON, &s);
    if (!p->accepted) {
        p->act(s);
        p->err = *skt_sock_err(s);
    }
    skt_sock_close(s);
    return NULL;
}

static struct peer peer_start(void (*act)(struct skt_sock *s))
{
    return (struct peer){ .listener = tls_listener(), .act = act };
}

static void peer_run(struct peer *p) { assert_int_equal(pthread_create(&p->thread, NULL, serve_one, p), 0); }

static void peer_end(struct peer *p)
{
    pthread_join(p->thread, NULL);
    assert_int_equal(p->accepted, 0);
    skt_sock_close(p->listener);
}

static int dial_peer(struct peer *p, const char *host, struct skt_tls *tls, skt_time deadline,
    struct skt_sock **ret_sock, struct skt_err *err)
{
    char where[80];

    snprintf(where, sizeof where, "tls:%s%s", host, strrchr(skt_sock_local(p->listener), ':'));
    return skt_dial(where, &(struct skt_dial_conf){ .tls = tls }, deadline, ret_sock, err);
}

static void echo(struct skt_sock *s)
{
    struct skt_span bytes;

    while (skt_recv(s, &bytes, SOON) > 0)
        if (skt_send_all(s, bytes, SOON))
            return;
    (void)skt_send_end(s, SOON);
}

static void lines_and_ends_go_through_tls(void **state)
{
    struct peer p = peer_start(echo);
    struct skt_sock *s = NULL;
    struct skt_span parts[] = { skt_span_str("Server "), skt_span_str("received\nsecond\r\n"), skt_span_str("rest") },
                    got;
    struct skt_err err;

    peer_run(&p);
    assert_int_equal(dial_peer(&p, "localhost", client_tls, SOON, &s, &err), 0);
    assert_int_equal(skt_send_parts(s, parts, 3, SOON), 0);
    assert_int_equal(skt_recv_line(s, &got, SOON), 1);
    assert_true(skt_span_is(got, "Server received"));
    assert_int_equal(skt_recv_line(s, &got, SOON), 1);
    assert_true(skt_span_is(got, "second"));
    assert_int_equal(skt_send_end(s, SOON), 0); /* half-close: what the peer has yet to say still comes */
    assert_int_equal(skt_recv_line(s, &got, SOON), 1);
    assert_true(skt_span_is(got, "rest"));
    assert_int_equal(skt_recv_line(s, &got, SOON), 0);
    skt_sock_close(s);
    peer_end(&p);
}

static void keep_and_give_back(struct skt_sock *s)
{
    uint8_t *all = malloc(MIB);
    struct skt_room into = skt_room_of(all, MIB);

    if (skt_recv_exact(s, &into, SOON) == 1)
        (void)skt_send_all(s, skt_span_of(all, MIB), SOON);
    free(all);
}

static void a_mebibyte_goes_both_ways_whole(void **state)
{
    struct peer p = peer_start(keep_and_give_back);
    uint8_t *sent = malloc(MIB), *got = malloc(MIB);
    struct skt_room into = skt_room_of(got, MIB);
    struct skt_sock *s = NULL;
    struct skt_span end;
    struct skt_err err;

    for (uint32_t k = 0; k < MIB; k++)
        sent[k] = (uint8_t)(k * 2654435761u >> 24);
    peer_run(&p);
    assert_int_equal(dial_peer(&p, "127.0.0.1", client_tls, SOON, &s, &err), 0);
    assert_int_equal(skt_send_all(s, skt_span_of(sent, MIB), SOON), 0);
    assert_int_equal(skt_recv_exact(s, &into, SOON), 1);
    assert_memory_equal(sent, got, MIB);
    assert_int_equal(skt_recv(s, &end, SOON), 0);
    skt_sock_close(s);
    peer_end(&p);
    free(sent);
    free(got);
}

/* ---- what must not work ---- */

static void a_wrong_name_is_refused(void **state)
{
    struct peer p = peer_start(echo);
    struct skt_sock *s = NULL;
    struct skt_err err;

    peer_run(&p);
    assert_true(dial_peer(&p, "127.0.0.2", client_tls, SOON, &s, &err) < 0); /* 127.0.0.1 listens: refused by TCP */
    assert_int_equal(err.stage, SKT_AT_CONNECT);
    assert_true(dial_peer(&p, "other.localhost", client_tls, SOON, &s, &err) < 0);
    failed_at(&err, SKT_AT_TLS, EKEYREJECTED);
    assert_int_equal(err.peer.family, SKT_IP4);
    assert_null(s);
    peer_end(&p);
    assert_int_equal(p.err.stage, SKT_AT_TLS); /* the alert has arrived */
}

static void an_unknown_authority_is_refused(void **state)
{
    struct peer p = peer_start(echo);
    struct skt_sock *s = NULL;
    struct skt_err err;

    peer_run(&p);
    assert_int_equal(dial_peer(&p, "localhost", NULL, SOON, &s, &err), -EKEYREJECTED); /* NULL: the system's */
    assert_int_equal(err.stage, SKT_AT_TLS);
    assert_null(s);
    peer_end(&p);
}

static void a_listener_without_a_certificate_is_refused(void **state)
{
    struct skt_sock *s = NULL;
    struct skt_err err;

    assert_int_equal(skt_bind("tls:0", NULL, SOON, &s, &err), -EINVAL);
    assert_int_equal(err.stage, SKT_AT_TLS);
    assert_null(s);
}

static void a_server_that_does_not_shake_hands_costs_the_deadline(void **state)
{
    struct skt_sock *silent = bound("0"), *s = NULL;
    struct stopwatch w = start_watch();
    char where[80];
    struct skt_err err;

    snprintf(where, sizeof where, "tls:%s", skt_sock_local(silent));
    assert_int_equal(
        skt_dial(where, &(struct skt_dial_conf){ .tls = client_tls }, skt_in(200 * SKT_MS), &s, &err), -ETIMEDOUT);
    took(w, 200 * SKT_MS);
    failed_at(&err, SKT_AT_TLS, ETIMEDOUT);
    assert_null(s);
    skt_sock_close(silent);
}

static void a_client_that_does_not_shake_hands_holds_up_nobody(void **state)
{
    struct skt_sock *l = tls_listener(), *silent = dialled(skt_sock_local(l)), *s = NULL;
    struct stopwatch w = start_watch();
    struct skt_span got;

    assert_int_equal(skt_accept(l, SOON, &s), 0);
    took(w, 0);
    assert_int_equal(skt_recv(s, &got, skt_in(100 * SKT_MS)), -ETIMEDOUT);
    took(w, 100 * SKT_MS);
    failed_at(skt_sock_err(s), SKT_AT_TLS, ETIMEDOUT);
    skt_sock_close(s);
    skt_sock_close(silent);
    skt_sock_close(l);
}

static void plain_text_is_no_handshake(void **state)
{
    struct skt_sock *l = tls_listener(), *plain = dialled(skt_sock_local(l)), *s = NULL;
    struct skt_span got;

    assert_int_equal(skt_send_all(plain, skt_span_str("GET / HTTP/1.0\r\n\r\n"), SOON), 0);
    assert_int_equal(skt_accept(l, SOON, &s), 0);
    assert_int_equal(skt_recv(s, &got, SOON), -EPROTO);
    assert_int_equal(skt_sock_err(s)->stage, SKT_AT_TLS);
    skt_sock_close(s);
    skt_sock_close(plain);
    skt_sock_close(l);
}

/* ---- a cut is not an end ---- */

static void say_and_vanish(struct skt_sock *s)
{
    (void)skt_send_all(s, skt_span_str("half of it"), SOON);
    skt_sock_stop(s); /* the socket is shut down under TLS: no close_notify can follow */
}

static void an_end_without_goodbye_is_a_failure(void **state)
{
    struct peer p = peer_start(say_and_vanish);
    struct skt_sock *s = NULL;
    struct skt_span got;
    struct skt_err err;

    peer_run(&p);
    assert_int_equal(dial_peer(&p, "localhost", client_tls, SOON, &s, &err), 0);
    assert_int_equal(skt_recv(s, &got, SOON), 1);
    assert_true(skt_span_is(got, "half of it"));
    assert_true(skt_recv(s, &got, SOON) < 0);
    assert_int_equal(skt_sock_err(s)->stage, SKT_AT_RECV);
    skt_sock_close(s);
    peer_end(&p);
}

static void say_much_at_once(struct skt_sock *s) { (void)skt_send_all(s, skt_span_str("one\ntwo\n"), SOON); }

static void poll_knows_what_tls_holds_back(void **state)
{
    struct peer p = peer_start(say_much_at_once);
    struct skt_sock *s = NULL;
    struct skt_span got;
    struct skt_err err;
    size_t i;

    peer_run(&p);
    assert_int_equal(dial_peer(&p, "localhost", client_tls, SOON, &s, &err), 0);
    assert_int_equal(skt_recv_line(s, &got, SOON), 1);
    assert_int_equal(skt_poll(&s, 1, 0, &i), 0);
    assert_int_equal(skt_recv_line(s, &got, 0), 1);
    assert_true(skt_span_is(got, "two"));
    skt_sock_close(s);
    peer_end(&p);
}

static void without_memory_there_is_no_session_and_no_leak(void **state)
{
    struct skt_sock *l = tls_listener(), *client = dialled(skt_sock_local(l)), *s = NULL;

    allocations_left = 0;
    assert_int_equal(skt_accept(l, SOON, &s), -ENOMEM);
    allocations_left = -1;
    assert_int_equal(skt_sock_err(l)->errno_, ENOMEM);
    assert_null(s);
    skt_sock_close(client);
    skt_sock_close(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(lines_and_ends_go_through_tls),
        T(a_mebibyte_goes_both_ways_whole),
        T(a_wrong_name_is_refused),
        T(an_unknown_authority_is_refused),
        T(a_listener_without_a_certificate_is_refused),
        T(a_server_that_does_not_shake_hands_costs_the_deadline),
        T(a_client_that_does_not_shake_hands_holds_up_nobody),
        T(plain_text_is_no_handshake),
        T(an_end_without_goodbye_is_a_failure),
        T(poll_knows_what_tls_holds_back),
        T(without_memory_there_is_no_session_and_no_leak),
    };

    return cmocka_run_group_tests(tests, make_all, remove_all);
}
