#pragma once
#include "cli/cli.h"

/* The rows of all verbs; each stands at the end of its file. */
extern const struct skt_verb skt_verb_serve;
extern const struct skt_verb skt_verb_help;
extern const struct skt_verb skt_verb_config;
extern const struct skt_verb skt_verb_completion;
