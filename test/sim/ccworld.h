#pragma once
/* One bottleneck (engine/impair/path.h) that several flows share, packet by packet: ours (engine/xfer/cc.h, with repair and
 * acknowledgements as doc/protocol/xfer.md has them) and TCP's CUBIC. The same conf gives the same numbers. */
#include "engine/impair/path.h"
#include "engine/xfer/cc.h"

enum { CCW_FLOWS = 6, CCW_STEPS = 8 };
enum ccw_kind { CCW_OURS, CCW_CUBIC };

struct ccw_flow_conf {
    enum ccw_kind kind;
    skt_time start;      /* of the handshake, which takes 3 round trips before the first data */
    skt_time stop;       /* sends nothing new after; 0: never */
    uint64_t bytes;      /* to be brought over; 0: endless */
    uint64_t app_rate;   /* bytes a second that the application has; 0: any */
    uint64_t rate_max;   /* as in skt_cc_conf */
    skt_time more_delay; /* each way, besides the path's */
    bool twice;          /* the last flight goes twice */
    bool rare_rtt;       /* a round trip is told only by a packet that comes in order: seldom, with much loss */
    bool hystart;        /* CUBIC: RFC 9406's way out of slow start */
};

/* From a time on the path is another. */
struct ccw_step {
    skt_time at, delay;
    uint64_t rate_bytes; /* 0: as before */
    double loss;         /* as it is: set it again */
    bool dead;           /* nothing passes */
};

struct ccw_conf {
    uint64_t seed;
    uint64_t rate_bytes, queue_bytes; /* queue 0: one BDP, at least 128 KiB */
    skt_time rtt;                     /* of the path, half each way */
    double loss;                      /* each way */
    struct skt_path_conf more;        /* bursts, jitter, reordering, on the way there */
    skt_time tick;                    /* the sender is woken so seldom; 0: 1 ms */
    skt_time gather;                  /* acknowledgements arrive in bunches of that length; 0: as they are */
    skt_time limit;
    struct ccw_flow_conf flow[CCW_FLOWS];
    uint32_t flows;
    struct ccw_step step[CCW_STEPS];
    uint32_t steps;
    skt_time trace; /* print a line a flow so often; 0: never */
};

/* What a flow did. */
struct ccw_result {
    bool done;
    skt_time took;       /* from its start until all was known to have arrived */
    uint64_t payload;    /* bytes of it that arrived, once each */
    uint64_t sent, lost; /* packets; declared lost */
    uint64_t spurious;   /* that were not lost */
    uint64_t timeouts;
    double queue_mean; /* ms that its packets waited, mean */
};

enum { CCW_WIRE = 1514, CCW_PAYLOAD = 1424, CCW_TCP_PAYLOAD = 1448 };

struct ccw;
struct ccw *ccw_new(const struct ccw_conf *conf); /* NULL: out of memory */
void ccw_free(struct ccw *w);
void ccw_run(struct ccw *w, skt_time until); /* or until all flows are done */
skt_time ccw_now(const struct ccw *w);
struct ccw_result ccw_result(const struct ccw *w, uint32_t flow);
struct skt_cc *ccw_cc(const struct ccw *w, uint32_t flow); /* NULL: not ours */
