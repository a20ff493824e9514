/* src/cli when memory runs out: each allocation fails in turn. No crash and no leak, and either all is as it should be
 * or an exit code says that it is not. */
#include "test.h"

#include "cli.h"
#include "cli/rows.h"

static long left = -1; /* allocations that succeed; -1: all */

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);

static bool fails(void) { return left >= 0 && (left == 0 || left-- == 0); }

void *__wrap_malloc(size_t n) { return fails() ? NULL : __real_malloc(n); }
void *__wrap_calloc(size_t n, size_t size) { return fails() ? NULL : __real_calloc(n, size); }
void *__wrap_realloc(void *p, size_t n) { return fails() ? NULL : __real_realloc(p, n); }

static struct skt_cli cli;
static char path[] = "/tmp/sockit-memory.XXXXXX";

/* Runs fn with the nth allocation failing, until one run meets no failure. How many runs that took. */
static int torture(int (*fn)(void))
{
    int n = 0, r;

    do {
        begin(&cli, &try_verb);
        skt_sink_done(&cli.out);
        skt_sink_init(&cli.out, -1);
        cli.user_config = path;
        left = n;
        r = fn();
        bool ran_out = left == 0;
        left = -1;
        skt_cli_done(&cli);
        if (!ran_out) {
            assert_int_equal(r, 0);
            break;
        }
        n++;
        assert_in_range(n, 1, 1000);
    } while (true);
    return n;
}

static int parse_everything(void)
{
    int r = run_words(&cli, "--allow a --allow b --allow c -n joe -f file -p 1-10,20,30 --limit-rate 1mbit here 80");

    assert_true(r == 0 || r == SKT_EXIT_USAGE || r == SKT_EXIT_LIMIT);
    assert_true(r == 0 || *said_text); /* and a sentence about it */
    return r;
}

static void parsing_fails_in_order(void **state) { assert_in_range(torture(parse_everything), 10, 100); }

static int write_everything(void)
{
    int r = skt_help_verb(&cli, &try_verb);

    skt_help_overview(&cli, &cli.out);
    if (r == 0)
        r = skt_cli_describe(&cli, &try_verb, skt_page_verb, &cli.out, false);
    if (r == 0)
        r = skt_cli_describe(&cli, &try_verb, skt_json_verb, &cli.out, false);
    for (int shell = SKT_BASH; shell <= SKT_FISH && r == 0; shell++)
        r = skt_completion(&cli, (enum skt_shell)shell, &cli.out);
    return r ? r : cli.out.err;
}

static void help_fails_in_order(void **state) { assert_in_range(torture(write_everything), 5, 100); }

static int set_up(void **state)
{
    static const char text[] = "[try]\nsize = 1KiB\n[*]\nname = joe\nquick = yes\n";
    int fd = mkstemp(path);

    return fd >= 0 && write(fd, text, sizeof text - 1) == sizeof text - 1 ? close(fd) : -1;
}

static int tear_down(void **state) { return unlink(path); }

int main(void)
{
    const struct CMUnitTest tests[] = { T(parsing_fails_in_order), T(help_fails_in_order) };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
