/* crypt: the module's table: what of it this machine can do best. */
#include "drive/plug/crypt.h"

#include <pthread.h>
#include <sodium.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool ready;
static struct skt_crypt plain = { .hmac = crypt_hmac,
    .extract = crypt_extract,
    .expand = crypt_expand,
    .is_point = crypt_is_point,
    .share = crypt_share,
    .isk = crypt_isk };
static struct skt_crypt best;

static void choose(void)
{
    ready = sodium_init() >= 0;
    crypt_ossl(&plain);
    best = plain;
#ifdef SKT_IPSEC_MB
    (void)crypt_mb(&best); /* where it cannot, the best is plain */
#endif
}

static const struct skt_crypt *table(bool as_plain)
{
    (void)pthread_once(&once, choose); /* cannot fail: its arguments are right */
    return !ready ? NULL : as_plain ? &plain : &best;
}

__attribute__((visibility("default"))) const struct skt_crypt_ops skt_plug_crypt = { table };
