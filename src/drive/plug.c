/* plug: loads the modules that keep heavy libraries out of the program's start. */
#include "drive/plug.h"

#include <dlfcn.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>

/* Where the loader would look for a library that the object of this file needs; NULL: out of memory. */
static Dl_serinfo *search_path(void)
{
    static const char here;
    Dl_info info;
    Dl_serinfo size, *path;
    struct link_map *self;

    if (!dladdr1(&here, &info, (void **)&self, RTLD_DL_LINKMAP) || dlinfo(self, RTLD_DI_SERINFOSIZE, &size))
        return NULL;
    path = calloc(1, size.dls_size);
    if (!path)
        return NULL;
    path->dls_size = size.dls_size;
    path->dls_cnt = size.dls_cnt;
    if (!dlinfo(self, RTLD_DI_SERINFO, path))
        return path;
    free(path);
    return NULL;
}

/* dlopen without a slash does the same, by the RUNPATH of its caller: which is the sanitizer's library, where one is
 * between. The loader counts and locks by itself, so a repeat is cheap. */
static void *open_module(const char *name)
{
    Dl_serinfo *path = search_path();
    void *module = NULL;
    char file[PATH_MAX];

    for (unsigned i = 0; path && !module && i < path->dls_cnt; i++)
        if (snprintf(file, sizeof file, "%s/sockit-%s.so", path->dls_serpath[i].dls_name, name) < (int)sizeof file)
            module = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    free(path);
    return module; /* never closed: its functions are in use */
}

const void *skt_plug(const char *name)
{
    void *module = open_module(name);
    char symbol[64];

    if (!module || snprintf(symbol, sizeof symbol, "skt_plug_%s", name) >= (int)sizeof symbol)
        return NULL;
    return dlsym(module, symbol);
}
