/* edit: lines typed at a prompt, fed key by key. */
#include "cli/edit.h"

#include "drive/edit.h"
#include "drive/plug.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum { EDIT_LINE_MAX = 16 * 1024, EDIT_WAITING_MAX = 64 * 1024 };

struct skt_edit {
    const struct skt_edit_ops *ops; /* NULL: plain lines */
    void *plug;
    const char *prompt;
    bool shows; /* plain lines, but somebody looks: show a prompt */
    bool ended;
    uint8_t *keys; /* [at, n): not looked at yet; EDIT_WAITING_MAX */
    size_t at, n;
    uint8_t *line; /* plain: what has come of a line; EDIT_LINE_MAX */
    size_t line_n;
};

static void write_all(const void *bytes, size_t n)
{
    const uint8_t *p = bytes;

    while (n) {
        ssize_t w = write(STDOUT_FILENO, p, n);
        if (w < 0 && errno == EINTR)
            continue;
        if (w <= 0)
            return; /* the end of the program looks at stdout */
        p += w;
        n -= (size_t)w;
    }
}

static void show_prompt(const struct skt_edit *e)
{
    if (e->shows && !e->ended)
        write_all(e->prompt, strlen(e->prompt));
}

int skt_edit_new(const char *prompt, struct skt_edit **ret_edit)
{
    bool terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
    struct skt_edit *e = calloc(1, sizeof *e);

    if (!e || !(e->keys = malloc(EDIT_WAITING_MAX)) || !(e->line = malloc(EDIT_LINE_MAX))) {
        skt_edit_free(e);
        return -ENOMEM;
    }
    e->prompt = prompt;
    e->ops = terminal ? skt_plug("edit") : NULL;
    e->plug = e->ops ? e->ops->new (prompt) : NULL;
    if (!e->plug)
        e->ops = NULL;
    e->shows = terminal && !e->ops;
    show_prompt(e);
    *ret_edit = e;
    return 0;
}

void skt_edit_free(struct skt_edit *e)
{
    if (!e)
        return;
    if (e->ops)
        e->ops->free(e->plug);
    free(e->keys);
    free(e->line);
    free(e);
}

void skt_edit_keys(struct skt_edit *e, struct skt_span keys)
{
    size_t n = skt_len(keys);

    memmove(e->keys, e->keys + e->at, e->n - e->at);
    e->n -= e->at;
    e->at = 0;
    if (n > EDIT_WAITING_MAX - e->n)
        n = EDIT_WAITING_MAX - e->n; /* lines are taken after each: only a flood gets here */
    memcpy(e->keys + e->n, keys.p, n);
    e->n += n;
}

void skt_edit_end(struct skt_edit *e) { e->ended = true; }

/* The kernel edits, or nobody: a line ends at LF. One that is too long is cut there. */
static bool plain_key(struct skt_edit *e, uint8_t key, struct skt_span *ret_line)
{
    if (key != '\n' && e->line_n < EDIT_LINE_MAX)
        e->line[e->line_n++] = key;
    if (key != '\n' && e->line_n < EDIT_LINE_MAX)
        return false;
    if (e->line_n && e->line[e->line_n - 1] == '\r')
        e->line_n--;
    *ret_line = skt_span_of(e->line, e->line_n);
    e->line_n = 0;
    return true;
}

bool skt_edit_line(struct skt_edit *e, struct skt_span *ret_line)
{
    while (e->at < e->n) {
        uint8_t key = e->keys[e->at++];
        int r = e->ops ? e->ops->key(e->plug, key, ret_line) : plain_key(e, key, ret_line);
        if (r < 0)
            e->ended = true;
        if (r > 0) {
            show_prompt(e);
            return true;
        }
    }
    if (e->ended && !e->ops && e->line_n) { /* the last line had no LF */
        *ret_line = skt_span_of(e->line, e->line_n);
        e->line_n = 0;
        return true;
    }
    return false;
}

bool skt_edit_ended(const struct skt_edit *e) { return e->ended && e->at == e->n && !e->line_n; }

void skt_edit_show(struct skt_edit *e, struct skt_span text)
{
    if (e->ops)
        e->ops->hide(e->plug);
    else if (e->shows)
        write_all("\r\033[K", 4);
    write_all(text.p, skt_len(text));
    if ((e->ops || e->shows) && skt_len(text) && text.end[-1] != '\n')
        write_all("\n", 1);
    if (e->ops)
        e->ops->draw(e->plug);
    else
        show_prompt(e);
}
