#pragma once
#include <sockit/engine.h>

/* parcel: one train of datagrams on its way through an engine: taken from recv, handed out by send, uncopied. While one
 * waits the engine holds its input; the driver fetches it after the same recv, so the wait is short. */
struct parcel {
    struct skt_buf *buf; /* NULL: nothing waits */
    struct skt_span bytes;
    uint32_t seg;
    skt_link link;
    struct skt_addr to;
    struct skt_buf *lent; /* shown to the driver by the last send, which takes its own reference after that */
};

void parcel_done(struct parcel *p);
/* Takes in->data to be sent to `to` on link. False, and in->hold set: another one waits. Without a buf it is copied. */
bool parcel_take(struct parcel *p, struct skt_in *in, skt_link link, const struct skt_addr *to);
bool parcel_send(struct parcel *p, struct skt_out *out); /* the whole train, once. False: nothing waits */
/* The next datagram of the train to be put behind other bytes by the caller; the last lets go of it. */
bool parcel_next(struct parcel *p, struct skt_span *ret_one);
