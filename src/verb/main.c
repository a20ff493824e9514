/* main: the table of verbs, and nothing else. Verbs of one group ("chat serve", "chat join") stand together. */
#include "verb/verbs.h"

static const struct skt_verb *const verbs[] = {
    &skt_verb_serve,
    &skt_verb_listen,
    &skt_verb_connect,
    &skt_verb_chat_serve,
    &skt_verb_hub,
    &skt_verb_send,
    &skt_verb_recv,
    &skt_verb_impair,
    &skt_verb_help,
    &skt_verb_doctor,
    &skt_verb_config,
    &skt_verb_completion,
    NULL,
};

int main(int argc, char **argv) { return skt_cli_main(argc, argv, verbs); }
