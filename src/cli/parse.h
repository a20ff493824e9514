#pragma once
#include "cli/cli.h"

/* parse: the inside of skt_cli_parse, shared by the files of src/cli. */

/* Where a value came from, strongest first: what a layer set, those below it leave alone. */
enum skt_layer {
    SKT_FROM_DEFAULT, /* nobody set it */
    SKT_FROM_FLAG,
    SKT_FROM_ENV_VERB,  /* SOCKIT_PING_COUNT */
    SKT_FROM_ENV,       /* SOCKIT_COUNT */
    SKT_FROM_USER_VERB, /* [ping] in the user's file */
    SKT_FROM_USER,      /* [*] */
    SKT_FROM_ETC_VERB,
    SKT_FROM_ETC,
};

struct skt_origin {
    enum skt_layer layer;
    uint32_t line;     /* of a file, from 1 */
    const char *where; /* name of the variable, path of the file */
};

enum { SKT_GLOBALS = 7, SKT_OPTS_MAX = 128 /* rows of a verb and the global ones */ };

struct skt_parse {
    struct skt_cli *cli;
    const struct skt_opt *own;
    struct skt_opt global[SKT_GLOBALS + 1];
    uint32_t n_own;
    const char **words; /* positional ones */
    uint32_t n_words;
};

/* The options of all verbs, and an END. */
void skt_cli_globals(struct skt_cli *cli, struct skt_opt *rows /* SKT_GLOBALS + 1 */);
int skt_parse_init(struct skt_parse *parse, struct skt_cli *cli, const struct skt_opt *own); /* 0, -ENOMEM */

/* All rows by number: the verb's, then the global ones. NULL: behind the last. A global row that a row of the verb
 * hides has no name and no letter. */
const struct skt_opt *skt_parse_row(const struct skt_parse *parse, uint32_t i);
bool skt_opt_is_arg(const struct skt_opt *opt);    /* positional */
bool skt_opt_has_value(const struct skt_opt *opt); /* --name VALUE, not a flag */
const struct skt_origin *skt_parse_source(const struct skt_parse *parse, uint32_t i);
/* The row of that long name (n bytes); UINT32_MAX: none. */
uint32_t skt_parse_find(const struct skt_parse *parse, const char *name, size_t n);
/* Sets row i from text unless a stronger layer did; an error is told, naming `place`. 0 or SKT_EXIT_USAGE. */
int skt_parse_set(
    struct skt_parse *parse, uint32_t i, const char *text, const struct skt_origin *source, const char *place);

/* Options before the verb's name; ret_used: how many words. 0 or an exit code. */
int skt_parse_leading(struct skt_cli *cli, int argc, char **argv, int *ret_used);

/* Environment and both files. 0 or an exit code. */
int skt_config_apply(struct skt_parse *parse);
const char *skt_config_user_path(struct skt_cli *cli); /* NULL: no home, or out of memory */
const char *skt_config_etc_path(const struct skt_cli *cli);
/* SOCKIT_CHAT_SERVE_MAX_CONNS; verb "": SOCKIT_MAX_CONNS. */
void skt_config_env_name(struct skt_room *out, const char *verb, const char *option);

/* Sets the variable of a row. 0, -EINVAL, -ERANGE, -ENOSPC, -ENOMEM, with one sentence in *why. again: the same layer
 * set it before, so lists go on and counters count. text NULL: a flag or counter without a value. */
int skt_opt_set(struct skt_cli *cli, const struct skt_opt *opt, const char *text, bool again, struct skt_room *why);
void skt_opt_put_value(struct skt_room *out, const struct skt_opt *opt); /* for people; readable by skt_opt_set */
bool skt_opt_unset(const struct skt_opt *opt); /* nothing to show: NULL, empty, below its limit */

void *skt_cli_keep_bytes(struct skt_cli *cli, size_t n); /* zeroed; lives as long as the cli; NULL: no memory */
void skt_cli_init(struct skt_cli *cli, const struct skt_verb *const *verbs);
void skt_cli_done(struct skt_cli *cli);
int skt_cli_open_log(struct skt_cli *cli); /* 0 or an exit code */

/* Calls a verb's run so that fn gets its rows (with the user's settings in them if `set`). What fn or parse gave. */
int skt_cli_describe(struct skt_cli *cli, const struct skt_verb *verb,
    int (*fn)(struct skt_cli *cli, const struct skt_opt *opts), void *to, bool set);
/* The verb that argv begins with, and of how many words its name is. NULL: none. */
const struct skt_verb *skt_verb_find(const struct skt_verb *const *verbs, int argc, char **argv, int *ret_words);
/* "did you mean", and exit code 2. */
int skt_verb_unknown(struct skt_cli *cli, int argc, char **argv);

/* help.c: for the terminal. */
int skt_help_verb(struct skt_cli *cli, const struct skt_verb *verb); /* to cli->out; 0 or an exit code */
void skt_help_overview(struct skt_cli *cli, struct skt_sink *sink);
void skt_help_group(struct skt_cli *cli, const char *word); /* "chat": its verbs */
bool skt_verb_is_group(const struct skt_verb *const *verbs, const char *word);
