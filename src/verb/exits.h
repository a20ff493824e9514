#pragma once
#include <sockit/relay.h>

/* exits: what is said of who has left waits for how his command ended; either may come first. */
struct exits;

enum { EXIT_UNKNOWN = -1 }; /* instead of waitpid(2)'s status: the command runs on, or was forgotten */

struct exits *exits_new(void); /* NULL: out of memory */
void exits_free(struct exits *x);
/* Somebody has left. False: there is no room: say it at once. */
bool exits_left(struct exits *x, const struct skt_relay_event *ev, skt_time now);
void exits_ended(struct exits *x, skt_link target, int status); /* a command has */
/* What can be said now. False: nothing. all: do not wait for any command. */
bool exits_next(struct exits *x, skt_time now, bool all, struct skt_relay_event *ret_event, int *ret_status);
