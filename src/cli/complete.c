/* complete: completion scripts for bash, zsh and fish, made from the rows of all verbs. */
#include "cli/rows.h"

#include <stdio.h>

struct completing {
    struct skt_sink *sink;
    enum skt_shell shell;
};

/* What can stand for the value of an option, or for a word. */
static bool takes_file(const struct skt_opt *opt)
{
    return opt->kind == SKT_KIND_PATH || !strcmp(opt->arg, "FILE") || !strcmp(opt->arg, "PATH") ||
           !strcmp(opt->arg, "DIR") || !strcmp(opt->arg, "DB");
}

static bool takes_verb(const struct skt_opt *opt) { return skt_opt_is_arg(opt) && !strcmp(opt->arg, "VERB"); }

static bool is_on(const struct skt_opt *opt) { return opt->kind == SKT_KIND_FLAG && *opt->to.flag; }

static void put_names(struct skt_sink *sink, const struct skt_opt *opt)
{
    for (uint32_t i = 0; opt->names[i]; i++)
        skt_sink_fmt(sink, "%s%s", i ? " " : "", opt->names[i]);
}

/* Between single quotes: ' becomes '\''. More: characters that get a backslash in front. */
static void put_quoted(struct skt_sink *sink, const char *text, const char *more)
{
    for (; *text; text++) {
        if (*text == '\'')
            skt_sink_str(sink, "'\\'");
        else if (strchr(more, *text))
            skt_sink_str(sink, "\\");
        skt_sink_put(sink, skt_span_of(text, 1));
    }
}

/* ---- bash ---- */

static void bash_words(struct skt_sink *sink, const struct skt_opt *opt)
{
    if (opt->letter)
        skt_sink_fmt(sink, " -%c", opt->letter);
    if (*opt->name)
        skt_sink_fmt(sink, " --%s%s", is_on(opt) ? "no-" : "", opt->name);
}

static void bash_case(struct skt_sink *sink, const struct skt_opt *opt)
{
    skt_sink_fmt(sink, "            ");
    if (opt->letter)
        skt_sink_fmt(sink, "-%c%s", opt->letter, *opt->name ? "|" : "");
    if (*opt->name)
        skt_sink_fmt(sink, "--%s", opt->name);
    if (opt->names) {
        skt_sink_str(sink, ") words='");
        put_names(sink, opt);
        skt_sink_str(sink, "' ;;\n");
    } else {
        skt_sink_str(sink, takes_file(opt) ? ") words= files=1 ;;\n" : ") words= ;;\n");
    }
}

static bool is_shown(const struct skt_opt *opt)
{
    return !skt_opt_is_arg(opt) && !opt->hidden && opt->name && (*opt->name || opt->letter);
}

static const char bash_begin[] = "# bash completion of sockit, made by 'sockit completion bash'\n"
                                 "_sockit() {\n"
                                 "    local now=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}\n"
                                 "    local first=${COMP_WORDS[1]} verb words= files=\n"
                                 "    COMPREPLY=()\n"
                                 "    [[ $now == '=' ]] && now=\n"
                                 "    [[ $before == '=' ]] && before=${COMP_WORDS[COMP_CWORD-2]}\n";
static const char bash_end[] = "    esac\n"
                               "    [[ $words ]] && COMPREPLY=($(compgen -W \"$words\" -- \"$now\"))\n"
                               "    [[ $files ]] && { compopt -o filenames 2>/dev/null\n"
                               "        mapfile -t COMPREPLY < <(compgen -f -- \"$now\"); }\n"
                               "    return 0\n"
                               "}\n"
                               "complete -F _sockit sockit\n";

/* The words that follow `first` in names of two words; without `first`: all first words. */
static void put_verb_words(struct skt_sink *sink, const struct skt_cli *cli, const char *first)
{
    const char *last = ""; /* verbs of one group stand together in the table */

    for (const struct skt_verb *const *v = cli->verbs; *v; v++) {
        size_t n = strcspn((*v)->name, " ");
        bool same = first && strlen(first) == n && !memcmp(first, (*v)->name, n);

        if ((*v)->hidden || (first && !(same && (*v)->name[n])))
            continue;
        if (first)
            skt_sink_fmt(sink, " %s", (*v)->name + n + 1);
        else if (strncmp(last, (*v)->name, n) != 0 || last[n] != (*v)->name[n] || !last[n])
            skt_sink_fmt(sink, " %.*s", (int)n, (*v)->name);
        last = (*v)->name;
    }
}

/* Calls fn once for each first word of names of two words. */
static void each_group(struct skt_sink *sink, const struct skt_cli *cli,
    void (*fn)(struct skt_sink *sink, const struct skt_cli *cli, const char *group))
{
    char last[64] = "", group[64];

    for (const struct skt_verb *const *v = cli->verbs; *v; v++) {
        size_t n = strcspn((*v)->name, " ");

        (void)snprintf(group, sizeof group, "%.*s", (int)n, (*v)->name);
        if ((*v)->name[n] && strcmp(group, last) != 0 && !(*v)->hidden)
            fn(sink, cli, group);
        (void)snprintf(last, sizeof last, "%s", group);
    }
}

/* What a word that is no option may be. */
static void bash_args(struct skt_sink *sink, const struct skt_parse *p)
{
    bool files = false;

    skt_sink_str(sink, "        *) [[ $now == -* ]] || { words='");
    for (uint32_t i = 0; i < p->n_own; i++) {
        const struct skt_opt *opt = &p->own[i];

        if (!skt_opt_is_arg(opt) || opt->hidden)
            continue;
        if (opt->names)
            put_names(sink, opt);
        if (takes_verb(opt))
            put_verb_words(sink, p->cli, NULL);
        files = files || takes_file(opt);
    }
    skt_sink_str(sink, files ? "' files=1; } ;;\n        esac ;;\n" : "'; } ;;\n        esac ;;\n");
}

static void bash_verb(struct skt_sink *sink, const struct skt_verb *verb, const struct skt_parse *p)
{
    const struct skt_opt *opt;

    skt_sink_fmt(sink, "    '%s')\n        words='", verb->name);
    for (uint32_t i = 0; (opt = skt_parse_row(p, i)); i++)
        if (is_shown(opt))
            bash_words(sink, opt);
    skt_sink_str(sink, "'\n        case $before in\n");
    for (uint32_t i = 0; (opt = skt_parse_row(p, i)); i++)
        if (is_shown(opt) && skt_opt_has_value(opt))
            bash_case(sink, opt);
    bash_args(sink, p);
}

static void bash_group(struct skt_sink *sink, const struct skt_cli *cli, const char *group)
{
    skt_sink_fmt(sink, "    [[ $first == %s ]] && {\n        verb=\"%s ${COMP_WORDS[2]}\"\n", group, group);
    skt_sink_str(sink, "        (( COMP_CWORD == 2 )) && { COMPREPLY=($(compgen -W '");
    put_verb_words(sink, cli, group);
    skt_sink_str(sink, "' -- \"$now\")); return; }\n    }\n");
}

static void bash_head(struct skt_sink *sink, const struct skt_cli *cli)
{
    skt_sink_str(sink, bash_begin);
    skt_sink_str(sink, "    verb=$first\n    (( COMP_CWORD == 1 )) && { COMPREPLY=($(compgen -W '--version --help");
    put_verb_words(sink, cli, NULL);
    skt_sink_str(sink, "' -- \"$now\")); return; }\n");
    each_group(sink, cli, bash_group);
    skt_sink_str(sink, "    case $verb in\n");
}

/* ---- zsh ---- */

static void zsh_action(struct skt_sink *sink, const struct skt_cli *cli, const struct skt_opt *opt)
{
    skt_sink_str(sink, ":");
    put_quoted(sink, opt->arg, ":[]\\");
    skt_sink_str(sink, ":");
    if (opt->names) {
        skt_sink_str(sink, "(");
        put_names(sink, opt);
        skt_sink_str(sink, ")");
    } else if (takes_verb(opt)) {
        skt_sink_str(sink, "(");
        put_verb_words(sink, cli, NULL);
        skt_sink_str(sink, ")");
    } else if (takes_file(opt)) {
        skt_sink_str(sink, "_files");
    }
}

static void zsh_row(
    struct skt_sink *sink, const struct skt_cli *cli, const struct skt_opt *opt, char letter, const char *name)
{
    bool many = opt->kind == SKT_KIND_LIST || opt->kind == SKT_KIND_COUNT || opt->kind == SKT_KIND_PORTS;

    skt_sink_str(sink, many ? " \\\n            '*" : " \\\n            '");
    if (letter)
        skt_sink_fmt(sink, "-%c%s", letter, skt_opt_has_value(opt) ? "+" : "");
    else
        skt_sink_fmt(sink, "--%s%s%s", is_on(opt) ? "no-" : "", name, skt_opt_has_value(opt) ? "=" : "");
    skt_sink_str(sink, "[");
    put_quoted(sink, opt->help, ":[]\\");
    skt_sink_str(sink, "]");
    if (skt_opt_has_value(opt))
        zsh_action(sink, cli, opt);
    skt_sink_str(sink, "'");
}

static void zsh_arg(struct skt_sink *sink, const struct skt_cli *cli, const struct skt_opt *opt)
{
    skt_sink_str(sink, opt->kind == SKT_KIND_ARGS ? " \\\n            '*" : " \\\n            '");
    skt_sink_str(sink, opt->kind == SKT_KIND_ARG_OPT ? ":" : "");
    zsh_action(sink, cli, opt);
    skt_sink_str(sink, "'");
}

static void zsh_verb(struct skt_sink *sink, const struct skt_verb *verb, const struct skt_parse *p)
{
    const struct skt_opt *opt;

    skt_sink_fmt(sink, "    '%s')\n        _arguments -s", verb->name);
    for (uint32_t i = 0; (opt = skt_parse_row(p, i)); i++) {
        if (skt_opt_is_arg(opt) && !opt->hidden)
            zsh_arg(sink, p->cli, opt);
        if (is_shown(opt) && opt->letter)
            zsh_row(sink, p->cli, opt, opt->letter, "");
        if (is_shown(opt) && *opt->name)
            zsh_row(sink, p->cli, opt, 0, opt->name);
    }
    skt_sink_str(sink, " ;;\n");
}

static void zsh_group(struct skt_sink *sink, const struct skt_cli *cli, const char *group)
{
    skt_sink_fmt(sink,
        "    if [[ $verb == %s ]]; then\n"
        "        (( CURRENT == 2 )) && { compadd --",
        group);
    put_verb_words(sink, cli, group);
    skt_sink_str(sink, "; return }\n"
                       "        verb=\"$verb $words[2]\"\n"
                       "        shift words; (( CURRENT-- ))\n"
                       "    fi\n");
}

static void zsh_head(struct skt_sink *sink, const struct skt_cli *cli)
{
    skt_sink_str(sink, "#compdef sockit\n"
                       "# zsh completion of sockit, made by 'sockit completion zsh'\n"
                       "_sockit() {\n"
                       "    local verb\n"
                       "    (( CURRENT == 2 )) && { compadd -- --version --help");
    put_verb_words(sink, cli, NULL);
    skt_sink_str(sink, "; return }\n"
                       "    verb=$words[2]\n"
                       "    shift words; (( CURRENT-- ))\n");
    each_group(sink, cli, zsh_group);
    skt_sink_str(sink, "    case $verb in\n");
}

static const char zsh_end[] =
    "    esac\n"
    "}\n"
    "if [[ $funcstack[1] == _sockit ]]; then _sockit \"$@\"; else compdef _sockit sockit; fi\n";

/* ---- fish ---- */

static void fish_names(struct skt_sink *sink, const struct skt_cli *cli, const struct skt_opt *opt)
{
    bool verb = skt_opt_has_value(opt) && takes_verb(opt);

    if (!opt->names && !verb)
        return;
    skt_sink_str(sink, " -a '");
    if (verb)
        put_verb_words(sink, cli, NULL);
    else
        put_names(sink, opt);
    skt_sink_str(sink, "'");
}

/* Words that are no options: without one that takes a file, no file names are offered. */
static void fish_args(struct skt_sink *sink, const struct skt_verb *verb, const struct skt_parse *p)
{
    bool files = false;

    for (uint32_t i = 0; i < p->n_own; i++)
        files = files || (skt_opt_is_arg(&p->own[i]) && takes_file(&p->own[i]));
    if (!files)
        skt_sink_fmt(sink, "complete -c sockit -f -n '__sockit_is %s'\n", verb->name);
    for (uint32_t i = 0; i < p->n_own; i++) {
        if (!skt_opt_is_arg(&p->own[i]) || (!p->own[i].names && !takes_verb(&p->own[i])))
            continue;
        skt_sink_fmt(sink, "complete -c sockit -n '__sockit_is %s'", verb->name);
        fish_names(sink, p->cli, &p->own[i]);
        skt_sink_str(sink, "\n");
    }
}

static void fish_row(
    struct skt_sink *sink, const struct skt_verb *verb, const struct skt_cli *cli, const struct skt_opt *opt)
{
    skt_sink_fmt(sink, "complete -c sockit -n '__sockit_is %s'", verb->name);
    if (opt->letter)
        skt_sink_fmt(sink, " -s %c", opt->letter);
    if (*opt->name)
        skt_sink_fmt(sink, " -l %s%s", is_on(opt) ? "no-" : "", opt->name);
    if (skt_opt_has_value(opt))
        skt_sink_str(sink, takes_file(opt) ? " -rF" : " -x");
    fish_names(sink, cli, opt);
    skt_sink_str(sink, " -d '");
    put_quoted(sink, opt->help, "\\");
    skt_sink_str(sink, "'\n");
}

static void fish_word(struct skt_sink *sink, const struct skt_verb *verb)
{
    const char *second = strchr(verb->name, ' ');

    if (second)
        skt_sink_fmt(sink, "complete -c sockit -f -n '__sockit_is_just %.*s' -a %s -d '", (int)(second - verb->name),
            verb->name, second + 1);
    else
        skt_sink_fmt(sink, "complete -c sockit -f -n __sockit_is_just -a %s -d '", verb->name);
    put_quoted(sink, verb->summary, "\\");
    skt_sink_str(sink, "'\n");
}

static void fish_verb(struct skt_sink *sink, const struct skt_verb *verb, const struct skt_parse *p)
{
    const struct skt_opt *opt;

    fish_word(sink, verb);
    fish_args(sink, verb, p);
    for (uint32_t i = 0; (opt = skt_parse_row(p, i)); i++)
        if (is_shown(opt))
            fish_row(sink, verb, p->cli, opt);
}

static void fish_group(struct skt_sink *sink, const struct skt_cli *cli, const char *group)
{
    skt_sink_fmt(sink, "complete -c sockit -f -n __sockit_is_just -a %s\n", group);
}

static void fish_head(struct skt_sink *sink, const struct skt_cli *cli)
{
    skt_sink_str(sink, "# fish completion of sockit, made by 'sockit completion fish'\n"
                       "function __sockit_is\n"
                       "    set -l words (commandline -opc)[2..-1]\n"
                       "    set -l n (count $argv)\n"
                       "    test (count $words) -ge $n; and test \"$words[1..$n]\" = \"$argv\"\n"
                       "end\n"
                       "function __sockit_is_just\n"
                       "    set -l words (commandline -opc)[2..-1]\n"
                       "    test \"$words\" = \"$argv\"\n"
                       "end\n"
                       "complete -c sockit -f -n __sockit_is_just -l version -d 'print the version'\n");
    each_group(sink, cli, fish_group);
}

/* ---- all ---- */

static int complete_verb(struct skt_cli *cli, const struct skt_opt *opts)
{
    static void (*const of_shell[])(struct skt_sink *, const struct skt_verb *, const struct skt_parse *) = {
        [SKT_BASH] = bash_verb,
        [SKT_ZSH] = zsh_verb,
        [SKT_FISH] = fish_verb,
    };
    const struct completing *c = cli->describe_to;
    struct skt_parse p;

    if (skt_parse_init(&p, cli, opts))
        return SKT_EXIT_LIMIT;
    of_shell[c->shell](c->sink, cli->verb, &p);
    return 0;
}

int skt_completion(struct skt_cli *cli, enum skt_shell shell, struct skt_sink *sink)
{
    struct completing c = { sink, shell };
    int r = 0;

    if (shell == SKT_BASH)
        bash_head(sink, cli);
    else if (shell == SKT_ZSH)
        zsh_head(sink, cli);
    else
        fish_head(sink, cli);
    for (const struct skt_verb *const *v = cli->verbs; *v && r == 0; v++)
        if (!(*v)->hidden)
            r = skt_cli_describe(cli, *v, complete_verb, &c, false);
    skt_sink_str(sink, shell == SKT_BASH ? bash_end : shell == SKT_ZSH ? zsh_end : "");
    return r;
}
