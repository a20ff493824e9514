/* profile: a file of changes in time becomes a list of times, each with all that holds from then on. So what holds at a
 * time is a question without state. Start reading at skt_profile_new(). */
#include "engine/impair/grammar.h"

#include "base/text.h"

#include <errno.h>
#include <stdlib.h>

#include "base/banned.h"

enum { LINE_BYTES = 1200, WHY_BYTES = 512 };

struct change { /* a line of the file */
    skt_time at;
    uint32_t line;
    enum skt_way way;
    const char *values; /* in profile.text */
};

struct step {
    skt_time at;
    struct skt_netem all;
};

struct skt_profile {
    skt_time loop; /* 0: none */
    uint32_t n_changes, n_steps;
    struct change *changes;
    struct step *steps;
    char *text; /* the file's, cut into strings */
};

/* Where we are, for the sentences. */
struct place {
    const char *file;
    uint32_t line;
    struct skt_room *why; /* or NULL */
};

static int refuse(const struct place *place, int error, struct skt_span sentence)
{
    if (place->why) {
        skt_put_escaped(place->why, skt_span_str(place->file));
        if (place->line)
            skt_put_fmt(place->why, ":%u", place->line);
        skt_put_str(place->why, ": ");
        skt_put(place->why, sentence);
    }
    return error;
}

static int refuse_text(const struct place *place, int error, const char *sentence)
{
    return refuse(place, error, skt_span_str(sentence));
}

/* The sentence of a parser, with the place before it. */
struct inner {
    uint8_t text[WHY_BYTES];
    struct skt_room room;
};
static void inner_init(struct inner *inner) { inner->room = skt_room_of(inner->text, sizeof inner->text); }
static int refuse_inner(const struct place *place, int error, const struct inner *inner)
{
    return refuse(place, error, skt_span_of(inner->text, (size_t)(inner->room.p - inner->text)));
}

/* ---- a line ---- */

static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r'; }

/* The next word, ended in place; *rest moves behind it. NULL: none. */
static char *word_of(char **rest)
{
    char *p = *rest, *word;

    while (is_space(*p))
        p++;
    if (!*p)
        return NULL;
    for (word = p; *p && !is_space(*p);)
        p++;
    if (*p)
        *p++ = 0;
    *rest = p;
    return word;
}

static int time_of(const struct place *place, const char *word, skt_time *ret_time)
{
    struct inner inner;
    int r;

    inner_init(&inner);
    if (!word)
        return refuse_text(place, -EINVAL, "a time is missing, such as 5s");
    r = skt_time_parse(word, ret_time, &inner.room);
    if (r)
        return refuse_inner(place, r, &inner);
    if (*ret_time && strchr("0123456789", word[strlen(word) - 1])) {
        (void)skt_refuse(&inner.room, -EINVAL, "time", skt_span_str(word), "needs a unit, such as ms or s");
        return refuse_inner(place, -EINVAL, &inner);
    }
    return 0;
}

static int loop_line(struct skt_profile *p, const struct place *place, char *rest)
{
    skt_time loop = 0;
    int r;

    if (p->loop)
        return refuse_text(place, -EINVAL, "there is more than one loop");
    if ((r = time_of(place, word_of(&rest), &loop)))
        return r;
    if (word_of(&rest))
        return refuse_text(place, -EINVAL, "nothing follows the time of a loop");
    if (loop < SKT_MS)
        return refuse_text(place, -ERANGE, "a loop takes 1ms at least");
    p->loop = loop;
    return 0;
}

/* What stands before the colon: [at TIME] [up|down|both]. */
static int head_line(const struct place *place, char *head, struct change *c)
{
    char *word = word_of(&head);
    struct inner inner;
    int r;

    if (word && !strcmp(word, "at")) {
        if ((r = time_of(place, word_of(&head), &c->at)))
            return r;
        word = word_of(&head);
    }
    if (!word)
        return 0;
    if (!strcmp(word, "up"))
        c->way = SKT_UP;
    else if (!strcmp(word, "down"))
        c->way = SKT_DOWN;
    if ((c->way != SKT_BOTH || !strcmp(word, "both")) && !(word = word_of(&head)))
        return 0;
    inner_init(&inner);
    (void)skt_refuse(&inner.room, -EINVAL, "word", skt_span_str(word),
        "does not belong before the colon: write 'at TIME', 'up' or 'down'");
    return refuse_inner(place, -EINVAL, &inner);
}

static bool begins_with(const char *line, const char *word)
{
    size_t n = strlen(word);

    return !strncmp(line, word, n) && (!line[n] || is_space(line[n]));
}

/* Adds the change of a line, once it is known to be good by itself. */
static int change_line(struct skt_profile *p, const struct place *place, char *line)
{
    struct change c = { .line = place->line, .way = SKT_BOTH, .values = line };
    char *colon = strchr(line, ':');
    struct skt_netem scratch = { 0 };
    struct inner inner;
    int r;

    if (!colon && (begins_with(line, "at") || begins_with(line, "up") || begins_with(line, "down")))
        return refuse_text(place, -EINVAL, "a colon is missing before the values: at 5s: loss 100%");
    if (colon) {
        *colon = 0;
        c.values = colon + 1;
        if ((r = head_line(place, line, &c)))
            return r;
    }
    inner_init(&inner);
    if ((r = skt_netem_line(&scratch, c.way, c.values, &inner.room)))
        return refuse_inner(place, r, &inner);
    if (scratch.seeded && (c.at || c.way != SKT_BOTH))
        return refuse_text(
            place, -EINVAL, "the seed holds from the start and both ways: write it on a line of its own");
    if (p->n_changes == SKT_PROFILE_STEPS)
        return refuse_text(place, -E2BIG, "there are more than 1000 changes");
    p->changes[p->n_changes++] = c;
    return 0;
}

static int one_line(struct skt_profile *p, const struct place *place, char *line)
{
    char *comment = strchr(line, '#');

    if (comment)
        *comment = 0;
    while (is_space(*line))
        line++;
    if (!*line)
        return 0;
    if (strlen(line) > LINE_BYTES)
        return refuse_text(place, -E2BIG, "the line is above 1200 bytes");
    if (begins_with(line, "loop"))
        return loop_line(p, place, line + strlen("loop"));
    return change_line(p, place, line);
}

static int all_lines(struct skt_profile *p, struct place *place, size_t len)
{
    char *line = p->text, *end;
    int r = 0;

    for (; !r && line <= p->text + len; line = end + 1) {
        place->line++;
        end = memchr(line, '\n', (size_t)(p->text + len - line));
        if (!end)
            end = p->text + len;
        *end = 0;
        if (strlen(line) != (size_t)(end - line))
            return refuse_text(place, -EINVAL, "the line holds a zero byte: this is no text");
        r = one_line(p, place, line);
    }
    return r;
}

/* ---- the schedule ---- */

static int by_time(const void *a, const void *b)
{
    const struct change *x = a, *y = b;

    if (x->at != y->at)
        return x->at < y->at ? -1 : 1;
    return x->line < y->line ? -1 : x->line > y->line;
}

/* Is the step whole, once no further line changes it? */
static int check_step(const struct step *s, const struct place *place)
{
    struct inner inner;
    int r;

    inner_init(&inner);
    r = skt_netem_check(&s->all, &inner.room);
    return r ? refuse_inner(place, r, &inner) : 0;
}

static int schedule(struct skt_profile *p, struct place *place, const struct skt_netem *base)
{
    struct step *s = p->steps;
    int r;

    qsort(p->changes, p->n_changes, sizeof *p->changes, by_time);
    *s = (struct step){ .all = *base };
    place->line = 0;
    for (uint32_t i = 0; i < p->n_changes; i++) {
        const struct change *c = &p->changes[i];
        if (c->at > s->at) {
            if ((r = check_step(s, place)))
                return r;
            s[1] = (struct step){ .at = c->at, .all = s->all };
            s++;
        }
        place->line = c->line;
        if ((r = skt_netem_line(&s->all, c->way, c->values, NULL)))
            return r; /* cannot be: the line was read before */
    }
    if ((r = check_step(s, place)))
        return r;
    if (p->loop && p->loop <= s->at)
        return refuse_text(place, -EINVAL, "this change comes after the loop has begun anew: give loop a longer time");
    p->n_steps = (uint32_t)(s - p->steps) + 1;
    return 0;
}

/* ---- outside ---- */

static int fill(struct skt_profile *p, struct skt_span text, const struct skt_netem *base, struct place *place)
{
    size_t len = skt_len(text);
    int r;

    p->text = malloc(len + 1);
    p->changes = calloc(SKT_PROFILE_STEPS, sizeof *p->changes);
    if (!p->text || !p->changes)
        return -ENOMEM;
    if (len)
        memcpy(p->text, text.p, len);
    p->text[len] = 0;
    if ((r = all_lines(p, place, len)))
        return r;
    p->steps = calloc(p->n_changes + 1, sizeof *p->steps);
    return p->steps ? schedule(p, place, base) : -ENOMEM;
}

int skt_profile_new(struct skt_span text, const char *file, const struct skt_netem *base,
    struct skt_profile **ret_profile, struct skt_room *why)
{
    struct place place = { .file = file, .why = why };
    struct skt_profile *p;
    int r;

    if (skt_len(text) > SKT_PROFILE_BYTES)
        return refuse_text(&place, -E2BIG, "a profile has 1 MiB at most");
    p = calloc(1, sizeof *p);
    r = p ? fill(p, text, base, &place) : -ENOMEM;
    if (r == -ENOMEM) {
        place.line = 0;
        (void)refuse_text(&place, r, "out of memory");
    }
    if (r) {
        skt_profile_free(p);
        return r;
    }
    *ret_profile = p;
    return 0;
}

void skt_profile_free(struct skt_profile *profile)
{
    if (!profile)
        return;
    free(profile->text);
    free(profile->changes);
    free(profile->steps);
    free(profile);
}

const struct skt_netem *skt_profile_at(const struct skt_profile *profile, skt_time since, skt_time *ret_next)
{
    skt_time base = profile->loop ? since - since % profile->loop : 0;
    uint32_t low = 0, high = profile->n_steps; /* steps[low].at <= since - base < steps[high].at */

    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (profile->steps[middle].at <= since - base)
            low = middle;
        else
            high = middle;
    }
    if (high < profile->n_steps)
        *ret_next = base + profile->steps[high].at;
    else
        *ret_next = profile->loop && profile->n_steps > 1 ? base + profile->loop : SKT_NEVER;
    return &profile->steps[low].all;
}

uint32_t skt_profile_steps(const struct skt_profile *profile) { return profile->n_steps; }
