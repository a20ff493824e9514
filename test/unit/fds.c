/* drive/file/fds.c: descriptors, the least recently used is closed first. */
#include "test.h"

#include "drive/file/fds.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static int opened(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    return fd;
}

static bool is_open(int fd) { return fcntl(fd, F_GETFD) >= 0; }

static void the_oldest_is_closed_first(void **state)
{
    struct skt_fds fds;
    int fd[4];

    skt_fds_init(&fds, 100, 3);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(skt_fds_put(&fds, 30 * i, fd[i] = opened()), 0);
    assert_int_equal(skt_fds_get(&fds, 0), fd[0]); /* now 30 is the oldest */
    fd[3] = opened();
    assert_int_equal(skt_fds_put(&fds, 99, fd[3]), 0);
    assert_false(is_open(fd[1]));
    assert_int_equal(skt_fds_get(&fds, 30), -1);
    assert_true(is_open(fd[0]) && is_open(fd[2]) && is_open(fd[3]));
    assert_true(skt_fds_shed(&fds));
    assert_false(is_open(fd[2]));
    skt_fds_close(&fds, 0);
    skt_fds_close(&fds, 0);
    skt_fds_close(&fds, 12345);
    assert_false(is_open(fd[0]));
    assert_int_equal(fds.n, 1);
    skt_fds_done(&fds);
    assert_false(is_open(fd[3]));
    assert_false(skt_fds_shed(&fds));
}

static void a_slot_above_the_cap_is_refused_and_its_descriptor_closed(void **state)
{
    struct skt_fds fds;
    int fd = opened();

    skt_fds_init(&fds, 4, 1);
    assert_int_equal(skt_fds_put(&fds, 4, fd), -ENOMEM);
    assert_false(is_open(fd));
    assert_int_equal(skt_fds_get(&fds, 4), -1);
    skt_fds_done(&fds);
}

/* Against a list that is searched: a thousand steps of all kinds. */
static void it_is_what_a_simple_list_would_be(void **state)
{
    enum { SLOTS = 9, MAX = 4 };
    struct skt_fds fds;
    uint32_t list[MAX + 1], n = 0, dice = 1; /* the newest last */

    skt_fds_init(&fds, SLOTS, MAX);
    for (int step = 0; step < 1000; step++) {
        uint32_t slot = (dice = dice * 1664525 + 1013904223) >> 16, what = slot / SLOTS % 4, at = 0;
        slot %= SLOTS;
        while (at < n && list[at] != slot)
            at++;
        assert_true((skt_fds_get(&fds, slot) >= 0) == (at < n));
        if (at < n) {
            for (; at + 1 < n; at++)
                list[at] = list[at + 1];
            list[--n] = 0;
            if (what == 0)
                skt_fds_close(&fds, slot);
            else
                list[n++] = slot;
        } else if (what) {
            assert_int_equal(skt_fds_put(&fds, slot, opened()), 0);
            for (at = 0; n == MAX && at + 1 < n; at++)
                list[at] = list[at + 1];
            n -= n == MAX;
            list[n++] = slot;
        }
        assert_int_equal(fds.n, n);
        for (uint32_t i = 0; i < n; i++) /* from the oldest, which leaves the order as it is */
            assert_true(skt_fds_get(&fds, list[i]) >= 0);
    }
    skt_fds_done(&fds);
}

RUN(T(the_oldest_is_closed_first), T(a_slot_above_the_cap_is_refused_and_its_descriptor_closed),
    T(it_is_what_a_simple_list_would_be))
