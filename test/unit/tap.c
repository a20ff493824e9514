/* drive/tap.c: captures of what passed. What Wireshark makes of them is seen to in tap_tshark.c. */
#include "test.h"

#include "drive/tap.h"
#include "wire/ip.h"
#include "wire/pcapng.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct skt_addr here = { .family = SKT_IP4, .port = 9000, .ip = { 127, 0, 0, 1 } };
static const struct skt_addr there = { .family = SKT_IP4, .port = 40000, .ip = { 127, 0, 0, 2 } };

static struct skt_pcapng reader;

/* Gives the packets of a capture one by one. */
static bool next_packet(struct skt_span *in, struct skt_pcapng_block *b, struct skt_ip_packet *ip)
{
    while (skt_pcapng_get(&reader, in, b) == 1) {
        struct skt_span bytes = b->packet.bytes;
        if (b->kind != SKT_PCAPNG_PACKET)
            continue;
        if (b->packet.len == skt_len(bytes)) {
            assert_int_equal(skt_ip_get(&bytes, ip), 0);
            assert_true(ip->sums_right);
        }
        return true;
    }
    assert_int_equal(skt_len(*in), 0);
    return false;
}

static struct skt_tap *tap_in_memory(struct skt_tap_conf conf)
{
    struct skt_tap *tap = NULL;

    memset(&reader, 0, sizeof reader);
    assert_int_equal(skt_tap_open(NULL, &conf, &tap), 0);
    return tap;
}

static void a_stream_is_a_whole_tcp_conversation(void **state)
{
    skt_auto(skt_tap) struct skt_tap *tap = tap_in_memory((struct skt_tap_conf){ .wall = 1000 });
    struct skt_tap_flow flow = { 0 };
    struct skt_pcapng_block b;
    struct skt_ip_packet ip;
    struct skt_span in;
    const struct {
        bool out;
        uint8_t flags;
        uint32_t seq, ack;
        const char *text;
    } want[] = {
        { false, SKT_TCP_SYN, 0, 0, "" },
        { true, SKT_TCP_SYN | SKT_TCP_ACK, 0, 1, "" },
        { false, SKT_TCP_ACK, 1, 1, "" },
        { false, SKT_TCP_ACK | SKT_TCP_PSH, 1, 1, "question" },
        { true, SKT_TCP_ACK | SKT_TCP_PSH, 1, 9, "answer" },
        { false, SKT_TCP_ACK | SKT_TCP_FIN, 9, 7, "" },
        { true, SKT_TCP_ACK | SKT_TCP_PSH, 7, 10, "more" },
        { true, SKT_TCP_ACK | SKT_TCP_FIN, 11, 10, "" },
        { false, SKT_TCP_ACK, 10, 12, "" },
    };

    skt_tap_stream_open(tap, 1, &flow, &here, &there, false, NULL);
    skt_tap_stream_data(tap, 2, &flow, SKT_TAP_IN, skt_span_str("question"));
    skt_tap_stream_data(tap, 3, &flow, SKT_TAP_OUT, skt_span_str("answer"));
    skt_tap_stream_eof(tap, 4, &flow, SKT_TAP_IN);
    skt_tap_stream_data(tap, 5, &flow, SKT_TAP_OUT, skt_span_str("more"));
    skt_tap_stream_close(tap, 6, &flow, SKT_TAP_OUT, false);
    skt_tap_stream_data(tap, 7, &flow, SKT_TAP_OUT, skt_span_str("after the end"));
    in = skt_tap_bytes(tap);
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        assert_true(next_packet(&in, &b, &ip));
        assert_int_equal(b.packet.direction, want[i].out ? SKT_PCAPNG_OUT : SKT_PCAPNG_IN);
        assert_int_equal(ip.from.port, want[i].out ? 9000 : 40000);
        assert_int_equal(ip.to.port, want[i].out ? 40000 : 9000);
        assert_int_equal(ip.flags, want[i].flags);
        assert_int_equal(ip.seq, want[i].seq);
        assert_int_equal(ip.ack, want[i].ack);
        assert_true(skt_span_is(ip.payload, want[i].text));
        assert_in_range(b.packet.at, 1001, 1006);
    }
    assert_false(next_packet(&in, &b, &ip));
}

static void a_reset_ends_it_at_once(void **state)
{
    skt_auto(skt_tap) struct skt_tap *tap = tap_in_memory((struct skt_tap_conf){ 0 });
    struct skt_tap_flow flow = { 0 };
    struct skt_pcapng_block b;
    struct skt_ip_packet ip;
    struct skt_span in;

    skt_tap_stream_open(tap, 1, &flow, &here, &there, true, NULL);
    skt_tap_stream_close(tap, 2, &flow, SKT_TAP_IN, true);
    skt_tap_stream_close(tap, 2, &flow, SKT_TAP_IN, true);
    in = skt_tap_bytes(tap);
    assert_true(next_packet(&in, &b, &ip) && ip.flags == SKT_TCP_SYN && b.packet.direction == SKT_PCAPNG_OUT);
    assert_true(next_packet(&in, &b, &ip) && next_packet(&in, &b, &ip) && next_packet(&in, &b, &ip));
    assert_true(ip.flags == (SKT_TCP_RST | SKT_TCP_ACK) && b.packet.direction == SKT_PCAPNG_IN && ip.seq == 1);
    assert_false(next_packet(&in, &b, &ip));
}

static void big_writes_become_segments_that_are_acknowledged(void **state)
{
    enum { SIZE = 300000 };
    skt_auto(skt_tap) struct skt_tap *tap = tap_in_memory((struct skt_tap_conf){ 0 });
    struct skt_tap_flow flow = { 0 };
    struct skt_pcapng_block b;
    struct skt_ip_packet ip;
    struct skt_span in;
    uint8_t *bytes = calloc(1, SIZE);
    uint32_t have = 0, acked = 0;

    for (size_t i = 0; i < SIZE; i++)
        bytes[i] = (uint8_t)(i * 31 >> 3);
    skt_tap_stream_open(tap, 1, &flow, &here, &there, true, NULL);
    skt_tap_stream_data(tap, 2, &flow, SKT_TAP_OUT, skt_span_of(bytes, SIZE));
    in = skt_tap_bytes(tap);
    for (int i = 0; i < 3; i++)
        assert_true(next_packet(&in, &b, &ip));
    while (next_packet(&in, &b, &ip)) {
        if (b.packet.direction == SKT_PCAPNG_IN) {
            acked = ip.ack - 1;
            assert_int_equal(acked, have);
            continue;
        }
        assert_int_equal(ip.seq, 1 + have);
        assert_memory_equal(ip.payload.p, bytes + have, skt_len(ip.payload));
        have += (uint32_t)skt_len(ip.payload);
        assert_in_range(have - acked, 1, 65535); /* never more than the window */
    }
    assert_int_equal(have, SIZE);
    free(bytes);
}

static void unseen_bytes_are_packets_without_a_body(void **state)
{
    skt_auto(skt_tap) struct skt_tap *tap = tap_in_memory((struct skt_tap_conf){ 0 });
    struct skt_tap_flow flow = { 0 };
    struct skt_pcapng_block b;
    struct skt_ip_packet ip;
    struct skt_span in;
    uint64_t len = 0;

    skt_tap_stream_open(tap, 1, &flow, &here, &there, true, NULL);
    skt_tap_stream_skip(tap, 2, &flow, SKT_TAP_IN, 5000000000);
    in = skt_tap_bytes(tap);
    while (next_packet(&in, &b, &ip)) {
        assert_int_equal(skt_len(b.packet.bytes), 40);
        len += b.packet.len - 40;
    }
    assert_true(len == 5000000000);
    assert_int_equal(flow.next[SKT_TAP_IN], 1 + (uint32_t)5000000000);
}

static void a_train_is_its_datagrams(void **state)
{
    skt_auto(skt_tap) struct skt_tap *tap = tap_in_memory((struct skt_tap_conf){ 0 });
    struct skt_addr v6 = { .family = SKT_IP6, .port = 1, .ip = { [15] = 1 } };
    const char *want[] = { "abc", "def", "g", "" };
    struct skt_pcapng_block b;
    struct skt_ip_packet ip;
    struct skt_span in;

    skt_tap_datagram(tap, 1, 0, SKT_TAP_OUT, &v6, &v6, skt_span_str("abcdefg"), 3);
    skt_tap_datagram(tap, 1, 0, SKT_TAP_IN, &v6, &v6, skt_span_str(""), 0);
    in = skt_tap_bytes(tap);
    for (int i = 0; i < 4; i++) {
        assert_true(next_packet(&in, &b, &ip));
        assert_true(ip.protocol == SKT_IP_UDP && ip.from.family == SKT_IP6);
        assert_true(skt_span_is(ip.payload, want[i]));
    }
    assert_false(next_packet(&in, &b, &ip));
}

static void unix_sockets_get_addresses_and_a_comment(void **state)
{
    skt_auto(skt_tap) struct skt_tap *tap = tap_in_memory((struct skt_tap_conf){ 0 });
    struct skt_addr server = { .family = SKT_LOCAL, .id = 0x102 }, nobody = { 0 };
    struct skt_tap_flow a = { 0 }, c = { 0 };
    struct skt_pcapng_block b;
    struct skt_ip_packet ip;
    struct skt_span in;

    skt_tap_stream_open(tap, 1, &a, &server, &nobody, false, "/run/\x1b[2Jx");
    skt_tap_stream_open(tap, 1, &c, &server, &nobody, false, NULL);
    assert_int_not_equal(a.peer.port, c.peer.port);
    in = skt_tap_bytes(tap);
    assert_true(next_packet(&in, &b, &ip));
    assert_true(skt_span_is(b.packet.comment, "/run/\\x1b[2Jx"));
    assert_memory_equal(ip.to.ip, "\x7f\x01\x01\x02", 4);
    assert_memory_equal(ip.from.ip, "\x7f\x02\x00\x00", 4);
    while (next_packet(&in, &b, &ip))
        assert_int_equal(skt_len(b.packet.comment), 0);
}

static void families_that_differ_meet_in_ipv6(void **state)
{
    skt_auto(skt_tap) struct skt_tap *tap = tap_in_memory((struct skt_tap_conf){ 0 });
    struct skt_addr v6 = { .family = SKT_IP6, .port = 1, .ip = { [15] = 1 } };
    struct skt_pcapng_block b;
    struct skt_ip_packet ip;
    struct skt_span in;

    skt_tap_datagram(tap, 1, 0, SKT_TAP_OUT, &here, &v6, skt_span_str("x"), 0);
    in = skt_tap_bytes(tap);
    assert_true(next_packet(&in, &b, &ip));
    assert_memory_equal(ip.from.ip, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\0\0\x01", 16);
}

static void snap_cuts_packets_and_says_how_long_they_were(void **state)
{
    skt_auto(skt_tap) struct skt_tap *tap = tap_in_memory((struct skt_tap_conf){ .snap = 50 });
    struct skt_pcapng_block b;
    struct skt_ip_packet ip;
    struct skt_span in;
    char bytes[100] = "";

    skt_tap_datagram(tap, 1, 0, SKT_TAP_OUT, &here, &there, skt_span_of(bytes, sizeof bytes), 0);
    in = skt_tap_bytes(tap);
    assert_true(next_packet(&in, &b, &ip));
    assert_int_equal(skt_len(b.packet.bytes), 50);
    assert_int_equal(b.packet.len, 128);
}

static size_t file_size(const char *path)
{
    struct stat st;

    assert_int_equal(stat(path, &st), 0);
    return (size_t)st.st_size;
}

/* Reads the whole file: 1 block after the other to its very end. */
static void check_whole(const char *path, uint64_t *ret_packets, uint64_t *ret_dropped)
{
    size_t n = file_size(path);
    uint8_t *bytes = malloc(n + 1);
    int fd = open(path, O_RDONLY);
    struct skt_span in = skt_span_of(bytes, n);
    struct skt_pcapng_block b;

    assert_true(fd >= 0 && read(fd, bytes, n) == (ssize_t)n);
    close(fd);
    memset(&reader, 0, sizeof reader);
    *ret_packets = *ret_dropped = 0;
    while (skt_pcapng_get(&reader, &in, &b) == 1) {
        *ret_packets += b.kind == SKT_PCAPNG_PACKET;
        *ret_dropped += b.kind == SKT_PCAPNG_STATS ? b.dropped : 0;
    }
    assert_int_equal(skt_len(in), 0);
    free(bytes);
}

static char path[] = "tap-XXXXXX";

static int make_path(void **state)
{
    int fd;

    memcpy(path, "tap-XXXXXX", sizeof path);
    fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int drop_path(void **state) { return unlink(path); }

static void a_capture_stops_at_its_cap_and_counts_the_rest(void **state)
{
    struct skt_tap_conf conf = { .max_bytes = 200000 };
    char bytes[1000] = "";
    struct skt_tap *tap;
    uint64_t packets, dropped;

    assert_int_equal(skt_tap_open(path, &conf, &tap), 0);
    for (int i = 0; i < 1000; i++)
        skt_tap_datagram(tap, i, 0, SKT_TAP_OUT, &here, &there, skt_span_of(bytes, sizeof bytes), 0);
    assert_int_equal(skt_tap_close(tap), 0);
    assert_in_range(file_size(path), 190000, 200000);
    check_whole(path, &packets, &dropped);
    assert_int_equal(packets + dropped, 1000);
    assert_in_range(packets, 150, 199);
}

static void a_full_disk_is_told_and_leaves_a_whole_file(void **state)
{
    struct skt_tap_conf conf = { 0 };
    struct rlimit old, small = { .rlim_cur = 100000 };
    char bytes[1000] = "";
    struct skt_tap *tap;
    uint64_t packets, dropped;

    signal(SIGXFSZ, SIG_IGN); /* then write says EFBIG, as it says ENOSPC on a full disk: in the middle of a block */
    getrlimit(RLIMIT_FSIZE, &old);
    small.rlim_max = old.rlim_max;
    setrlimit(RLIMIT_FSIZE, &small);
    assert_int_equal(skt_tap_open(path, &conf, &tap), 0);
    for (int i = 0; i < 300; i++)
        skt_tap_datagram(tap, i, 0, SKT_TAP_OUT, &here, &there, skt_span_of(bytes, sizeof bytes), 0);
    assert_int_equal(skt_tap_flush(tap), -EFBIG);
    assert_int_equal(skt_tap_close(tap), -EFBIG);
    setrlimit(RLIMIT_FSIZE, &old);
    check_whole(path, &packets, &dropped);
    assert_in_range(packets, 50, 100);
}

static void a_full_device_is_told(void **state)
{
    struct skt_tap_conf conf = { 0 };
    struct skt_tap *tap;

    if (access("/dev/full", W_OK))
        skip();
    assert_int_equal(skt_tap_open("/dev/full", &conf, &tap), 0);
    assert_int_equal(skt_tap_close(tap), -ENOSPC);
    assert_int_equal(skt_tap_open("/nonexistent/x", &conf, &tap), -ENOENT);
    assert_int_equal(skt_tap_close(NULL), 0);
}

#define FILE_TEST(name) cmocka_unit_test_setup_teardown(name, make_path, drop_path)
RUN(T(a_stream_is_a_whole_tcp_conversation), T(a_reset_ends_it_at_once),
    T(big_writes_become_segments_that_are_acknowledged), T(unseen_bytes_are_packets_without_a_body),
    T(a_train_is_its_datagrams), T(unix_sockets_get_addresses_and_a_comment), T(families_that_differ_meet_in_ipv6),
    T(snap_cuts_packets_and_says_how_long_they_were), FILE_TEST(a_capture_stops_at_its_cap_and_counts_the_rest),
    FILE_TEST(a_full_disk_is_told_and_leaves_a_whole_file), T(a_full_device_is_told))
