/* base/heap.c: what is due first. */
#include "seed.h"

#include "base/random.h"
#include "failing.h"

#include "base/heap.c"

static void it_gives_the_earliest_first(void **state)
{
    static const skt_time at[] = { 30, 10, 50, 20, 40 };
    struct skt_heap heap;
    skt_time now;
    uint32_t id = 0;

    assert_int_equal(skt_heap_init(&heap, 100), 0);
    assert_false(skt_heap_top(&heap, &now, &id));
    skt_heap_pop(&heap);
    for (uint32_t i = 0; i < 5; i++)
        assert_int_equal(skt_heap_push(&heap, at[i], i), 0);
    for (skt_time due = 10; due <= 50; due += 10) {
        assert_true(skt_heap_top(&heap, &now, &id));
        assert_int_equal(now, due);
        assert_int_equal(at[id], due);
        skt_heap_pop(&heap);
    }
    assert_false(skt_heap_top(&heap, &now, &id));
    skt_heap_done(&heap);
}

static void of_equal_times_the_smaller_id_comes_first(void **state)
{
    struct skt_heap heap;
    skt_time at;
    uint32_t id;

    skt_heap_init(&heap, 16);
    for (uint32_t i = 0; i < 16; i++)
        assert_int_equal(skt_heap_push(&heap, 7, i * 5 % 16), 0);
    for (uint32_t i = 0; i < 16; i++, skt_heap_pop(&heap)) {
        assert_true(skt_heap_top(&heap, &at, &id));
        assert_int_equal(id, i);
    }
    skt_heap_done(&heap);
}

static void one_above_the_cap_is_refused_and_nothing_is_lost(void **state)
{
    struct skt_heap heap;
    skt_time at;
    uint32_t id;

    skt_heap_init(&heap, 11); /* not a power of two: growth stops at the cap */
    for (uint32_t i = 0; i < 11; i++)
        assert_int_equal(skt_heap_push(&heap, -(skt_time)i, i), 0);
    assert_int_equal(skt_heap_push(&heap, -100, 100), -ENOSPC);
    assert_int_equal(heap.size, 11);
    assert_true(skt_heap_top(&heap, &at, &id));
    assert_int_equal(id, 10);
    skt_heap_pop(&heap);
    assert_int_equal(skt_heap_push(&heap, 1, 1), 0);
    skt_heap_done(&heap);

    skt_heap_init(&heap, 0);
    assert_int_equal(skt_heap_push(&heap, 0, 0), -ENOSPC);
    skt_heap_done(&heap);
    skt_heap_done(NULL);
}

static void a_push_without_memory_changes_nothing(void **state)
{
    struct skt_heap heap;
    skt_time at;
    uint32_t id, pushed = 0, failed = 0;

    skt_heap_init(&heap, 64);
    while (pushed < 64) {
        allocations_left = 0;
        if (!skt_heap_push(&heap, pushed, pushed)) {
            pushed++;
            continue;
        }
        failed++;
        assert_int_equal(heap.n, pushed);
        allocations_left = -1;
        assert_int_equal(skt_heap_push(&heap, pushed, pushed), 0);
        pushed++;
    }
    allocations_left = -1;
    assert_int_equal(failed, 4); /* at 0, 8, 16, 32 */
    for (uint32_t i = 0; i < 64; i++, skt_heap_pop(&heap)) {
        assert_true(skt_heap_top(&heap, &at, &id));
        assert_int_equal(id, i);
    }
    skt_heap_done(&heap);
}

static bool is_even(void *self, uint32_t id)
{
    ++*(int *)self;
    return id % 2 == 0;
}

static void what_is_not_wanted_is_thrown_out_and_the_rest_keeps_its_order(void **state)
{
    struct skt_heap heap;
    skt_time at, last = 0;
    uint32_t id;
    int asked = 0, left = 0;

    skt_heap_init(&heap, 100);
    for (uint32_t i = 0; i < 100; i++)
        assert_int_equal(skt_heap_push(&heap, (skt_time)(i * 37 % 100), i), 0);
    skt_heap_keep(&heap, is_even, &asked);
    assert_int_equal(asked, 100);
    for (; skt_heap_top(&heap, &at, &id); skt_heap_pop(&heap), left++) {
        assert_int_equal(id % 2, 0);
        assert_int_equal(at, id * 37 % 100);
        assert_true(at >= last);
        last = at;
    }
    assert_int_equal(left, 50);
    skt_heap_keep(&heap, is_even, &asked); /* of nothing */
    assert_int_equal(asked, 100);
    skt_heap_done(&heap);
}

/* The model: a flag for each (time, id), searched from the first. */
enum { TIMES = 8, IDS = 16, CAP = 40 };

static bool model_top(const uint8_t model[TIMES][IDS], skt_time *ret_at, uint32_t *ret_id)
{
    for (skt_time at = 0; at < TIMES; at++) {
        for (uint32_t id = 0; id < IDS; id++) {
            if (model[at][id]) {
                *ret_at = at;
                *ret_id = id;
                return true;
            }
        }
    }
    return false;
}

static void it_agrees_with_a_model_whatever_comes(void **state)
{
    FOR_SEEDS(200)
    {
        uint8_t model[TIMES][IDS] = { 0 };
        struct skt_random random;
        struct skt_heap heap;
        uint32_t n = 0, fill;

        skt_random_init(&random, unit_seed);
        skt_heap_init(&heap, CAP);
        fill = 1 + (uint32_t)skt_random_below(&random, 9); /* of ten steps so many push: small heaps and full ones */
        for (int step = 0; step < 400; step++) {
            skt_time at = 0, want_at = 0;
            uint32_t id = 0, want_id = 0;

            if (skt_random_below(&random, 10) < fill) {
                at = (skt_time)skt_random_below(&random, TIMES);
                id = (uint32_t)skt_random_below(&random, IDS);
                CHECK(skt_heap_push(&heap, at, id) == (n < CAP ? 0 : -ENOSPC));
                if (n < CAP) {
                    model[at][id]++;
                    n++;
                }
            } else if (model_top((const uint8_t(*)[IDS])model, &at, &id)) {
                skt_heap_pop(&heap);
                model[at][id]--;
                n--;
            }
            CHECK(heap.n == n);
            CHECK(model_top((const uint8_t(*)[IDS])model, &want_at, &want_id) == skt_heap_top(&heap, &at, &id));
            CHECK(!n || (at == want_at && id == want_id));
        }
        skt_heap_done(&heap);
    }
}

RUN(T(it_gives_the_earliest_first), T(of_equal_times_the_smaller_id_comes_first),
    T(one_above_the_cap_is_refused_and_nothing_is_lost), T(a_push_without_memory_changes_nothing),
    T(it_agrees_with_a_model_whatever_comes), T(what_is_not_wanted_is_thrown_out_and_the_rest_keeps_its_order))
