/* packetlook: one question to rtnetlink, and one to getifaddrs. */
#include "drive/raw/packetlook.h"

#include <errno.h>
#include <ifaddrs.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ANSWER_MAX = 32 * 1024 };

struct question {
    struct nlmsghdr head;
    struct ifinfomsg link;
    struct rtattr attr;
    char name[IF_NAMESIZE];
};

static void read_attrs(const struct nlmsghdr *head, struct packet_look *look)
{
    const struct ifinfomsg *link = NLMSG_DATA(head);
    int left = (int)IFLA_PAYLOAD(head);
    bool elsewhere = false;

    *look = (struct packet_look){ .index = link->ifi_index, .flags = link->ifi_flags, .type = link->ifi_type };
    for (const struct rtattr *a = IFLA_RTA(link); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
        uint32_t v = 0;

        if (a->rta_type == IFLA_LINK_NETNSID)
            elsewhere = true; /* its number is one of another namespace */
        if (RTA_PAYLOAD(a) != sizeof v)
            continue;
        memcpy(&v, RTA_DATA(a), sizeof v);
        if (a->rta_type == IFLA_MTU)
            look->mtu = v;
        else if (a->rta_type == IFLA_MASTER)
            look->master = (int)v;
        else if (a->rta_type == IFLA_LINK)
            look->below = (int)v;
    }
    if (elsewhere || look->below == look->index)
        look->below = 0;
}

static int answer(int fd, struct packet_look *ret_look)
{
    static _Thread_local _Alignas(struct nlmsghdr) char bytes[ANSWER_MAX];
    ssize_t n = recv(fd, bytes, sizeof bytes, 0);
    const struct nlmsghdr *head = (const void *)bytes;

    if (n < 0)
        return -errno;
    if (!NLMSG_OK(head, (size_t)n))
        return -EBADMSG;
    if (head->nlmsg_type == NLMSG_ERROR) {
        const struct nlmsgerr *e = NLMSG_DATA(head);
        return e->error ? e->error : -EBADMSG;
    }
    if (head->nlmsg_type != RTM_NEWLINK || head->nlmsg_len < NLMSG_LENGTH(sizeof(struct ifinfomsg)))
        return -EBADMSG;
    read_attrs(head, ret_look);
    return 0;
}

int packet_look(const char *name, struct packet_look *ret_look)
{
    struct question q = { .head = { .nlmsg_len = sizeof q, .nlmsg_type = RTM_GETLINK, .nlmsg_flags = NLM_F_REQUEST },
        .attr = { .rta_len = RTA_LENGTH(sizeof q.name), .rta_type = IFLA_IFNAME } };
    int fd, r = 0;

    if (!*name || strlen(name) >= sizeof q.name)
        return -ENODEV;
    memcpy(q.name, name, strlen(name));
    fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (fd < 0)
        return -errno;
    if (send(fd, &q, sizeof q, 0) < 0)
        r = -errno;
    if (!r)
        r = answer(fd, ret_look);
    close(fd);
    return r;
}

static bool is_hosted(const struct sockaddr *addr)
{
    struct sockaddr_in6 in6;

    if (!addr || addr->sa_family == AF_INET || addr->sa_family != AF_INET6)
        return addr && addr->sa_family == AF_INET;
    memcpy(&in6, addr, sizeof in6);
    return !IN6_IS_ADDR_LINKLOCAL(&in6.sin6_addr);
}

bool packet_hosted(const char *name)
{
    struct ifaddrs *all = NULL;
    bool hosted = false;

    if (getifaddrs(&all))
        return false;
    for (const struct ifaddrs *a = all; a && !hosted; a = a->ifa_next)
        hosted = !strcmp(a->ifa_name, name) && is_hosted(a->ifa_addr);
    freeifaddrs(all);
    return hosted;
}
