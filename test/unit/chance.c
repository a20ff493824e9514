/* drive/crypt.c: the kernel's random bytes, whole or not at all. */
#include "test.h"

#include "drive/crypt.h"

#include <errno.h>
#include <sys/random.h>

static int error;     /* that the kernel gives instead */
static int interrupt; /* so often before it does anything */
static size_t most;   /* bytes of one call */

ssize_t __wrap_getrandom(void *p, size_t n, unsigned flags);

ssize_t __wrap_getrandom(void *p, size_t n, unsigned flags)
{
    if (error || interrupt) {
        errno = interrupt ? EINTR : error;
        interrupt -= interrupt > 0;
        return -1;
    }
    n = n < most ? n : most;
    memset(p, 0x5a, n);
    return (ssize_t)n;
}

static void all_bytes_come_however_the_kernel_cuts_them(void **state)
{
    for (most = 1; most <= 300; most += 37) {
        uint8_t bytes[302] = { 0 };

        interrupt = 3;
        assert_int_equal(skt_chance(bytes, 301), 0);
        for (int i = 0; i < 301; i++)
            assert_int_equal(bytes[i], 0x5a);
        assert_int_equal(bytes[301], 0);
    }
}

static void a_kernel_without_them_is_told(void **state)
{
    uint64_t seed = 0;

    error = ENOSYS;
    assert_int_equal(skt_chance(&seed, sizeof seed), -ENOSYS);
    error = 0;
}

RUN(T(all_bytes_come_however_the_kernel_cuts_them), T(a_kernel_without_them_is_told))
