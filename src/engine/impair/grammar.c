/* grammar: the words of tc-netem(8). A row of `rows` is a word and the function that takes its values; a word may have
 * words of its own, which as an option's value are the only ones allowed behind it. */
#include "engine/impair/grammar.h"

#include "base/text.h"

#include <errno.h>
#include <stdio.h>

#include "base/banned.h"

enum { LINE_BYTES = 1000, WORDS_MAX = 128, PACKETS_MAX = 1 << 20, OVERHEAD_MAX = 65536 };
static const skt_time time_max = 3600 * SKT_SEC;
static const uint64_t burst_max = 1ull << 32;

/* ---- words ---- */

struct words {
    char text[LINE_BYTES + 1];
    const char *word[WORDS_MAX + 1]; /* NULL after the last */
    uint32_t next;
    struct skt_room *why;
};

static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

static int split(struct words *w, const char *line)
{
    size_t n = strlen(line), words = 0;

    w->next = 0;
    if (n > LINE_BYTES)
        return skt_refuse(w->why, -EINVAL, "line", skt_span_str(line), "is above %d bytes", LINE_BYTES);
    memcpy(w->text, line, n + 1);
    for (char *p = w->text; *p;) {
        while (is_space(*p))
            *p++ = 0;
        if (!*p)
            break;
        if (words == WORDS_MAX)
            return skt_refuse(w->why, -EINVAL, "line", skt_span_str(line), "has more than %d words", WORDS_MAX);
        w->word[words++] = p;
        while (*p && !is_space(*p))
            p++;
    }
    w->word[words] = NULL;
    return 0;
}

static const char *peek(const struct words *w) { return w->word[w->next]; }

static bool take(struct words *w, const char *word)
{
    if (!peek(w) || strcmp(peek(w), word) != 0)
        return false;
    w->next++;
    return true;
}

/* A value, not a word: what may be left out is there. */
static bool has_value(const struct words *w)
{
    const char *p = peek(w);

    return p && (('0' <= *p && *p <= '9') || *p == '-' || *p == '+' || *p == '.');
}

static int refuse_word(struct words *w, int error, const char *what, const char *word, const char *rest)
{
    return skt_refuse(w->why, error, what, skt_span_str(word), "%s", rest);
}

/* The next word, which must be a value that is not below 0. */
static int take_value(struct words *w, const char *what, const char *after, const char **ret_text)
{
    const char *text = peek(w);

    if (!text)
        return skt_refuse(w->why, -EINVAL, "word", skt_span_str(after), "needs a %s behind it", what);
    if (*text == '-')
        return refuse_word(w, -ERANGE, what, text, "is below 0");
    w->next++;
    *ret_text = text;
    return 0;
}

/* ---- values ---- */

static int take_share(struct words *w, const char *after, double *ret_share)
{
    const char *text = "";
    int r = take_value(w, "percentage", after, &text);

    return r ? r : skt_percent_parse(text, ret_share, w->why);
}

/* Left out: *ret_share stays. */
static int maybe_share(struct words *w, const char *after, double *ret_share)
{
    return has_value(w) ? take_share(w, after, ret_share) : 0;
}

/* A bare number would be microseconds to tc and seconds to us: neither is guessed. */
static int parse_time(struct words *w, const char *text, skt_time *ret_time)
{
    size_t n = strlen(text);
    skt_time t;
    int r = skt_time_parse(text, &t, w->why);

    if (r)
        return r;
    if (t && n && '0' <= text[n - 1] && text[n - 1] <= '9')
        return skt_refuse(w->why, -EINVAL, "time", skt_span_str(text), "needs a unit: %.20sms or %.20ss", text, text);
    if (t > time_max)
        return refuse_word(w, -ERANGE, "time", text, "is above 1h");
    *ret_time = t;
    return 0;
}

static int take_time(struct words *w, const char *after, skt_time *ret_time)
{
    const char *text = "";
    int r = take_value(w, "time", after, &text);

    return r ? r : parse_time(w, text, ret_time);
}

static int take_number(struct words *w, const char *after, uint64_t least, uint64_t most, uint64_t *ret_n)
{
    const char *text = "";
    uint64_t n = 0;
    int r = take_value(w, "number", after, &text);

    if (r || (r = skt_u64_parse(text, most, &n, w->why)))
        return r;
    if (n < least)
        return refuse_word(w, -ERANGE, after, text, "is below 1");
    *ret_n = n;
    return 0;
}

static int take_size(struct words *w, const char *after, uint64_t most, uint64_t *ret_bytes)
{
    const char *text = "";
    uint64_t n = 0;
    int r = take_value(w, "size", after, &text);

    if (r || (r = skt_size_parse(text, &n, w->why)))
        return r;
    if (n > most)
        return skt_refuse(w->why, -ERANGE, "size", skt_span_str(text), "is above %llu", (unsigned long long)most);
    *ret_bytes = n;
    return 0;
}

/* Bytes, of which there may be fewer than none. */
static int maybe_overhead(struct words *w, int32_t *ret_bytes)
{
    const char *text = peek(w);
    uint64_t n = 0;
    int r;

    if (!has_value(w))
        return 0;
    w->next++;
    if ((r = skt_u64_parse(text + (*text == '-'), OVERHEAD_MAX, &n, w->why)))
        return r;
    *ret_bytes = *text == '-' ? -(int32_t)n : (int32_t)n;
    return 0;
}

static const char *const dist_names[] = {
    [SKT_UNIFORM] = "uniform", [SKT_NORMAL] = "normal", [SKT_PARETO] = "pareto", [SKT_PARETONORMAL] = "paretonormal"
};
enum { DISTS = sizeof dist_names / sizeof *dist_names };

static int take_dist(struct words *w, enum skt_dist *ret_dist)
{
    for (int i = 0; i < DISTS; i++) {
        if (take(w, dist_names[i])) {
            *ret_dist = (enum skt_dist)i;
            return 0;
        }
    }
    return refuse_word(w, -EINVAL, "distribution", peek(w) ? peek(w) : "",
        "is not known: use uniform, normal, pareto or paretonormal");
}

/* ---- rows ---- */

static int set_delay(struct words *w, struct skt_netem *n, struct skt_path_conf *c)
{
    skt_time delay = 0, jitter = 0;
    double corr = 0;
    int r = take_time(w, "delay", &delay);

    if (!r && has_value(w) && !(r = take_time(w, "delay", &jitter)))
        r = maybe_share(w, "delay", &corr);
    if (r)
        return r;
    c->delay = delay;
    c->jitter = jitter;
    c->delay_corr = corr;
    c->delay_dist = SKT_UNIFORM;
    c->in_order = false;
    return 0;
}

static int set_distribution(struct words *w, struct skt_netem *n, struct skt_path_conf *c)
{
    return take_dist(w, &c->delay_dist);
}

static int set_ordered(struct words *w, struct skt_netem *n, struct skt_path_conf *c)
{
    c->in_order = true;
    return 0;
}

static int above_one(struct words *w, const char *names)
{
    return refuse_word(w, -ERANGE, "loss state", names, "is above 100 % together");
}

static int set_state(struct words *w, struct skt_path_conf *c)
{
    double p[5] = { 0, 0, 0, 1, 0 };
    int r = take_share(w, "state", &p[0]);

    p[1] = 1 - p[0];
    for (int i = 1; !r && i < 5; i++)
        r = maybe_share(w, "state", &p[i]);
    if (r)
        return r;
    if (p[0] + p[4] > 1 + 1e-12)
        return above_one(w, "P13 P14");
    if (p[1] + p[2] > 1 + 1e-12)
        return above_one(w, "P31 P32");
    c->loss_model = SKT_LOSS_STATE;
    c->state.p13 = p[0];
    c->state.p31 = p[1];
    c->state.p32 = p[2];
    c->state.p23 = p[3];
    c->state.p14 = p[4];
    return 0;
}

static int set_gemodel(struct words *w, struct skt_path_conf *c)
{
    double p[4] = { 0, 0, 1, 0 };
    int r = take_share(w, "gemodel", &p[0]);

    p[1] = 1 - p[0];
    for (int i = 1; !r && i < 4; i++)
        r = maybe_share(w, "gemodel", &p[i]);
    if (r)
        return r;
    c->loss_model = SKT_LOSS_GEMODEL;
    c->ge.p = p[0];
    c->ge.r = p[1];
    c->ge.bad = p[2];
    c->ge.good = p[3];
    return 0;
}

static int set_loss(struct words *w, struct skt_netem *n, struct skt_path_conf *c)
{
    int r;

    c->loss = c->loss_corr = 0;
    c->loss_model = SKT_LOSS_RANDOM;
    c->ecn = false;
    memset(&c->ge, 0, sizeof c->ge);
    memset(&c->state, 0, sizeof c->state);
    if (take(w, "gemodel"))
        return set_gemodel(w, c);
    if (take(w, "state"))
        return set_state(w, c);
    (void)take(w, "random"); /* may be left out */
    r = take_share(w, "loss", &c->loss);
    return r ? r : maybe_share(w, "loss", &c->loss_corr);
}

static int set_ecn(struct words *w, struct skt_netem *n, struct skt_path_conf *c)
{
    c->ecn = true;
    return 0;
}

static int set_duplicate(struct words *w, struct skt_netem *n, struct skt_path_conf *c)
{
    int r = take_share(w, "duplicate", &c->dup);

    c->dup_corr = 0;
    return r ? r : maybe_share(w, "duplicate", &c->dup_corr);
}

static int set_corrupt(struct words *w, struct skt_netem *n, struct skt_path_conf *c)
{
    int r = take_share(w, "corrupt", &c->corrupt);

    c->corrupt_corr = 0;
    return r ? r : maybe_share(w, "corrupt", &c->corrupt_corr);
}

static int set_reorder(struct words *w, struct skt_netem *n, struct skt_path_conf *c)
{
    int r = take_share(w, "reorder", &c->reorder);

    c->reorder_corr = 0;
    c->reorder_gap = 0;
    return r ? r : maybe_share(w, "reorder", &c->reorder_corr);
}

static int set_gap(struct words *w, struct skt_netem *n, struct skt_path_conf *c)
{
    uint64_t gap = 0;
    int r = take_number(w, "gap", 1, PACKETS_MAX, &gap);

    if (!r)
        c->reorder_gap = (uint32_t)gap;
    return r;
}

/* A bare number is bits a second to tc, and "10m" is nothing; to curl, and elsewhere here, both are bytes. Neither is
 * guessed. */
static int refuse_bare_rate(struct words *w, const char *text)
{
    size_t n = strspn(text, "0123456789.");
    int digits = n < 20 ? (int)n : 20;
    char small[2] = "", big[2] = "";

    if (text[n] && text[n] != '/') {
        small[0] = (char)(text[n] | ' '); /* a letter, or it were no rate */
        big[0] = (char)(small[0] == 'k' ? 'k' : small[0] & ~' ');
    }
    return skt_refuse(w->why, -EINVAL, "rate", skt_span_str(text),
        "could mean bits or bytes: write %.*s%sbit or %.*s%sB/s", digits, text, small, digits, text, big);
}

static int take_rate(struct words *w, uint64_t *ret_rate)
{
    const char *text = "";
    uint64_t rate = 0;
    int r = take_value(w, "rate", "rate", &text);

    if (r || (r = skt_rate_parse(text, &rate, w->why)))
        return r;
    if (rate && !strpbrk(text, "bB"))
        return refuse_bare_rate(w, text);
    *ret_rate = rate;
    return 0;
}

static int set_rate(struct words *w, struct skt_netem *n, struct skt_path_conf *c)
{
    uint64_t cell = 0;
    int r = take_rate(w, &c->rate_bytes);

    if (r)
        return r;
    c->overhead = c->cell_overhead = 0;
    c->burst_bytes = 0;
    r = maybe_overhead(w, &c->overhead);
    if (!r && has_value(w) && !(r = take_number(w, "cell", 0, OVERHEAD_MAX, &cell)))
        r = maybe_overhead(w, &c->cell_overhead);
    c->cell_size = (uint32_t)cell;
    return r;
}

static int set_burst(struct words *w, struct skt_netem *n, struct skt_path_conf *c)
{
    return take_size(w, "burst", burst_max, &c->burst_bytes);
}

/* Packets, as in tc; with a unit bytes. */
static int set_limit(struct words *w, struct skt_netem *n, struct skt_path_conf *c)
{
    const char *text = peek(w);
    uint64_t packets = 0, bytes = 0;
    bool bare = text && '0' <= text[strlen(text) - 1] && text[strlen(text) - 1] <= '9';
    int r = bare ? take_number(w, "limit", 1, PACKETS_MAX, &packets) : take_size(w, "limit", UINT64_MAX, &bytes);

    if (r)
        return r;
    if (!packets && !bytes)
        return refuse_word(w, -ERANGE, "limit", text ? text : "", "is below 1");
    c->queue_packets = (uint32_t)packets;
    c->queue_bytes = bytes;
    return 0;
}

static int set_slot(struct words *w, struct skt_netem *n, struct skt_path_conf *c)
{
    int r;

    memset(&c->slot, 0, sizeof c->slot);
    if (take(w, "distribution") || take(w, "dist")) {
        r = take_dist(w, &c->slot.dist);
        if (r || (r = take_time(w, "slot", &c->slot.delay)) || (r = take_time(w, "slot", &c->slot.jitter)))
            return r;
        if (c->slot.dist != SKT_UNIFORM)
            return 0;
        if (c->slot.delay + c->slot.jitter > time_max) /* it would be written as MIN MAX */
            return refuse_word(
                w, -ERANGE, "slot", w->word[w->next - 1], "and the time before it are above 1h together");
        c->slot.min = c->slot.delay > c->slot.jitter ? c->slot.delay - c->slot.jitter : 0;
        c->slot.max = c->slot.delay + c->slot.jitter;
        c->slot.delay = c->slot.jitter = 0;
        return 0;
    }
    if ((r = take_time(w, "slot", &c->slot.min)))
        return r;
    c->slot.max = c->slot.min;
    if (has_value(w) && (r = take_time(w, "slot", &c->slot.max)))
        return r;
    if (c->slot.max < c->slot.min)
        return refuse_word(w, -EINVAL, "slot", w->word[w->next - 1], "is below the time before it: give MIN, then MAX");
    return 0;
}

static int set_packets(struct words *w, struct skt_netem *n, struct skt_path_conf *c)
{
    uint64_t packets = 0;
    int r = take_number(w, "packets", 1, PACKETS_MAX, &packets);

    if (!r)
        c->slot.packets = (uint32_t)packets;
    return r;
}

static int set_bytes(struct words *w, struct skt_netem *n, struct skt_path_conf *c)
{
    uint64_t bytes = 0;
    int r = take_size(w, "bytes", UINT32_MAX, &bytes);

    if (!r)
        c->slot.bytes = (uint32_t)bytes;
    return r;
}

static int set_seed(struct words *w, struct skt_netem *n, struct skt_path_conf *c)
{
    int r = take_number(w, "seed", 0, UINT64_MAX, &n->seed);

    n->seeded = n->seeded || !r;
    return r;
}

static int set_clear(struct words *w, struct skt_netem *n, struct skt_path_conf *c)
{
    *c = (struct skt_path_conf){ 0 };
    return 0;
}

static const struct row {
    const char *name, *also; /* also: another name, or NULL */
    const char *of;          /* the word whose word it is; NULL: it stands alone */
    int (*set)(struct words *w, struct skt_netem *n, struct skt_path_conf *c);
} rows[] = {
    { "delay", "latency", NULL, set_delay },
    { "distribution", "dist", "delay", set_distribution },
    { "ordered", NULL, "delay", set_ordered },
    { "loss", "drop", NULL, set_loss },
    { "ecn", NULL, "loss", set_ecn },
    { "duplicate", "dup", NULL, set_duplicate },
    { "corrupt", NULL, NULL, set_corrupt },
    { "reorder", NULL, NULL, set_reorder },
    { "gap", NULL, "reorder", set_gap },
    { "rate", NULL, NULL, set_rate },
    { "burst", NULL, "rate", set_burst },
    { "limit", NULL, NULL, set_limit },
    { "slot", NULL, NULL, set_slot },
    { "packets", NULL, "slot", set_packets },
    { "bytes", NULL, "slot", set_bytes },
    { "seed", NULL, NULL, set_seed },
    { "clear", NULL, NULL, set_clear },
};

static const struct row *row_of(const char *word)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!strcmp(word, rows[i].name) || (rows[i].also && !strcmp(word, rows[i].also)))
            return &rows[i];
    }
    return NULL;
}

/* ---- lines ---- */

static int unknown(struct words *w, const char *word)
{
    return refuse_word(w, -EINVAL, "word", word,
        "is not known here: use delay, loss, duplicate, corrupt, reorder, rate, limit, slot, seed or clear");
}

/* of: its words only; NULL: any. */
static int set_all(struct words *w, struct skt_netem *n, struct skt_path_conf *c, const char *of)
{
    for (int r; peek(w);) {
        const char *word = w->word[w->next++];
        const struct row *row = row_of(word);
        if (of && (!row || !row->of || strcmp(row->of, of) != 0))
            return skt_refuse(
                w->why, -EINVAL, of, skt_span_str(word), "is not understood here: see %s in tc-netem(8)", of);
        if (!row)
            return unknown(w, word);
        if ((r = row->set(w, n, c)))
            return r;
    }
    return 0;
}

/* first: the word whose value the text is; NULL: a whole line. */
static int set_text(
    struct skt_netem *n, enum skt_way way, const struct row *first, const char *text, struct skt_room *why)
{
    struct skt_netem copy = *n;
    struct words w = { .why = why };
    int r;

    for (int i = SKT_UP; i <= SKT_DOWN; i++) {
        if (way != SKT_BOTH && (int)way != i)
            continue;
        if ((r = split(&w, text)) || (first && (r = first->set(&w, &copy, &copy.way[i]))) ||
            (r = set_all(&w, &copy, &copy.way[i], first ? first->name : NULL)))
            return r;
    }
    *n = copy;
    return 0;
}

int skt_netem_set(struct skt_netem *n, enum skt_way way, const char *word, const char *value, struct skt_room *why)
{
    struct words w = { .why = why };
    const struct row *row = row_of(word);

    if (!row || row->of || row->set == set_clear)
        return unknown(&w, word);
    return set_text(n, way, row, value, why);
}

int skt_netem_line(struct skt_netem *n, enum skt_way way, const char *line, struct skt_room *why)
{
    return set_text(n, way, NULL, line, why);
}

/* ---- the whole ---- */

static int check(const struct skt_path_conf *c, struct skt_room *why)
{
    bool loses = c->loss > 0 || c->loss_model != SKT_LOSS_RANDOM;
    bool slots = c->slot.max || c->slot.delay || c->slot.jitter, queues = c->rate_bytes || slots;
    const struct {
        bool wrong;
        const char *word, *way_out;
    } rules[] = {
        { c->delay_dist != SKT_UNIFORM && !c->jitter, "distribution",
            "needs a jitter: delay 100ms 10ms distribution normal" },
        { c->ecn && !loses, "ecn", "needs a loss, to mark instead: loss 1% ecn" },
        { c->reorder > 0 && !c->delay && !c->jitter, "reorder",
            "needs a delay, to go past it: delay 10ms reorder 25%" },
        { c->reorder_gap && c->reorder <= 0, "gap", "needs a share: reorder 25% gap 5" },
        { c->burst_bytes && !c->rate_bytes, "burst", "needs a rate: rate 10mbit burst 32KiB" },
        { (c->queue_bytes || c->queue_packets) && !queues, "limit",
            "needs a rate, before which packets wait: rate 10mbit" },
        { (c->slot.packets || c->slot.bytes) && !slots, "slot", "needs a time: slot 20ms" },
    };

    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        if (rules[i].wrong)
            return skt_refuse(why, -EINVAL, "word", skt_span_str(rules[i].word), "%s", rules[i].way_out);
    }
    return 0;
}

int skt_netem_check(const struct skt_netem *n, struct skt_room *why)
{
    int r = check(&n->way[SKT_UP], why);

    return r ? r : check(&n->way[SKT_DOWN], why);
}
