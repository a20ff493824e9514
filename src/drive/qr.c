/* qr: the front of the module sockit-qr.so. */
#include "drive/qr.h"

#include "drive/plug.h"

#include <errno.h>

int skt_qr(const char *text, struct skt_room *out)
{
    const struct skt_qr_ops *ops = skt_plug("qr");

    return ops ? ops->draw(text, out) : -ENOSYS;
}
