#pragma once
#include <sockit/bytes.h>

/* path: what one direction of a bad network does to the packets that enter it, in this order: loss, corruption, copies,
 * queue and rate, slots, delay, reordering. Pure, and it holds no packets: skt_path_pass() says at once when each copy
 * arrives; the caller keeps the bytes until then.
 *
 * Each throw of the dice is a hash of (seed, direction, purpose, packet index): a seed hits the same packets whatever the
 * timing, in whatever order they are asked for. Models with a memory advance per index, lost or not; they begin anew, in
 * their stationary distribution, at each multiple of SKT_PATH_ERA, so that any index can be reached.
 * What a full queue drops, and the opening of slots, follow from timing.
 *
 * Use: skt_path_init(), for each packet skt_path_pass(path, now, len, index++), skt_path_done(). The conf may be changed
 * between two packets (path->conf = other): what the queue holds and the states of the models go on. */

enum { SKT_PATH_ERA = 1 << 16 };

enum skt_dist { SKT_UNIFORM, SKT_NORMAL, SKT_PARETO, SKT_PARETONORMAL };
enum skt_loss_model { SKT_LOSS_RANDOM, SKT_LOSS_GEMODEL, SKT_LOSS_STATE };

/* All zeros: nothing bad. Shares are 0..1. A correlation (..._corr, 0..1) is that of a packet with the one before it; the
 * share stays what was asked, unlike in tc-netem. */
struct skt_path_conf {
    /* Uniform: delay - jitter .. delay + jitter. The others: jitter is the unit of the distribution, as in tc-netem's tables,
     * cut at 4 units. What would be negative is 0. delay_corr is of the ranks of neighbours. */
    skt_time delay, jitter;
    double delay_corr;
    enum skt_dist delay_dist;
    bool in_order; /* jitter does not reorder: none arrives before one that entered before it, unless by `reorder` */

    double loss, loss_corr; /* SKT_LOSS_RANDOM */
    enum skt_loss_model loss_model;
    struct {
        double p, r, bad, good; /* good -> bad, bad -> good; loss when bad (1-h), when good (1-k) */
    } ge;                       /* SKT_LOSS_GEMODEL */
    struct {
        double p13, p31, p32, p23, p14; /* 1 good, 2 good within a burst, 3 lost in a burst, 4 lost alone */
    } state;                            /* SKT_LOSS_STATE */
    bool ecn;                           /* marks what can be marked instead of losing it: skt_path_pass_ecn */

    double dup, dup_corr;
    double reorder, reorder_corr; /* of going at once, past those in delay */
    uint32_t reorder_gap;         /* only after gap - 1 packets that did not; 0 = 1 */
    double corrupt, corrupt_corr; /* of one flipped bit */

    uint64_t rate_bytes;    /* a second; 0: no limit */
    uint64_t burst_bytes;   /* go at once after a pause: the depth of the token bucket; 0: none */
    int32_t overhead;       /* bytes of each packet besides its length; may be negative */
    uint32_t cell_size;     /* 0: none; the length is filled up to whole cells */
    int32_t cell_overhead;  /* bytes of each cell besides */
    uint64_t queue_bytes;   /* that may wait for the rate; more is dropped; 0: 256 KiB, or no limit if queue_packets */
    uint32_t queue_packets; /* the same in packets; 0: no limit */

    struct {
        skt_time min, max;       /* SKT_UNIFORM: from one slot to the next; max 0: no slots */
        skt_time delay, jitter;  /* of the other distributions */
        enum skt_dist dist;      /* of that time */
        uint32_t packets, bytes; /* that one slot takes; 0: no limit */
    } slot;                      /* packets gather until a slot opens, and then go together */
};

/* What waits for the rate. */
struct skt_path_queue {
    struct skt_path_wait {
        skt_time at; /* when it has been sent */
        uint32_t len;
    } * ring;
    uint32_t first, n, size;
    uint64_t bytes, peak_bytes;
    uint32_t peak_packets;
    uint64_t told_drops; /* by skt_path_next */
    uint32_t told_level;
};

/* A model with a memory: its state after packet `index`. */
struct skt_path_chain {
    uint64_t next; /* index + 1; 0: not begun */
    uint32_t kind, state;
    double x;
};

enum { SKT_PATH_COPIES = 2 };
enum {
    SKT_PATH_LOSS,
    SKT_PATH_DUP,
    SKT_PATH_REORDER,
    SKT_PATH_CORRUPT,
    SKT_PATH_DELAY,
    SKT_PATH_CHAINS = 4 + SKT_PATH_COPIES
};

struct skt_path {
    struct skt_path_conf conf;
    uint64_t seed;
    uint32_t direction;
    skt_time free_at;   /* when the rate has sent all that entered */
    uint64_t free_rest; /* and this many 1/rate ns */
    skt_time slot_at;   /* the slot that is filled */
    uint32_t slot_packets, slot_bytes;
    skt_time last_at; /* the latest arrival */
    struct skt_path_queue queue;
    struct skt_path_chain chain[SKT_PATH_CHAINS];
    uint64_t passed, bytes;                /* counters: packets and bytes that entered */
    uint64_t lost, dropped, copied;        /* by chance; by a full queue; extra copies */
    uint64_t marked, corrupted, reordered; /* ECN; flipped; sent past others */
};

/* What becomes of one packet. */
struct skt_path_fate {
    uint32_t copies;                /* that arrive; 0: lost or dropped */
    skt_time at[SKT_PATH_COPIES];   /* when each does */
    uint32_t flip[SKT_PATH_COPIES]; /* bit to flip, counted from 1; 0: intact */
    bool mark;                      /* set CE (RFC 3168) in it */
    bool early;                     /* at[0] is before its turn, by `reorder` */
    bool dropped;                   /* the queue was full, for a copy at least */
};

void skt_path_init(struct skt_path *path, const struct skt_path_conf *conf, uint64_t seed, uint32_t direction);
/* Needed if there ever was a rate. Takes NULL; the path may be initialised again. */
void skt_path_done(struct skt_path *path);
/* The packet with this index (any numbering: each index has a fate of its own) and length enters now. */
struct skt_path_fate skt_path_pass(struct skt_path *path, skt_time now, size_t len, uint64_t index);
/* The same for a packet that may be marked: capable, when its sender said ECT. */
struct skt_path_fate skt_path_pass_ecn(struct skt_path *path, skt_time now, size_t len, uint64_t index, bool capable);

/* How full the queue before the rate is, in bytes and packets. */
void skt_path_occupancy(struct skt_path *path, skt_time now, uint64_t *ret_bytes, uint32_t *ret_packets);
/* When it has room for a packet of that length, if none enters before; INT64_MIN: it had since it was asked last. */
skt_time skt_path_room(const struct skt_path *path, size_t len);

struct skt_path_event {
    uint32_t level; /* 0: empty; 1..4: up to a quarter, two, three, four of its limit */
    bool drops;     /* it has dropped since the last event */
    uint64_t bytes; /* that wait now */
    uint32_t packets;
};
/* True, and what it is now, when the level has changed or packets were dropped since the last one. To be pulled after a
 * packet or at any interval. */
bool skt_path_next(struct skt_path *path, skt_time now, struct skt_path_event *ret_event);
