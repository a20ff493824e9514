/* engine/impair/line.c: frames on their way. */
#include "test.h"

#include "engine/impair/line.h"

#include <errno.h>

enum { LONG = 1000, MANY = 2000 };

static struct skt_line *line_of(struct skt_path_conf path, uint64_t bytes, uint32_t mtu)
{
    struct skt_line_conf conf = {
        .path = path, .seed = 7, .direction = 1, .frame_max = LONG, .bytes = bytes, .mtu = mtu
    };
    struct skt_line *line = NULL;

    assert_int_equal(skt_line_new(&conf, &line), 0);
    return line;
}

/* A frame of that length that begins with its number; its type is none that anybody knows. */
static void put(struct skt_line *line, skt_time now, uint32_t number, size_t len)
{
    uint8_t bytes[2 * LONG];
    struct skt_room room = skt_room_of(bytes, sizeof bytes);

    memset(bytes, (int)(number & 0x7f), sizeof bytes);
    skt_put_u32(&room, number);
    skt_line_put(line, now, skt_span_of(bytes, len), (struct skt_frame_debt){ 0 });
}

static uint32_t number_of(const struct skt_line_out *out)
{
    struct skt_span frame = out->frame;

    return skt_get_u32(&frame);
}

static struct skt_line_stats stats_of(struct skt_line *line)
{
    struct skt_line_stats s;

    skt_line_stats(line, 0, &s);
    return s;
}

static void frames_arrive_whole_in_order_and_not_before_their_time(void **state)
{
    struct skt_line *line = line_of((struct skt_path_conf){ .delay = 10 }, 1 << 20, 0);
    struct skt_line_out out;

    assert_true(skt_line_wake(line) == SKT_NEVER);
    for (uint32_t i = 0; i < 100; i++)
        put(line, i, i, 60 + i);
    for (uint32_t i = 0; i < 100; i++) {
        assert_true(skt_line_wake(line) == i + 10);
        assert_int_equal(skt_line_take(line, i + 9, &out, 1), 0);
        assert_int_equal(skt_line_take(line, i + 10, &out, 1), 1);
        assert_int_equal(number_of(&out), i);
        assert_int_equal(skt_len(out.frame), 60 + i);
        assert_int_equal(out.frame.p[59 + i], i);
        skt_line_done(line, &out, i + 12, true);
    }
    assert_true(skt_line_wake(line) == SKT_NEVER);
    assert_int_equal(stats_of(line).way.out, 100);
    assert_int_equal(stats_of(line).way.line_bytes, 0);
    assert_int_equal(stats_of(line).way.error.n, 100);
    assert_int_equal(stats_of(line).way.error.max, 2);
    skt_line_free(line);
}

static void of_equal_times_the_first_that_entered_comes_first(void **state)
{
    struct skt_line *line = line_of((struct skt_path_conf){ .slot = { .min = 1000, .max = 1000 } }, 1 << 20, 0);
    struct skt_line_out out[50];

    for (uint32_t i = 0; i < 50; i++)
        put(line, 5, i, 60);
    assert_int_equal(skt_line_take(line, 1005, out, 50), 50);
    for (uint32_t i = 0; i < 50; i++) {
        assert_int_equal(number_of(&out[i]), i);
        skt_line_done(line, &out[i], 1005, true);
    }
    skt_line_free(line);
}

/* Any jitter: each comes once, in the order of arrival, however they are taken. */
static void jitter_is_sorted(void **state)
{
    struct skt_path_conf path = { .delay = 500, .jitter = 500, .dup = .2, .reorder = .1, .loss = .1 };
    struct skt_line *line = line_of(path, 8 << 20, 0);
    struct skt_line_out out[64];
    skt_time last = INT64_MIN, now = 0;
    uint64_t came = 0;

    for (uint32_t i = 0; i < MANY; i++)
        put(line, now++, i, 64);
    while (skt_line_wake(line) != SKT_NEVER) {
        uint32_t n = skt_line_take(line, now += 7, out, 64);
        for (uint32_t i = 0; i < n; i++) {
            assert_true(last <= out[i].at && out[i].at <= now);
            last = out[i].at;
            skt_line_done(line, &out[i], now, true);
            came++;
        }
    }
    struct skt_impair_way w = stats_of(line).way;
    assert_int_equal(came, MANY - w.lost + w.duplicated);
    assert_true(w.lost > 100 && w.duplicated > 100 && w.reordered > 100);
    skt_line_free(line);
}

static void the_path_decides_by_number(void **state)
{
    struct skt_path_conf conf = { .loss = .3 };
    struct skt_line *line = line_of(conf, 8 << 20, 0);
    struct skt_path path;
    struct skt_line_out out;

    skt_path_init(&path, &conf, 7, 1);
    for (uint32_t i = 0; i < MANY; i++) {
        put(line, i, i, 64 + i % 100);
        bool here = skt_path_pass(&path, i, 64, i).copies == 1;
        assert_int_equal(skt_line_take(line, i, &out, 1), here);
        if (here)
            skt_line_done(line, &out, i, true);
    }
    skt_path_done(&path);
    skt_line_free(line);
}

static void without_memory_frames_are_dropped_and_counted(void **state)
{
    struct skt_line *line = line_of((struct skt_path_conf){ .delay = 10 }, 8 * 1088, 0);
    struct skt_line_out out[20];

    for (int round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < 20; i++)
            put(line, 100 * round, i, LONG);
        assert_int_equal(skt_line_take(line, 100 * round + 10, out, 20), 8);
        for (uint32_t i = 0; i < 8; i++) {
            assert_int_equal(number_of(&out[i]), i);
            skt_line_done(line, &out[i], 0, false);
        }
    }
    assert_int_equal(stats_of(line).full, 36);
    assert_int_equal(stats_of(line).way.dropped, 36);
    assert_int_equal(stats_of(line).way.out, 0);
    assert_int_equal(stats_of(line).way.error.n, 0); /* none was sent */
    skt_line_free(line);
}

static void what_is_above_the_mtu_vanishes(void **state)
{
    struct skt_line *line = line_of((struct skt_path_conf){ 0 }, 1 << 20, 100);

    put(line, 0, 0, 114);
    put(line, 0, 1, 115);
    assert_int_equal(stats_of(line).blackholed, 1);
    assert_int_equal(stats_of(line).way.line_packets, 1);
    assert_int_equal(stats_of(line).way.in, 2);
    skt_line_free(line);
}

static void what_is_too_long_does_not_enter(void **state)
{
    struct skt_line *line = line_of((struct skt_path_conf){ 0 }, 1 << 20, 0);

    put(line, 0, 0, LONG);
    put(line, 0, 1, LONG + 1);
    assert_int_equal(stats_of(line).too_long, 1);
    assert_int_equal(stats_of(line).way.line_packets, 1);
    skt_line_free(line);
}

static void one_bit_of_a_corrupted_frame_is_flipped_after_its_checksum(void **state)
{
    struct skt_line *line = line_of((struct skt_path_conf){ .corrupt = 1 }, 1 << 20, 0);
    struct skt_line_out out;

    for (uint32_t i = 0; i < 200; i++) {
        uint8_t frame[100] = { 0 }, sound[100] = { 0 };
        struct skt_frame_debt debt = { .start = 34, .at = 6 };
        int bits = 0;

        frame[40] = sound[40] = (uint8_t)i;
        skt_frame_settle(skt_room_of(sound, sizeof sound), debt);
        skt_line_put(line, i, skt_span_of(frame, sizeof frame), debt);
        assert_int_equal(skt_line_take(line, i, &out, 1), 1);
        assert_int_equal(out.debt.start, 0);
        for (size_t k = 0; k < sizeof sound; k++)
            bits += __builtin_popcount((unsigned)(sound[k] ^ out.frame.p[k]));
        assert_int_equal(bits, 1);
        skt_line_done(line, &out, i, true);
    }
    skt_line_free(line);
}

static void the_network_may_change_while_frames_are_on_their_way(void **state)
{
    struct skt_line *line = line_of((struct skt_path_conf){ .delay = 100 }, 1 << 20, 0);
    struct skt_path_conf lost = { .loss = 1 };
    struct skt_line_out out;

    put(line, 0, 1, 64);
    skt_line_set(line, &lost);
    put(line, 1, 2, 64);
    assert_int_equal(skt_line_take(line, 100, &out, 1), 1);
    assert_int_equal(number_of(&out), 1);
    assert_true(skt_line_wake(line) == SKT_NEVER);
    assert_int_equal(stats_of(line).way.lost, 1);
    skt_line_free(line);
}

static void nonsense_is_refused(void **state)
{
    struct skt_line_conf conf = { .frame_max = LONG, .bytes = LONG };
    struct skt_line *line = NULL;

    assert_int_equal(skt_line_new(&conf, &line), -EINVAL);
    conf = (struct skt_line_conf){ .frame_max = SKT_FRAME_MAX + 1, .bytes = 1 << 20 };
    assert_int_equal(skt_line_new(&conf, &line), -EINVAL);
    assert_null(line);
    skt_line_free(NULL);
}

RUN(T(frames_arrive_whole_in_order_and_not_before_their_time), T(of_equal_times_the_first_that_entered_comes_first),
    T(jitter_is_sorted), T(the_path_decides_by_number), T(without_memory_frames_are_dropped_and_counted),
    T(what_is_above_the_mtu_vanishes), T(what_is_too_long_does_not_enter),
    T(one_bit_of_a_corrupted_frame_is_flipped_after_its_checksum),
    T(the_network_may_change_while_frames_are_on_their_way), T(nonsense_is_refused))
