/* tapped: what passes a link, as the tap is told it. Without a tap each call is one comparison. */
#include "drive/rt/inside.h"

#include "drive/tap.h"

#include <errno.h>
#include <stdlib.h>

static struct skt_tap_flow *flow_of(struct skt_rt *rt, struct link *l)
{
    return rt->conf.tap && l->x ? l->x->flow : NULL;
}

void tapped_open(struct skt_rt *rt, struct link *l, bool accepted)
{
    struct skt_addr local, peer;

    if (!rt->conf.tap || !link_extra(l) || !(l->x->flow = calloc(1, sizeof *l->x->flow)))
        return;
    local = sock_local(l->fd);
    peer = l->x->peer.family ? l->x->peer : sock_peer(l->fd);
    skt_tap_stream_open(rt->conf.tap, rt->now, l->x->flow, &local, &peer, !accepted, NULL);
}

void tapped_data(struct skt_rt *rt, struct link *l, bool sent, struct skt_span bytes)
{
    struct skt_tap_flow *flow = flow_of(rt, l);

    if (flow && !(rt->conf.tap_plain && l->x->tls))
        skt_tap_stream_data(rt->conf.tap, rt->now, flow, sent ? SKT_TAP_OUT : SKT_TAP_IN, bytes);
}

void tapped_plain(struct skt_rt *rt, struct link *l, bool sent, struct skt_span bytes)
{
    struct skt_tap_flow *flow = flow_of(rt, l);

    if (flow && rt->conf.tap_plain)
        skt_tap_stream_data(rt->conf.tap, rt->now, flow, sent ? SKT_TAP_OUT : SKT_TAP_IN, bytes);
}

/* The oldest n bytes of a queue, which were just written. */
void tapped_queue(struct skt_rt *rt, struct link *l, const struct queue *q, size_t n)
{
    struct iovec iov[IOV_MAX_HERE];
    int count;

    count = queue_iov(q, iov, IOV_MAX_HERE);
    for (int i = 0; i < count && n; i++) {
        size_t len = iov[i].iov_len < n ? iov[i].iov_len : n;
        tapped_data(rt, l, true, skt_span_of(iov[i].iov_base, len));
        n -= len;
    }
}

void tapped_moved(struct skt_rt *rt, struct link *l, bool sent, uint64_t n)
{
    struct skt_tap_flow *flow = flow_of(rt, l);

    if (flow)
        skt_tap_stream_skip(rt->conf.tap, rt->now, flow, sent ? SKT_TAP_OUT : SKT_TAP_IN, n);
}

void tapped_eof(struct skt_rt *rt, struct link *l, bool sent)
{
    struct skt_tap_flow *flow = flow_of(rt, l);

    if (flow)
        skt_tap_stream_eof(rt->conf.tap, rt->now, flow, sent ? SKT_TAP_OUT : SKT_TAP_IN);
}

void tapped_close(struct skt_rt *rt, struct link *l, int why)
{
    struct skt_tap_flow *flow = flow_of(rt, l);

    if (flow)
        skt_tap_stream_close(rt->conf.tap, rt->now, flow, why == -ECONNRESET ? SKT_TAP_IN : SKT_TAP_OUT, why < 0);
}

void tapped_datagram(
    struct skt_rt *rt, struct link *l, bool sent, const struct skt_addr *peer, struct skt_span train, uint32_t seg)
{
    struct skt_addr local;

    if (!rt->conf.tap)
        return;
    dgram_local(l, peer, &local);
    skt_tap_datagram(rt->conf.tap, rt->now, 0, sent ? SKT_TAP_OUT : SKT_TAP_IN, &local, peer, train, seg);
}
