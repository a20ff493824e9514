#pragma once
#include <sockit/engine.h>

/* tap: writes what passes as a pcapng capture. It sees bytes, not packets, so it makes up the packets around them:
 * a TCP handshake, segments with right sequence numbers, FIN or RST; Wireshark shows the true addresses, directions and
 * times, and follows the streams. The runtime taps its links into a file, the simulation its network into memory.
 * Any thread may use a tap; a flow belongs to one. Nothing here fails aloud: the first error is kept, stops the writing
 * at the last whole packet, and skt_tap_close tells it. */
struct skt_tap;

struct skt_tap_conf {
    skt_time wall;      /* wall clock (ns since 1970) minus the clock that `now` comes from */
    uint64_t max_bytes; /* of the capture; packets that would pass it are counted in its statistics; 0: no cap */
    uint32_t snap;      /* bytes kept of each packet; 0: all */
    const char *name;   /* of the first interface; NULL: "sockit" */
};

enum skt_tap_dir { SKT_TAP_IN, SKT_TAP_OUT }; /* from the peer; to the peer */

/* A conversation as the capture shows it; lives in the driver's link. All zeros: not open, and every call ignores it. */
struct skt_tap_flow {
    struct skt_addr local, peer; /* Unix sockets and pipes: made-up 127.x addresses */
    uint32_t next[2];            /* sequence number of the next byte, by direction */
    uint32_t unacked[2];         /* bytes since the other direction's last packet */
    uint32_t iface;              /* of skt_tap_interface; 0: the first */
    bool open, ended[2];         /* ended: the FIN was written */
};

/* The wall clock minus the monotonic one, for conf.wall. */
skt_time skt_tap_wall(void);

/* path NULL: into memory, see skt_tap_bytes. A file is created (0600) or emptied. -errno of open, -ENOMEM. */
int skt_tap_open(const char *path, const struct skt_tap_conf *conf, struct skt_tap **ret_tap);
int skt_tap_flush(struct skt_tap *tap); /* 0, or the first error so far: -ENOSPC, -EIO, -ENOMEM, ... */
int skt_tap_close(struct skt_tap *tap); /* flushes and frees; 0, or the first error of its life. Takes NULL */
void skt_tap_free(struct skt_tap *tap); /* the same, for those who do not ask */
SKT_CLEANUP(skt_tap)

/* What a tap in memory has; valid until the next call on it. */
struct skt_span skt_tap_bytes(struct skt_tap *tap);
/* One more interface (the simulation has one a host). Gives its number, 0 when there is no room for it. */
uint32_t skt_tap_interface(struct skt_tap *tap, const char *name);

/* asked: this side connected, else the peer did. note: a comment on the first packet (a Unix path, a command; written
 * with control characters escaped); NULL: none. flow->iface is kept, all else is set. */
void skt_tap_stream_open(struct skt_tap *tap, skt_time now, struct skt_tap_flow *flow, const struct skt_addr *local,
    const struct skt_addr *peer, bool asked, const char *note);
void skt_tap_stream_data(
    struct skt_tap *tap, skt_time now, struct skt_tap_flow *flow, enum skt_tap_dir dir, struct skt_span bytes);
/* Bytes that passed unseen (splice, sendfile): the packets are there, cut behind their headers. */
void skt_tap_stream_skip(
    struct skt_tap *tap, skt_time now, struct skt_tap_flow *flow, enum skt_tap_dir dir, uint64_t len);
void skt_tap_stream_eof(struct skt_tap *tap, skt_time now, struct skt_tap_flow *flow, enum skt_tap_dir dir);
/* Ends the flow. reset: an RST in that direction; else a FIN for each direction that has none yet, `dir` first. */
void skt_tap_stream_close(
    struct skt_tap *tap, skt_time now, struct skt_tap_flow *flow, enum skt_tap_dir dir, bool reset);

/* Datagrams need no flow. seg: as in engine.h, one packet for each datagram of the train. */
void skt_tap_datagram(struct skt_tap *tap, skt_time now, uint32_t iface, enum skt_tap_dir dir,
    const struct skt_addr *local, const struct skt_addr *peer, struct skt_span train, uint32_t seg);
/* A comment on the next packet that is written: "lost", "copy 2". Copied, at most 255 bytes, escaped. */
void skt_tap_note(struct skt_tap *tap, const char *note);
