/* help: --help of a verb, and the list of verbs, for a terminal of 80 columns or fewer. */
#include "cli/rows.h"

#include <stdio.h>

enum {
    HELP_AT = 28, /* column of the help lines */
    NARROW = 60,  /* a terminal with fewer columns has the help below the option */
    TEXT_MAX = 512,
};

static void heading(struct skt_cli *cli, struct skt_sink *sink, const char *text)
{
    int fd = sink->fd;

    skt_sink_fmt(sink, "%s%s%s\n", skt_cli_style(cli, fd, SKT_BOLD), text, skt_cli_style(cli, fd, SKT_PLAIN));
}

/* "  left        help", the help wrapped in its column. */
static void row(struct skt_sink *sink, const char *left, const char *help)
{
    int column = skt_cli_columns(sink->fd) < NARROW ? 10 : HELP_AT;
    int at = (int)skt_len(skt_span_str(left)) + 2;

    skt_sink_fmt(sink, "  %s", left);
    if (at + 2 > column)
        skt_sink_fmt(sink, "\n%*s", column, "");
    else
        skt_sink_fmt(sink, "%*s", column - at, "");
    skt_put_wrapped(sink, help, strlen(help), (uint32_t)column, (uint32_t)column);
}

static void option_row(struct skt_sink *sink, const struct skt_opt *opt)
{
    char left[TEXT_MAX];
    struct skt_room out = skt_room_of(left, sizeof left - 1);

    if (opt->hidden || (!opt->letter && (!opt->name || !*opt->name)))
        return;
    skt_put_option(&out, opt);
    *out.p = 0;
    row(sink, left, opt->help);
}

static void arguments(struct skt_cli *cli, struct skt_sink *sink, const struct skt_opt *opts)
{
    bool any = false;

    for (; opts->kind; opts++) {
        if (!skt_opt_is_arg(opts) || opts->hidden)
            continue;
        if (!any)
            heading(cli, sink, "\nArguments");
        any = true;
        row(sink, opts->arg, opts->help);
    }
}

static void options(struct skt_cli *cli, struct skt_sink *sink, const struct skt_opt *opts)
{
    bool any = false;

    for (; opts->kind; opts++) {
        if (skt_opt_is_arg(opts) || opts->hidden)
            continue;
        if (!any)
            heading(cli, sink, "\nOptions");
        any = true;
        option_row(sink, opts);
    }
}

static void global_options(struct skt_cli *cli, struct skt_sink *sink, const struct skt_opt *opts)
{
    struct skt_cli fresh = { .log_fd = -1 }; /* with the defaults */
    struct skt_parse p;

    if (skt_parse_init(&p, &fresh, opts)) /* out of memory */
        return;
    heading(cli, sink, "\nOptions of every verb");
    for (const struct skt_opt *g = p.global; g->kind; g++)
        option_row(sink, g);
    skt_cli_done(&fresh);
}

static void examples(struct skt_cli *cli, struct skt_sink *sink, const struct skt_example *example)
{
    if (!example)
        return;
    heading(cli, sink, "\nExamples");
    for (; example->command; example++) {
        skt_sink_fmt(sink, "  %s\n      ", example->command);
        skt_put_wrapped(sink, example->what, strlen(example->what), 6, 6);
    }
}

static void see_also(struct skt_sink *sink, const struct skt_verb *verb)
{
    const char *names = verb->see_also;

    skt_sink_str(sink, "\nSee also: ");
    if (verb->topic)
        skt_sink_fmt(sink, "'sockit help %s', ", verb->topic->name);
    for (size_t n; *names; names += n + strspn(names + n, ", ")) {
        n = strcspn(names, ",");
        skt_sink_fmt(sink, "%.*s%s", (int)n, names, names[n] ? ", " : "\n");
    }
}

static void help_to(struct skt_cli *cli, struct skt_sink *sink, const struct skt_verb *verb, const struct skt_opt *opts)
{
    char usage[TEXT_MAX];
    struct skt_room out = skt_room_of(usage, sizeof usage - 1);
    const char *about = verb->about;
    struct skt_span paragraph;

    skt_put_usage(&out, verb, opts);
    skt_sink_fmt(sink, "%ssockit %s%s - %s\n\nUsage: ", skt_cli_style(cli, sink->fd, SKT_BOLD), verb->name,
        skt_cli_style(cli, sink->fd, SKT_PLAIN), verb->summary);
    skt_put_wrapped(sink, usage, (size_t)((char *)out.p - usage), 7, 7);
    while (skt_next_paragraph(&about, &paragraph)) {
        skt_sink_str(sink, "\n");
        skt_put_wrapped(sink, (const char *)paragraph.p, skt_len(paragraph), 0, 0);
    }
    arguments(cli, sink, opts);
    options(cli, sink, opts);
    global_options(cli, sink, opts);
    examples(cli, sink, verb->examples);
    if (verb->see_also)
        see_also(sink, verb);
}

static void lines(struct skt_sink *sink, const struct skt_example *line)
{
    for (; line->command; line++)
        row(sink, line->command, line->what);
}

void skt_help_topic(struct skt_cli *cli, const struct skt_topic *topic)
{
    const char *about = topic->about;
    struct skt_span paragraph;

    heading(cli, &cli->out, topic->title);
    while (skt_next_paragraph(&about, &paragraph)) {
        skt_sink_str(&cli->out, "\n");
        skt_put_wrapped(&cli->out, (const char *)paragraph.p, skt_len(paragraph), 0, 0);
    }
    skt_sink_str(&cli->out, "\n");
    lines(&cli->out, topic->lines);
}

static int described(struct skt_cli *cli, const struct skt_opt *opts)
{
    struct skt_cli *asker = cli->describe_to;

    help_to(asker, &asker->out, cli->verb, opts);
    return 0;
}

/* The verb is asked anew, because what was parsed so far is not the default any more. */
int skt_help_verb(struct skt_cli *cli, const struct skt_verb *verb)
{
    return skt_cli_describe(cli, verb, described, cli, false);
}

static void verb_rows(struct skt_cli *cli, struct skt_sink *sink, const char *group)
{
    size_t n = group ? strlen(group) : 0;

    for (const struct skt_verb *const *v = cli->verbs; *v; v++)
        if (!(*v)->hidden && (!group || (!strncmp((*v)->name, group, n) && strchr(" ", (*v)->name[n]))))
            skt_sink_fmt(sink, "  %-14s %s\n", (*v)->name, (*v)->summary);
}

void skt_help_group(struct skt_cli *cli, const char *word)
{
    skt_sink_fmt(&cli->out, "Usage: sockit %s VERB [OPTION...] [ARGUMENT...]\n\n", word);
    verb_rows(cli, &cli->out, word);
    skt_sink_fmt(&cli->out, "\n'sockit help %s VERB' tells more.\n", word);
}

void skt_help_overview(struct skt_cli *cli, struct skt_sink *sink)
{
    skt_sink_str(sink, "sockit - everything that a socket can do\n\n"
                       "Usage: sockit VERB [OPTION...] [ARGUMENT...]\n");
    heading(cli, sink, "\nVerbs");
    verb_rows(cli, sink, NULL);
    global_options(cli, sink, (const struct skt_opt[]){ SKT_OPT_END });
    skt_sink_str(sink, "\n'sockit help VERB' tells more, 'sockit help --all' everything,\n"
                       "'sockit help exit-codes' what the exit codes mean,\n"
                       "'sockit help units' how a TIME, SIZE or RATE is written.\n");
}
