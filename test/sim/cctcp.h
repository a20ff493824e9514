#pragma once
/* TCP as a model of a sender: RFC 9438 (CUBIC), 6928 (IW 10), 6298 (RTO), 9406 (HyStart++, its exit by delay). Packets. */
#include <sockit/bytes.h>

struct cctcp {
    double window, threshold, max, k, reno, beginning;
    skt_time epoch;   /* 0: not begun */
    uint64_t recover; /* a loss of an older packet belongs to the cut before */
    bool hystart;
    uint64_t round_end;
    skt_time round_rtt, last_rtt; /* lowest of the first samples of this round, of the last */
    uint32_t round_samples;
};

void cctcp_init(struct cctcp *t, bool hystart);
/* acked: packets; newest: the highest number acknowledged; next: the one to be sent next. */
void cctcp_acked(
    struct cctcp *t, skt_time now, double acked, uint64_t newest, uint64_t next, skt_time rtt, skt_time srtt);
void cctcp_lost(struct cctcp *t, uint64_t number, uint64_t next);
void cctcp_timeout(struct cctcp *t, uint64_t next);
