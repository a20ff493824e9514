/* chat/timer: one timer a user, in a heap that knows each one's place, so that it can move. A deadline that only moves
 * away (something was heard) is not moved: it comes too early, is looked at, and is set again. */
#include "engine/chat/inside.h"

#include <errno.h>
#include <stdlib.h>

enum { FIRST_TIMERS = 16 };

static skt_time due_at(const struct skt_chat *c, uint32_t i) { return c->users[c->timers[i]]->due; }

static void place(struct skt_chat *c, uint32_t i, uint32_t slot)
{
    c->timers[i] = slot;
    c->users[slot]->timer = i + 1;
}

static void up(struct skt_chat *c, uint32_t i)
{
    uint32_t slot = c->timers[i];

    for (; i && due_at(c, (i - 1) / 2) > c->users[slot]->due; i = (i - 1) / 2)
        place(c, i, c->timers[(i - 1) / 2]);
    place(c, i, slot);
}

static void down(struct skt_chat *c, uint32_t i)
{
    uint32_t slot = c->timers[i];

    for (uint32_t k; (k = 2 * i + 1) < c->timer_n; i = k) {
        k += k + 1 < c->timer_n && due_at(c, k + 1) < due_at(c, k);
        if (due_at(c, k) >= c->users[slot]->due)
            break;
        place(c, i, c->timers[k]);
    }
    place(c, i, slot);
}

int skt_chat_timer(struct skt_chat *c, struct user *u, skt_time due)
{
    u->due = due;
    if (!u->timer) {
        if (c->timer_n == c->timer_room) {
            uint32_t room = c->timer_room ? 2 * c->timer_room : FIRST_TIMERS;
            uint32_t *timers = realloc(c->timers, room * sizeof *timers);

            if (!timers)
                return -ENOMEM;
            c->timers = timers;
            c->timer_room = room;
        }
        place(c, c->timer_n++, skt_slot(u->link));
    }
    up(c, u->timer - 1);
    down(c, u->timer - 1);
    return 0;
}

void skt_chat_timer_off(struct skt_chat *c, struct user *u)
{
    uint32_t i = u->timer - 1, last;

    if (!u->timer)
        return;
    u->timer = 0;
    last = c->timers[--c->timer_n];
    if (i == c->timer_n)
        return;
    place(c, i, last);
    up(c, i);
    down(c, c->users[last]->timer - 1);
}

struct user *skt_chat_timer_top(const struct skt_chat *c) { return c->timer_n ? c->users[c->timers[0]] : NULL; }
