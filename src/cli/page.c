/* page: a verb's manual page, as source for scdoc(1). */
#include "cli/rows.h"

#include <ctype.h>
#include <stdio.h>

/* What scdoc reads as markup is told apart by a backslash; a full stop, which troff would read, it minds itself. */
static void put_plain(struct skt_sink *sink, struct skt_span text)
{
    for (; text.p < text.end; text.p++) {
        if (strchr("\\*_<>`#|~[]+-", *text.p) && *text.p)
            skt_sink_str(sink, "\\");
        skt_sink_put(sink, skt_span_of(text.p, 1));
    }
}

static void put_text(struct skt_sink *sink, const char *text) { put_plain(sink, skt_span_str(text)); }

static void put_bold(struct skt_sink *sink, const char *text)
{
    skt_sink_str(sink, "*");
    put_text(sink, text);
    skt_sink_str(sink, "*");
}

static void put_row(struct skt_sink *sink, const struct skt_opt *opt)
{
    char dashed[96];

    if (opt->hidden || (!skt_opt_is_arg(opt) && !opt->name))
        return;
    if (opt->letter) {
        put_bold(sink, (char[]){ '-', opt->letter, 0 });
        skt_sink_str(sink, *opt->name ? ", " : "");
    }
    if (opt->name && *opt->name) {
        (void)snprintf(dashed, sizeof dashed, "--%s", opt->name);
        put_bold(sink, dashed);
    }
    if (skt_opt_has_value(opt)) {
        skt_sink_str(sink, skt_opt_is_arg(opt) ? "_" : " _");
        put_text(sink, opt->arg);
        skt_sink_str(sink, "_");
    }
    skt_sink_str(sink, "\n\t");
    put_text(sink, opt->help);
    skt_sink_str(sink, "\n\n");
}

static void put_paragraphs(struct skt_sink *sink, const char *text)
{
    struct skt_span paragraph;

    while (skt_next_paragraph(&text, &paragraph)) {
        put_plain(sink, paragraph);
        skt_sink_str(sink, "\n\n");
    }
}

static void put_about(struct skt_sink *sink, const struct skt_verb *verb)
{
    skt_sink_str(sink, "# DESCRIPTION\n\n");
    put_text(sink, verb->summary);
    skt_sink_str(sink, ".\n\n");
    put_paragraphs(sink, verb->about);
}

static void put_examples(struct skt_sink *sink, const struct skt_example *example)
{
    for (; example->command; example++) {
        put_bold(sink, example->command);
        skt_sink_str(sink, "\n\t");
        put_text(sink, example->what);
        skt_sink_str(sink, "\n\n");
    }
}

static void put_topic(struct skt_sink *sink, const struct skt_topic *topic)
{
    if (!topic)
        return;
    skt_sink_str(sink, "# ");
    for (const char *c = topic->name; *c; c++)
        skt_sink_put(sink, skt_span_of((char[]){ (char)toupper((unsigned char)*c) }, 1));
    skt_sink_str(sink, "\n\n");
    put_paragraphs(sink, topic->about);
    put_examples(sink, topic->lines);
}

static void put_objects(struct skt_sink *sink, const struct skt_object *object)
{
    if (!object)
        return;
    skt_sink_str(sink,
        "# JSON\n\nWith --json each line of stdout is an object; its member _event_ says which. Bytes are in "
        "bytes, rates in bytes a second. Members may join later.\n\n");
    for (; object->event; object++) {
        put_bold(sink, object->event);
        skt_sink_str(sink, "\n\t");
        put_text(sink, object->when);
        skt_sink_str(sink, ": ");
        put_text(sink, object->members);
        skt_sink_str(sink, ".\n\n");
    }
}

static void put_exit_codes(struct skt_sink *sink)
{
    skt_sink_str(sink, "# EXIT STATUS\n\n");
    for (const struct skt_exit_row *row = skt_exit_rows(); row->name; row++) {
        skt_sink_fmt(sink, "*%d*\n\t", row->code);
        put_text(sink, row->text);
        skt_sink_str(sink, "\n\n");
    }
}

/* "chat serve" is described in sockit-chat-serve(1). */
static void put_page_name(struct skt_sink *sink, const char *verb, size_t n)
{
    skt_sink_str(sink, "sockit-");
    for (size_t i = 0; i < n; i++)
        skt_sink_put(sink, skt_span_of(verb[i] == ' ' ? "-" : &verb[i], 1));
}

static void put_see_also(struct skt_sink *sink, const char *names)
{
    skt_sink_str(sink, "# SEE ALSO\n\n*sockit*(1)");
    while (names && *names) {
        size_t n = strcspn(names, ",");

        skt_sink_str(sink, ", *");
        put_page_name(sink, names, n);
        skt_sink_str(sink, "*(1)");
        names += n;
        names += strspn(names, ", ");
    }
    skt_sink_str(sink, "\n");
}

static void put_variable(struct skt_sink *sink, const char *verb, const char *option)
{
    char name[128];
    struct skt_room out = skt_room_of(name, sizeof name - 1);

    skt_config_env_name(&out, verb, option);
    *out.p = 0;
    put_text(sink, name);
}

/* Each option's value may come from a variable: by the example of the first one that has a value. */
static void put_environment(struct skt_sink *sink, const struct skt_verb *verb, const struct skt_opt *opts)
{
    while (opts->kind && (skt_opt_is_arg(opts) || opts->hidden || !opts->name || !*opts->name))
        opts++;
    if (!opts->kind)
        return;
    skt_sink_str(sink, "# ENVIRONMENT\n\n*");
    put_variable(sink, verb->name, opts->name);
    skt_sink_str(sink, "*\n\tThe value of *");
    put_text(sink, "--");
    put_text(sink, opts->name);
    skt_sink_str(sink, "*, if the command line does not set it; so for each option. An empty one counts as unset.\n\n");
}

int skt_page_verb(struct skt_cli *cli, const struct skt_opt *opts)
{
    struct skt_sink *sink = cli->describe_to;
    char usage[512];
    struct skt_room out = skt_room_of(usage, sizeof usage - 1);
    struct skt_parse p;

    if (skt_parse_init(&p, cli, opts))
        return SKT_EXIT_LIMIT;
    skt_put_usage(&out, cli->verb, opts);
    *out.p = 0;
    put_page_name(sink, cli->verb->name, strlen(cli->verb->name));
    skt_sink_str(sink, "(1) \"\" \"sockit\"\n\n# NAME\n\n");
    put_page_name(sink, cli->verb->name, strlen(cli->verb->name));
    skt_sink_str(sink, " - ");
    put_text(sink, cli->verb->summary);
    skt_sink_str(sink, "\n\n# SYNOPSIS\n\n");
    put_text(sink, usage);
    skt_sink_str(sink, "\n\n");
    put_about(sink, cli->verb);
    skt_sink_str(sink, "# OPTIONS\n\n");
    for (uint32_t i = 0; skt_parse_row(&p, i); i++)
        put_row(sink, skt_parse_row(&p, i));
    put_topic(sink, cli->verb->topic);
    put_objects(sink, cli->verb->objects);
    if (cli->verb->examples) {
        skt_sink_str(sink, "# EXAMPLES\n\n");
        put_examples(sink, cli->verb->examples);
    }
    put_environment(sink, cli->verb, opts);
    put_exit_codes(sink);
    put_see_also(sink, cli->verb->see_also);
    return 0;
}

static void put_verbs(struct skt_sink *sink, const struct skt_verb *const *verbs)
{
    for (; *verbs; verbs++) {
        if ((*verbs)->hidden)
            continue;
        skt_sink_str(sink, "*");
        put_page_name(sink, (*verbs)->name, strlen((*verbs)->name));
        skt_sink_str(sink, "*(1)\n\t");
        put_text(sink, (*verbs)->summary);
        skt_sink_str(sink, "\n\n");
    }
}

void skt_page_overview(struct skt_sink *sink, const struct skt_verb *const *verbs)
{
    struct skt_cli fresh = { .log_fd = -1 }; /* with the defaults */
    struct skt_opt rows[SKT_GLOBALS + 1];

    skt_cli_globals(&fresh, rows);
    skt_sink_str(sink, "sockit(1) \"\" \"sockit\"\n\n# NAME\n\nsockit - everything that a socket can do\n\n"
                       "# SYNOPSIS\n\n*sockit* _VERB_ \\[OPTION...\\] \\[ARGUMENT...\\]\n\n# VERBS\n\n");
    put_verbs(sink, verbs);
    skt_sink_str(sink, "# OPTIONS\n\nEvery verb has these. Data goes to stdout, talk to stderr.\n\n");
    for (const struct skt_opt *opt = rows; opt->kind; opt++)
        put_row(sink, opt);
    skt_sink_str(sink,
        "# ENVIRONMENT\n\n*SOCKIT\\_VERB\\_OPTION*, *SOCKIT\\_OPTION*\n"
        "\tThe value of an option that the command line does not set, such as SOCKIT\\_COLOR or\n"
        "\tSOCKIT\\_SERVE\\_MAX\\_CONNS. An empty one counts as unset.\n\n"
        "*NO\\_COLOR*\n\tNot empty: no colour, unless --color asks for it.\n\n"
        "# FILES\n\n_~/.config/sockit/config_ (or below _$XDG\\_CONFIG\\_HOME_), "
        "_/etc/sockit/config_\n\tWhat the environment does not set either: a section for each verb, "
        "\\[\\*\\] for\n\tall of them, and lines such as 'max-conns = 500'. See *sockit-config*(1).\n\n");
    put_exit_codes(sink);
    skt_sink_str(sink, "# SEE ALSO\n\n*sockit-help*(1), *sockit-config*(1)\n");
}
