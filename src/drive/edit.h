#pragma once
#include <sockit/bytes.h>

/* edit: what the module sockit-edit.so exports as skt_plug_edit: libedit, fed key by key. cli/edit.h is its front. */
struct skt_edit_ops {
    void *(*new)(const char *prompt); /* of stdin and stdout, a terminal both; draws the prompt. NULL: cannot */
    void (*free)(void *plug);         /* wipes the prompt's line, gives the terminal back as it was; takes NULL */
    /* One byte typed; 1: a line is whole, in *ret_line until the next call; 0: go on; -1: Ctrl-D on an empty line. */
    int (*key)(void *plug, uint8_t key, struct skt_span *ret_line);
    void (*hide)(void *plug); /* wipes the prompt's line */
    void (*draw)(void *plug); /* draws it again */
};
