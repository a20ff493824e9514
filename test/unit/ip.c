/* wire/ip.c: IPv4, IPv6, TCP and UDP headers. */
#include "test.h"

#include "wire/ip.h"

#include <errno.h>

static struct skt_addr ip4(uint8_t last, uint16_t port)
{
    return (struct skt_addr){ .family = SKT_IP4, .port = port, .ip = { 192, 168, 0, last } };
}

static struct skt_addr ip6(uint8_t last, uint16_t port)
{
    return (struct skt_addr){ .family = SKT_IP6, .port = port, .ip = { 0x20, 1, 0xd, 0xb8, [15] = last } };
}

static struct skt_ip_packet written_and_read(const struct skt_ip_packet *packet, uint8_t *wire, size_t size)
{
    struct skt_room out = skt_room_of(wire, size);
    struct skt_ip_packet got;
    struct skt_span in;

    assert_int_equal(skt_ip_put(&out, packet), 0);
    assert_false(out.bad);
    in = skt_span_of(wire, (size_t)(out.p - wire));
    assert_int_equal(skt_ip_get(&in, &got), 0);
    assert_int_equal(skt_len(in), 0);
    assert_true(got.sums_right);
    return got;
}

static void the_checksum_is_that_of_a_known_header(void **state)
{
    /* An IPv4 header of UDP from 192.168.0.1 to 192.168.0.199, whose checksum is b861. */
    const uint8_t head[] = { 0x45, 0, 0, 0x73, 0, 0, 0x40, 0, 0x40, 0x11, 0, 0, 192, 168, 0, 1, 192, 168, 0, 199 };

    assert_int_equal(skt_ip_fold(skt_ip_sum(0, skt_span_of(head, sizeof head))), 0xb861);
}

static void an_odd_byte_is_summed_as_a_high_one(void **state)
{
    assert_int_equal(skt_ip_fold(skt_ip_sum(0, skt_span_of("\x01", 1))), 0xfeff);
    assert_int_equal(skt_ip_fold(skt_ip_sum(0, skt_span_of("\x00\x01\xf2\x03\xf4\xf5\xf6\xf7", 8))), 0x220d);
}

static void what_is_put_is_got(void **state)
{
    uint8_t wire[256];

    for (int i = 0; i < 4; i++) {
        struct skt_ip_packet p = { .from = i & 1 ? ip4(1, 1000) : ip6(1, 1000),
            .to = i & 1 ? ip4(2, 80) : ip6(2, 80),
            .protocol = i & 2 ? SKT_IP_TCP : SKT_IP_UDP,
            .payload = skt_span_str("hello") };
        struct skt_ip_packet got;
        if (i & 2) {
            p.seq = 0xfffffff0;
            p.ack = 7;
            p.window = 512;
            p.mss = 1460;
            p.flags = SKT_TCP_SYN | SKT_TCP_ACK;
        }
        got = written_and_read(&p, wire, sizeof wire);
        assert_memory_equal(&got.from, &p.from, sizeof p.from);
        assert_memory_equal(&got.to, &p.to, sizeof p.to);
        assert_true(skt_span_is(got.payload, "hello"));
        assert_int_equal(got.ttl, 64);
        assert_true(got.seq == p.seq && got.ack == p.ack && got.window == p.window && got.mss == p.mss);
        assert_int_equal(got.flags, p.flags);
    }
}

static void unseen_bytes_count_as_zeros(void **state)
{
    uint8_t cut[64], whole[64] = { 0 };
    struct skt_room a = skt_room_of(cut, sizeof cut), b = skt_room_of(whole, sizeof whole);
    struct skt_ip_packet p = { .from = ip4(1, 1), .to = ip4(2, 2), .protocol = SKT_IP_TCP, .unseen = 5 };

    assert_int_equal(skt_ip_put(&a, &p), 0);
    p.unseen = 0;
    p.payload = skt_span_of("\0\0\0\0\0", 5);
    assert_int_equal(skt_ip_put(&b, &p), 0);
    assert_int_equal(a.p - cut, 40);
    assert_memory_equal(cut, whole, 40);
}

static void a_udp_sum_of_zero_is_sent_as_ones(void **state)
{
    uint8_t wire[64];
    struct skt_ip_packet p = { .from = ip4(1, 0), .to = ip4(2, 0), .protocol = SKT_IP_UDP };
    struct skt_room out = skt_room_of(wire, sizeof wire);
    uint16_t sum;

    assert_int_equal(skt_ip_put(&out, &p), 0);
    sum = (uint16_t)(wire[26] << 8 | wire[27]);
    p.from.port = sum; /* now everything cancels out */
    out = skt_room_of(wire, sizeof wire);
    assert_int_equal(skt_ip_put(&out, &p), 0);
    assert_int_equal(wire[26] << 8 | wire[27], 0xffff);
}

static void a_wrong_sum_is_seen(void **state)
{
    uint8_t wire[64];
    struct skt_ip_packet p = { .from = ip4(1, 9), .to = ip4(2, 9), .protocol = SKT_IP_UDP }, got;
    struct skt_room out = skt_room_of(wire, sizeof wire);
    struct skt_span in;

    p.payload = skt_span_str("odd");
    assert_int_equal(skt_ip_put(&out, &p), 0);
    for (int i = 0; i < 31; i++) {
        if (i == 0 || (2 <= i && i < 4) || (24 <= i && i < 26))
            continue; /* version and lengths: refused as a whole, or the end moves */
        wire[i] ^= 0x10;
        in = skt_span_of(wire, (size_t)(out.p - wire));
        if (!skt_ip_get(&in, &got) && got.protocol == SKT_IP_UDP && !got.fragment)
            assert_false(got.sums_right);
        wire[i] ^= 0x10;
    }
}

static void lengths_that_contradict_are_refused(void **state)
{
    uint8_t wire[64];
    struct skt_ip_packet p = { .from = ip6(1, 9), .to = ip6(2, 9), .protocol = SKT_IP_TCP }, got;
    struct skt_room out = skt_room_of(wire, sizeof wire);
    struct skt_span in, before;

    assert_int_equal(skt_ip_put(&out, &p), 0);
    for (size_t n = 0; n < 60; n++) { /* cut at each byte */
        in = before = skt_span_of(wire, n);
        assert_int_equal(skt_ip_get(&in, &got), -EBADMSG);
        assert_true(in.p == before.p && !in.bad);
    }
    wire[52] = 0x40; /* a TCP header of 16 bytes */
    in = skt_span_of(wire, 60);
    assert_int_equal(skt_ip_get(&in, &got), -EBADMSG);
    wire[52] = 0x60; /* of 24, where 20 are left */
    in = skt_span_of(wire, 60);
    assert_int_equal(skt_ip_get(&in, &got), -EBADMSG);
}

static void extension_headers_are_walked(void **state)
{
    uint8_t wire[128];
    struct skt_ip_packet p = { .from = ip6(1, 53), .to = ip6(2, 54), .protocol = SKT_IP_UDP }, got;
    struct skt_room out = skt_room_of(wire, sizeof wire);
    struct skt_span in;

    p.payload = skt_span_str("hello");
    assert_int_equal(skt_ip_put(&out, &p), 0);
    memmove(wire + 48, wire + 40, 13);
    memset(wire + 40, 0, 8); /* hop by hop, then a first fragment, then UDP */
    memmove(wire + 56, wire + 48, 13);
    memset(wire + 48, 0, 8);
    wire[5] += 16;
    wire[6] = 0;
    wire[40] = 44;
    wire[48] = SKT_IP_UDP;
    wire[51] = 1; /* more fragments */
    in = skt_span_of(wire, 69);
    assert_int_equal(skt_ip_get(&in, &got), 0);
    assert_int_equal(got.from.port, 53);
    assert_true(got.fragment);
    wire[50] = 1; /* a later one: no ports in it */
    in = skt_span_of(wire, 69);
    assert_int_equal(skt_ip_get(&in, &got), 0);
    assert_int_equal(got.from.port, 0);
    assert_int_equal(skt_len(got.payload), 13);
}

static void padding_behind_the_packet_is_left(void **state)
{
    uint8_t wire[64] = { 0 };
    struct skt_ip_packet p = { .from = ip4(1, 9), .to = ip4(2, 9), .protocol = SKT_IP_UDP }, got;
    struct skt_room out = skt_room_of(wire, sizeof wire);
    struct skt_span in;

    assert_int_equal(skt_ip_put(&out, &p), 0);
    in = skt_span_of(wire, 46);
    assert_int_equal(skt_ip_get(&in, &got), 0);
    assert_int_equal(skt_len(in), 46 - 28);
    assert_int_equal(skt_len(got.payload), 0);
}

static void what_does_not_fit_is_not_put(void **state)
{
    static uint8_t wire[70000], body[65535];
    struct skt_ip_packet p = { .from = ip4(1, 9), .to = ip6(2, 9), .protocol = SKT_IP_UDP };
    struct skt_room out = skt_room_of(wire, 27);

    assert_int_equal(skt_ip_put(&out, &p), -EAFNOSUPPORT);
    p.to = ip4(2, 9);
    assert_int_equal(skt_ip_put(&out, &p), 0);
    assert_true(out.bad && out.p == wire);
    out = skt_room_of(wire, sizeof wire);
    p.payload = skt_span_of(body, 65535 - 28);
    assert_int_equal(skt_ip_put(&out, &p), 0);
    p.payload = skt_span_of(body, 65535 - 27);
    assert_int_equal(skt_ip_put(&out, &p), -EMSGSIZE);
    p.protocol = 1;
    assert_int_equal(skt_ip_put(&out, &p), -EPROTONOSUPPORT);
}

RUN(T(the_checksum_is_that_of_a_known_header), T(an_odd_byte_is_summed_as_a_high_one), T(what_is_put_is_got),
    T(unseen_bytes_count_as_zeros), T(a_udp_sum_of_zero_is_sent_as_ones), T(a_wrong_sum_is_seen),
    T(lengths_that_contradict_are_refused), T(extension_headers_are_walked), T(padding_behind_the_packet_is_left),
    T(what_does_not_fit_is_not_put))
