/* engine/impair/profile.c: changes in time, and what is wrong with a line. */
#include "failing.h"

#include "engine/impair/profile.c" /* its allocations fail on demand */

#include "test.h"

static const struct skt_netem nothing = { 0 };

static struct skt_profile *profile_of(const char *text)
{
    char sentence[512] = "";
    struct skt_room why = skt_room_of(sentence, sizeof sentence - 1);
    struct skt_profile *p = NULL;

    if (skt_profile_new(skt_span_str(text), "f", &nothing, &p, &why))
        fail_msg("%s", sentence);
    return p;
}

/* What holds then, up and down, and when that ends. */
static void holds(const struct skt_profile *p, skt_time since, double up, double down, skt_time next)
{
    skt_time end;
    const struct skt_netem *n = skt_profile_at(p, since, &end);

    assert_true(n->way[SKT_UP].loss == up);
    assert_true(n->way[SKT_DOWN].loss == down);
    assert_true(end == next);
}

static void changes_hold_from_their_time_on(void **state)
{
    struct skt_profile *p = profile_of("# a comment\n"
                                       "loss 1%\n"
                                       "\n"
                                       "at 5s: loss 100%   # another\r\n"
                                       "at 8s down: loss 2%\n"
                                       "\tat 9s up : loss 3%\n"
                                       "at 9s both: delay 5ms");
    skt_time next;

    assert_int_equal(skt_profile_steps(p), 4);
    holds(p, 0, .01, .01, 5 * SKT_SEC);
    holds(p, 5 * SKT_SEC - 1, .01, .01, 5 * SKT_SEC);
    holds(p, 5 * SKT_SEC, 1, 1, 8 * SKT_SEC);
    holds(p, 8 * SKT_SEC, 1, .02, 9 * SKT_SEC);
    holds(p, 9 * SKT_SEC, .03, .02, SKT_NEVER);
    holds(p, SKT_NEVER - 1, .03, .02, SKT_NEVER);
    assert_true(skt_profile_at(p, 9 * SKT_SEC, &next)->way[SKT_UP].delay == 5 * SKT_MS);
    assert_true(skt_profile_at(p, 8 * SKT_SEC, &next)->way[SKT_UP].delay == 0);
    skt_profile_free(p);
}

static void lines_may_stand_in_any_order(void **state)
{
    struct skt_profile *p = profile_of("at 2s: loss 2%\nat 1s: loss 1%\nat 2s up: loss 3%\nloss 50%\n");

    holds(p, 0, .5, .5, SKT_SEC);
    holds(p, SKT_SEC, .01, .01, 2 * SKT_SEC);
    holds(p, 2 * SKT_SEC, .03, .02, SKT_NEVER); /* of one time, the later line has the last word */
    skt_profile_free(p);
}

static void a_loop_begins_anew(void **state)
{
    struct skt_profile *p = profile_of("loop 10s\nat 7s: loss 100%\n");

    for (skt_time round = 0; round < 5; round++) {
        skt_time base = 10 * SKT_SEC * round;
        holds(p, base, 0, 0, base + 7 * SKT_SEC);
        holds(p, base + 7 * SKT_SEC, 1, 1, base + 10 * SKT_SEC);
        holds(p, base + 10 * SKT_SEC - 1, 1, 1, base + 10 * SKT_SEC);
    }
    skt_profile_free(p);
    p = profile_of("loop 10s\nloss 1%\n"); /* nothing changes */
    holds(p, 15 * SKT_SEC, .01, .01, SKT_NEVER);
    skt_profile_free(p);
}

static void options_are_the_ground_and_clear_forgets_them(void **state)
{
    struct skt_netem base = { 0 };
    struct skt_profile *p;

    assert_int_equal(skt_netem_line(&base, SKT_UP, "loss 4% seed 3", NULL), 0);
    assert_int_equal(skt_profile_new(skt_span_str("at 1s: clear"), "f", &base, &p, NULL), 0);
    holds(p, 0, .04, 0, SKT_SEC);
    holds(p, SKT_SEC, 0, 0, SKT_NEVER);
    assert_true(skt_profile_at(p, 0, &(skt_time){ 0 })->seed == 3);
    skt_profile_free(p);
    p = profile_of("");
    holds(p, 0, 0, 0, SKT_NEVER);
    assert_int_equal(skt_profile_steps(p), 1);
    skt_profile_free(p);
    p = profile_of("seed 9\n");
    assert_true(skt_profile_at(p, 0, &(skt_time){ 0 })->seed == 9);
    skt_profile_free(p);
    skt_profile_free(NULL);
}

static void what_is_wrong_is_told_with_file_and_line(void **state)
{
    static const struct {
        const char *text, *why;
    } cases[] = {
        { "loss 101%", "link.profile:1: percentage '101%' is above 100" },
        { "delay 1ms\n\n# x\nat 5s: loss -1%\n", "link.profile:4: percentage '-1%' is below 0" },
        { "at 5: loss 1%", "link.profile:1: time '5' needs a unit, such as ms or s" },
        { "at: loss 1%", "link.profile:1: a time is missing, such as 5s" },
        { "at soon: loss 1%", "link.profile:1: time 'soon' is not a number with a unit, such as 50ms or 1.5s" },
        { "at 5s loss 1%", "link.profile:1: a colon is missing before the values: at 5s: loss 100%" },
        { "up loss 1%", "link.profile:1: a colon is missing before the values: at 5s: loss 100%" },
        { "at 5s left: loss 1%",
            "link.profile:1: word 'left' does not belong before the colon: write 'at TIME', 'up' or 'down'" },
        { "up at 5s: loss 1%",
            "link.profile:1: word 'at' does not belong before the colon: write 'at TIME', 'up' or 'down'" },
        { "at 5s up down: loss 1%",
            "link.profile:1: word 'down' does not belong before the colon: write 'at TIME', 'up' or 'down'" },
        { "at 5s: reorder 5%\nat 6s: delay 5ms",
            "link.profile:1: word 'reorder' needs a delay, to go past it: delay 10ms reorder 25%" },
        { "at 5s: seed 1",
            "link.profile:1: the seed holds from the start and both ways: write it on a line of its own" },
        { "loop", "link.profile:1: a time is missing, such as 5s" },
        { "loop 5s 6s", "link.profile:1: nothing follows the time of a loop" },
        { "loop 5s\nloop 6s", "link.profile:2: there is more than one loop" },
        { "loop 0s", "link.profile:1: a loop takes 1ms at least" },
        { "loop 5s\nat 5s: loss 1%",
            "link.profile:2: this change comes after the loop has begun anew: give loop a longer time" },
        { "once upon a time", "link.profile:1: word 'once' is not known here: use delay, loss, duplicate, corrupt, "
                              "reorder, rate, limit, slot, seed or clear" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char sentence[512] = "";
        struct skt_room why = skt_room_of(sentence, sizeof sentence - 1);
        struct skt_profile *p = NULL;
        int r = skt_profile_new(skt_span_str(cases[i].text), "link.profile", &nothing, &p, &why);
        assert_true((r == -EINVAL || r == -ERANGE) && !p);
        assert_string_equal(sentence, cases[i].why);
        assert_int_equal(skt_profile_new(skt_span_str(cases[i].text), "link.profile", &nothing, &p, NULL), r);
    }
}

static void a_base_that_is_wrong_has_no_line(void **state)
{
    char sentence[512] = "";
    struct skt_room why = skt_room_of(sentence, sizeof sentence - 1);
    struct skt_netem base = { .way[SKT_UP].reorder = .5 };
    struct skt_profile *p = NULL;

    assert_int_equal(skt_profile_new(skt_span_str("at 1s: delay 5ms"), "f", &base, &p, &why), -EINVAL);
    assert_string_equal(sentence, "f: word 'reorder' needs a delay, to go past it: delay 10ms reorder 25%");
}

static void what_is_no_text_or_too_much_is_refused(void **state)
{
    enum { MANY = SKT_PROFILE_STEPS + 1, BIG = SKT_PROFILE_BYTES + 1 };
    static const char change[] = "at 1s: loss 1%\n";
    char *text = malloc(BIG), sentence[512] = "";
    struct skt_room why = skt_room_of(sentence, sizeof sentence - 1);
    struct skt_profile *p = NULL;

    assert_non_null(text);
    memcpy(text, "loss 1%\0\n", 9);
    assert_int_equal(skt_profile_new(skt_span_of(text, 9), "a\x1b[2J", &nothing, &p, &why), -EINVAL);
    assert_string_equal(sentence, "a\\x1b[2J:1: the line holds a zero byte: this is no text");
    for (int i = 0; i < MANY; i++)
        memcpy(text + (size_t)i * (sizeof change - 1), change, sizeof change - 1);
    assert_int_equal(skt_profile_new(skt_span_of(text, MANY * (sizeof change - 1)), "f", &nothing, &p, NULL), -E2BIG);
    assert_int_equal(skt_profile_new(skt_span_of(text, (MANY - 1) * (sizeof change - 1)), "f", &nothing, &p, NULL), 0);
    holds(p, SKT_SEC, .01, .01, SKT_NEVER);
    skt_profile_free(p);
    memset(text, 'x', BIG);
    assert_int_equal(skt_profile_new(skt_span_of(text, BIG - 1), "f", &nothing, &p, NULL), -E2BIG);
    memset(text, '\n', BIG);
    assert_int_equal(skt_profile_new(skt_span_of(text, BIG), "f", &nothing, &p, NULL), -E2BIG);
    assert_int_equal(skt_profile_new(skt_span_of(text, BIG - 1), "f", &nothing, &p, NULL), 0);
    skt_profile_free(p);
    free(text);
}

static void each_allocation_may_fail(void **state)
{
    struct skt_profile *p = NULL;

    for (long n = 0; n < 4; n++) {
        char sentence[512] = "";
        struct skt_room why = skt_room_of(sentence, sizeof sentence - 1);
        allocations_left = n;
        assert_int_equal(skt_profile_new(skt_span_str("at 1s: loss 1%"), "f", &nothing, &p, &why), -ENOMEM);
        assert_string_equal(sentence, "f: out of memory");
        assert_null(p);
    }
    allocations_left = 4;
    assert_int_equal(skt_profile_new(skt_span_str("at 1s: loss 1%"), "f", &nothing, &p, NULL), 0);
    allocations_left = -1;
    skt_profile_free(p);
}

RUN(T(changes_hold_from_their_time_on), T(lines_may_stand_in_any_order), T(a_loop_begins_anew),
    T(options_are_the_ground_and_clear_forgets_them), T(what_is_wrong_is_told_with_file_and_line),
    T(a_base_that_is_wrong_has_no_line), T(what_is_no_text_or_too_much_is_refused), T(each_allocation_may_fail))
