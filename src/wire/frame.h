#pragma once
#include <sockit/bytes.h>

/* frame: an Ethernet frame as a bridge must know it: where its packet begins, the mark of RFC 3168, a checksum that the
 * sender's kernel left to its network card, and trains (TSO, GSO, GRO): many segments in one frame of up to 64 KiB. */

enum { SKT_FRAME_HEAD = 14, SKT_FRAME_VLANS = 2, SKT_FRAME_MAX = SKT_FRAME_HEAD + 4 * SKT_FRAME_VLANS + 65535 };

/* The checksum of all from byte `start` on is still to be put at start + at, where the sum of the pseudo-header stands
 * now; start 0: nothing is missing. */
struct skt_frame_debt {
    uint16_t start, at;
};

/* Where the packet begins, behind tags; the whole frame's length if it is cut short. */
size_t skt_frame_packet(struct skt_span frame);

/* Its sender said that it may be marked instead of lost (ECT). */
bool skt_frame_capable(struct skt_span frame);
void skt_frame_mark(struct skt_room frame); /* frame.p .. frame.end: the whole of it; CE, IPv4's checksum kept right */

/* Pays the debt. A debt that lies outside the frame is none. */
void skt_frame_settle(struct skt_room frame, struct skt_frame_debt debt);

/* A train, and how it is cut into the frames that a network card would make of it. */
enum skt_train { SKT_TRAIN_NONE, SKT_TRAIN_TCP, SKT_TRAIN_UDP };
struct skt_cut {
    struct skt_span frame; /* borrowed */
    enum skt_train kind;
    uint32_t n;          /* segments */
    uint32_t head;       /* bytes of all headers */
    uint32_t seg;        /* bytes of payload of each but the last */
    uint16_t l3, l4;     /* where the headers of IP and TCP or UDP begin */
    bool ip6, debt_paid; /* debt_paid: the train came with a checksum of its own, which is no use to its segments */
};
/* debt: of the train. -EBADMSG: its headers and its lengths are not those of such a train. */
int skt_cut_init(
    struct skt_cut *cut, struct skt_span frame, enum skt_train kind, uint32_t seg, struct skt_frame_debt debt);
/* Segment i, 0 <= i < n, and what its checksum lacks. All or, with out->bad set, nothing. */
void skt_cut_put(const struct skt_cut *cut, uint32_t i, struct skt_room *out, struct skt_frame_debt *ret_debt);
