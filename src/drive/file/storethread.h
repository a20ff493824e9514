#pragma once
#include "drive/file/store.h"

/* storethread: a store beside the loop. A disk may need minutes for a write or a sync, and a loop that waits for it reads no packets:
 * they are lost, and who answers nothing is taken for dead. So one thread does all that the store is asked for, in the order in which
 * it was asked, and nobody else touches the store meanwhile. */
struct skt_rt;
struct skt_storethread;

/* Both borrowed. rt: woken (skt_rt_wake) when there are answers; NULL: nobody. The thread begins with what is asked first. */
struct skt_storethread *skt_storethread_new(struct skt_store *store, struct skt_rt *rt); /* NULL: out of memory */
/* Stops a copy, waits for what is being done; what waits is not done. After it the buffers that events lent are free, and the store is the caller's. */
void skt_storethread_free(struct skt_storethread *t);
SKT_CLEANUP(skt_storethread)
/* As skt_store_do, at once or later. True: *ret_result is the answer (no thread could be had, or no memory). False: it comes by next, if
 * the event has a job. */
bool skt_storethread_do(struct skt_storethread *t, const struct skt_xfer_event *event, int64_t *ret_result);
bool skt_storethread_next(struct skt_storethread *t, uint32_t *ret_job, int64_t *ret_result); /* one that is answered */
/* From now on nothing is written: what waits, and what is asked for, is answered by -ECANCELED. DROP and CLOSED_SESSION are done. */
void skt_storethread_stop(struct skt_storethread *t);
