/* help: what the program can do, for people, for man(1) and for programs. */
#include "verb/verbs.h"

#include "cli/json.h"
#include "cli/rows.h"

static int json_of_all(struct skt_cli *cli)
{
    int r = 0;

    for (const struct skt_verb *const *v = cli->verbs; *v && r == 0; v++)
        if (!(*v)->hidden)
            r = skt_cli_describe(cli, *v, skt_json_verb, &cli->out, false);
    return r;
}

static void exit_codes(struct skt_cli *cli)
{
    struct skt_json j;

    for (const struct skt_exit_row *row = skt_exit_rows(); row->name; row++) {
        if (!cli->json) {
            skt_sink_fmt(&cli->out, "%4d  %-12s %s\n", row->code, row->name, row->text);
            continue;
        }
        skt_json_begin(&j, &cli->out);
        skt_json_u64(&j, "code", row->code);
        skt_json_str(&j, "name", row->name);
        skt_json_str(&j, "text", row->text);
        skt_json_end(&j);
    }
}

static void json_row(struct skt_cli *cli, const char *value, const char *text)
{
    struct skt_json j;

    skt_json_begin(&j, &cli->out);
    skt_json_str(&j, "value", value);
    skt_json_str(&j, "text", text);
    skt_json_end(&j);
}

/* How values are written, wherever a verb takes one: base/units.h. */
static void units(struct skt_cli *cli)
{
    static const char *const rows[][2] = {
        { "TIME", "5s, 100ms, 1h30m; ns us ms s m h d; without: s (impair wants a unit)" },
        { "SIZE", "64KiB and 64k are 65536 bytes, 64kB is 64000; so with M, G, T" },
        { "RATE", "10mbit, 1MB/s, 64KiB/s; 1m, 1000: bytes a second (impair wants bit or B)" },
        { "PCT", "1% or 0.5%" },
        { "CIDR", "10.0.0.0/8, 192.0.2.7, 2001:db8::/32" },
        { "HOST:PORT", "localhost:http, [::1]:80, unix:/path; to listen: 80 (loopback), '*:80'" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (cli->json)
            json_row(cli, rows[i][0], rows[i][1]);
        else
            skt_sink_fmt(&cli->out, "  %-10s %s\n", rows[i][0], rows[i][1]);
    }
}

static const struct skt_topic *topic_of(struct skt_cli *cli, const char *name)
{
    for (const struct skt_verb *const *v = cli->verbs; *v; v++)
        if ((*v)->topic && !strcmp((*v)->topic->name, name))
            return (*v)->topic;
    return NULL;
}

static void tell_topic(struct skt_cli *cli, const struct skt_topic *topic)
{
    if (!cli->json)
        skt_help_topic(cli, topic);
    for (const struct skt_example *line = topic->lines; cli->json && line->command; line++)
        json_row(cli, line->command, line->what);
}

static int help_everything(struct skt_cli *cli)
{
    int r = 0;

    skt_help_overview(cli, &cli->out);
    for (const struct skt_verb *const *v = cli->verbs; *v && r == 0; v++) {
        if ((*v)->hidden)
            continue;
        skt_sink_str(&cli->out, "\n\n");
        r = skt_help_verb(cli, *v);
    }
    return r;
}

static int help_word(struct skt_cli *cli, int argc, char **argv, bool man)
{
    int words;
    const struct skt_verb *verb = skt_verb_find(cli->verbs, argc, argv, &words);

    if (!verb && argc == 1 && skt_verb_is_group(cli->verbs, argv[0])) {
        skt_help_group(cli, argv[0]);
        return 0;
    }
    if (!verb)
        return skt_verb_unknown(cli, argc, argv);
    if (words < argc)
        return skt_cli_usage(cli, "'%s' is one argument too many after '%s'", argv[words], verb->name);
    if (man)
        return skt_cli_describe(cli, verb, skt_page_verb, &cli->out, false);
    if (cli->json)
        return skt_cli_describe(cli, verb, skt_json_verb, &cli->out, false);
    return skt_help_verb(cli, verb);
}

static int help(struct skt_cli *cli)
{
    struct skt_strs words = { 0 };
    bool all = false, man = false;
    const struct skt_opt opts[] = {
        SKT_OPT_FLAG('a', "all", &all, "the help of every verb"),
        SKT_OPT_FLAG(0, "man", &man, "the manual page of VERB or of all, for scdoc(1)"),
        SKT_ARGS(&words, "VERB", "a verb; or 'exit-codes', 'units', 'profile'"),
        SKT_OPT_END,
    };
    int r = skt_cli_parse(cli, opts);

    if (r)
        return r;
    if (words.n == 1 && !strcmp(words.at[0], "exit-codes"))
        exit_codes(cli);
    else if (words.n == 1 && !strcmp(words.at[0], "units"))
        units(cli);
    else if (words.n == 1 && topic_of(cli, words.at[0]))
        tell_topic(cli, topic_of(cli, words.at[0]));
    else if (words.n)
        return help_word(cli, (int)words.n, (char **)(uintptr_t)words.at, man);
    else if (man)
        skt_page_overview(&cli->out, cli->verbs);
    else if (cli->json)
        return json_of_all(cli);
    else if (all)
        return help_everything(cli);
    else
        skt_help_overview(cli, &cli->out);
    return 0;
}

const struct skt_verb skt_verb_help = {
    "help",
    "Tell what sockit can do, and how",
    help,
    .examples = SKT_EXAMPLES({ "sockit help config", "one verb" }, { "sockit help --all", "every verb" },
        { "sockit help exit-codes", "what the exit codes mean" },
        { "sockit help units", "how a TIME, SIZE or RATE is written" },
        { "sockit help profile", "the lines of a file for impair --profile" },
        { "sockit help --json", "every verb and option, one JSON object a line" }),
    .see_also = "config, completion",
};
