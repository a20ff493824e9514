#pragma once
#include <stdbool.h>
#include <stddef.h>

/* beneath: opens what is below a directory and nowhere else. No part of a path may be a symbolic link or lead upwards, also not one that
 * is exchanged while we look: the kernel holds that (openat2), or, where it has no such call, each part is opened by itself. */
struct skt_beneath {
    int dir;   /* borrowed */
    bool walk; /* no openat2 here: an old kernel, or a seccomp list */
};

/* path: relative, no part of it empty or "..". Flags of open(2); O_CLOEXEC is added, and O_NOFOLLOW. The descriptor, or -errno:
 * -ELOOP or -ENOTDIR where a part is a symbolic link. */
int skt_beneath_open(struct skt_beneath *beneath, const char *path, int flags);
/* The directory (O_PATH) that has the last part of path, which begins at `last`: 0 or behind a slash. */
int skt_beneath_parent(struct skt_beneath *beneath, const char *path, size_t last);
