#pragma once
#include <stdint.h>

/* hist: latencies in log-linear classes, 32 to a power of two: 3 % wide, any ns value, 15 KiB. */
enum { HIST_STEPS = 32, HIST_CLASSES = 60 * HIST_STEPS };

struct hist {
    uint64_t count[HIST_CLASSES];
    uint64_t total;
    int64_t max;
};

void hist_add(struct hist *h, int64_t ns);
int64_t hist_at(const struct hist *h, double share); /* ns; share 0.5: the median. 0 when empty */
