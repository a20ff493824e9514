/* rows: pieces of text that help and manual page share. */
#include "cli/rows.h"

#include <stdio.h>

enum { COLUMNS = 79 }; /* at most: longer lines are hard to read */

void skt_put_option(struct skt_room *out, const struct skt_opt *opt)
{
    const char *no = opt->kind == SKT_KIND_FLAG && *opt->to.flag ? "[no-]" : ""; /* on unless told otherwise */

    if (opt->letter)
        skt_put_fmt(out, "-%c%s", opt->letter, *opt->name ? ", " : "");
    else
        skt_put_str(out, "    ");
    if (*opt->name)
        skt_put_fmt(out, "--%s%s", no, opt->name);
    if (skt_opt_has_value(opt))
        skt_put_fmt(out, " %s", opt->arg);
}

static void put_usage_word(struct skt_room *out, const struct skt_opt *opt)
{
    if (opt->kind == SKT_KIND_ARG)
        skt_put_fmt(out, " %s", opt->arg);
    else if (opt->kind == SKT_KIND_ARG_OPT)
        skt_put_fmt(out, " [%s]", opt->arg);
    else if (opt->kind == SKT_KIND_ARGS)
        skt_put_fmt(out, opt->min ? " %s..." : " [%s...]", opt->arg);
    else if (opt->required)
        skt_put_fmt(out, " --%s %s", opt->name, opt->arg);
}

void skt_put_usage(struct skt_room *out, const struct skt_verb *verb, const struct skt_opt *opts)
{
    skt_put_fmt(out, "sockit %s", verb->name);
    if (verb->usage) {
        skt_put_fmt(out, " %s", verb->usage);
        return;
    }
    skt_put_str(out, " [OPTION...]");
    for (; opts->kind; opts++)
        put_usage_word(out, opts);
}

void skt_put_wrapped(struct skt_sink *sink, const char *text, size_t n, uint32_t indent, uint32_t at)
{
    uint32_t columns = skt_cli_columns(sink->fd);
    bool fresh = at >= indent; /* nothing on the line but the indent */

    for (size_t from = 0; from < n;) {
        size_t word = from;

        while (word < n && text[word] != ' ' && text[word] != '\n')
            word++;
        if (!fresh && at + 1 + (word - from) > (columns < COLUMNS ? columns : COLUMNS)) {
            skt_sink_fmt(sink, "\n%*s", (int)indent, "");
            at = indent;
            fresh = true;
        }
        skt_sink_fmt(sink, "%s%.*s", fresh ? "" : " ", (int)(word - from), text + from);
        at += (uint32_t)(word - from) + !fresh;
        fresh = false;
        for (from = word; from < n && (text[from] == ' ' || text[from] == '\n');)
            from++;
    }
    skt_sink_str(sink, "\n");
}

bool skt_next_paragraph(const char **text, struct skt_span *ret_paragraph)
{
    const char *end;

    if (!*text)
        return false;
    while (**text == '\n')
        ++*text;
    if (!**text)
        return false;
    end = strstr(*text, "\n\n");
    *ret_paragraph = skt_span_of(*text, end ? (size_t)(end - *text) : strlen(*text));
    *text += skt_len(*ret_paragraph);
    return true;
}
