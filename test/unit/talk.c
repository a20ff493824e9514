/* cli/talk.c and exit.c: what is said when, and which exit code follows. */
#include "test.h"

#include "cli.h"

#include <errno.h>

static struct skt_cli cli;

static void talk_is_quiet_on_request_and_errors_are_not(void **state)
{
    listen_to_stderr();
    skt_cli_say(&cli, "listening on %d", 80);
    skt_cli_warn(&cli, "careful");
    skt_cli_debug(&cli, 1, "detail");
    cli.verbose = 1;
    skt_cli_debug(&cli, 1, "detail");
    skt_cli_debug(&cli, 2, "more");
    cli.quiet = true;
    skt_cli_say(&cli, "no");
    skt_cli_debug(&cli, 1, "no");
    skt_cli_answer(&cli, "asked");
    assert_int_equal(skt_cli_fail(&cli, SKT_PHASE_CONNECT, -ECONNREFUSED, "127.0.0.1:7"), SKT_EXIT_CONNECT);
    cli.quiet = false;
    cli.verbose = 0;
    assert_string_equal(said(), "listening on 80\nsockit try: warning: careful\ndebug: detail\nasked\n"
                                "sockit try: error: connect 127.0.0.1:7: Connection refused (nothing listens there)\n");
}

static void what_a_stranger_sent_is_escaped(void **state)
{
    listen_to_stderr();
    skt_cli_say(&cli, "nick %s", "\033[2Jx\ny\xff");
    (void)skt_cli_fail_why(&cli, SKT_PHASE_TALK, ECONNRESET, "peer\rsaid");
    assert_string_equal(said(), "nick \\x1b[2Jx\\x0ay\\xff\nsockit try: error: peer\\x0dsaid\n");
}

static void a_giant_line_is_cut(void **state)
{
    char *line = malloc(100000);

    assert_non_null(line);
    memset(line, '\a', 99999);
    line[99999] = 0;
    listen_to_stderr();
    skt_cli_say(&cli, "%s", line);
    free(line);
    assert_int_equal(strlen(said()), 4 * 2047 + 1);
    assert_int_equal(said_text[strlen(said_text) - 1], '\n');
}

static void a_usage_error_points_to_the_help(void **state)
{
    listen_to_stderr();
    assert_int_equal(skt_cli_usage(&cli, "--echo and --to exclude each other"), 2);
    assert_string_equal(said(), "sockit try: error: --echo and --to exclude each other\nsee 'sockit try --help'\n");
}

static void colour_is_for_terminals(void **state)
{
    assert_string_equal(skt_cli_style(&cli, said_fd, SKT_RED), "");
    cli.color = SKT_COLOR_ALWAYS;
    assert_string_equal(skt_cli_style(&cli, 2, SKT_RED), "\033[31m");
    listen_to_stderr();
    skt_cli_warn(&cli, "x\033");
    assert_string_equal(said(), "sockit try: \033[33mwarning: \033[0mx\\x1b\n");
    cli.color = SKT_COLOR_NEVER;
    assert_string_equal(skt_cli_style(&cli, 2, SKT_RED), "");
    cli.color = SKT_COLOR_AUTO;
}

static void the_log_has_everything_with_times(void **state)
{
    char path[] = "/tmp/sockit-log.XXXXXX", text[4096];
    int fd = mkstemp(path), y, s;
    char rest[4096];
    ssize_t n;

    cli.log = path;
    cli.quiet = true;
    listen_to_stderr();
    assert_int_equal(skt_cli_open_log(&cli), 0);
    skt_cli_say(&cli, "one");
    skt_cli_debug(&cli, 3, "two\n");
    skt_cli_warn(&cli, "three");
    assert_string_equal(said(), "sockit try: warning: three\n");
    n = read(fd, text, sizeof text - 1);
    assert_true(n > 0);
    text[n] = 0;
    assert_int_equal(sscanf(text, "%4d-%*2d-%*2dT%*2d:%*2d:%2d.%*3dZ try[%*d] %[^\n]", &y, &s, rest), 3);
    assert_string_equal(rest, "one");
    assert_non_null(strstr(text, "] debug: two\\x0a\n"));
    assert_non_null(strstr(text, "] warning: three\n"));
    close(fd);
    assert_int_equal(unlink(path), 0);
    close(cli.log_fd);
    cli.log_fd = -1;
    cli.quiet = false;
}

static void a_log_that_cannot_be_opened_is_an_error(void **state)
{
    cli.log = "/nonexistent/log";
    listen_to_stderr();
    assert_int_equal(skt_cli_open_log(&cli), SKT_EXIT_LOCAL);
    assert_non_null(strstr(said(), "/nonexistent/log: No such file"));
    cli.log = NULL;
}

static void an_exit_code_follows_from_phase_and_errno(void **state)
{
    static const struct {
        enum skt_phase phase;
        int err;
        enum skt_exit code;
    } cases[] = {
        { SKT_PHASE_USAGE, EINVAL, SKT_EXIT_USAGE },
        { SKT_PHASE_RESOLVE, ENOENT, SKT_EXIT_RESOLVE },
        { SKT_PHASE_RESOLVE, -ETIMEDOUT, SKT_EXIT_TIMEOUT },
        { SKT_PHASE_RESOLVE, ECONNREFUSED, SKT_EXIT_RESOLVE }, /* the name server's */
        { SKT_PHASE_CONNECT, -ECONNREFUSED, SKT_EXIT_CONNECT },
        { SKT_PHASE_CONNECT, EHOSTUNREACH, SKT_EXIT_CONNECT },
        { SKT_PHASE_CONNECT, ENOENT, SKT_EXIT_CONNECT },
        { SKT_PHASE_CONNECT, ETIMEDOUT, SKT_EXIT_TIMEOUT },
        { SKT_PHASE_CONNECT, EACCES, SKT_EXIT_PERMISSION },
        { SKT_PHASE_CONNECT, EMFILE, SKT_EXIT_LIMIT },
        { SKT_PHASE_TLS, EPROTO, SKT_EXIT_TLS },
        { SKT_PHASE_TLS, ECONNRESET, SKT_EXIT_BROKEN },
        { SKT_PHASE_TALK, ECONNRESET, SKT_EXIT_BROKEN },
        { SKT_PHASE_TALK, ETIMEDOUT, SKT_EXIT_TIMEOUT },
        { SKT_PHASE_TALK, ENOBUFS, SKT_EXIT_LIMIT },
        { SKT_PHASE_LISTEN, EADDRINUSE, SKT_EXIT_FAILED },
        { SKT_PHASE_LISTEN, EACCES, SKT_EXIT_PERMISSION },
        { SKT_PHASE_FILE, ENOSPC, SKT_EXIT_LOCAL },
        { SKT_PHASE_FILE, EPIPE, SKT_EXIT_LOCAL },
        { SKT_PHASE_FILE, EBADF, SKT_EXIT_LOCAL },
        { SKT_PHASE_FILE, EACCES, SKT_EXIT_PERMISSION },
        { SKT_PHASE_ANY, EINTR, SKT_EXIT_INTERRUPTED },
        { SKT_PHASE_ANY, 0, SKT_EXIT_FAILED },
        { SKT_PHASE_ANY, ENOSYS, SKT_EXIT_FAILED },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (skt_exit_of(cases[i].phase, cases[i].err) != cases[i].code)
            fail_msg("case %zu: %d", i, skt_exit_of(cases[i].phase, cases[i].err));
}

static void each_exit_code_is_in_the_table_once(void **state)
{
    const struct skt_exit_row *row = skt_exit_rows();

    for (int last = -1; row->name; last = (int)row++->code)
        assert_true((int)row->code > last && *row->text);
    for (int phase = SKT_PHASE_ANY; phase <= SKT_PHASE_FILE; phase++)
        for (int err = 0; err < 134; err++) {
            for (row = skt_exit_rows(); row->name && row->code != skt_exit_of((enum skt_phase)phase, err);)
                row++;
            assert_non_null(row->name);
            assert_int_not_equal(row->code, SKT_EXIT_OK);
        }
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
    const struct CMUnitTest tests[] = { T(talk_is_quiet_on_request_and_errors_are_not),
        T(what_a_stranger_sent_is_escaped), T(a_giant_line_is_cut), T(a_usage_error_points_to_the_help),
        T(colour_is_for_terminals), T(the_log_has_everything_with_times), T(a_log_that_cannot_be_opened_is_an_error),
        T(an_exit_code_follows_from_phase_and_errno), T(each_exit_code_is_in_the_table_once) };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
