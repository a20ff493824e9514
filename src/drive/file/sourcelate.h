#pragma once
#include <sockit/xfer.h>
#include "base/map.h"
#include "drive/file/sourcewalk.h"

/* sourcelate: what a sender tells when all files are told: further names of files, and directories again. Both have to wait at the other
 * end until all before them is there: so they wait once. */
struct sourcelate_item {
    char *path;
    int64_t mtime;
    uint32_t to; /* a link: which first name */
    uint16_t mode;
};
struct sourcelate_list {
    struct sourcelate_item *items;
    uint32_t n, size, told;
};
struct sourcelate {
    struct skt_names inodes;      /* device and inode of a file with more than one name -> which first name */
    struct sourcelate_list names; /* the first ones */
    struct sourcelate_list links, dirs;
};
int sourcelate_init(struct sourcelate *late, uint64_t seed); /* allocates nothing yet */
void sourcelate_done(struct sourcelate *late);
/* Of the file that walk is at. True: another name of it was there before, so it comes late. False: it is the first one, or there is no
 * room: then it is a file of its own, not as it was, and nothing is lost. */
bool sourcelate_link(struct sourcelate *late, const struct sourcewalk *walk);
bool sourcelate_dir(struct sourcelate *late, const struct sourcewalk *walk); /* false: no room */
/* The next: links as they came, then directories from the inside outwards. Borrowed until done. */
bool sourcelate_next(struct sourcelate *late, struct skt_xfer_meta *ret_meta);
int64_t sourcelate_ns(struct timespec t); /* since 1970; as far as it goes, 292 years */
