/* drive/plug/tls*.c when memory runs out: OpenSSL's allocations and our own fail in turn. */
#include "test.h"

#include <stdbool.h>
#include <stdlib.h>

static long allocations, allocations_left = -1; /* made; that succeed (-1: all) */
static bool for_ever;                           /* the failure lasts */

static bool allocation_fails(void)
{
    allocations++;
    if (allocations_left)
        return allocations_left > 0 && !allocations_left--; /* counts down to 0 and does not fail yet */
    if (!for_ever)
        allocations_left = -1;
    return true;
}

static void *failing_malloc(size_t n) { return allocation_fails() ? NULL : malloc(n); }
static void *failing_calloc(size_t n, size_t size) { return allocation_fails() ? NULL : calloc(n, size); }
static void *failing_realloc(void *p, size_t n) { return allocation_fails() ? NULL : realloc(p, n); }
static void *ossl_malloc(size_t n, const char *source, int line) { return failing_malloc(n); }
static void *ossl_realloc(void *p, size_t n, const char *source, int line) { return failing_realloc(p, n); }
static void ossl_free(void *p, const char *source, int line) { free(p); }

#define malloc  failing_malloc
#define calloc  failing_calloc
#define realloc failing_realloc
#include "drive/plug/tls.c"
#include "drive/plug/tls_roots.c"
#include "drive/plug/tls_session.c"
#include "drive/plug/tls_verify.c"
#undef malloc
#undef calloc
#undef realloc

#include "tls_pair.h"

static const struct skt_tls_ops *const ops = &skt_plug_tls;
static char trust[128], cert[128], key[128];
static struct skt_room nowhere;

/* What x has for y; then a write of x's own. */
static int turn(struct skt_tls_session *x, struct skt_tls_session *y)
{
    static uint8_t wire[100000], plain[30000];
    struct skt_room room = skt_room_of(wire, sizeof wire);
    struct skt_span cipher, word = skt_span_of(plain, sizeof plain);
    int r = 0;

    (void)ops->send(x, &room);
    cipher = skt_span_of(wire, (size_t)(room.p - wire));
    while (skt_len(cipher) && r >= 0) {
        struct skt_room out = skt_room_of(plain, sizeof plain);

        r = ops->recv(y, &cipher);
        if (!r)
            r = ops->read(y, &out);
        else
            assert_true(*ops->why(y)); /* dead, and says of what */
    }
    return r < 0 ? r : ops->write(x, &word);
}

/* Contexts, handshake, some bytes each way. 0: both opened. */
static int scenario(void)
{
    const struct skt_tls_conf ours = { .alpn = "h2", .name = "a.test" };
    const struct skt_tls_conf theirs = { .server = true, .cert = cert, .key = key, .alpn = "h2" };
    struct skt_tls *client = NULL, *server = NULL;
    struct skt_tls_session *a = NULL, *b = NULL;
    int r = ops->new (&ours, &client, &nowhere);

    r = r ? r : ops->new (&theirs, &server, &nowhere);
    r = r ? r : ops->session_new(client, NULL, &a);
    r = r ? r : ops->session_new(server, NULL, &b);
    for (int i = 0; !r && i < 12; i++)
        r = turn(i & 1 ? b : a, i & 1 ? a : b);
    if (!r && !(ops->is_open(a) && ops->is_open(b)))
        r = -EAGAIN;
    if (a)
        ops->session_free(a);
    if (b)
        ops->session_free(b);
    if (client)
        ops->free(client);
    if (server)
        ops->free(server);
    return r;
}

/* Not at each of the 11,000 points, but at every 67th. */
static void fail_in_turn(void)
{
    long all;
    int failed = 0;

    allocations = 0;
    assert_int_equal(scenario(), 0);
    all = allocations;
    assert_true(all > 1000);
    for (long n = 0; n < all; n += 67) {
        allocations_left = n;
        failed += scenario() < 0;
        allocations_left = -1;
    }
    assert_true(failed > 10);
    assert_int_equal(scenario(), 0); /* nothing that lasts was broken */
}

static void any_allocation_may_fail(void **state)
{
    for_ever = false;
    fail_in_turn();
}

static void memory_may_run_out_for_good(void **state)
{
    for_ever = true;
    fail_in_turn();
}

static int make_list(void **state)
{
    if (make_all(state))
        return -1;
    snprintf(trust, sizeof trust, "%s/ca.crt", dir);
    snprintf(cert, sizeof cert, "%s/good.crt", dir);
    snprintf(key, sizeof key, "%s/good.key", dir);
    return setenv("SSL_CERT_FILE", trust, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = { T(any_allocation_may_fail), T(memory_may_run_out_for_good) };

    if (!CRYPTO_set_mem_functions(ossl_malloc, ossl_realloc, ossl_free))
        return 1; /* something of OpenSSL ran before main */
    return cmocka_run_group_tests(tests, make_list, remove_all);
}
