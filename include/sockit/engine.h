#pragma once
#include <sockit/bytes.h>

SKT_BEGIN
/* The contract between an engine and the world: three calls here, and next(&event) of each engine for the verb.
 * An engine is a state machine: it has no descriptor, no clock and no chance of its own, and nothing calls back.
 * Its drivers are src/drive/rt/rt.c (the kernel) and src/drive/sim/sim.c (the tests' world). */

/* A conversation: slot (low 20 bits) and generation, given out by the driver. A stale one is refused. 0: none.
 * Slots are small and dense: an engine may keep its state for a link in an array indexed by slot. */
typedef uint32_t skt_link;
enum { SKT_LINK_BITS = 20, SKT_LINKS_MAX = 1 << SKT_LINK_BITS };
static inline uint32_t skt_slot(skt_link link) { return link & (SKT_LINKS_MAX - 1); }

enum skt_family { SKT_NOWHERE, SKT_IP4, SKT_IP6, SKT_LOCAL /* Unix; id: the driver's number for the path */ };

struct skt_addr {
    uint8_t family; /* enum skt_family */
    uint8_t here;   /* datagrams: the driver's number for the address of ours that it came to; 0: the only one */
    uint16_t port;
    uint32_t id;    /* IP6: scope */
    uint8_t ip[16]; /* IP4: the first four */
};

enum skt_kind {
    /*            in: it happened                               out: do it */
    SKT_DATA,  /* bytes, or a train of datagrams                fill out->data (the driver's room) */
    SKT_SHARE, /* -                                             send out->share of the counted out->buf, uncopied */
    SKT_MOVE, /* out->len bytes were moved (or to its end)     move len bytes from link `from`, unseen: sendfile, splice */
    SKT_OPEN,  /* connected, or accepted by link `via`          connect to the text in out->data; see below */
    SKT_EOF,   /* the peer sends no more                        send no more: half-close after what is queued */
    SKT_CLOSE, /* the link is gone, `why`; never use it again   close after what is queued; why < 0: abort (reset) now */
    SKT_FULL,  /* the socket takes no more now                  - */
    SKT_ROOM,  /* everything queued went out                    - */
};

struct skt_in {
    skt_link link;
    enum skt_kind kind;
    /* DATA: recv advances data.p over what it took. What it leaves comes again together with what follows:
	 * by default when more arrives (a line that is not whole yet). With hold set the driver calls again after
	 * each turn in which the engine did anything, and reads no more from that link: back-pressure. */
    struct skt_span data;
    bool hold;
    struct skt_buf *buf;         /* DATA: owner of data, to keep by skt_buf_ref instead of a copy. NULL: copy */
    uint32_t seg;                /* DATA of datagrams: length of each but the last; 0: data is one datagram */
    skt_time at;                 /* DATA: when the kernel received its last byte, <= now; 0: not known */
    const struct skt_addr *peer; /* OPEN, datagrams: the other end; NULL elsewhere. Valid during the call */
    skt_link via;                /* OPEN: the listener; 0: it was asked for */
    uint64_t len;                /* MOVE: bytes moved */
    int why;                     /* CLOSE: 0 or -errno; MOVE: 0 more to come, 1 source ended, -errno */
};

struct skt_out {
    /* On entry a fresh link (0: no more to be had), which OPEN takes; else the engine names the link meant.
	 * After OPEN comes in OPEN, or CLOSE with the reason. Text: "host:port", "udp:host:port", "unix:/path",
	 * "tls:host:port", "exec:command". */
    skt_link link;
    enum skt_kind kind;
    struct skt_room data; /* DATA: at least SKT_ROOM_MIN bytes, data.p advances; OPEN: put the text here */
    struct skt_span share;
    struct skt_buf *buf; /* SHARE: owner of share; the driver takes a reference of its own */
    /* SHARE: links that get the same bytes as well. On entry the driver's array of also_max (0: it offers none), and also_n 0. */
    skt_link *also;
    uint32_t also_n, also_max;
    uint32_t seg;         /* datagrams: length of each but the last; 0: one datagram */
    struct skt_addr peer; /* datagrams: where to; SKT_NOWHERE: the connected peer */
    skt_link from;        /* MOVE */
    uint64_t len;         /* MOVE: at most that many bytes; UINT64_MAX: until the source ends */
    int why;              /* CLOSE */
};
enum { SKT_ROOM_MIN = 16 * 1024 };

struct skt_engine_ops {
    void (*recv)(void *self, skt_time now, struct skt_in *in);
    bool (*send)(void *self, skt_time now, struct skt_out *out); /* false: nothing more for now */
    skt_time (*wake)(const void *self);                          /* call send at that time at the latest; SKT_NEVER */
};
struct skt_engine {
    const struct skt_engine_ops *ops;
    void *self;
};

/* The rules, which the simulation checks:
 * - send is called until it says false: after each recv, at wake, and after start. Outputs keep their order on a link.
 * - EOF carries what recv left unread, for the last time. That of datagrams with `doubt` (sockit/rt.h) is a rumour: it may
 *   come again, and DATA after it.
 * - A link's life: OPEN, then DATA..., at most one EOF, one CLOSE; nothing after CLOSE from either side. The driver also
 *   says CLOSE for a close that the engine asked for. Listeners and datagram sockets are links that begin open.
 * - FULL is told when a flush left something; what is sent to a full link still queues in the driver, and above the
 *   runtime's cap the link is closed with -ENOBUFS: an engine that relays holds its input until ROOM.
 * - MOVE: while it lasts the engine sends no other bytes to the link; `from` delivers nothing to recv but its CLOSE.
 *   It ends with in MOVE (link = target) and why != 0, or when len is done (why 0, with the bytes that
 *   completed it).
 * - Datagrams: recv takes whole ones; what it leaves without hold is lost, as on any network. */
SKT_END
