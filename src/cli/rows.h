#pragma once
#include "cli/parse.h"

/* rows: what help, manual page, completion and JSON make from the rows of a verb. Each is a fn for skt_cli_describe. */
int skt_page_verb(struct skt_cli *cli, const struct skt_opt *opts);                 /* describe_to: struct skt_sink */
void skt_page_overview(struct skt_sink *sink, const struct skt_verb *const *verbs); /* sockit(1) */
int skt_json_verb(struct skt_cli *cli, const struct skt_opt *opts);                 /* describe_to: struct skt_sink */
struct skt_json;
void skt_json_value(struct skt_json *j, const char *key, const struct skt_opt *opt); /* in its JSON type */

void skt_help_topic(struct skt_cli *cli, const struct skt_topic *topic);

/* "-c, --count N"; "    --count N" without a letter. */
void skt_put_option(struct skt_room *out, const struct skt_opt *opt);
/* "sockit ping [OPTION...] HOST:PORT" */
void skt_put_usage(struct skt_room *out, const struct skt_verb *verb, const struct skt_opt *opts);
/* Text in lines of at most 79 columns, each after `indent` spaces; `at`: columns used in the first one already. */
void skt_put_wrapped(struct skt_sink *sink, const char *text, size_t n, uint32_t indent, uint32_t at);
/* The next paragraph of an about text; false: no more. */
bool skt_next_paragraph(const char **text, struct skt_span *ret_paragraph);

enum skt_shell { SKT_BASH, SKT_ZSH, SKT_FISH };
int skt_completion(struct skt_cli *cli, enum skt_shell shell, struct skt_sink *sink);
