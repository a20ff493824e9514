/* config: each option's value, and where it comes from. */
#include "verb/verbs.h"

#include "base/text.h"
#include "cli/json.h"
#include "cli/rows.h"

#include <stdio.h>
#include <unistd.h>

enum { VALUE_MAX = 4096 };

struct showing {
    struct skt_cli *asker;
    bool all; /* defaults too */
    uint32_t shown;
};

static const char *layer_name(enum skt_layer layer)
{
    switch (layer) {
    case SKT_FROM_DEFAULT: return "default";
    case SKT_FROM_FLAG: return "flag";
    case SKT_FROM_ENV_VERB:
    case SKT_FROM_ENV: return "environment";
    case SKT_FROM_USER_VERB:
    case SKT_FROM_USER: return "user";
    case SKT_FROM_ETC_VERB:
    case SKT_FROM_ETC: return "system";
    }
    return "";
}

static void show_json(struct showing *s, const char *verb, const struct skt_opt *opt, const struct skt_origin *source)
{
    struct skt_json j;

    skt_json_begin(&j, &s->asker->out);
    skt_json_str(&j, "verb", verb);
    skt_json_str(&j, "option", opt->name);
    skt_json_value(&j, "value", opt);
    skt_json_str(&j, "from", layer_name(source->layer));
    if (source->where)
        skt_json_str(&j, "where", source->where);
    if (source->line)
        skt_json_u64(&j, "line", source->line);
    skt_json_end(&j);
}

/* "count = 4    # default": can be pasted into a file. */
static void show_line(struct showing *s, const struct skt_opt *opt, const struct skt_origin *source)
{
    char value[VALUE_MAX], line[4 * VALUE_MAX + 128];
    struct skt_room v = skt_room_of(value, sizeof value), out = skt_room_of(line, sizeof line);

    skt_opt_put_value(&v, opt);
    skt_put_fmt(&out, "%s%s = ", skt_opt_unset(opt) ? "# " : "", opt->name);
    skt_put_escaped(&out, skt_span_of(value, (size_t)((char *)v.p - value)));
    skt_sink_fmt(&s->asker->out, "%-40.*s  ; %s", (int)((char *)out.p - line), line, layer_name(source->layer));
    if (source->where)
        skt_sink_fmt(&s->asker->out, " %s", source->where);
    if (source->line)
        skt_sink_fmt(&s->asker->out, ":%u", source->line);
    skt_sink_str(&s->asker->out, "\n");
}

static int show(struct skt_cli *cli, const struct skt_opt *opts)
{
    struct showing *s = cli->describe_to;
    const struct skt_opt *opt;
    bool any = false;
    struct skt_parse p;

    if (skt_parse_init(&p, cli, opts))
        return SKT_EXIT_LIMIT;
    for (uint32_t i = 0; (opt = skt_parse_row(&p, i)); i++) {
        const struct skt_origin *source = skt_parse_source(&p, i);

        if (!opt->name || !*opt->name || skt_opt_is_arg(opt) || opt->hidden || !strcmp(opt->name, "help"))
            continue;
        if (!s->all && !source->layer)
            continue;
        s->shown++;
        if (s->asker->json) {
            show_json(s, cli->verb->name, opt, source);
            continue;
        }
        if (!any)
            skt_sink_fmt(&s->asker->out, "[%s]\n", cli->verb->name);
        any = true;
        show_line(s, opt, source);
    }
    return 0;
}

/* Which variables of the environment no option has asked for, by ones that begin with SOCKIT_. */
struct unasked {
    const char *name; /* NULL: somebody did */
    size_t n;
};

static bool is_named(const struct unasked *u, const char *verb, const char *option)
{
    char name[128];
    struct skt_room out = skt_room_of(name, sizeof name);

    skt_config_env_name(&out, verb, option);
    return skt_span_eq(skt_span_of(name, (size_t)((char *)out.p - name)), skt_span_of(u->name, u->n));
}

static int ask(struct skt_cli *cli, const struct skt_opt *opts)
{
    struct unasked *u = cli->describe_to;
    const struct skt_opt *opt;
    struct skt_parse p;

    if (skt_parse_init(&p, cli, opts))
        return SKT_EXIT_LIMIT;
    for (uint32_t i = 0; u->name && (opt = skt_parse_row(&p, i)); i++)
        if (opt->name && (is_named(u, "", opt->name) || is_named(u, cli->verb->name, opt->name)))
            u->name = NULL;
    return 0;
}

/* A variable that no option reads is most likely a slip, which nobody else would notice. */
static int warn_of_variables(struct skt_cli *cli)
{
    int r = 0;

    for (char **e = environ; *e; e++) {
        struct unasked u = { *e, strcspn(*e, "=") };

        if (strncmp(*e, "SOCKIT_", 7) != 0)
            continue;
        for (const struct skt_verb *const *v = cli->verbs; *v && r == 0; v++)
            r = skt_cli_describe(cli, *v, ask, &u, false);
        if (u.name)
            skt_cli_warn(cli, "no option reads %.*s", (int)u.n, u.name);
    }
    return r;
}

static void show_path(struct skt_cli *cli, const char *path, const char *which)
{
    bool there = path && !access(path, R_OK);
    struct skt_json j;

    if (!path)
        return;
    if (!cli->json) {
        skt_sink_fmt(&cli->out, "%s%s\n", path, there ? "" : "  (not there)");
        return;
    }
    skt_json_begin(&j, &cli->out);
    skt_json_str(&j, "from", which);
    skt_json_str(&j, "path", path);
    skt_json_bool(&j, "there", there);
    skt_json_end(&j);
}

static int show_verbs(struct skt_cli *cli, const struct skt_strs *words, bool all)
{
    struct showing s = { .asker = cli, .all = all || words->n };
    char **argv = (char **)(uintptr_t)words->at;
    int used, r = 0;

    if (words->n) {
        const struct skt_verb *verb = skt_verb_find(cli->verbs, (int)words->n, argv, &used);

        if (!verb || used < (int)words->n)
            return skt_verb_unknown(cli, (int)words->n, argv);
        return skt_cli_describe(cli, verb, show, &s, true);
    }
    for (const struct skt_verb *const *v = cli->verbs; *v && r == 0; v++)
        if (!(*v)->hidden)
            r = skt_cli_describe(cli, *v, show, &s, true);
    if (r == 0)
        r = warn_of_variables(cli);
    if (r == 0 && !s.shown)
        skt_cli_say(cli, "everything is at its default; 'sockit config VERB' shows the values");
    return r;
}

static int config(struct skt_cli *cli)
{
    struct skt_strs words = { 0 };
    bool all = false, path = false;
    const struct skt_opt opts[] = {
        SKT_OPT_FLAG('a', "all", &all, "all verbs, defaults too"),
        SKT_OPT_FLAG(0, "path", &path, "only the files that are read, strongest first"),
        SKT_ARGS(&words, "VERB", "this verb; without: what is set anywhere"),
        SKT_OPT_END,
    };
    int r = skt_cli_parse(cli, opts);

    if (r)
        return r;
    if (!path)
        return show_verbs(cli, &words, all);
    show_path(cli, skt_config_user_path(cli), "user");
    show_path(cli, skt_config_etc_path(cli), "system");
    return 0;
}

const struct skt_verb skt_verb_config = {
    "config",
    "Show each option's value, and where it comes from",
    config,
    .about = "An option has the value of the first of these that gives one: the command line; SOCKIT_VERB_OPTION and "
             "SOCKIT_OPTION in the environment; ~/.config/sockit/config (or below $XDG_CONFIG_HOME); "
             "/etc/sockit/config; its default.\n\n"
             "The files have a section for each verb, such as [chat serve], and [*] for all of them. A key is the "
             "long name of an option: 'max-conns = 500'. What is printed here can be put into such a file.",
    .examples = SKT_EXAMPLES({ "sockit config", "what is set anywhere" },
        { "sockit config --all --json", "all values, one JSON object a line" },
        { "sockit config --path", "where the files are" }),
    .see_also = "help",
};
