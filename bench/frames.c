/* frames: numbered Ethernet frames one way, and who counts them, at as little cost as can be: frames of a type that no
 * protocol wants, so that the bridge between is what is measured and not the ends' IP and UDP.
 *   frames send IFACE COUNT RATE SIZE       COUNT of them, RATE a second (0: as fast as it goes)
 *   frames sink IFACE COUNT SECONDS         until COUNT have come, or none for SECONDS; prints what came */
#include "common.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

enum {
    TYPE = 0x88b5, /* IEEE 802: for local experiments */
    BATCH = 32,
    LONGEST = 1514,
    AT = ETH_HLEN, /* of the number */
    BLOCK = 1 << 20,
    BLOCKS = 64,
    RETIRE_MS = 5 /* a block that is not full is given to us after so long */
};

static int packet_socket(const char *name, int type)
{
    struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons((uint16_t)type) };
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

    at.sll_ifindex = (int)if_nametoindex(name);
    if (fd < 0 || !at.sll_ifindex)
        bench_die("%s", name);
    if (bind(fd, (struct sockaddr *)&at, sizeof at))
        bench_die("bind %s", name);
    return fd;
}

static void send_all(char **argv)
{
    static uint8_t bytes[BATCH][LONGEST];
    static struct iovec iov[BATCH];
    static struct mmsghdr msgs[BATCH];
    uint32_t count = bench_number(argv[1], 1, UINT32_MAX), rate = bench_number(argv[2], 0, UINT32_MAX), sent = 0;
    uint32_t size = bench_number(argv[3], 60, LONGEST);
    int fd = packet_socket(argv[0], 0), on = 1;
    int64_t began;

    (void)setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof on);
    for (int i = 0; i < BATCH; i++) {
        static const uint8_t head[ETH_HLEN] = { 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, TYPE >> 8, TYPE & 255 };
        memcpy(bytes[i], head, sizeof head);
        iov[i] = (struct iovec){ .iov_base = bytes[i], .iov_len = size };
        msgs[i].msg_hdr = (struct msghdr){ .msg_iov = &iov[i], .msg_iovlen = 1 };
    }
    began = bench_now();
    while (sent < count) {
        uint32_t n = count - sent < BATCH ? count - sent : BATCH;
        int r;

        while (rate && bench_now() - began < (int64_t)((double)sent * 1e9 / rate)) {
        }
        for (uint32_t i = 0; i < n; i++) {
            uint32_t number = htonl(sent + i);
            memcpy(bytes[i] + AT, &number, sizeof number);
        }
        r = sendmmsg(fd, msgs, n, 0);
        if (r < 0 && errno != EINTR && errno != ENOBUFS)
            bench_die("sendmmsg");
        sent += r > 0 ? (uint32_t)r : 0;
    }
    printf("sent=%u rate=%.0f\n", sent, sent / ((double)(bench_now() - began) / 1e9));
}

struct tally {
    uint8_t *seen;
    uint32_t count, came, wrong, twice, late, next;
    int64_t first, last;
};

static void take(struct tally *t, const struct tpacket3_hdr *h)
{
    const uint8_t *frame = (const uint8_t *)h + h->tp_mac;
    uint32_t number;

    if (h->tp_snaplen < AT + sizeof number) {
        t->wrong++;
        return;
    }
    memcpy(&number, frame + AT, sizeof number);
    number = ntohl(number);
    if (number >= t->count) {
        t->wrong++;
        return;
    }
    t->last = h->tp_sec * INT64_C(1000000000) + h->tp_nsec;
    t->first = t->first ? t->first : t->last;
    t->twice += t->seen[number];
    t->late += number < t->next;
    t->next = number + 1;
    t->came += !t->seen[number];
    t->seen[number] = 1;
}

static void take_block(struct tally *t, const struct tpacket_block_desc *block)
{
    const uint8_t *at = (const uint8_t *)block + block->hdr.bh1.offset_to_first_pkt;

    for (uint32_t i = 0; i < block->hdr.bh1.num_pkts; i++) {
        const struct tpacket3_hdr *h = (const void *)at;
        take(t, h);
        at += h->tp_next_offset;
    }
}

static void sink(char **argv)
{
    struct tpacket_req3 req = { .tp_block_size = BLOCK,
        .tp_block_nr = BLOCKS,
        .tp_frame_size = 2048,
        .tp_frame_nr = BLOCK / 2048 * BLOCKS,
        .tp_retire_blk_tov = RETIRE_MS };
    struct tally t = { .count = bench_number(argv[1], 1, UINT32_MAX) };
    int patience = (int)bench_number(argv[2], 1, 3600) * 1000, version = TPACKET_V3, fd;
    struct tpacket_stats_v3 stats = { 0 };
    socklen_t len = sizeof stats;
    struct pollfd p;
    uint8_t *ring;
    uint32_t at = 0;

    t.seen = bench_alloc(t.count);
    fd = packet_socket(argv[0], TYPE);
    if (setsockopt(fd, SOL_PACKET, PACKET_VERSION, &version, sizeof version) ||
        setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &req, sizeof req))
        bench_die("ring");
    ring = mmap(NULL, (size_t)BLOCK * BLOCKS, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
    if (ring == MAP_FAILED)
        bench_die("mmap");
    p = (struct pollfd){ .fd = fd, .events = POLLIN };
    while (t.came < t.count) {
        struct tpacket_block_desc *block = (void *)(ring + (size_t)at * BLOCK);

        if (!(__atomic_load_n(&block->hdr.bh1.block_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER)) {
            if (poll(&p, 1, patience) <= 0)
                break;
            continue;
        }
        take_block(&t, block);
        __atomic_store_n(&block->hdr.bh1.block_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
        at = (at + 1) % BLOCKS;
    }
    (void)getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &stats, &len);
    printf("came=%u lost=%u twice=%u late=%u wrong=%u sink_missed=%u rate=%.0f\n", t.came, t.count - t.came, t.twice,
        t.late, t.wrong, stats.tp_drops, t.last > t.first ? t.came / ((double)(t.last - t.first) / 1e9) : 0);
    free(t.seen);
}

int main(int argc, char **argv)
{
    if (argc == 6 && !strcmp(argv[1], "send"))
        send_all(argv + 2);
    else if (argc == 5 && !strcmp(argv[1], "sink"))
        sink(argv + 2);
    else {
        fprintf(stderr, "usage: frames send IFACE COUNT RATE SIZE | frames sink IFACE COUNT SECONDS\n");
        return 2;
    }
    return 0;
}
