/* offergroup: the groups of the sender's files: read when they are wanted, hashed, sent, and kept until they have arrived. */
#include "engine/xfer/offerinside.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

uint32_t offer_group_len(const struct offer_file *f, uint64_t group)
{
    uint64_t left = f->meta.size - group * SKT_GROUP;

    return left < SKT_GROUP ? (uint32_t)left : SKT_GROUP;
}

bool offer_has_room(const struct skt_offer *o, size_t more)
{
    return !o->desk->closing && skt_conn_say_room(o->desk->conn) >= more + (size_t)OFFER_PROMISE * (o->jobs + 1);
}

/* --- what is wanted: a ring that doubles --- */

int offer_want(struct offer_wants *wants, const struct offer_want *want)
{
    if (wants->n == wants->size) {
        uint32_t size = wants->size ? wants->size * 2 : 64;
        struct offer_want *ring = size <= OFFER_WANTS ? malloc(size * sizeof *ring) : NULL;

        if (!ring)
            return size <= OFFER_WANTS ? -ENOMEM : -ENOSPC;
        for (uint32_t i = 0; i < wants->n; i++)
            ring[i] = wants->ring[(wants->first + i) & (wants->size - 1)];
        free(wants->ring);
        *wants = (struct offer_wants){ .ring = ring, .n = wants->n, .size = size };
    }
    wants->ring[(wants->first + wants->n++) & (wants->size - 1)] = *want;
    return 0;
}

/* The first group that is wanted of a file that has not failed. */
static struct offer_want *first_want(struct skt_offer *o, struct offer_wants *wants, struct offer_file **ret_file)
{
    while (wants->n) {
        struct offer_want *want = &wants->ring[wants->first];
        struct offer_file *f = offer_file(o, want->file);

        if (f && !f->failed && want->count) {
            *ret_file = f;
            return want;
        }
        wants->first = (wants->first + 1) & (wants->size - 1);
        wants->n--;
    }
    return NULL;
}

/* --- groups, by slot --- */

enum { SLOT_BITS = 14 };
_Static_assert(OFFER_GROUPS == 1 << SLOT_BITS, "a slot fits its bits");

int offer_groups_init(struct skt_offer *o)
{
    o->slots = calloc(OFFER_GROUPS, sizeof(struct offer_group *));
    o->free_slots = malloc(OFFER_GROUPS * sizeof *o->free_slots);
    return o->slots && o->free_slots ? 0 : -ENOMEM;
}

static bool has_slot(const struct skt_offer *o)
{
    return o->n_free + (OFFER_GROUPS - o->n_slots) > o->jobs; /* each job may need one */
}

static struct offer_group *group_new(struct skt_offer *o, struct offer_file *f, const struct skt_job *job)
{
    struct offer_group *g = calloc(1, sizeof *g);
    uint32_t slot;

    if (!g)
        return NULL;
    slot = o->n_free ? o->free_slots[--o->n_free] : o->n_slots++;
    g->tag = ++o->generation << SLOT_BITS | slot;
    g->file = f;
    g->index = job->group;
    g->len = job->len;
    g->bytes = job->bytes;
    (void)skt_ranges_init(&g->acked, OFFER_PIECES);
    (void)skt_ranges_init(&g->lost, OFFER_PIECES);
    skt_list_put(&f->active, &g->of_file);
    o->slots[slot] = g;
    return g;
}

static void bytes_free(struct skt_offer *o, uint8_t *bytes, uint32_t len)
{
    if (bytes)
        o->held -= skt_pool_size(len);
    skt_pool_put(o->desk->pool, bytes, len);
}

static void group_free(struct skt_offer *o, struct offer_group *g)
{
    uint32_t slot = g->tag & (OFFER_GROUPS - 1);

    o->unsent -= g->len - g->sent;
    bytes_free(o, g->bytes, g->len);
    skt_list_drop(&g->list);
    assert(skt_listed(&g->of_file)); /* as long as it lives */
    skt_list_drop(&g->of_file);
    skt_ranges_done(&g->acked);
    skt_ranges_done(&g->lost);
    o->slots[slot] = NULL;
    o->free_slots[o->n_free++] = slot;
    free(g);
}

void offer_groups_drop(struct skt_offer *o, struct offer_file *f)
{
    for (struct skt_node *node = f->active.next, *next; node != &f->active; node = next) {
        next = node->next;
        group_free(o, SKT_LIST_OF(node, struct offer_group, of_file));
    }
}

void offer_groups_done(struct skt_offer *o)
{
    free(o->slots);
    free(o->free_slots);
}

/* --- reading --- */

static void skip(struct skt_offer *o, struct offer_file *f, int why)
{
    skt_desk_say(
        o->desk, &(struct skt_xfer_message){ .kind = SKT_XFER_SKIP, .file = f->number, .error = (uint16_t)-why });
    offer_fail(o, f, why);
}

/* False: it is not known, or not to be said yet. */
static bool say_value(struct skt_offer *o, const struct offer_file *f, uint64_t group)
{
    struct skt_cell *cell = skt_cell(&f->cells, group);
    struct skt_xfer_message m = { .kind = SKT_XFER_HASHES, .file = f->number, .group = group, .count = 1 };

    if (!cell || !cell->known || (f->last > OFFER_READING && f->last < OFFER_UNCHANGED && group == f->withheld))
        return false;
    m.hash = cell->value;
    if (!cell->said)
        skt_desk_say(o->desk, &m);
    cell->said = true;
    return true;
}

/* For CHECK in order, else as they come. */
static void say_values(struct skt_offer *o, struct offer_file *f, uint64_t group)
{
    if (!f->checked)
        (void)say_value(o, f, group);
    while (f->checked && f->said < f->groups && say_value(o, f, f->said))
        f->said++;
}

void offer_unchanged(struct skt_offer *o, struct offer_file *f)
{
    f->last = OFFER_UNCHANGED;
    say_values(o, f, f->withheld);
}

/* What was read has a value. The one that completes the file waits until the file is known not to have changed. False:
 * it has. */
static bool take_value(struct skt_offer *o, struct offer_file *f, uint64_t group, const uint8_t *value)
{
    struct skt_cell *cell = skt_cell_make(&f->cells, group, &o->desk->cells);

    if (!cell) {
        skt_desk_no_cell(o->desk);
        return false;
    }
    if (cell->known) {
        if (!memcmp(cell->value, value, SKT_HASH))
            return true;
        skip(o, f, -ESTALE);
        return false;
    }
    memcpy(cell->value, value, SKT_HASH);
    cell->known = true;
    if (++f->hashed == f->groups) {
        f->withheld = group;
        f->last = OFFER_READ;
        skt_list_put(&o->lasts, &f->lasts);
        o->jobs++; /* LAST, from now on: there is room for what it leads to */
    }
    say_values(o, f, group);
    return true;
}

static void go(struct skt_offer *o, struct offer_file *f, const struct skt_job *job)
{
    struct offer_group *g = group_new(o, f, job);

    if (!g) {
        o->unsent -= job->len;
        bytes_free(o, job->bytes, job->len);
        skt_desk_no_memory(o->desk);
        return;
    }
    skt_list_put(&o->ready, &g->list);
}

void offer_was_read(struct skt_offer *o, struct offer_file *f, const struct skt_job *job, int64_t result)
{
    uint8_t value[SKT_HASH];
    bool zeros = result == SKT_XFER_ALL_ZEROS, good = !f->failed && !o->ended && !o->desk->closing;

    o->checks -= !job->send;
    if (good && !zeros && result != job->len) {
        skip(o, f, result < 0 ? (int)result : -ESTALE); /* another length: it changed */
        good = false;
    }
    if (good) {
        if (zeros)
            skt_group_hash_zeros(job->group, f->meta.size, value);
        else
            skt_group_hash(job->group, f->meta.size, skt_span_of(job->bytes, job->len), value);
        good = take_value(o, f, job->group, value);
    }
    if (good && job->send && !zeros) {
        go(o, f, job);
        return;
    }
    if (good && job->send) {
        skt_desk_say(o->desk,
            &(struct skt_xfer_message){ .kind = SKT_XFER_ZEROS, .file = f->number, .group = job->group, .count = 1 });
        f->sent += job->len;
    }
    if (job->send)
        o->unsent -= job->len;
    bytes_free(o, job->bytes, job->len);
}

static bool read_one(struct skt_offer *o, struct offer_wants *wants, struct skt_xfer_event *ev, bool send)
{
    struct offer_file *f = NULL;
    struct offer_want *want;
    struct skt_job job = { 0 };
    uint8_t value[SKT_HASH];

    for (; (want = first_want(o, wants, &f)); want->group++, want->count--) {
        job = (struct skt_job){ .file = f->number, .group = want->group, .send = send };
        job.len = offer_group_len(f, want->group);
        if (job.len)
            break;
        if (!offer_has_room(o, 0)) /* an empty file: there is nothing to read */
            return false;
        skt_blake3((struct skt_span){ 0 }, value);
        f->opened = true;
        (void)take_value(o, f, 0, value);
    }
    if (!want || !offer_has_room(o, 0) || o->held + skt_pool_size(job.len) > OFFER_HELD)
        return false;
    job.bytes = skt_pool_get(o->desk->pool, job.len);
    *ev = (struct skt_xfer_event){ .kind = SKT_XFER_READ,
        .offset = job.group * SKT_GROUP,
        .len = job.len,
        .room = skt_room_of(job.bytes, job.bytes ? job.len : 0),
        .meta = &f->meta };
    if (!job.bytes || !skt_desk_ask(o->desk, ev, &job)) {
        skt_pool_put(o->desk->pool, job.bytes, job.len);
        skt_desk_no_memory(o->desk);
        return false;
    }
    want->group++;
    want->count--;
    o->held += skt_pool_size(job.len);
    o->unsent += send ? job.len : 0;
    o->jobs++;
    o->checks += !send;
    f->opened = true;
    f->jobs++;
    return true;
}

bool offer_read(struct skt_offer *o, struct skt_xfer_event *ev)
{
    if (o->jobs >= OFFER_JOBS)
        return false;
    if (o->unsent < OFFER_AHEAD && has_slot(o) && read_one(o, &o->needs, ev, true))
        return true;
    return o->checks < OFFER_CHECKS && read_one(o, &o->checking, ev, false);
}

/* --- sending --- */

bool skt_offer_has_blocks(const struct skt_offer *o)
{
    return !o->ended && (!skt_list_empty(&o->lossy) || !skt_list_empty(&o->ready));
}

static void put_piece(struct skt_offer *o, const struct offer_group *g, uint32_t from, uint32_t len)
{
    struct skt_conn_piece piece = { .tag = g->tag, .from = from, .len = len };

    skt_conn_block(
        o->desk->conn, piece, g->file->number, g->index * SKT_GROUP + from, skt_span_of(g->bytes + from, len));
}

/* What was lost goes first. */
static bool put_lost(struct skt_offer *o, struct offer_group *g, size_t room)
{
    struct skt_range range;
    uint32_t len;

    if (!skt_ranges_next(&g->lost, 0, &range)) {
        skt_list_drop(&g->list);
        if (g->sent < g->len)
            skt_list_put(&o->ready, &g->list);
        return true;
    }
    len = range.to - range.from < room ? (uint32_t)(range.to - range.from) : (uint32_t)room;
    if (skt_ranges_drop(&g->lost, range.from, range.from + len, NULL)) {
        skt_desk_no_memory(o->desk);
        return false;
    }
    put_piece(o, g, (uint32_t)range.from, len);
    o->desk->stats.bytes_resent += len;
    return true;
}

static void put_next(struct skt_offer *o, struct offer_group *g, size_t room)
{
    uint32_t left = g->len - g->sent, len = left < room ? left : (uint32_t)room;

    put_piece(o, g, g->sent, len);
    g->sent += len;
    g->file->sent += len;
    o->unsent -= len;
    if (g->sent == g->len)
        skt_list_drop(&g->list);
}

void skt_offer_put_blocks(struct skt_offer *o)
{
    size_t room;

    while (!o->ended && (room = skt_conn_block_room(o->desk->conn))) {
        struct offer_group *g = SKT_LIST_FIRST(&o->lossy, struct offer_group, list);

        if (g) {
            if (!put_lost(o, g, room))
                return;
            continue;
        }
        g = SKT_LIST_FIRST(&o->ready, struct offer_group, list);
        if (!g)
            return;
        put_next(o, g, room);
    }
}

/* NULL: all of it has arrived long ago, or nobody wants it any more. */
static struct offer_group *group_of(const struct skt_offer *o, const struct skt_conn_piece *piece)
{
    struct offer_group *g = o->slots[piece->tag & (OFFER_GROUPS - 1)];

    return g && g->tag == piece->tag ? g : NULL;
}

void skt_offer_acked(struct skt_offer *o, const struct skt_conn_piece *piece)
{
    struct offer_group *g = group_of(o, piece);
    uint64_t fresh = 0;

    if (!g)
        return;
    if (skt_ranges_take(&g->acked, piece->from, piece->from + piece->len, &fresh) ||
        skt_ranges_drop(&g->lost, piece->from, piece->from + piece->len, NULL)) {
        skt_desk_no_memory(o->desk);
        return;
    }
    g->n_acked += (uint32_t)fresh;
    if (g->n_acked == g->len)
        group_free(o, g);
}

/* Only what did not arrive after all, in another packet, is lost. */
void skt_offer_lost(struct skt_offer *o, const struct skt_conn_piece *piece)
{
    struct offer_group *g = group_of(o, piece);
    uint64_t at = piece->from, end = (uint64_t)piece->from + piece->len;
    struct skt_range has;

    if (!g)
        return;
    while (at < end) {
        uint64_t to = end, next = end;

        if (skt_ranges_next(&g->acked, at, &has) && has.from < end) {
            to = has.from;
            next = has.to < end ? has.to : end;
        }
        if (to > at && skt_ranges_take(&g->lost, at, to, NULL)) {
            skt_desk_no_memory(o->desk);
            return;
        }
        at = next;
    }
    if (g->lost.n) {
        skt_list_drop(&g->list); /* it may have been ready */
        skt_list_put(&o->lossy, &g->list);
    }
}
