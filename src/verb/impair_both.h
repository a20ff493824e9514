#pragma once
/* impair_both: what the proxy and the bridge of `sockit impair` have in common. */
#include <sockit/impair.h>

#include "cli/cli.h"
#include "cli/json.h"
#include "engine/impair/grammar.h"

/* What the options say (base), and the file at path changes; NULL: nothing does. As skt_profile_new, or the file's -errno;
 * in either case *why has a sentence. */
int impair_profile(
    const char *path, const struct skt_netem *base, struct skt_profile **ret_profile, struct skt_room *why);
/* What is done to connections, on top of what the network does; nothing is said of nothing. */
void impair_say_toxics(struct skt_cli *cli, const struct skt_impair_conf *conf);
/* The counters of a way, as members of the object that is open. */
void impair_way_json(struct skt_json *j, const struct skt_impair_way *way);
