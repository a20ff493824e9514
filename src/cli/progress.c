/* progress: how far a transfer is, on one line of the terminal. */
#include "cli/progress.h"

#include "base/text.h"
#include "cli/cli.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const skt_time REDRAW = 100 * SKT_MS; /* at most that often */
static const skt_time SAMPLE = 500 * SKT_MS; /* the rate is measured over at least that long ... */
static const double WEIGHT = 0.3;            /* ... and each sample counts that much beside those before it */

static volatile sig_atomic_t asked; /* by SIGUSR1; one process, one terminal */

static void on_ask(int signal_number) { asked = 1; }

void skt_progress_init(
    struct skt_progress *progress, struct skt_cli *cli, const char *label, uint64_t total, skt_time now)
{
    const char *term = getenv("TERM");
    struct sigaction ask = { .sa_handler = on_ask, .sa_flags = SA_RESTART };

    *progress = (struct skt_progress){
        .cli = cli,
        .label = label,
        .total = total,
        .started = now,
        .sampled = now,
        .drawn = now - REDRAW,
        .live = !cli->quiet && isatty(2) && term && *term && strcmp(term, "dumb") != 0,
    };
    (void)sigaction(SIGUSR1, &ask, NULL); /* fails for no valid signal */
}

static double mean_rate(const struct skt_progress *p, skt_time now)
{
    return now > p->started ? (double)p->done * (double)SKT_SEC / (double)(now - p->started) : 0;
}

/* A moving mean: jumps of one turn do not shake the display, a change shows within two seconds. */
static void sample(struct skt_progress *p, skt_time now)
{
    double rate;

    if (now - p->sampled < SAMPLE)
        return;
    rate = (double)(p->done - p->sampled_done) * (double)SKT_SEC / (double)(now - p->sampled);
    p->rate = p->sampled == p->started ? rate : WEIGHT * rate + (1 - WEIGHT) * p->rate;
    p->sampled = now;
    p->sampled_done = p->done;
}

static void put_left(struct skt_room *out, const struct skt_progress *p, double rate)
{
    double seconds = rate > 0 ? (double)(p->total - p->done) / rate : -1;

    if (p->done >= p->total || seconds < 0)
        return;
    skt_put_str(out, "  ");
    if (seconds > 99 * 3600)
        skt_put_str(out, "days");
    else /* whole seconds: it is a guess */
        skt_put_time(out, (skt_time)(seconds + 1) * SKT_SEC);
    skt_put_str(out, " left");
}

static void put_numbers(struct skt_room *out, const struct skt_progress *p, skt_time now)
{
    double rate = p->rate > 0 ? p->rate : mean_rate(p, now);

    skt_put_size(out, p->done);
    if (p->total) {
        uint64_t done = p->done < p->total ? p->done : p->total;

        skt_put_str(out, " of ");
        skt_put_size(out, p->total);
        skt_put_fmt(out, "  %d%%", (int)(100.0 * (double)done / (double)p->total));
    }
    skt_put_str(out, "  ");
    skt_put_rate(out, (uint64_t)rate);
    if (p->total)
        put_left(out, p, rate);
}

/* As much of text as fits: whole items, which have two spaces between them. Of a single one (a name) the beginning, up to a whole
 * character as far as its bytes tell. */
static size_t fit(const char *text, size_t n, size_t most)
{
    size_t at = most;

    if (n <= most)
        return n;
    while (at && !(at + 1 < n && text[at] == ' ' && text[at + 1] == ' '))
        at--;
    if (at || memmem(text, n, "  ", 2))
        return at;
    for (at = most; at && ((uint8_t)text[at] & 0xc0) == 0x80;)
        at--;
    return at;
}

/* The label gives way. */
void skt_progress_put(struct skt_room *out, const struct skt_progress *p, skt_time now, uint32_t columns)
{
    char numbers[160], label[400];
    struct skt_room n = skt_room_of(numbers, sizeof numbers), l = skt_room_of(label, sizeof label);
    size_t n_label, n_numbers;

    put_numbers(&n, p, now);
    skt_put_escaped(&l, skt_span_of(p->label, strnlen(p->label, 100)));
    n_numbers = fit(numbers, (size_t)((char *)n.p - numbers), columns);
    n_label = fit(label, (size_t)((char *)l.p - label), columns > n_numbers + 2 ? columns - n_numbers - 2 : 0);
    if (n_label) {
        skt_put(out, skt_span_of(label, n_label));
        skt_put_str(out, "  ");
    }
    skt_put(out, skt_span_of(numbers, n_numbers));
}

static void to_terminal(const struct skt_room *out, const char *from)
{
    if (write(2, from, (size_t)((const char *)out->p - from)) < 0) /* nobody to tell */
        return;
}

static void draw(struct skt_progress *p, skt_time now)
{
    char line[1024];
    struct skt_room out = skt_room_of(line, sizeof line);

    skt_put_str(&out, "\r");
    skt_progress_put(&out, p, now, skt_cli_columns(2));
    skt_put_str(&out, "\033[K");
    if (!out.bad)
        to_terminal(&out, line);
    p->drawn = now;
    p->shown = true;
    p->cli->progress = p;
}

static void tell(struct skt_progress *p, skt_time now)
{
    char line[1024];
    struct skt_room out = skt_room_of(line, sizeof line - 1);

    skt_progress_put(&out, p, now, 200);
    *out.p = 0;
    skt_cli_answer(p->cli, "%s", line);
}

void skt_progress_step(struct skt_progress *p, skt_time now, uint64_t done)
{
    p->done = done;
    sample(p, now);
    if (asked) {
        asked = 0;
        tell(p, now);
    }
    if (p->live && now - p->drawn >= REDRAW)
        draw(p, now);
}

void skt_progress_hide(struct skt_progress *p)
{
    static const char wipe[] = "\r\033[K";

    if (p->shown)
        to_terminal(&(struct skt_room){ .p = (uint8_t *)(uintptr_t)wipe + sizeof wipe - 1 }, wipe);
    p->shown = false;
    p->cli->progress = NULL;
}

void skt_progress_done(struct skt_progress *p) { skt_progress_hide(p); }
