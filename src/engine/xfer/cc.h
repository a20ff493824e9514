#pragma once
#include <sockit/bytes.h>

/* cc: how fast to send. Behind this interface, so that another can be put in its place and compared. Rate-based: a model of
 * the path from the highest delivery rate and the lowest round trip; a loss counts as congestion only when the queue of the
 * path stands (the round trips say so), otherwise as noise to be repaired without slowing down. When the queue does not
 * drain though this flow steps back, others fill it, and the flow takes the window of one TCP (CUBIC) until it drains.
 * Pure. It has no timer of its own: it moves on by what was sent and acknowledged. */

struct skt_cc;

/* What one acknowledgement has taught. */
struct skt_cc_sample {
    skt_time now;
    uint64_t acked, lost; /* bytes newly known to have arrived; newly declared lost */
    uint64_t inflight;    /* bytes still on the way, after that */
    uint64_t delivered;   /* bytes that ever arrived */
    uint64_t prior;   /* what `delivered` was when the newest acknowledged packet was sent: a round is over when this
                           * passes the last round's delivered */
    uint64_t rate;    /* of delivery, bytes a second, over that packet's flight: `delivered - prior` through the longer
                           * of the time in which those were sent and that in which they were acknowledged; 0: not known */
    bool app_limited; /* rate was limited by what there was to send, not by the path */
    skt_time rtt;     /* of the newest acknowledged packet; 0: not known */
    skt_time rtt_min; /* lowest that the connection has seen of late */
};

struct skt_cc_conf {
    uint32_t packet;   /* bytes of a full packet, headers of UDP and IP included */
    uint64_t rate_max; /* 0: none */
    skt_time rtt;      /* of the handshake; 0: not known */
};

struct skt_cc *skt_cc_new(const struct skt_cc_conf *conf, skt_time now); /* NULL: out of memory */
void skt_cc_free(struct skt_cc *cc);
SKT_CLEANUP(skt_cc)
void skt_cc_packet(struct skt_cc *cc, uint32_t bytes); /* the path takes larger packets now */
void skt_cc_sent(struct skt_cc *cc, skt_time now, uint64_t bytes, uint64_t inflight); /* inflight: before */
void skt_cc_acked(struct skt_cc *cc, const struct skt_cc_sample *sample);
void skt_cc_timeout(
    struct skt_cc *cc, skt_time now); /* nothing was acknowledged for several PTO: all in flight is given up */

uint64_t skt_cc_window(const struct skt_cc *cc); /* bytes that may be in flight */
uint64_t skt_cc_rate(const struct skt_cc *cc);   /* bytes a second to be sent; UINT64_MAX: as fast as possible */
const char *skt_cc_state(
    const struct skt_cc *cc); /* "startup", "cruise", ...: for stats and for who looks for a fault */
