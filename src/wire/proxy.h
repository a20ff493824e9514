#pragma once
#include <sockit/engine.h>

/* proxy: the PROXY protocol (haproxy doc/proxy-protocol.txt), versions 1 (text) and 2 (binary): whose connection it
 * really is, said in front of the stream by whoever relays it. */
enum {
    SKT_PROXY_MAX = 536
}; /* bytes of the longest header we take: version 2 with a full TCP option's worth of TLVs */

/* Takes one header. 0: *in is behind it; *peer and *ret_to are set, or (UNKNOWN, LOCAL) left as they are.
 * -EAGAIN: not whole yet; -EBADMSG: not a header, or longer than SKT_PROXY_MAX. */
int skt_proxy_get(struct skt_span *in, struct skt_addr *peer, struct skt_addr *ret_to);
/* Version 1; UNKNOWN when the two are not of one IP family. */
void skt_proxy_put(struct skt_room *out, const struct skt_addr *peer, const struct skt_addr *to);
