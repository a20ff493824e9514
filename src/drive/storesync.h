#pragma once
#include "drive/store.h"

#include <pthread.h>

/* storesync: SYNC of a store beside the loop. A disk may need minutes until it has everything, and who answers nothing meanwhile is
 * taken for dead by the other end. One thread at a time, as long as a syncfs takes; who asks meanwhile waits for the next. */
enum { SKT_STORESYNC_JOBS = 64 }; /* that wait */
struct skt_storesync {
    struct skt_store *store;
    pthread_t thread;
    bool running; /* there is one */
    int64_t result;
    uint32_t jobs[2][SKT_STORESYNC_JOBS], n[2]; /* of this syncfs; of the next */
};
void skt_storesync_init(struct skt_storesync *sync, struct skt_store *store); /* borrowed */
void skt_storesync_done(struct skt_storesync *sync); /* waits for the disk; takes what is all zeros */
/* False: too many wait, or no thread: do it by skt_store_do. A disk that is quick is waited for. */
bool skt_storesync_ask(struct skt_storesync *sync, uint32_t job);
bool skt_storesync_next(struct skt_storesync *sync, uint32_t *ret_job, int64_t *ret_result); /* one that is answered */
static inline bool skt_storesync_busy(const struct skt_storesync *sync) { return sync->running || sync->n[0]; }
