#pragma once
/* screen: a stranger's bytes as a terminal may have them. Line ends and tabs stay, CR goes, characters stay whole, all else
 * that would move the cursor or command the terminal is escaped. */
#include <sockit/bytes.h>

struct screen {
    uint8_t half[4]; /* a character whose rest has not come yet */
    uint32_t n_half;
};
enum { SCREEN_PIECE = 4096, SCREEN_ROOM = 4 * SCREEN_PIECE };

/* Takes a piece off bytes and writes what to show into out, of SCREEN_ROOM bytes at least. False: nothing is left. */
bool screen_next(struct screen *screen, struct skt_span *bytes, struct skt_room *out);
