#pragma once
/* prompt: connect -i: lines typed at a prompt are sent, what comes is shown above it. */
#include <sockit/relay.h>

#include "verb/live.h"

struct prompt;

/* Takes stdin. 0 or an exit code, said already. 'quit' or the end of input ends what is sent. prompt_close takes NULL. */
int prompt_open(struct live *live, struct skt_relay *relay, struct prompt **ret_prompt);
void prompt_close(struct prompt *prompt);
/* Nobody hears it any more: gives the terminal back, before what is to be said about it. Takes NULL. */
void prompt_end(struct prompt *prompt);
bool prompt_ended(const struct prompt *prompt);                 /* by 'quit' or the end of input. NULL: true */
void prompt_show(struct prompt *prompt, struct skt_span bytes); /* escaped, whole characters, and the prompt again */
