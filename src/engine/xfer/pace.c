/* pace: a bucket of bytes that fills with time. */
#include "engine/xfer/pace.h"

#define BURST SKT_MS
#define SAME  (SKT_MS / 4) /* of one turn of ours */
/* Of a machine that is busy: what it did not let us send goes at once. It takes the place of what has left the path since. */
#define LATE      (8 * SKT_MS)
#define LATE_MOST (32 * SKT_MS)

static uint64_t bytes_in(skt_time span, uint64_t rate)
{
    double bytes = (double)span * (double)rate / 1e9;

    return bytes < 1e18 ? (uint64_t)bytes : (uint64_t)1e18;
}

/* A millisecond's worth, but two packets at least: what a bucket holds. */
static uint64_t burst(uint64_t rate, uint32_t packet)
{
    uint64_t bytes = bytes_in(BURST, rate);

    return bytes > 2 * (uint64_t)packet ? bytes : 2 * (uint64_t)packet;
}

uint64_t skt_pace_least(uint64_t rate, uint32_t packet)
{
    uint64_t half = burst(rate, packet) / 2;

    return half < SKT_PACE_TRAIN ? half : SKT_PACE_TRAIN;
}

/* The queue of a path has room for half a round trip, as a rule: a BDP is usual. */
static skt_time forgiven(const struct skt_pace *pace)
{
    skt_time half = pace->rtt / 2;

    return half < LATE ? LATE : half > LATE_MOST ? LATE_MOST : half;
}

uint64_t skt_pace_credit(struct skt_pace *pace, skt_time now, uint64_t rate, uint32_t packet)
{
    skt_time span = now - pace->at;
    bool waits = pace->credit < skt_pace_least(rate, packet); /* more would have gone the last time */
    uint64_t most = burst(rate, packet), late = bytes_in(forgiven(pace), rate), had = pace->credit, add;

    pace->missed = false;
    if (rate == UINT64_MAX) {
        pace->at = now;
        return UINT64_MAX;
    }
    add = bytes_in(span, rate);
    pace->credit += add;
    /* Only the time of whole bytes is used up: with a low rate the rests are what counts. */
    pace->at += rate ? (skt_time)((double)add * 1e9 / (double)rate) : span;
    if (waits && most < late)
        most = late;
    else if (span < SAME && most < had) /* the trains of one burst are asked for one after the other */
        most = had;
    if (pace->credit > most) {
        pace->missed = waits;
        pace->credit = most;
        pace->at = now;
    }
    return pace->credit;
}

void skt_pace_spend(struct skt_pace *pace, uint64_t bytes)
{
    pace->credit -= bytes < pace->credit ? bytes : pace->credit;
}

skt_time skt_pace_ready(const struct skt_pace *pace, uint64_t rate, uint32_t packet)
{
    uint64_t least = skt_pace_least(rate, packet);
    double span;

    if (rate == UINT64_MAX || pace->credit >= least)
        return pace->at;
    if (!rate)
        return SKT_NEVER;
    span = (double)(least - pace->credit) * 1e9 / (double)rate;
    return span < 1e15 ? pace->at + (skt_time)span + 1000 : SKT_NEVER;
}
