#pragma once
#include <sockit/bytes.h>

SKT_BEGIN
/* tls: what a TLS listener or a TLS connect needs to know, loaded once and shared by all their links. TLS 1.2 and 1.3.
 * Needs the plug-in sockit-tls.so (OpenSSL), which is loaded by the first skt_tls_new. */
struct skt_tls;

struct skt_tls_conf {
    bool server;
    const char *cert; /* PEM: our certificate, then its chain. A server needs it; a client may have one */
    const char *key;  /* PEM: its private key; NULL: it stands in cert */
    const char *pass; /* of an encrypted key; NULL: an encrypted key is refused */
    const char
        *cacert; /* PEM. Client: trust these instead of the system's. Server: demand a certificate signed by one */
    /* Client: "sha256//BASE64" of the server's public key (SPKI), several joined by ';'. Without cacert the pin is all
     * that is checked: neither issuer nor name nor dates. With cacert both must hold. */
    const char *pin;
    const char *name;        /* client: name to send (SNI) and to verify; NULL: the host that was asked for */
    bool insecure;           /* client: take any certificate. A pin is still checked */
    const char *alpn;        /* "h2,http/1.1", the best first; NULL: none. A server refuses who offers only others */
    const char *min_version; /* "1.2" (NULL), "1.3" */
    const char *max_version; /* NULL: the newest */
    const char *keylog; /* append the secrets to this file (NSS form, for Wireshark); NULL: no. Created with 0600 */
};

/* Reads every file now, so that a sandbox may close after. 0, or -errno with one sentence in why (may be NULL):
 * -ENOSYS (no plug-in), -ENOENT..., -EINVAL (not PEM, key and certificate do not match, a pin that is none). */
int skt_tls_new(const struct skt_tls_conf *conf, struct skt_tls **ret_tls, struct skt_room *why);
/* Links that are open may outlive it. */
void skt_tls_free(struct skt_tls *tls);
SKT_CLEANUP(skt_tls)

/* Reads the files again (SIGHUP); links opened from now on use them. On failure the old ones stay, and why says it.
 * A sandbox must leave their directories readable. May be called while other threads open links. */
int skt_tls_reload(struct skt_tls *tls, struct skt_room *why);
SKT_END
