#pragma once
/* impair_bridge: the half of `sockit impair` that stands between two interfaces. */
#include "cli/cli.h"
#include "engine/impair/grammar.h"

struct impair_bridge {
    const char *interfaces[2];     /* A, B; up is from A to B */
    const struct skt_netem *netem; /* what the options say */
    const char *profile;           /* a file that changes it; NULL: none. SIGHUP reads it anew */
    uint64_t bytes;                /* of memory for frames on their way, both ways; 0: 256 MiB */
    uint32_t mtu;                  /* packets above it vanish; 0: none */
    skt_time spin;                 /* stay awake so long before a deadline */
    bool realtime;
    skt_time stats; /* print counters as JSON so often, and at the end; 0: with --json each second */
};

/* Until SIGINT or SIGTERM, or an interface is gone. The exit code. */
int impair_bridge(struct skt_cli *cli, const struct impair_bridge *conf);
