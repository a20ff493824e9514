/* parcel: one train of datagrams on its way through an engine. */
#include "engine/parcel.h"

void parcel_done(struct parcel *p)
{
    skt_buf_put(p->buf);
    skt_buf_put(p->lent);
    *p = (struct parcel){ 0 };
}

bool parcel_take(struct parcel *p, struct skt_in *in, skt_link link, const struct skt_addr *to)
{
    size_t n = skt_len(in->data);
    struct skt_buf *buf;

    if (p->buf) {
        in->hold = true;
        return false;
    }
    buf = in->buf ? skt_buf_ref(in->buf) : skt_buf_new(n ? n : 1);
    if (!buf) { /* lost, as on any network */
        in->data.p = in->data.end;
        return true;
    }
    if (!in->buf && n)
        memcpy(buf->data, in->data.p, n);
    p->bytes = in->buf ? in->data : skt_span_of(buf->data, n);
    p->buf = buf;
    p->seg = in->seg;
    p->link = link;
    p->to = *to;
    in->data.p = in->data.end;
    return true;
}

bool parcel_send(struct parcel *p, struct skt_out *out)
{
    skt_buf_put(p->lent);
    p->lent = p->buf;
    p->buf = NULL;
    if (!p->lent)
        return false;
    out->link = p->link;
    out->kind = SKT_SHARE;
    out->share = p->bytes;
    out->buf = p->lent;
    out->seg = p->seg;
    out->peer = p->to;
    return true;
}

bool parcel_next(struct parcel *p, struct skt_span *ret_one)
{
    struct skt_span one = p->bytes;

    skt_buf_put(p->lent);
    p->lent = NULL;
    if (!p->buf)
        return false;
    if (p->seg && skt_len(one) > p->seg)
        one.end = one.p + p->seg;
    p->bytes.p = one.end;
    *ret_one = one;
    if (!skt_len(p->bytes)) { /* ret_one is still to be read: keep the buf until the next call */
        p->lent = p->buf;
        p->buf = NULL;
    }
    return true;
}
