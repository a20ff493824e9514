/* cli/help.c, rows.c, page.c, describe.c: what is made from the rows of a verb. */
#include "test.h"

#include "cli.h"
#include "cli/rows.h"

static struct skt_cli cli;

/* The text in memory, ended with NUL; valid until the sink is done. */
static char *text_of(struct skt_sink *sink)
{
    assert_int_equal(sink->err, 0);
    skt_sink_put(sink, skt_span_of("", 1));
    return (char *)sink->bytes;
}

static void has(const char *text, const char *part)
{
    if (!text || !strstr(text, part))
        fail_msg("no '%s' in: %s", part, text ? text : "nothing");
}

static void hasnt(const char *text, const char *part)
{
    if (text && strstr(text, part))
        fail_msg("'%s' in: %s", part, text);
}

static void begin_in_memory(void)
{
    begin(&cli, NULL);
    skt_sink_init(&cli.out, -1);
}

static void is_below_80_columns(char *text)
{
    for (char *line; (line = strsep(&text, "\n"));)
        if (strlen(line) > 79)
            fail_msg("%zu columns: %s", strlen(line), line);
}

static void help_shows_every_row_once(void **state)
{
    char *text;

    begin_in_memory();
    assert_int_equal(skt_help_verb(&cli, &try_verb), 0);
    text = text_of(&cli.out);
    has(text, "sockit try - Try something\n\nUsage: sockit try [OPTION...] HOST [PORT]\n\nOne paragraph");
    has(text, "\n\nAnother one, with *stars*");
    has(text, "Arguments\n  HOST                      where\n  PORT                      which port\n");
    has(text, "\n  -c, --count N             that many (4)\n");
    has(text, "\n      --[no-]open           stay open\n"); /* it is on by default */
    has(text, "\n  -d, --deep                go deep\n");
    has(text, "\n      --limit-rate RATE     not faster\n");
    has(text, "Options of every verb\n  -h, --help                print this\n");
    has(text, "Examples\n  sockit try -c 1 localhost\n      it's one\n");
    has(text, "See also: try send\n");
    hasnt(text, "secret-knob");
    is_below_80_columns(text);
    skt_cli_done(&cli);
}

static void help_does_not_depend_on_what_was_parsed(void **state)
{
    char *text;

    begin_in_memory();
    cli.verb = &try_verb;
    assert_int_equal(run_words(&cli, "--deep -q -c 9 --help"), SKT_CLI_DONE);
    assert_string_equal(said_text, "");
    text = text_of(&cli.out);
    has(text, "-d, --deep ");
    has(text, "-q, --quiet ");
    skt_cli_done(&cli);
}

static void a_letter_that_the_verb_took_is_not_offered_twice(void **state)
{
    char *text;

    begin_in_memory();
    assert_int_equal(skt_help_verb(&cli, &try_send_verb), 0);
    text = text_of(&cli.out);
    has(text, "Usage: sockit try send [OPTION...] --key-file FILE PATH... HOST:PORT\n");
    has(text, "  -q, --quick ");
    has(text, "      --quiet ");
    skt_cli_done(&cli);
}

static void the_overview_lists_the_verbs_that_are_shown(void **state)
{
    char *text;

    begin_in_memory();
    skt_help_overview(&cli, &cli.out);
    text = text_of(&cli.out);
    has(text, "\n  try            Try something\n  try send       Send it\n");
    hasnt(text, "hidden");
    is_below_80_columns(text);
    skt_cli_done(&cli);
}

static void lines_are_wrapped_between_words(void **state)
{
    static const char text[] =
        "a word_that_is_much_longer_than_a_line_of_a_terminal_with_eighty_columns_and_cannot_be_cut "
        "and\nmore  words, which go on until the line is full and then some more of them";
    struct skt_sink sink;

    skt_sink_init(&sink, -1);
    skt_sink_str(&sink, "    ");
    skt_put_wrapped(&sink, text, sizeof text - 1, 4, 4);
    assert_string_equal(text_of(&sink),
        "    a\n"
        "    word_that_is_much_longer_than_a_line_of_a_terminal_with_eighty_columns_and_cannot_be_cut\n"
        "    and more words, which go on until the line is full and then some more of\n"
        "    them\n");
    skt_sink_done(&sink);
}

static void the_page_is_source_for_scdoc(void **state)
{
    struct skt_sink sink;
    char *text;

    begin_in_memory();
    skt_sink_init(&sink, -1);
    assert_int_equal(skt_cli_describe(&cli, &try_send_verb, skt_page_verb, &sink, false), 0);
    has(text_of(&sink), "sockit-try-send(1) \"\" \"sockit\"\n\n# NAME\n\nsockit-try-send - Send it\n\n# SYNOPSIS\n\n");
    skt_sink_done(&sink);
    skt_sink_init(&sink, -1);
    assert_int_equal(skt_cli_describe(&cli, &try_verb, skt_page_verb, &sink, false), 0);
    text = text_of(&sink);
    has(text, "*\\-c*, *\\-\\-count* _N_\n\tthat many (4)\n\n");
    has(text, "_HOST_\n\twhere\n\n");
    has(text, "with \\*stars\\* and under\\_scores.\n");
    has(text, "# EXAMPLES\n\n*sockit try \\-c 1 localhost*\n\tit's one\n");
    has(text, "# EXIT STATUS\n\n*0*\n\tall was done\n");
    has(text, "# SEE ALSO\n\n*sockit*(1), *sockit-try-send*(1)\n");
    hasnt(text, "secret");
    skt_sink_done(&sink);
    skt_cli_done(&cli);
}

static void json_has_kinds_limits_and_defaults(void **state)
{
    struct skt_sink sink;
    char *text;

    begin_in_memory();
    skt_sink_init(&sink, -1);
    assert_int_equal(skt_cli_describe(&cli, &try_verb, skt_json_verb, &sink, false), 0);
    text = text_of(&sink);
    has(text, "{\"verb\":\"try\",\"summary\":\"Try something\",\"usage\":\"sockit try [OPTION...] HOST [PORT]\",");
    has(text,
        "{\"name\":\"count\",\"letter\":\"c\",\"kind\":\"number\",\"arg\":\"N\",\"help\":\"that many (4)\",\"min\":1,"
        "\"max\":100,\"default\":4}");
    has(text, "\"kind\":\"time\",\"arg\":\"TIME\",\"help\":\"wait so long (2s)\",\"min\":0.001,\"default\":2}");
    has(text, "\"choices\":[\"round\",\"square\"],\"default\":\"round\"}");
    has(text, "{\"name\":\"open\",\"kind\":\"flag\",\"help\":\"stay open\",\"default\":true}");
    has(text, "{\"kind\":\"text\",\"arg\":\"PORT\",\"help\":\"which port\",\"required\":false}");
    has(text, "\"name\":\"ports\",\"letter\":\"p\",\"kind\":\"ports\",\"arg\":\"PORTS\",\"help\":\"these ports\","
              "\"default\":null}");
    hasnt(text, "secret");
    assert_int_equal(strlen(text), strcspn(text, "\n") + 1); /* one line */
    skt_sink_done(&sink);
    skt_cli_done(&cli);
}

RUN(T(help_shows_every_row_once), T(help_does_not_depend_on_what_was_parsed),
    T(a_letter_that_the_verb_took_is_not_offered_twice), T(the_overview_lists_the_verbs_that_are_shown),
    T(lines_are_wrapped_between_words), T(the_page_is_source_for_scdoc), T(json_has_kinds_limits_and_defaults))
