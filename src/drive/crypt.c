/* crypt: the front of the module sockit-crypt.so, and the kernel's random bytes. */
#include "drive/crypt.h"

#include "drive/plug.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

const struct skt_crypt *skt_crypt(void)
{
    const struct skt_crypt_ops *ops = skt_plug("crypt");
    const char *wish = getenv("SOCKIT_CRYPT");

    return ops ? ops->table(wish && !strcmp(wish, "openssl")) : NULL;
}

/* More than 256 bytes may come in parts. */
int skt_chance(void *p, size_t n)
{
    for (uint8_t *to = p, *end = to + n; to < end;) {
        ssize_t got = getrandom(to, (size_t)(end - to), 0);

        if (got > 0)
            to += got;
        else if (got < 0 && errno != EINTR)
            return -errno;
    }
    return 0;
}
