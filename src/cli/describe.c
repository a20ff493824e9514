/* describe: a verb and its rows as JSON, and values in their types. */
#include "cli/rows.h"

#include "cli/json.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const kind_names[SKT_KINDS] = {
    [SKT_KIND_FLAG] = "flag",
    [SKT_KIND_COUNT] = "count",
    [SKT_KIND_U32] = "number",
    [SKT_KIND_U64] = "number",
    [SKT_KIND_SIZE] = "size",
    [SKT_KIND_TIME] = "time",
    [SKT_KIND_RATE] = "rate",
    [SKT_KIND_PERCENT] = "percent",
    [SKT_KIND_STR] = "text",
    [SKT_KIND_PATH] = "path",
    [SKT_KIND_CHOICE] = "choice",
    [SKT_KIND_PORTS] = "ports",
    [SKT_KIND_LIST] = "list",
    [SKT_KIND_ARG] = "text",
    [SKT_KIND_ARG_OPT] = "text",
    [SKT_KIND_ARGS] = "list",
};

static void json_text(struct skt_json *j, const char *key, const struct skt_opt *opt)
{
    char text[4096];
    struct skt_room out = skt_room_of(text, sizeof text);

    skt_opt_put_value(&out, opt);
    skt_json_span(j, key, skt_span_of(text, (size_t)((char *)out.p - text)));
}

/* Times in seconds, sizes in bytes, rates in bytes a second. */
void skt_json_value(struct skt_json *j, const char *key, const struct skt_opt *opt)
{
    if (opt->kind == SKT_KIND_LIST || opt->kind == SKT_KIND_ARGS) {
        skt_json_array(j, key);
        for (uint32_t i = 0; i < opt->to.list->n; i++)
            skt_json_str(j, NULL, opt->to.list->at[i]);
        skt_json_close(j);
        return;
    }
    if (skt_opt_unset(opt)) {
        skt_json_null(j, key);
        return;
    }
    switch (opt->kind) {
    case SKT_KIND_FLAG: skt_json_bool(j, key, *opt->to.flag); break;
    case SKT_KIND_COUNT:
    case SKT_KIND_U32: skt_json_u64(j, key, *opt->to.u32); break;
    case SKT_KIND_U64:
    case SKT_KIND_SIZE:
    case SKT_KIND_RATE: skt_json_u64(j, key, *opt->to.u64); break;
    case SKT_KIND_TIME: skt_json_double(j, key, (double)*opt->to.time / (double)SKT_SEC); break;
    case SKT_KIND_PERCENT: skt_json_double(j, key, *opt->to.share); break;
    case SKT_KIND_STR:
    case SKT_KIND_PATH:
    case SKT_KIND_ARG:
    case SKT_KIND_ARG_OPT: skt_json_str(j, key, *opt->to.str); break;
    default: json_text(j, key, opt); break;
    }
}

/* In the unit of the value. */
static void json_limit(struct skt_json *j, const char *key, const struct skt_opt *opt, uint64_t limit)
{
    if (limit && opt->kind == SKT_KIND_TIME)
        skt_json_double(j, key, (double)limit / (double)SKT_SEC);
    else if (limit)
        skt_json_u64(j, key, limit);
}

static void json_row(struct skt_json *j, const struct skt_opt *opt)
{
    bool arg = skt_opt_is_arg(opt);

    skt_json_object(j, NULL);
    if (!arg)
        skt_json_str(j, "name", opt->name);
    if (opt->letter)
        skt_json_span(j, "letter", skt_span_of(&opt->letter, 1));
    skt_json_str(j, "kind", kind_names[opt->kind]);
    if (skt_opt_has_value(opt))
        skt_json_str(j, "arg", opt->arg);
    skt_json_str(j, "help", opt->help);
    if (arg || opt->required)
        skt_json_bool(j, "required", opt->required || opt->kind == SKT_KIND_ARG || (arg && opt->min));
    json_limit(j, "min", opt, opt->min);
    json_limit(j, "max", opt, opt->max);
    if (opt->names)
        skt_json_array(j, "choices");
    for (uint32_t i = 0; opt->names && opt->names[i]; i++)
        skt_json_str(j, NULL, opt->names[i]);
    if (opt->names)
        skt_json_close(j);
    if (!arg)
        skt_json_value(j, "default", opt);
    skt_json_close(j);
}

static void json_rows(struct skt_json *j, const char *key, const struct skt_opt *opts, bool args)
{
    skt_json_array(j, key);
    for (; opts->kind; opts++)
        if (!opts->hidden && skt_opt_is_arg(opts) == args && (args || opts->name))
            json_row(j, opts);
    skt_json_close(j);
}

static void json_examples(struct skt_json *j, const struct skt_example *example)
{
    skt_json_array(j, "examples");
    for (; example && example->command; example++) {
        skt_json_object(j, NULL);
        skt_json_str(j, "command", example->command);
        skt_json_str(j, "what", example->what);
        skt_json_close(j);
    }
    skt_json_close(j);
}

static void json_objects(struct skt_json *j, const struct skt_object *object)
{
    skt_json_array(j, "objects");
    for (; object && object->event; object++) {
        skt_json_object(j, NULL);
        skt_json_str(j, "event", object->event);
        skt_json_str(j, "when", object->when);
        skt_json_str(j, "members", object->members);
        skt_json_close(j);
    }
    skt_json_close(j);
}

int skt_json_verb(struct skt_cli *cli, const struct skt_opt *opts)
{
    char usage[512];
    struct skt_room out = skt_room_of(usage, sizeof usage);
    struct skt_parse p;
    struct skt_json j;

    if (skt_parse_init(&p, cli, opts))
        return SKT_EXIT_LIMIT;
    skt_put_usage(&out, cli->verb, opts);
    skt_json_begin(&j, cli->describe_to);
    skt_json_str(&j, "verb", cli->verb->name);
    skt_json_str(&j, "summary", cli->verb->summary);
    skt_json_span(&j, "usage", skt_span_of(usage, (size_t)((char *)out.p - usage)));
    json_rows(&j, "arguments", opts, true);
    json_rows(&j, "options", opts, false);
    json_rows(&j, "options_of_every_verb", p.global, false);
    json_objects(&j, cli->verb->objects);
    json_examples(&j, cli->verb->examples);
    skt_json_str(&j, "see_also", cli->verb->see_also);
    skt_json_end(&j);
    return 0;
}
