#pragma once
#include "engine/impair/grammar.h"
#include "engine/impair/line.h"

#include <signal.h>

/* bridge: two interfaces and the lines between them. What comes in on one goes out of the other, when and if its line says
 * so; the lines' clock is the kernel's stamp of a frame's coming, so our own slowness is not added to a delay, and is
 * measured. Trains are cut: each segment is a packet with a fate of its own, as it would be on a wire. */
struct skt_bridge;

enum { SKT_BRIDGE_A, SKT_BRIDGE_B };

struct skt_bridge_conf {
    const char *interfaces[2]; /* A, B; up is from A to B */
    uint64_t bytes;            /* of memory for frames on their way, both directions; 0: 256 MiB */
    uint32_t mtu;              /* packets above it vanish; 0: none */
    skt_time spin; /* watch, not sleep, at most so long before something is due; SKT_NEVER: 300 us; 0: never */
    bool realtime; /* SCHED_FIFO and locked memory, where allowed */
};

struct skt_bridge_way {
    struct skt_line_stats line;
    uint64_t missed;  /* came in, and the ring was full: not in line.way.in */
    uint64_t cut;     /* trains of which only the beginning came; not in line.way.in */
    uint64_t refused; /* by the interface out: too long, down, gone */
    uint64_t trains;  /* were cut into segments */
};

/* On failure *why has a sentence with the way out: -EINVAL (the same twice, two ends of one cable), or as
 * skt_packet_open. The network's seed holds from now on. */
int skt_bridge_new(const struct skt_bridge_conf *conf, const struct skt_netem *network, struct skt_bridge **ret_bridge,
    struct skt_room *why);
void skt_bridge_free(struct skt_bridge *bridge);
SKT_CLEANUP(skt_bridge)
void skt_bridge_set(struct skt_bridge *bridge, const struct skt_netem *network);

/* One turn: what has come goes in, what is due goes out; when there is nothing of either it waits, at most until `until`,
 * for signals as well: mask is that of the wait. 1: go on; -EINTR: a signal; -ENODEV: an interface is gone for good. */
int skt_bridge_step(struct skt_bridge *bridge, skt_time until, const sigset_t *mask);
const char *skt_bridge_gone(const struct skt_bridge *bridge); /* the name of the one that is gone; NULL: both there */
/* An interface went down (ret_up false) or came up again. False: nothing new. */
bool skt_bridge_news(struct skt_bridge *bridge, const char **ret_name, bool *ret_up);

void skt_bridge_stats(struct skt_bridge *bridge, enum skt_way way, struct skt_bridge_way *ret_way);
const struct skt_lag *skt_bridge_lag(const struct skt_bridge *bridge, enum skt_way way);
bool skt_bridge_realtime(const struct skt_bridge *bridge);      /* it got what `realtime` asked for */
bool skt_bridge_cramped(const struct skt_bridge *bridge);       /* skt_packet_cramped, of either */
const char *skt_bridge_hosted(const struct skt_bridge *bridge); /* the name of one with an address; NULL: none */
skt_time skt_bridge_now(void);
