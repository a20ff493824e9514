/* sandbox: the front of the module. */
#include "drive/sandbox.h"

#include "drive/plug.h"

#include <errno.h>
#include <stddef.h>

static unsigned parts;

int skt_sandbox(const struct skt_sandbox_conf *conf)
{
    const struct skt_sandbox_ops *ops = skt_plug("sandbox");

    return ops ? ops->shut(conf, &parts) : -ENOSYS;
}

unsigned skt_sandbox_parts(void) { return parts; }
