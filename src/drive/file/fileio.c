/* fileio: bytes of files, whole, and with their holes. */
#include "drive/file/fileio.h"

#include <errno.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <fcntl.h>
#include <unistd.h>

enum {
    PAGE = 4096,                      /* the smallest hole of common file systems */
    COPY_AT_ONCE = 64 * 1024,         /* bytes through our own memory */
    CLONE_AT_ONCE = 16 * 1024 * 1024, /* of one copy_file_range: a second of a slow disk */
};
static const uint8_t zeros[PAGE];

bool skt_is_zero(struct skt_span bytes)
{
    size_t n = skt_len(bytes);

    /* The first ones decide nearly always; then each byte is compared with the one before it. */
    return !n || (!*bytes.p && !memcmp(bytes.p, bytes.p + 1, n - 1));
}

int64_t skt_file_read(int fd, struct skt_room to, uint64_t offset)
{
    const uint8_t *begin = to.p;

    while (to.p < to.end) {
        ssize_t n = pread(fd, to.p, skt_left(to), (off_t)offset + (to.p - begin));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (!n)
            break;
        to.p += n;
    }
    return to.p - begin;
}

static int write_all(int fd, struct skt_span from, uint64_t offset)
{
    while (from.p < from.end) {
        ssize_t n = pwrite(fd, from.p, skt_len(from), (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n ? -errno : -EIO;
        from.p += n;
        offset += (uint64_t)n;
    }
    return 0;
}

bool skt_file_is_hole(int fd, uint64_t offset, uint64_t n)
{
    off_t data = lseek(fd, (off_t)offset, SEEK_DATA);

    return data < 0 ? errno == ENXIO : (uint64_t)data >= offset + n;
}

/* How far the bytes from here on are alike: whole pages of the file that are zeros, or those that are not. */
static size_t run_of(struct skt_span bytes, uint64_t offset, bool *ret_zero)
{
    size_t at = 0, n = skt_len(bytes);

    for (bool first = true; at < n; first = false) {
        size_t page = PAGE - (offset + at) % PAGE, take = page < n - at ? page : n - at;
        bool zero = take == PAGE && skt_is_zero(skt_span_of(bytes.p + at, take));
        if (first)
            *ret_zero = zero;
        if (zero != *ret_zero)
            break;
        at += take;
    }
    return at;
}

int64_t skt_file_write(int fd, struct skt_span from, uint64_t offset)
{
    int64_t written = 0;

    while (from.p < from.end) {
        bool zero = false;
        size_t n = run_of(from, offset, &zero);
        if (!zero || !skt_file_is_hole(fd, offset, n)) {
            int r = write_all(fd, skt_span_of(from.p, n), offset);
            if (r)
                return r;
            written += (int64_t)n;
        }
        from.p += n;
        offset += n;
    }
    return written;
}

int skt_file_write_zeros(int fd, uint64_t offset, uint64_t n)
{
    int r = 0;

    if (!n || skt_file_is_hole(fd, offset, n))
        return 0;
    do
        r = fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)n) ? -errno : 0;
    while (r == -EINTR);
    if (r != -EOPNOTSUPP && r != -ENOSYS)
        return r;
    for (r = 0; !r && n;) {
        size_t take = n < PAGE ? n : PAGE;
        r = write_all(fd, skt_span_of(zeros, take), offset);
        offset += take;
        n -= take;
    }
    return r;
}

static bool is_stopped(const atomic_bool *stop) { return stop && atomic_load(stop); }

/* By the kernel; 0: it moved all. Any -errno may also mean that it cannot between these two. */
static int copy_inside(int from, int to, off_t at, off_t end, const atomic_bool *stop)
{
    while (at < end) {
        off_t to_at = at;
        size_t want = end - at < CLONE_AT_ONCE ? (size_t)(end - at) : CLONE_AT_ONCE;
        ssize_t n = copy_file_range(from, &at, to, &to_at, want, 0);
        if (is_stopped(stop))
            return -ECANCELED;
        if (n < 0 && errno != EINTR)
            return -errno;
        if (!n)
            return -EIO; /* some file systems say so of what they cannot copy */
    }
    return 0;
}

static int copy_outside(int from, int to, off_t at, off_t end, const atomic_bool *stop)
{
    uint8_t bytes[COPY_AT_ONCE];

    while (at < end) {
        size_t want = end - at < COPY_AT_ONCE ? (size_t)(end - at) : COPY_AT_ONCE;
        int64_t n = is_stopped(stop) ? -ECANCELED : skt_file_read(from, skt_room_of(bytes, want), (uint64_t)at);
        int r = n < 0 ? (int)n : !n ? -ESTALE : write_all(to, skt_span_of(bytes, (size_t)n), (uint64_t)at);
        if (r)
            return r;
        at += n;
    }
    return 0;
}

int skt_file_copy(int from, int to, uint64_t n, const atomic_bool *stop)
{
    off_t at = 0, end;

    if (!ioctl(to, FICLONE, from))
        return 0;
    for (int r; (uint64_t)at < n; at = end) {
        off_t data = lseek(from, at, SEEK_DATA);
        if (data < 0 && errno == ENXIO)
            break;
        at = data < 0 ? at : data; /* it does not know its holes: all is data */
        end = data < 0 ? -1 : lseek(from, at, SEEK_HOLE);
        if (end < 0 || (uint64_t)end > n)
            end = (off_t)n;
        r = copy_inside(from, to, at, end, stop);
        if (r && r != -ECANCELED && r != -ENOSPC && r != -EDQUOT)
            r = copy_outside(from, to, at, end, stop);
        if (r)
            return r;
    }
    return 0;
}
