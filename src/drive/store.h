#pragma once
#include <sockit/xfer.h>

/* store: the files of a transfer. What an engine's events ask for (sockit/xfer.h) is done here, in the directory of the receiver
 * or with the paths that the sender was given. A call each, blocking for as long as the disk takes.
 *
 * Receiving never leaves its directory: every path is opened below it by openat2(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
 * RESOLVE_NO_MAGICLINKS). A file is NAME.part-sockit until it is whole (names too long for that: a hash of it), then it gets its name. */

struct skt_store;
struct skt_store_conf {
    bool overwrite;     /* a file that exists and differs is replaced; else refused with -EEXIST */
    uint64_t max_bytes; /* of the directory's file system this must stay free; 0: 16 MiB */
    uint32_t max_depth; /* parts of a path; 0: 128 */
    uint32_t fds;       /* files open at once; 0: 128 */
};
int skt_store_new(const char *dir, const struct skt_store_conf *conf,
    struct skt_store **ret_store); /* makes dir (not its parents); -errno */
void skt_store_free(struct skt_store *store);
SKT_CLEANUP(skt_store)
/* Does what the event asks for, all kinds of a receiver that have a job, and DROP. The answer for skt_xfer_answer. */
int64_t skt_store_do(struct skt_store *store, const struct skt_xfer_event *event);

struct skt_source; /* the sender's */
/* paths: files and directories, as on the command line: each arrives under its last part ("a/b/" and "a/b": as b; ".": its content).
 * They are looked at once, now, for the totals. */
int skt_source_new(const char *const *paths, struct skt_source **ret_source, struct skt_room *why);
void skt_source_free(struct skt_source *source);
SKT_CLEANUP(skt_source)
void skt_source_totals(const struct skt_source *source, uint64_t *ret_files, uint64_t *ret_bytes);
/* The next entry, in the order of section 5: directories before what is in them, hard links after their file, directories again at the
 * end. False: there are no more. What cannot be read is passed over and counted; `why` says the last one. Borrowed until the next call. */
bool skt_source_next(struct skt_source *source, struct skt_xfer_meta *ret_meta);
/* READ, LAST and FORGET of a sender. */
int64_t skt_source_do(struct skt_source *source, const struct skt_xfer_event *event);
