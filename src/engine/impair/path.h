#pragma once
#include <sockit/bytes.h>

/* path: what one direction of a bad network does to the packets that enter it. Pure: each throw of the dice is a hash of
 * (seed, direction, purpose, packet index), so a seed hits the same packets whatever the timing. */

struct skt_path_conf {
    skt_time delay, jitter;    /* each packet takes delay + [0, jitter), so jitter reorders */
    double loss, dup, reorder; /* probabilities 0..1. reorder: of going at once, past those in delay */
    uint64_t rate_bytes;       /* a second; 0: no limit */
    uint64_t queue_bytes;      /* that may wait for the rate; more is dropped; 0: 256 KiB */
    double corrupt;            /* of one flipped bit */
};

struct skt_path {
    struct skt_path_conf conf;
    uint64_t seed;
    uint32_t direction;
    skt_time free_at;               /* when the rate has sent all that entered */
    uint64_t lost, dropped, copied; /* counters: by chance; by a full queue; extra copies */
};

enum { SKT_PATH_COPIES = 2 };

/* What becomes of one packet. */
struct skt_path_fate {
    uint32_t copies;                /* that arrive; 0: lost */
    skt_time at[SKT_PATH_COPIES];   /* when each does */
    uint32_t flip[SKT_PATH_COPIES]; /* bit to flip, counted from 1; 0: intact */
};

void skt_path_init(struct skt_path *path, const struct skt_path_conf *conf, uint64_t seed, uint32_t direction);
/* The packet with this index (any numbering: each index has a fate of its own) and length enters now. */
struct skt_path_fate skt_path_pass(struct skt_path *path, skt_time now, size_t len, uint64_t index);
