#pragma once
#include "engine/xfer/cc.h"

/* What the parts of cc share: cc.c decides, ccmodel.c knows the path, cccubic.c is the window beside others. */

enum { CC_RATES = 20, CC_RTT_SPANS = 2, CC_RTTS = 3, CC_BUSY = 12, CC_MARKS = 128 };

/* What is known of the path. A round is the time in which all that was in flight at its start was acknowledged. */
struct cc_model {
    uint64_t rates[CC_RATES]; /* the highest of each of the last rounds, newest at [0]; bytes a second */
    uint64_t round_end;       /* the round is over when something sent after so many delivered bytes was acknowledged */
    uint64_t prior;           /* of the last sample */
    uint32_t round;           /* counted */
    bool round_limited;       /* by what there was to send: says nothing of the path */
    uint64_t round_acked, round_lost; /* bytes, in this round */
    uint64_t past_acked, past_lost;   /* in the one before */

    struct cc_mark {
        skt_time at;
        uint64_t delivered;
    } marks[CC_MARKS];               /* a ring: what was delivered when */
    uint32_t marks_n;                /* ever */
    skt_time rtt;                    /* of the last sample; 0: not known */
    skt_time rtts[CC_RTTS];          /* the last ones */
    skt_time rtt_min, srtt;          /* 0: not known */
    skt_time wobble;                 /* from one round trip to the next, a mean: jitter, and ends that are late */
    skt_time rtt_span[CC_RTT_SPANS]; /* lowest of the last spans; rtt_min is the lowest of them */
    skt_time rtt_top, top_span[CC_RTT_SPANS]; /* the same, highest */
    skt_time rtt_span_began;
    skt_time stand[2]; /* the last two means, each of about a quarter of a round trip */
    skt_time mean_began, mean_sum, mean_low, mean_high;
    int32_t mean_n;
    uint32_t means; /* counted */

    skt_time burst_began; /* acknowledgements that come faster than the rate, since then: */
    uint64_t burst_acked;
    uint64_t extra[2];    /* the most by which they did, in the last two spans of rounds */
    uint32_t extra_round; /* when the newer began */

    struct cc_busy {
        skt_time at;
        uint64_t delivered;
    } busy[CC_BUSY]; /* the last acknowledgements while the queue stood, newest first */
};

void cc_model_init(struct cc_model *m, skt_time now);
/* True: a round is over; past_ tells of it, the rest of the one that begins. keep_rtt_min: others fill the queue. */
void cc_model_mean_anew(struct cc_model *m, skt_time now); /* what comes now is no more of the old */
bool cc_model_take(struct cc_model *m, const struct skt_cc_sample *s, bool keep_rtt_min);
void cc_model_busy(struct cc_model *m, const struct skt_cc_sample *s, skt_time margin);
uint64_t cc_model_rate(const struct cc_model *m, uint32_t rounds); /* highest of the last so many; 0: not known */
void cc_model_forget(struct cc_model *m, uint32_t rounds);         /* all rates but those of the last rounds */
void cc_model_calm(struct cc_model *m); /* what was gathered while the rate rose was no burst */
uint64_t cc_model_extra(const struct cc_model *m);
skt_time cc_model_late(const struct cc_model *m);  /* how long the last few packets waited at least */
skt_time cc_model_stand(const struct cc_model *m); /* round trip, means of late */
void cc_model_longer(struct cc_model *m, skt_time now, skt_time rtt); /* the lowest round trip is this */
skt_time cc_model_queue(const struct cc_model *m);                    /* how long the queue stands, in time */
double cc_model_bdp(const struct cc_model *m);                        /* bytes that fill the path but no queue */

/* RFC 9438: what a flow of TCP would do. Windows in packets. */
struct cc_cubic {
    double window, max, reno;
    double k;       /* seconds from the epoch until max is reached again */
    skt_time epoch; /* 0: not begun */
};

void cc_cubic_init(struct cc_cubic *c, double window);
void cc_cubic_grow(struct cc_cubic *c, skt_time now, skt_time rtt, double acked);
void cc_cubic_cut(struct cc_cubic *c, skt_time now, double least);
