/* hist_test: every latency falls into a class whose middle is within 3 % of it, and shares are counted right. */
#include "common.h"
#include "hist.h"

#include <stdio.h>

static int64_t class_middle_of(int64_t ns)
{
    static struct hist h;

    h = (struct hist){ 0 };
    hist_add(&h, ns);
    return hist_at(&h, .5);
}

int main(void)
{
    static struct hist h;

    for (int64_t ns = 0; ns < 64; ns++)
        if (class_middle_of(ns) != ns)
            bench_die("%lld ns is told as %lld", (long long)ns, (long long)class_middle_of(ns));
    for (int64_t ns = 64; ns < 1LL << 60; ns += ns / 37 + 1) {
        int64_t off = class_middle_of(ns) - ns;

        if (off > ns * 3 / 100 || -off > ns * 3 / 100)
            bench_die("%lld ns is told as %lld", (long long)ns, (long long)class_middle_of(ns));
    }
    for (int64_t i = 1; i <= 100000; i++)
        hist_add(&h, i * 1000);
    if (h.total != 100000 || h.max != 100000000 || hist_at(&h, .5) / 1000 < 48500 || hist_at(&h, .5) / 1000 > 51500 ||
        hist_at(&h, .99) / 1000 < 96000 || hist_at(&h, .99) / 1000 > 102000)
        bench_die("p50 %lld, p99 %lld", (long long)hist_at(&h, .5), (long long)hist_at(&h, .99));
    return 0;
}
