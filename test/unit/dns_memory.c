/* drive/dns.c and drive/plug/dns.c when memory runs out: c-ares's allocations and our own fail in turn. */
#include "test.h"

#include "dns_server.h"
#include "drive/plug.h"

#include <ares.h>
#include <poll.h>
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

#define malloc         failing_malloc
#define calloc         failing_calloc
#define skt_plug(name) (&skt_plug_dns) /* here, not in a module */
#include "drive/plug/dns.c"
#include "drive/dns.c"
#undef malloc
#undef calloc
#undef skt_plug

/* The question, driven until it is answered; its why, or the error of asking. */
static int ask(struct skt_dns *dns, struct server *s, const char *host)
{
    skt_time end = now() + 3 * SKT_SEC;
    struct skt_dns_answer answer;
    int r = skt_dns_ask(dns, 1, host, 80);

    while (!r && !skt_dns_next(dns, &answer)) {
        struct pollfd fds[] = { { skt_dns_fd(dns), POLLIN, 0 }, { s->fd, POLLIN, 0 } };
        long left = allocations_left;

        assert_true(now() < end);
        poll(fds, 2, 5);
        allocations_left = -1; /* the server's memory is its own */
        if (fds[1].revents)
            server_answer(s);
        allocations_left = left;
        skt_dns_step(dns, now());
    }
    return r ? r : answer.why;
}

static int scenario(struct server *s)
{
    struct skt_dns_conf conf = { .servers = s->where, .timeout = 10 * SKT_MS, .tries = 2 };
    struct skt_dns *dns = NULL;
    int r = skt_dns_new(&conf, &dns);

    if (r)
        return r;
    r = ask(dns, s, "both.test");
    r = r ? r : ask(dns, s, "127.0.0.1");
    r = r ? r : ask(dns, s, "many.test");
    skt_dns_free(dns);
    return r;
}

static void fail_in_turn(void)
{
    struct server s = server_new();
    int failed = 0;
    long all;

    allocations = 0;
    assert_int_equal(scenario(&s), 0);
    all = allocations;
    assert_true(all > 50);
    for (long n = for_ever; n < all; n += 3) {
        allocations_left = n;
        failed += scenario(&s) < 0;
        allocations_left = -1;
    }
    assert_true(failed > 10);
    assert_int_equal(scenario(&s), 0);
    close(s.fd);
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

int main(void)
{
    const struct CMUnitTest tests[] = { T(any_allocation_may_fail), T(memory_may_run_out_for_good) };

    if (ares_library_init_mem(ARES_LIB_INIT_ALL, failing_malloc, free, failing_realloc))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
