/* config: settings from the environment and from two files, below the command line.  Start at skt_config_apply().
 *
 *     # ~/.config/sockit/config
 *     [*]
 *     color = never
 *     [chat serve]
 *     max-conns = 500
 *
 * A key is the long name of an option. Of two places that set it the more particular one wins: the verb's section
 * before [*], the user's file before the system's. */
#include "cli/parse.h"

#include "cli/suggest.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    FILE_MAX = 64 * 1024,
    LINE_MAX_BYTES = INI_MAX_LINE - 1, /* with its LF */
};

struct reading {
    struct skt_parse *parse;
    const char *path;
    struct skt_span text; /* what is left to read */
    uint32_t line;
    bool any;             /* the pass for [*]; else the one for the verb's own section */
    enum skt_layer layer; /* of the verb's section; [*] is the next one */
    int result;           /* the first failure */
};

const char *skt_config_etc_path(const struct skt_cli *cli)
{
    return cli->etc_config ? cli->etc_config : "/etc/sockit/config";
}

/* XDG base directory specification: a relative path in XDG_CONFIG_HOME is invalid, and is ignored. */
const char *skt_config_user_path(struct skt_cli *cli)
{
    const char *home = getenv("HOME"), *xdg = getenv("XDG_CONFIG_HOME");
    char path[4096];
    int n = 0;

    if (cli->user_config)
        return cli->user_config;
    if (xdg && xdg[0] == '/')
        n = snprintf(path, sizeof path, "%s/sockit/config", xdg);
    else if (home && home[0] == '/')
        n = snprintf(path, sizeof path, "%s/.config/sockit/config", home);
    if (n <= 0 || (size_t)n >= sizeof path)
        return NULL;
    return cli->user_config = skt_cli_keep(cli, path);
}

/* ---- environment ---- */

static void put_upper(struct skt_room *out, const char *name)
{
    for (; *name; name++)
        skt_put_u8(out, isalnum((unsigned char)*name) ? (uint8_t)toupper((unsigned char)*name) : '_');
}

void skt_config_env_name(struct skt_room *out, const char *verb, const char *option)
{
    skt_put_str(out, "SOCKIT_");
    put_upper(out, verb);
    if (*verb)
        skt_put_str(out, "_");
    put_upper(out, option);
}

static bool has_any_variable(void)
{
    for (char **e = environ; e && *e; e++)
        if (!strncmp(*e, "SOCKIT_", 7))
            return true;
    return false;
}

/* An empty variable counts as unset. */
static int from_variable(struct skt_parse *p, uint32_t i, enum skt_layer layer)
{
    char name[128];
    struct skt_room out = skt_room_of(name, sizeof name - 1);
    const char *value;

    skt_config_env_name(&out, layer == SKT_FROM_ENV_VERB ? p->cli->verb->name : "", skt_parse_row(p, i)->name);
    *out.p = 0;
    value = out.bad ? NULL : getenv(name);
    if (!value || !*value)
        return 0;
    return skt_parse_set(
        p, i, value, &(struct skt_origin){ .layer = layer, .where = skt_cli_keep(p->cli, name) }, name);
}

static bool can_be_set(const struct skt_opt *opt)
{
    return opt->name && *opt->name && !skt_opt_is_arg(opt) && strcmp(opt->name, "help") != 0;
}

static int from_environment(struct skt_parse *p)
{
    const struct skt_opt *opt;
    int r = 0;

    if (!has_any_variable())
        return 0;
    for (uint32_t i = 0; r == 0 && (opt = skt_parse_row(p, i)); i++) {
        if (can_be_set(opt))
            r = from_variable(p, i, SKT_FROM_ENV_VERB);
        if (can_be_set(opt) && r == 0)
            r = from_variable(p, i, SKT_FROM_ENV);
    }
    return r;
}

/* ---- files ---- */

/* inih's reader: the next line. Counts lines, which inih does not tell; an indented one is no continuation here. */
static char *next_line(char *to, int size, void *from)
{
    struct reading *f = from;
    const uint8_t *lf = skt_len(f->text) ? memchr(f->text.p, '\n', skt_len(f->text)) : NULL;
    size_t n;

    while (f->text.p < f->text.end && (*f->text.p == ' ' || *f->text.p == '\t'))
        f->text.p++;
    n = lf ? (size_t)(lf - f->text.p) + 1 : skt_len(f->text);
    if (n == 0 || f->result)
        return NULL;
    f->line++;
    if (n >= (size_t)size || n > LINE_MAX_BYTES || memchr(f->text.p, 0, n)) {
        f->result = skt_cli_usage(f->parse->cli, "%s:%u: the line is longer than %d bytes, or holds a NUL", f->path,
            f->line, LINE_MAX_BYTES - 1);
        return NULL;
    }
    memcpy(to, f->text.p, n);
    to[n] = 0;
    f->text.p += n;
    return to;
}

static int look_for(struct skt_cli *cli, const struct skt_opt *opts)
{
    const char **name = cli->describe_to; /* NULL: found */

    for (; *name && opts->kind; opts++)
        if (can_be_set(opts) && !strcmp(opts->name, *name))
            *name = NULL;
    return 0;
}

/* Has any verb such an option? Only asked for keys of [*] that the running verb does not know. */
static bool known_elsewhere(struct skt_cli *cli, const char *name)
{
    for (const struct skt_verb *const *v = cli->verbs; name && v && *v; v++)
        (void)skt_cli_describe(cli, *v, look_for, &name, false);
    return !name;
}

static int unknown_key(const struct reading *f, const char *key)
{
    struct skt_suggest near = { .word = key };
    const struct skt_opt *opt;

    for (uint32_t i = 0; (opt = skt_parse_row(f->parse, i)); i++)
        if (can_be_set(opt) && !opt->hidden)
            skt_suggest_try(&near, opt->name);
    return skt_cli_usage(f->parse->cli, "%s:%u: unknown key '%s'%s%s%s", f->path, f->line, key,
        near.best ? "; did you mean '" : "", near.best ? near.best : "", near.best ? "'?" : "");
}

static bool section_known(const struct skt_cli *cli, const char *section)
{
    bool known = !strcmp(section, "*") || !strcmp(section, cli->verb->name);

    for (const struct skt_verb *const *v = cli->verbs; !known && v && *v; v++)
        known = !strcmp(section, (*v)->name);
    return known;
}

static int unknown_section(const struct reading *f, const char *section)
{
    const struct skt_cli *cli = f->parse->cli;
    struct skt_suggest near = { .word = section };

    for (const struct skt_verb *const *v = cli->verbs; v && *v; v++)
        skt_suggest_try(&near, (*v)->name);
    if (!*section)
        return skt_cli_usage(
            f->parse->cli, "%s:%u: a section must come first: [*], or a verb's name such as [serve]", f->path, f->line);
    return skt_cli_usage(f->parse->cli, "%s:%u: unknown section [%s]; did you mean [%s]?", f->path, f->line, section,
        near.best ? near.best : "*");
}

/* "~/x" of a file is below the home directory, as it would be in a shell. */
static const char *below_home(const struct skt_opt *opt, const char *value, char *path, size_t size)
{
    const char *home = getenv("HOME");

    if (opt->kind != SKT_KIND_PATH || strncmp(value, "~/", 2) != 0 || !home)
        return value;
    return snprintf(path, size, "%s%s", home, value + 1) < (int)size ? path : value;
}

/* inih's handler: 1 goes on. */
static int on_key(void *to, const char *section, const char *key, const char *value)
{
    struct reading *f = to;
    struct skt_parse *p = f->parse;
    struct skt_origin source = { .layer = f->any ? f->layer + 1 : f->layer, .line = f->line, .where = f->path };
    bool mine = !strcmp(section, f->any ? "*" : p->cli->verb->name);
    uint32_t i = skt_parse_find(p, key, strlen(key));
    char place[4300], full[4096];

    if (f->result)
        return 0;
    if (!section_known(p->cli, section))
        f->result = unknown_section(f, section);
    else if (mine && i != UINT32_MAX && can_be_set(skt_parse_row(p, i))) {
        (void)snprintf(place, sizeof place, "%s:%u: %s", f->path, f->line, key);
        value = below_home(skt_parse_row(p, i), value, full, sizeof full);
        f->result = skt_parse_set(p, i, value, &source, place);
    } else if (mine && !(f->any && known_elsewhere(p->cli, key))) {
        f->result = unknown_key(f, key);
    }
    return f->result == 0;
}

static int on_any_key(void *to, const char *section, const char *key, const char *value) { return 1; }

/* First whether it is such a file at all, so that the first line that is wrong is the one told. */
static int check_syntax(struct skt_parse *p, const char *path, struct skt_span text)
{
    struct reading f = { .parse = p, .path = path, .text = text };
    int wrong = ini_parse_stream(next_line, &f, on_any_key, &f);

    if (f.result || !wrong)
        return f.result;
    return skt_cli_usage(p->cli, "%s:%d: neither [section] nor 'key = value'", path, wrong);
}

static int from_text(struct skt_parse *p, const char *path, struct skt_span text, enum skt_layer layer)
{
    int r = check_syntax(p, path, text);

    for (int any = 0; any < 2 && r == 0; any++) {
        struct reading f = { .parse = p, .path = path, .text = text, .any = any, .layer = layer };

        (void)ini_parse_stream(next_line, &f, on_key, &f); /* what went wrong is in f */
        r = f.result;
    }
    return r;
}

/* Bytes read, at most size; -errno. */
static ssize_t read_file(const char *path, char *to, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    size_t n = 0;
    ssize_t got = fd < 0 ? -errno : 1;

    while (fd >= 0 && n < size && got > 0) {
        got = read(fd, to + n, size - n);
        if (got < 0)
            got = errno == EINTR ? 1 : -errno;
        else
            n += (size_t)got;
    }
    if (fd >= 0)
        (void)close(fd); /* only read */
    return got < 0 ? got : (ssize_t)n;
}

static int from_file(struct skt_parse *p, const char *path, enum skt_layer layer)
{
    char *text = NULL;
    ssize_t n;
    int r = 0;

    if (!path || access(path, F_OK)) /* the usual case: no file, no cost */
        return 0;
    text = malloc(FILE_MAX + 1);
    if (!text)
        return skt_cli_fail(p->cli, SKT_PHASE_ANY, ENOMEM, path);
    n = read_file(path, text, FILE_MAX + 1);
    if (n < 0)
        skt_cli_warn(p->cli, "cannot read %s: %s; its settings are not used", path, strerror((int)-n));
    else if (n > FILE_MAX)
        r = skt_cli_usage(p->cli, "%s: larger than 64 KiB", path);
    else
        r = from_text(p, path, skt_span_of(text, (size_t)n), layer);
    free(text);
    return r;
}

int skt_config_apply(struct skt_parse *p)
{
    int r = from_environment(p);

    if (r == 0)
        r = from_file(p, skt_config_user_path(p->cli), SKT_FROM_USER_VERB);
    if (r == 0)
        r = from_file(p, skt_config_etc_path(p->cli), SKT_FROM_ETC_VERB);
    return r;
}
