#pragma once
#include <sockit/bytes.h>

/* pace: spreads packets over the time, so that a burst does not fill the queue of the path. A bucket of bytes. */
struct skt_pace {
    skt_time at;     /* when credit was right */
    uint64_t credit; /* bytes that may go at once */
    skt_time rtt;    /* of the path, for how much of what we were too late for goes at once; 0: not known */
    bool missed;     /* we came later than that when we were last asked: the path could have had more */
};

enum { SKT_PACE_TRAIN = 64 * 1024 }; /* bytes of a train at most */

/* Bytes that may go now; UINT64_MAX: no pace. packet: bytes of a full one. */
uint64_t skt_pace_credit(struct skt_pace *pace, skt_time now, uint64_t rate, uint32_t packet);
void skt_pace_spend(struct skt_pace *pace, uint64_t bytes);
/* A train should not begin with less than this, or each packet would cost a system call. */
uint64_t skt_pace_least(uint64_t rate, uint32_t packet);
skt_time skt_pace_ready(const struct skt_pace *pace, uint64_t rate, uint32_t packet); /* when there is as much */
