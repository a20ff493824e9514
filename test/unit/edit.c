/* cli/edit.c without a terminal; and with one, in a child, its module. */
#include "test.h"

#include "cli/edit.h"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static bool next_is(struct skt_edit *e, const char *text)
{
    struct skt_span line;

    return skt_edit_line(e, &line) && skt_span_is(line, text);
}

static void type(struct skt_edit *e, const char *keys) { skt_edit_keys(e, skt_span_str(keys)); }

/* Types keys and wants exactly one line from them. */
static bool gives(struct skt_edit *e, const char *keys, const char *text)
{
    struct skt_span line;

    type(e, keys);
    return next_is(e, text) && !skt_edit_line(e, &line);
}

/* ---- without a terminal ---- */

/* Standard input and output are a pipe's ends for the time of fn; what it wrote comes to text. */
static void piped(void (*fn)(struct skt_edit *e), char *text, size_t size)
{
    int in = dup(STDIN_FILENO), out = dup(STDOUT_FILENO), ends[2];
    struct skt_edit *e;
    ssize_t n;

    fflush(stdout);
    assert_int_equal(pipe(ends), 0);
    dup2(ends[0], STDIN_FILENO);
    dup2(ends[1], STDOUT_FILENO);
    if (!skt_edit_new("> ", &e)) {
        fn(e);
        skt_edit_free(e);
    }
    dup2(in, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    close(ends[1]);
    n = read(ends[0], text, size - 1);
    text[n > 0 ? n : 0] = 0;
    close(ends[0]);
    close(in);
    close(out);
}

static bool fine;

static void lines(struct skt_edit *e)
{
    struct skt_span line;

    type(e, "one\r\ntw");
    fine = next_is(e, "one") && !skt_edit_line(e, &line) && !skt_edit_ended(e);
    type(e, "o\n\nlast");
    fine = fine && next_is(e, "two") && next_is(e, "") && !skt_edit_line(e, &line);
    skt_edit_end(e);
    fine = fine && !skt_edit_ended(e) && next_is(e, "last") && !skt_edit_line(e, &line) && skt_edit_ended(e);
}

static void lines_are_taken_as_they_come_and_nothing_is_shown(void **state)
{
    char text[100];

    piped(lines, text, sizeof text);
    assert_true(fine);
    assert_string_equal(text, "");
}

static void shown(struct skt_edit *e)
{
    type(e, "half");
    skt_edit_show(e, skt_span_str("an answer\n"));
    fine = gives(e, " whole\n", "half whole");
    skt_edit_show(e, skt_span_str("without an end"));
}

static void what_is_shown_is_written_as_it_is(void **state)
{
    char text[100];

    piped(shown, text, sizeof text);
    assert_true(fine);
    assert_string_equal(text, "an answer\nwithout an end");
}

enum { LINE_MAX_BYTES = 16 * 1024 };

static void endless(struct skt_edit *e)
{
    static char many[3 * LINE_MAX_BYTES];
    struct skt_span line;
    size_t n = 0, whole = 0;

    memset(many, 'x', sizeof many);
    for (int i = 0; i < 4; i++) /* more than waits at once is not kept */
        skt_edit_keys(e, skt_span_of(many, sizeof many));
    while (skt_edit_line(e, &line)) {
        whole += skt_len(line) == LINE_MAX_BYTES;
        n++;
    }
    fine = n == 4 && whole == 4;
}

static void a_line_without_an_end_is_cut(void **state)
{
    char text[100];

    piped(endless, text, sizeof text);
    assert_true(fine);
}

static void the_end_of_nothing_is_the_end(void **state)
{
    struct skt_edit *e;

    assert_int_equal(skt_edit_new("> ", &e), 0);
    assert_false(skt_edit_ended(e));
    skt_edit_end(e);
    assert_true(skt_edit_ended(e));
    skt_edit_free(e);
    skt_edit_free(NULL);
}

/* ---- on a terminal of 40 columns ---- */

static char screen[64 * 1024]; /* all that was written to it */

/* Runs fn in a child whose terminal this is, and drains it. */
static int on_terminal(const char *term, int (*fn)(struct skt_edit *e))
{
    struct winsize size = { .ws_row = 10, .ws_col = 40 };
    int master, status = -1;
    size_t n = 0;
    ssize_t k;
    pid_t child = forkpty(&master, NULL, NULL, &size);

    assert_true(child >= 0);
    if (!child) {
        struct termios before, after;
        struct skt_edit *e;
        int r;
        setenv("TERM", term, 1);
        if (tcgetattr(STDIN_FILENO, &before) || skt_edit_new("> ", &e))
            _exit(98);
        r = fn(e);
        skt_edit_free(e);
        if (!r &&
            (tcgetattr(STDIN_FILENO, &after) || before.c_lflag != after.c_lflag || before.c_iflag != after.c_iflag))
            r = 97;
        _exit(r);
    }
    while (n < sizeof screen - 1 && (k = read(master, screen + n, sizeof screen - 1 - n)) > 0)
        n += (size_t)k;
    screen[n] = 0;
    close(master);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int edits(struct skt_edit *e)
{
    struct termios now;
    int n = 0;

    if (tcgetattr(STDIN_FILENO, &now) || now.c_lflag & (ICANON | ECHO) || !(now.c_lflag & ISIG))
        return 96;
#define WANT(keys, text)                                                                                               \
    n++;                                                                                                               \
    if (!gives(e, keys, text))                                                                                         \
        return n;
    WANT("hello\r", "hello")
    WANT("helo\033[D\033[Dl\n", "hello")                /* left, left */
    WANT("b\001a\005c\r", "abc")                        /* Ctrl-A, Ctrl-E */
    WANT("xb\033OHa\033[3~\033OFc\r", "abc")            /* Home, Delete, End */
    WANT("b\033[1~a\033[4~c\033[C\r", "abc")            /* the same, otherwise; right at the end */
    WANT("\033[3~\033[3~abcd\b\r", "abc")               /* Delete on nothing is not the end */
    WANT("one two three\027four\r", "one two four")     /* Ctrl-W */
    WANT("nothing\025all\r", "all")                     /* Ctrl-U */
    WANT("one two\033[1;5Dbefore \r", "one before two") /* Ctrl-left */
    WANT("one two\001\033f and\r", "one and two")       /* Alt-f */
    WANT("\033[A\033[A\033[B\r", "one and two")         /* up, up, down */
    WANT("\033[200~paste\033[201~\r", "paste")          /* the brackets are nothing */
    WANT("a\tb\r", "a\tb")
    WANT("\r", "")
    WANT("a\026\022\023\030\007\003b\r", "ab")            /* what would read on, is nothing */
    WANT("\033[1;2;3;4;5;6;7;8;9;10;11;12;13~ok\r", "ok") /* too long a sequence */
    WANT("\033\033[D\033[?25hok\r", "ok")
#undef WANT
    return 0;
}

static void a_terminal_edits_with_keys_and_history(void **state)
{
    if (on_terminal("xterm", edits))
        fail_msg("case %d: screen %s", on_terminal("xterm", edits), screen);
    assert_non_null(strstr(screen, "> "));
}

static int chinese(struct skt_edit *e)
{
    /* Byte by byte; backspace takes a character, not a byte; what is no character is dropped. */
    static const char keys[] = "\344\275\240\345\245\275\345\220\227\177\303\xe4\xff\355\240\200\302\205"
                               "\360\237\230\200\r";
    struct skt_span line;

    for (size_t i = 0; i + 1 < sizeof keys - 1; i++) {
        skt_edit_keys(e, skt_span_of(keys + i, 1));
        if (skt_edit_line(e, &line))
            return 1;
    }
    return gives(e, "\r", "\344\275\240\345\245\275\360\237\230\200") ? 0 : 2;
}

static void characters_are_whole_whatever_the_locale(void **state)
{
    setenv("LC_ALL", "C", 1);
    assert_int_equal(on_terminal("xterm", chinese), 0);
    assert_non_null(strstr(screen, "\344\275\240"));
    assert_non_null(strstr(screen, "\360\237\230\200"));
    assert_null(strstr(screen, "\\U"));
}

/* 50 characters behind the prompt: the cursor stands in the second row. */
static int wraps(struct skt_edit *e)
{
    struct skt_span line;

    type(e, "0123456789012345678901234567890123456789abcdefghij");
    if (skt_edit_line(e, &line))
        return 1;
    skt_edit_show(e, skt_span_str("answer\n"));
    return gives(e, "!\r", "0123456789012345678901234567890123456789abcdefghij!") ? 0 : 2;
}

static void an_answer_goes_above_a_line_of_two_rows(void **state)
{
    const char *at;

    assert_int_equal(on_terminal("xterm", wraps), 0);
    at = strstr(screen, "\033[1A\r\033[Janswer\r\n");
    assert_non_null(at);
    at = strstr(at, "> 01234567890123456789012345678901234567");
    assert_non_null(at);
    assert_non_null(strstr(at, "89abcdefghij"));
}

static int floods(struct skt_edit *e)
{
    struct skt_span line;

    for (int i = 0; i < 5000; i++) {
        type(e, "\344\275\240");
        if (skt_edit_line(e, &line))
            return 1;
    }
    type(e, "\r");
    return skt_edit_line(e, &line) && skt_len(line) == 4096 * 3 ? 0 : 2;
}

static void a_line_has_its_limit(void **state) { assert_int_equal(on_terminal("xterm", floods), 0); }

static int ends(struct skt_edit *e)
{
    struct skt_span line;

    type(e, "a\004\177\004"); /* not the end while there is something to delete, or at its end */
    return !skt_edit_line(e, &line) && skt_edit_ended(e) ? 0 : 1;
}

static void control_d_ends_on_an_empty_line(void **state) { assert_int_equal(on_terminal("xterm", ends), 0); }

static int plain(struct skt_edit *e)
{
    struct termios now;

    if (tcgetattr(STDIN_FILENO, &now) || !(now.c_lflag & ICANON))
        return 1;
    if (!gives(e, "one\n", "one"))
        return 2;
    skt_edit_show(e, skt_span_str("answer"));
    return 0;
}

static void a_terminal_that_can_nothing_gets_a_plain_prompt(void **state)
{
    assert_int_equal(on_terminal("dumb", plain), 0);
    assert_string_equal(screen, "> > \r\033[Kanswer\r\n> ");
}

RUN(T(lines_are_taken_as_they_come_and_nothing_is_shown), T(what_is_shown_is_written_as_it_is),
    T(a_line_without_an_end_is_cut), T(the_end_of_nothing_is_the_end), T(a_terminal_edits_with_keys_and_history),
    T(characters_are_whole_whatever_the_locale), T(an_answer_goes_above_a_line_of_two_rows), T(a_line_has_its_limit),
    T(control_d_ends_on_an_empty_line), T(a_terminal_that_can_nothing_gets_a_plain_prompt))
