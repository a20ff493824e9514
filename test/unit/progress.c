/* cli/progress.c: how far a transfer is. */
#include "test.h"

#include "cli.h"
#include "cli/progress.h"

#include <signal.h>

static struct skt_cli cli;
static char line[512];

static const char *shown(const struct skt_progress *p, skt_time now, uint32_t columns)
{
    struct skt_room out = skt_room_of(line, sizeof line - 1);

    skt_progress_put(&out, p, now, columns);
    assert_false(out.bad);
    *out.p = 0;
    return line;
}

static struct skt_progress started(const char *label, uint64_t total)
{
    struct skt_progress p;

    skt_progress_init(&p, &cli, label, total, SKT_SEC);
    return p;
}

static void a_line_says_how_much_how_fast_and_how_long(void **state)
{
    struct skt_progress p = started("notes.iso", 100 << 20);

    skt_progress_step(&p, 2 * SKT_SEC, 10 << 20);
    assert_string_equal(shown(&p, 2 * SKT_SEC, 80), "notes.iso  10MiB of 100MiB  10%  10MiB/s  10s left");
    skt_progress_step(&p, 11 * SKT_SEC, 100 << 20);
    assert_string_equal(shown(&p, 11 * SKT_SEC, 80), "notes.iso  100MiB of 100MiB  100%  10MiB/s");
}

static void nothing_is_guessed_without_a_total(void **state)
{
    struct skt_progress p = started("stdin", 0);

    skt_progress_step(&p, 3 * SKT_SEC, 2048);
    assert_string_equal(shown(&p, 3 * SKT_SEC, 80), "stdin  2KiB  1KiB/s");
}

static void the_beginning_divides_by_nothing(void **state)
{
    struct skt_progress p = started("x", 1000);

    assert_string_equal(shown(&p, SKT_SEC, 80), "x  0B of 1000B  0%  0B/s");
    p = started("x", 0);
    assert_string_equal(shown(&p, 0, 80), "x  0B  0B/s"); /* not even when the clock stands still */
}

static void the_rate_follows_the_last_seconds(void **state)
{
    struct skt_progress p = started("x", UINT64_C(1) << 40);
    uint64_t done = 0;
    skt_time now = SKT_SEC;

    for (int i = 0; i < 100; i++)
        skt_progress_step(&p, now += 100 * SKT_MS, done += 1000);
    assert_true(p.rate > 9900 && p.rate < 10100);
    for (int i = 0; i < 100; i++) /* ten times as fast: shown within 10 s */
        skt_progress_step(&p, now += 100 * SKT_MS, done += 10000);
    assert_true(p.rate > 98000 && p.rate < 100100);
    for (int i = 0; i < 600; i++)
        skt_progress_step(&p, now += 100 * SKT_MS, done);
    assert_true(p.rate < 1);
}

static void more_than_the_total_is_one_hundred_percent(void **state)
{
    struct skt_progress p = started("x", 1000);

    skt_progress_step(&p, 2 * SKT_SEC, 2000);
    assert_non_null(strstr(shown(&p, 2 * SKT_SEC, 80), "  100%  "));
    assert_null(strstr(line, "left"));
}

static void a_narrow_terminal_cuts_the_label_first(void **state)
{
    struct skt_progress p = started("a-long-name-of-a-file", 0);

    skt_progress_step(&p, 3 * SKT_SEC, 2048);
    assert_string_equal(shown(&p, 3 * SKT_SEC, 20), "a-long  2KiB  1KiB/s");
    assert_string_equal(shown(&p, 3 * SKT_SEC, 12), "2KiB  1KiB/s");
    assert_string_equal(shown(&p, 3 * SKT_SEC, 11), "a-lon  2KiB"); /* an item goes as a whole */
    assert_string_equal(shown(&p, 3 * SKT_SEC, 4), "2KiB");
    p.label = "1 files  rtt 1ms  loss 0%";
    assert_string_equal(shown(&p, 3 * SKT_SEC, 35), "1 files  rtt 1ms  2KiB  1KiB/s");
    assert_string_equal(shown(&p, 3 * SKT_SEC, 20), "2KiB  1KiB/s");
    p.label = "\xe4\xbd\xa0\xe5\xa5\xbd";
    assert_string_equal(shown(&p, 3 * SKT_SEC, 12 + 2 + 4), "\xe4\xbd\xa0  2KiB  1KiB/s");
}

static void a_label_cannot_harm_the_terminal(void **state)
{
    struct skt_progress p = started("\033]0;x\a", 0);

    assert_null(strchr(shown(&p, 2 * SKT_SEC, 200), '\033'));
    assert_null(strchr(line, '\a'));
}

static void without_a_terminal_only_a_signal_draws(void **state)
{
    struct skt_progress p;

    listen_to_stderr();
    p = started("x", 100);
    skt_progress_step(&p, 2 * SKT_SEC, 10);
    skt_progress_step(&p, 4 * SKT_SEC, 20);
    assert_string_equal(said(), "");
    listen_to_stderr();
    cli.quiet = true; /* who asks is told, quiet or not */
    (void)raise(SIGUSR1);
    skt_progress_step(&p, 6 * SKT_SEC, 50);
    skt_progress_step(&p, 7 * SKT_SEC, 60);
    skt_progress_done(&p);
    cli.quiet = false;
    assert_string_equal(said(), "x  50B of 100B  50%  10B/s  5s left\n");
}

static void a_terminal_is_redrawn_at_most_ten_times_a_second(void **state)
{
    struct skt_progress p = started("x", 1000);
    int lines = 0;

    p.live = true;
    listen_to_stderr();
    for (int ms = 0; ms < 1000; ms++)
        skt_progress_step(&p, SKT_SEC + ms * SKT_MS, (uint64_t)ms);
    skt_cli_say(&cli, "hello"); /* wipes the line first */
    for (const char *s = said(); (s = strchr(s, '\r')); s++)
        lines++;
    assert_int_equal(lines, 11);
    assert_non_null(strstr(said_text, "\r\033[Khello\n"));
    assert_null(cli.progress);
    skt_progress_done(&p);
}

static int set_up(void **state)
{
    begin(&cli, &try_verb);
    return 0;
}

static int tear_down(void **state)
{
    skt_cli_done(&cli);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = { T(a_line_says_how_much_how_fast_and_how_long),
        T(nothing_is_guessed_without_a_total), T(the_beginning_divides_by_nothing),
        T(the_rate_follows_the_last_seconds), T(more_than_the_total_is_one_hundred_percent),
        T(a_narrow_terminal_cuts_the_label_first), T(a_label_cannot_harm_the_terminal),
        T(without_a_terminal_only_a_signal_draws), T(a_terminal_is_redrawn_at_most_ten_times_a_second) };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
