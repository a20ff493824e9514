#pragma once
#include <stdint.h>

/* suggest: which of many names was probably meant. Offer each name, then look at best. */
struct skt_suggest {
    const char *word;
    const char *best; /* NULL: nothing is near enough */
    uint32_t distance;
};

void skt_suggest_try(struct skt_suggest *suggest, const char *name);
/* Damerau-Levenshtein: letters added, left out, changed, or two neighbours swapped. Words above 63 bytes: UINT32_MAX. */
uint32_t skt_distance(const char *a, const char *b);
