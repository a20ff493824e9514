/* stamp: SO_TIMESTAMPNS, which streams have as well: the stamp is that of the last segment read. */
#include "drive/rt/stamp.h"

#include <time.h>

static const skt_time oldest = SKT_SEC; /* of an older one the clock was set meanwhile, or nobody read for long */

void stamp_ask(int fd)
{
    int on = 1;

    (void)setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on); /* without it the time of reading counts */
}

static skt_time clock_of(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return t.tv_sec * SKT_SEC + t.tv_nsec;
}

/* The kernel stamps by the wall clock, `now` is of the monotonic one: what they have in common is how long ago it was. */
skt_time stamp_of(struct msghdr *msg, skt_time now)
{
    struct timespec t;
    skt_time ago;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPNS)
            continue;
        memcpy(&t, CMSG_DATA(c), sizeof t);
        ago = clock_of(CLOCK_REALTIME) - (t.tv_sec * SKT_SEC + t.tv_nsec);
        if (ago < 0 || ago > oldest)
            return 0;
        ago = clock_of(CLOCK_MONOTONIC) - ago;
        return ago < now ? ago : now;
    }
    return 0;
}
