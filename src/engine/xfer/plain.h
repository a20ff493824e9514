#pragma once
#include <sockit/engine.h>

/* plain: packets with their text in clear, on their way to a capture: those who look for a fault asked for them. Zeroed: nobody
 * did, until skt_plain_init. A packet is its 16 bytes in clear, of a sealed one with 0x40 set in the first, and its text. */
struct skt_plain {
    bool on;
    uint8_t *bytes; /* records behind each other; [at, n) wait */
    size_t at, n, room;
    uint64_t lost; /* for want of memory, or above the cap of 64 MiB */
};

struct skt_plain_packet {
    bool sent; /* else received */
    struct skt_addr peer;
    struct skt_span bytes; /* valid until the next put */
};

void skt_plain_done(struct skt_plain *plain); /* wipes */
/* plain may be NULL, or off: then it is nothing. */
void skt_plain_put(
    struct skt_plain *plain, bool sent, const struct skt_addr *peer, struct skt_span head, struct skt_span text);
bool skt_plain_next(struct skt_plain *plain, struct skt_plain_packet *ret_packet);
