#pragma once
/* What the files of the path share. path.c leads a packet through them; chain.c throws the dice. */
#include "engine/impair/path.h"

enum purpose { LOSS, DUP, REORDER, CORRUPT, FLIP, MOVE, SLOT, JITTER = 16 /* and up: one for each copy */ };

/* chain.c: 0 <= x < 1, always the same for the same packet and purpose. */
double path_dice(const struct skt_path *path, uint32_t purpose, uint64_t index);
/* One step of a model: makes of the state before packet `index` the one after it; first: there is none before. */
typedef void path_step(const struct skt_path *path, struct skt_path_chain *chain, uint64_t index, bool first);
/* The chain after packet `index`. kind: of its state; that of another kind is forgotten. */
const struct skt_path_chain *path_chain(
    struct skt_path *path, struct skt_path_chain *chain, uint32_t kind, path_step *step, uint64_t index);
/* A throw that goes one way as often as the one before it went so, by corr more than by chance alone. */
bool path_again(bool before, bool first, double share, double corr, double dice);
bool path_doubles(struct skt_path *path, uint64_t index);
bool path_corrupts(struct skt_path *path, uint64_t index);
bool path_goes_early(struct skt_path *path, uint64_t index);

/* loss.c */
bool path_loses(struct skt_path *path, uint64_t index);

/* delay.c */
skt_time path_delay(struct skt_path *path, uint64_t index, uint32_t copy);
/* From one slot to the next; index: of the packet that makes it necessary. */
skt_time path_slot_time(const struct skt_path *path, uint64_t index);

/* pathqueue.c: when the rate has sent it and its slot opens. False: there was no room. */
bool path_queue(struct skt_path *path, skt_time now, size_t len, uint64_t index, skt_time *ret_sent);
