/* parse: the command line, by the rows.  Start reading at skt_cli_parse(), near the end. */
#include "cli/parse.h"

#include "cli/suggest.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

static const char *const color_names[] = { "auto", "always", "never", NULL };

void skt_cli_globals(struct skt_cli *cli, struct skt_opt *rows)
{
    const struct skt_opt all[] = {
        SKT_OPT_FLAG('h', "help", &cli->help, "print this"),
        SKT_OPT_FLAG(0, "json", &cli->json, "one JSON object a line on stdout"),
        SKT_OPT_FLAG('q', "quiet", &cli->quiet, "no talk and no progress on stderr, only errors"),
        SKT_OPT_COUNT('v', "verbose", &cli->verbose, "say more; -vv: still more"),
        SKT_OPT_PATH(0, "pcap", &cli->pcap, "FILE", "record all that passes as pcapng", .min = 1),
        SKT_OPT_CHOICE(0, "color", &cli->color, "WHEN", color_names, "auto, always or never (auto: on a terminal)"),
        SKT_OPT_PATH(0, "log", &cli->log, "FILE",
            "append what is said to FILE, with times; of who comes and goes at most 20 lines a second, and how many more",
            .min = 1),
        SKT_OPT_END,
    };

    static_assert(sizeof all / sizeof *all == SKT_GLOBALS + 1, "SKT_GLOBALS");
    memcpy(rows, all, sizeof all);
}

bool skt_opt_is_arg(const struct skt_opt *opt)
{
    return opt->kind == SKT_KIND_ARG || opt->kind == SKT_KIND_ARG_OPT || opt->kind == SKT_KIND_ARGS;
}

bool skt_opt_has_value(const struct skt_opt *opt) { return opt->kind != SKT_KIND_FLAG && opt->kind != SKT_KIND_COUNT; }

/* A row of the verb wins over a global one: by name the whole row goes, by letter only the letter. */
static void hide_globals(struct skt_parse *p)
{
    for (struct skt_opt *g = p->global; g->kind; g++)
        for (uint32_t i = 0; i < p->n_own; i++) {
            const struct skt_opt *own = &p->own[i];

            if (g->name && own->name && !strcmp(own->name, g->name))
                g->name = NULL;
            if (g->letter && (!g->name || own->letter == g->letter))
                g->letter = 0;
        }
}

int skt_parse_init(struct skt_parse *p, struct skt_cli *cli, const struct skt_opt *own)
{
    *p = (struct skt_parse){ .cli = cli, .own = own };
    while (own[p->n_own].kind)
        p->n_own++;
    assert(p->n_own <= SKT_OPTS_MAX - SKT_GLOBALS);
    skt_cli_globals(cli, p->global);
    hide_globals(p);
    if (!cli->sources) /* global ones first: they are set already by words before the verb */
        cli->sources = skt_cli_keep_bytes(cli, SKT_OPTS_MAX * sizeof *cli->sources);
    return cli->sources ? 0 : -ENOMEM;
}

const struct skt_opt *skt_parse_row(const struct skt_parse *p, uint32_t i)
{
    return i < p->n_own ? &p->own[i] : i - p->n_own < SKT_GLOBALS ? &p->global[i - p->n_own] : NULL;
}

static struct skt_origin *source_of(const struct skt_parse *p, uint32_t i)
{
    return &p->cli->sources[i < p->n_own ? SKT_GLOBALS + i : i - p->n_own];
}

const struct skt_origin *skt_parse_source(const struct skt_parse *p, uint32_t i) { return source_of(p, i); }

uint32_t skt_parse_find(const struct skt_parse *p, const char *name, size_t n)
{
    const struct skt_opt *opt;

    for (uint32_t i = 0; (opt = skt_parse_row(p, i)); i++)
        if (opt->name && strlen(opt->name) == n && n && !memcmp(opt->name, name, n))
            return i;
    return UINT32_MAX;
}

static uint32_t find_letter(const struct skt_parse *p, char letter)
{
    const struct skt_opt *opt;

    for (uint32_t i = 0; (opt = skt_parse_row(p, i)); i++)
        if (opt->letter == letter)
            return i;
    return UINT32_MAX;
}

int skt_parse_set(struct skt_parse *p, uint32_t i, const char *text, const struct skt_origin *source, const char *place)
{
    struct skt_origin *set = source_of(p, i);
    char sentence[512];
    struct skt_room why = skt_room_of(sentence, sizeof sentence - 1);

    if (set->layer && set->layer < source->layer)
        return 0;
    if (skt_opt_set(p->cli, skt_parse_row(p, i), text, set->layer == source->layer, &why)) {
        *why.p = 0;
        return skt_cli_usage(p->cli, "%s: %s", place, sentence);
    }
    *set = *source;
    return 0;
}

static int set_by_flag(struct skt_parse *p, uint32_t i, const char *text, const char *place)
{
    return skt_parse_set(p, i, text, &(struct skt_origin){ .layer = SKT_FROM_FLAG }, place);
}

static int unknown_option(struct skt_parse *p, const char *name, size_t n)
{
    char word[64];
    struct skt_suggest near = { .word = word };
    const struct skt_opt *opt;

    (void)snprintf(word, sizeof word, "%.*s", (int)n, name);
    for (uint32_t i = 0; (opt = skt_parse_row(p, i)); i++)
        if (opt->name && !opt->hidden)
            skt_suggest_try(&near, opt->name);
    if (near.best)
        return skt_cli_usage(p->cli, "there is no option --%s; did you mean --%s?", word, near.best);
    return skt_cli_usage(p->cli, "there is no option --%s", word);
}

/* "--name=value", "--name value", "--flag", "--no-flag"; text is what follows the dashes. *at: number of its word. */
static int long_option(struct skt_parse *p, const char *text, int *at)
{
    size_t n = strcspn(text, "=");
    const char *value = text[n] ? text + n + 1 : NULL;
    uint32_t i = skt_parse_find(p, text, n);
    bool no = false;
    char place[80];

    if (i == UINT32_MAX && !strncmp(text, "no-", 3)) {
        i = skt_parse_find(p, text + 3, n - 3);
        no = i != UINT32_MAX && skt_parse_row(p, i)->kind == SKT_KIND_FLAG;
        i = no ? i : UINT32_MAX;
    }
    if (i == UINT32_MAX)
        return unknown_option(p, text, n);
    (void)snprintf(place, sizeof place, "--%.*s", (int)n, text);
    if (!skt_opt_has_value(skt_parse_row(p, i))) {
        if (value)
            return skt_cli_usage(p->cli, "%s takes no value, but '%s' was given", place, value);
        return set_by_flag(p, i, no ? "no" : NULL, place);
    }
    if (!value && *at + 1 >= p->cli->argc)
        return skt_cli_usage(p->cli, "%s needs a value: %s %s", place, place, skt_parse_row(p, i)->arg);
    return set_by_flag(p, i, value ? value : p->cli->argv[++*at], place);
}

/* "-abc", "-p80", "-p 80"; text is what follows the dash. */
static int short_options(struct skt_parse *p, const char *text, int *at)
{
    for (; *text; text++) {
        char place[] = { '-', *text, 0 };
        uint32_t i = find_letter(p, *text);
        int r;

        if (i == UINT32_MAX)
            return skt_cli_usage(p->cli, "there is no option %s", place);
        if (skt_opt_has_value(skt_parse_row(p, i))) {
            if (!text[1] && *at + 1 >= p->cli->argc)
                return skt_cli_usage(p->cli, "%s needs a value: %s %s", place, place, skt_parse_row(p, i)->arg);
            return set_by_flag(p, i, text[1] ? text + 1 : p->cli->argv[++*at], place);
        }
        r = set_by_flag(p, i, NULL, place);
        if (r)
            return r;
    }
    return 0;
}

/* Options and words, in any order; after "--" words only. *ret_used, where asked for: stop at the first word. */
static int take_words(struct skt_parse *p, int *ret_used)
{
    const struct skt_cli *cli = p->cli;
    bool only_words = false;
    int i = 0, r = 0;

    for (; i < cli->argc && r == 0; i++) {
        const char *word = cli->argv[i];

        if (only_words || word[0] != '-' || !word[1]) {
            if (ret_used)
                break;
            p->words[p->n_words++] = word;
        } else if (!strcmp(word, "--")) {
            only_words = true;
        } else if (word[1] == '-') {
            r = long_option(p, word + 2, &i);
        } else {
            r = short_options(p, word + 1, &i);
        }
    }
    if (ret_used)
        *ret_used = i;
    return r;
}

int skt_parse_leading(struct skt_cli *cli, int argc, char **argv, int *ret_used)
{
    const struct skt_opt none[] = { SKT_OPT_END };
    struct skt_parse p;

    cli->argc = argc;
    cli->argv = argv;
    if (skt_parse_init(&p, cli, none))
        return skt_cli_fail(cli, SKT_PHASE_ANY, ENOMEM, "options");
    return take_words(&p, ret_used);
}

/* How many words the rows want at least. */
static uint32_t words_needed(const struct skt_parse *p)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < p->n_own; i++)
        if (p->own[i].kind == SKT_KIND_ARG)
            n++;
        else if (p->own[i].kind == SKT_KIND_ARGS)
            n += (uint32_t)p->own[i].min;
    return n;
}

static int missing_word(struct skt_parse *p)
{
    uint32_t n = p->n_words;

    for (uint32_t i = 0; i < p->n_own; i++) {
        const struct skt_opt *opt = &p->own[i];
        uint32_t wants = opt->kind == SKT_KIND_ARG ? 1 : opt->kind == SKT_KIND_ARGS ? (uint32_t)opt->min : 0;

        if (n < wants)
            return skt_cli_usage(p->cli, "%s is missing: %s", opt->arg, opt->help);
        n -= wants;
    }
    return 0;
}

/* Hands the words to the rows: each has what it needs, then optional ones and the rest row share what is over. */
static int place_words(struct skt_parse *p)
{
    uint32_t need = words_needed(p), spare = p->n_words - need, at = 0;
    int r = 0;

    if (p->n_words < need)
        return missing_word(p);
    for (uint32_t i = 0; i < p->n_own && r == 0; i++) {
        const struct skt_opt *opt = &p->own[i];
        uint32_t n = opt->kind == SKT_KIND_ARG ? 1 : 0;

        if (opt->kind == SKT_KIND_ARG_OPT)
            n = spare ? 1 : 0;
        else if (opt->kind == SKT_KIND_ARGS)
            n = (uint32_t)opt->min + spare;
        if (opt->kind == SKT_KIND_ARG_OPT || opt->kind == SKT_KIND_ARGS)
            spare -= n - (opt->kind == SKT_KIND_ARGS ? (uint32_t)opt->min : 0);
        while (n-- && r == 0)
            r = set_by_flag(p, i, p->words[at++], opt->arg);
    }
    if (r == 0 && at < p->n_words)
        return skt_cli_usage(p->cli, "'%s' is one argument too many", p->words[at]);
    return r;
}

static int check_required(struct skt_parse *p)
{
    for (uint32_t i = 0; i < p->n_own; i++)
        if (p->own[i].required && !source_of(p, i)->layer)
            return skt_cli_usage(p->cli, "--%s %s is missing: %s", p->own[i].name, p->own[i].arg, p->own[i].help);
    return 0;
}

static int described(struct skt_cli *cli, const struct skt_opt *opts)
{
    int r = cli->describe(cli, opts);

    return r ? r : SKT_CLI_DONE;
}

int skt_cli_parse(struct skt_cli *cli, const struct skt_opt *opts)
{
    struct skt_parse p;
    int r;

    if (cli->describe && !cli->describe_set)
        return described(cli, opts);
    if (skt_parse_init(&p, cli, opts))
        return skt_cli_fail(cli, SKT_PHASE_ANY, ENOMEM, "options");
    p.words = skt_cli_keep_bytes(cli, ((size_t)cli->argc + 1) * sizeof *p.words);
    if (!p.words)
        return skt_cli_fail(cli, SKT_PHASE_ANY, ENOMEM, "options");
    r = take_words(&p, NULL);
    if (r == 0 && cli->help)
        return skt_help_verb(cli, cli->verb) ? SKT_EXIT_FAILED : SKT_CLI_DONE;
    if (r == 0)
        r = skt_config_apply(&p);
    if (r == 0 && cli->describe)
        return described(cli, opts);
    if (r == 0)
        r = place_words(&p);
    if (r == 0)
        r = check_required(&p);
    return r ? r : skt_cli_open_log(cli);
}

bool skt_cli_given(const struct skt_cli *cli, const struct skt_opt *opts, const char *name)
{
    for (uint32_t i = 0; opts[i].kind; i++)
        if (opts[i].name && !strcmp(opts[i].name, name))
            return cli->sources[SKT_GLOBALS + i].layer == SKT_FROM_FLAG;
    return false;
}
