/* take: the receiver's files, from ENTRY to DONE. Start reading at skt_take_next(). */
#include "engine/xfer/take.h"

#include "engine/xfer/takeinside.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

/* --- files --- */

struct take_file *take_file(const struct skt_take *t, uint32_t number)
{
    return number - t->base < t->count - t->base ? t->ring[number % TAKE_RING] : NULL;
}

static void file_free(struct skt_take *t, struct take_file *f)
{
    if (!f)
        return;
    take_groups_drop(t, f);
    skt_list_drop(&f->todo);
    skt_list_drop(&f->saying);
    skt_list_drop(&f->asking);
    skt_cells_done(&f->cells, &t->desk->cells);
    t->names -= skt_len(f->meta.path) + skt_len(f->meta.target);
    free(f->tree);
    free(f);
}

/* What the verb has begun it must let go of, as soon as it has answered everything. */
static void drop_if_failed(struct skt_take *t, struct take_file *f)
{
    if (f->state == TAKE_FAILED && f->made && !f->jobs && !t->ended)
        skt_list_put(&t->todo, &f->todo);
}

void take_fail(struct skt_take *t, struct take_file *f, int why, const char *text, bool say)
{
    if (f->state == TAKE_DONE || f->state == TAKE_FAILED)
        return;
    f->state = TAKE_FAILED;
    t->desk->moved = t->desk->now;
    f->why = why;
    f->text = text;
    f->here = say;
    f->say = say ? SKT_XFER_REFUSE : 0;
    take_groups_drop(t, f);
    skt_list_drop(&f->todo);
    skt_list_drop(&f->asking);
    skt_list_drop(&f->saying);
    if (say)
        skt_list_put(&t->saying, &f->saying);
    drop_if_failed(t, f);
}

static bool is_settled(const struct take_file *f)
{
    return f->state == TAKE_DONE || (f->state == TAKE_FAILED && !f->jobs && !f->made && !f->say);
}

static bool is_late(const struct take_file *f)
{
    return f->meta.kind == SKT_XFER_HARDLINK || f->meta.kind == SKT_XFER_DIR_AGAIN;
}

/* --- messages --- */

static void on_offer(struct skt_take *t, const struct skt_xfer_message *m)
{
    if (t->offered || t->count) {
        skt_desk_broken(t->desk, "OFFER twice, or late");
        return;
    }
    t->offered = true;
    t->desk->moved = t->desk->now;
    t->desk->stats.files = m->files;
    t->desk->stats.bytes = m->bytes;
    if (m->files != UINT64_MAX && m->files > t->conf.max_files)
        skt_desk_close(t->desk, SKT_XFER_REFUSED, "more than %u files are not taken", t->conf.max_files);
    else if (t->conf.max_bytes && m->bytes != UINT64_MAX && m->bytes > t->conf.max_bytes)
        skt_desk_close(
            t->desk, SKT_XFER_REFUSED, "more than %llu bytes are not taken", (unsigned long long)t->conf.max_bytes);
}

static const char *wrong_entry(const struct skt_take *t, const struct skt_xfer_message *m)
{
    const struct skt_xfer_meta *e = &m->entry;
    bool links = e->kind == SKT_XFER_SYMLINK || e->kind == SKT_XFER_HARDLINK;

    if (t->all)
        return "ENTRY after END";
    if (m->file != t->count)
        return "the numbers of ENTRY are not in order";
    if (m->file >= t->granted)
        return "more ENTRY than MORE allows";
    if (e->kind < SKT_XFER_FILE || e->kind > SKT_XFER_DIR_AGAIN)
        return "ENTRY of an unknown kind";
    if (e->mode > 07777 || !skt_xfer_path_ok(e->path) || skt_len(e->target) > TAKE_NAME)
        return "ENTRY with a wrong mode or name";
    if (links != (skt_len(e->target) != 0) || (e->kind == SKT_XFER_HARDLINK && !skt_xfer_path_ok(e->target)))
        return "ENTRY with a wrong target";
    return NULL;
}

static struct take_file *file_new(const struct skt_xfer_meta *entry, uint32_t number)
{
    size_t n = skt_len(entry->path), m = skt_len(entry->target);
    struct take_file *f = calloc(1, sizeof *f + n + m);

    if (!f)
        return NULL;
    f->meta = *entry;
    f->number = number;
    memcpy(f->names, entry->path.p, n);
    if (m)
        memcpy(f->names + n, entry->target.p, m);
    f->meta.path = skt_span_of(f->names, n);
    f->meta.target = skt_span_of(f->names + n, m);
    if (entry->kind != SKT_XFER_FILE)
        f->meta.size = f->meta.data = 0;
    f->groups = skt_groups(f->meta.size);
    f->cells.n = f->groups;
    skt_list_init(&f->active);
    return f;
}

static void on_entry(struct skt_take *t, const struct skt_xfer_message *m)
{
    const char *wrong = wrong_entry(t, m);
    struct take_file *f;

    if (wrong) {
        skt_desk_broken(t->desk, wrong);
        return;
    }
    if (m->file >= t->conf.max_files) {
        skt_desk_close(t->desk, SKT_XFER_REFUSED, "more than %u files are not taken", t->conf.max_files);
        return;
    }
    f = file_new(&m->entry, m->file);
    if (!f) {
        skt_desk_no_memory(t->desk);
        return;
    }
    t->names += skt_len(f->meta.path) + skt_len(f->meta.target);
    t->ring[t->count++ % TAKE_RING] = f;
    t->desk->moved = t->desk->now;
    t->offered_bytes += f->meta.size < TAKE_BYTES ? f->meta.size : 0;
    if (f->meta.size >= TAKE_BYTES || (t->conf.max_bytes && t->offered_bytes > t->conf.max_bytes)) {
        t->offered_bytes -= f->meta.size < TAKE_BYTES ? f->meta.size : 0;
        take_fail(t, f, -EFBIG, "more bytes than are taken", true);
    }
}

static void on_end(struct skt_take *t, const struct skt_xfer_message *m)
{
    if (t->all || m->file != t->count) {
        skt_desk_broken(t->desk, "END twice, or of another number of files");
        return;
    }
    t->all = true;
    t->desk->moved = t->desk->now;
}

static void on_skip(struct skt_take *t, const struct skt_xfer_message *m)
{
    struct take_file *f = take_file(t, m->file);

    if (m->file >= t->count || (f && f->meta.kind != SKT_XFER_FILE) ||
        (f ? f->state == TAKE_DONE || f->state == TAKE_FINISHING : false)) {
        skt_desk_broken(t->desk, "SKIP of what is no file, or whole");
        return;
    }
    if (f)
        take_fail(
            t, f, m->error ? -(int)m->error : -EIO, "the sender could not read it, or it changed meanwhile", false);
}

static void on_sum(struct skt_take *t, const struct skt_xfer_message *m)
{
    if (!t->done)
        skt_desk_broken(t->desk, "SUM before DONE");
    else if (memcmp(m->hash, t->sum_hash, SKT_HASH) != 0)
        skt_desk_close(t->desk, SKT_XFER_DIFFERS, "the sums of sender and receiver differ");
    else
        t->agreed = true;
}

void skt_take_message(struct skt_take *t, const struct skt_xfer_message *m)
{
    if (t->ended)
        return;
    switch (m->kind) {
    case SKT_XFER_OFFER: on_offer(t, m); break;
    case SKT_XFER_ENTRY: on_entry(t, m); break;
    case SKT_XFER_END: on_end(t, m); break;
    case SKT_XFER_HASHES: take_hashes(t, m); break;
    case SKT_XFER_ZEROS: take_zeros(t, m); break;
    case SKT_XFER_SKIP: on_skip(t, m); break;
    case SKT_XFER_SUM: on_sum(t, m); break;
    default: skt_desk_broken(t->desk, "a message that a sender does not say"); break;
    }
}

/* --- events --- */

static bool ask_file(struct skt_take *t, struct take_file *f, struct skt_xfer_event *ev, enum skt_xfer_event_kind kind)
{
    *ev = (struct skt_xfer_event){ .kind = kind, .meta = &f->meta };
    if (!skt_desk_ask(t->desk, ev, &(struct skt_job){ .file = f->number }))
        return false;
    f->jobs++;
    return true;
}

static bool tell(const struct skt_take *t, const struct take_file *f, struct skt_xfer_event *ev, uint8_t kind)
{
    *ev = (struct skt_xfer_event){ .kind = kind, .session = t->desk->session, .file = f->number, .meta = &f->meta };
    return true;
}

/* The first file is settled: it counts for the sum, and the user hears of it. */
static bool tell_settled(struct skt_take *t, struct take_file *f, struct skt_xfer_event *ev)
{
    bool is_done = f->state == TAKE_DONE;
    uint8_t number[4];
    struct skt_room room = skt_room_of(number, sizeof number);

    if (f->meta.kind == SKT_XFER_FILE) {
        if (!is_done)
            memset(f->hash, 0, sizeof f->hash);
        skt_put_u32(&room, f->number);
        skt_hasher_add(&t->sum, skt_span_of(number, sizeof number));
        skt_hasher_add(&t->sum, skt_span_of(f->hash, sizeof f->hash));
    }
    tell(t, f, ev, is_done ? SKT_XFER_FILE_DONE : SKT_XFER_FILE_FAILED);
    if (is_done && f->meta.kind == SKT_XFER_FILE)
        ev->hash = f->hash;
    ev->why = f->why;
    ev->here = f->here;
    if (f->text)
        strncpy(ev->text, f->text, sizeof ev->text - 1);
    take_links_settled(t, f);
    t->n_stored += is_done;
    if (!is_done) {
        skt_desk_failed(t->desk, f->why);
        t->desk->stats.bytes_done -= f->bytes; /* what it had is of no file that was stored */
        t->desk->stats.bytes_same -= f->same;
    }
    t->desk->stats.files_done += is_done && f->meta.kind == SKT_XFER_FILE;
    t->told = f;
    t->ring[t->base++ % TAKE_RING] = NULL;
    return true;
}

/* Another session is at that file, perhaps one whose sender was killed a moment ago: MAKE is asked again for a while. */
static bool is_busy(struct skt_take *t, struct take_file *f, int64_t result)
{
    if ((result != -EBUSY && result != -EAGAIN) || (f->busy_until && t->desk->now >= f->busy_until))
        return false;
    if (!f->busy_until)
        f->busy_until = t->desk->now + TAKE_BUSY;
    t->desk->busy = true;
    f->again_at = t->desk->now + TAKE_AGAIN;
    f->state = TAKE_NEW;
    skt_list_put(&t->busy, &f->todo);
    return true;
}

static bool ask_make(struct skt_take *t, struct take_file *f, struct skt_xfer_event *ev)
{
    if (!ask_file(t, f, ev, SKT_XFER_MAKE))
        return false;
    f->state = TAKE_MAKING;
    t->makes += !is_late(f);
    t->dir_out |= f->meta.kind == SKT_XFER_DIR;
    return true;
}

/* Directories before what is in them, and what is late when all before it is there; the rest many at a time. */
static bool next_make(struct skt_take *t, struct skt_xfer_event *ev)
{
    struct take_file *first = take_file(t, t->base), *f;

    if (first && is_late(first) && first->state == TAKE_NEW && !first->busy_until && !take_link_leads_astray(t, first))
        return ask_make(t, first, ev);
    f = SKT_LIST_FIRST(&t->busy, struct take_file, todo);
    if (f && f->again_at <= t->desk->now && !t->dir_out) {
        skt_list_drop(&f->todo);
        return ask_make(t, f, ev);
    }
    if ((int32_t)(t->make - t->base) < 0)
        t->make = t->base;
    for (; t->make != t->count; t->make++) {
        f = take_file(t, t->make);
        if (!f || is_late(f) || f->state != TAKE_NEW)
            continue;
        if (t->dir_out || t->makes >= TAKE_MAKES || !ask_make(t, f, ev))
            return false;
        t->make++;
        return true;
    }
    return false;
}

static bool next_todo(struct skt_take *t, struct skt_xfer_event *ev)
{
    struct take_file *f = SKT_LIST_FIRST(&t->todo, struct take_file, todo);

    if (!f)
        return false;
    if (f->state == TAKE_FAILED) {
        skt_list_drop(&f->todo);
        f->made = false;
        return tell(t, f, ev, SKT_XFER_DROP);
    }
    if (f->stored < f->groups)
        return take_compare(t, f, ev);
    if (!ask_file(t, f, ev, SKT_XFER_FINISH))
        return false;
    skt_list_drop(&f->todo);
    f->state = TAKE_FINISHING;
    return true;
}

/* Who has stored nothing is promised nothing, and a sync of all that others write may take long. */
static bool next_sync(struct skt_take *t, struct skt_xfer_event *ev)
{
    if (!t->all || t->base != t->count || t->syncing)
        return false;
    if (!t->n_stored) {
        t->syncing = t->synced = true;
        skt_hasher_end(&t->sum, t->sum_hash);
        return false;
    }
    *ev = (struct skt_xfer_event){ .kind = SKT_XFER_SYNC };
    if (!skt_desk_ask(t->desk, ev, &(struct skt_job){ .file = 0 }))
        return false;
    t->syncing = t->sync_out = true;
    skt_hasher_end(&t->sum, t->sum_hash);
    return true;
}

/* After the end: each file, in order, when its jobs are answered. */
static bool next_ended(struct skt_take *t, struct skt_xfer_event *ev)
{
    for (struct take_file *f; (f = take_file(t, t->base));) {
        bool made = f->made && f->state != TAKE_DONE;

        if (f->jobs)
            return false;
        if (f->state == TAKE_DONE)
            return tell_settled(t, f, ev);
        t->ring[t->base++ % TAKE_RING] = NULL;
        t->told = f;
        if (made)
            return tell(t, f, ev, SKT_XFER_DROP);
        file_free(t, f);
        t->told = NULL;
    }
    return false;
}

bool skt_take_next(struct skt_take *t, struct skt_xfer_event *ev)
{
    bool may_ask = t->desk->out < t->conf.jobs;
    struct take_file *first;

    file_free(t, t->told);
    t->told = NULL;
    if (t->ended)
        return next_ended(t, ev);
    if (t->desk->closing)
        return false;
    if (may_ask && take_write(t, ev)) /* what frees memory goes first */
        return true;
    first = take_file(t, t->base);
    if (first && is_settled(first))
        return tell_settled(t, first, ev);
    return may_ask && (next_todo(t, ev) || next_make(t, ev) || next_sync(t, ev)); /* else with the next answer */
}

/* --- answers --- */

static void made(struct skt_take *t, struct take_file *f, int64_t result)
{
    t->makes -= !is_late(f);
    if (f->meta.kind == SKT_XFER_DIR)
        t->dir_out = false;
    f->made = result >= 0 && f->meta.kind == SKT_XFER_FILE;
    if (f->state == TAKE_FAILED) {
        drop_if_failed(t, f);
        return;
    }
    if (!t->ended && is_busy(t, f, result))
        return;
    if (result < 0) {
        take_fail(t, f, (int)result, NULL, true);
        return;
    }
    if (f->meta.kind != SKT_XFER_FILE) {
        f->state = TAKE_DONE;
        return;
    }
    f->state = TAKE_FILLING;
    f->checked = result > 0;
    if (f->checked) {
        f->say = SKT_XFER_CHECK;
        skt_list_put(&t->saying, &f->saying);
    } else {
        f->ask_end = f->groups;
        skt_list_put(&t->asking, &f->asking);
    }
}

static void finished(struct skt_take *t, struct take_file *f, int64_t result)
{
    if (result < 0) {
        take_fail(t, f, (int)result, NULL, true);
        return;
    }
    if (f->tree)
        skt_tree_root(f->tree, f->hash);
    free(f->tree);
    f->tree = NULL;
    f->state = TAKE_DONE;
    f->made = false;
}

void skt_take_answer(struct skt_take *t, const struct skt_job *job, int64_t result)
{
    struct take_file *f;

    if (result < -4095 && result != SKT_XFER_ALL_ZEROS)
        result = -EIO; /* no errno */
    if (job->kind == SKT_XFER_SYNC) {
        t->sync_out = false;
        t->synced = result >= 0;
        if (result < 0)
            skt_desk_close(t->desk, SKT_XFER_DISK, "the disk did not take it: %s", strerror((int)-result));
        return;
    }
    f = take_file(t, job->file);
    assert(f); /* jobs hold it */
    f->jobs--;
    switch (job->kind) {
    case SKT_XFER_MAKE: made(t, f, result); break;
    case SKT_XFER_READ: take_compared(t, f, job, result); break;
    case SKT_XFER_WRITE: take_wrote(t, f, job->group, result); break;
    default: finished(t, f, result); break;
    }
    drop_if_failed(t, f);
}

/* --- life --- */

struct skt_take *skt_take_new(const struct skt_take_conf *conf, struct skt_desk *desk)
{
    struct skt_take *t = calloc(1, sizeof *t);

    if (!t)
        return NULL;
    t->ring = calloc(TAKE_RING, sizeof(struct take_file *));
    if (!t->ring) {
        free(t);
        return NULL;
    }
    t->conf = *conf;
    t->ahead = conf->window < TAKE_LEAST ? conf->window : TAKE_LEAST;
    t->desk = desk;
    t->granted = TAKE_AHEAD;
    t->said_at = desk->now;
    desk->stats.files = desk->stats.bytes = UINT64_MAX;
    skt_list_init(&t->todo);
    skt_list_init(&t->saying);
    skt_list_init(&t->asking);
    skt_list_init(&t->writes);
    skt_list_init(&t->again);
    skt_list_init(&t->busy);
    skt_list_init(&t->spare);
    (void)skt_map_init(
        &t->paths, conf->max_files < TAKE_PATHS ? conf->max_files : TAKE_PATHS, conf->seed); /* allocates nothing yet */
    skt_hasher_init(&t->sum);
    return t;
}

void skt_take_end(struct skt_take *t)
{
    t->ended = true;
    for (uint32_t i = t->base; i != t->count; i++)
        take_groups_drop(t, t->ring[i % TAKE_RING]);
}

bool skt_take_over(const struct skt_take *t) { return t->ended && t->base == t->count && !t->sync_out; }
bool skt_take_done(const struct skt_take *t) { return t->done; }
bool skt_take_agreed(const struct skt_take *t) { return t->agreed; }
void skt_take_sum(const struct skt_take *t, uint8_t *ret_hash) { memcpy(ret_hash, t->sum_hash, SKT_HASH); }

void skt_take_free(struct skt_take *t)
{
    if (!t)
        return;
    file_free(t, t->told);
    for (uint32_t i = t->base; i != t->count; i++) {
        struct take_file *f = t->ring[i % TAKE_RING];
        f->jobs = 0; /* nobody will answer */
        file_free(t, f);
    }
    t->desk->pool->paths -= t->paths.n;
    skt_map_done(&t->paths);
    take_spare_done(t);
    free(t->ring);
    free(t);
}
