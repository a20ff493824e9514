/* drive/rt/queue.c: what waits for one socket. */
#include "test.h"

#include "base/random.h"
#include "drive/rt/queue.h"

#include <errno.h>
#include <string.h>

static struct skt_span part(struct skt_buf *buf, size_t at, size_t n) { return skt_span_of(buf->data + at, n); }

static void slices_that_touch_become_one(void **state)
{
    struct skt_buf *buf = skt_buf_new(100);
    struct queue q = { 0 };
    struct iovec iov[4];

    assert_int_equal(queue_add(&q, buf, part(buf, 0, 10)), 0);
    assert_int_equal(queue_add(&q, buf, part(buf, 10, 20)), 0);
    assert_int_equal(queue_iov(&q, iov, 4), 1);
    assert_int_equal(iov[0].iov_len, 30);
    assert_int_equal(buf->refs, 2);
    assert_int_equal(queue_add(&q, buf, part(buf, 40, 5)), 0);
    assert_int_equal(queue_iov(&q, iov, 4), 2);
    assert_int_equal(q.bytes, 35);
    queue_done(&q);
    assert_int_equal(buf->refs, 1);
    skt_buf_put(buf);
}

static void an_empty_slice_takes_no_place(void **state)
{
    struct skt_buf *buf = skt_buf_new(1);
    struct queue q = { 0 };

    assert_int_equal(queue_add(&q, buf, part(buf, 0, 0)), 0);
    assert_int_equal(q.n, 0);
    assert_int_equal(buf->refs, 1);
    skt_buf_put(buf);
}

static void the_number_of_slices_has_a_cap(void **state)
{
    struct skt_buf *buf = skt_buf_new(2 * QUEUE_SLICES_MAX + 4);
    struct queue q = { 0 };
    int r = 0;

    for (size_t i = 0; !r; i += 2) /* none touches the one before */
        r = queue_add(&q, buf, part(buf, i, 1));
    assert_int_equal(r, -ENOBUFS);
    assert_int_equal(q.n, QUEUE_SLICES_MAX);
    queue_done(&q);
    assert_int_equal(buf->refs, 1);
    skt_buf_put(buf);
}

/* A peer that does not read costs what is queued for it, and some blocks; not a block for each small piece. */
static void copies_of_small_pieces_share_a_block(void **state)
{
    struct skt_buf *buf = skt_buf_new(100);
    struct queue q = { 0 };
    struct iovec iov[4];

    memset(buf->data, 'x', 100);
    for (int i = 0; i < 100; i++)
        assert_int_equal(queue_copy(&q, part(buf, 0, 50)), 0);
    assert_int_equal(q.bytes, 5000);
    assert_int_equal(q.n, 2);
    assert_int_equal(buf->refs, 1);
    assert_int_equal(queue_add(&q, buf, part(buf, 0, 10)), 0); /* and a shared one behind them */
    assert_int_equal(queue_copy(&q, part(buf, 0, 50)), 0);
    assert_int_equal(queue_iov(&q, iov, 4), 4);
    assert_int_equal(iov[3].iov_len, 50);
    queue_drop(&q, 5060);
    assert_int_equal(q.n, 0);
    assert_int_equal(buf->refs, 1);
    skt_buf_put(buf);
}

/* Against a plain array of bytes: whatever is added and dropped, the bytes come out in order. */
static void bytes_leave_in_the_order_in_which_they_came(void **state)
{
    static uint8_t model[1 << 20];

    for (uint64_t seed = 0; seed < 200; seed++) {
        struct queue q = { 0 };
        struct skt_random r;
        size_t in = 0, out = 0;

        skt_random_init(&r, seed);
        for (int step = 0; step < 300; step++) {
            size_t n = skt_random_below(&r, 50);
            if (skt_random_below(&r, 2)) {
                struct skt_buf *buf = skt_buf_new(64);
                struct skt_room room = skt_room_of(buf->data, 64);
                skt_random_fill(&r, &room);
                assert_int_equal(queue_add(&q, buf, part(buf, 7, n)), 0);
                memcpy(model + in, buf->data + 7, n);
                in += n;
                skt_buf_put(buf); /* the queue has its own reference */
            } else {
                struct iovec iov[64];
                int k = queue_iov(&q, iov, 64);
                size_t seen = 0;
                for (int i = 0; i < k; i++) {
                    assert_memory_equal(iov[i].iov_base, model + out + seen, iov[i].iov_len);
                    seen += iov[i].iov_len;
                }
                n = n < q.bytes ? n : q.bytes;
                queue_drop(&q, n);
                out += n;
            }
            assert_int_equal(q.bytes, in - out);
        }
        queue_done(&q);
    }
}

RUN(T(slices_that_touch_become_one), T(an_empty_slice_takes_no_place), T(the_number_of_slices_has_a_cap),
    T(copies_of_small_pieces_share_a_block), T(bytes_leave_in_the_order_in_which_they_came))
