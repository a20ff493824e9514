#pragma once
#include "base/crypt.h"

/* crypt: who fills the table of base/crypt.h. The plug-in sockit-crypt.so is loaded by the first call: ask before a
 * sandbox closes, and keep the pointer. SOCKIT_CRYPT=openssl in the environment takes OpenSSL's cipher where there is a
 * faster one, too. NULL: not installed. */
const struct skt_crypt *skt_crypt(void);

/* Fills p with n random bytes of the kernel's, fit for secrets. 0, -errno. */
int skt_chance(void *p, size_t n);

/* What the module exports as skt_plug_crypt. */
struct skt_crypt_ops {
    const struct skt_crypt *(*table)(bool plain); /* plain: OpenSSL's cipher. NULL: the libraries refuse to start */
};
