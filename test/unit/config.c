/* cli/config.c: settings from the environment and from files, and which of them wins. */
#include "test.h"

#include "cli.h"

#include <sys/stat.h>

static struct skt_cli cli;
static char dir[] = "/tmp/sockit-config.XXXXXX", user[64], etc[64];

static void put_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

/* Runs the verb with these two files (NULL: not there). */
static int parse(const char *user_text, const char *etc_text, const char *line)
{
    (void)unlink(user);
    (void)unlink(etc);
    if (user_text)
        put_file(user, user_text);
    if (etc_text)
        put_file(etc, etc_text);
    skt_cli_done(&cli);
    begin(&cli, &try_verb);
    cli.user_config = user;
    cli.etc_config = etc;
    return run_words(&cli, line);
}

static void refused(const char *user_text, const char *sentence)
{
    assert_int_equal(parse(user_text, NULL, "here"), SKT_EXIT_USAGE);
    if (!strstr(said_text, sentence))
        fail_msg("%s: said %s", user_text, said_text);
}

static void the_more_particular_place_wins(void **state)
{
    static const char user_file[] = "[*]\ncount=3\n[try]\ncount=4\n", etc_file[] = "[*]\ncount=1\n[try]\ncount=2\n";

    assert_int_equal(parse(NULL, "[*]\ncount=1\n", "here"), 0);
    assert_int_equal(got.count, 1);
    assert_int_equal(parse(NULL, etc_file, "here"), 0);
    assert_int_equal(got.count, 2);
    assert_int_equal(parse("[*]\ncount=3\n", etc_file, "here"), 0);
    assert_int_equal(got.count, 3);
    assert_int_equal(parse(user_file, etc_file, "here"), 0);
    assert_int_equal(got.count, 4);
    setenv("SOCKIT_COUNT", "5", 1);
    assert_int_equal(parse(user_file, etc_file, "here"), 0);
    assert_int_equal(got.count, 5);
    setenv("SOCKIT_TRY_COUNT", "6", 1);
    assert_int_equal(parse(user_file, etc_file, "here"), 0);
    assert_int_equal(got.count, 6);
    assert_int_equal(parse(user_file, etc_file, "-c 7 here"), 0);
    assert_int_equal(got.count, 7);
    setenv("SOCKIT_TRY_COUNT", "", 1); /* empty: as if it were not there */
    assert_int_equal(parse(user_file, etc_file, "here"), 0);
    assert_int_equal(got.count, 5);
    unsetenv("SOCKIT_COUNT");
    unsetenv("SOCKIT_TRY_COUNT");
}

static void files_read_as_people_write_them(void **state)
{
    assert_int_equal(parse("; a comment\n# another\n\n[try]\n  deep = yes\n\topen: off ; why\nname=  joe  \r\n"
                           "limit-rate = 8mbit\nverbose = 2\n[hidden]\nquick = no",
                         NULL, "here"),
        0);
    assert_true(got.deep && !got.open);
    assert_string_equal(got.name, "joe");
    assert_int_equal(got.rate, 1000000);
    assert_int_equal(got.verbose, 2);
}

static void a_list_is_of_one_place(void **state)
{
    assert_int_equal(parse("[try]\nallow=a\nallow=b\n[*]\nallow=x\n", "[try]\nallow=y\n", "here"), 0);
    assert_int_equal(got.allow.n, 2);
    assert_string_equal(got.allow.at[1], "b");
    assert_int_equal(parse("[try]\nallow=a\nports=1\nports=2\n", NULL, "--allow c -p 80 here"), 0);
    assert_int_equal(got.allow.n, 1);
    assert_string_equal(got.allow.at[0], "c");
    assert_int_equal(got.ports, 1);
    assert_true(got.has_80);
}

static void a_name_of_two_words_has_its_section_and_variable(void **state)
{
    skt_cli_done(&cli);
    begin(&cli, &try_send_verb);
    cli.user_config = user;
    put_file(user, "[try send]\nkey-file=k\n[try]\ncount=1\n");
    assert_int_equal(run_words(&cli, "a b"), 0);
    assert_string_equal(got.file, "k");
    skt_cli_done(&cli);
    begin(&cli, &try_send_verb);
    setenv("SOCKIT_TRY_SEND_KEY_FILE", "from env", 1);
    assert_int_equal(run_words(&cli, "a b"), 0);
    assert_string_equal(got.file, "from env");
    unsetenv("SOCKIT_TRY_SEND_KEY_FILE");
}

static void what_is_wrong_is_named_with_file_and_line(void **state)
{
    char sentence[128];

    refused("[try]\n\ncuont = 3\n", "unknown key 'cuont'; did you mean 'count'?");
    (void)snprintf(sentence, sizeof sentence, "%s:3: unknown key", user);
    refused("[try]\n\ncuont = 3\n", sentence);
    refused("[try]\nhelp = yes\n", ":2: unknown key 'help'");
    refused("[try]\nHOST = x\n", ":2: unknown key 'HOST'");
    refused("[*]\nxyzzy = 3\n", ":2: unknown key 'xyzzy'\n");
    refused("[try]\ncount = many\n", ":2: count: number 'many' is not");
    refused("[try]\n\n\ndeep = perhaps\n", ":4: deep: 'perhaps' is neither yes nor no");
    refused("count = 3\n", ":1: a section must come first");
    refused("[tyr]\ncount = 3\n", ":2: unknown section [tyr]; did you mean [try]?");
    refused("[try]\nnonsense\n", ":2: neither [section] nor 'key = value'");
    refused("[try\ncount=1\n", ":1: neither [section] nor");
}

/* A key of [*] concerns the verbs that have such an option. */
static void a_key_for_all_need_not_be_of_this_verb(void **state)
{
    assert_int_equal(parse("[*]\nquick = yes\nkey-file = k\n", NULL, "here"), 0);
    assert_string_equal(said_text, "");
}

static void giant_lines_and_files_are_refused(void **state)
{
    char *text = malloc(70000);

    assert_non_null(text);
    (void)snprintf(text, 70000, "[try]\nname = %0*d\n", 300, 1);
    refused(text, ":2: the line is longer than 198 bytes");
    memset(text, '#', 66000);
    text[66000] = 0;
    refused(text, "larger than 64 KiB");
    free(text);
}

static void a_line_of_the_longest_length_is_read(void **state)
{
    char text[300];

    (void)snprintf(text, sizeof text, "[try]\nfile = %0*d\n", 191, 1);
    assert_int_equal(parse(text, NULL, "here"), 0);
    assert_int_equal(strlen(got.file), 191);
    (void)snprintf(text, sizeof text, "[try]\nfile = %0*d", 193, 1);
    refused(text, ":2: the line is longer than 198 bytes");
}

static void a_file_that_cannot_be_read_is_told_and_left_out(void **state)
{
    (void)unlink(user);
    assert_int_equal(mkdir(user, 0700), 0);
    skt_cli_done(&cli);
    begin(&cli, &try_verb);
    cli.user_config = user;
    assert_int_equal(run_words(&cli, "here"), 0);
    assert_int_equal(rmdir(user), 0);
    assert_non_null(strstr(said_text, "warning: cannot read"));
}

static void a_path_may_begin_at_home(void **state)
{
    setenv("HOME", "/h", 1);
    assert_int_equal(parse("[try]\nfile = ~/x y\nname = ~/n\n", NULL, "here"), 0);
    assert_string_equal(got.file, "/h/x y");
    assert_string_equal(got.name, "~/n"); /* no path */
    assert_int_equal(parse("[try]\nfile = ~joe/x\n", NULL, "here"), 0);
    assert_string_equal(got.file, "~joe/x");
    unsetenv("HOME");
    assert_int_equal(parse("[try]\nfile = ~/x\n", NULL, "here"), 0);
    assert_string_equal(got.file, "~/x");
}

static void the_user_has_one_file(void **state)
{
    char home[64] = "/h", xdg[64] = "/x";

    skt_cli_init(&cli, try_verbs);
    setenv("HOME", home, 1);
    unsetenv("XDG_CONFIG_HOME");
    assert_string_equal(skt_config_user_path(&cli), "/h/.config/sockit/config");
    cli.user_config = NULL;
    setenv("XDG_CONFIG_HOME", xdg, 1);
    assert_string_equal(skt_config_user_path(&cli), "/x/sockit/config");
    cli.user_config = NULL;
    setenv("XDG_CONFIG_HOME", "relative", 1);
    assert_string_equal(skt_config_user_path(&cli), "/h/.config/sockit/config");
    cli.user_config = NULL;
    unsetenv("HOME");
    assert_null(skt_config_user_path(&cli));
    assert_string_equal(skt_config_etc_path(&cli), "/etc/sockit/config");
    skt_cli_done(&cli);
}

static int set_up(void **state)
{
    if (!mkdtemp(dir))
        return -1;
    (void)snprintf(user, sizeof user, "%s/user", dir);
    (void)snprintf(etc, sizeof etc, "%s/etc", dir);
    begin(&cli, &try_verb);
    return 0;
}

static int tear_down(void **state)
{
    skt_cli_done(&cli);
    (void)unlink(user);
    (void)unlink(etc);
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = { T(the_more_particular_place_wins), T(files_read_as_people_write_them),
        T(a_list_is_of_one_place), T(a_name_of_two_words_has_its_section_and_variable),
        T(what_is_wrong_is_named_with_file_and_line), T(a_key_for_all_need_not_be_of_this_verb),
        T(giant_lines_and_files_are_refused), T(a_line_of_the_longest_length_is_read),
        T(a_file_that_cannot_be_read_is_told_and_left_out), T(a_path_may_begin_at_home), T(the_user_has_one_file) };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
