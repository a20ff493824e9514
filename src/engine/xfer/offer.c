/* offer: the sender's files, from WALK to DONE. Start reading at skt_offer_next(). */
#include "engine/xfer/offer.h"

#include "engine/xfer/offerinside.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

/* --- files --- */

struct offer_file *offer_file(const struct skt_offer *o, uint32_t number)
{
    return number - o->base < o->count - o->base ? o->ring[number % OFFER_RING] : NULL;
}

static void file_free(struct skt_offer *o, struct offer_file *f)
{
    if (!f)
        return;
    offer_groups_drop(o, f);
    skt_list_drop(&f->lasts);
    skt_cells_done(&f->cells, &o->desk->cells);
    free(f->text);
    free(f);
}

void offer_fail(struct skt_offer *o, struct offer_file *f, int why)
{
    f->failed = true;
    f->why = why;
    offer_groups_drop(o, f);
    if (skt_listed(&f->lasts))
        o->jobs--;
    skt_list_drop(&f->lasts);
}

static struct offer_file *file_new(const struct skt_xfer_meta *meta, uint32_t number)
{
    size_t n = skt_len(meta->path), m = skt_len(meta->target);
    struct offer_file *f = calloc(1, sizeof *f + n + m);

    if (!f)
        return NULL;
    f->meta = *meta;
    f->number = number;
    memcpy(f->names, meta->path.p, n);
    if (m)
        memcpy(f->names + n, meta->target.p, m);
    f->meta.path = skt_span_of(f->names, n);
    f->meta.target = skt_span_of(f->names + n, m);
    if (meta->kind != SKT_XFER_FILE)
        f->meta.size = 0;
    if (f->meta.data > f->meta.size)
        f->meta.data = f->meta.size;
    f->groups = skt_groups(f->meta.size);
    f->cells.n = f->groups;
    skt_list_init(&f->active);
    return f;
}

static bool is_good(const struct skt_xfer_meta *meta)
{
    bool links = meta->kind == SKT_XFER_SYMLINK || meta->kind == SKT_XFER_HARDLINK;

    return meta->kind >= SKT_XFER_FILE && meta->kind <= SKT_XFER_DIR_AGAIN && meta->mode <= 07777 &&
           skt_xfer_path_ok(meta->path) && links == (skt_len(meta->target) != 0) &&
           skt_len(meta->target) <= SKT_XFER_PATH_MAX &&
           (meta->kind != SKT_XFER_HARDLINK || skt_xfer_path_ok(meta->target));
}

static bool may_walk(const struct skt_offer *o, size_t names)
{
    return o->count < o->granted && o->count - o->base < OFFER_RING &&
           offer_has_room(o, OFFER_RESERVE + SKT_XFER_BLOCK_HEAD + 64 + names);
}

int skt_offer_entry(struct skt_offer *o, const struct skt_xfer_meta *meta)
{
    struct offer_file *f;

    if (o->ended || o->walked || !is_good(meta))
        return -EINVAL;
    if (!o->open || !may_walk(o, skt_len(meta->path) + skt_len(meta->target)))
        return -ENOSPC;
    f = file_new(meta, o->count);
    if (!f)
        return -ENOMEM;
    o->ring[o->count % OFFER_RING] = f;
    skt_desk_say(o->desk, &(struct skt_xfer_message){ .kind = SKT_XFER_ENTRY, .file = o->count, .entry = f->meta });
    o->count++;
    return 0;
}

/* --- messages --- */

static void on_more(struct skt_offer *o, const struct skt_xfer_message *m)
{
    if (m->file < o->granted) {
        skt_desk_broken(o->desk, "MORE went back");
        return;
    }
    o->granted = m->file;
    o->stuck = false;
}

/* NEED or CHECK; what crossed with our SKIP, or with the receiver's own STORED, is nobody's fault. */
static void on_want(struct skt_offer *o, const struct skt_xfer_message *m)
{
    bool check = m->kind == SKT_XFER_CHECK;
    struct offer_file *f = offer_file(o, m->file);
    struct offer_want want = { m->file, check ? 0 : m->group, check ? (f ? f->groups : 0) : m->count };
    int r = 0;

    if (m->file >= o->count || m->file < o->stored || !f || f->meta.kind != SKT_XFER_FILE) {
        skt_desk_broken(o->desk, "NEED or CHECK of what is no file, or stored");
    } else if (!want.count || want.count > f->groups || want.group > f->groups - want.count) {
        skt_desk_broken(o->desk, "NEED beyond the end of the file");
    } else if (check && (f->checked || f->needed)) {
        skt_desk_broken(o->desk, "CHECK twice, or after NEED");
    } else if (!f->failed) {
        f->checked |= check;
        f->needed |= !check;
        r = offer_want(check ? &o->checking : &o->needs, &want);
    }
    if (r == -ENOSPC)
        skt_desk_broken(o->desk, "too much is asked for at once");
    else if (r)
        skt_desk_no_memory(o->desk);
}

static void on_refuse(struct skt_offer *o, const struct skt_xfer_message *m)
{
    struct offer_file *f = offer_file(o, m->file);
    size_t n = skt_len(m->text);

    if (m->file >= o->count || m->file < o->stored || !f) {
        skt_desk_broken(o->desk, "REFUSE of what is not offered, or stored");
        return;
    }
    if (f->failed)
        return;
    f->refused = true;
    offer_fail(o, f, m->error ? -(int)m->error : -EIO);
    n = n < 159 ? n : 159;
    f->text = n ? calloc(1, n + 1) : NULL; /* without memory: no words */
    if (f->text)
        memcpy(f->text, m->text.p, n);
}

static void on_stored(struct skt_offer *o, const struct skt_xfer_message *m)
{
    if (m->file < o->stored || m->file > o->count) {
        skt_desk_broken(o->desk, "STORED went back, or beyond what was offered");
        return;
    }
    o->stored = m->file;
    o->desk->stats.bytes_done = m->bytes;
}

static void on_done(struct skt_offer *o, const struct skt_xfer_message *m)
{
    if (o->their_done || !o->end_said) {
        skt_desk_broken(o->desk, "DONE twice, or before END");
        return;
    }
    o->their_done = true;
    o->stored = o->count;
    memcpy(o->their_sum, m->hash, SKT_HASH);
}

void skt_offer_message(struct skt_offer *o, const struct skt_xfer_message *m)
{
    if (o->ended)
        return;
    switch (m->kind) {
    case SKT_XFER_MORE: on_more(o, m); break;
    case SKT_XFER_CHECK:
    case SKT_XFER_NEED: on_want(o, m); break;
    case SKT_XFER_REFUSE: on_refuse(o, m); break;
    case SKT_XFER_STORED: on_stored(o, m); break;
    case SKT_XFER_DONE: on_done(o, m); break;
    default: skt_desk_broken(o->desk, "a message that a receiver does not say"); break;
    }
}

void skt_offer_open(struct skt_offer *o, uint64_t files, uint64_t bytes)
{
    o->open = true;
    o->desk->stats.files = files;
    o->desk->stats.bytes = bytes;
    skt_desk_say(o->desk, &(struct skt_xfer_message){ .kind = SKT_XFER_OFFER, .files = files, .bytes = bytes });
}

/* --- events --- */

static bool tell(const struct skt_offer *o, const struct offer_file *f, struct skt_xfer_event *ev, uint8_t kind)
{
    *ev = (struct skt_xfer_event){ .kind = kind, .session = o->desk->session, .file = f->number, .meta = &f->meta };
    return true;
}

static void root(const struct offer_file *f, uint8_t *ret_hash)
{
    struct skt_tree tree;

    if (f->groups == 1) {
        memcpy(ret_hash, skt_cell(&f->cells, 0)->value, SKT_HASH);
        return;
    }
    skt_tree_init(&tree);
    for (uint64_t i = 0; i < f->groups; i++)
        skt_tree_add(&tree, skt_cell(&f->cells, i)->value);
    skt_tree_root(&tree, ret_hash);
}

/* All of it went, and it did not change meanwhile. */
static bool is_sent(const struct offer_file *f)
{
    return f->meta.kind != SKT_XFER_FILE || (f->hashed == f->groups && f->last == OFFER_UNCHANGED);
}

/* The receiver says that the first file is settled: first it may be closed, then the user hears of it. */
static bool tell_settled(struct skt_offer *o, struct offer_file *f, struct skt_xfer_event *ev)
{
    uint8_t number[4];
    struct skt_room room = skt_room_of(number, sizeof number);
    bool is_file;

    assert(f); /* the number of files that are settled is below the number of all */
    is_file = f->meta.kind == SKT_XFER_FILE;
    if (f->jobs)
        return false;
    if (f->opened) {
        f->opened = false;
        return tell(o, f, ev, SKT_XFER_FORGET);
    }
    if (!f->failed && !is_sent(f)) {
        skt_desk_broken(o->desk, "STORED of what was not sent");
        return false;
    }
    if (is_file && !f->failed)
        root(f, f->hash);
    if (is_file) {
        skt_put_u32(&room, f->number);
        skt_hasher_add(&o->sum, skt_span_of(number, sizeof number));
        skt_hasher_add(&o->sum, skt_span_of(f->hash, sizeof f->hash));
    }
    tell(o, f, ev, f->failed ? SKT_XFER_FILE_FAILED : SKT_XFER_FILE_DONE);
    ev->hash = is_file && !f->failed ? f->hash : NULL;
    ev->why = f->why;
    ev->here = f->failed && !f->refused;
    if (f->text)
        strncpy(ev->text, f->text, sizeof ev->text - 1);
    if (f->failed) {
        skt_desk_failed(o->desk, f->why);
    } else {
        o->desk->stats.files_done += is_file;
        o->desk->stats.bytes_same += f->sent < f->meta.size ? f->meta.size - f->sent : 0;
        o->settled += f->meta.size;
        if (o->desk->stats.bytes_done < o->settled) /* the last STORED is older than DONE */
            o->desk->stats.bytes_done = o->settled;
    }
    o->told = f;
    o->ring[o->base++ % OFFER_RING] = NULL;
    return true;
}

static bool next_last(struct skt_offer *o, struct skt_xfer_event *ev)
{
    struct offer_file *f = SKT_LIST_FIRST(&o->lasts, struct offer_file, lasts);

    if (!f)
        return false;
    *ev = (struct skt_xfer_event){ .kind = SKT_XFER_LAST, .meta = &f->meta };
    if (!skt_desk_ask(o->desk, ev, &(struct skt_job){ .file = f->number }))
        return false;
    skt_list_drop(&f->lasts);
    f->last = OFFER_ASKED;
    f->jobs++;
    return true;
}

static bool next_walk(struct skt_offer *o, struct skt_xfer_event *ev)
{
    if (!o->open || o->walking || o->walked || o->stuck || !may_walk(o, 2 * SKT_XFER_PATH_MAX))
        return false;
    *ev = (struct skt_xfer_event){ .kind = SKT_XFER_WALK };
    if (!skt_desk_ask(o->desk, ev, &(struct skt_job){ .file = 0 }))
        return false;
    o->walking = true;
    o->walk_from = o->count;
    return true;
}

/* All is settled on both sides: are the sums equal? */
static void compare_sums(struct skt_offer *o)
{
    skt_hasher_end(&o->sum, o->sum_hash);
    if (memcmp(o->sum_hash, o->their_sum, SKT_HASH) != 0) {
        skt_desk_close(o->desk, SKT_XFER_DIFFERS, "the sums of sender and receiver differ");
        return;
    }
    skt_desk_say(o->desk, &(struct skt_xfer_message){ .kind = SKT_XFER_SUM, .hash = o->sum_hash });
    o->done = !o->desk->closing;
    skt_desk_close(o->desk, SKT_XFER_DONE_WELL, "%s", "");
}

/* After the end: each file, in order, when its jobs are answered. Those that the receiver has are told. */
static bool next_ended(struct skt_offer *o, struct skt_xfer_event *ev)
{
    for (struct offer_file *f; (f = offer_file(o, o->base));) {
        bool opened = f->opened;

        if (f->jobs)
            return false;
        if (o->base != o->stored && !f->failed && is_sent(f))
            return tell_settled(o, f, ev);
        o->stored += o->base == o->stored; /* the others are not there, nor told */
        o->ring[o->base++ % OFFER_RING] = NULL;
        if (opened) {
            o->told = f;
            return tell(o, f, ev, SKT_XFER_FORGET);
        }
        file_free(o, f);
    }
    return false;
}

bool skt_offer_next(struct skt_offer *o, struct skt_xfer_event *ev)
{
    file_free(o, o->told);
    o->told = NULL;
    if (o->ended)
        return next_ended(o, ev);
    if (o->desk->closing)
        return false;
    if (o->base != o->stored && tell_settled(o, offer_file(o, o->base), ev))
        return true;
    if (o->their_done && o->base == o->count && !o->done) {
        compare_sums(o);
        return false;
    }
    return next_last(o, ev) || offer_read(o, ev) || next_walk(o, ev);
}

/* --- answers --- */

static void walked(struct skt_offer *o, int64_t result)
{
    o->walking = false;
    o->stuck = o->count == o->walk_from;
    if (o->ended || result == 0)
        return;
    if (result < 0) {
        skt_desk_close(o->desk, SKT_XFER_DISK, "the sender cannot read its files: %s", strerror((int)-result));
        return;
    }
    o->walked = o->end_said = true;
    skt_desk_say(o->desk, &(struct skt_xfer_message){ .kind = SKT_XFER_END, .file = o->count });
}

void skt_offer_answer(struct skt_offer *o, const struct skt_job *job, int64_t result)
{
    struct offer_file *f;

    if (result < -4095 && result != SKT_XFER_ALL_ZEROS)
        result = -EIO; /* no errno */
    if (job->kind == SKT_XFER_WALK) {
        walked(o, result);
        return;
    }
    f = offer_file(o, job->file);
    assert(f); /* jobs hold it */
    f->jobs--;
    o->jobs--;
    if (job->kind == SKT_XFER_READ)
        offer_was_read(o, f, job, result);
    else if (f->failed || o->ended)
        return;
    else if (result < 0) {
        skt_desk_say(o->desk,
            &(struct skt_xfer_message){ .kind = SKT_XFER_SKIP, .file = f->number, .error = (uint16_t)-result });
        offer_fail(o, f, (int)result);
    } else {
        offer_unchanged(o, f);
    }
}

/* --- life --- */

struct skt_offer *skt_offer_new(struct skt_desk *desk)
{
    struct skt_offer *o = calloc(1, sizeof *o);

    if (!o)
        return NULL;
    o->desk = desk;
    o->granted = OFFER_FIRST;
    skt_list_init(&o->ready);
    skt_list_init(&o->lossy);
    skt_list_init(&o->lasts);
    skt_hasher_init(&o->sum);
    o->ring = calloc(OFFER_RING, sizeof(struct offer_file *));
    if (!o->ring || offer_groups_init(o)) {
        skt_offer_free(o);
        return NULL;
    }
    return o;
}

void skt_offer_end(struct skt_offer *o)
{
    o->ended = true;
    for (uint32_t i = o->base; i != o->count; i++)
        offer_groups_drop(o, o->ring[i % OFFER_RING]);
}

bool skt_offer_over(const struct skt_offer *o) { return o->ended && o->base == o->count && !o->walking; }

bool skt_offer_done(const struct skt_offer *o) { return o->done; }

void skt_offer_sum(const struct skt_offer *o, uint8_t *ret_hash) { memcpy(ret_hash, o->sum_hash, SKT_HASH); }

void skt_offer_free(struct skt_offer *o)
{
    if (!o)
        return;
    file_free(o, o->told);
    for (uint32_t i = o->base; o->ring && i != o->count; i++)
        file_free(o, o->ring[i % OFFER_RING]);
    offer_groups_done(o);
    free(o->needs.ring);
    free(o->checking.ring);
    free(o->ring);
    free(o);
}
