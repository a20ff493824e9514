/* spin: a maximum that forgets. */
#include "drive/rt/spin.h"

enum { FORGET = 64 }; /* sleeps */
static const skt_time margin = 5 * SKT_US;

struct spin spin_of(skt_time most) { return (struct spin){ .most = most, .late = most }; }

skt_time spin_time(const struct spin *spin)
{
    skt_time t = spin->late + spin->late / 4 + margin;

    return t < spin->most ? t : spin->most;
}

void spin_slept(struct spin *spin, skt_time late)
{
    late = late < 0 ? 0 : late < spin->most ? late : spin->most;
    if (late >= spin->late)
        spin->late = late;
    else
        spin->late -= (spin->late - late + FORGET - 1) / FORGET;
}
