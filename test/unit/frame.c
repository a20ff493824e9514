/* wire/frame.c: tags, ECN, checksums left undone, trains cut. */
#include "test.h"

#include "wire/frame.h"
#include "wire/ip.h"

#include <errno.h>

static uint8_t bytes[SKT_FRAME_MAX];

static struct skt_addr addr(uint8_t family, uint8_t last, uint16_t port)
{
    struct skt_addr a = { .family = family, .port = port, .ip = { 10, 0, 0, last } };

    a.ip[15] = family == SKT_IP6 ? last : 0;
    return a;
}

/* An Ethernet frame with so many tags, and an IP packet with a whole checksum. */
static struct skt_span frame_of(uint8_t family, uint8_t protocol, int tags, size_t body, uint8_t flags)
{
    static uint8_t payload[SKT_IP_BODY];
    struct skt_room out = skt_room_of(bytes, sizeof bytes);
    struct skt_ip_packet p = { .from = addr(family, 1, 1000),
        .to = addr(family, 2, 2000),
        .protocol = protocol,
        .payload = skt_span_of(payload, body),
        .seq = UINT32_MAX - 1000,
        .flags = flags };

    for (size_t i = 0; i < body; i++)
        payload[i] = (uint8_t)(i * 31 + i / 251);
    for (int i = 0; i < 12; i++)
        skt_put_u8(&out, (uint8_t)i);
    for (int i = 0; i < tags; i++) {
        skt_put_u16(&out, i + 1 < tags ? 0x88a8 : 0x8100);
        skt_put_u16(&out, 7);
    }
    skt_put_u16(&out, family == SKT_IP4 ? 0x0800 : 0x86dd);
    assert_int_equal(skt_ip_put(&out, &p), 0);
    assert_false(out.bad);
    return skt_span_of(bytes, (size_t)(out.p - bytes));
}

/* As a kernel leaves it: the checksum field has the sum of the pseudo-header, and the rest is debt. */
static struct skt_frame_debt leave_undone(struct skt_span frame, uint8_t family, uint8_t protocol)
{
    size_t l3 = skt_frame_packet(frame), l4 = l3 + (family == SKT_IP4 ? 20 : 40);
    struct skt_frame_debt debt = { .start = (uint16_t)l4, .at = protocol == SKT_IP_TCP ? 16 : 6 };
    struct skt_span addresses =
        family == SKT_IP4 ? skt_span_of(frame.p + l3 + 12, 8) : skt_span_of(frame.p + l3 + 8, 32);
    uint16_t sum = (uint16_t)~skt_ip_fold(skt_ip_sum(skt_len(frame) - l4 + protocol, addresses));

    bytes[l4 + debt.at] = (uint8_t)(sum >> 8);
    bytes[l4 + debt.at + 1] = (uint8_t)sum;
    return debt;
}

static struct skt_ip_packet read_back(struct skt_span frame)
{
    struct skt_ip_packet p;
    struct skt_span rest = frame;

    (void)skt_get_span(&rest, skt_frame_packet(frame));
    assert_int_equal(skt_ip_get(&rest, &p), 0);
    assert_int_equal(skt_len(rest), 0);
    assert_true(p.sums_right);
    return p;
}

static void the_packet_is_found_behind_its_tags(void **state)
{
    for (int tags = 0; tags <= SKT_FRAME_VLANS; tags++)
        assert_int_equal(skt_frame_packet(frame_of(SKT_IP4, SKT_IP_UDP, tags, 10, 0)), 14 + 4 * tags);
    for (size_t n = 0; n < SKT_FRAME_HEAD; n++)
        assert_int_equal(skt_frame_packet(skt_span_of(bytes, n)), n);
    assert_int_equal(skt_frame_packet(skt_span_of(frame_of(SKT_IP4, SKT_IP_UDP, 1, 10, 0).p, 16)), 16);
}

static void a_mark_keeps_the_header_right(void **state)
{
    const uint8_t families[] = { SKT_IP4, SKT_IP6 };

    for (int i = 0; i < 2; i++) {
        struct skt_span f = frame_of(families[i], SKT_IP_UDP, 1, 100, 0);
        size_t l3 = skt_frame_packet(f);

        assert_false(skt_frame_capable(f));
        if (families[i] == SKT_IP4) { /* ECT(0); one more in a word, one less in its checksum */
            bytes[l3 + 1] |= 2;
            bytes[l3 + 11] = (uint8_t)(bytes[l3 + 11] - 2);
        } else {
            bytes[l3 + 1] |= 2 << 4;
        }
        read_back(f);
        assert_true(skt_frame_capable(f));
        skt_frame_mark(skt_room_of(bytes, skt_len(f)));
        read_back(f);
        assert_int_equal((families[i] == SKT_IP4 ? bytes[l3 + 1] : bytes[l3 + 1] >> 4) & 3, 3);
    }
}

static void what_is_no_packet_is_neither_capable_nor_marked(void **state)
{
    struct skt_span f = frame_of(SKT_IP4, SKT_IP_UDP, 0, 100, 0);
    uint8_t before[200];

    memset(bytes + 14, 0xff, 100);
    bytes[12] = 0x08; /* ARP */
    bytes[13] = 0x06;
    memcpy(before, bytes, sizeof before);
    assert_false(skt_frame_capable(f));
    skt_frame_mark(skt_room_of(bytes, skt_len(f)));
    assert_memory_equal(bytes, before, sizeof before);
    bytes[13] = 0; /* IPv4, but cut short */
    memcpy(before, bytes, sizeof before);
    assert_false(skt_frame_capable(skt_span_of(bytes, 20)));
    skt_frame_mark(skt_room_of(bytes, 20));
    assert_memory_equal(bytes, before, sizeof before);
}

static void a_debt_is_paid(void **state)
{
    const uint8_t families[] = { SKT_IP4, SKT_IP6 }, protocols[] = { SKT_IP_TCP, SKT_IP_UDP };

    for (int i = 0; i < 8; i++) {
        uint8_t family = families[i & 1], protocol = protocols[i >> 1 & 1];
        struct skt_span f = frame_of(family, protocol, i >> 2, 1001, SKT_TCP_ACK);
        struct skt_frame_debt debt = leave_undone(f, family, protocol);

        skt_frame_settle(skt_room_of(bytes, skt_len(f)), debt);
        read_back(f);
    }
}

static void a_debt_outside_the_frame_is_none(void **state)
{
    struct skt_span f = frame_of(SKT_IP4, SKT_IP_UDP, 0, 20, 0);
    struct skt_room room = skt_room_of(bytes, skt_len(f));
    uint16_t len = (uint16_t)skt_len(f);

    skt_frame_settle(room, (struct skt_frame_debt){ .start = len, .at = 0 });
    skt_frame_settle(room, (struct skt_frame_debt){ .start = (uint16_t)(len - 1), .at = 0 });
    skt_frame_settle(room, (struct skt_frame_debt){ .start = 14, .at = UINT16_MAX });
    skt_frame_settle(room, (struct skt_frame_debt){ .start = UINT16_MAX, .at = UINT16_MAX });
    read_back(f);
}

/* Cuts it, reads each segment, and wants the whole back. */
static void cut_and_read(uint8_t family, uint8_t protocol, int tags, size_t body, uint32_t seg, bool with_debt)
{
    const uint8_t flags = SKT_TCP_ACK | SKT_TCP_PSH | SKT_TCP_FIN;
    struct skt_span f = frame_of(family, protocol, tags, body, flags);
    struct skt_frame_debt debt = with_debt ? leave_undone(f, family, protocol) : (struct skt_frame_debt){ 0 };
    struct skt_cut cut;
    uint32_t seq = UINT32_MAX - 1000;
    size_t got = 0;

    assert_int_equal(skt_cut_init(&cut, f, protocol == SKT_IP_TCP ? SKT_TRAIN_TCP : SKT_TRAIN_UDP, seg, debt), 0);
    assert_int_equal(cut.n, (body + seg - 1) / seg);
    for (uint32_t i = 0; i < cut.n; i++) {
        uint8_t one[4096];
        struct skt_room out = skt_room_of(one, sizeof one);
        struct skt_frame_debt left = { 0 };
        struct skt_ip_packet p;

        skt_cut_put(&cut, i, &out, &left);
        assert_false(out.bad);
        skt_frame_settle(skt_room_of(one, (size_t)(out.p - one)), left);
        p = read_back(skt_span_of(one, (size_t)(out.p - one)));
        assert_int_equal(p.protocol, protocol);
        assert_int_equal(skt_len(p.payload), i + 1 < cut.n ? seg : body - got);
        assert_memory_equal(p.payload.p, f.p + cut.head + got, skt_len(p.payload));
        if (protocol == SKT_IP_TCP) {
            assert_int_equal(p.seq, seq + (uint32_t)got);
            assert_int_equal(p.flags, i + 1 < cut.n ? SKT_TCP_ACK : flags);
        }
        if (family == SKT_IP4) /* the identification counts */
            assert_int_equal(one[cut.l3 + 5], (uint8_t)(f.p[cut.l3 + 5] + i));
        got += skt_len(p.payload);
    }
    assert_int_equal(got, body);
}

static void a_train_is_cut_into_packets_that_are_right(void **state)
{
    const uint8_t families[] = { SKT_IP4, SKT_IP6 }, protocols[] = { SKT_IP_TCP, SKT_IP_UDP };

    for (int i = 0; i < 24; i++)
        for (size_t body = 1; body <= 40000; body = body * 3 + 17)
            cut_and_read(families[i & 1], protocols[i >> 1 & 1], i / 8, body, body < 2000 ? 100 : 1448, i >> 2 & 1);
}

static void only_the_first_segment_says_cwr(void **state)
{
    struct skt_span f = frame_of(SKT_IP4, SKT_IP_TCP, 0, 300, SKT_TCP_ACK);
    struct skt_frame_debt debt;
    struct skt_cut cut;

    bytes[14 + 20 + 13] |= 128;
    assert_int_equal(skt_cut_init(&cut, f, SKT_TRAIN_TCP, 100, (struct skt_frame_debt){ 0 }), 0);
    for (uint32_t i = 0; i < cut.n; i++) {
        uint8_t one[400];
        struct skt_room out = skt_room_of(one, sizeof one);
        skt_cut_put(&cut, i, &out, &debt);
        assert_int_equal(one[14 + 20 + 13] & 128, i ? 0 : 128);
    }
}

static void no_room_is_told_and_nothing_written(void **state)
{
    struct skt_span f = frame_of(SKT_IP4, SKT_IP_TCP, 0, 300, SKT_TCP_ACK);
    struct skt_frame_debt debt = { 0 };
    struct skt_cut cut;
    uint8_t one[153] = { 0 };
    struct skt_room out = skt_room_of(one, sizeof one);

    assert_int_equal(skt_cut_init(&cut, f, SKT_TRAIN_TCP, 100, debt), 0);
    skt_cut_put(&cut, 0, &out, &debt);
    assert_true(out.bad);
    assert_ptr_equal(out.p, one);
    assert_int_equal(one[0] | one[152], 0);
}

static void what_is_no_train_is_refused(void **state)
{
    struct skt_frame_debt none = { 0 };
    struct skt_cut cut;
    struct skt_span f = frame_of(SKT_IP4, SKT_IP_TCP, 0, 300, SKT_TCP_ACK);

    assert_int_equal(skt_cut_init(&cut, f, SKT_TRAIN_TCP, 0, none), -EBADMSG);
    assert_int_equal(skt_cut_init(&cut, f, SKT_TRAIN_UDP, 100, none), -EBADMSG);
    for (size_t n = 0; n <= 14 + 40; n++) /* cut short: no payload is left */
        assert_int_equal(skt_cut_init(&cut, skt_span_of(f.p, n), SKT_TRAIN_TCP, 100, none), -EBADMSG);
    bytes[14 + 6] = 0x20; /* a fragment */
    assert_int_equal(skt_cut_init(&cut, f, SKT_TRAIN_TCP, 100, none), -EBADMSG);
    f = frame_of(SKT_IP4, SKT_IP_TCP, 0, 300, SKT_TCP_ACK);
    bytes[14] = 0x44; /* a header of 16 bytes */
    assert_int_equal(skt_cut_init(&cut, f, SKT_TRAIN_TCP, 100, none), -EBADMSG);
    f = frame_of(SKT_IP4, SKT_IP_TCP, 0, 300, SKT_TCP_ACK);
    bytes[14 + 20 + 12] = 0x40; /* the same of TCP */
    assert_int_equal(skt_cut_init(&cut, f, SKT_TRAIN_TCP, 100, none), -EBADMSG);
    f = frame_of(SKT_IP6, SKT_IP_TCP, 0, 300, SKT_TCP_ACK);
    bytes[14 + 6] = 0; /* an extension header that is longer than the packet */
    bytes[14 + 40 + 1] = 255;
    assert_int_equal(skt_cut_init(&cut, f, SKT_TRAIN_TCP, 100, none), -EBADMSG);
}

/* Whatever the bytes are, it ends, and what is put lies within the room. */
static void any_bytes_do_no_harm(void **state)
{
    uint32_t x = 1;

    for (int round = 0; round < 20000; round++) {
        struct skt_span f =
            frame_of(round & 1 ? SKT_IP6 : SKT_IP4, round & 2 ? SKT_IP_UDP : SKT_IP_TCP, round & 1, 200, 0);
        struct skt_frame_debt debt = { .start = (uint16_t)(round % 300), .at = (uint16_t)(round % 20) };
        struct skt_cut cut;

        for (int i = 0; i < 3; i++) {
            x = x * 1664525 + 1013904223;
            bytes[12 + (x >> 16) % 80] = (uint8_t)(x >> 8);
        }
        if (skt_cut_init(&cut, f, round & 2 ? SKT_TRAIN_UDP : SKT_TRAIN_TCP, 1 + x % 100, debt))
            continue;
        for (uint32_t i = 0; i < cut.n; i++) {
            uint8_t one[600];
            struct skt_room out = skt_room_of(one, sizeof one);
            skt_cut_put(&cut, i, &out, &debt);
            assert_false(out.bad);
            skt_frame_settle(skt_room_of(one, (size_t)(out.p - one)), debt);
        }
    }
}

RUN(T(the_packet_is_found_behind_its_tags), T(a_mark_keeps_the_header_right),
    T(what_is_no_packet_is_neither_capable_nor_marked), T(a_debt_is_paid), T(a_debt_outside_the_frame_is_none),
    T(a_train_is_cut_into_packets_that_are_right), T(only_the_first_segment_says_cwr),
    T(no_room_is_told_and_nothing_written), T(what_is_no_train_is_refused), T(any_bytes_do_no_harm))
