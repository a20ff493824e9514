/* cli/parse.c: words of the command line become values of variables. */
#include "test.h"

#include "cli.h"

static struct skt_cli cli;

static int parse(const struct skt_verb *verb, const char *line)
{
    skt_cli_done(&cli);
    begin(&cli, verb);
    return run_words(&cli, line);
}

/* The line is refused with exit code 2 and a sentence that has this in it. */
static void refused(const char *line, const char *sentence)
{
    assert_int_equal(parse(&try_verb, line), SKT_EXIT_USAGE);
    assert_false(got.ran);
    if (!strstr(said_text, sentence))
        fail_msg("%s: said %s", line, said_text);
    assert_non_null(strstr(said_text, "see 'sockit try --help'\n"));
}

static void without_options_the_defaults_stand(void **state)
{
    assert_int_equal(parse(&try_verb, "here"), 0);
    assert_string_equal(got.host, "here");
    assert_null(got.port);
    assert_int_equal(got.count, 4);
    assert_true(got.wait == 2 * SKT_SEC);
    assert_true(got.open && !got.deep);
    assert_string_equal(said_text, "");
}

static void a_value_stands_behind_equals_or_space_or_letter(void **state)
{
    const char *lines[] = { "--count=7 here", "--count 7 here", "-c7 here", "-c 7 here", "here -c 7", "-dc7 here",
        "-dc 7 here", "-c 3 --count 7 here" };

    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        assert_int_equal(parse(&try_verb, lines[i]), 0);
        assert_int_equal(got.count, 7);
        assert_string_equal(got.host, "here");
    }
}

static void letters_can_stand_together(void **state)
{
    assert_int_equal(parse(&try_verb, "-dllvvn joe here"), 0);
    assert_true(got.deep);
    assert_int_equal(got.level, 2);
    assert_int_equal(got.verbose, 2);
    assert_string_equal(got.name, "joe");
}

static void each_kind_reads_its_unit(void **state)
{
    assert_int_equal(parse(&try_verb, "--big 18446744073709551615 -s 64KiB --limit-rate 8mbit -w 50ms --loss 0.5% "
                                      "--shape square -p 1-10,http --file=x=y here"),
        0);
    assert_true(got.big == UINT64_MAX);
    assert_int_equal(got.size, 65536);
    assert_int_equal(got.rate, 1000000);
    assert_true(got.wait == 50 * SKT_MS);
    assert_true(got.loss > 0.00499 && got.loss < 0.00501);
    assert_int_equal(got.shape, SQUARE);
    assert_int_equal(got.ports, 11);
    assert_true(got.has_80);
    assert_string_equal(got.file, "x=y");
}

static void no_in_front_of_a_flag_turns_it_off(void **state)
{
    assert_int_equal(parse(&try_verb, "--deep --no-deep --no-open here"), 0);
    assert_false(got.deep);
    assert_false(got.open);
    refused("--no-count here", "there is no option --no-count");
}

static void after_two_dashes_everything_is_a_word(void **state)
{
    assert_int_equal(parse(&try_verb, "-d -- --count -c"), 0);
    assert_string_equal(got.host, "--count");
    assert_string_equal(got.port, "-c");
    assert_int_equal(parse(&try_verb, "- x"), 0);
    assert_string_equal(got.host, "-");
}

static void a_list_grows_up_to_its_limit(void **state)
{
    assert_int_equal(parse(&try_verb, "--allow a --allow=b here --allow c"), 0);
    assert_int_equal(got.allow.n, 3);
    assert_string_equal(got.allow.at[0], "a");
    assert_string_equal(got.allow.at[2], "c");
    refused("--allow a --allow b --allow c --allow d here", "--allow: 'd' is one too many; at most 3 are allowed");
}

static void ports_of_several_options_come_together(void **state)
{
    assert_int_equal(parse(&try_verb, "-p 1-10 -p80 here"), 0);
    assert_int_equal(got.ports, 11);
}

static void what_is_wrong_is_named_with_the_way_out(void **state)
{
    refused("--cuont 3 here", "there is no option --cuont; did you mean --count?");
    refused("--xyzzy here", "there is no option --xyzzy\n");
    refused("--secret-knub 1 here", "there is no option --secret-knub\n");
    refused("-z here", "there is no option -z");
    refused("--count", "--count needs a value: --count N");
    refused("-dc", "-c needs a value: -c N");
    refused("--deep=yes here", "--deep takes no value, but 'yes' was given");
    refused("-c 10x here", "-c: number '10x' is not a whole number");
    refused("-c -1 here", "-c: number '-1' is not a whole number");
    refused("--count= here", "--count: ");
    refused("--count 0 here", "--count: '0' is below 1; give 1 to 100");
    refused("--count 101 here", "--count: number '101' is above 100");
    refused("--count 99999999999999999999 here", "is above 100");
    refused("-w 1us here", "-w: '1us' is below 1");
    refused("-s 2MiB here", "-s: '2MiB' is above 1MiB; give 0B to 1MiB");
    refused("--name= here", "--name: must not be empty");
    refused("-n toolongname here", "-n: 'toolongname' is too long");
    refused("--shape oval here", "--shape: 'oval' is none of round, square");
    refused("-p 1-70000 here", "-p: port '70000' is above 65535");
    refused("", "HOST is missing: where");
    refused("a b c", "'c' is one argument too many");
}

static void what_is_wrong_cannot_harm_the_terminal(void **state)
{
    refused("--shape \033[2J here", "'\\x1b[2J' is none of");
    refused("--\033[2J here", "no option --\\x1b[2J");
}

static void the_words_before_and_after_a_list_have_their_own(void **state)
{
    assert_int_equal(parse(&try_send_verb, "-k key a b c host:1"), 0);
    assert_int_equal(got.more.n, 3);
    assert_string_equal(got.more.at[2], "c");
    assert_string_equal(got.host, "host:1");
    assert_int_equal(parse(&try_send_verb, "-k key a host:1"), 0);
    assert_int_equal(got.more.n, 1);
    assert_int_equal(parse(&try_send_verb, "-k key host:1"), SKT_EXIT_USAGE);
    assert_non_null(strstr(said_text, "HOST:PORT is missing"));
    assert_int_equal(parse(&try_send_verb, "-k key"), SKT_EXIT_USAGE);
    assert_non_null(strstr(said_text, "PATH is missing: what to send"));
}

static void a_required_option_is_asked_for(void **state)
{
    assert_int_equal(parse(&try_send_verb, "a b"), SKT_EXIT_USAGE);
    assert_non_null(strstr(said_text, "--key-file FILE is missing: the key"));
}

static void the_options_of_every_verb_are_there(void **state)
{
    assert_int_equal(parse(&try_verb, "--json -q --pcap x.pcapng -v --color never here"), 0);
    assert_true(got.json && got.quiet);
    assert_string_equal(got.pcap, "x.pcapng");
    assert_int_equal(cli.color, SKT_COLOR_NEVER);
}

static void a_verb_may_take_a_letter_for_itself(void **state)
{
    assert_int_equal(parse(&try_send_verb, "-q -k key a b"), 0);
    assert_true(got.deep);
    assert_false(got.quiet);
    assert_int_equal(parse(&try_send_verb, "--quiet -k key a b"), 0);
    assert_true(got.quiet);
    assert_false(got.deep);
}

static void words_before_the_verb_hold_for_it(void **state)
{
    const char *argv[] = { "--json", "-v", "--pcap", "p", "try", "-v", "here" };
    int used = 0;

    skt_cli_done(&cli);
    begin(&cli, NULL);
    assert_int_equal(skt_parse_leading(&cli, 7, (char **)(uintptr_t)argv, &used), 0);
    assert_int_equal(used, 4);
    cli.verb = &try_verb;
    assert_int_equal(run_words(&cli, "-v here"), 0);
    assert_true(got.json);
    assert_string_equal(got.pcap, "p");
    assert_int_equal(got.verbose, 2);
}

static void a_verb_can_ask_what_the_command_line_gave(void **state)
{
    assert_int_equal(parse(&try_verb, "--count 4 here"), 0);
    assert_true(got.count_given);
    assert_int_equal(parse(&try_verb, "-c4 here"), 0);
    assert_true(got.count_given);
    assert_int_equal(parse(&try_verb, "--deep here"), 0);
    assert_false(got.count_given);
    assert_int_equal(setenv("SOCKIT_TRY_COUNT", "7", 1), 0);
    assert_int_equal(parse(&try_verb, "here"), 0);
    assert_int_equal(unsetenv("SOCKIT_TRY_COUNT"), 0);
    assert_int_equal(got.count, 7);
    assert_false(got.count_given);
}

static int seen;
static int count_rows(struct skt_cli *c, const struct skt_opt *opts)
{
    for (seen = 0; opts->kind; opts++)
        seen++;
    *(bool *)c->describe_to = true;
    return 0;
}

static void describing_runs_nothing_but_the_rows(void **state)
{
    bool called = false;

    skt_cli_done(&cli);
    begin(&cli, NULL);
    assert_int_equal(skt_cli_describe(&cli, &try_verb, count_rows, &called, false), 0);
    assert_true(called);
    assert_int_equal(seen, 17);
    assert_false(got.ran);
}

static int done(void **state)
{
    skt_cli_done(&cli);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = { T(without_options_the_defaults_stand),
        T(a_value_stands_behind_equals_or_space_or_letter), T(letters_can_stand_together), T(each_kind_reads_its_unit),
        T(no_in_front_of_a_flag_turns_it_off), T(after_two_dashes_everything_is_a_word),
        T(a_list_grows_up_to_its_limit), T(ports_of_several_options_come_together),
        T(what_is_wrong_is_named_with_the_way_out), T(what_is_wrong_cannot_harm_the_terminal),
        T(the_words_before_and_after_a_list_have_their_own), T(a_required_option_is_asked_for),
        T(the_options_of_every_verb_are_there), T(a_verb_may_take_a_letter_for_itself),
        T(words_before_the_verb_hold_for_it), T(a_verb_can_ask_what_the_command_line_gave),
        T(describing_runs_nothing_but_the_rows) };

    return cmocka_run_group_tests(tests, NULL, done);
}
