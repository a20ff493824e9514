/* exits: pairs of "has left" and "has ended", by the link of the command. */
#include "verb/exits.h"

#include <stdlib.h>

enum { ENTRIES = 256 };
#define PATIENCE SKT_SEC /* for a command that closed its output and runs on */

struct entry {
    skt_link target; /* 0: free */
    bool left, ended;
    int status;
    skt_time since; /* left */
    struct skt_relay_event ev;
};

struct exits {
    uint32_t n, oldest; /* oldest: where to forget next */
    struct entry entry[ENTRIES];
};

struct exits *exits_new(void) { return calloc(1, sizeof(struct exits)); }

void exits_free(struct exits *x) { free(x); }

static struct entry *entry_of(struct exits *x, skt_link target)
{
    for (uint32_t i = 0; i < ENTRIES; i++)
        if (x->entry[i].target == target)
            return &x->entry[i];
    return NULL;
}

static struct entry *entry_new(struct exits *x, skt_link target)
{
    struct entry *e = x->n < ENTRIES ? entry_of(x, 0) : NULL;

    if (!e)
        return NULL;
    x->n++;
    *e = (struct entry){ .target = target, .status = EXIT_UNKNOWN };
    return e;
}

bool exits_left(struct exits *x, const struct skt_relay_event *ev, skt_time now)
{
    struct entry *e = ev->target ? entry_of(x, ev->target) : NULL;

    if (!e && ev->target)
        e = entry_new(x, ev->target);
    if (!e)
        return false;
    e->left = true;
    e->since = now;
    e->ev = *ev;
    return true;
}

/* Whose peer is still there, and so long that others took the room: forgotten. */
static void forget_one(struct exits *x)
{
    for (uint32_t i = 0; i < ENTRIES; i++) {
        struct entry *e = &x->entry[x->oldest];

        x->oldest = (x->oldest + 1) % ENTRIES;
        if (e->left)
            continue;
        *e = (struct entry){ 0 };
        x->n--;
        return;
    }
}

void exits_ended(struct exits *x, skt_link target, int status)
{
    struct entry *e = entry_of(x, target);

    if (!e && x->n == ENTRIES)
        forget_one(x);
    if (!e)
        e = entry_new(x, target);
    if (!e)
        return;
    e->ended = true;
    e->status = status;
}

bool exits_next(struct exits *x, skt_time now, bool all, struct skt_relay_event *ret_event, int *ret_status)
{
    for (uint32_t i = 0; i < ENTRIES && x->n; i++) {
        struct entry *e = &x->entry[i];

        if (!e->left || !(e->ended || all || now - e->since >= PATIENCE))
            continue;
        *ret_event = e->ev;
        *ret_status = e->status;
        *e = (struct entry){ 0 };
        x->n--;
        return true;
    }
    return false;
}
