#pragma once
#include "base/ranges.h"
#include "engine/xfer/offer.h"

/* What offer.c (files) and offergroup.c (their groups on the way) share. */

enum {
    OFFER_RING = 8192,        /* files that the receiver has not told to be settled */
    OFFER_FIRST = 1024,       /* entries that may go before the first MORE */
    OFFER_WANTS = 64 * 1024,  /* NEED and CHECK that wait */
    OFFER_HELD = 96 << 20,    /* bytes of files in buffers */
    OFFER_AHEAD = 4 << 20,    /* of them read and not sent yet */
    OFFER_GROUPS = 16 * 1024, /* on the way */
    OFFER_JOBS = 512,         /* READ and LAST at once */
    OFFER_CHECKS = 2,         /* of them for CHECK */
    OFFER_PIECES = 4096,      /* ranges of one group */
    OFFER_PROMISE = 128,      /* bytes of messages that one job may lead to */
    OFFER_RESERVE = 16 * 1024 /* of the control stream, that entries leave free */
};

enum offer_last { OFFER_READING, OFFER_READ, OFFER_ASKED, OFFER_UNCHANGED };

struct offer_file {
    struct skt_xfer_meta meta; /* its names are in `names` */
    uint32_t number, jobs;
    bool failed, refused;         /* refused: by the other end */
    bool opened, checked, needed; /* opened: FORGET is owed */
    uint8_t last;                 /* enum offer_last */
    int why;
    char *text;                    /* of REFUSE; ours to free; NULL: none */
    uint64_t groups, hashed, said; /* said: for CHECK, in order */
    uint64_t
        withheld;  /* the group that was hashed last: its value is said when the file is known not to have changed */
    uint64_t sent; /* bytes, each counted once */
    struct skt_cells cells;
    uint8_t hash[SKT_HASH];
    struct skt_node lasts;  /* LAST is to be asked */
    struct skt_node active; /* its groups */
    uint8_t names[];
};

/* A group on its way. */
struct offer_group {
    struct offer_file *file;
    uint64_t index;
    uint32_t len, sent, n_acked; /* sent: bytes, once */
    uint8_t *bytes;
    struct skt_ranges acked, lost;
    uint32_t tag;                  /* slot, and its generation above */
    struct skt_node list, of_file; /* list: ready, lossy, or none */
};

struct offer_want {
    uint32_t file;
    uint64_t group, count;
};
struct offer_wants {
    struct offer_want *ring; /* of `size`, a power of two */
    uint32_t first, n, size;
};

struct skt_offer {
    struct skt_desk *desk;
    struct offer_file **ring;
    uint32_t base, count, granted, stored;       /* settled and told; entries; allowed; settled, says the receiver */
    uint32_t jobs, checks;                       /* READ and LAST not answered; of them for CHECK */
    bool walking, walked, stuck, end_said, open; /* stuck: the last WALK gave nothing: not before MORE */
    bool done, ended, over;
    uint32_t walk_from; /* count when WALK was asked */
    struct offer_wants needs, checking;
    uint64_t settled;      /* bytes of files that the receiver has */
    uint64_t held, unsent; /* bytes of buffers; of files, wanted and read or being read, not sent once */
    struct offer_group **slots;
    uint32_t *free_slots, n_free, n_slots, generation;
    struct skt_node ready, lossy, lasts;
    struct offer_file *told;
    struct skt_hasher sum;
    uint8_t sum_hash[SKT_HASH], their_sum[SKT_HASH];
    bool their_done;
};

struct offer_file *offer_file(const struct skt_offer *o, uint32_t number); /* NULL: settled, or not there */
void offer_fail(struct skt_offer *o, struct offer_file *f, int why);

/* offergroup.c */
int offer_want(struct offer_wants *wants, const struct offer_want *want); /* -ENOSPC, -ENOMEM */
bool offer_read(struct skt_offer *o, struct skt_xfer_event *ev);
void offer_was_read(struct skt_offer *o, struct offer_file *f, const struct skt_job *job, int64_t result);
void offer_unchanged(struct skt_offer *o, struct offer_file *f);
void offer_groups_drop(struct skt_offer *o, struct offer_file *f);
int offer_groups_init(struct skt_offer *o);
void offer_groups_done(struct skt_offer *o);
bool offer_has_room(const struct skt_offer *o, size_t more); /* of the control stream, besides all that is promised */
uint32_t offer_group_len(const struct offer_file *f, uint64_t group);
