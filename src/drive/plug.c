/* plug: loads the modules that keep heavy libraries out of the program's start. */
#include "drive/plug.h"

#include <dlfcn.h>
#include <stdio.h>

const void *skt_plug(const char *name)
{
    char file[64], symbol[64];
    void *module;

    /* Without a slash: the loader looks along our RUNPATH. It counts and locks by itself, so a repeat is cheap. */
    if (snprintf(file, sizeof file, "sockit-%s.so", name) >= (int)sizeof file)
        return NULL;
    module = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    if (!module)
        return NULL;
    (void)snprintf(symbol, sizeof symbol, "skt_plug_%s", name); /* no longer than file */
    return dlsym(module, symbol);                               /* never closed: its functions are in use */
}
