#pragma once
#include "base/ranges.h"
#include "engine/xfer/conn.h"

/* sent: what was sent and has not been settled: acknowledgements, loss, round trips and the rate of delivery.
 * A ring by packet number, a second one of the pieces in them, and a queue of what was settled; nothing is allocated a packet. */

enum {
    SKT_SENT_MAX = 1 << 16,   /* packets remembered */
    SKT_PIECES_MAX = 1 << 18, /* pieces in them */
    SKT_LOST_ALL = 3          /* probe time-outs in a row after which all in flight is given up */
};

enum skt_sent_state {
    SKT_SENT_NONE, /* nothing to be acknowledged: ACK, PAD and CLOSE only */
    SKT_SENT_OUT,
    SKT_SENT_ACKED,
    SKT_SENT_LOST,   /* until it is forgotten it may still turn out to have only been late */
    SKT_SENT_SKIPPED /* this number was left out on purpose */
};

struct skt_sent_packet {
    skt_time at;
    skt_time first_at,
        delivered_at; /* as they were when it was sent: draft-cheng-iccrg-delivery-rate-estimation, 3.2 */
    uint64_t delivered;
    uint64_t piece;       /* number of its first piece */
    uint64_t stream_from; /* bytes of the control stream */
    uint64_t ack;         /* it said that packets below this had arrived; 0: it did not */
    uint32_t bytes;       /* headers of UDP and IP included */
    uint32_t pieces;
    uint16_t stream_len, size; /* size: of the datagram */
    uint8_t state;
    bool limited, probe, credit; /* app-limited; of the path's MTU; has CREDIT */
    bool early;                  /* told lost by a time-out, which says nothing of the order of the path */
};

struct skt_sent_told {
    uint64_t number;
    bool acked; /* else lost */
};

struct skt_sent {
    struct skt_sent_packet *packets; /* of numbers first..next - 1, at number % size */
    struct skt_conn_piece *pieces;   /* the same */
    struct skt_sent_told *told;      /* settled, and not taken yet: 2 * size of them */
    uint32_t size, pieces_size;
    uint64_t first, next, piece_first, piece_next, told_first, told_next;
    struct skt_ranges acked;      /* numbers from first on that were acknowledged: what an ACK repeats costs nothing */
    uint64_t largest;             /* acknowledged + 1 */
    uint64_t judge;               /* below it nothing is outstanding that could become lost by time */
    uint64_t inflight, eliciting; /* bytes; packets that are out */
    skt_time last_at;             /* when the last packet was sent that asks for an acknowledgement */

    skt_time srtt, var, latest, rtt_min;   /* 0: not known */
    skt_time min_now, min_last, min_since; /* lowest since min_since, and of the time before that */
    skt_time late;       /* how long after its sending a packet still came that was taken for lost: RFC 8985, 6.2 */
    skt_time calm_since; /* since when none did */
    uint32_t timeouts;   /* in a row */
    skt_time loss_at;    /* when the next packet is lost; SKT_NEVER */

    uint64_t delivered, limited; /* bytes; app-limited until so many are delivered, 0: not */
    skt_time delivered_at, first_at;
    uint64_t prior;                         /* highest of the snapshots of what was acknowledged */
    uint64_t packets_n, lost_n, lost_bytes; /* for statistics */
};

/* What an ACK or the clock has settled. */
struct skt_sent_news {
    uint64_t acked, lost; /* bytes; lost without probes of the MTU */
    uint64_t prior, rate;
    bool limited, any;
    skt_time rtt; /* of the newest; 0: none */
};

void skt_sent_init(struct skt_sent *sent);
void skt_sent_done(struct skt_sent *sent);
/* Is there room for `packets` more, and one more piece? Makes it. */
bool skt_sent_room(struct skt_sent *sent, uint32_t packets);
bool skt_sent_piece(
    struct skt_sent *sent, const struct skt_conn_piece *piece); /* into the next packet. False: no room */
void skt_sent_skip(struct skt_sent *sent);
/* The next number is this packet, which the caller has filled but for the snapshots. */
void skt_sent_push(struct skt_sent *sent, skt_time now, const struct skt_sent_packet *packet);
void skt_sent_rtt(struct skt_sent *sent, skt_time now, skt_time rtt, skt_time delay); /* a sample */

/* overtook: the packet with the ACK came before others that were sent earlier, or those are lost. -EBADMSG: it acknowledges
 * what was never sent. */
int skt_sent_ack(
    struct skt_sent *sent, skt_time now, const struct skt_xfer_ack *ack, bool overtook, struct skt_sent_news *ret_news);
void skt_sent_late(struct skt_sent *sent, skt_time now, struct skt_sent_news *ret_news); /* what is lost by now */
/* A probe time-out: the last two that are out are to be sent again, so that something tells of the others (RFC 8985, 7). */
void skt_sent_probe(struct skt_sent *sent);
void skt_sent_give_up(struct skt_sent *sent, skt_time now, struct skt_sent_news *ret_news); /* all in flight */
bool skt_sent_told(struct skt_sent *sent, struct skt_sent_told *ret_told);                  /* the next one settled */
void skt_sent_forget(struct skt_sent *sent, skt_time now); /* what is settled and told */

skt_time skt_sent_pto(const struct skt_sent *sent); /* length, without backoff */
skt_time skt_sent_timeout(
    const struct skt_sent *sent); /* when nothing was heard for too long; SKT_NEVER: nothing is out */
static inline struct skt_sent_packet *skt_sent_at(struct skt_sent *sent, uint64_t number)
{
    return &sent->packets[number & (sent->size - 1)];
}
