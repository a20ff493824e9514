/* edit: libedit, fed key by key. It sees whole characters and single keys only: what it would wait for in the middle (the
 * rest of a character, of an escape sequence) is collected here, and what would make it read more is not passed on. */
#include "drive/edit.h"

#include <fcntl.h>
#include <histedit.h>
#include <limits.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>
#include <wchar.h>

enum { CHARS_MAX = 4096, HISTORY_MAX = 500, PROMPT_MAX = 64, SEQUENCE_MAX = 16 };

enum { CTRL_A = 1, CTRL_B, CTRL_D = 4, CTRL_E, CTRL_F, CTRL_N = 14, CTRL_O, CTRL_P, CTRL_Q, ESC = 27, DEL = 127 };

enum state {
    PLAIN,
    ESCAPED, /* ESC came */
    SINGLE,  /* ESC O: one more */
    CSI,     /* ESC [: until a letter or ~ */
};

struct plug {
    EditLine *el;
    HistoryW *history;
    FILE *in, *out; /* of their own: standard input is given to the loop */
    locale_t utf8;
    struct termios was;
    struct winsize size;
    wchar_t prompt[PROMPT_MAX], key;
    bool has_key;
    enum state state;
    char sequence[SEQUENCE_MAX]; /* of CSI, without its ESC [ */
    size_t sequence_n;
    uint32_t code; /* of a character of which want bytes are missing */
    unsigned want;
    uint8_t line[4 * CHARS_MAX];
};

static int feed(EditLine *el, wchar_t *ret_key)
{
    struct plug *p;

    el_wget(el, EL_CLIENTDATA, &p);
    if (!p->has_key)
        return 0; /* nothing for now; libedit gives up this turn */
    p->has_key = false;
    *ret_key = p->key;
    return 1;
}

static wchar_t *prompt_of(EditLine *el)
{
    struct plug *p;

    el_wget(el, EL_CLIENTDATA, &p);
    return p->prompt;
}

/* ---- where the cursor is: libedit does not say ---- */

struct place {
    unsigned row, col, cols;
};

static void pass(struct place *at, wchar_t c)
{
    int width = c == '\t' ? (int)(8 - at->col % 8) : c < ' ' || c == DEL ? 2 : wcwidth(c);

    if (width < 0)
        width = 8; /* \U+1f600, as libedit shows what has no width */
    if (at->col + (unsigned)width > at->cols && c != '\t') {
        at->row++;
        at->col = 0;
    }
    at->col += (unsigned)width;
    if (at->col >= at->cols) {
        at->row++;
        at->col = 0;
    }
}

static unsigned rows_above(struct plug *p)
{
    const LineInfoW *line = el_wline(p->el);
    struct place at = { .cols = p->size.ws_col ? p->size.ws_col : 80 };

    for (const wchar_t *c = p->prompt; *c; c++)
        pass(&at, *c);
    for (const wchar_t *c = line->buffer; c < line->cursor; c++)
        pass(&at, *c);
    return at.row;
}

static void wipe(struct plug *p)
{
    unsigned rows = rows_above(p);

    if (rows)
        (void)fprintf(p->out, "\033[%uA", rows); /* a terminal that is gone is noticed by who reads it */
    (void)fputs("\r\033[J", p->out);
    (void)fflush(p->out);
}

/* The terminal may have been resized since. */
static void look(struct plug *p)
{
    struct winsize size;

    if (ioctl(fileno(p->out), TIOCGWINSZ, &size) || (size.ws_col == p->size.ws_col && size.ws_row == p->size.ws_row))
        return;
    p->size = size;
    el_resize(p->el);
}

/* ---- keys ---- */

static void to_start(struct plug *p)
{
    el_set(p->el, EL_UNBUFFERED, 0);
    el_set(p->el, EL_UNBUFFERED, 1); /* an empty line and its prompt */
}

/* As UTF-8, and into the history unless empty. */
static struct skt_span take_line(struct plug *p, wchar_t *text, size_t n)
{
    mbstate_t state = { 0 };
    uint8_t *to = p->line;
    HistEventW ev;

    if (n > CHARS_MAX)
        n = CHARS_MAX;
    for (size_t i = 0; i < n; i++) {
        char bytes[MB_LEN_MAX];
        size_t k = wcrtomb(bytes, text[i], &state);
        if (k > 4) /* also (size_t)-1: no character */
            continue;
        memcpy(to, bytes, k);
        to += k;
    }
    text[n] = 0;
    if (n)
        (void)history_w(p->history, &ev, H_ENTER, text); /* out of memory: it is not remembered */
    return skt_span_of(p->line, (size_t)(to - p->line));
}

/* One whole key for libedit. */
static int press(struct plug *p, wchar_t key, struct skt_span *ret_line)
{
    const LineInfoW *now = el_wline(p->el);
    const wchar_t *text;
    int n = 0;

    if (key == CTRL_D && now->lastchar == now->buffer)
        return -1;
    if (key == CTRL_D && now->cursor == now->lastchar)
        return 0; /* libedit would beep */
    if ((key >= ' ' || key == '\t') && key != DEL && now->lastchar - now->buffer >= CHARS_MAX)
        return 0;
    p->key = key;
    p->has_key = true;
    text = el_wgets(p->el, &n);
    p->has_key = false;
    if (!text || n < 1 || (text[n - 1] != '\n' && text[n - 1] != '\r'))
        return 0;
    *ret_line = take_line(p, (wchar_t *)text, (size_t)n - 1);
    to_start(p);
    return 1;
}

/* What else there is of controls would read on (quoted insert, search), or act on more than the line. */
static int press_control(struct plug *p, uint8_t key, struct skt_span *ret_line)
{
    static const char passed[] = "\1\2\4\5\6\b\t\n\v\f\r\16\20\24\25\27\31\177"; /* ABDEFHIJKLMNPTUWY DEL */

    if (key == ESC) {
        p->state = ESCAPED;
        return 0;
    }
    return key && strchr(passed, key) ? press(p, key, ret_line) : 0;
}

static int press_word(struct plug *p, bool back, struct skt_span *ret_line)
{
    return press(p, back ? CTRL_O : CTRL_Q, ret_line); /* bound to words by new */
}

/* ESC [ ... or ESC O ...: keys of any terminal since the VT220. What is not known (the brackets of a paste) is nothing. */
static int press_sequence(struct plug *p, char last, struct skt_span *ret_line)
{
    bool word = p->sequence_n >= 2 && p->sequence[p->sequence_n - 2] == ';' && p->sequence[p->sequence_n - 1] != '2';

    p->sequence[p->sequence_n] = 0;
    switch (last) {
    case 'A': return press(p, CTRL_P, ret_line);
    case 'B': return press(p, CTRL_N, ret_line);
    case 'C': return word ? press_word(p, false, ret_line) : press(p, CTRL_F, ret_line);
    case 'D': return word ? press_word(p, true, ret_line) : press(p, CTRL_B, ret_line);
    case 'H': return press(p, CTRL_A, ret_line);
    case 'F': return press(p, CTRL_E, ret_line);
    case '~': break;
    default: return 0;
    }
    if (!strcmp(p->sequence, "1") || !strcmp(p->sequence, "7"))
        return press(p, CTRL_A, ret_line);
    if (!strcmp(p->sequence, "4") || !strcmp(p->sequence, "8"))
        return press(p, CTRL_E, ret_line);
    if (!strcmp(p->sequence, "3") && el_wline(p->el)->cursor < el_wline(p->el)->lastchar)
        return press(p, CTRL_D, ret_line);
    return 0;
}

/* One byte of a sequence that ESC began. */
static int escaped(struct plug *p, uint8_t key, struct skt_span *ret_line)
{
    enum state state = p->state;

    if (key == ESC) {
        p->state = ESCAPED;
        return 0;
    }
    if (state == CSI && key >= 0x20 && key < 0x40) { /* ECMA-48 5.4: parameters and intermediates */
        if (p->sequence_n < SEQUENCE_MAX - 1)
            p->sequence[p->sequence_n++] = (char)key;
        return 0;
    }
    p->state = PLAIN;
    if (state != ESCAPED)
        return press_sequence(p, (char)key, ret_line);
    p->sequence_n = 0;
    if (key == '[' || key == 'O')
        p->state = key == '[' ? CSI : SINGLE;
    else if (key == 'b' || key == 'f')
        return press_word(p, key == 'b', ret_line);
    return 0;
}

/* The bytes of a character become one key; those that are none are dropped. */
static int character(struct plug *p, uint8_t byte, struct skt_span *ret_line)
{
    if (p->want && byte >> 6 == 2) {
        p->code = p->code << 6 | (byte & 0x3f);
        if (--p->want || p->code < 0xa0 || p->code >> 11 == 0x1b || p->code > 0x10ffff)
            return 0; /* C1 controls and surrogates are nothing to be typed */
        return press(p, (wchar_t)p->code, ret_line);
    }
    p->want = byte >= 0xf0 && byte < 0xf5 ? 3 : byte >= 0xe0 && byte < 0xf0 ? 2 : byte >= 0xc2 && byte < 0xe0 ? 1 : 0;
    p->code = byte & (0x3fU >> p->want);
    return 0;
}

static int key_of(struct plug *p, uint8_t key, struct skt_span *ret_line)
{
    if (key >= 0x80 && p->state == PLAIN)
        return character(p, key, ret_line);
    p->want = 0;
    if (p->state != PLAIN)
        return escaped(p, key, ret_line);
    return key < ' ' || key == DEL ? press_control(p, key, ret_line) : press(p, key, ret_line);
}

/* ---- the module; libedit speaks the locale's characters, which are UTF-8 here whatever the program's are ---- */

static int edit_key(void *data, uint8_t key, struct skt_span *ret_line)
{
    struct plug *p = data;
    locale_t old = uselocale(p->utf8);
    int r;

    look(p);
    r = key_of(p, key, ret_line);
    (void)uselocale(old);
    return r;
}

static void edit_hide(void *data)
{
    struct plug *p = data;
    locale_t old = uselocale(p->utf8);

    look(p);
    wipe(p);
    (void)uselocale(old);
}

static void edit_draw(void *data)
{
    struct plug *p = data;
    locale_t old = uselocale(p->utf8);

    el_set(p->el, EL_REFRESH);
    (void)fflush(p->out);
    (void)uselocale(old);
}

static void edit_free(void *data)
{
    struct plug *p = data;
    locale_t old;

    if (!p)
        return;
    old = p->utf8 ? uselocale(p->utf8) : NULL;
    if (p->el) {
        wipe(p);
        el_set(p->el, EL_UNBUFFERED, 0);
        el_end(p->el);
        (void)tcsetattr(fileno(p->out), TCSADRAIN, &p->was);
    }
    if (p->history)
        history_wend(p->history);
    if (p->in)
        (void)fclose(p->in); /* only read */
    if (p->out)
        (void)fclose(p->out);
    if (p->utf8) {
        (void)uselocale(old);
        freelocale(p->utf8);
    }
    free(p);
}

static FILE *same_file(int fd, const char *mode)
{
    int mine = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    FILE *f = mine < 0 ? NULL : fdopen(mine, mode);

    if (!f && mine >= 0)
        close(mine);
    return f;
}

static bool start(struct plug *p)
{
    HistEventW ev;

    if (tcgetattr(fileno(p->out), &p->was))
        return false;
    (void)ioctl(fileno(p->out), TIOCGWINSZ, &p->size);
    p->history = history_winit();
    if (!p->history || history_w(p->history, &ev, H_SETSIZE, HISTORY_MAX) < 0)
        return false;
    (void)history_w(p->history, &ev, H_SETUNIQUE, 1);
    p->el = el_init("sockit", p->in, p->out, p->out);
    if (!p->el)
        return false;
    el_wset(p->el, EL_CLIENTDATA, p);
    el_wset(p->el, EL_GETCFN, feed);
    el_wset(p->el, EL_PROMPT, prompt_of);
    el_wset(p->el, EL_EDITOR, L"emacs");
    el_wset(p->el, EL_HIST, history_w, p->history);
    el_wset(p->el, EL_BIND, L"^O", L"ed-prev-word", NULL);
    el_wset(p->el, EL_BIND, L"^Q", L"em-next-word", NULL);
    el_wset(p->el, EL_BIND, L"^W", L"ed-delete-prev-word", NULL);
    el_wset(p->el, EL_BIND, L"^I", L"ed-insert", NULL);
    el_set(p->el, EL_UNBUFFERED, 1);
    return true;
}

/* Before the loop takes standard input. NULL: plain lines will do. */
static void *edit_new(const char *prompt)
{
    const char *term = getenv("TERM");
    struct plug *p;
    locale_t old;
    bool started;

    if (!term || !*term || !strcmp(term, "dumb") || strlen(prompt) >= PROMPT_MAX)
        return NULL;
    p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    for (size_t i = 0; prompt[i]; i++)
        p->prompt[i] = (unsigned char)prompt[i];
    p->utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", NULL);
    p->in = same_file(STDIN_FILENO, "re");
    p->out = same_file(STDOUT_FILENO, "we");
    if (!p->utf8 || !p->in || !p->out) {
        edit_free(p);
        return NULL;
    }
    old = uselocale(p->utf8);
    started = start(p);
    (void)uselocale(old);
    if (started)
        return p;
    edit_free(p);
    return NULL;
}

extern const struct skt_edit_ops skt_plug_edit;
__attribute__((visibility("default"))) const struct skt_edit_ops skt_plug_edit = {
    .new = edit_new,
    .free = edit_free,
    .key = edit_key,
    .hide = edit_hide,
    .draw = edit_draw,
};
