/* drive/tap.c, read by Wireshark's own code: addresses, directions, times, streams. Skipped where tshark is missing. */
#include "test.h"

#include "drive/tap.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char path[] = "tshark-XXXXXX";

/* What tshark prints with these options, checksums checked. */
static const char *tshark(const char *options)
{
    static char text[8192];
    char command[512];
    size_t n;
    FILE *pipe;

    snprintf(command, sizeof command,
        "tshark -n -r %s -o ip.check_checksum:TRUE -o tcp.check_checksum:TRUE -o udp.check_checksum:TRUE %s 2>/dev/null",
        path, options);
    pipe = popen(command, "r");
    assert_non_null(pipe);
    n = fread(text, 1, sizeof text - 1, pipe);
    text[n] = 0;
    assert_int_equal(pclose(pipe), 0);
    return text;
}

static void write_capture(void)
{
    const struct skt_addr here = { .family = SKT_IP4, .port = 9000, .ip = { 127, 0, 0, 1 } };
    const struct skt_addr there = { .family = SKT_IP4, .port = 40000, .ip = { 10, 1, 2, 3 } };
    const struct skt_addr v6 = { .family = SKT_IP6, .port = 5000, .ip = { [15] = 1 } };
    struct skt_addr w6 = v6;
    const struct skt_addr local = { .family = SKT_LOCAL, .id = 1 };
    struct skt_tap_conf conf = { .wall = 1700000000 * SKT_SEC, .name = "eth7" };
    struct skt_tap_flow a = { 0 }, b = { 0 }, c = { 0 };
    static uint8_t big[200000];
    struct skt_tap *tap;

    w6.port = 6000;
    memset(big, 'z', sizeof big);
    assert_int_equal(skt_tap_open(path, &conf, &tap), 0);
    skt_tap_stream_open(tap, 1, &a, &here, &there, false, NULL);
    skt_tap_stream_data(tap, SKT_SEC + 123456789, &a, SKT_TAP_IN, skt_span_str("ping?"));
    skt_tap_stream_open(tap, 2 * SKT_SEC, &b, &here, &local, true, "/run/x.sock");
    skt_tap_stream_data(tap, 2 * SKT_SEC, &a, SKT_TAP_OUT, skt_span_str("pong!"));
    skt_tap_stream_data(tap, 3 * SKT_SEC, &b, SKT_TAP_OUT, skt_span_of(big, sizeof big));
    skt_tap_datagram(tap, 3 * SKT_SEC, 0, SKT_TAP_OUT, &v6, &v6, skt_span_str("onetwo"), 3);
    skt_tap_stream_close(tap, 4 * SKT_SEC, &a, SKT_TAP_OUT, false);
    skt_tap_stream_close(tap, 4 * SKT_SEC, &b, SKT_TAP_OUT, true);
    skt_tap_stream_open(tap, 5 * SKT_SEC, &c, &v6, &w6, true, NULL);
    skt_tap_stream_skip(tap, 5 * SKT_SEC, &c, SKT_TAP_OUT, 1000000);
    skt_tap_stream_close(tap, 5 * SKT_SEC, &c, SKT_TAP_OUT, false);
    assert_int_equal(skt_tap_close(tap), 0);
}

static void it_finds_nothing_wrong(void **state)
{
    assert_string_equal(tshark("-Y _ws.malformed"), "");
    assert_string_equal(tshark("-Y 'tcp.checksum.status==0 || udp.checksum.status==0 || ip.checksum.status==0'"), "");
    assert_string_equal(tshark("-Y 'tcp.analysis.flags && !tcp.analysis.reused_ports'"), "");
}

static void it_shows_addresses_directions_and_times(void **state)
{
    assert_string_equal(
        tshark("-Y 'tcp.stream==0 && tcp.len>0' -T fields -E separator=, -e frame.time_epoch -e ip.src -e tcp.srcport "
               "-e ip.dst -e tcp.dstport -e frame.packet_flags_direction -e frame.interface_name"),
        "1700000001.123456789,10.1.2.3,40000,127.0.0.1,9000,0x00000001,eth7\n"
        "1700000002.000000000,127.0.0.1,9000,10.1.2.3,40000,0x00000002,eth7\n");
    assert_string_equal(tshark("-Y udp -T fields -E separator=, -e ipv6.src -e udp.dstport -e udp.length"),
        "::1,5000,11\n::1,5000,11\n");
}

static void it_follows_streams(void **state)
{
    const char *text = tshark("-q -z follow,tcp,ascii,0");

    assert_non_null(strstr(text, "Node 0: 10.1.2.3:40000"));
    assert_non_null(strstr(text, "ping?"));
    assert_non_null(strstr(text, "pong!"));
    assert_string_equal(tshark("-2 -Y 'tcp.stream==0 && tcp.flags.syn==1' -T fields -e tcp.completeness"), "31\n31\n");
    assert_string_equal(tshark("-Y 'tcp.stream==1 && tcp.flags.reset==1' -T fields -e tcp.seq"), "200001\n");
    assert_string_equal(tshark("-Y 'tcp.stream==2 && tcp.flags.fin==1' -T fields -e tcp.seq"), "1000001\n1\n");
}

static void it_shows_the_path_of_a_unix_socket(void **state)
{
    assert_string_equal(
        tshark("-Y 'frame.comment' -T fields -E separator=, -e frame.comment -e ip.dst"), "/run/x.sock,127.2.0.0\n");
}

static int make_capture(void **state)
{
    int fd = mkstemp(path);

    if (fd < 0)
        return -1;
    close(fd);
    write_capture();
    return 0;
}

static int drop_capture(void **state) { return unlink(path); }

int main(void)
{
    const struct CMUnitTest tests[] = { T(it_finds_nothing_wrong), T(it_shows_addresses_directions_and_times),
        T(it_follows_streams), T(it_shows_the_path_of_a_unix_socket) };

    if (system("tshark -v >/dev/null 2>&1"))
        return 77;
    return cmocka_run_group_tests(tests, make_capture, drop_capture);
}
