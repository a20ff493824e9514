/* packet: AF_PACKET with a ring of version 2: a slot a frame, and it can be read as soon as it is there; version 3 would
 * make the first frame of a block wait for the block. What is longer than a slot, the kernel keeps whole in the socket's
 * queue besides (PACKET_COPY_THRESH). Each frame has a virtio-net header before it, which tells of checksums and trains. */
#include "drive/raw/packet.h"

#include "base/text.h"
#include "drive/raw/packetlook.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif

enum {
    RING_DEFAULT = 64 << 20, /* 32,768 frames: 100 ms at 300,000 a second in which nobody reads */
    RING_LEAST = 1 << 20,
    RING_MOST = 1 << 30,
    BLOCK = 64 * 1024,
    SLOT_LEAST = 2048,
    SLOT_MOST = 16 * 1024,
    SLOT_HEAD = 128,   /* of a slot, before the frame: tpacket2_hdr, sockaddr_ll, virtio_net_hdr */
    BUFFER = 32 << 20, /* of the socket: trains of 64 KiB, and what a card has not sent yet */
    VNET = sizeof(struct virtio_net_hdr),
    TAG = 4 /* bytes of a VLAN tag */
};

struct skt_packet {
    int fd;
    char name[IF_NAMESIZE];
    struct packet_look look;
    uint8_t *ring; /* slots of slot bytes */
    size_t ring_bytes;
    uint32_t slot, slots, at;
    bool held; /* the slot `at` is lent out */
    bool cramped;
    struct skt_packet_stats stats;
    struct virtio_net_hdr vnet[SKT_PACKET_BATCH];
    struct iovec iov[SKT_PACKET_BATCH][2];
    struct mmsghdr msgs[SKT_PACKET_BATCH];
    uint8_t train[TAG + VNET + SKT_FRAME_MAX]; /* one that was longer than a slot */
};

/* ---- opening ---- */

static int set(int fd, int option, int value)
{
    return setsockopt(fd, SOL_PACKET, option, &value, sizeof value) ? -errno : 0;
}

static int judge(const char *name, const struct packet_look *look, struct skt_room *why)
{
    struct skt_span v = skt_span_str(name);

    if (look->type != ARPHRD_ETHER)
        return skt_refuse(why, -EMEDIUMTYPE, "interface", v, "is not Ethernet: only such can be bridged");
    if (look->master)
        return skt_refuse(why, -EBUSY, "interface", v,
            "is a port of another: frames would go both ways (take it out: ip link set dev %s nomaster)", name);
    if (!(look->flags & IFF_UP))
        return skt_refuse(why, -ENETDOWN, "interface", v, "is down (raise it: ip link set dev %s up)", name);
    return 0;
}

static int look(struct skt_packet *p, const char *name, struct skt_room *why)
{
    struct skt_span v = skt_span_str(name);
    int r = packet_look(name, &p->look);

    if (r == -ENODEV)
        return skt_refuse(why, r, "interface", v, "is not there: ip link shows which are");
    if (r)
        return skt_refuse(why, r, "interface", v, "cannot be looked at: %s", strerror(-r));
    memcpy(p->name, name, strlen(name));
    return judge(name, &p->look, why);
}

/* A big socket buffer needs CAP_NET_ADMIN; else as big as everybody may have it. */
static void make_room(struct skt_packet *p)
{
    int big = BUFFER;

    if (setsockopt(p->fd, SOL_SOCKET, SO_RCVBUFFORCE, &big, sizeof big)) {
        p->cramped = true;
        (void)setsockopt(p->fd, SOL_SOCKET, SO_RCVBUF, &big, sizeof big);
    }
    if (setsockopt(p->fd, SOL_SOCKET, SO_SNDBUFFORCE, &big, sizeof big))
        (void)setsockopt(p->fd, SOL_SOCKET, SO_SNDBUF, &big, sizeof big);
}

static int make_ring(struct skt_packet *p, uint64_t bytes)
{
    uint64_t size = !bytes ? RING_DEFAULT : bytes < RING_LEAST ? RING_LEAST : bytes < RING_MOST ? bytes : RING_MOST;
    struct tpacket_req req = { .tp_block_size = BLOCK };
    void *map;

    for (p->slot = SLOT_LEAST; p->slot < SLOT_MOST && p->slot < p->look.mtu + SLOT_HEAD;)
        p->slot *= 2;
    req.tp_frame_size = p->slot;
    for (;; size /= 2) { /* of a small machine half as much, and less */
        req.tp_block_nr = (unsigned)(size / BLOCK);
        req.tp_frame_nr = p->slots = (uint32_t)(req.tp_block_nr * (BLOCK / p->slot));
        if (!setsockopt(p->fd, SOL_PACKET, PACKET_RX_RING, &req, sizeof req))
            break;
        if (errno != ENOMEM || size / 2 < RING_LEAST)
            return -errno;
    }
    p->ring_bytes = (size_t)req.tp_block_nr * BLOCK;
    map = mmap(NULL, p->ring_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, p->fd, 0);
    if (map == MAP_FAILED)
        return -errno;
    p->ring = map;
    return 0;
}

static int start(struct skt_packet *p, uint64_t ring)
{
    struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = p->look.index };
    struct packet_mreq all = { .mr_ifindex = p->look.index, .mr_type = PACKET_MR_PROMISC };
    int on = 1, r;

    /* The protocol comes with bind: before it nothing of other interfaces gets in. */
    p->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (p->fd < 0)
        return -errno;
    make_room(p);
    if ((r = set(p->fd, PACKET_VERSION, TPACKET_V2)) || (r = set(p->fd, PACKET_VNET_HDR, 1)) ||
        (r = set(p->fd, PACKET_COPY_THRESH, 1)) || (r = make_ring(p, ring)))
        return r;
    if ((r = set(p->fd, PACKET_IGNORE_OUTGOING, 1)))
        return r; /* Linux 4.20 */
    (void)set(p->fd, PACKET_QDISC_BYPASS, 1);
    (void)setsockopt(
        p->fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on); /* the stamp is earlier: at the card, not here */
    if (bind(p->fd, (struct sockaddr *)&at, sizeof at))
        return -errno;
    if (setsockopt(p->fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof all))
        return -errno;
    return 0;
}

static int tell(const struct skt_packet *p, int r, struct skt_room *why)
{
    if (r == -EPERM || r == -EACCES)
        return skt_refuse(why, -EPERM, "interface", skt_span_str(p->name),
            "needs CAP_NET_RAW: run it as root, or give the program the right: setcap cap_net_raw,cap_net_admin+ep FILE");
    return skt_refuse(why, r, "interface", skt_span_str(p->name), "cannot be opened: %s", strerror(-r));
}

int skt_packet_open(const char *name, uint64_t ring, struct skt_packet **ret_packet, struct skt_room *why)
{
    struct skt_packet *p = calloc(1, sizeof *p);
    int r;

    if (!p)
        return -ENOMEM;
    p->fd = -1;
    r = look(p, name, why);
    if (!r && (r = start(p, ring)))
        r = tell(p, r, why);
    if (r) {
        skt_packet_free(p);
        return r;
    }
    for (uint32_t i = 0; i < SKT_PACKET_BATCH; i++) {
        p->iov[i][0] = (struct iovec){ .iov_base = &p->vnet[i], .iov_len = VNET };
        p->msgs[i].msg_hdr = (struct msghdr){ .msg_iov = p->iov[i], .msg_iovlen = 2 };
    }
    *ret_packet = p;
    return 0;
}

void skt_packet_free(struct skt_packet *packet)
{
    if (!packet)
        return;
    if (packet->ring)
        munmap(packet->ring, packet->ring_bytes);
    if (packet->fd >= 0)
        close(packet->fd);
    free(packet);
}

/* ---- in ---- */

static struct tpacket2_hdr *slot_at(const struct skt_packet *p, uint32_t i)
{
    uint32_t a_block = BLOCK / p->slot;

    return (struct tpacket2_hdr *)(void *)(p->ring + (size_t)(i / a_block) * BLOCK + (size_t)(i % a_block) * p->slot);
}

bool skt_packet_ready(const struct skt_packet *packet)
{
    uint32_t i = packet->at + packet->held;

    return __atomic_load_n(&slot_at(packet, i < packet->slots ? i : 0)->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER;
}

/* The slot that was lent out is the kernel's again. */
static void give_back(struct skt_packet *p)
{
    if (!p->held)
        return;
    __atomic_store_n(&slot_at(p, p->at)->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
    p->at = p->at + 1 < p->slots ? p->at + 1 : 0;
    p->held = false;
}

static void read_vnet(struct skt_packet *p, const uint8_t *at, struct skt_packet_in *in)
{
    struct virtio_net_hdr h;

    memcpy(&h, at, sizeof h);
    if (h.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
        in->debt = (struct skt_frame_debt){ .start = h.csum_start, .at = h.csum_offset };
    in->seg = h.gso_size;
    switch (h.gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
    case VIRTIO_NET_HDR_GSO_NONE: in->train = SKT_TRAIN_NONE; break;
    case VIRTIO_NET_HDR_GSO_TCPV4:
    case VIRTIO_NET_HDR_GSO_TCPV6: in->train = SKT_TRAIN_TCP; break;
    case 5 /* VIRTIO_NET_HDR_GSO_UDP_L4 */: in->train = SKT_TRAIN_UDP; break;
    default: p->stats.foreign++; break; /* goes on as one frame, which its way out refuses as too long */
    }
    p->stats.trains += in->train != SKT_TRAIN_NONE;
}

/* The kernel takes the outer tag out of the frame; it goes in again, over what was before the frame and is read already. */
static void put_tag(const struct tpacket2_hdr *h, struct skt_packet_in *in)
{
    uint16_t tpid = h->tp_status & TP_STATUS_VLAN_TPID_VALID ? h->tp_vlan_tpid : ETH_P_8021Q;
    uint8_t *frame = (uint8_t *)(uintptr_t)in->frame.p - TAG; /* of the ring or of p->train: ours to write */
    struct skt_room tag = skt_room_of(frame + 2 * ETH_ALEN, TAG);

    memmove(frame, in->frame.p, 2 * ETH_ALEN);
    skt_put_u16(&tag, tpid);
    skt_put_u16(&tag, h->tp_vlan_tci);
    in->frame.p = frame;
    if (in->debt.start)
        in->debt.start += TAG;
}

/* A frame that is longer than its slot. Without room for it in the socket's queue the kernel has kept its beginning only. */
static bool take_long(struct skt_packet *p, const struct tpacket2_hdr *h, struct skt_packet_in *in)
{
    ssize_t n = -1;

    if (h->tp_status & TP_STATUS_COPY)
        n = recv(p->fd, p->train + TAG, sizeof p->train - TAG, MSG_DONTWAIT | MSG_TRUNC);
    if (n < VNET + ETH_HLEN || (size_t)n > sizeof p->train - TAG) {
        p->stats.cut++;
        return false;
    }
    in->frame = skt_span_of(p->train + TAG + VNET, (size_t)n - VNET);
    read_vnet(p, p->train + TAG, in);
    return true;
}

static bool take_slot(struct skt_packet *p, const struct tpacket2_hdr *h, struct skt_packet_in *in)
{
    const uint8_t *frame = (const uint8_t *)h + h->tp_mac;

    *in = (struct skt_packet_in){ .came = h->tp_sec * SKT_SEC + h->tp_nsec };
    if (h->tp_snaplen < h->tp_len) {
        if (!take_long(p, h, in))
            return false;
    } else {
        in->frame = skt_span_of(frame, h->tp_snaplen);
        read_vnet(p, frame - VNET, in);
    }
    if (h->tp_status & TP_STATUS_VLAN_VALID)
        put_tag(h, in);
    return true;
}

bool skt_packet_next(struct skt_packet *packet, struct skt_packet_in *ret_in)
{
    give_back(packet);
    while (skt_packet_ready(packet)) {
        packet->held = true;
        packet->stats.frames++;
        if (take_slot(packet, slot_at(packet, packet->at), ret_in))
            return true;
        give_back(packet);
    }
    return false;
}

/* ---- out ---- */

int skt_packet_send(struct skt_packet *packet, const struct skt_packet_out *out, uint32_t n)
{
    int r;

    for (uint32_t i = 0; i < n; i++) {
        struct skt_frame_debt debt = out[i].debt;

        packet->vnet[i] = (struct virtio_net_hdr){
            .flags = debt.start ? VIRTIO_NET_HDR_F_NEEDS_CSUM : 0, .csum_start = debt.start, .csum_offset = debt.at
        };
        packet->iov[i][1].iov_base = (void *)(uintptr_t)out[i].frame.p; /* only read */
        packet->iov[i][1].iov_len = skt_len(out[i].frame);
    }
    do
        r = sendmmsg(packet->fd, packet->msgs, n, MSG_DONTWAIT);
    while (r < 0 && errno == EINTR);
    return r < 0 ? -errno : r;
}

/* ---- figures ---- */

int skt_packet_alive(struct skt_packet *packet)
{
    struct ifreq req = { 0 };
    int err = 0;
    socklen_t len = sizeof err;

    (void)getsockopt(packet->fd, SOL_SOCKET, SO_ERROR, &err, &len); /* and it is forgotten: poll rests again */
    memcpy(req.ifr_name, packet->name, sizeof packet->name);
    if (ioctl(packet->fd, SIOCGIFINDEX, &req) || req.ifr_ifindex != packet->look.index)
        return -ENODEV;
    return err ? -ENETDOWN : 0;
}

void skt_packet_stats(struct skt_packet *packet, struct skt_packet_stats *ret_stats)
{
    struct tpacket_stats s = { 0 };
    socklen_t len = sizeof s;

    if (!getsockopt(packet->fd, SOL_PACKET, PACKET_STATISTICS, &s, &len))
        packet->stats.missed += s.tp_drops; /* since we asked last */
    *ret_stats = packet->stats;
}

int skt_packet_fd(const struct skt_packet *packet) { return packet->fd; }
const char *skt_packet_name(const struct skt_packet *packet) { return packet->name; }
uint32_t skt_packet_mtu(const struct skt_packet *packet) { return packet->look.mtu; }
bool skt_packet_cramped(const struct skt_packet *packet) { return packet->cramped; }
int skt_packet_peer(const struct skt_packet *packet) { return packet->look.below; }
int skt_packet_index(const struct skt_packet *packet) { return packet->look.index; }
bool skt_packet_hosted(const struct skt_packet *packet) { return packet_hosted(packet->name); }
