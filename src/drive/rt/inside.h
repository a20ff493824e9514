#pragma once
/* inside: what the files of the runtime share. A turn is in rt.c; start reading at skt_rt_step(). */
#include <sockit/rt.h>

#include "base/heap.h"
#include "drive/rt/queue.h"
#include "drive/sock.h"
#include "drive/rt/spin.h"

#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum {
    ENGINES_MAX = 16,
    EVENTS_A_TURN = 256,
    ACCEPTS_A_TURN = 64,
    READ_MAX = 64 * 1024,   /* of one read: one per link and turn, so nobody starves */
    BLOCK = 4 * READ_MAX,   /* counted blocks that reads and engines fill */
    CIPHER_MAX = 32 * 1024, /* of one read with TLS: what a session takes at once */
    OFFERS_A_TURN = 16,
    ALSO_MAX = 64,            /* links that one SHARE of an engine goes to besides its first */
    UNREAD_MAX = 64 * 1024,   /* of what an engine leaves unread; then the link is not read any more */
    FLUSH_NOW = 16 * 1024,    /* queued on one link by an engine: write now, while it is in the cache */
    CIPHER_AHEAD = 64 * 1024, /* TLS: cipher text made before it is written */
    IOV_MAX_HERE = 64,
    BACKLOG = 4096,
    EXITS_MAX = 64,
    LINKS_A_CHUNK = 256,
    LINGER_MAX = 1 << 20, /* bytes read and dropped after our close */
};
#define LINGER_TIME (2 * SKT_SEC)
#define SHAKE_TIME  (5 * SKT_SEC)  /* for a PROXY header and a TLS handshake of who was accepted */
#define REST_TIME   (100 * SKT_MS) /* of a listener that cannot accept for want of descriptors or memory */
#define REAP_TIME   (100 * SKT_MS) /* commands that have not ended yet are not asked more often, */
#define REAP_SOON   (2 * SKT_MS)   /* but the first time: who closes its end is about to exit */

enum what {
    FREE,
    RESERVED, /* RESERVED: promised to an engine by out->link */
    LISTENER,
    DGRAM,
    STREAM,
    OPENING,
    LINGERING,
    INNER /* the runtime's own descriptors */
};

/* The rare parts of a link: only those pay that have them. */
struct extra {
    struct skt_tls_session *tls;
    struct queue cipher;       /* TLS: what waits for the socket; the link's queue has the plain text */
    struct opening *opening;   /* open.c */
    struct move *move;         /* move.c: where this link's bytes go */
    struct listener *listener; /* listen.c */
    struct dgrams *dgrams;     /* dgram.c */
    struct skt_tap_flow *flow; /* tap */
    skt_link feeder;           /* the link whose move writes here */
    struct skt_addr peer;      /* when getpeername does not know: PROXY protocol, or it is gone */
    skt_time deadline;         /* of opening, handshake, PROXY header, lingering; 0: none */
    uint32_t lingered;         /* bytes dropped while lingering */
    int child;                 /* process of an exec: link */
    uint8_t *head;             /* the first head_n bytes of a PROXY header that has not come whole; NULL: none */
    uint16_t head_n;
    bool proxy;   /* its PROXY header has not come yet */
    bool shaking; /* TLS handshake not done: the engine has not heard of the link */
};

struct link {
    uint32_t slot;
    int fd, out; /* out: another descriptor for writing (stdio), else fd */
    uint16_t gen;
    uint8_t what, engine;
    uint16_t want, have; /* epoll interest: wished, and told to the kernel */
    bool polled : 1;     /* fd is in the epoll set */
    bool out_polled : 1;
    bool socket : 1;                       /* else file, pipe, terminal */
    bool always : 1, out_always : 1;       /* a file: always ready, epoll refuses it */
    bool dirty : 1, changed : 1, held : 1; /* on which list of the turn */
    bool in_end : 1;                       /* EOF or error was read */
    bool eof_told : 1;
    bool out_eof : 1, out_ended : 1; /* half-close wished; done */
    bool closing : 1;                /* close when the queue is empty */
    bool full : 1;                   /* FULL was told */
    bool timed : 1;                  /* has an entry in the heap */
    bool known : 1;                  /* to its engine: CLOSE is told */
    bool gone : 1;                   /* reap it at the end of the turn */
    int16_t why;
    uint32_t idle_ms;
    skt_link via;                                            /* the listener; 0: none */
    uint32_t next_dirty, next_held, next_changed, next_gone; /* slots */
    skt_time heard;                                          /* last byte in either direction */
    struct slice rest;                                       /* what the engine left unread */
    struct queue queue;
    struct extra *x; /* NULL for most */
};

struct block {
    struct skt_buf *buf;
    uint32_t off;
};

struct skt_rt {
    struct skt_rt_conf conf;
    int epoll, stop_fd, spare_fd;
    skt_time now;
    struct spin spin; /* of conf.spin */
    skt_time came;    /* when the kernel received what is told now; 0: not known */
    struct {
        struct skt_engine engine;
        struct skt_open_conf open;
        bool active, pumping, stalled; /* stalled: there was no memory for what it wants */
    } engines[ENGINES_MAX];
    int n_engines;
    struct link **chunks;                        /* LINKS_A_CHUNK each, made when needed */
    uint32_t n_slots, n_links, free_head, fresh; /* slots from 1; free_head: a slot, its next in next_dirty */
    uint32_t dirty, held, changed, gone;         /* lists of the turn */
    struct block in, out;                        /* where reads land, where engines write */
    struct skt_buf *spare_blocks[4];
    int n_spare_blocks;
    struct skt_heap timers;
    uint32_t timers_full; /* entries at which those of links that are gone are thrown out */
    struct skt_dns *dns;
    uint32_t dns_slot;
    int alarm_fd; /* wait.c; -1: none yet */
    uint32_t alarm_slot;
    bool alarm_failed;
    skt_time alarm_at; /* it goes off; 0: it is not set */
    struct skt_rt_stats stats;
    int pipes[4][2]; /* spare pipes for splice */
    int n_pipes;
    struct child {
        pid_t pid;
        skt_link link;
    } * children; /* to be reaped */
    uint32_t n_children, children_room;
    skt_time reap_at;
    struct {
        skt_link link;
        int status;
    } exits[EXITS_MAX]; /* a ring: not asked for yet */
    uint32_t first_exit, n_exits;
    bool again;                 /* do not sleep: something can go on at once */
    bool turns_done, stoppable; /* stoppable: stop_fd is a link's */
    struct epoll_event events[EVENTS_A_TURN];
    uint32_t always[8]; /* slots of files: always ready */
    int n_always;
    atomic_bool stopped;
    char why_of[512]; /* of the link that failed last: link.c */
    skt_link why_link;
    struct {
        bool is;
        struct skt_addr peer;
        char why[256];
    } unheard; /* who came last and could not shake hands: tlslink.c */
};

/* link.c: the table of links, their lists and timers */
struct link *link_of(struct skt_rt *rt, skt_link id); /* NULL: stale */
struct link *link_at(const struct skt_rt *rt, uint32_t slot);
skt_link link_id(const struct link *l);
int link_new(struct skt_rt *rt, int engine, enum what what, struct link **ret_link); /* -ENOSPC, -ENOMEM */
skt_link link_reserve(struct skt_rt *rt);                                            /* for out->link; 0: none */
struct link *link_claim(struct skt_rt *rt, skt_link id);                             /* of a reserved one, else NULL */
struct extra *link_extra(struct link *l);                   /* made when missing; NULL: out of memory */
void link_gone(struct skt_rt *rt, struct link *l, int why); /* say CLOSE, close, free at the end of the turn */
void link_reap_next(struct skt_rt *rt);                     /* frees what is gone */
void link_free(struct skt_rt *rt, struct link *l);
void link_want(struct skt_rt *rt, struct link *l, unsigned events); /* EPOLLIN, EPOLLOUT */
void link_wants_apply(struct skt_rt *rt);
void link_dirty(struct skt_rt *rt, struct link *l);
int link_timer(struct skt_rt *rt, struct link *l); /* (re)arms from deadline and idle */
uint32_t link_idle(skt_time idle);                 /* for idle_ms: at least 1, at most 49 days */
void link_hold(struct skt_rt *rt, struct link *l); /* offer again what it left, when its engine did something */
void link_timers_due(struct skt_rt *rt);
void link_why(struct skt_rt *rt, const struct link *l, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void link_why_peer(struct skt_rt *rt, const struct link *l, const char *stage, const char *why);

/* rt.c: engines */
int rt_dns(struct skt_rt *rt);                                   /* the resolver, started when first needed */
void tell(struct skt_rt *rt, struct link *l, struct skt_in *in); /* recv, then every send */
void tell_kind(struct skt_rt *rt, struct link *l, enum skt_kind kind, int why);
int block_room(struct skt_rt *rt, struct block *b, size_t n, struct skt_room *ret_room);
void block_used(struct block *b, const uint8_t *end);
int rt_inner(
    struct skt_rt *rt, int fd, uint32_t *ret_slot); /* a descriptor of the runtime's own joins the set; -errno */

/* wait.c */
skt_time wait_clock(void);
int wait_events(
    struct skt_rt *rt, struct epoll_event *ev, skt_time at, bool ready); /* as epoll_wait; ready: do not sleep */
void wait_alarmed(struct skt_rt *rt);                                    /* its descriptor is readable */

/* stream.c */
void stream_opened(struct skt_rt *rt, struct link *l, const struct skt_addr *peer); /* fd is set: poll, TLS, OPEN */
void stream_event(struct skt_rt *rt, struct link *l, unsigned events);
int stream_add(struct skt_rt *rt, struct link *l, struct skt_buf *buf, struct skt_span bytes);
void stream_flush(struct skt_rt *rt, struct link *l);
void stream_offer(struct skt_rt *rt, struct link *l, struct skt_buf *buf, struct skt_span bytes);
void stream_ended(struct skt_rt *rt, struct link *l);          /* no byte follows */
void stream_secured(struct skt_rt *rt, struct link *l);        /* the TLS handshake is done */
void stream_again(struct skt_rt *rt, struct link *l);          /* offer what was held */
void stream_close(struct skt_rt *rt, struct link *l, int why); /* the engine wishes it */

/* tlslink.c: the filter between stream and socket */
int tlslink_start(struct skt_rt *rt, struct link *l, struct skt_tls *tls, const char *host);
void tlslink_cipher(struct skt_rt *rt, struct link *l, struct skt_span cipher);
int tlslink_fill(struct skt_rt *rt, struct link *l);                 /* plain queue -> cipher queue */
void tlslink_gone(struct skt_rt *rt, const struct link *l, int why); /* before it is told, or was never known */
void tlslink_ended(struct skt_rt *rt, struct link *l);

/* dgram.c */
int dgram_start(struct skt_rt *rt, struct link *l, bool doubt); /* of skt_open_conf */
void dgram_event(struct skt_rt *rt, struct link *l, unsigned events);
int dgram_send(
    struct skt_rt *rt, struct link *l, const struct skt_out *out, struct skt_buf *buf, struct skt_span bytes);
void dgram_again(struct skt_rt *rt, struct link *l);
void dgram_flush(struct skt_rt *rt, struct link *l);
bool dgram_waits(const struct link *l); /* something is queued */
/* Our end of what such a peer sends. */
void dgram_local(const struct link *l, const struct skt_addr *peer, struct skt_addr *ret_local);
void dgram_free(struct extra *x);

/* listen.c */
void listener_event(struct skt_rt *rt, struct link *l);
void listener_left(struct skt_rt *rt, struct link *l); /* one of its links is gone */
void listener_proxy(struct skt_rt *rt, struct link *l);
void listener_rested(struct skt_rt *rt, struct link *l);
void listener_free(struct extra *x);

/* open.c */
int open_start(struct skt_rt *rt, struct link *l, const char *where, const struct skt_open_conf *conf);
void open_event(struct skt_rt *rt, struct link *l, uint32_t tag, unsigned events);
void open_step(struct skt_rt *rt, struct link *l);
void open_late(struct skt_rt *rt, struct link *l); /* its time is over: says in which stage */
void open_free(struct skt_rt *rt, struct extra *x);
void open_dns(struct skt_rt *rt);
void children_add(struct skt_rt *rt, const struct link *l); /* the link of a command ends */
void children_reap(struct skt_rt *rt);
skt_time open_wake(const struct link *l);

/* move.c */
int move_start(struct skt_rt *rt, struct link *from, struct link *to, uint64_t len);
void move_step(struct skt_rt *rt, struct link *from);
bool move_bytes(struct skt_rt *rt, struct link *from, struct skt_buf *buf, struct skt_span *bytes);
bool move_deciphers(const struct link *from);
void move_end(struct skt_rt *rt, struct link *from, int why);
void move_target_broke(struct skt_rt *rt, struct link *to, int err);

/* tapped.c: the tap of a link; sent: else received */
void tapped_open(struct skt_rt *rt, struct link *l, bool accepted);
void tapped_data(struct skt_rt *rt, struct link *l, bool sent, struct skt_span bytes);
void tapped_plain(struct skt_rt *rt, struct link *l, bool sent, struct skt_span bytes); /* inside TLS */
void tapped_queue(struct skt_rt *rt, struct link *l, const struct queue *q, size_t n);
void tapped_moved(struct skt_rt *rt, struct link *l, bool sent, uint64_t n); /* unseen */
void tapped_eof(struct skt_rt *rt, struct link *l, bool sent);
void tapped_close(struct skt_rt *rt, struct link *l, int why);
void tapped_datagram(
    struct skt_rt *rt, struct link *l, bool sent, const struct skt_addr *peer, struct skt_span train, uint32_t seg);
