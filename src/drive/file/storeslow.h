#pragma once
#include "drive/file/store.h"

/* storeslow: a store whose slow jobs are done beside the loop: SYNC, and the copy of a large file that is replaced. A disk may need
 * minutes for either, and who answers nothing meanwhile is taken for dead by the other end. One thread at a time, as long as one of
 * them takes; it touches nothing of the store but descriptors that stay. What belongs behind it waits. */
enum { SKT_STORESLOW_WAITING = 256 }; /* events that wait; above it the loop waits for the disk */
struct skt_storeslow;
int skt_storeslow_new(struct skt_store *store /* borrowed */, struct skt_storeslow **ret_slow); /* -ENOMEM */
/* Stops a copy, waits for the disk. What is not answered never will be; before skt_store_free. */
void skt_storeslow_free(struct skt_storeslow *slow);
SKT_CLEANUP(skt_storeslow)
/* As skt_store_do, for all events. True: the answer is there. False: it comes by skt_storeslow_next. A disk that is quick is waited for. */
bool skt_storeslow_do(struct skt_storeslow *slow, const struct skt_xfer_event *event, int64_t *ret_result);
bool skt_storeslow_next(struct skt_storeslow *slow, uint32_t *ret_job, int64_t *ret_result); /* one that is answered */
bool skt_storeslow_busy(const struct skt_storeslow *slow); /* there will be more of them */
/* Nobody needs the copies any more: what waits for one is answered with -ECANCELED. */
void skt_storeslow_stop(struct skt_storeslow *slow);
