#pragma once
#include "wire/xfer.h"

/* xferinside: what xfer.c (packets, frames) and xfermessage.c share. */

#define SIZE_LIMIT ((uint64_t)INT64_MAX) /* bytes of a file, as its disk counts them */

static inline const uint8_t *get_bytes(struct skt_span *in, size_t n) { return skt_get_span(in, n).p; }

/* All of it or nothing: out takes over what was put to its copy. */
static inline void commit(struct skt_room *out, struct skt_room copy)
{
    if (copy.bad)
        out->bad = true;
    else
        *out = copy;
}
