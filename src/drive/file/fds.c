/* fds: open descriptors, the least recently used leaves first. */
#include "drive/file/fds.h"

#include "base/grow.h"

#include <errno.h>
#include <unistd.h>

enum { NONE = -1 };
static const uint32_t NOBODY = UINT32_MAX;

void skt_fds_init(struct skt_fds *fds, uint32_t slots_max, uint32_t max)
{
    *fds = (struct skt_fds){ .slots_max = slots_max, .max = max, .oldest = NOBODY, .newest = NOBODY };
}

static void unchain(struct skt_fds *fds, uint32_t slot)
{
    struct skt_fds_slot *s = &fds->slots[slot];

    *(s->older == NOBODY ? &fds->oldest : &fds->slots[s->older].newer) = s->newer;
    *(s->newer == NOBODY ? &fds->newest : &fds->slots[s->newer].older) = s->older;
}

static void chain(struct skt_fds *fds, uint32_t slot)
{
    struct skt_fds_slot *s = &fds->slots[slot];

    s->older = fds->newest;
    s->newer = NOBODY;
    *(s->older == NOBODY ? &fds->oldest : &fds->slots[s->older].newer) = slot;
    fds->newest = slot;
}

void skt_fds_close(struct skt_fds *fds, uint32_t slot)
{
    if (slot >= fds->size || fds->slots[slot].fd == NONE)
        return;
    unchain(fds, slot);
    (void)close(fds->slots[slot].fd); /* what a late write fails with is told by syncfs */
    fds->slots[slot].fd = NONE;
    fds->n--;
}

bool skt_fds_shed(struct skt_fds *fds)
{
    if (fds->oldest == NOBODY)
        return false;
    skt_fds_close(fds, fds->oldest);
    return true;
}

void skt_fds_done(struct skt_fds *fds)
{
    while (skt_fds_shed(fds)) {
    }
    free(fds->slots);
    fds->slots = NULL;
    fds->size = 0;
}

int skt_fds_get(struct skt_fds *fds, uint32_t slot)
{
    if (slot >= fds->size || fds->slots[slot].fd == NONE)
        return NONE;
    unchain(fds, slot);
    chain(fds, slot);
    return fds->slots[slot].fd;
}

static bool grow_to(struct skt_fds *fds, uint32_t slot)
{
    while (slot >= fds->size) {
        uint32_t size = fds->size;
        struct skt_fds_slot *grown =
            size < fds->slots_max ? skt_grow(fds->slots, &size, fds->slots_max, sizeof *fds->slots) : NULL;
        if (!grown)
            return false;
        fds->slots = grown;
        for (; fds->size < size; fds->size++)
            grown[fds->size] = (struct skt_fds_slot){ .fd = NONE };
    }
    return true;
}

int skt_fds_put(struct skt_fds *fds, uint32_t slot, int fd)
{
    if (!grow_to(fds, slot)) {
        (void)close(fd);
        return -ENOMEM;
    }
    if (fds->n == fds->max)
        (void)skt_fds_shed(fds);
    fds->slots[slot].fd = fd;
    chain(fds, slot);
    fds->n++;
    return 0;
}
