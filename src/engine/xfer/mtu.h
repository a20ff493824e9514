#pragma once
#include <sockit/bytes.h>

/* mtu: how large a datagram the path carries, RFC 8899: 1200 bytes at first, then probes; and back when large ones vanish. */

enum { SKT_MTU_JUMBO = 8972 }; /* what jumbo frames of 9000 bytes carry */

struct skt_mtu {
    uint32_t now, most; /* bytes of a datagram: what is sent; what we or the user would send at most */
    uint32_t bad;       /* this size and above do not pass; most + 1: nothing known */
    uint32_t probe;     /* size of the probe that is out; 0: none */
    uint32_t tries;     /* of the size that is next */
    uint32_t vanished;  /* large packets lost, sent after the last large one that arrived */
    uint64_t large, small,
        gone;       /* numbers: the last large and the last small one that arrived, the first that vanished */
    skt_time since; /* the first that vanished was lost */
    skt_time next;  /* when to look for more; SKT_NEVER: never */
};

void skt_mtu_init(struct skt_mtu *mtu, uint32_t most, skt_time now);
/* The size of a probe that should go now; 0: none. It counts as sent when skt_mtu_probing is told. */
uint32_t skt_mtu_want(const struct skt_mtu *mtu, skt_time now);
void skt_mtu_probing(struct skt_mtu *mtu, uint32_t size);
void skt_mtu_probed(
    struct skt_mtu *mtu, skt_time now, uint64_t number, uint32_t size, bool arrived); /* the end of a probe */
/* What became of packets that are no probes. True: a black hole: the size is 1200 again. */
bool skt_mtu_arrived(struct skt_mtu *mtu, skt_time now, uint64_t number, uint32_t size);
bool skt_mtu_lost(struct skt_mtu *mtu, skt_time now, uint64_t number, uint32_t size);
/* Larger ones than most are not wanted for a minute. */
void skt_mtu_lower(struct skt_mtu *mtu, skt_time now, uint32_t most);
skt_time skt_mtu_wake(const struct skt_mtu *mtu);
