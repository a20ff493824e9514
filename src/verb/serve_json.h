#pragma once
#include <sockit/rt.h>

#include "cli/cli.h"
#include "verb/exits.h"

/* serve_json: an object a line; the caller flushes, but behind the first and the statistics. */
void serve_json_listening(struct skt_cli *cli, const char *where); /* only with --json */
void serve_json_came(struct skt_cli *cli, const struct skt_addr *peer);
/* status: of waitpid(2), how his command ended; EXIT_UNKNOWN: there was none, or it runs on. */
void serve_json_left(struct skt_cli *cli, const struct skt_relay_event *ev, int status);
void serve_json_unheard(struct skt_cli *cli, const struct skt_addr *peer, const char *why);
void serve_json_stats(struct skt_cli *cli, const struct skt_rt_stats *stats);
