/* sourcewalk: directories, level by level. Start reading at sourcewalk_next(). */
#include "drive/file/sourcewalk.h"

#include "base/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    RUN_NAMES = 16384,       /* names of a directory that are held, and sorted, at once */
    RUN_BYTES = 1024 * 1024, /* and their bytes */
    QUOTED_MAX = 160,        /* bytes of a path that are shown */
};

/* A directory that we are in. */
struct sourcewalk_level {
    DIR *dir;
    char *names; /* of this run, a NUL behind each */
    const char **order;
    uint32_t n, i;
    size_t path_len; /* of its own path, with its slash */
    bool more;       /* there are names besides this run */
};

/* ---- what the user named ---- */

static char *copy_of(const char *text, size_t n)
{
    char *copy = malloc(n + 1);

    if (!copy)
        return NULL;
    memcpy(copy, text, n);
    copy[n] = 0;
    return copy;
}

/* The part of path that names the directory of its last part. */
static char *directory_of(const char *path, size_t last)
{
    return last ? copy_of(path, last > 1 ? last - 1 : 1) : copy_of(".", 1);
}

static int named_as(const char *path, size_t n, bool slash, struct sourcewalk_named *named)
{
    size_t last = n;
    struct stat st;
    const char *name;

    while (last && path[last - 1] != '/')
        last--;
    name = path + last;
    if (!n || !strcmp(name, ".") || !strcmp(name, "..")) {
        named->kind = SOURCEWALK_CONTENT;
        named->base = n ? copy_of(path, n) : copy_of("/", 1);
        named->name = copy_of("", 0);
        return stat(named->base ? named->base : "", &st) ? -errno : 0;
    }
    if (slash ? stat(path, &st) : lstat(path, &st))
        return -errno;
    if (slash && !S_ISDIR(st.st_mode))
        return -ENOTDIR;
    if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode))
        return -EINVAL;
    if (skt_storepath_is_part(name))
        return -EINVAL;
    named->kind = S_ISDIR(st.st_mode) ? SOURCEWALK_TREE : SOURCEWALK_SINGLE;
    named->base = named->kind == SOURCEWALK_TREE ? copy_of(path, n) : directory_of(path, last);
    named->name = copy_of(name, n - last);
    return 0;
}

int sourcewalk_named(const char *given, struct sourcewalk_named *ret_named)
{
    struct sourcewalk_named named = { 0 };
    size_t n = strlen(given);
    bool slash = n && given[n - 1] == '/';
    char *path;
    int r;

    if (!n)
        return -ENOENT;
    while (n && given[n - 1] == '/')
        n--;
    path = copy_of(given, n);
    r = path ? named_as(path, n, slash, &named) : -ENOMEM;
    free(path);
    if (!r && (!named.base || !named.name))
        r = -ENOMEM;
    if (r)
        sourcewalk_named_done(&named);
    else
        *ret_named = named;
    return r;
}

void sourcewalk_named_done(struct sourcewalk_named *named)
{
    free(named->base);
    free(named->name);
}

/* ---- words ---- */

void sourcewalk_pass(struct sourcewalk *walk, int error, const char *why)
{
    struct skt_room out = skt_room_of(walk->why, sizeof walk->why - 1);

    walk->passed++;
    walk->error = error;
    skt_put_quoted(&out, skt_span_of(walk->path, walk->path_len), QUOTED_MAX);
    skt_put_str(&out, ": ");
    walk->why_at = (size_t)((char *)out.p - walk->why);
    skt_put_str(&out, why);
    *out.p = 0;
}

static void pass_error(struct sourcewalk *walk, int error) { sourcewalk_pass(walk, error, strerror(error)); }

/* ---- directories ---- */

static int by_bytes(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

static bool counts(const char *name) { return strcmp(name, ".") != 0 && strcmp(name, "..") != 0; }

/* Room for a run, as large as this directory needs: it doubles. False: no memory. */
static bool run_grow(char **names, size_t *size, size_t used)
{
    char *grown;

    if (*size - used > NAME_MAX)
        return true;
    grown = realloc(*names, *size ? 2 * *size : 4096);
    if (!grown)
        return false;
    *names = grown;
    *size = *size ? 2 * *size : 4096;
    return true;
}

/* The names of the next run, in `names`. How many; errno, if it ended for another reason than the end or the cap. */
static uint32_t run_read(struct sourcewalk_level *level)
{
    size_t size = 0, used = 0;
    uint32_t n = 0;

    free(level->names);
    level->names = NULL;
    level->more = true;
    for (struct dirent *d; n < RUN_NAMES && used < RUN_BYTES;) {
        if (!run_grow(&level->names, &size, used)) {
            level->more = false;
            return n; /* errno is ENOMEM */
        }
        errno = 0;
        d = readdir(level->dir);
        level->more = d;
        if (!d)
            return n;
        if (!counts(d->d_name))
            continue;
        memcpy(level->names + used, d->d_name, strlen(d->d_name) + 1);
        used += strlen(d->d_name) + 1;
        n++;
    }
    errno = 0;
    return n;
}

/* What ends a directory too early is told in its name. */
static void run_next(struct sourcewalk *walk, struct sourcewalk_level *level)
{
    uint32_t n = run_read(level);
    const char *name = level->names;
    int error = errno;

    free(level->order);
    level->n = level->i = 0;
    level->order = malloc((n ? n : 1) * sizeof *level->order);
    if (!level->order) {
        level->more = false;
        error = ENOMEM;
        n = 0;
    }
    for (; level->n < n; name += strlen(name) + 1)
        level->order[level->n++] = name;
    if (n)
        qsort(level->order, n, sizeof *level->order, by_bytes);
    if (error) {
        walk->path_len = level->path_len - !!level->path_len;
        pass_error(walk, error);
    }
}

static void leave(struct sourcewalk *walk)
{
    struct sourcewalk_level *level = &walk->levels[--walk->depth];

    (void)closedir(level->dir); /* only read */
    free(level->names);
    free(level->order);
}

/* fd: a directory, whose path stands in walk. It is ours, whatever happens. */
static void enter(struct sourcewalk *walk, int fd)
{
    struct sourcewalk_level *level = &walk->levels[walk->depth];
    DIR *dir = fdopendir(fd);

    if (!dir) {
        pass_error(walk, errno);
        (void)close(fd); /* only looked at */
        return;
    }
    *level = (struct sourcewalk_level){ .dir = dir, .path_len = walk->path_len + !!walk->path_len };
    walk->depth++;
    if (walk->path_len)
        walk->path[walk->path_len] = '/';
    run_next(walk, level);
}

/* The directory that was given last. It may have been exchanged since: then it is another one, which was not told. */
static void enter_found(struct sourcewalk *walk)
{
    struct stat st;
    int fd;

    walk->enter = false;
    if (walk->depth == SOURCEWALK_DEPTH || walk->path_len >= SKT_STOREPATH_MAX - 1) {
        sourcewalk_pass(walk, 0, "too deep");
        return;
    }
    fd = openat(walk->dir, walk->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        pass_error(walk, errno);
    } else if (fstat(fd, &st) || st.st_dev != walk->st.st_dev || st.st_ino != walk->st.st_ino) {
        sourcewalk_pass(walk, 0, "was exchanged");
        (void)close(fd);
    } else {
        enter(walk, fd);
    }
}

/* ---- what is found ---- */

/* Whether this is something that can be sent; the others are passed over. */
static bool is_sendable(struct sourcewalk *walk)
{
    switch (walk->st.st_mode & S_IFMT) {
    case S_IFREG:
        if (!skt_storepath_is_part(walk->name))
            return true;
        sourcewalk_pass(walk, 0, "is not whole: an unfinished transfer");
        return false;
    case S_IFDIR: walk->enter = true; return true;
    case S_IFLNK: return true;
    case S_IFIFO: sourcewalk_pass(walk, 0, "is a pipe"); return false;
    case S_IFSOCK: sourcewalk_pass(walk, 0, "is a socket"); return false;
    }
    sourcewalk_pass(walk, 0, "is a device");
    return false;
}

static bool found(struct sourcewalk *walk, int dir, const char *name)
{
    walk->dir = dir;
    walk->name = name;
    if (!fstatat(dir, name, &walk->st, AT_SYMLINK_NOFOLLOW))
        return is_sendable(walk);
    pass_error(walk, errno);
    return false;
}

/* Of such a path only the beginning would be shown, which is the directory's. */
static void pass_too_long(struct sourcewalk *walk, const char *name)
{
    char text[1024];
    struct skt_room why = skt_room_of(text, sizeof text - 1);

    skt_put_quoted(&why, skt_span_str(name), QUOTED_MAX);
    skt_put_str(&why, " in it has a path that is too long");
    *why.p = 0;
    sourcewalk_pass(walk, 0, text);
}

/* The next name of the innermost directory. */
static bool next_inside(struct sourcewalk *walk)
{
    struct sourcewalk_level *level = &walk->levels[walk->depth - 1];
    const char *name = level->order[level->i++];
    size_t n = strlen(name);

    if (level->path_len + n > SKT_STOREPATH_MAX) {
        walk->path_len = level->path_len;
        pass_too_long(walk, name);
        return false;
    }
    memcpy(walk->path + level->path_len, name, n + 1);
    walk->path_len = level->path_len + n;
    return found(walk, dirfd(level->dir), name);
}

/* The next thing that the user named. A tree is told before it is entered, its content alone is not. */
static bool next_root(struct sourcewalk *walk)
{
    const struct sourcewalk_named *named = &walk->named[walk->root++];
    /* What was not named, as the directory of a file, need not be readable. */
    int how = named->kind == SOURCEWALK_CONTENT ? O_RDONLY : O_PATH;
    int fd = open(named->base, how | O_DIRECTORY | O_CLOEXEC);

    walk->path_len = strlen(named->name); /* at most NAME_MAX: it was looked at */
    memcpy(walk->path, named->name, walk->path_len + 1);
    if (walk->base >= 0)
        (void)close(walk->base); /* only looked at */
    walk->base = fd;
    if (fd < 0) {
        pass_error(walk, errno);
        return false;
    }
    if (named->kind == SOURCEWALK_SINGLE)
        return found(walk, fd, named->name);
    if (named->kind == SOURCEWALK_TREE)
        return found(walk, fd, ".");
    walk->base = -1;
    enter(walk, fd);
    return false;
}

/* A step in the innermost directory. */
static bool step_inside(struct sourcewalk *walk)
{
    struct sourcewalk_level *level = &walk->levels[walk->depth - 1];

    if (level->i < level->n)
        return next_inside(walk);
    if (level->more)
        run_next(walk, level);
    else
        leave(walk);
    return false;
}

bool sourcewalk_more(const struct sourcewalk *walk) { return walk->enter || walk->depth || walk->root < walk->n; }

bool sourcewalk_step(struct sourcewalk *walk)
{
    if (!walk->enter)
        return walk->depth ? step_inside(walk) : next_root(walk);
    enter_found(walk);
    return false;
}

bool sourcewalk_next(struct sourcewalk *walk)
{
    bool is = false;

    while (!is && sourcewalk_more(walk))
        is = sourcewalk_step(walk);
    return is;
}

int sourcewalk_init(struct sourcewalk *walk, const struct sourcewalk_named *named, uint32_t n)
{
    *walk = (struct sourcewalk){ .named = named, .n = n, .base = -1 };
    walk->levels = malloc(SOURCEWALK_DEPTH * sizeof *walk->levels);
    return walk->levels ? 0 : -ENOMEM;
}

void sourcewalk_done(struct sourcewalk *walk)
{
    while (walk->depth)
        leave(walk);
    if (walk->base >= 0)
        (void)close(walk->base);
    free(walk->levels);
    walk->levels = NULL;
    walk->base = -1;
}
