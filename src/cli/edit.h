#pragma once
#include <sockit/bytes.h>

/* edit: a line typed at a prompt, fed key by key, so that the caller's loop can wait for other things, too. On a terminal
 * it is the plug-in sockit-edit.so (libedit: editing, history in the session, UTF-8); without a terminal, or without the
 * plug-in, lines are taken as they come and no prompt is shown unless stdout is a terminal. */
struct skt_edit;

int skt_edit_new(const char *prompt, struct skt_edit **ret_edit); /* of stdin and stdout; -ENOMEM */
void skt_edit_free(struct skt_edit *edit);                        /* gives the terminal back as it was; takes NULL */
void skt_edit_keys(struct skt_edit *edit, struct skt_span keys);  /* what was read from stdin */
void skt_edit_end(struct skt_edit *edit);                         /* stdin has ended: what was typed is a line */
/* The next line that is whole, without its LF; valid until the next call. False: none. */
bool skt_edit_line(struct skt_edit *edit, struct skt_span *ret_line);
bool skt_edit_ended(
    const struct skt_edit *edit); /* Ctrl-D on an empty line, or the end of stdin, and no line is left */
/* Writes text (already harmless) above the prompt, and the prompt with what is typed so far behind it. */
void skt_edit_show(struct skt_edit *edit, struct skt_span text);
