/* wire/proxy.c: PROXY protocol headers, versions 1 and 2. */
#include "test.h"

#include "base/text.h"
#include "wire/proxy.h"

#include <errno.h>
#include <string.h>

static const struct skt_addr before = { .family = SKT_IP4, .port = 9, .ip = { 9, 9, 9, 9 } };

static int get(const void *bytes, size_t n, struct skt_addr *peer, size_t *ret_left)
{
    struct skt_span in = skt_span_of(bytes, n);
    struct skt_addr to;
    int r;

    *peer = before;
    r = skt_proxy_get(&in, peer, &to);
    *ret_left = skt_len(in);
    return r;
}

static void is_addr(const struct skt_addr *addr, const char *text)
{
    char got[64] = "";
    struct skt_room room = skt_room_of(got, sizeof got - 1);

    skt_put_addr(&room, addr);
    assert_string_equal(got, text);
}

static void version_1_names_the_peer_and_leaves_the_stream(void **state)
{
    static const char head[] = "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\nGET /";
    static const char six[] = "PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n";
    struct skt_addr peer;
    size_t left;

    assert_int_equal(get(head, strlen(head), &peer, &left), 0);
    is_addr(&peer, "192.0.2.1:56324");
    assert_int_equal(left, 5);
    assert_int_equal(get(six, strlen(six), &peer, &left), 0);
    is_addr(&peer, "[2001:db8::1]:1");
}

static void unknown_and_local_keep_what_the_socket_says(void **state)
{
    static const char unknown[] = "PROXY UNKNOWN ffff::1 whatever\r\n";
    static const uint8_t local[] = "\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00";
    struct skt_addr peer;
    size_t left;

    assert_int_equal(get(unknown, strlen(unknown), &peer, &left), 0);
    assert_memory_equal(&peer, &before, sizeof peer);
    assert_int_equal(get(local, 16, &peer, &left), 0);
    assert_memory_equal(&peer, &before, sizeof peer);
    assert_int_equal(left, 0);
}

static void version_2_carries_addresses_and_options(void **state)
{
    static const uint8_t head[] = "\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0f"
                                  "\xc0\x00\x02\x01\xc6\x33\x64\x02\xdc\x04\x01\xbb"
                                  "\x04\x00\x00"
                                  "hello";
    struct skt_addr peer;
    size_t left;

    assert_int_equal(get(head, sizeof head - 1, &peer, &left), 0);
    is_addr(&peer, "192.0.2.1:56324");
    assert_int_equal(left, 5);
}

/* A header may come byte by byte: no beginning of one is an error, none is taken early. */
static void a_part_of_a_header_waits(void **state)
{
    static const char v1[] = "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n";
    static const uint8_t v2[] = "\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x01\xc6\x33\x64\x02\xdc\x04\x01\xbb";
    struct skt_addr peer;
    size_t left;

    for (size_t n = 0; n < strlen(v1); n++)
        assert_int_equal(get(v1, n, &peer, &left), -EAGAIN);
    for (size_t n = 0; n < sizeof v2 - 1; n++)
        assert_int_equal(get(v2, n, &peer, &left), -EAGAIN);
    assert_memory_equal(&peer, &before, sizeof peer);
}

static void what_is_not_a_header_is_refused(void **state)
{
    static const char *const bad[] = { "GET / HTTP/1.1\r\n", "PROXY\r\n", "PROXY \r\n", "PROXY TCP4\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 56324\r\n", "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443 1\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 56324 65536\r\n", "PROXY TCP4 ::1 ::2 1 2\r\n",
        "PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n", "PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n",
        "PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n", "proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n" };
    static const uint8_t version[] = "\r\n\r\n\0\r\nQUIT\n\x31\x11\x00\x00",
                         command[] = "\r\n\r\n\0\r\nQUIT\n\x22\x11\x00\x00",
                         huge[] = "\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff",
                         cut[] = "\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x04"
                                 "abcd";
    struct skt_addr peer;
    char text[128];
    size_t left;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(get(bad[i], strlen(bad[i]), &peer, &left), -EBADMSG);
    assert_int_equal(get(version, 16, &peer, &left), -EBADMSG);
    assert_int_equal(get(command, 16, &peer, &left), -EBADMSG);
    assert_int_equal(get(huge, 16, &peer, &left), -EBADMSG);
    assert_int_equal(get(cut, 20, &peer, &left), -EBADMSG);
    memset(text, 'x', sizeof text);
    memcpy(text, "PROXY TCP4 ", 11);
    assert_int_equal(get(text, sizeof text, &peer, &left), -EBADMSG); /* no end within 107 bytes */
    assert_memory_equal(&peer, &before, sizeof peer);
}

static void what_is_put_is_got(void **state)
{
    const struct skt_addr a = { .family = SKT_IP4, .port = 1234, .ip = { 10, 1, 2, 3 } };
    const struct skt_addr b = { .family = SKT_IP4, .port = 80, .ip = { 10, 1, 2, 4 } };
    const struct skt_addr c = { .family = SKT_IP6, .port = 80, .ip = { 1 } };
    char text[SKT_PROXY_MAX];
    struct skt_room room = skt_room_of(text, sizeof text);
    struct skt_addr peer;
    size_t left;

    skt_proxy_put(&room, &a, &b);
    assert_int_equal(get(text, (size_t)(room.p - (uint8_t *)text), &peer, &left), 0);
    assert_memory_equal(&peer, &a, sizeof peer);
    room = skt_room_of(text, sizeof text);
    skt_proxy_put(&room, &a, &c); /* two families */
    assert_int_equal(get(text, (size_t)(room.p - (uint8_t *)text), &peer, &left), 0);
    assert_memory_equal(&peer, &before, sizeof peer);
}

RUN(T(version_1_names_the_peer_and_leaves_the_stream), T(unknown_and_local_keep_what_the_socket_says),
    T(version_2_carries_addresses_and_options), T(a_part_of_a_header_waits), T(what_is_not_a_header_is_refused),
    T(what_is_put_is_got))
