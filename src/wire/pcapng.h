#pragma once
#include <sockit/bytes.h>

/* pcapng: capture files (draft-ietf-opsawg-pcapng). Written big-endian; both orders are read. */

enum { SKT_PCAPNG_ETHERNET = 1, SKT_PCAPNG_RAW = 101 /* an IP packet without a frame */ };
enum { SKT_PCAPNG_BLOCK_MAX = 16 << 20, SKT_PCAPNG_IFACES_MAX = 1024 };
enum skt_pcapng_direction { SKT_PCAPNG_UNKNOWN, SKT_PCAPNG_IN, SKT_PCAPNG_OUT };

struct skt_pcapng_packet {
    uint32_t iface;          /* number in its section, from 0 */
    skt_time at;             /* ns since 1970 */
    uint32_t len;            /* on the wire */
    struct skt_span bytes;   /* captured, <= len */
    struct skt_span comment; /* UTF-8; the first when there are more */
    enum skt_pcapng_direction direction;
};

/* Each is all or, with out->bad set, nothing. Names and comments are cut at 255 bytes (not inside a character). */
void skt_pcapng_put_section(struct skt_room *out, const char *application);
void skt_pcapng_put_interface(struct skt_room *out, uint16_t type, uint32_t snap, const char *name);
void skt_pcapng_put_packet(struct skt_room *out, const struct skt_pcapng_packet *packet);
/* Interface statistics: packets that are in the file, and those that are not because it was full. */
void skt_pcapng_put_stats(struct skt_room *out, uint32_t iface, skt_time at, uint64_t kept, uint64_t dropped);
/* Bytes that put_packet needs at most for these. */
static inline size_t skt_pcapng_room(size_t bytes) { return bytes + 320; }

enum skt_pcapng_kind {
    SKT_PCAPNG_SECTION,
    SKT_PCAPNG_INTERFACE,
    SKT_PCAPNG_PACKET,
    SKT_PCAPNG_STATS,
    SKT_PCAPNG_OTHER
};

struct skt_pcapng_block {
    enum skt_pcapng_kind kind;
    struct skt_pcapng_packet packet; /* PACKET; iface also of STATS */
    uint16_t type;                   /* INTERFACE: of frame */
    struct skt_span name;            /* INTERFACE; of SECTION: the application */
    uint64_t kept, dropped;          /* STATS */
};

/* What a reader has to remember: all zeros at the start of a file. */
struct skt_pcapng {
    bool begun, little;
    uint32_t ifaces;
    uint32_t snap[SKT_PCAPNG_IFACES_MAX];
    uint8_t resolution[SKT_PCAPNG_IFACES_MAX]; /* if_tsresol: 10^-n s, or with the top bit 2^-n s */
};

/* The next block, which borrows from in. 1; 0: it is not whole yet (or in is empty): come again with more bytes;
 * -EBADMSG: not pcapng, or a block that contradicts itself; -E2BIG: beyond the limits above. in moves only by 1. */
int skt_pcapng_get(struct skt_pcapng *reader, struct skt_span *in, struct skt_pcapng_block *ret_block);
