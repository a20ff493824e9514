#pragma once
#include "engine/xfer/conn.h"
#include "engine/xfer/list.h"

/* desk: what both roles of a session work with: buffers, questions to the verb (jobs), the values of groups, and the way to
 * end the session. */

/* --- buffers: of powers of two, 4 KiB to 1 MiB; those let go of are kept for the next --- */

enum {
    SKT_POOL_CLASSES = 9,
    SKT_POOL_KEEP = 32 << 20,   /* bytes kept */
    SKT_POOL_ASKED = 512 << 20, /* that all receiving sessions have asked for and not stored, but for one group each */
    SKT_POOL_HELD = 256 << 20   /* of cells that all sessions hold, but for SKT_CELLS_EACH of each */
};
struct skt_pool {
    struct skt_pool_free {
        struct skt_pool_free *next;
    } * free[SKT_POOL_CLASSES];
    size_t kept;
    uint64_t asked; /* bytes that all receiving sessions have asked for and not stored */
    uint64_t held;  /* bytes of the cells of all sessions */
    uint64_t paths; /* that all receiving sessions remember */
};
size_t skt_pool_size(size_t len);                         /* bytes of the buffer that has room for len; <= 1 MiB */
uint8_t *skt_pool_get(struct skt_pool *pool, size_t len); /* NULL: no memory */
void skt_pool_put(struct skt_pool *pool, uint8_t *bytes, size_t len); /* of that get; takes NULL */
void skt_pool_done(struct skt_pool *pool);

/* --- jobs: what the verb was asked for and has not answered --- */

struct skt_job {
    uint32_t session, file;
    uint64_t group;
    uint8_t kind;   /* enum skt_xfer_event_kind */
    bool send;      /* READ of a sender: the bytes are wanted, not only their value */
    uint8_t *bytes; /* READ: the job's own buffer, for len bytes */
    uint32_t len;
};
enum { SKT_JOBS_MAX = 16 * 1024 };
struct skt_jobs {
    struct skt_jobs_slot {
        struct skt_job job;
        uint32_t id, next_free; /* id 0: free */
    } * slots;                  /* the first is never used */
    uint32_t n, size, first_free;
};
uint32_t skt_jobs_new(struct skt_jobs *jobs, const struct skt_job *job); /* its id; 0: no memory, or too many */
bool skt_jobs_end(
    struct skt_jobs *jobs, uint32_t id, struct skt_job *ret_job); /* false: answered already, or never asked */
void skt_jobs_done(struct skt_jobs *jobs, struct skt_pool *pool);

/* --- cells: what is known of the groups of a file, made when there is something to know --- */

struct skt_cell {
    uint8_t value[SKT_HASH];
    void *group; /* receiving: while it is asked for */
    bool known;  /* value is */
    bool stored; /* receiving: it is in its place */
    bool said;   /* sending: the value is */
};
enum {
    SKT_CELLS = 64,
    SKT_CELLS_MAX = 128 << 20, /* bytes of all cells of a session */
    SKT_CELLS_EACH = 4 << 20   /* of them those that others cannot use up */
};
struct skt_held {
    uint64_t own; /* bytes of the cells of a session */
    struct skt_pool *pool;
};
struct skt_cells {
    struct skt_cell **chunks; /* SKT_CELLS each, the last fewer */
    uint32_t n_chunks;
    uint64_t n;
};
struct skt_cell *skt_cell(const struct skt_cells *cells, uint64_t group); /* NULL: not made, or dropped */
struct skt_cell *skt_cell_make(
    struct skt_cells *cells, uint64_t group, struct skt_held *held); /* NULL: no memory, or too much held */
void skt_cells_drop(struct skt_cells *cells, uint64_t group, struct skt_held *held); /* the chunk that has this group */
void skt_cells_done(struct skt_cells *cells, struct skt_held *held);

/* --- the desk --- */

struct skt_desk {
    struct skt_conn *conn;
    struct skt_jobs *jobs;
    struct skt_pool *pool;
    uint32_t session;
    uint32_t out;   /* jobs of this session that are not answered */
    skt_time now;   /* of the last call that had a time */
    skt_time moved; /* receiving: when the verb last answered, or something came that was new */
    bool busy;      /* another session is at a file of this one */
    bool closing;   /* the session is to be closed with code and text */
    uint16_t code;
    char text[128];
    struct skt_held cells;
    uint32_t failures; /* files that were skipped or refused */
    int first_why;     /* of the first of them */
    struct skt_xfer_stats stats;
};
/* A file will not go over: it is settled, in order, so that both ends name the same first one. */
static inline void skt_desk_failed(struct skt_desk *desk, int why)
{
    if (!desk->failures++)
        desk->first_why = why;
}
/* The first one counts. */
void skt_desk_close(struct skt_desk *desk, uint16_t code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* The two that are most common. */
void skt_desk_broken(struct skt_desk *desk, const char *what); /* the other end broke the protocol */
void skt_desk_no_memory(struct skt_desk *desk);
void skt_desk_no_cell(struct skt_desk *desk); /* the same, or what may be held */
void skt_desk_say(
    struct skt_desk *desk, const struct skt_xfer_message *message); /* who asked for room before; else it ends */
/* A question for the verb: fills session, job and file of the event. False: no memory; the session ends. */
bool skt_desk_ask(struct skt_desk *desk, struct skt_xfer_event *ev, const struct skt_job *job);
