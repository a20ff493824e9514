#pragma once
#include <sockit/bytes.h>

/* packetlook: what the kernel tells about an interface, asked once (rtnetlink(7)). */
struct packet_look {
    int index, master; /* master: index of the bridge, bond... whose port it is; 0: none */
    int below;         /* the other end of a veth cable, what a VLAN stands on: in this namespace; 0: none */
    uint32_t mtu;
    unsigned flags; /* IFF_... */
    unsigned type;  /* ARPHRD_... */
};

int packet_look(const char *name, struct packet_look *ret_look); /* -ENODEV, or another -errno */
bool packet_hosted(const char *name); /* has an IPv4 address, or an IPv6 one beyond the link */
