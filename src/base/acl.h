#pragma once
#include <sockit/engine.h>

/* acl: who may come. Rows of allow or deny, in order; the first that matches decides. If none does: denied if there is
 * any allow row, else allowed. An IPv4-mapped IPv6 address counts as IPv4. Unix peers are allowed: their list is the
 * mode of the socket file. */
struct skt_acl_row {
    uint8_t ip[16], bits, family; /* ip beyond bits is 0 */
    bool allow;
};
struct skt_acl {
    struct skt_acl_row *rows;
    uint32_t n, size, max; /* n <= size <= max */
    bool has_allow;
};

int skt_acl_init(struct skt_acl *acl, uint32_t max); /* 0; allocates nothing yet */
void skt_acl_done(struct skt_acl *acl);              /* takes NULL */
/* cidr: "10.0.0.0/8", "fe80::/10", "192.0.2.7", "::1". -EINVAL with a sentence in why (may be NULL); -ENOSPC, -ENOMEM. */
int skt_acl_add(struct skt_acl *acl, bool allow, const char *cidr, struct skt_room *why);
bool skt_acl_allows(const struct skt_acl *acl, const struct skt_addr *addr); /* acl may be NULL: everyone */
