/* drive/raw/bridge.c over real cables: a-b and c-d, and the bridge between b and c, so that what enters at a leaves at d. */
#include "cables.h"

#include "drive/raw/bridge.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

static struct skt_packet *a, *d;
static struct skt_bridge *bridge;

static struct skt_netem network(const char *line)
{
    struct skt_netem n = { 0 };

    assert_int_equal(skt_netem_line(&n, SKT_BOTH, line, NULL), 0);
    return n;
}

static void begin_with(const struct skt_bridge_conf *conf, const char *line)
{
    struct skt_netem n = network(line);
    char text[300] = "";
    struct skt_room why = skt_room_of(text, sizeof text - 1);

    if (skt_bridge_new(conf, &n, &bridge, &why))
        fail_msg("%s", text);
    a = port("a", 0);
    d = port("d", 0);
}

static void begin(const char *line) { begin_with(&(struct skt_bridge_conf){ .interfaces = { "b", "c" } }, line); }

static void end(void)
{
    skt_packet_free(a);
    skt_packet_free(d);
    skt_bridge_free(bridge);
    a = d = NULL;
    bridge = NULL;
}

static void step(void) { assert_int_equal(skt_bridge_step(bridge, skt_bridge_now() + SKT_MS, NULL), 1); }

/* The next frame that leaves there, within some seconds. */
static struct skt_packet_in leaves(struct skt_packet *p)
{
    skt_time late = skt_bridge_now() + 10 * SKT_SEC;
    struct skt_packet_in in;

    while (!skt_packet_next(p, &in)) {
        if (skt_bridge_now() > late)
            fail_msg("nothing leaves at %s", skt_packet_name(p));
        step();
    }
    return in;
}

static struct skt_bridge_way way(enum skt_way which)
{
    struct skt_bridge_way w;

    skt_bridge_stats(bridge, which, &w);
    return w;
}

static void frames_pass_both_ways_as_they_are(void **state)
{
    struct skt_packet_in in;

    begin("clear");
    for (uint32_t i = 0; i < 500; i++) {
        send_frame(a, frame_of(i, 60 + i));
        send_frame(d, frame_of(i + 7, 1514 - i));
        in = leaves(d);
        is_frame(in.frame, i, 60 + i);
        in = leaves(a);
        is_frame(in.frame, i + 7, 1514 - i);
    }
    assert_int_equal(way(SKT_UP).line.way.in, 500);
    assert_int_equal(way(SKT_DOWN).line.way.out, 500);
    assert_true(!way(SKT_UP).missed && !way(SKT_UP).refused && !way(SKT_UP).cut);
    assert_null(skt_bridge_gone(bridge));
    assert_null(skt_bridge_hosted(bridge));
    end();
}

static void a_pair_that_would_go_round_for_ever_is_refused(void **state)
{
    static const struct {
        const char *interfaces[2], *words;
    } wrong[] = { { { "b", "b" }, "twice" }, { { "a", "b" }, "two ends of one cable" } };
    const struct skt_netem n = { 0 };

    for (int i = 0; i < 2; i++) {
        struct skt_bridge_conf conf = { .interfaces = { wrong[i].interfaces[0], wrong[i].interfaces[1] } };
        char text[300] = "";
        struct skt_room why = skt_room_of(text, sizeof text - 1);

        assert_int_equal(skt_bridge_new(&conf, &n, &bridge, &why), -EINVAL);
        assert_null(bridge);
        assert_non_null(strstr(text, wrong[i].words));
    }
}

static void a_delay_is_kept_each_way(void **state)
{
    skt_time sent;

    begin("delay 40ms");
    for (int i = 0; i < 5; i++) {
        sent = skt_bridge_now();
        send_frame(i & 1 ? d : a, frame_of(1, 100));
        (void)leaves(i & 1 ? a : d);
        assert_in_range(skt_bridge_now() - sent, 40 * SKT_MS, 5 * SKT_SEC); /* above: the machine is busy */
    }
    end();
}

static void a_seed_loses_the_packets_that_the_path_says(void **state)
{
    enum { N = 400 };
    struct skt_netem n = network("loss 30% 20% seed 77");
    struct skt_path path;
    struct skt_packet_in in;
    uint32_t lost = 0;

    begin("loss 30% 20% seed 77");
    skt_path_init(&path, &n.way[SKT_UP], n.seed, SKT_UP);
    for (uint32_t i = 0; i < N; i++) {
        send_frame(a, frame_of(i, 100));
        if (!skt_path_pass(&path, 0, 100, i).copies) {
            lost++;
            continue;
        }
        in = leaves(d); /* if another one was lost instead, this is the wrong one, or none */
        is_frame(in.frame, i, 100);
    }
    assert_in_range(lost, N / 5, N * 2 / 5);
    while (way(SKT_UP).line.way.in < N)
        step();
    assert_int_equal(way(SKT_UP).line.way.lost, lost);
    assert_false(skt_packet_next(d, &in));
    skt_path_done(&path);
    end();
}

static void the_network_may_change_meanwhile(void **state)
{
    struct skt_netem all = network("loss 100%"), none = network("clear");
    struct skt_packet_in in;

    begin("clear");
    send_frame(a, frame_of(1, 100));
    (void)leaves(d);
    skt_bridge_set(bridge, &all);
    send_frame(a, frame_of(2, 100));
    while (way(SKT_UP).line.way.in < 2)
        step();
    skt_bridge_set(bridge, &none);
    send_frame(a, frame_of(3, 100));
    in = leaves(d);
    is_frame(in.frame, 3, 100);
    assert_int_equal(way(SKT_UP).line.way.lost, 1);
    end();
}

static void what_is_above_its_mtu_vanishes(void **state)
{
    struct skt_packet_in in;

    begin_with(&(struct skt_bridge_conf){ .interfaces = { "b", "c" }, .mtu = 500 }, "clear");
    send_frame(a, frame_of(1, 514 + 1)); /* an Ethernet header besides */
    send_frame(a, frame_of(2, 514));
    in = leaves(d);
    is_frame(in.frame, 2, 514);
    assert_int_equal(way(SKT_UP).line.way.in, 2);
    assert_int_equal(way(SKT_UP).line.blackholed, 1);
    end();
}

static void a_train_leaves_as_single_frames(void **state)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(0x0a4d0002) };
    int seg = 1000, fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    static uint8_t body[20500];

    for (size_t i = 0; i < sizeof body; i++)
        body[i] = (uint8_t)(i * 31 ^ i >> 8);
    assert_true(ip("addr add 10.77.0.1/24 dev a"));
    assert_true(ip("neigh replace 10.77.0.2 lladdr 02:02:02:02:02:02 dev a"));
    begin("clear");
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    assert_int_equal(setsockopt(fd, IPPROTO_UDP, 103 /* UDP_SEGMENT */, &seg, sizeof seg), 0);
    assert_int_equal(send(fd, body, sizeof body, 0), sizeof body);
    for (size_t at = 0; at < sizeof body; at += (size_t)seg) {
        size_t n = sizeof body - at < (size_t)seg ? sizeof body - at : (size_t)seg;
        struct skt_packet_in in = leaves(d);

        assert_int_equal(in.train, SKT_TRAIN_NONE);
        assert_int_equal(skt_len(in.frame), 14 + 20 + 8 + n);
        assert_memory_equal(in.frame.p + 14 + 20 + 8, body + at, n);
    }
    assert_int_equal(way(SKT_UP).trains, 1);
    assert_int_equal(way(SKT_UP).line.way.in, 21);
    assert_true(ip("addr del 10.77.0.1/24 dev a"));
    close(fd);
    end();
}

static void an_interface_that_goes_down_is_news_and_so_is_its_return(void **state)
{
    const char *name = NULL;
    struct skt_packet_in in;
    bool up = true;

    begin("clear");
    assert_false(skt_bridge_news(bridge, &name, &up));
    assert_true(ip("link set dev c down"));
    while (!skt_bridge_news(bridge, &name, &up))
        step();
    assert_string_equal(name, "c");
    assert_false(up);
    send_frame(a, frame_of(1, 100)); /* lost, as on a cable that is not plugged in */
    while (!way(SKT_UP).refused)
        step();
    assert_true(ip("link set dev c up"));
    for (uint32_t i = 2; skt_packet_send(d, &(struct skt_packet_out){ .frame = frame_of(i, 100) }, 1) != 1; i++)
        step();
    while (!skt_bridge_news(bridge, &name, &up))
        step();
    assert_string_equal(name, "c");
    assert_true(up);
    in = leaves(a);
    assert_int_equal(skt_len(in.frame), 100);
    end();
}

static void an_interface_that_is_gone_ends_it(void **state)
{
    int r = 1;

    assert_true(ip("link add name e type veth peer name f") && ip("link set dev e up") && ip("link set dev f up"));
    begin_with(&(struct skt_bridge_conf){ .interfaces = { "b", "e" } }, "clear");
    assert_true(ip("link del dev e"));
    for (int i = 0; i < 5000 && r == 1; i++)
        r = skt_bridge_step(bridge, skt_bridge_now() + SKT_MS, NULL);
    assert_int_equal(r, -ENODEV);
    assert_string_equal(skt_bridge_gone(bridge), "e");
    end();
}

static void nothing(int number) {}

static void a_signal_ends_the_wait(void **state)
{
    sigset_t blocked, open;

    begin("clear");
    (void)signal(SIGUSR1, nothing);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    assert_int_equal(sigprocmask(SIG_BLOCK, &blocked, &open), 0);
    (void)raise(SIGUSR1);
    assert_int_equal(skt_bridge_step(bridge, skt_bridge_now() + 100 * SKT_SEC, &open), -EINTR);
    assert_int_equal(sigprocmask(SIG_SETMASK, &open, NULL), 0);
    end();
}

CABLES_MAIN(T(frames_pass_both_ways_as_they_are), T(a_pair_that_would_go_round_for_ever_is_refused),
    T(a_delay_is_kept_each_way), T(a_seed_loses_the_packets_that_the_path_says), T(the_network_may_change_meanwhile),
    T(what_is_above_its_mtu_vanishes), T(a_train_leaves_as_single_frames),
    T(an_interface_that_goes_down_is_news_and_so_is_its_return), T(an_interface_that_is_gone_ends_it),
    T(a_signal_ends_the_wait))
