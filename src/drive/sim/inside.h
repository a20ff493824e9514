#pragma once
/* inside: what the files of the simulation share. sim.c has a turn and the rules, link.c the links,
 * conn.c, tcp.c and udp.c the transports, world.c names, wires and the queue of events. */
#include "drive/sim/sim.h"

#include "base/map.h"
#include "base/random.h"
#include "drive/tap.h"

enum what { FREE, RESERVED, LISTENER, DGRAM, STREAM, OPENING };
#define NO_CONN UINT32_MAX
enum { ACKS = 8, UNREAD_MAX = 64 * 1024, FLUSH_AT = 64 * 1024 };

enum event_kind {
    EV_WAKE,
    EV_SYN,
    EV_SYNACK,
    EV_ACCEPT,
    EV_REFUSED,
    EV_PATIENCE,
    EV_SEGMENT,
    EV_ACK,
    EV_READ,
    EV_RESET,
    EV_BREAK,
    EV_DATAGRAM,
    EV_TRAIN,
    EV_DRAIN,
    EV_CLOSED
};

/* What will happen. who: a host, a connection's side, a link; gen tells whether it is still meant. */
struct event {
    skt_time at;
    uint64_t order; /* of equal times the older comes first */
    uint8_t kind, side;
    uint32_t who, gen;
    int why;
    void *packet; /* DATAGRAM: owned */
};

/* A piece of output that waits in the driver. */
struct piece {
    struct skt_buf *buf;
    struct skt_span bytes;
    uint64_t check; /* of shared bytes: they must not change while they wait */
    bool shared;
    uint32_t seg; /* datagrams, as in out */
    struct skt_addr to;
};

struct packet { /* a datagram on its way or in a socket */
    struct packet *next;
    struct skt_addr from;
    int host; /* it goes to */
    uint16_t port;
    uint32_t len;
    uint8_t bytes[];
};

struct link {
    uint32_t slot, gen;
    uint8_t what, side;
    bool dirty, held, full, eof_told, out_eof, closing, closed;
    int host;
    uint16_t port; /* its own */
    uint32_t conn; /* STREAM, OPENING */
    skt_link via;
    struct piece *queue;                  /* ring */
    uint32_t first, pieces, room, queued; /* queued: bytes */
    struct skt_addr peer;                 /* DGRAM: connected to; nowhere: not */
    struct packet *in, **in_end;
    uint32_t in_bytes;
    bool train_event;
    struct skt_buf *train; /* DGRAM: what is held, from train_at */
    uint32_t train_at, train_seg;
    struct skt_addr train_from;
    struct link *move_to, *feeder; /* MOVE: from here; into here */
    uint64_t move_left, moved;
    struct link *next; /* of the free ones */
};

/* Bytes in order: those at off.. of p, len of them. */
struct fifo {
    uint8_t *p;
    size_t off, len, size;
};

struct segment {
    uint64_t end;
    skt_time at;
    uint8_t tries;
    bool lost, fin;
};

struct ack {
    skt_time at;
    uint64_t got, window;
};

/* One direction of a connection. taken <= read <= arrived <= sent <= written; read: offered to the engine. */
struct pipe {
    struct wire *wire, *back;
    struct fifo bytes; /* from taken to written */
    uint64_t taken, read, arrived, sent, written;
    uint64_t acked, window; /* what the sender knows: of arrived; how far it may send */
    uint64_t told_window;
    uint32_t send_buf, recv_buf;
    struct segment *segs; /* ring: in flight */
    uint32_t seg_first, seg_n, seg_room;
    struct ack acks[ACKS];
    uint32_t ack_first, ack_n;
    skt_time last_at; /* nothing arrives before what was sent before it */
    bool fin_wanted, fin_sent, fin_arrived, segment_event, ack_event, read_event;
};

struct conn {
    uint32_t index, gen;
    bool used, made, reset;
    uint8_t tear; /* how its bytes are cut: 0 whole, 1 anywhere, 2 crumbs first */
    uint8_t syns;
    struct pipe pipe[2];  /* by the side that writes */
    struct link *link[2]; /* NULL: that side has closed */
    int host[2];          /* 0: the opener's side */
    struct skt_addr addr[2];
    skt_time left_at[2]; /* when that side closed */
    uint64_t dropped[2]; /* bytes that came for it after that */
    struct skt_tap_flow flow;
};

struct host {
    struct skt_engine engine;
    char name[64];
    struct skt_addr addr;
    struct link **links; /* by slot; 0 is nobody */
    uint32_t n_slots, n_links;
    struct link *free, *fresh;
    struct link **dirty, **held;
    uint32_t n_dirty, n_held, dirty_room, held_room;
    uint16_t next_port;
    uint32_t iface;
    skt_time woken; /* when its next WAKE event is for */
    uint32_t wakes; /* number of that event */
    bool pumping, active, begun, listed;
};

struct wire { /* one way between two hosts */
    struct skt_path path;
    uint64_t index;
    bool own, cut;
};

struct sim {
    struct sim_conf conf;
    skt_time now;
    struct skt_random random;
    struct host **hosts;
    int n_hosts;
    struct event *events; /* binary heap */
    uint32_t n_events, events_room;
    uint64_t order;
    struct conn **conns;
    uint32_t n_conns, *free_conns, n_free_conns;
    struct wire **wires;
    uint32_t n_wires;
    struct skt_map wire_of; /* from << 32 | to -> wires */
    struct skt_map port_of; /* udp << 63 | host << 16 | port -> link */
    struct skt_path_conf wire_conf;
    int active[8], n_active; /* hosts with work left in this turn */
    uint8_t *room;           /* where engines write */
    struct skt_tap *tap;
    struct sim_stats stats;
};

/* link.c */
void sim_broken(const struct sim *sim, const struct host *h, const char *fmt, ...)
    __attribute__((format(printf, 3, 4), noreturn));
bool sim_chance(struct sim *sim, double share);
uint64_t sim_below(struct sim *sim, uint64_t n);
skt_link sim_link_id(const struct link *l);
struct link *sim_link_new(struct sim *sim, int host, enum what what); /* NULL: all are in use */
struct link *sim_link_of(struct sim *sim, int host, skt_link id);
void sim_link_gone(struct sim *sim, struct link *l, int why); /* says CLOSE, once; l is not to be used after it */
void sim_dirty(struct sim *sim, struct link *l);
void sim_work(struct sim *sim, int host); /* the turn does not end without it */
void sim_hold(struct sim *sim, struct link *l);
void sim_unhold(struct sim *sim, struct link *l);
void sim_queue_drop(struct sim *sim, struct link *l);
/* Takes over the reference to buf. */
struct piece *sim_queue_add(struct link *l, struct skt_buf *buf, struct skt_span bytes, bool shared);
/* The oldest piece; checks that shared bytes did not change. NULL: nothing waits. */
struct piece *sim_queue_first(struct sim *sim, struct link *l);
void sim_queue_pop(struct link *l);
void sim_queue_cut(struct link *l, size_t n); /* of the first */

/* sim.c */
void *sim_mem(void *old, size_t n, size_t size); /* of n items; ends the program rather than give NULL */
void sim_recv(struct sim *sim, struct link *l, struct skt_in *in);
void sim_pump(struct sim *sim, int host);                          /* asks for all that it wants */
void sim_tell(struct sim *sim, struct link *l, struct skt_in *in); /* recv, pump */
void sim_tell_kind(struct sim *sim, struct link *l, enum skt_kind kind, int why);

/* world.c */
void sim_at(struct sim *sim, struct event event);
bool sim_next_event(struct sim *sim, struct event *ret_event);
struct wire *sim_wire_of(struct sim *sim, int from, int to);
int sim_resolve(const struct sim *sim, int from, const char *host); /* -1: no such name */
void sim_bind(struct sim *sim, struct link *l, bool udp, uint16_t port);
void sim_unbind(struct sim *sim, struct link *l);
struct link *sim_bound(struct sim *sim, int host, bool udp, uint16_t port);
uint16_t sim_free_port(struct sim *sim, int host);
/* "udp:name:port", "tcp:name:port", "name:port", "port". -EINVAL; -ENOENT: no such host; -EOPNOTSUPP: other schemes. */
int sim_parse(const struct sim *sim, int from, const char *text, bool *ret_udp, int *ret_host, uint16_t *ret_port);
int sim_host_of(const struct sim *sim, const struct skt_addr *addr); /* -1: nobody has it */

/* conn.c */
void sim_tcp_open(struct sim *sim, struct link *l, int to, uint16_t port);
void sim_tcp_gone(struct sim *sim, struct link *l, int why); /* of the link; the connection may live on */
void sim_tcp_reset(struct sim *sim, struct conn *c, uint8_t side);
void sim_tcp_lost(struct sim *sim, struct conn *c);
void sim_tcp_free(struct conn *c);
void sim_conn_event(struct sim *sim, struct conn *c, const struct event *e);

/* tcp.c */
void sim_tcp_event(struct sim *sim, const struct event *e);
void sim_tcp_flush(struct sim *sim, struct link *l);
void sim_tcp_offer(struct sim *sim, struct link *l); /* again, what was left */
void sim_move(struct sim *sim, struct link *from, struct link *to, uint64_t len);
void sim_move_step(struct sim *sim, struct link *from);
void sim_move_end(struct sim *sim, struct link *from, int why);

/* udp.c */
void sim_udp_send(struct sim *sim, struct link *l, const struct skt_addr *to, struct skt_span bytes, uint32_t seg);
void sim_udp_full(struct sim *sim, struct link *l); /* for a while */
void sim_udp_event(struct sim *sim, const struct event *e);
void sim_udp_offer(struct sim *sim, struct link *l);
void sim_udp_drop(struct link *l);
