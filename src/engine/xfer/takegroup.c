/* takegroup: the groups of the receiver's files: asked for, put together from blocks, verified, written; or compared with
 * what is there already. */
#include "engine/xfer/takeinside.h"

#include <errno.h>
#include <stdlib.h>

enum { SPARE_MAX = 256 };

uint32_t take_group_len(const struct take_file *f, uint64_t group)
{
    uint64_t left = f->meta.size - group * SKT_GROUP;

    return left < SKT_GROUP ? (uint32_t)left : SKT_GROUP;
}

/* --- groups: spare ones keep their table of ranges --- */

/* So many as honest packets can make of it: what a piece costs does not count as bytes that were asked for. */
static uint32_t pieces_of(uint32_t len)
{
    uint32_t n = TAKE_PIECES_LEAST + len / TAKE_PIECE;

    return n < TAKE_PIECES ? n : TAKE_PIECES;
}

static struct take_group *group_new(struct skt_take *t, struct take_file *f, uint64_t index)
{
    struct take_group *g = SKT_LIST_FIRST(&t->spare, struct take_group, list);
    struct skt_ranges got;

    if (g) {
        skt_list_drop(&g->list);
        t->n_spare--;
        got = g->got;
        got.n = 0;
    } else {
        g = malloc(sizeof *g);
        if (!g)
            return NULL;
        (void)skt_ranges_init(&got, TAKE_PIECES);
    }
    got.max = pieces_of(take_group_len(f, index)); /* a spare one has no room for more than any may have */
    *g = (struct take_group){ .file = f, .index = index, .len = take_group_len(f, index), .got = got };
    skt_list_put(&f->active, &g->of_file);
    t->asked += g->len;
    t->desk->pool->asked += g->len;
    return g;
}

static void group_delete(struct take_group *g)
{
    skt_ranges_done(&g->got);
    free(g);
}

static void group_free(struct skt_take *t, struct take_group *g)
{
    struct skt_cell *cell = skt_cell(&g->file->cells, g->index);

    if (cell)
        cell->group = NULL;
    skt_pool_put(t->desk->pool, g->bytes, g->len);
    t->asked -= g->len;
    t->desk->pool->asked -= g->len;
    skt_list_drop(&g->list);
    skt_list_drop(&g->of_file);
    if (t->n_spare == SPARE_MAX || g->got.size > TAKE_SPARE_PIECES) {
        group_delete(g);
        return;
    }
    skt_list_put(&t->spare, &g->list);
    t->n_spare++;
}

void take_groups_drop(struct skt_take *t, struct take_file *f)
{
    struct skt_node *next;

    for (struct skt_node *node = f->active.next; node != &f->active; node = next) {
        struct take_group *g = SKT_LIST_OF(node, struct take_group, of_file);
        next = node->next;
        if (!g->writing || !f->jobs) /* the verb has its bytes */
            group_free(t, g);
    }
}

void take_spare_done(struct skt_take *t)
{
    struct skt_node *next;

    for (struct skt_node *node = t->spare.next; node != &t->spare; node = next) {
        next = node->next;
        group_delete(SKT_LIST_OF(node, struct take_group, list));
    }
    skt_list_init(&t->spare);
}

/* --- asking --- */

static void say_need(struct skt_take *t, const struct take_file *f, uint64_t group, uint64_t count)
{
    skt_desk_say(t->desk,
        &(struct skt_xfer_message){ .kind = SKT_XFER_NEED, .file = f->number, .group = group, .count = count });
}

/* Is group f->ask one to be asked for, and do the window, and that of all sessions together, allow it? One always may. */
static bool begin_group(struct skt_take *t, struct take_file *f)
{
    uint32_t len = take_group_len(f, f->ask);
    struct skt_cell *cell;

    if (t->asked && (t->asked + len > t->ahead || t->desk->pool->asked + len > SKT_POOL_ASKED))
        return false;
    cell = skt_cell_make(&f->cells, f->ask, &t->desk->cells);
    if (!cell) {
        if (!t->asked) /* else what is stored meanwhile may make room */
            skt_desk_no_cell(t->desk);
        return false;
    }
    cell->group = group_new(t, f, f->ask);
    if (!cell->group)
        skt_desk_no_memory(t->desk);
    return cell->group;
}

static bool is_stored(const struct take_file *f, uint64_t group)
{
    const struct skt_cell *cell = skt_cell(&f->cells, group);

    return group < f->fed || (cell && cell->stored);
}

/* One run of groups of the file. False: the window is full. */
static bool ask_run(struct skt_take *t, struct take_file *f)
{
    uint64_t from, n = 0;

    while (f->ask < f->ask_end && is_stored(f, f->ask))
        f->ask++;
    from = f->ask;
    while (f->ask < f->ask_end && !is_stored(f, f->ask) && begin_group(t, f)) {
        f->ask++;
        n++;
    }
    if (n)
        say_need(t, f, from, n);
    return f->ask == f->ask_end || n;
}

void take_ask(struct skt_take *t)
{
    struct take_file *f;

    while ((f = SKT_LIST_FIRST(&t->asking, struct take_file, asking)) && take_has_room(t)) {
        if (!ask_run(t, f))
            return;
        if (f->ask == f->ask_end)
            skt_list_drop(&f->asking);
    }
}

void take_again(struct skt_take *t)
{
    struct take_group *g;

    while ((g = SKT_LIST_FIRST(&t->again, struct take_group, list)) && take_has_room(t)) {
        skt_list_drop(&g->list);
        say_need(t, g->file, g->index, 1);
    }
}

/* --- verifying --- */

/* Groups in order make the hash of the file; the cells of those that are told to the tree are needed no more. */
static void feed(struct skt_take *t, struct take_file *f)
{
    struct skt_cell *cell;

    if (f->groups == 1) {
        cell = skt_cell(&f->cells, 0);
        memcpy(f->hash, cell->value, SKT_HASH);
        f->fed = 1;
        return;
    }
    if (!f->tree) {
        f->tree = malloc(sizeof *f->tree);
        if (!f->tree) {
            skt_desk_no_memory(t->desk);
            return;
        }
        skt_tree_init(f->tree);
    }
    while (f->fed < f->groups && (cell = skt_cell(&f->cells, f->fed)) && cell->stored) {
        skt_tree_add(f->tree, cell->value);
        if (++f->fed % SKT_CELLS == 0)
            skt_cells_drop(&f->cells, f->fed - 1, &t->desk->cells);
    }
}

static void group_stored(struct skt_take *t, struct take_file *f, uint64_t group)
{
    struct skt_cell *cell = skt_cell(&f->cells, group);

    cell->stored = true;
    f->stored++;
    f->bytes += take_group_len(f, group);
    t->desk->stats.bytes_done += take_group_len(f, group);
    if (group == f->fed)
        feed(t, f);
    if (f->stored == f->groups)
        skt_list_put(&t->todo, &f->todo);
}

static void group_differs(struct skt_take *t, struct take_group *g)
{
    if (++g->tries >= TAKE_TRIES) {
        skt_desk_close(t->desk, SKT_XFER_DIFFERS, "group %llu of file %u differs from its value, %d times",
            (unsigned long long)g->index, g->file->number, TAKE_TRIES);
        return;
    }
    g->n_got = 0;
    g->got.n = 0;
    g->zeros = false;
    skt_list_put(&t->again, &g->list);
}

/* Whole, and its value known? Then it is right, or asked for again. */
static void group_try(struct skt_take *t, struct take_file *f, struct take_group *g, const struct skt_cell *cell)
{
    uint8_t value[SKT_HASH];

    if (!cell->known || g->right || (!g->zeros && g->n_got < g->len))
        return;
    if (g->zeros)
        skt_group_hash_zeros(g->index, f->meta.size, value);
    else
        skt_group_hash(g->index, f->meta.size, skt_span_of(g->bytes, g->len), value);
    if (memcmp(value, cell->value, SKT_HASH) != 0) {
        group_differs(t, g);
        return;
    }
    g->right = true;
    if (g->len) {
        skt_list_drop(&g->list); /* asked for again, but a late block made it whole */
        skt_list_put(&t->writes, &g->list);
        return;
    }
    group_free(t, g); /* of no bytes: the only one of an empty file */
    group_stored(t, f, 0);
}

/* A value that was not asked for by NEED: of CHECK, in order. */
static void check_value(struct skt_take *t, struct take_file *f, uint64_t group, const uint8_t *value)
{
    struct skt_cell *cell;

    if (!f->check_said || group != f->valued) {
        skt_desk_broken(t->desk, "HASHES that nobody asked for");
        return;
    }
    cell = skt_cell_make(&f->cells, group, &t->desk->cells);
    if (!cell) {
        skt_desk_no_cell(t->desk);
        return;
    }
    memcpy(cell->value, value, SKT_HASH);
    cell->known = true;
    f->valued++;
    t->desk->moved = t->desk->now;
    if (!f->meta.size) { /* there is nothing to be read */
        t->compares++;
        take_compared(t, f, &(struct skt_job){ .file = f->number }, 0);
    } else if (!f->comparing) {
        skt_list_put(&t->todo, &f->todo);
    }
}

static void one_value(struct skt_take *t, struct take_file *f, uint64_t group, const uint8_t *value)
{
    struct skt_cell *cell = skt_cell(&f->cells, group);

    if (group < f->fed)
        return;
    if (cell && cell->known && memcmp(cell->value, value, SKT_HASH) != 0) {
        skt_desk_broken(t->desk, "HASHES twice with other values");
    } else if (cell && cell->group) {
        if (!cell->known)
            t->desk->moved = t->desk->now;
        memcpy(cell->value, value, SKT_HASH);
        cell->known = true;
        group_try(t, f, cell->group, cell);
    } else if (!cell || !cell->known) {
        check_value(t, f, group, value);
    }
}

/* The file of a message about groups; NULL: it is settled or has failed, and who says it does not know yet; or it is wrong. */
static struct take_file *file_of(struct skt_take *t, const struct skt_xfer_message *m)
{
    struct take_file *f = take_file(t, m->file);

    if (m->file >= t->count || (f && (f->meta.kind != SKT_XFER_FILE || f->state < TAKE_FILLING))) {
        skt_desk_broken(t->desk, "HASHES or ZEROS of what was not asked for");
        return NULL;
    }
    if (f && (m->count > f->groups || m->group > f->groups - m->count)) {
        skt_desk_broken(t->desk, "HASHES or ZEROS beyond the end of the file");
        return NULL;
    }
    return f && f->state == TAKE_FILLING ? f : NULL;
}

void take_hashes(struct skt_take *t, const struct skt_xfer_message *m)
{
    struct take_file *f = file_of(t, m);

    for (uint64_t i = 0; f && i < m->count && !t->desk->closing; i++)
        one_value(t, f, m->group + i, m->hash + i * SKT_HASH);
}

void take_zeros(struct skt_take *t, const struct skt_xfer_message *m)
{
    struct take_file *f = file_of(t, m);
    uint64_t end = m->group + m->count;

    /* Those that are in their place in order are passed over at once: there may be millions, in 28 bytes of a message. */
    for (uint64_t i = f && m->group < f->fed ? f->fed : m->group; f && i < end && !t->desk->closing; i++) {
        struct skt_cell *cell = skt_cell(&f->cells, i);
        struct take_group *g = cell ? cell->group : NULL;

        if (!g && !is_stored(f, i)) {
            skt_desk_broken(t->desk, "ZEROS that nobody asked for");
        } else if (!g && ++f->repeats > f->groups + TAKE_REPEATS) {
            skt_desk_broken(t->desk, "ZEROS of what is stored, again and again");
        } else if (g && !g->right) {
            if (!g->zeros)
                t->desk->moved = t->desk->now;
            g->zeros = true;
            group_try(t, f, g, cell);
        }
    }
}

/* --- blocks --- */

static void put_block(struct skt_take *t, struct take_group *g, uint32_t from, struct skt_span bytes)
{
    uint64_t fresh = 0;
    int r;

    if (!g->bytes)
        g->bytes = skt_pool_get(t->desk->pool, g->len);
    r = g->bytes ? skt_ranges_take(&g->got, from, from + skt_len(bytes), &fresh) : -ENOMEM;
    if (r == -ENOSPC)
        skt_desk_broken(t->desk, "a group in too many pieces");
    else if (r)
        skt_desk_no_memory(t->desk);
    else if (fresh && bytes.p != g->bytes + from) /* else it is in its place */
        memcpy(g->bytes + from, bytes.p, skt_len(bytes));
    g->n_got += (uint32_t)fresh;
    if (fresh)
        t->desk->moved = t->desk->now;
}

void skt_take_block(struct skt_take *t, uint32_t file, uint64_t offset, struct skt_span bytes)
{
    struct take_file *f = take_file(t, file);
    uint64_t index = offset / SKT_GROUP;
    uint32_t from = (uint32_t)(offset % SKT_GROUP);
    struct skt_cell *cell;
    struct take_group *g;

    if (t->ended || t->desk->closing || (!f && file < t->count))
        return; /* settled: a late copy */
    if (f && f->state > TAKE_FILLING)
        return; /* the same; or it failed, and the sender does not know yet */
    cell = f && f->state == TAKE_FILLING && index < f->groups ? skt_cell(&f->cells, index) : NULL;
    g = cell ? cell->group : NULL;
    if (g && from + skt_len(bytes) <= g->len) {
        if (g->right || g->zeros)
            return;
        put_block(t, g, from, bytes);
        t->next_file = file;
        t->next_at = offset + skt_len(bytes);
        if (!t->desk->closing)
            group_try(t, f, g, cell);
    } else if (g || !f || !is_stored(f, index)) {
        skt_desk_broken(t->desk, "a BLOCK that nobody asked for");
    }
}

/* Up to the next byte that is there already: a forged packet must not spoil it. */
bool skt_take_place(const struct skt_take *t, struct skt_conn_place *ret_place)
{
    struct take_file *f = t->ended ? NULL : take_file(t, t->next_file);
    uint32_t from = (uint32_t)(t->next_at % SKT_GROUP), to;
    struct skt_cell *cell = f && f->state == TAKE_FILLING ? skt_cell(&f->cells, t->next_at / SKT_GROUP) : NULL;
    const struct take_group *g = cell ? cell->group : NULL;
    struct skt_range has;

    if (!g || !g->bytes || g->right || g->zeros || from >= g->len)
        return false;
    to = skt_ranges_next(&g->got, from, &has) ? (uint32_t)has.from : g->len;
    *ret_place = (struct skt_conn_place){ t->next_file, t->next_at, skt_room_of(g->bytes + from, to - from) };
    return to > from;
}

/* --- writing --- */

bool take_write(struct skt_take *t, struct skt_xfer_event *ev)
{
    struct take_group *g = SKT_LIST_FIRST(&t->writes, struct take_group, list);

    if (!g)
        return false;
    *ev = (struct skt_xfer_event){
        .kind = SKT_XFER_WRITE, .offset = g->index * SKT_GROUP, .len = g->len, .meta = &g->file->meta
    };
    if (!g->zeros)
        ev->data = skt_span_of(g->bytes, g->len);
    if (!skt_desk_ask(t->desk, ev, &(struct skt_job){ .file = g->file->number, .group = g->index }))
        return false;
    skt_list_drop(&g->list);
    g->writing = true;
    g->since = t->desk->now;
    g->file->jobs++;
    return true;
}

/* While groups are written as quickly as they come, three times as much may be asked for in each round trip: a sender that looks for
 * the path's rate doubles its own. If they wait for the disk, more of them would only wait in memory. */
static void follow_disk(struct skt_take *t, const struct take_group *g)
{
    struct skt_xfer_stats path = { 0 };

    skt_conn_stats(t->desk->conn, &path);
    if (t->desk->now - g->since <= path.rtt + TAKE_BEHIND)
        t->ahead = t->ahead + 2 * g->len < t->conf.window ? t->ahead + 2 * g->len : t->conf.window;
    else if (t->ahead > TAKE_LEAST)
        t->ahead = t->ahead > TAKE_LEAST + g->len ? t->ahead - g->len : TAKE_LEAST;
}

void take_wrote(struct skt_take *t, struct take_file *f, uint64_t group, int64_t result)
{
    struct skt_cell *cell = skt_cell(&f->cells, group);

    follow_disk(t, cell->group);
    group_free(t, cell->group); /* is there: who is being written is not dropped */
    if (f->state != TAKE_FILLING || t->ended)
        return;
    if (result < 0)
        take_fail(t, f, (int)result, NULL, true);
    else
        group_stored(t, f, group);
}

/* --- comparing: one group of a file at a time, in order --- */

bool take_compare(struct skt_take *t, struct take_file *f, struct skt_xfer_event *ev)
{
    uint32_t len = take_group_len(f, f->compared);
    struct skt_job job = { .file = f->number, .group = f->compared, .len = len };

    if (t->compares >= TAKE_COMPARES)
        return false;
    job.bytes = skt_pool_get(t->desk->pool, len);
    if (!job.bytes) {
        skt_desk_no_memory(t->desk);
        return false;
    }
    *ev = (struct skt_xfer_event){ .kind = SKT_XFER_READ,
        .offset = f->compared * SKT_GROUP,
        .len = len,
        .room = skt_room_of(job.bytes, len),
        .meta = &f->meta };
    if (!skt_desk_ask(t->desk, ev, &job)) {
        skt_pool_put(t->desk->pool, job.bytes, len);
        return false;
    }
    skt_list_drop(&f->todo);
    f->comparing = true;
    f->jobs++;
    t->compares++;
    return true;
}

static bool is_same(const struct take_file *f, const struct skt_job *job, int64_t result)
{
    const struct skt_cell *cell = skt_cell(&f->cells, job->group);
    uint8_t value[SKT_HASH];

    if (result == SKT_XFER_ALL_ZEROS)
        skt_group_hash_zeros(job->group, f->meta.size, value);
    else if (result == job->len)
        skt_group_hash(job->group, f->meta.size, skt_span_of(job->bytes, job->len), value);
    else
        return false; /* shorter, or it cannot be read: it is asked for */
    return !memcmp(value, cell->value, SKT_HASH);
}

void take_compared(struct skt_take *t, struct take_file *f, const struct skt_job *job, int64_t result)
{
    t->compares--;
    f->comparing = false;
    if (f->state == TAKE_FILLING && !t->ended) {
        f->compared++;
        f->ask_end = f->compared;
        if (is_same(f, job, result)) {
            f->same += job->len;
            t->desk->stats.bytes_same += job->len;
            group_stored(t, f, job->group);
        } else {
            skt_list_put(&t->asking, &f->asking);
        }
        if (f->compared < f->valued)
            skt_list_put(&t->todo, &f->todo);
    }
    skt_pool_put(t->desk->pool, job->bytes, job->len);
}
