/* wait: the end of a turn: sleeps until something happens or the time has come. */
#include "drive/rt/inside.h"

#include <errno.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define FAR SKT_SEC /* a wake further away than that is a timer's, once, and not each sleep's */

skt_time wait_clock(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * SKT_SEC + t.tv_nsec;
}

/* --- the alarm: idle time-outs are always armed, and a sleep with a time limit costs the kernel a timer each. One timer for
 * many sleeps: it may go off early, then it is set anew. --- */

static int alarm_new(struct skt_rt *rt)
{
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    int r = fd < 0 ? -errno : rt_inner(rt, fd, &rt->alarm_slot);

    if (!r)
        rt->alarm_fd = fd;
    else if (fd >= 0)
        close(fd);
    return r;
}

/* False: there is none to be had. */
static bool alarm_by(struct skt_rt *rt, skt_time at)
{
    struct itimerspec t = { .it_value = { .tv_sec = at / SKT_SEC, .tv_nsec = at % SKT_SEC } };

    if (rt->alarm_at && rt->alarm_at <= at)
        return true;
    if (rt->alarm_fd < 0 && (rt->alarm_failed || alarm_new(rt))) {
        rt->alarm_failed = true;
        return false;
    }
    if (timerfd_settime(rt->alarm_fd, TFD_TIMER_ABSTIME, &t, NULL))
        return false;
    rt->alarm_at = at;
    return true;
}

void wait_alarmed(struct skt_rt *rt)
{
    uint64_t n;

    rt->alarm_at = 0;
    (void)!read(rt->alarm_fd, &n, sizeof n);
}

/* --- sleep --- */

/* Sleeps until `span` is over, at the latest. */
static int sleep_events(struct skt_rt *rt, struct epoll_event *ev, skt_time span)
{
    struct timespec t = { .tv_sec = span / SKT_SEC, .tv_nsec = span % SKT_SEC };
    int n = epoll_pwait2(rt->epoll, ev, EVENTS_A_TURN, &t, NULL);

    if (n < 0 && errno == ENOSYS) /* before Linux 5.11: milliseconds, rounded up */
        n = epoll_wait(rt->epoll, ev, EVENTS_A_TURN, (int)(span / SKT_MS + 1));
    return n;
}

/* Awake when `at` comes: a sleeper is late by what the machine needs to wake him (50 us and more). Awake is turn by turn, not
 * in a loop of its own: what will have to be done at `at` is in the cache then, which saves 10 us. */
static int wait_precisely(struct skt_rt *rt, struct epoll_event *ev, skt_time at)
{
    skt_time spin = spin_time(&rt->spin), left = at - wait_clock() - spin;
    int n;

    if (left <= 0)
        return epoll_wait(rt->epoll, ev, EVENTS_A_TURN, 0);
    n = sleep_events(rt, ev, left);
    if (n == 0)
        spin_slept(&rt->spin, wait_clock() - (at - spin));
    return n;
}

/* Sleeps until `at` at the latest; spins first if the user pays for it. */
int wait_events(struct skt_rt *rt, struct epoll_event *ev, skt_time at, bool ready)
{
    skt_time spin_end = rt->now + rt->conf.busy_poll;
    int n = 0;

    if (rt->again || at <= rt->now || ready)
        return epoll_wait(rt->epoll, ev, EVENTS_A_TURN, 0);
    while (rt->conf.busy_poll && (n = epoll_wait(rt->epoll, ev, EVENTS_A_TURN, 0)) == 0 && wait_clock() < spin_end)
        ;
    if (n)
        return n;
    if (at == SKT_NEVER || (at - rt->now > FAR && alarm_by(rt, at)))
        return epoll_wait(rt->epoll, ev, EVENTS_A_TURN, -1);
    return rt->conf.spin ? wait_precisely(rt, ev, at) : sleep_events(rt, ev, at - rt->now);
}
