/* drive/raw/packet.c and packetlook.c over real cables: frames whole and in order, tags, trains, a full ring, and what is said
 * of interfaces that will not do, go down, or go for good. */
#include "cables.h"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

static struct {
    int fails, error;
    uint32_t asked, bytes; /* how often, and for how much, last */
} rings;

int __real_setsockopt(int fd, int level, int name, const void *value, socklen_t len);
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t len);

int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
    struct tpacket_req req;

    if (level != SOL_PACKET || name != PACKET_RX_RING)
        return __real_setsockopt(fd, level, name, value, len);
    memcpy(&req, value, sizeof req);
    rings.asked++;
    rings.bytes = req.tp_block_nr * req.tp_block_size;
    if (!rings.fails)
        return __real_setsockopt(fd, level, name, value, len);
    rings.fails--;
    errno = rings.error;
    return -1;
}

static void refused(const char *name, int error, const char *words)
{
    struct skt_packet *p = NULL;
    char text[300] = "";
    struct skt_room why = skt_room_of(text, sizeof text - 1);

    assert_int_equal(skt_packet_open(name, 0, &p, &why), error);
    assert_null(p);
    if (!strstr(text, name) || !strstr(text, words))
        fail_msg("'%s' without '%s'", text, words);
    assert_int_equal(skt_packet_open(name, 0, &p, NULL), error);
}

static void an_interface_that_will_not_do_is_refused_with_the_way_out(void **state)
{
    refused("none", -ENODEV, "is not there");
    refused("a-name-that-is-much-too-long", -ENODEV, "is not there");
    refused("lo", -EMEDIUMTYPE, "is not Ethernet");
    assert_true(ip("link set dev d down"));
    refused("d", -ENETDOWN, "ip link set dev d up");
    assert_true(ip("link set dev d up"));
    if (!ip("link add name br type bridge"))
        return; /* a kernel without bridges */
    assert_true(ip("link set dev d master br"));
    refused("d", -EBUSY, "nomaster");
    assert_true(ip("link del dev br"));
}

static void what_is_known_of_it_is_true(void **state)
{
    skt_auto(skt_packet) struct skt_packet *a = port("a", 0), *b = port("b", 0);

    assert_string_equal(skt_packet_name(a), "a");
    assert_int_equal(skt_packet_mtu(a), 1500);
    assert_int_equal(skt_packet_peer(a), skt_packet_index(b));
    assert_int_equal(skt_packet_peer(b), skt_packet_index(a));
    assert_int_equal(skt_packet_alive(a), 0);
    assert_false(skt_packet_hosted(a));
    assert_true(ip("addr add 10.77.0.1/24 dev a"));
    assert_true(skt_packet_hosted(a));
    assert_true(ip("addr del 10.77.0.1/24 dev a"));
}

static void a_frame_arrives_whole_with_its_time_and_only_there(void **state)
{
    skt_auto(skt_packet) struct skt_packet *a = port("a", 0), *b = port("b", 0);
    struct skt_packet_in in;
    struct timespec now;

    assert_false(skt_packet_ready(b));
    send_frame(a, frame_of(1, 60));
    in = next(b);
    is_frame(in.frame, 1, 60);
    assert_true(in.train == SKT_TRAIN_NONE && !in.debt.start);
    (void)clock_gettime(CLOCK_REALTIME, &now);
    assert_in_range(now.tv_sec * SKT_SEC + now.tv_nsec - in.came, 0, 10 * SKT_SEC);
    assert_false(skt_packet_next(b, &in));
    assert_false(skt_packet_next(a, &in)); /* what we send does not come back to us */
    send_frame(b, frame_of(2, 1514));
    in = next(a);
    is_frame(in.frame, 2, 1514);
}

static void without_memory_for_its_ring_it_takes_a_smaller_one(void **state)
{
    memset(&rings, 0, sizeof rings);
    rings.fails = 2;
    rings.error = ENOMEM;
    {
        skt_auto(skt_packet) struct skt_packet *a = port("a", 0), *b = port("b", 1);
        rings.fails = 0;
        send_frame(b, frame_of(1, 60));
        is_frame(next(a).frame, 1, 60);
    }
    assert_int_equal(rings.asked, 3 + 1);
    memset(&rings, 0, sizeof rings);
    skt_packet_free(port("a", 0));
    assert_true(rings.asked == 1 && rings.bytes == 64 << 20);
    rings.fails = 100;
    rings.error = ENOMEM;
    refused("a", -ENOMEM, "cannot be opened");
    assert_int_equal(rings.bytes, 1 << 20); /* the smallest that it tries */
    rings.fails = 2;                        /* refused() asks twice; another error is not a matter of size */
    rings.error = EINVAL;
    rings.asked = 0;
    refused("a", -EINVAL, "cannot be opened");
    assert_int_equal(rings.asked, 2);
}

static void batches_come_in_order_round_the_ring(void **state)
{
    skt_auto(skt_packet) struct skt_packet *a = port("a", 0), *b = port("b", 1); /* the smallest: 512 slots */
    struct skt_packet_out out[SKT_PACKET_BATCH];
    struct skt_packet_stats stats;
    uint32_t sent = 0, got = 0;

    while (got < 2000) {
        for (uint32_t i = 0; i < SKT_PACKET_BATCH; i++)
            out[i] = (struct skt_packet_out){ .frame = frame_of(sent + i, 60 + (sent + i) % 700) };
        assert_int_equal(skt_packet_send(a, out, SKT_PACKET_BATCH), SKT_PACKET_BATCH);
        for (sent += SKT_PACKET_BATCH; got < sent; got++) {
            struct skt_packet_in in = next(b);
            is_frame(in.frame, got, 60 + got % 700);
        }
    }
    skt_packet_stats(b, &stats);
    assert_true(stats.frames == got && !stats.missed && !stats.cut && !stats.trains);
}

static void what_finds_the_ring_full_is_counted(void **state)
{
    skt_auto(skt_packet) struct skt_packet *a = port("a", 0), *b = port("b", 1);
    struct skt_packet_stats stats;
    struct skt_packet_in in;
    uint32_t n = 0;

    for (uint32_t i = 0; i < 1000; i++)
        send_frame(a, frame_of(i, 100));
    for (; skt_packet_next(b, &in); n++)
        is_frame(in.frame, n, 100);
    skt_packet_stats(b, &stats);
    assert_true(0 < n && n < 1000);
    assert_int_equal(stats.frames, n);
    assert_int_equal(stats.missed, 1000 - n);
    skt_packet_stats(b, &stats); /* counted once */
    assert_int_equal(stats.missed, 1000 - n);
    send_frame(a, frame_of(7, 100)); /* and it goes on */
    in = next(b);
    is_frame(in.frame, 7, 100);
}

static void a_tag_that_the_kernel_takes_out_is_put_in_again(void **state)
{
    skt_auto(skt_packet) struct skt_packet *a = port("a", 0), *b = port("b", 0);
    static const uint16_t kinds[] = { 0x8100, 0x88a8 };

    for (int i = 0; i < 2; i++) {
        uint8_t tagged[104];
        struct skt_span plain = frame_of(3, 100);
        struct skt_room out = skt_room_of(tagged, sizeof tagged);
        struct skt_packet_in in;

        skt_put(&out, skt_span_of(plain.p, 12));
        skt_put_u16(&out, kinds[i]);
        skt_put_u16(&out, 0x6123); /* priority 3, network 0x123 */
        skt_put(&out, skt_span_of(plain.p + 12, 88));
        send_frame(a, skt_span_of(tagged, sizeof tagged));
        in = next(b);
        assert_int_equal(skt_len(in.frame), sizeof tagged);
        assert_memory_equal(in.frame.p, tagged, sizeof tagged);
        assert_int_equal(skt_frame_packet(in.frame), 18);
    }
}

/* A socket that sends from a to 10.77.0.2, which nobody is asked for. */
static int sender(void)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(0x0a4d0002) };
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    assert_true(ip("addr add 10.77.0.1/24 dev a"));
    assert_true(ip("neigh replace 10.77.0.2 lladdr 02:02:02:02:02:02 dev a"));
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

static void a_train_comes_whole_and_can_be_cut(void **state)
{
    skt_auto(skt_packet) struct skt_packet *b = port("b", 0);
    static uint8_t body[20500];
    uint16_t seg = 1000;
    int size = seg, fd = sender();
    struct skt_packet_stats stats;
    struct skt_packet_in in;
    struct skt_cut cut;

    for (size_t i = 0; i < sizeof body; i++)
        body[i] = (uint8_t)(i * 31 ^ i >> 8);
    assert_int_equal(setsockopt(fd, IPPROTO_UDP, 103 /* UDP_SEGMENT */, &size, sizeof size), 0);
    assert_int_equal(send(fd, body, sizeof body, 0), sizeof body);
    in = next(b);
    assert_int_equal(in.train, SKT_TRAIN_UDP);
    assert_int_equal(in.seg, seg);
    assert_int_equal(skt_len(in.frame), 14 + 20 + 8 + sizeof body);
    assert_int_equal(in.debt.start, 14 + 20); /* its checksum is left to the card */
    assert_memory_equal(in.frame.p + 14 + 20 + 8, body, sizeof body);
    assert_int_equal(skt_cut_init(&cut, in.frame, in.train, in.seg, in.debt), 0);
    assert_int_equal(cut.n, 21);
    skt_packet_stats(b, &stats);
    assert_true(stats.trains == 1 && !stats.cut && !stats.foreign);
    assert_true(ip("addr del 10.77.0.1/24 dev a"));
    close(fd);
}

static void what_is_longer_than_the_interface_takes_is_refused(void **state)
{
    skt_auto(skt_packet) struct skt_packet *a = port("a", 0), *b = port("b", 0);
    struct skt_packet_out out[] = { { .frame = frame_of(1, 100) }, { .frame = frame_of(2, 3000) },
        { .frame = frame_of(3, 100) } };
    struct skt_packet_in in;

    assert_int_equal(skt_packet_send(a, out, 3), 1); /* those before it go */
    assert_int_equal(skt_packet_send(a, out + 1, 2), -EMSGSIZE);
    assert_int_equal(skt_packet_send(a, out + 2, 1), 1);
    in = next(b);
    is_frame(in.frame, 1, 100);
    in = next(b);
    is_frame(in.frame, 3, 100);
}

/* Waits for the error that the kernel tells. */
static int alive(struct skt_packet *p)
{
    struct pollfd wait = { .fd = skt_packet_fd(p), .events = POLLIN };

    (void)poll(&wait, 1, 5000);
    return skt_packet_alive(p);
}

static void down_is_told_and_up_again_it_goes_on(void **state)
{
    skt_auto(skt_packet) struct skt_packet *a = port("a", 0), *b = port("b", 0);
    struct skt_packet_out out = { .frame = frame_of(1, 100) };
    struct skt_packet_in in;

    assert_true(ip("link set dev a down"));
    assert_int_equal(alive(a), -ENETDOWN);
    assert_int_equal(skt_packet_alive(a), 0); /* told once; there it is */
    assert_int_equal(skt_packet_send(a, &out, 1), -ENETDOWN);
    assert_true(ip("link set dev a up"));
    for (int i = 0; i < 500 && skt_packet_send(a, &out, 1) != 1; i++)
        (void)poll(NULL, 0, 10);
    in = next(b);
    is_frame(in.frame, 1, 100);
}

static void gone_for_good_is_another_thing(void **state)
{
    skt_auto(skt_packet) struct skt_packet *a = NULL;
    struct skt_packet_out out = { .frame = frame_of(1, 100) };
    int r;

    assert_true(ip("link add name e type veth peer name f") && ip("link set dev e up") && ip("link set dev f up"));
    a = port("e", 0);
    assert_true(ip("link del dev e"));
    assert_int_equal(alive(a), -ENODEV);
    r = skt_packet_send(a, &out, 1);
    assert_true(r == -ENXIO || r == -ENETDOWN || r == -ENODEV);
    assert_true(ip("link add name e type veth peer name f")); /* another one of that name is not the same */
    assert_int_equal(skt_packet_alive(a), -ENODEV);
    assert_true(ip("link del dev e"));
}

CABLES_MAIN(T(an_interface_that_will_not_do_is_refused_with_the_way_out), T(what_is_known_of_it_is_true),
    T(a_frame_arrives_whole_with_its_time_and_only_there), T(without_memory_for_its_ring_it_takes_a_smaller_one),
    T(batches_come_in_order_round_the_ring), T(what_finds_the_ring_full_is_counted),
    T(a_tag_that_the_kernel_takes_out_is_put_in_again), T(a_train_comes_whole_and_can_be_cut),
    T(what_is_longer_than_the_interface_takes_is_refused), T(down_is_told_and_up_again_it_goes_on),
    T(gone_for_good_is_another_thing))
