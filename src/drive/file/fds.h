#pragma once
#include <stdbool.h>
#include <stdint.h>

/* fds: descriptors that stay open for a while, each in a numbered slot; above max the least recently used is closed. */
struct skt_fds_slot {
    int fd; /* -1: none */
    uint32_t older, newer;
};
struct skt_fds {
    struct skt_fds_slot *slots;
    uint32_t size, slots_max; /* slots */
    uint32_t n, max;          /* open; n <= max */
    uint32_t oldest, newest;  /* UINT32_MAX: none */
};

void skt_fds_init(struct skt_fds *fds, uint32_t slots_max, uint32_t max); /* allocates nothing yet; both > 0 */
void skt_fds_done(struct skt_fds *fds);                                   /* closes all */
int skt_fds_get(struct skt_fds *fds, uint32_t slot);                      /* -1: not open; else it is the newest now */
int skt_fds_put(struct skt_fds *fds, uint32_t slot, int fd); /* the slot is empty. 0; -ENOMEM: fd was closed */
void skt_fds_close(struct skt_fds *fds, uint32_t slot);      /* of one that is not open: nothing */
bool skt_fds_shed(struct skt_fds *fds);                      /* closes the oldest; false: there was none */
