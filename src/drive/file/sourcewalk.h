#pragma once
#include "drive/file/storepath.h"

#include <sys/stat.h>

/* sourcewalk: goes through what the user named, one thing at a time. No directory is entered by a symbolic link, except where the user
 * wrote the link with a slash behind it. Open: a descriptor a level. */
enum { SOURCEWALK_DEPTH = 127 }; /* then a path has at most 128 parts, as many as a receiver takes */

enum sourcewalk_root { SOURCEWALK_CONTENT, SOURCEWALK_TREE, SOURCEWALK_SINGLE };

/* What the user named. */
struct sourcewalk_named {
    char *base; /* the directory itself, or that of a single file */
    char *name; /* under which it arrives; "" for the content alone */
    enum sourcewalk_root kind;
};
int sourcewalk_named(
    const char *given, struct sourcewalk_named *ret_named); /* -ENOENT, -EINVAL (no file or directory) ... */
void sourcewalk_named_done(struct sourcewalk_named *named);

struct sourcewalk_level;
struct sourcewalk {
    const struct sourcewalk_named *named; /* borrowed */
    uint32_t n, root;                     /* roots; the one we are in */
    struct sourcewalk_level *levels;      /* SOURCEWALK_DEPTH */
    uint32_t depth;
    int base;   /* directory of the root; -1: not open */
    bool enter; /* what was given last is a directory that was not yet opened */
    uint64_t passed;
    char why[1536]; /* of the last that was passed over, escaped: its path, and from why_at on what is wrong with it */
    size_t why_at;
    int error; /* of the same: what the system said of it; 0: nothing */
    /* What was found. */
    struct stat st;
    int dir; /* it is in this directory; as `name` */
    const char *name;
    char path[SKT_STOREPATH_MAX + 1]; /* as it arrives */
    size_t path_len;
};
int sourcewalk_init(struct sourcewalk *walk, const struct sourcewalk_named *named, uint32_t n); /* -ENOMEM */
void sourcewalk_done(struct sourcewalk *walk);
/* The next file, directory or symbolic link: st, dir, name, path say which. False: that was all. */
bool sourcewalk_next(struct sourcewalk *walk);
/* The same in small steps: each finds something (true) or passes over one thing at most. While there is more. */
bool sourcewalk_more(const struct sourcewalk *walk);
bool sourcewalk_step(struct sourcewalk *walk);
/* Over the last one, or for lack of an entry. error: errno; 0: the system had nothing to say. */
void sourcewalk_pass(struct sourcewalk *walk, int error, const char *why);
