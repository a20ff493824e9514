#pragma once
#include <sockit/engine.h>

SKT_BEGIN
/* rt: the runtime. Drives engines over the kernel's sockets, one thread each. */
struct skt_rt;
struct skt_tls; /* sockit/tls.h */
struct skt_acl; /* allow and deny lists, base/acl.h; NULL: everyone */
struct skt_tap; /* where all that passes is written as pcapng; drive/tap.h */

struct skt_rt_conf {
    uint32_t max_links;   /* descriptors in use at once, listeners included; 0: 16384 */
    uint32_t queue_bytes; /* cap of what waits for one link's socket; 0: 1 MiB. Above: closed, -ENOBUFS */
    skt_time busy_poll;   /* spin that long before sleeping; 0: never */
    skt_time spin;        /* spin at most that long before a wake: an engine's deadline is met to some us; 0: never */
    bool stamps;          /* engines are told when the kernel received what they get: in->at */
    bool cc_system;       /* keep the system's congestion control also for peers on this host */
    struct skt_tap *tap;  /* borrowed; NULL: none */
    bool tap_plain;       /* the tap gets the plain text of TLS links, not what the socket carries */
};

struct skt_listen_conf {
    uint32_t
        max_conns; /* of this listener; the next is accepted and closed at once, and counted; 0: no cap but the runtime's */
    bool wait;     /* at max_conns stop accepting instead: the backlog waits */
    bool share_port;     /* others may join this port, once it is ours: it is refused where somebody has it */
    bool join_port;      /* join a port that another runtime of this user shares; the kernel deals out who comes (-j) */
    bool proxy;          /* a PROXY protocol header comes first (v1 or v2); 5 s for it, else closed */
    struct skt_tls *tls; /* borrowed; NULL: plain */
    const struct skt_acl *acl;
    skt_time idle; /* close a link silent in both directions for that long, -ETIMEDOUT; 0: never */
    bool
        pmtu; /* datagrams are never fragmented: what the path does not carry is lost (RFC 8899 searches for its MTU) */
};

struct skt_open_conf {
    skt_time timeout;    /* of resolving, connecting and TLS together; 0: 10 s */
    skt_time idle;       /* as above */
    struct skt_tls *tls; /* borrowed; NULL: plain */
    const char *source;  /* local "host", ":port" or "host:port"; NULL: any */
    uint8_t family;      /* SKT_IP4 or SKT_IP6: addresses of that family alone; else of both */
    bool pmtu;           /* as above */
    /* Datagrams: anybody may forge an ICMP message that says that nobody listens there. Once the peer has answered it does
     * not end the link: EOF is told, with why -ECONNREFUSED. */
    bool doubt;
};

struct skt_rt_stats {
    uint64_t accepted, refused, denied, dropped_full, dropped_idle, accept_errors, stale;
    uint64_t tls_failed; /* handshakes of who came: refused, too late, broken off */
    uint64_t bytes_in, bytes_out, datagrams_in, datagrams_out, datagrams_lost, turns;
    uint32_t links;
};

int skt_rt_new(const struct skt_rt_conf *conf /* NULL: defaults */, struct skt_rt **ret_rt); /* -ENOMEM, -EMFILE */
void skt_rt_free(struct skt_rt *rt); /* closes every link, without telling the engines */
SKT_CLEANUP(skt_rt)

/* The engine is borrowed until skt_rt_free. Gives its number, >= 0; -ENOSPC above 16. */
int skt_rt_add(struct skt_rt *rt, struct skt_engine engine);
/* Puts an engine in the place of another that was added; for engines that want to know a link of theirs when they are
 * made. Before the first step. */
void skt_rt_set(struct skt_rt *rt, int engine, struct skt_engine with);

/* where: "[HOST:]PORT", "udp:[HOST:]PORT", "unix:/path", "unixgram:/path", "fd:N". No HOST: loopback. The link is the listener. */
int skt_rt_listen(
    struct skt_rt *rt, int engine, const char *where, const struct skt_listen_conf *conf, skt_link *ret_link);
/* where: as for out OPEN in engine.h. Told to the engine by OPEN or CLOSE, never before this returns. */
int skt_rt_open(struct skt_rt *rt, int engine, const char *where, const struct skt_open_conf *conf, skt_link *ret_link);
/* Takes both descriptors (may be the same; -1: that direction is closed). Files, pipes, terminals. */
int skt_rt_adopt(struct skt_rt *rt, int engine, int in, int out, skt_link *ret_link);
/* What the engine's own OPENs use. Copied. */
void skt_rt_open_defaults(struct skt_rt *rt, int engine, const struct skt_open_conf *conf);

/* Ends a link from outside, as out CLOSE would: after what is queued. Its engine is told. -ESTALE. */
int skt_rt_close(struct skt_rt *rt, skt_link link);

/* One turn: waits until something happens, tells the engines, does what they want. 1: go on; 0: no link is left
 * and no engine wants to wake; -EINTR: stopped by skt_rt_stop; -errno. The caller ignores SIGPIPE. */
int skt_rt_step(struct skt_rt *rt);
/* From any thread or signal handler: the step in progress, or the next one, returns -EINTR. */
void skt_rt_stop(struct skt_rt *rt);
void skt_rt_wake(struct skt_rt *rt);          /* the same, but it returns as if something had come */
skt_time skt_rt_now(const struct skt_rt *rt); /* of this turn */

/* The two ends. -ENOTCONN, -ESTALE. */
int skt_rt_local(struct skt_rt *rt, skt_link link, struct skt_addr *ret_addr);
int skt_rt_peer(struct skt_rt *rt, skt_link link, struct skt_addr *ret_addr);
/* Why a link failed, or with link 0 why skt_rt_listen did, as one sentence: stage, peer, reason. "": not known. Valid
 * until the next call on rt. */
const char *skt_rt_why(struct skt_rt *rt, skt_link link);
/* Who was let go before an engine heard of him, since his TLS handshake failed or did not end, and why: the last one since this was asked
 * before. False: nobody. Valid as above. */
bool skt_rt_unheard(struct skt_rt *rt, struct skt_addr *ret_peer, const char **ret_why);
/* The next command (exec:) that has ended, and how, in the words of waitpid(2); the link is gone, or will be. False: none.
 * At most 64 wait to be asked for; older ones are forgotten. */
bool skt_rt_exited(struct skt_rt *rt, skt_link *ret_link, int *ret_status);
void skt_rt_stats(const struct skt_rt *rt, struct skt_rt_stats *ret_stats);
SKT_END
