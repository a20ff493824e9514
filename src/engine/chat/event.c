/* chat/event: what the verb is told, kept until it asks. Bounded: what does not fit is lost and counted. */
#include "engine/chat/inside.h"

#include <stdlib.h>

enum { SPANS = 4, FIRST_NOTES = 16, FIRST_TEXT = 1024, KEEP_TEXT = 64 * 1024 };

/* An event whose texts lie one after the other in chat->text. */
struct note {
    struct skt_chat_event ev; /* its spans are set when it is told */
    size_t at;
    uint32_t len[SPANS];
};

/* p grown by doubling until it holds `want` items of `size`. NULL: no memory, and p is as it was. */
static void *reserve(void *p, size_t *room, size_t want, size_t first, size_t size)
{
    size_t n = *room ? *room : first;

    if (want <= *room)
        return p;
    while (n < want)
        n *= 2;
    p = realloc(p, n * size);
    if (p)
        *room = n;
    return p;
}

static bool make_room(struct skt_chat *c, size_t text)
{
    void *notes = reserve(c->notes, &c->note_room, c->noted + 1, FIRST_NOTES, sizeof *c->notes), *p;

    if (!notes)
        return false;
    c->notes = notes;
    p = reserve(c->text, &c->text_room, c->text_n + text, FIRST_TEXT, 1);
    if (!p)
        return false;
    c->text = p;
    return true;
}

/* Everything was read: start again, and give back what a burst took. Not before: the verb may still look at the last. */
static void rewind_notes(struct skt_chat *c)
{
    if (c->told < c->noted || !c->noted)
        return;
    c->told = c->noted = 0;
    c->text_n = 0;
    if (c->text_room > KEEP_TEXT) {
        free(c->text);
        c->text = NULL;
        c->text_room = 0;
    }
}

bool skt_chat_notes_full(const struct skt_chat *c)
{
    return c->conf.log_text && c->told < c->noted && c->noted >= c->conf.max_events;
}

void skt_chat_note(struct skt_chat *c, const struct skt_chat_event *ev)
{
    const struct skt_span span[SPANS] = { ev->nick, ev->host, ev->target, ev->text };
    struct note note = { .ev = *ev };
    size_t total = 0;

    rewind_notes(c);
    for (int i = 0; i < SPANS; i++)
        total += note.len[i] = (uint32_t)skt_len(span[i]);
    /* A command may cause several: twice the cap is the hard one, so that with log_text none is lost. */
    if (c->noted >= (c->conf.log_text ? 2 : 1) * c->conf.max_events || !make_room(c, total)) {
        c->stats.events_lost++;
        return;
    }
    note.ev.at = c->now;
    note.at = c->text_n;
    for (int i = 0; i < SPANS; i++) {
        if (note.len[i])
            memcpy(c->text + c->text_n, span[i].p, note.len[i]);
        c->text_n += note.len[i];
    }
    c->notes[c->noted++] = note;
}

void skt_chat_tell(
    struct skt_chat *c, enum skt_chat_what what, const struct user *u, struct skt_span target, struct skt_span text)
{
    skt_chat_note(c, &(struct skt_chat_event){ .what = what,
                         .link = u->link,
                         .nick = cut_to(user_mask(u), u->nick_n),
                         .host = user_host(u),
                         .target = target,
                         .text = text });
}

bool skt_chat_next(struct skt_chat *c, struct skt_chat_event *ret_event)
{
    const struct note *note;
    struct skt_span span[SPANS];
    size_t at;

    if (c->told == c->noted)
        return false;
    note = &c->notes[c->told++];
    at = note->at;
    for (int i = 0; i < SPANS; i++) {
        span[i] = note->len[i] ? skt_span_of(c->text + at, note->len[i]) : skt_span_of(NULL, 0);
        at += note->len[i];
    }
    *ret_event = note->ev;
    ret_event->nick = span[0];
    ret_event->host = span[1];
    ret_event->target = span[2];
    ret_event->text = span[3];
    return true;
}
