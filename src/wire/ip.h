#pragma once
#include <sockit/engine.h>

/* ip: an IPv4 (RFC 791) or IPv6 (RFC 8200) packet with TCP (RFC 9293) or UDP (RFC 768) in it, bytes <-> struct. */

enum { SKT_IP_TCP = 6, SKT_IP_UDP = 17 };
enum { SKT_TCP_FIN = 1, SKT_TCP_SYN = 2, SKT_TCP_RST = 4, SKT_TCP_PSH = 8, SKT_TCP_ACK = 16 };
/* Headers that put writes take at most SKT_IP_HEAD bytes, so a payload of SKT_IP_BODY always fits into 16 bits. */
enum { SKT_IP_HEAD = 40 + 24, SKT_IP_BODY = 65535 - SKT_IP_HEAD };

struct skt_ip_packet {
    struct skt_addr from, to; /* IP4 or IP6, both the same */
    uint8_t protocol;
    uint8_t ttl;             /* put: 0 means 64 */
    struct skt_span payload; /* of TCP or UDP; of IP where protocol is another or it is a later fragment */
    uint32_t unseen;         /* put: bytes of payload that follow but are not there: taken for zeros in the checksum */
    bool fragment;           /* get: a part of a packet; only the first has ports */
    bool sums_right;         /* get: the checksums are (a UDP checksum of 0 is none, and right in IPv4) */
    /* TCP; unused members 0 */
    uint32_t seq, ack;
    uint16_t window, mss; /* mss: put: an option when not 0; get: 0 when not there */
    uint8_t flags;
};

/* All or, with out->bad set, nothing. 0; -EAFNOSUPPORT, -EPROTONOSUPPORT, -EMSGSIZE: above 64 KiB. */
int skt_ip_put(struct skt_room *out, const struct skt_ip_packet *packet);
/* The packet at the start of in; bytes behind its end (Ethernet's padding) are left. Borrows from in.
 * -EBADMSG, and in and packet untouched: not IP, cut short, or lengths that contradict each other. */
int skt_ip_get(struct skt_span *in, struct skt_ip_packet *ret_packet);
/* RFC 1071: the one's complement sum of bytes, added to sum; fold gives the checksum. Odd lengths only at the end. */
uint64_t skt_ip_sum(uint64_t sum, struct skt_span bytes);
uint16_t skt_ip_fold(uint64_t sum);
