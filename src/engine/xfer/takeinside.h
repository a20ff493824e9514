#pragma once
#include "base/map.h"
#include "base/ranges.h"
#include "engine/xfer/take.h"

/* What take.c (files), takegroup.c (their groups), takelinks.c and takesay.c share. */

enum {
    TAKE_FILES = 4096,    /* not settled, of which entries are taken */
    TAKE_AHEAD = 1024,    /* entries that the sender may send unasked */
    TAKE_RING = 8192,     /* at least the sum of both */
    TAKE_NAMES = 8 << 20, /* bytes of names, above which no more entries are asked for */
    TAKE_NAME = 4096,
    TAKE_MAKES = 64,    /* MAKE at once */
    TAKE_COMPARES = 16, /* groups compared at once, one of a file */
    TAKE_TRIES = 3,     /* a group that differs so often ends the session */
    TAKE_PIECES = 4096, /* ranges of one group, at most */
    TAKE_PIECES_LEAST = 64,
    TAKE_PIECE = 256,       /* bytes of a group for which it may have one more: a packet has 1200 */
    TAKE_SPARE_PIECES = 64, /* a group that had room for more is not kept as a spare one */
    TAKE_REPEATS =
        4096, /* groups of a file, besides as many as it has, of which ZEROS may be said though they are stored */
    TAKE_PATHS = 1 << 24,      /* that are remembered by all sessions, but for TAKE_PATHS_EACH of each */
    TAKE_PATHS_EACH = 1 << 16, /* and by one at most as many as by all */
    TAKE_LEAST = 8 << 20,      /* bytes that are asked for ahead of the slowest disk */
    TAKE_SAY = 1024            /* room in the control stream for any message of ours */
};
#define TAKE_BYTES  ((uint64_t)1 << 48) /* of one file */
#define TAKE_BEHIND (100 * SKT_MS)      /* and a round trip: so long a group may wait for the disk */
#define TAKE_STORED (100 * SKT_MS)      /* from one STORED to the next */
#define TAKE_AGAIN  (500 * SKT_MS)      /* from one MAKE of a busy file to the next */
#define TAKE_BUSY   (40 * SKT_SEC)      /* how long: a dead session is closed after 30 s */

enum take_state { TAKE_NEW, TAKE_MAKING, TAKE_FILLING, TAKE_FINISHING, TAKE_DONE, TAKE_FAILED };

struct take_file {
    struct skt_xfer_meta meta; /* its names are in `names` */
    uint32_t number, jobs;     /* jobs: not answered */
    uint8_t state;             /* enum take_state */
    uint8_t say;               /* a kind of message; 0: nothing */
    bool made;                 /* DROP is owed if it fails */
    bool checked, check_said;  /* something was there; CHECK was said */
    bool comparing;
    skt_time busy_until, again_at; /* MAKE was answered by -EBUSY */
    int why;
    bool here; /* why is of this end */
    const char *text;
    uint64_t groups;
    uint64_t ask, ask_end; /* the next group to ask for, unless it is stored; how far may be asked now */
    uint64_t valued;       /* checked: values that came in order */
    uint64_t compared;     /* checked */
    uint64_t stored, fed;  /* groups in their place; of them the first ones, given to tree */
    uint64_t repeats;      /* groups that are stored, of which ZEROS came */
    uint64_t bytes, same;  /* of the groups in their place; of them those that were there already */
    struct skt_cells cells;
    struct skt_tree *tree; /* of more than one group */
    uint8_t hash[SKT_HASH];
    struct skt_node todo, saying, asking; /* in the lists of the take; todo: or in busy */
    struct skt_node active;               /* its groups that are asked for */
    uint8_t names[];
};

/* A group that is asked for. */
struct take_group {
    struct take_file *file;
    uint64_t index;
    uint32_t len, n_got;
    uint8_t *bytes; /* since its first block */
    struct skt_ranges got;
    uint8_t tries;
    bool zeros, right, writing; /* right: verified */
    skt_time since;             /* when it was given to the disk */
    struct skt_node list;       /* writes, again, or spare */
    struct skt_node of_file;
};

struct skt_take {
    struct skt_desk *desk;
    struct skt_take_conf conf;
    struct take_file **ring;       /* of files base..count, by number */
    uint32_t base, count, granted; /* settled and told; entries; entries allowed */
    uint32_t make;                 /* the next to be made, if it is not late */
    uint32_t makes, compares;      /* not answered */
    bool dir_out;                  /* a directory is being made: what may be in it waits */
    bool offered, all, syncing, sync_out, synced, done, agreed, ended; /* sync_out: SYNC is not answered */
    uint64_t asked;                                                    /* bytes asked for and not stored */
    uint64_t ahead; /* how much that may be: conf.window, or less if the disk is behind */
    uint64_t offered_bytes;
    size_t names;
    struct skt_node todo, busy, saying, asking, writes, again, spare;
    uint32_t n_spare;
    uint32_t next_file; /* the last block ended there */
    uint64_t next_at;
    struct take_file *told; /* the event has its meta: it goes at the next call */
    struct skt_map paths;   /* key of a path that is settled -> 0: a file; errno: it did not go over */
    bool paths_more;        /* and others: no memory */
    struct skt_hasher sum;
    uint8_t sum_hash[SKT_HASH];
    uint32_t said_base;
    uint64_t said_bytes;
    skt_time said_at;
    uint32_t n_stored;
};

struct take_file *take_file(const struct skt_take *t, uint32_t number); /* NULL: settled, or not there */
/* For any message of ours. */
static inline bool take_has_room(const struct skt_take *t)
{
    return !t->desk->closing && skt_conn_say_room(t->desk->conn) >= TAKE_SAY;
}
void take_fail(struct skt_take *t, struct take_file *f, int why, const char *text, bool say);

/* takelinks.c */
void take_links_settled(struct skt_take *t, const struct take_file *f);
bool take_link_leads_astray(struct skt_take *t, struct take_file *f); /* true: it has failed for that */

/* takegroup.c */
uint32_t take_group_len(const struct take_file *f, uint64_t group);
void take_ask(struct skt_take *t);
void take_again(struct skt_take *t);
void take_hashes(struct skt_take *t, const struct skt_xfer_message *m);
void take_zeros(struct skt_take *t, const struct skt_xfer_message *m);
bool take_write(struct skt_take *t, struct skt_xfer_event *ev);
void take_wrote(struct skt_take *t, struct take_file *f, uint64_t group, int64_t result);
bool take_compare(struct skt_take *t, struct take_file *f, struct skt_xfer_event *ev);
void take_compared(struct skt_take *t, struct take_file *f, const struct skt_job *job, int64_t result);
void take_groups_drop(struct skt_take *t, struct take_file *f); /* all but those that are being written */
void take_spare_done(struct skt_take *t);
