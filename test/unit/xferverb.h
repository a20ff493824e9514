#pragma once
/* xferverb: what a verb does for an xfer engine, with files in memory, and faults by dice: the disk refuses, is full, reads
 * wrong, answers late and in another order. */
#include "base/blake3.h"
#include "base/map.h"
#include "base/random.h"

#include <sockit/xfer.h>

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* --- trees of files --- */

struct verb_file {
    struct skt_xfer_meta meta; /* its names are copies */
    uint8_t *bytes, *part;     /* part: not whole yet, of part_size bytes */
    uint64_t size, part_size;
    bool whole;     /* it has its name */
    uint32_t owner; /* the session that is at it, + 1 */
};
#ifndef VERB_FILES
#define VERB_FILES 20000 /* of a tree, at most */
#endif
struct verb_tree {
    struct verb_file *files;
    uint32_t n;
    struct skt_names names; /* path -> index */
};

static inline void verb_tree_init(struct verb_tree *tree)
{
    *tree = (struct verb_tree){ .files = calloc(VERB_FILES, sizeof *tree->files) };
    assert(tree->files && !skt_names_init(&tree->names, VERB_FILES, 1));
}

static inline void verb_tree_done(struct verb_tree *tree)
{
    for (uint32_t i = 0; i < tree->n; i++) {
        free(tree->files[i].bytes);
        free(tree->files[i].part);
        free((void *)(uintptr_t)tree->files[i].meta.path.p);
        free((void *)(uintptr_t)tree->files[i].meta.target.p);
    }
    skt_names_done(&tree->names);
    free(tree->files);
}

static inline struct skt_span verb_copy(struct skt_span s)
{
    size_t n = skt_len(s);
    uint8_t *p = malloc(n + 1);

    assert(p);
    if (n)
        memcpy(p, s.p, n);
    p[n] = 0;
    return skt_span_of(p, n);
}

/* A directory may be in a tree twice: the second time its path is not looked up. */
static inline struct verb_file *verb_add(struct verb_tree *tree, const struct skt_xfer_meta *meta)
{
    struct verb_file *f = &tree->files[tree->n];

    assert(tree->n < VERB_FILES);
    *f = (struct verb_file){ .meta = *meta, .size = meta->size };
    f->meta.path = verb_copy(meta->path);
    f->meta.target = verb_copy(meta->target);
    if (meta->kind != SKT_XFER_DIR_AGAIN)
        assert(!skt_names_put(&tree->names, meta->path, tree->n));
    tree->n++;
    return f;
}

static inline struct verb_file *verb_find(const struct verb_tree *tree, struct skt_span path)
{
    uint32_t i;

    return skt_names_get(&tree->names, path, &i) ? &tree->files[i] : NULL;
}

/* A file of the sender, with bytes that look random, and every third group of zeros when `holes`. */
static inline struct verb_file *verb_make(struct verb_tree *tree, uint8_t kind, const char *path, const char *target,
    uint64_t size, uint64_t seed, bool holes)
{
    struct skt_xfer_meta meta = { .kind = kind,
        .mode = kind == SKT_XFER_DIR ? 0755 : 0640,
        .mtime = 1700000000000000000 + (int64_t)seed,
        .size = size,
        .data = holes ? size / 2 : size,
        .path = skt_span_str(path),
        .target = skt_span_str(target) };
    struct verb_file *f = verb_add(tree, &meta);
    struct skt_random dice;
    struct skt_room room;

    f->whole = true;
    f->bytes = calloc(1, size + 1);
    assert(f->bytes);
    room = skt_room_of(f->bytes, size);
    skt_random_init(&dice, seed);
    skt_random_fill(&dice, &room);
    for (uint64_t at = SKT_GROUP; holes && at + SKT_GROUP <= size; at += 3 * (uint64_t)SKT_GROUP)
        memset(f->bytes + at, 0, SKT_GROUP);
    return f;
}

/* --- comparing --- */

/* What the receiver has of the sender's file is that file. */
static inline bool verb_same(const struct verb_tree *source, const struct verb_tree *store, uint32_t i)
{
    const struct verb_file *a = &source->files[i], *b = verb_find(store, a->meta.path);

    if (!b || !b->whole)
        return false;
    if (a->meta.kind == SKT_XFER_DIR_AGAIN)
        return b->meta.kind == SKT_XFER_DIR;
    if (a->meta.kind != b->meta.kind)
        return false;
    if (a->meta.kind == SKT_XFER_FILE)
        return a->size == b->size && !memcmp(a->bytes, b->bytes, a->size) && a->meta.mtime == b->meta.mtime &&
               a->meta.data == b->meta.data;
    return a->meta.kind == SKT_XFER_DIR || skt_span_eq(a->meta.target, b->meta.target);
}

static inline bool verb_all_same(const struct verb_tree *source, const struct verb_tree *store)
{
    for (uint32_t i = 0; i < source->n; i++)
        if (!verb_same(source, store, i))
            return false;
    return true;
}

/* --- the verb --- */

struct verb_faults {
    double refuse;     /* share of MAKE that is refused */
    double bad_read;   /* of READ: -EIO */
    double changed;    /* of LAST: the file has changed */
    double bad_finish; /* of FINISH */
    double rot;        /* of the receiver's READ: a wrong byte */
    uint64_t disk;     /* bytes that may be written; 0: no limit */
    bool late;         /* answers wait, and come in any order */
    bool no_sync;
};

struct verb_job {
    struct skt_xfer_event ev;
    uint8_t path[4200];
    uint32_t at; /* index in the receiver's tree + 1; or of the sender */
};
enum { VERB_JOBS = 4096, VERB_SESSIONS = 8 };

struct verb {
    struct skt_xfer *x;
    struct verb_tree *tree;
    const struct verb_tree *store; /* of the receiver, if the sender may look: what is told to be there is there */
    bool send;
    uint32_t walked;
    struct verb_faults faults;
    struct skt_random dice;
    uint64_t written;
    struct { /* by number of the file: which of the tree it is, + 1 */
        uint32_t of[VERB_FILES];
    } session[VERB_SESSIONS];
    struct verb_job *jobs;
    uint32_t n_jobs;
    /* what was told; done, failed, why, text, hash: of the session that was opened last */
    uint32_t last, opened, closed, done, failed, dropped, spent, put_off, forgotten;
    int why;
    char text[160];
    bool agreed; /* the session was closed with a hash */
    uint8_t hash[32];
    uint64_t events;
    bool wrong; /* FILE_DONE with a hash that is not that of the file */
};

static inline bool verb_dice(struct verb *v, double share) { return share > 0 && skt_random_unit(&v->dice) < share; }

static inline void verb_init(struct verb *v, struct verb_tree *tree, bool send, uint64_t seed)
{
    memset(v, 0, sizeof *v);
    v->tree = tree;
    v->send = send;
    v->jobs = malloc(VERB_JOBS * sizeof *v->jobs);
    assert(v->jobs);
    skt_random_init(&v->dice, seed);
}

/* The engine ends, as by kill -9: what is in the tree stays. */
static inline void verb_done(struct verb *v)
{
    for (uint32_t i = 0; i < v->tree->n; i++)
        v->tree->files[i].owner = 0;
    skt_xfer_free(v->x);
    v->x = NULL;
    free(v->jobs);
    v->jobs = NULL;
}

static inline int64_t verb_walk(struct verb *v)
{
    for (; v->walked < v->tree->n; v->walked++) {
        int r = skt_xfer_offer(v->x, &v->tree->files[v->walked].meta);
        if (r == -ENOSPC)
            return 0;
        if (r)
            return r;
    }
    return 1;
}

static inline bool verb_is_zeros(const uint8_t *p, size_t n) { return !*p && !memcmp(p, p + 1, n - 1); }

static inline int64_t verb_read_source(struct verb *v, struct skt_xfer_event *ev)
{
    const struct verb_file *f = &v->tree->files[ev->file];

    if (verb_dice(v, v->faults.bad_read))
        return -EIO;
    assert(ev->offset + ev->len <= f->size && skt_left(ev->room) >= ev->len && ev->len);
    if (verb_is_zeros(f->bytes + ev->offset, ev->len))
        return SKT_XFER_ALL_ZEROS;
    memcpy(ev->room.p, f->bytes + ev->offset, ev->len);
    return (int64_t)ev->len;
}

static inline int64_t verb_read_store(struct verb *v, struct skt_xfer_event *ev, const struct verb_file *f)
{
    const uint8_t *bytes = f->part ? f->part : f->bytes;
    uint64_t size = f->part ? f->part_size : f->size, n;

    if (verb_dice(v, v->faults.bad_read))
        return -EIO;
    n = ev->offset < size ? size - ev->offset : 0;
    n = n < ev->len ? n : ev->len;
    assert(skt_left(ev->room) >= ev->len);
    if (n)
        memcpy(ev->room.p, bytes + ev->offset, n);
    if (n && verb_dice(v, v->faults.rot))
        ev->room.p[skt_random_below(&v->dice, n)] ^= 1;
    if (n == ev->len && verb_is_zeros(ev->room.p, n))
        return SKT_XFER_ALL_ZEROS;
    return (int64_t)n;
}

/* Something is there: what was cut, or a whole file. */
static inline int64_t verb_make_file(struct verb_file *f, const struct skt_xfer_meta *meta, uint32_t session)
{
    bool there = f->whole || f->part;

    if (f->owner && f->owner != session + 1)
        return -EBUSY;
    f->owner = session + 1;
    f->meta.mode = meta->mode;
    f->meta.mtime = meta->mtime;
    f->meta.size = meta->size;
    f->meta.data = meta->data;
    if (!there) {
        f->part_size = 0;
        f->part = calloc(1, 1);
        assert(f->part);
    }
    return there;
}

static inline int64_t verb_make_entry(struct verb *v, struct verb_job *job)
{
    struct skt_xfer_meta meta = *job->ev.meta;
    struct verb_file *f = verb_find(v->tree, meta.path);

    if (verb_dice(v, v->faults.refuse))
        return -EACCES;
    if (meta.kind == SKT_XFER_DIR_AGAIN)
        return f && f->meta.kind == SKT_XFER_DIR ? 0 : -ENOENT;
    if (meta.kind == SKT_XFER_HARDLINK && (!verb_find(v->tree, meta.target) || !verb_find(v->tree, meta.target)->whole))
        return -ENOENT;
    if (f && f->meta.kind != meta.kind)
        return -EEXIST;
    if (!f) {
        f = verb_add(v->tree, &meta);
        f->size = 0;
    }
    v->session[job->ev.session].of[job->ev.file] = (uint32_t)(f - v->tree->files) + 1;
    if (meta.kind == SKT_XFER_FILE)
        return verb_make_file(f, &meta, job->ev.session);
    f->whole = true;
    return 0;
}

/* Bytes beyond the end of the part make it longer, as on a disk. */
static inline int64_t verb_write(struct verb *v, const struct skt_xfer_event *ev, struct verb_file *f)
{
    uint64_t end = ev->offset + ev->len;

    if (v->faults.disk && v->written + ev->len > v->faults.disk)
        return -ENOSPC;
    v->written += ev->len;
    if (!f->part) { /* of a whole one that differs: a copy */
        f->part = malloc(f->size + 1);
        assert(f->part);
        memcpy(f->part, f->bytes, f->size);
        f->part_size = f->size;
    }
    if (end > f->part_size) {
        f->part = realloc(f->part, end);
        assert(f->part);
        memset(f->part + f->part_size, 0, end - f->part_size);
        f->part_size = end;
    }
    if (ev->data.p)
        memcpy(f->part + ev->offset, ev->data.p, ev->len);
    else
        memset(f->part + ev->offset, 0, ev->len);
    return 0;
}

static inline int64_t verb_finish(struct verb *v, struct verb_file *f)
{
    if (verb_dice(v, v->faults.bad_finish))
        return -EIO;
    if (f->part) {
        free(f->bytes);
        f->bytes = f->part;
        f->size = f->part_size < f->meta.size ? f->part_size : f->meta.size;
        f->part = NULL;
        f->part_size = 0;
    }
    if (f->size > f->meta.size)
        f->size = f->meta.size;
    f->whole = true;
    f->owner = 0;
    return 0;
}

static inline int64_t verb_do(struct verb *v, struct verb_job *job)
{
    struct skt_xfer_event *ev = &job->ev;
    uint32_t at = v->send || ev->kind == SKT_XFER_WALK ? 0 : v->session[ev->session].of[ev->file];
    struct verb_file *f = at ? &v->tree->files[at - 1] : NULL;

    switch (ev->kind) {
    case SKT_XFER_WALK: return verb_walk(v);
    case SKT_XFER_READ: return v->send ? verb_read_source(v, ev) : verb_read_store(v, ev, f);
    case SKT_XFER_LAST: return verb_dice(v, v->faults.changed) ? -ESTALE : 0;
    case SKT_XFER_MAKE: return verb_make_entry(v, job);
    case SKT_XFER_WRITE: return verb_write(v, ev, f);
    case SKT_XFER_FINISH: return verb_finish(v, f);
    case SKT_XFER_SYNC: return v->faults.no_sync ? -EIO : 0;
    default: abort();
    }
}

static inline void verb_told(struct verb *v, const struct skt_xfer_event *ev)
{
    uint8_t hash[32];

    switch (ev->kind) {
    case SKT_XFER_OPEN_SESSION:
        v->opened++;
        v->last = ev->session;
        v->done = v->failed = 0;
        break;
    case SKT_XFER_CLOSED_SESSION:
        v->closed++;
        if (ev->session != v->last)
            break;
        v->why = ev->why;
        memcpy(v->text, ev->text, sizeof v->text);
        v->agreed = ev->hash;
        if (ev->hash)
            memcpy(v->hash, ev->hash, 32);
        break;
    case SKT_XFER_FILE_DONE:
        v->done += ev->session == v->last;
        if (ev->hash) {
            const struct verb_file *f = v->send ? &v->tree->files[ev->file] : verb_find(v->tree, ev->meta->path);
            skt_blake3(skt_span_of(f->bytes, f->size), hash);
            v->wrong |= memcmp(hash, ev->hash, 32) != 0 || !f->whole;
        }
        if (v->send && v->store)
            v->wrong |= !verb_same(v->tree, v->store, ev->file);
        break;
    case SKT_XFER_FILE_FAILED: v->failed += ev->session == v->last; break;
    case SKT_XFER_DROP:
        v->dropped++;
        v->tree->files[v->session[ev->session].of[ev->file] - 1].owner = 0;
        break;
    case SKT_XFER_FORGET: v->forgotten++; break;
    case SKT_XFER_SECRET_SPENT: v->spent++; break;
    case SKT_XFER_PUT_OFF: v->put_off++; break;
    default: abort();
    }
}

/* What a job borrows from the event is kept, or only valid until the next: the latter is copied. */
static inline void verb_keep(struct verb *v, const struct skt_xfer_event *ev)
{
    struct verb_job *job = &v->jobs[v->n_jobs++];

    assert(v->n_jobs < VERB_JOBS);
    job->ev = *ev;
    job->ev.meta = NULL;
}

static inline void verb_answer_one(struct verb *v, uint32_t i)
{
    struct verb_job job = v->jobs[i];

    v->jobs[i] = v->jobs[--v->n_jobs];
    skt_xfer_answer(v->x, job.ev.job, verb_do(v, &job));
}

/* Pulls everything and answers; late: only some of it. True: something happened. MAKE is answered at once, as its names do
 * not last; directories keep what follows waiting either way. */
static inline bool verb_turn(struct verb *v)
{
    struct skt_xfer_event ev;
    bool any = false;

    for (; skt_xfer_next(v->x, &ev); any = true) {
        v->events++;
        assert(v->events < 50000000);
        if (!ev.job) {
            verb_told(v, &ev);
        } else if (v->faults.late && ev.kind != SKT_XFER_MAKE) {
            verb_keep(v, &ev);
        } else {
            struct verb_job job = { .ev = ev };
            skt_xfer_answer(v->x, ev.job, verb_do(v, &job));
        }
    }
    return any;
}
