#pragma once
#include "cli/cli.h"

/* The rows of all verbs; each stands at the end of its file. */
extern const struct skt_verb skt_verb_serve;
extern const struct skt_verb skt_verb_listen;
extern const struct skt_verb skt_verb_connect;
extern const struct skt_verb skt_verb_chat_serve;
extern const struct skt_verb skt_verb_hub;
extern const struct skt_verb skt_verb_send;
extern const struct skt_verb skt_verb_recv;
extern const struct skt_verb skt_verb_impair;
extern const struct skt_verb skt_verb_help;
extern const struct skt_verb skt_verb_doctor;
extern const struct skt_verb skt_verb_config;
extern const struct skt_verb skt_verb_completion;
