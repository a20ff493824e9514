/* prompt: connect -i. Keys come as bytes of a link, so that one loop serves them and the peer. */
#include "verb/prompt.h"

#include "cli/edit.h"
#include "verb/screen.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 16 * 1024 };

struct prompt {
    struct live *live;
    struct skt_relay *relay;
    struct skt_edit *edit;
    skt_link keys;
    bool ended;
    struct screen screen;
};

static void end(struct prompt *p)
{
    if (p->ended)
        return;
    p->ended = true;
    (void)skt_relay_say_end(p->relay);
}

bool prompt_ended(const struct prompt *p) { return !p || p->ended; }

static void take_line(struct prompt *p, struct skt_span line)
{
    uint8_t text[LINE_MAX_BYTES + 1]; /* one word: of a datagram socket one datagram */
    struct skt_room room = skt_room_of(text, sizeof text);

    if (skt_span_is(line, "quit")) {
        end(p);
        return;
    }
    skt_put(&room, line);
    skt_put_u8(&room, '\n');
    if (room.bad || skt_relay_say(p->relay, skt_span_of(text, (size_t)(room.p - text))))
        skt_cli_warn(p->live->cli, "not sent: the peer takes nothing now");
}

static void keys_recv(void *self, skt_time now, struct skt_in *in)
{
    struct prompt *p = self;
    struct skt_span line;

    if (!p->edit) {
        in->data.p = in->data.end;
        return;
    }
    if (in->kind == SKT_DATA) {
        skt_edit_keys(p->edit, in->data);
        in->data.p = in->data.end;
    } else if (in->kind == SKT_EOF || in->kind == SKT_CLOSE) {
        skt_edit_end(p->edit);
    }
    while (!p->ended && skt_edit_line(p->edit, &line))
        take_line(p, line);
    if (skt_edit_ended(p->edit))
        end(p);
}

static bool keys_send(void *self, skt_time now, struct skt_out *out)
{
    struct prompt *p = self;

    if (!p->ended || !p->keys)
        return false;
    out->link = p->keys;
    out->kind = SKT_CLOSE;
    p->keys = 0;
    return true;
}

static skt_time keys_wake(const void *self) { return SKT_NEVER; }

static const struct skt_engine_ops keys_ops = { keys_recv, keys_send, keys_wake };

int prompt_open(struct live *live, struct skt_relay *relay, struct prompt **ret_prompt)
{
    struct prompt *p = calloc(1, sizeof *p);
    int r;

    skt_cli_say(live->cli, "Enter message (or 'quit' to exit)"); /* before the prompt is drawn */
    r = p ? skt_edit_new("> ", &p->edit) : -ENOMEM;
    if (!r) {
        p->live = live;
        p->relay = relay;
        r = skt_rt_adopt(
            live->rt, skt_rt_add(live->rt, (struct skt_engine){ &keys_ops, p }), STDIN_FILENO, -1, &p->keys);
    }
    if (r) {
        prompt_close(p);
        return skt_cli_fail(live->cli, SKT_PHASE_FILE, r, "standard input");
    }
    *ret_prompt = p;
    return 0;
}

void prompt_close(struct prompt *p)
{
    if (!p)
        return;
    skt_edit_free(p->edit);
    free(p);
}

void prompt_end(struct prompt *p)
{
    if (!p || !p->edit)
        return;
    skt_edit_free(p->edit);
    p->edit = NULL;
    p->ended = true;
    (void)skt_rt_close(p->live->rt, p->keys); /* -ESTALE: it has ended by itself */
    p->keys = 0;
}

void prompt_show(struct prompt *p, struct skt_span bytes)
{
    uint8_t text[SCREEN_ROOM];
    struct skt_room out = skt_room_of(text, sizeof text);

    for (; p->edit && screen_next(&p->screen, &bytes, &out); out = skt_room_of(text, sizeof text))
        skt_edit_show(p->edit, skt_span_of(text, (size_t)(out.p - text)));
}
