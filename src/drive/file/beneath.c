/* beneath: paths below a directory. */
#include "drive/file/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PART_FLAGS = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, TRIES = 4 };

/* The first n bytes of path as a name of its own; false: too long. */
static bool part_of(const char *path, size_t n, char *to, size_t size)
{
    if (n >= size)
        return false;
    memcpy(to, path, n);
    to[n] = 0;
    return true;
}

/* Part by part. Each is opened in the one before it, so that it does not matter where that one is moved meanwhile. */
static int walk(int dir, const char *path, int flags)
{
    char part[NAME_MAX + 1];
    int at = dir, next;

    for (const char *slash; (slash = strchr(path, '/')); path = slash + 1) {
        next = -ENAMETOOLONG;
        if (part_of(path, (size_t)(slash - path), part, sizeof part) && (next = openat(at, part, PART_FLAGS)) < 0)
            next = -errno;
        if (at != dir)
            (void)close(at); /* O_PATH: nothing can fail */
        if (next < 0)
            return next;
        at = next;
    }
    next = openat(at, path, flags | O_NOFOLLOW | O_CLOEXEC);
    if (next < 0)
        next = -errno;
    if (at != dir)
        (void)close(at);
    return next;
}

int skt_beneath_open(struct skt_beneath *beneath, const char *path, int flags)
{
    struct open_how how = {
        .flags = (unsigned)(flags | O_NOFOLLOW | O_CLOEXEC),
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    int fd = -1;

    if (beneath->walk)
        return walk(beneath->dir, path, flags);
    /* openat2(2): EAGAIN is a directory that moved meanwhile, and who called may try again. */
    for (int i = 0; i < TRIES && fd < 0 && (!i || errno == EAGAIN || errno == EINTR); i++)
        fd = (int)syscall(SYS_openat2, beneath->dir, path, &how, sizeof how);
    if (fd >= 0)
        return fd;
    if (errno != ENOSYS && errno != EPERM) /* EPERM: what some lists answer to calls that they do not know */
        return -errno;
    fd = walk(beneath->dir, path, flags);
    beneath->walk = fd >= 0;
    return fd;
}

int skt_beneath_parent(struct skt_beneath *beneath, const char *path, size_t last)
{
    char parent[PATH_MAX];

    if (!last)
        return skt_beneath_open(beneath, ".", O_PATH | O_DIRECTORY);
    if (!part_of(path, last - 1, parent, sizeof parent))
        return -ENAMETOOLONG;
    return skt_beneath_open(beneath, parent, O_PATH | O_DIRECTORY);
}
