#pragma once
#include <sockit/bytes.h>

/* spin: how long before a deadline to wake up and stay awake. A sleeper is late by what the machine needs to wake him:
 * some 10 us on one that is awake, 100 and more on one that is busy or virtual. As much as the last sleeps were late,
 * and a little more, so that a quiet machine does not pay for what a busy one needs. */
struct spin {
    skt_time most; /* never longer; 0: never at all */
    skt_time late; /* what sleeps were late by: up at once, down over some 64 of them */
};

struct spin spin_of(skt_time most); /* begins with the most: nothing is known yet */
skt_time spin_time(const struct spin *spin);
void spin_slept(struct spin *spin, skt_time late); /* a sleep ended so late */
