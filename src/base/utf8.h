#pragma once
#include <sockit/bytes.h>

/* utf8: RFC 3629; no overlong form, no surrogate, nothing above U+10FFFF. */
size_t skt_utf8_whole(
    struct skt_span s); /* length of the prefix that cuts no character; invalid bytes count as whole */
bool skt_utf8_valid(struct skt_span s);
/* Length of the character that s begins with, 1-4; 0: nothing there, invalid or cut. */
size_t skt_utf8_next(struct skt_span s, uint32_t *ret_char);
