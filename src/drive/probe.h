#pragma once
#include <stdbool.h>
#include <stddef.h>

/* probe: what this kernel allows this user, tried and not guessed: sockets of the loopback, children for what has no way
 * back. Nothing is changed, and nothing leaves the machine. */
enum skt_probed_state {
    SKT_PROBED_NO,
    SKT_PROBED_YES,
    SKT_PROBED_UNKNOWN, /* it cannot be tried here */
};

enum skt_probed_weight {
    SKT_PROBED_VITAL, /* without it little works */
    SKT_PROBED_USED,  /* without it something works less well, or not at all */
    SKT_PROBED_EXTRA, /* nothing of ours needs it: to compare machines */
};

struct skt_probed {
    const char *name, *what_for;
    enum skt_probed_weight weight;
    enum skt_probed_state state;
    char found[200];    /* for people: "yes", "no: Permission denied", "ABI 4: files, TCP ports" */
    const char *advice; /* what to do about it; NULL: nothing to do */
};

size_t skt_probes(void);                                 /* how many there are */
void skt_probe(size_t i, struct skt_probed *ret_probed); /* tries number i; a few milliseconds at most */
