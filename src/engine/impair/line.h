#pragma once
#include <sockit/impair.h>

#include "engine/impair/lag.h"
#include "engine/impair/path.h"
#include "wire/frame.h"

/* line: one direction of a bridge: frames enter, the path decides what becomes of each, and they are kept until they
 * arrive. Everything is allocated at birth. The frames' index counts all that entered, from 0: with the same seed and
 * direction the same numbers are lost as in the simulated network. */
struct skt_line;

struct skt_line_conf {
    struct skt_path_conf path;
    uint64_t seed;
    uint32_t direction; /* enum skt_way */
    uint32_t frame_max; /* bytes; longer ones do not enter */
    uint64_t bytes;     /* of memory for frames on their way */
    uint32_t mtu;       /* packets above it vanish without a word; 0: none */
};

struct skt_line_stats {
    struct skt_impair_way way; /* out: left by skt_line_done as sent; `dropped` counts full and too_long as well */
    uint64_t blackholed;       /* above mtu */
    uint64_t full;             /* no memory was left for them */
    uint64_t too_long;         /* longer than frame_max */
};

int skt_line_new(const struct skt_line_conf *conf, struct skt_line **ret_line); /* -ENOMEM, -EINVAL: bytes < a frame */
void skt_line_free(struct skt_line *line);
SKT_CLEANUP(skt_line)
/* From now on; what the models remember and the queue holds stays, and so do frames on their way. */
void skt_line_set(struct skt_line *line, const struct skt_path_conf *path);

/* A frame enters, at a time that is not before that of the one before it. It is copied. */
void skt_line_put(struct skt_line *line, skt_time now, struct skt_span frame, struct skt_frame_debt debt);

struct skt_line_out {
    struct skt_span frame; /* valid until its skt_line_done */
    struct skt_frame_debt debt;
    skt_time at; /* when it was to arrive */
    uint32_t id; /* private */
};
/* Takes out what has arrived, in order of arrival, of equal times in order of entry; at most max. Gives how many. */
uint32_t skt_line_take(struct skt_line *line, skt_time now, struct skt_line_out *ret_out, uint32_t max);
/* Each one that was taken: it left at that time, or not. */
void skt_line_done(struct skt_line *line, const struct skt_line_out *out, skt_time when, bool sent);
skt_time skt_line_wake(const struct skt_line *line); /* the next arrival; SKT_NEVER */

void skt_line_stats(struct skt_line *line, skt_time now, struct skt_line_stats *ret_stats);
const struct skt_lag *skt_line_lag(const struct skt_line *line); /* how much later than asked they left */
