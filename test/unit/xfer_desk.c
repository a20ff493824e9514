/* engine/xfer/desk.c: buffers, jobs and cells. */
#include "test.h"

#include "engine/xfer/desk.h"

#include <stdlib.h>
#include <string.h>

static void buffers_are_used_again(void **state)
{
    struct skt_pool pool = { 0 };
    uint8_t *a = skt_pool_get(&pool, 1), *b = skt_pool_get(&pool, SKT_GROUP);

    assert_int_equal(skt_pool_size(1), 4096);
    assert_int_equal(skt_pool_size(4097), 8192);
    assert_int_equal(skt_pool_size(SKT_GROUP), SKT_GROUP);
    memset(a, 1, 4096);
    memset(b, 1, SKT_GROUP);
    skt_pool_put(&pool, a, 1);
    skt_pool_put(&pool, b, SKT_GROUP);
    skt_pool_put(&pool, NULL, 1);
    assert_int_equal(pool.kept, 4096 + SKT_GROUP);
    assert_ptr_equal(skt_pool_get(&pool, SKT_GROUP - 1), b);
    assert_ptr_equal(skt_pool_get(&pool, 4096), a);
    assert_int_equal(pool.kept, 0);
    skt_pool_put(&pool, a, 4096);
    skt_pool_put(&pool, b, SKT_GROUP);
    skt_pool_done(&pool);
}

static void what_is_kept_has_a_limit(void **state)
{
    enum { N = SKT_POOL_KEEP / SKT_GROUP + 3 };
    struct skt_pool pool = { 0 };
    uint8_t *all[N];

    for (int i = 0; i < N; i++)
        all[i] = skt_pool_get(&pool, SKT_GROUP);
    for (int i = 0; i < N; i++)
        skt_pool_put(&pool, all[i], SKT_GROUP);
    assert_int_equal(pool.kept, SKT_POOL_KEEP);
    skt_pool_done(&pool);
}

static void a_job_is_answered_once(void **state)
{
    struct skt_pool pool = { 0 };
    struct skt_jobs jobs = { 0 };
    struct skt_job job = { .file = 7 }, got;
    uint32_t first = skt_jobs_new(&jobs, &job), second;

    assert_true(first && skt_jobs_end(&jobs, first, &got) && got.file == 7);
    assert_false(skt_jobs_end(&jobs, first, &got));
    job.file = 8;
    second = skt_jobs_new(&jobs, &job); /* the same slot, another generation */
    assert_true(second != first && !skt_jobs_end(&jobs, first, &got));
    assert_false(skt_jobs_end(&jobs, 0, &got) || skt_jobs_end(&jobs, 0xffffffff, &got));
    assert_true(skt_jobs_end(&jobs, second, &got) && got.file == 8);
    skt_jobs_done(&jobs, &pool);
}

static void jobs_have_a_limit_and_let_go_of_their_buffers(void **state)
{
    struct skt_pool pool = { 0 };
    struct skt_jobs jobs = { 0 };
    struct skt_job job = { .len = 1 }, got;
    uint32_t n = 0, one = 0;

    job.bytes = skt_pool_get(&pool, 1);
    assert_true(skt_jobs_new(&jobs, &job));
    job.bytes = NULL;
    for (uint32_t id; (id = skt_jobs_new(&jobs, &job)); n++)
        one = id;
    assert_in_range(n, SKT_JOBS_MAX - 3, SKT_JOBS_MAX);
    assert_true(skt_jobs_end(&jobs, one, &got));
    assert_true(skt_jobs_new(&jobs, &job) && !skt_jobs_new(&jobs, &job));
    skt_jobs_done(&jobs, &pool);
    skt_pool_done(&pool);
}

static void cells_are_made_where_something_is_known(void **state)
{
    struct skt_cells cells = { .n = 1000 };
    struct skt_pool pool = { 0 };
    struct skt_held held = { .pool = &pool };
    uint64_t before;
    struct skt_cell *cell;

    assert_null(skt_cell(&cells, 999));
    cell = skt_cell_make(&cells, 999, &held);
    assert_true(cell && cell == skt_cell(&cells, 999) && cell == skt_cell_make(&cells, 999, &held));
    assert_null(skt_cell(&cells, 0));
    before = held.own;
    assert_non_null(skt_cell_make(&cells, 0, &held));
    assert_int_equal(held.own - before, SKT_CELLS * sizeof *cell);
    skt_cells_drop(&cells, 3, &held); /* the chunk that 0 is in */
    assert_null(skt_cell(&cells, 0));
    assert_int_equal(held.own, before);
    skt_cells_done(&cells, &held);
    assert_true(held.own == 0 && pool.held == 0);
}

static void a_huge_file_has_no_table_until_it_is_reached(void **state)
{
    struct skt_cells cells = { .n = (uint64_t)1 << 44 };
    struct skt_pool pool = { 0 };
    struct skt_held held = { .pool = &pool };

    assert_non_null(skt_cell_make(&cells, 0, &held));
    assert_true(held.own < 8192);
    assert_null(skt_cell_make(&cells, ((uint64_t)1 << 44) - 1, &held)); /* more than a session may hold */
    skt_cells_done(&cells, &held);
    assert_true(held.own == 0 && pool.held == 0);
}

/* One session after the other holds what it may; then each new one still has its own share, and no more. */
static void all_sessions_together_hold_no_more_than_they_may(void **state)
{
    enum { N = 8 };
    struct skt_pool pool = { 0 };
    struct skt_cells cells[N];
    struct skt_held held[N];

    for (int i = 0; i < N; i++) {
        cells[i] = (struct skt_cells){ .n = (uint64_t)1 << 44 };
        held[i] = (struct skt_held){ .pool = &pool };
        for (uint64_t group = 0; skt_cell_make(&cells[i], group, &held[i]); group += SKT_CELLS)
            ;
        assert_true(held[i].own <= SKT_CELLS_MAX && held[i].own > SKT_CELLS_EACH / 2);
        assert_true(pool.held <= SKT_POOL_HELD + (uint64_t)i * SKT_CELLS_EACH);
    }
    assert_true(held[0].own > SKT_CELLS_MAX / 2 && held[N - 1].own <= SKT_CELLS_EACH);
    skt_cells_done(&cells[0], &held[0]); /* room for another */
    assert_non_null(skt_cell_make(&cells[N - 1], cells[N - 1].n_chunks * (uint64_t)SKT_CELLS, &held[N - 1]));
    for (int i = 1; i < N; i++)
        skt_cells_done(&cells[i], &held[i]);
    assert_int_equal(pool.held, 0);
}

static void the_first_reason_to_close_counts(void **state)
{
    struct skt_desk desk = { 0 };

    skt_desk_close(&desk, SKT_XFER_DISK, "%s %d", "first", 1);
    skt_desk_close(&desk, SKT_XFER_BROKEN, "second");
    assert_true(desk.closing && desk.code == SKT_XFER_DISK);
    assert_string_equal(desk.text, "first 1");
}

RUN(T(buffers_are_used_again), T(what_is_kept_has_a_limit), T(a_job_is_answered_once),
    T(jobs_have_a_limit_and_let_go_of_their_buffers), T(cells_are_made_where_something_is_known),
    T(a_huge_file_has_no_table_until_it_is_reached), T(all_sessions_together_hold_no_more_than_they_may),
    T(the_first_reason_to_close_counts))
