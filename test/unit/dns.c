/* drive/dns.c and its module: names to addresses, against a name server of the test's own. */
#include "test.h"

#include "base/text.h"
#include "dns_server.h"
#include "drive/dns.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

/* Drives both until there is an answer; false: none within 5 s. */
static bool wait_answer(struct skt_dns *dns, struct server *s, struct skt_dns_answer *ret_answer)
{
    skt_time end = now() + 5 * SKT_SEC;

    while (!skt_dns_next(dns, ret_answer)) {
        struct pollfd fds[] = { { skt_dns_fd(dns), POLLIN, 0 }, { s ? s->fd : -1, POLLIN, 0 } };
        skt_time t = now(), wake = skt_dns_wake(dns, t);

        if (t > end)
            return false;
        poll(fds, 2, wake <= t ? 0 : wake - t > 100 * SKT_MS ? 100 : (int)((wake - t) / SKT_MS) + 1);
        if (fds[1].revents)
            server_answer(s);
        skt_dns_step(dns, now());
    }
    return true;
}

static struct skt_dns_answer ask(struct skt_dns *dns, struct server *s, const char *host)
{
    struct skt_dns_answer answer;

    assert_int_equal(skt_dns_ask(dns, 7, host, 80), 0);
    assert_true(wait_answer(dns, s, &answer));
    assert_int_equal(answer.token, 7);
    assert_true(answer.why < 0 ? answer.n == 0 && *answer.text : answer.n && !*answer.text);
    return answer;
}

static void expect(const struct skt_dns_answer *answer, uint32_t i, const char *addr)
{
    char text[64] = "";
    struct skt_room out = skt_room_of(text, sizeof text - 1);

    assert_true(i < answer->n);
    skt_put_addr(&out, &answer->addrs[i]);
    assert_string_equal(text, addr);
}

static struct skt_dns *dns_for(struct server *s)
{
    struct skt_dns_conf conf = { .servers = s->where, .timeout = 50 * SKT_MS, .tries = 2, .max_asks = 8 };
    struct skt_dns *dns;

    assert_int_equal(skt_dns_new(&conf, &dns), 0);
    return dns;
}

/* ---- the tests ---- */

static void numbers_and_localhost_are_answered_at_once(void **state)
{
    static const struct {
        const char *host, *first, *second;
    } cases[] = {
        { "127.0.0.1", "127.0.0.1:80", NULL },
        { "::1", "[::1]:80", NULL },
        { "[::1]", "[::1]:80", NULL },
        { "fe80::1%lo", "[fe80::1%1]:80", NULL },
        { "localhost", "127.0.0.1:80", "[::1]:80" },
        { "LocalHost.", "127.0.0.1:80", "[::1]:80" },
        { "mine.localhost", "127.0.0.1:80", "[::1]:80" },
    };
    struct skt_dns *dns;

    assert_int_equal(skt_dns_new(NULL, &dns), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct skt_dns_answer answer;

        assert_true(skt_dns_wake(dns, 5) == SKT_NEVER);
        assert_int_equal(skt_dns_ask(dns, 1, cases[i].host, 80), 0);
        assert_true(skt_dns_wake(dns, 5) == 5); /* something is ready */
        assert_true(skt_dns_next(dns, &answer));
        assert_int_equal(answer.why, 0);
        assert_int_equal(answer.n, cases[i].second ? 2 : 1);
        expect(&answer, 0, cases[i].first);
        if (cases[i].second)
            expect(&answer, 1, cases[i].second);
        assert_false(skt_dns_next(dns, &answer));
    }
    skt_dns_free(dns);
}

static void what_cannot_be_a_name_is_refused(void **state)
{
    char longest[256];
    struct skt_dns *dns;

    memset(longest, 'a', 254);
    longest[254] = 0;
    assert_int_equal(skt_dns_new(NULL, &dns), 0);
    assert_int_equal(skt_dns_ask(dns, 1, "", 80), -EINVAL);
    assert_int_equal(skt_dns_ask(dns, 1, "two words", 80), -EINVAL);
    assert_int_equal(skt_dns_ask(dns, 1, "bell\a", 80), -EINVAL);
    assert_int_equal(skt_dns_ask(dns, 1,
                         "b\xc3\xbc"
                         "cher.test",
                         80),
        -EINVAL);
    assert_int_equal(skt_dns_ask(dns, 1, longest, 80), -EINVAL);
    assert_int_equal(ask(dns, NULL, "fe80::1%nosuchinterface").why, -EINVAL);
    assert_int_equal(ask(dns, NULL, "1::2::3").why, -EINVAL);
    skt_dns_free(dns);
}

static void the_server_is_asked_for_both_families(void **state)
{
    struct server s = server_new();
    struct skt_dns *dns = dns_for(&s);
    struct skt_dns_answer answer = ask(dns, &s, "four.test");

    assert_int_equal(answer.n, 1);
    expect(&answer, 0, "127.0.0.9:80");
    answer = ask(dns, &s, "both.test");
    assert_int_equal(answer.n, 2);
    assert_true(answer.addrs[0].family != answer.addrs[1].family);
    expect(&answer, answer.addrs[0].family == SKT_IP4, "[::1]:80");
    assert_int_equal(s.asked, 4); /* A and AAAA, twice */
    skt_dns_free(dns);
    close(s.fd);
}

static void one_family_alone_may_be_asked_for(void **state)
{
    static const struct {
        const char *host;
        uint8_t family;
        int why;
        const char *said; /* the address, or why there is none */
    } cases[] = {
        { "both.test", SKT_IP4, 0, "127.0.0.9:80" },
        { "both.test", SKT_IP6, 0, "[::1]:80" },
        { "no6.test", SKT_IP4, 0, "127.0.0.9:80" },
        { "four.test", SKT_IP6, -ENODATA, "the name has no IPv6 address" },
        { "localhost", SKT_IP4, 0, "127.0.0.1:80" },
        { "localhost", SKT_IP6, 0, "[::1]:80" },
        { "::1", SKT_IP6, 0, "[::1]:80" },
        { "::1", SKT_IP4, -EAFNOSUPPORT, "that is an IPv6 address, but IPv4 is asked for" },
        { "127.0.0.1", SKT_IP6, -EAFNOSUPPORT, "that is an IPv4 address, but IPv6 is asked for" },
    };
    struct server s = server_new();
    struct skt_dns *dns = dns_for(&s);

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct skt_dns_answer answer;

        assert_int_equal(skt_dns_ask_for(dns, 1, cases[i].host, 80, cases[i].family), 0);
        assert_true(wait_answer(dns, &s, &answer));
        assert_int_equal(answer.why, cases[i].why);
        assert_int_equal(answer.n, !cases[i].why);
        if (cases[i].why)
            assert_string_equal(answer.text, cases[i].said);
        else
            expect(&answer, 0, cases[i].said);
    }
    assert_int_equal(s.asked, 4); /* the other family was not asked for */
    skt_dns_free(dns);
    close(s.fd);
}

static void no_more_than_16_addresses_are_kept(void **state)
{
    struct server s = server_new();
    struct skt_dns *dns = dns_for(&s);

    assert_int_equal(ask(dns, &s, "many.test").n, SKT_DNS_ADDRS);
    skt_dns_free(dns);
    close(s.fd);
}

static void each_failure_has_its_error(void **state)
{
    struct server s = server_new();
    struct skt_dns *dns = dns_for(&s);
    skt_time start = now();

    assert_int_equal(ask(dns, &s, "nothere.test").why, -ENOENT);
    assert_int_equal(ask(dns, &s, "empty.test").why, -ENODATA);
    assert_int_equal(ask(dns, &s, "broken.test").why, -EAGAIN);
    assert_int_equal(ask(dns, &s, "junk.test").why, -ETIMEDOUT); /* what is no answer is not heard */
    assert_int_equal(ask(dns, &s, "silent.test").why, -ETIMEDOUT);
    assert_int_equal(ask(dns, &s, "a..test").why, -EINVAL);
    assert_true(now() - start < 4 * SKT_SEC);
    close(s.fd);
    assert_int_equal(ask(dns, NULL, "four.test").why, -EAGAIN); /* nobody listens there any more */
    skt_dns_free(dns);
}

/* The server never answers what asks for IPv6. */
static void a_server_that_drops_one_family_costs_little(void **state)
{
    struct server s = server_new();
    struct skt_dns_conf conf = { .servers = s.where }; /* 2 + 4 + 8 s of time-outs */
    struct skt_dns_answer answer;
    skt_time start = now();
    struct skt_dns *dns;

    assert_int_equal(skt_dns_new(&conf, &dns), 0);
    answer = ask(dns, &s, "no6.test");
    expect(&answer, 0, "127.0.0.9:80");
    assert_int_equal(answer.n, 1);
    assert_true(300 * SKT_MS <= now() - start && now() - start < 1900 * SKT_MS);
    answer = ask(dns, &s, "four.test"); /* the first question is still under way */
    assert_int_equal(answer.n, 1);
    skt_dns_free(dns);
    close(s.fd);
}

static void the_hosts_file_is_read(void **state)
{
    struct server s = server_new();
    struct skt_dns *dns;
    struct skt_dns_answer answer;
    char line[256], name[128] = "", addr[64] = "";
    FILE *f = fopen("/etc/hosts", "re");

    /* Any name of the machine's own file that is not localhost's. */
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "%63s %127s", addr, name) == 2 && *addr != '#' && !strstr(name, "localhost"))
            break;
        else
            *name = 0;
    if (f)
        fclose(f);
    if (!*name)
        skip();
    dns = dns_for(&s);
    answer = ask(dns, &s, name);
    assert_int_equal(answer.why, 0);
    skt_dns_free(dns);
    close(s.fd);
}

static void a_cancelled_question_gives_no_answer(void **state)
{
    struct server s = server_new();
    struct skt_dns *dns = dns_for(&s);
    struct skt_dns_answer answer;

    assert_int_equal(skt_dns_ask(dns, 1, "silent.test", 80), 0);
    assert_int_equal(skt_dns_ask(dns, 2, "four.test", 80), 0);
    assert_int_equal(skt_dns_ask(dns, 3, "127.0.0.1", 80), 0);
    assert_int_equal(skt_dns_ask(dns, 4, "127.0.0.2", 80), 0);
    skt_dns_cancel(dns, 1);
    skt_dns_cancel(dns, 4); /* ready already, the last */
    skt_dns_cancel(dns, 99);
    assert_true(wait_answer(dns, &s, &answer) && answer.token == 3);
    assert_true(wait_answer(dns, &s, &answer) && answer.token == 2);
    assert_int_equal(skt_dns_ask(dns, 5, "127.0.0.5", 80), 0);
    assert_true(wait_answer(dns, &s, &answer) && answer.token == 5);
    for (skt_time end = now() + 400 * SKT_MS; now() < end;) {
        skt_dns_step(dns, now());
        assert_false(skt_dns_next(dns, &answer));
        poll(NULL, 0, 10);
    }
    assert_true(skt_dns_wake(dns, 0) == SKT_NEVER); /* it was cleared away */
    skt_dns_free(dns);
    close(s.fd);
}

static void questions_are_capped_and_come_back(void **state)
{
    struct server s = server_new();
    struct skt_dns *dns = dns_for(&s);
    struct skt_dns_answer answer;
    uint32_t seen = 0;

    for (uint32_t i = 0; i < 8; i++)
        assert_int_equal(skt_dns_ask(dns, i, i & 1 ? "four.test" : "nothere.test", 80), 0);
    assert_int_equal(skt_dns_ask(dns, 8, "127.0.0.1", 80), -ENOSPC);
    for (uint32_t i = 0; i < 8; i++) {
        assert_true(wait_answer(dns, &s, &answer));
        assert_int_equal(answer.why, answer.token & 1 ? 0 : -ENOENT);
        seen |= 1u << answer.token;
    }
    assert_int_equal(seen, 0xff);
    assert_int_equal(skt_dns_ask(dns, 8, "127.0.0.1", 80), 0);
    skt_dns_free(dns);
    close(s.fd);
}

static void it_is_freed_with_questions_under_way(void **state)
{
    struct server s = server_new();
    struct skt_dns *dns = dns_for(&s);

    assert_int_equal(skt_dns_load(dns), 0);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(skt_dns_ask(dns, i, "silent.test", 80), 0);
    skt_dns_cancel(dns, 2);
    skt_dns_free(dns);
    skt_dns_free(NULL);
    close(s.fd);
}

static void bad_servers_are_told(void **state)
{
    struct skt_dns_conf conf = { .servers = "not a server" };
    struct skt_dns *dns;

    assert_int_equal(skt_dns_new(&conf, &dns), 0);
    assert_int_equal(skt_dns_load(dns), -EINVAL);
    skt_dns_free(dns);
}

RUN(T(numbers_and_localhost_are_answered_at_once), T(what_cannot_be_a_name_is_refused),
    T(the_server_is_asked_for_both_families), T(one_family_alone_may_be_asked_for),
    T(no_more_than_16_addresses_are_kept), T(each_failure_has_its_error),
    T(a_server_that_drops_one_family_costs_little), T(the_hosts_file_is_read), T(a_cancelled_question_gives_no_answer),
    T(questions_are_capped_and_come_back), T(it_is_freed_with_questions_under_way), T(bad_servers_are_told))
