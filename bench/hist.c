/* hist: log-linear histogram of latencies. */
#include "hist.h"

/* Below 32 ns a class each; above, the top five bits behind the leading one choose the step. */
static unsigned class_of(uint64_t ns)
{
    unsigned shift;

    if (ns < HIST_STEPS)
        return (unsigned)ns;
    shift = 58 - (unsigned)__builtin_clzll(ns); /* so that ns >> shift is 32..63 */
    return (shift << 5) + (unsigned)(ns >> shift);
}

static int64_t middle_of(unsigned class)
{
    unsigned shift = class < 2 * HIST_STEPS ? 0 : (class >> 5) - 1;
    uint64_t from = class < 2 * HIST_STEPS ? class : (uint64_t)(class - (shift << 5)) << shift;

    return (int64_t)(from + ((1ULL << shift) >> 1));
}

void hist_add(struct hist *h, int64_t ns)
{
    unsigned class = class_of(ns < 0 ? 0 : (uint64_t)ns);

    h->count[class < HIST_CLASSES ? class : HIST_CLASSES - 1]++;
    h->total++;
    if (h->max < ns)
        h->max = ns;
}

int64_t hist_at(const struct hist *h, double share)
{
    uint64_t want = (uint64_t)(share * (double)h->total), seen = 0;

    for (unsigned i = 0; i < HIST_CLASSES; i++)
        if ((seen += h->count[i]) > want)
            return middle_of(i);
    return h->max;
}
