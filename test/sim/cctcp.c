/* cctcp: TCP's CUBIC as a yardstick, written from the RFCs and apart from the engine's. */
#include "cctcp.h"

#include <math.h>

void cctcp_init(struct cctcp *t, bool hystart)
{
    *t = (struct cctcp){
        .window = 10, .threshold = 1e9, .hystart = hystart, .last_rtt = SKT_NEVER, .round_rtt = SKT_NEVER
    };
}

/* RFC 9406, 4.2: the round trips of this round's first samples against those of the last. */
static void hystart(struct cctcp *t, uint64_t newest, uint64_t next, skt_time rtt)
{
    skt_time more = t->last_rtt / 8;

    if (newest >= t->round_end) {
        t->last_rtt = t->round_rtt;
        t->round_rtt = SKT_NEVER;
        t->round_samples = 0;
        t->round_end = next;
    }
    if (rtt && rtt < t->round_rtt)
        t->round_rtt = rtt;
    t->round_samples++;
    more = more < 4 * SKT_MS ? 4 * SKT_MS : more > 16 * SKT_MS ? 16 * SKT_MS : more;
    if (t->round_samples >= 8 && t->last_rtt != SKT_NEVER && t->round_rtt >= t->last_rtt + more && t->window >= 16)
        t->threshold = t->window;
}

static void avoid(struct cctcp *t, skt_time now, double acked, skt_time srtt)
{
    double at, target;

    if (!t->epoch) {
        t->epoch = now;
        t->k = t->max > t->window ? cbrt((t->max - t->window) / .4) : 0;
        t->max = t->max > t->window ? t->max : t->window;
        t->reno = t->beginning = t->window;
    }
    at = (double)(now - t->epoch + srtt) / 1e9 - t->k;
    target = .4 * at * at * at + t->max;
    target = target < t->window ? t->window : target > 1.5 * t->window ? 1.5 * t->window : target;
    t->reno += (t->reno >= t->max ? 1 : 9. / 17) * acked / t->window;
    t->window += (target - t->window) / t->window * acked;
    if (t->window < t->reno)
        t->window = t->reno;
}

void cctcp_acked(
    struct cctcp *t, skt_time now, double acked, uint64_t newest, uint64_t next, skt_time rtt, skt_time srtt)
{
    if (newest < t->recover)
        return; /* still in recovery */
    if (t->window >= t->threshold) {
        avoid(t, now, acked, srtt);
        return;
    }
    t->window += acked;
    if (t->hystart)
        hystart(t, newest, next, rtt);
}

void cctcp_lost(struct cctcp *t, uint64_t number, uint64_t next)
{
    if (number < t->recover)
        return;
    t->recover = next;
    t->max = t->window < t->max ? t->window * .85 : t->window; /* fast convergence */
    t->window = t->window * .7 > 2 ? t->window * .7 : 2;
    t->threshold = t->window;
    t->epoch = 0;
}

void cctcp_timeout(struct cctcp *t, uint64_t next)
{
    if (t->window > 1) {
        t->max = t->window < t->max ? t->window * .85 : t->window;
        t->threshold = t->window * .7 > 2 ? t->window * .7 : 2;
    }
    t->window = 1;
    t->epoch = 0;
    t->recover = next;
}
