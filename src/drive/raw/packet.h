#pragma once
#include <sockit/bytes.h>

#include "wire/frame.h"

/* packet: a network interface as a source and a sink of Ethernet frames (AF_PACKET): every frame that comes in, by a ring
 * that the kernel shares with us, with the time when it came; and frames sent past the queueing discipline. */
struct skt_packet;

struct skt_packet_in {
    struct skt_span frame; /* with its tags; valid until the next skt_packet_next or skt_packet_free */
    skt_time came;         /* CLOCK_REALTIME, by the kernel */
    struct skt_frame_debt debt;
    enum skt_train train; /* many segments in one: skt_cut_init */
    uint32_t seg;
};

struct skt_packet_out {
    struct skt_span frame;
    struct skt_frame_debt debt;
};

struct skt_packet_stats {
    uint64_t frames; /* came in, trains counted as one */
    uint64_t missed; /* by us: the ring was full */
    uint64_t cut;    /* trains that had no room: only their beginning came */
    uint64_t trains;
    uint64_t foreign; /* trains of a kind that we cannot cut */
};

enum { SKT_PACKET_BATCH = 64 };

/* ring: bytes, or as much of it as there is memory for; 0: 64 MiB. On failure *why has a sentence that names the interface
 * and the way out. -ENODEV: no such interface; -EPERM: needs CAP_NET_RAW; -ENETDOWN; -EMEDIUMTYPE: not Ethernet; -EBUSY: a
 * port of a bridge, a bond. */
int skt_packet_open(const char *name, uint64_t ring, struct skt_packet **ret_packet, struct skt_room *why);
void skt_packet_free(struct skt_packet *packet);
SKT_CLEANUP(skt_packet)

/* The next frame that has come. False: none for now. */
bool skt_packet_next(struct skt_packet *packet, struct skt_packet_in *ret_in);
bool skt_packet_ready(const struct skt_packet *packet); /* next would give one; without a system call */
/* Sends n frames, at most SKT_PACKET_BATCH. How many went: > 0; or -errno of the first: -EAGAIN: no room now;
 * -EMSGSIZE: longer than the interface takes; -ENETDOWN, -ENXIO: it is down, or gone. */
int skt_packet_send(struct skt_packet *packet, const struct skt_packet_out *out, uint32_t n);

int skt_packet_fd(const struct skt_packet *packet); /* to poll; POLLERR: ask skt_packet_alive */
/* 0; -ENETDOWN: it is down now; -ENODEV: it is gone for good. */
int skt_packet_alive(struct skt_packet *packet);
const char *skt_packet_name(const struct skt_packet *packet);
uint32_t skt_packet_mtu(const struct skt_packet *packet); /* when it was opened */
bool skt_packet_cramped(const struct skt_packet *packet); /* no right to big socket buffers: trains may be cut */
int skt_packet_peer(const struct skt_packet *packet);     /* the other end of a veth cable: its index, or 0 */
int skt_packet_index(const struct skt_packet *packet);
bool skt_packet_hosted(const struct skt_packet *packet); /* has an address: this host answers on it too */
void skt_packet_stats(struct skt_packet *packet, struct skt_packet_stats *ret_stats);
