/* cccubic: the window of a flow that shares its queue with others: CUBIC, RFC 9438, sections named below. */
#include "engine/xfer/ccinside.h"

#include "base/banned.h"

static const double cubic_c = .4, cubic_beta = .7;         /* 4.1.2, 4.6 */
static const double cubic_alpha = 3 * (1 - .7) / (1 + .7); /* 4.3: as much as Reno would hold with this beta */

void cc_cubic_init(struct cc_cubic *c, double window)
{
    *c = (struct cc_cubic){ .window = window, .max = window, .reno = window };
}

/* Newton; from above it only falls. x >= 0. */
static double root3(double x)
{
    double y = x > 1 ? x : 1, last;

    if (!(x > 0))
        return 0;
    do {
        last = y;
        y = (2 * y + x / (y * y)) / 3;
    } while (y < last);
    return y;
}

static double seconds(skt_time t) { return (double)t / (double)SKT_SEC; }

/* 4.2: where the curve is a round trip from now; at most half more than now. */
static double target(const struct cc_cubic *c, skt_time now, skt_time rtt)
{
    double t = seconds(now - c->epoch + rtt) - c->k;
    double w = cubic_c * t * t * t + c->max;

    return w > 1.5 * c->window ? 1.5 * c->window : w;
}

void cc_cubic_grow(struct cc_cubic *c, skt_time now, skt_time rtt, double acked)
{
    double to;

    if (!c->epoch) {
        c->epoch = now;
        c->k = c->max > c->window ? root3((c->max - c->window) / cubic_c) : 0;
        c->reno = c->window;
    }
    to = target(c, now, rtt);
    c->reno += (c->reno < c->max ? cubic_alpha : 1) * acked / c->window;
    if (to > c->window)
        c->window += (to - c->window) * (acked < c->window ? acked / c->window : 1);
    if (c->window < c->reno)
        c->window = c->reno;
}

void cc_cubic_cut(struct cc_cubic *c, skt_time now, double least)
{
    double window = cubic_beta * c->window;

    c->max = c->window < c->max ? c->window * (1 + cubic_beta) / 2 : c->window; /* 4.7: fast convergence */
    if (window < least)
        window = least < c->window ? least : c->window;
    c->window = c->reno = window;
    c->k = c->max > window ? root3((c->max - window) / cubic_c) : 0;
    c->epoch = now;
}
