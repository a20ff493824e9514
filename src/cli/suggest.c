/* suggest: the nearest of many names, as in "did you mean --timeout?". */
#include "cli/suggest.h"

#include <string.h>

enum { WORD_MAX = 63 };

static uint32_t least(uint32_t a, uint32_t b) { return a < b ? a : b; }

uint32_t skt_distance(const char *a, const char *b)
{
    size_t na = strlen(a), nb = strlen(b);
    uint32_t rows[3][WORD_MAX + 1], *before = rows[0], *last = rows[1], *now = rows[2];

    if (na > WORD_MAX || nb > WORD_MAX)
        return UINT32_MAX;
    for (uint32_t j = 0; j <= nb; j++)
        before[j] = last[j] = j;
    for (uint32_t i = 1; i <= na; i++) {
        uint32_t *spare = before;

        now[0] = i;
        for (uint32_t j = 1; j <= nb; j++) {
            now[j] = least(last[j - 1] + (a[i - 1] != b[j - 1]), least(last[j], now[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = least(now[j], before[j - 2] + 1);
        }
        before = last;
        last = now;
        now = spare;
    }
    return last[nb];
}

/* A beginning ("--time") is as near as one slip; else one slip in three letters is allowed. */
void skt_suggest_try(struct skt_suggest *suggest, const char *name)
{
    size_t n = strlen(suggest->word);
    uint32_t distance = skt_distance(suggest->word, name);

    if (n >= 3 && distance && !strncmp(suggest->word, name, n))
        distance = 1;
    if (distance > (n + 2) / 3 || n < 2)
        return;
    if (!suggest->best || distance < suggest->distance) {
        suggest->best = name;
        suggest->distance = distance;
    }
}
