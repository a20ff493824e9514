/* base/text.c: addresses and endpoints. */
#include "seed.h"

#include "base/random.h"
#include "base/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

static const char *addr_text(const struct skt_addr *addr, void put(struct skt_room *, const struct skt_addr *))
{
    static char text[128];
    struct skt_room out = skt_room_of(text, sizeof text - 1);

    memset(text, 0, sizeof text);
    put(&out, addr);
    assert_false(out.bad);
    return text;
}

static void addresses_are_read_in_all_their_forms(void **state)
{
    static const struct {
        const char *text, *shown;
    } rows[] = {
        { "1.2.3.4:80", "1.2.3.4:80" },
        { "1.2.3.4", "1.2.3.4:0" },
        { "255.255.255.255:65535", "255.255.255.255:65535" },
        { "0.0.0.0:0", "0.0.0.0:0" },
        { "::1", "[::1]:0" },
        { "[::1]", "[::1]:0" },
        { "[::1]:80", "[::1]:80" },
        { "[::]:8080", "[::]:8080" },
        { "[fe80::1%3]:80", "[fe80::1%3]:80" },
        { "fe80::1%4294967295", "[fe80::1%4294967295]:0" },
        { "2001:DB8:0:0:1:0:0:1", "[2001:db8::1:0:0:1]:0" },    /* RFC 5952, section 4.2.3: the first of equal runs */
        { "2001:db8:0:1:1:1:1:1", "[2001:db8:0:1:1:1:1:1]:0" }, /* section 4.2.2: one zero is no run */
        { "1:0:0:2::3", "[1:0:0:2::3]:0" },
        { "::ffff:192.0.2.1", "[::ffff:192.0.2.1]:0" },
        { "64:ff9b::192.0.2.33", "[64:ff9b::c000:221]:0" },
        { "1:2:3:4:5:6:7::", "[1:2:3:4:5:6:7:0]:0" },
        { "1::", "[1::]:0" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct skt_addr addr, again;

        assert_int_equal(skt_addr_parse(rows[i].text, &addr), 0);
        assert_string_equal(addr_text(&addr, skt_put_addr), rows[i].shown);
        assert_int_equal(skt_addr_parse(rows[i].shown, &again), 0);
        assert_memory_equal(&addr, &again, sizeof addr);
    }
}

static void what_is_no_address_is_refused_and_ret_untouched(void **state)
{
    static const char *const bad[] = {
        "",
        ":",
        ":80",
        "80",
        "localhost",
        "1.2.3",
        "1.2.3.4.5",
        "1.2.3.256",
        "1.2.3.04",
        "01.2.3.4",
        "1.2.3.4:",
        "1.2.3.4:65536",
        "1.2.3.4:-1",
        "1.2.3.4:8x",
        "1.2.3.4 ",
        " 1.2.3.4",
        "1..3.4",
        "0x1.2.3.4",
        "[1.2.3.4]:80",
        "[::1",
        "::1]",
        "[::1]80",
        "[::1]:",
        "[::1]:x",
        "[]:80",
        ":::",
        "1:2:3:4:5:6:7",
        "1:2:3:4:5:6:7:8:9",
        "1::2::3",
        "12345::",
        "::g",
        "1:2:3:4:5:6:7:8::",
        "::1:",
        ":1::2",
        "::1.2.3.4:5",
        "1:2:3:4:5:6:7:1.2.3.4",
        "::1.2.3",
        "fe80::1%",
        "fe80::1%eth0",
        "fe80::1%0000000000000003",
        "fe80::1%4294967296",
        "[fe80::1]%3:80",
        "::1%1%1",
        "99999999999999999999.2.3.4",
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct skt_addr addr = { .family = 77 };

        if (skt_addr_parse(bad[i], &addr) != -EINVAL)
            fail_msg("'%s' was taken", bad[i]);
        assert_int_equal(addr.family, 77);
    }
}

/* Random IPv6 texts, right and wrong, must be judged as inet_pton does; and what is written, as inet_ntop does. */
static void ipv6_is_read_and_written_as_by_the_libc(void **state)
{
    static const char *const parts[] = { ":", ":", "::", "0", "0", "1", "ffff", "abcd", "12", "1.2.3.4", "00001",
        ":0:0", "a:b:c" };
    uint32_t taken = 0;

    FOR_SEEDS(20000)
    {
        char text[128] = { 0 }, want_text[INET6_ADDRSTRLEN];
        struct skt_room out = skt_room_of(text, sizeof text - 1);
        struct skt_random random;
        struct skt_addr addr;
        uint8_t want[16];
        int ok;

        skt_random_init(&random, unit_seed);
        for (uint64_t n = 2 + skt_random_below(&random, 14); n--;)
            skt_put_str(&out, parts[skt_random_below(&random, sizeof parts / sizeof *parts)]);
        ok = inet_pton(AF_INET6, text, want);
        if (!strchr(text, ':') || strchr(text, ':') == strrchr(text, ':'))
            continue; /* "1.2.3.4:1" is an address to us */
        CHECK(skt_addr_parse(text, &addr) == (ok ? 0 : -EINVAL));
        if (!ok)
            continue;
        taken++;
        CHECK(!memcmp(addr.ip, want, 16));
        inet_ntop(AF_INET6, want, want_text, sizeof want_text);
        if (memcmp(want, (const uint8_t[12]){ 0 }, 12)) /* "::1.2.3.4" is deprecated, and not written here */
            CHECK(!strcmp(addr_text(&addr, skt_put_ip), want_text));
    }
    CHECK(getenv("UNIT_SEED") || taken > 500);
}

static void every_address_that_is_written_is_read_back(void **state)
{
    FOR_SEEDS(5000)
    {
        struct skt_addr addr = { .family = SKT_IP4 }, again;
        struct skt_random random;

        skt_random_init(&random, unit_seed);
        addr.port = (uint16_t)skt_random_u64(&random);
        if (skt_random_below(&random, 4))
            addr.family = SKT_IP6;
        for (size_t i = 0; i < (addr.family == SKT_IP4 ? 4u : 16u); i++)
            addr.ip[i] = skt_random_below(&random, 3) ? 0 : (uint8_t)skt_random_u64(&random);
        if (addr.family == SKT_IP6 && !skt_random_below(&random, 4))
            addr.id = (uint32_t)skt_random_u64(&random);
        CHECK(!skt_addr_parse(addr_text(&addr, skt_put_addr), &again));
        CHECK(!memcmp(&addr, &again, sizeof addr));
        addr.port = 0;
        CHECK(!skt_addr_parse(addr_text(&addr, skt_put_ip), &again));
        CHECK(!memcmp(&addr, &again, sizeof addr));
    }
}

static void addresses_without_ip_have_a_text_too(void **state)
{
    struct skt_addr local = { .family = SKT_LOCAL, .id = 7 }, nowhere = { 0 };

    assert_string_equal(addr_text(&local, skt_put_addr), "unix#7");
    assert_string_equal(addr_text(&nowhere, skt_put_addr), "-");
}

static void an_address_fills_its_room_to_the_last_byte(void **state)
{
    struct skt_addr addr;
    uint8_t text[16];

    assert_int_equal(skt_addr_parse("[::1]:80", &addr), 0);
    for (size_t size = 0; size <= 8; size++) {
        struct skt_room out = skt_room_of(text, size);

        skt_put_addr(&out, &addr);
        assert_int_equal(out.bad, size < 8);
        assert_int_equal(out.p - text, size < 8 ? 0 : 8);
    }
}

/* ---- endpoints ---- */

static const char *endpoint_text(const struct skt_endpoint *e)
{
    static char text[512];
    struct skt_room out = skt_room_of(text, sizeof text - 1);

    memset(text, 0, sizeof text);
    skt_put_endpoint(&out, e);
    assert_false(out.bad);
    return text;
}

static void endpoints_are_read_and_written(void **state)
{
    static const struct {
        const char *text;
        enum skt_scheme scheme;
        const char *host;
        uint16_t port;
        const char *shown;
    } rows[] = {
        { "80", SKT_TCP, "", 80, "80" },
        { "0", SKT_TCP, "", 0, "0" },
        { ":80", SKT_TCP, "", 80, "80" },
        { "http", SKT_TCP, "", 80, "80" },
        { "localhost:http", SKT_TCP, "localhost", 80, "localhost:80" },
        { "*:8080", SKT_TCP, "*", 8080, "*:8080" },
        { "0.0.0.0:65535", SKT_TCP, "0.0.0.0", 65535, "0.0.0.0:65535" },
        { "[::1]:22", SKT_TCP, "::1", 22, "[::1]:22" },
        { "[fe80::1%eth0]:22", SKT_TCP, "fe80::1%eth0", 22, "[fe80::1%eth0]:22" },
        { "tcp:example.com:1", SKT_TCP, "example.com", 1, "example.com:1" },
        { "tcp:udp:80", SKT_TCP, "udp", 80, "tcp:udp:80" }, /* a host of that name */
        { "udp:tcp:80", SKT_UDP, "tcp", 80, "udp:tcp:80" },
        { "udp:53", SKT_UDP, "", 53, "udp:53" },
        { "udp:[::1]:dns", SKT_UDP, "::1", 53, "udp:[::1]:53" },
        { "tls:example.com:443", SKT_TLS, "example.com", 443, "tls:example.com:443" },
        { "b\xc3\xbc"
          "cher.example:80",
            SKT_TCP,
            "b\xc3\xbc"
            "cher.example",
            80,
            "b\xc3\xbc"
            "cher.example:80" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct skt_endpoint e, again;

        assert_int_equal(skt_endpoint_parse(rows[i].text, &e, NULL), 0);
        assert_int_equal(e.scheme, rows[i].scheme);
        assert_string_equal(e.host, rows[i].host);
        assert_int_equal(e.port, rows[i].port);
        assert_string_equal(endpoint_text(&e), rows[i].shown);
        assert_int_equal(skt_endpoint_parse(rows[i].shown, &again, NULL), 0);
        assert_string_equal(again.host, e.host);
        assert_int_equal(again.port, e.port);
    }
}

static void endpoints_without_a_port_are_read_and_written(void **state)
{
    struct skt_endpoint e;

    assert_int_equal(skt_endpoint_parse("unix:/run/a b.sock", &e, NULL), 0);
    assert_int_equal(e.scheme, SKT_UNIX);
    assert_string_equal(e.path, "/run/a b.sock");
    assert_string_equal(endpoint_text(&e), "unix:/run/a b.sock");
    assert_int_equal(skt_endpoint_parse("unixgram:@name", &e, NULL), 0);
    assert_int_equal(e.scheme, SKT_UNIXGRAM);
    assert_string_equal(e.path, "@name");
    assert_string_equal(endpoint_text(&e), "unixgram:@name");
    assert_int_equal(skt_endpoint_parse("fd:3", &e, NULL), 0);
    assert_int_equal(e.scheme, SKT_FD);
    assert_int_equal(e.fd, 3);
    assert_string_equal(endpoint_text(&e), "fd:3");
    assert_int_equal(skt_endpoint_parse("exec:tr a-z A-Z", &e, NULL), 0);
    assert_int_equal(e.scheme, SKT_EXEC);
    assert_string_equal(e.command, "tr a-z A-Z");
    assert_string_equal(endpoint_text(&e), "exec:tr a-z A-Z");
}

static void where_the_host_comes_first_the_port_may_be_left_out(void **state)
{
    static const struct {
        const char *text, *host;
        uint16_t port;
    } rows[] = {
        { "example.com", "example.com", 6667 },
        { "example.com:7000", "example.com", 7000 },
        { "192.0.2.1", "192.0.2.1", 6667 },
        { "::1", "::1", 6667 },
        { "fe80::1%eth0", "fe80::1%eth0", 6667 },
        { "[::1]", "::1", 6667 },
        { "[::1]:7000", "::1", 7000 },
        { "http", "http", 6667 },
        { "tls:example.com", "example.com", 6667 },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct skt_endpoint e;

        assert_int_equal(skt_endpoint_parse_host(rows[i].text, 6667, &e, NULL), 0);
        assert_string_equal(e.host, rows[i].host);
        assert_int_equal(e.port, rows[i].port);
    }
}

#define LONG_60  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define LONG_120 LONG_60 LONG_60

static void a_wrong_endpoint_is_named_and_the_way_out_too(void **state)
{
    static const struct {
        const char *text;
        int error;
        const char *why;
    } rows[] = {
        { "", -EINVAL, "address '' is empty: write [HOST:]PORT" },
        { "udp:", -EINVAL, "address '' is empty: write [HOST:]PORT" },
        { "70000", -ERANGE, "port '70000' is above 65535" },
        { "localhost:70000", -ERANGE, "port '70000' is above 65535" },
        { "localhost:", -EINVAL, "port '' is neither a number nor a well-known service" },
        { "localhost:-1", -EINVAL, "port '-1' is neither a number nor a well-known service" },
        { "localhost:htpt", -EINVAL, "port 'htpt' is neither a number nor a well-known service" },
        { "localhost", -EINVAL, "address 'localhost' has no port: write HOST:PORT" },
        { "1.2.3.4", -EINVAL, "address '1.2.3.4' has no port: write HOST:PORT" },
        { "80x", -EINVAL, "address '80x' has no port: write HOST:PORT" },
        { "[::1]", -EINVAL, "address '[::1]' has no port: write [ADDRESS]:PORT" },
        { "::1:80", -EINVAL, "address '::1:80' has several colons: write an IPv6 address as [ADDRESS]:PORT" },
        { "::1", -EINVAL, "address '::1' has several colons: write an IPv6 address as [ADDRESS]:PORT" },
        { "[::1:80", -EINVAL, "address '[::1:80' is not [HOST:]PORT: the brackets do not match" },
        { "[::1]80", -EINVAL, "address '[::1]80' is not [HOST:]PORT: the brackets do not match" },
        { "[localhost]:80", -EINVAL, "address 'localhost' in brackets is not an IPv6 address" },
        { "http://localhost:80", -EINVAL,
            "address 'http://localhost:80' is not [HOST:]PORT: leave out scheme:// and path" },
        { "/run/x.sock", -EINVAL, "address '/run/x.sock' looks like a path: for a Unix socket write unix:PATH" },
        { "./x.sock", -EINVAL, "address './x.sock' looks like a path: for a Unix socket write unix:PATH" },
        { "me@host:80", -EINVAL, "host 'me@host' is neither a name nor an address" },
        { "a b:80", -EINVAL, "host 'a b' is neither a name nor an address" },
        { "a\x1b:80", -EINVAL, "host 'a\\x1b' is neither a name nor an address" },
        { "a\xff:80", -EINVAL, "host 'a\\xff' is neither a name nor an address" },
        { "unix:", -EINVAL, "path '' is empty: write unix:PATH" },
        { "fd:", -EINVAL, "descriptor '' is not a number: write fd:N" },
        { "fd:-1", -EINVAL, "descriptor '-1' is not a number: write fd:N" },
        { "fd:2147483648", -EINVAL, "descriptor '2147483648' is not a number: write fd:N" },
        { "exec:", -EINVAL, "command '' is empty: write exec:COMMAND" },
        { "unix:/" LONG_120, -ERANGE,
            "path '/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...' is longer than 107 bytes, "
            "which a Unix socket cannot have" },
        { LONG_120 LONG_120 LONG_60 ":80", -ERANGE, "host '" LONG_60 "...' is longer than 255 bytes" },
        { "x:" LONG_60, -EINVAL, "port '" LONG_60 "' is neither a number nor a well-known service" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct skt_endpoint e = { .port = 77 };
        char text[300] = { 0 };
        struct skt_room why = skt_room_of(text, sizeof text - 1);

        assert_int_equal(skt_endpoint_parse(rows[i].text, &e, &why), rows[i].error);
        assert_string_equal(text, rows[i].why);
        assert_int_equal(skt_endpoint_parse(rows[i].text, &e, NULL), rows[i].error);
        assert_int_equal(e.port, 77);
    }
}

static void limits_of_length_are_exact(void **state)
{
    char text[300];
    struct skt_endpoint e;

    memset(text, 'a', sizeof text);
    memcpy(text, "unix:", 5);
    text[5 + 107] = 0;
    assert_int_equal(skt_endpoint_parse(text, &e, NULL), 0);
    assert_int_equal(strlen(e.path), 107);
    text[5 + 107] = 'a';
    text[5 + 108] = 0;
    assert_int_equal(skt_endpoint_parse(text, &e, NULL), -ERANGE);
    memset(text, 'a', sizeof text);
    memcpy(text + 255, ":80", 4);
    assert_int_equal(skt_endpoint_parse(text, &e, NULL), 0);
    assert_int_equal(strlen(e.host), 255);
    memset(text, 'a', sizeof text);
    memcpy(text + 256, ":80", 4);
    assert_int_equal(skt_endpoint_parse(text, &e, NULL), -ERANGE);
    assert_int_equal(skt_endpoint_parse_host("", 80, &e, NULL), -EINVAL);
    assert_int_equal(skt_endpoint_parse_host("1:2:3", 80, &e, NULL), -EINVAL);
    assert_int_equal(skt_endpoint_parse_host("fe80::1%fifteen-letters", 80, &e, NULL), 0);
    assert_int_equal(skt_endpoint_parse_host("fe80::1%sixteen-letters-", 80, &e, NULL), -EINVAL);
}

RUN(T(addresses_are_read_in_all_their_forms), T(what_is_no_address_is_refused_and_ret_untouched),
    T(ipv6_is_read_and_written_as_by_the_libc), T(every_address_that_is_written_is_read_back),
    T(addresses_without_ip_have_a_text_too), T(an_address_fills_its_room_to_the_last_byte),
    T(endpoints_are_read_and_written), T(endpoints_without_a_port_are_read_and_written),
    T(where_the_host_comes_first_the_port_may_be_left_out), T(a_wrong_endpoint_is_named_and_the_way_out_too),
    T(limits_of_length_are_exact))
