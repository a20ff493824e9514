#pragma once
#include <sockit/xfer.h>

/* store: the files of a transfer. What an engine's events ask for (sockit/xfer.h) is done here, in the directory of the receiver
 * or with the paths that the sender was given. A call each, blocking for as long as the disk takes.
 *
 * Receiving never leaves its directory: every path is opened below it by openat2(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
 * RESOLVE_NO_MAGICLINKS). A file is NAME.part-sockit until it is whole (names too long for that: a hash of it), then it gets its name.
 * Names that end so are refused. What is there already and differs stays as it was until the new one is whole. */

struct skt_store;
struct skt_store_conf {
    bool overwrite;     /* a file that exists and differs is replaced; else refused with -EEXIST */
    bool special_modes; /* setuid, setgid and sticky bits are set too */
    uint64_t keep_free; /* bytes: of the directory's file system this must stay free */
    uint32_t max_depth; /* parts of a path; 0: 128 */
    uint32_t fds;       /* files open at once; 0: 128 */
    uint32_t max_files; /* begun and not finished, of all sessions; 0: 262,144 */
};
int skt_store_new(const char *dir, const struct skt_store_conf *conf,
    struct skt_store **ret_store);            /* makes dir (not its parents), in which files can be made; -errno */
void skt_store_free(struct skt_store *store); /* as if all sessions were closed */
SKT_CLEANUP(skt_store)
/* Does what the event asks for: all kinds of a receiver that have a job, DROP, and CLOSED_SESSION (drops what it has left; of other events
 * nothing comes). The answer for skt_xfer_answer; besides what the system says:
 * -EEXIST   MAKE, WRITE, FINISH: something else has this name
 * -EBUSY    MAKE: another session is at this file (a killed sender's is, until it is closed: ask again); MAKE, WRITE: another program is
 * -EAGAIN   MAKE of a hard link: its file is not finished: ask again
 * -EINVAL   a path that no file may have; a range beyond the file
 * -ENOSPC   MAKE: its data is more than is free besides what other files were promised; WRITE: the disk is full, or this is more than
 *           the file was said to have and there is no room for that. It resumes later
 * -EFBIG    MAKE: larger than a process here may write (ulimit -f)
 * -ENFILE   MAKE: above max_files
 * -ESTALE   somebody else exchanged the file meanwhile
 * A directory's DIR_AGAIN belongs behind all that is done inside: each new name changes its time. */
int64_t skt_store_do(struct skt_store *store, const struct skt_xfer_event *event);

/* By another thread, too: a file that is being copied since it differs, which may take as long as the disk likes, ends with -ECANCELED;
 * so does each later one. */
void skt_store_stop(struct skt_store *store);

struct skt_source; /* the sender's */
/* paths, up to a NULL: files and directories, as on the command line: each arrives under its last part ("a/b/" and "a/b": as b; ".",
 * "..", "/": its content). A symbolic link is sent as such, or followed with a slash behind it. They are looked at once, now, for the
 * totals. -errno: one of them cannot be sent, why says which; what is wrong further below is no reason, see skt_source_passed. */
int skt_source_new(const char *const *paths, struct skt_source **ret_source, struct skt_room *why /* may be NULL */);
void skt_source_free(struct skt_source *source);
SKT_CLEANUP(skt_source)
void skt_source_totals(const struct skt_source *source, uint64_t *ret_files, uint64_t *ret_bytes); /* of kind FILE */
/* The next entry: directories before what is in them; then, as the other end has to wait with them for all before, the hard links, and
 * directories again, from the innermost. In a directory by name (bytes), 16,384 at a time. False: there are no more. Borrowed until the
 * next call; each one counts, so that files have the engine's numbers. */
bool skt_source_next(struct skt_source *source, struct skt_xfer_meta *ret_meta);
/* The same, but it also stops at each thing that is passed over, once; which one skt_source_pass says until the next call. */
enum skt_source_found { SKT_SOURCE_END, SKT_SOURCE_ENTRY, SKT_SOURCE_PASSED };
enum skt_source_found skt_source_step(struct skt_source *source, struct skt_xfer_meta *ret_meta);
struct skt_source_pass {
    struct skt_span path; /* as it would arrive, unescaped */
    int error;            /* errno; 0: the system had nothing to say against it */
    const char *why;      /* "is a pipe"; escaped */
};
struct skt_source_pass skt_source_pass(const struct skt_source *source);
/* What was passed over so far: devices, pipes, sockets, what cannot be read or was not whole. The last of it in words, escaped. */
uint64_t skt_source_passed(const struct skt_source *source, struct skt_room *ret_why /* may be NULL */);
/* READ, LAST and FORGET of a sender. -ENOENT: gone; -ESTALE: not the file that the entry spoke of, or changed since. */
int64_t skt_source_do(struct skt_source *source, const struct skt_xfer_event *event);
