/* putnetem: a path as text that skt_netem_line reads back, exactly. */
#include "engine/impair/grammar.h"

#include <stdio.h>

#include "base/banned.h"

/* The parser's steps: a billionth of a percent. */
static void put_share(struct skt_room *out, double share)
{
    enum { STEPS = 1000000000 };
    unsigned long long v = (unsigned long long)(share * 100 * STEPS + .5);
    unsigned digits = 9;
    unsigned long long part = v % STEPS;

    if (!part) {
        skt_put_fmt(out, " %llu%%", v / STEPS);
        return;
    }
    for (; part % 10 == 0; part /= 10)
        digits--;
    skt_put_fmt(out, " %llu.%0*llu%%", v / STEPS, (int)digits, part);
}

static void maybe_share(struct skt_room *out, double share)
{
    if (share > 0)
        put_share(out, share);
}

static void put_exact_time(struct skt_room *out, skt_time t)
{
    static const struct {
        skt_time ns;
        const char *name;
    } units[] = { { SKT_SEC, "s" }, { SKT_MS, "ms" }, { SKT_US, "us" }, { 1, "ns" } };
    size_t i = 0;

    while (t % units[i].ns)
        i++;
    skt_put_fmt(out, " %lld%s", (long long)(t / units[i].ns), units[i].name);
}

static const char *dist_name(enum skt_dist dist)
{
    switch (dist) {
    case SKT_UNIFORM: return "uniform";
    case SKT_NORMAL: return "normal";
    case SKT_PARETO: return "pareto";
    case SKT_PARETONORMAL: return "paretonormal";
    }
    return "";
}

static void put_delay(struct skt_room *out, const struct skt_path_conf *c)
{
    if (!c->delay && !c->jitter)
        return;
    skt_put_str(out, " delay");
    put_exact_time(out, c->delay);
    if (c->jitter) {
        put_exact_time(out, c->jitter);
        maybe_share(out, c->delay_corr);
        if (c->delay_dist != SKT_UNIFORM)
            skt_put_fmt(out, " distribution %s", dist_name(c->delay_dist));
    }
    if (c->in_order)
        skt_put_str(out, " ordered");
}

static void put_shares(struct skt_room *out, const double *share, int n)
{
    for (int i = 0; i < n; i++)
        put_share(out, share[i]);
}

static void put_loss(struct skt_room *out, const struct skt_path_conf *c)
{
    if (c->loss_model == SKT_LOSS_RANDOM && c->loss <= 0)
        return;
    skt_put_str(out, " loss");
    switch (c->loss_model) {
    case SKT_LOSS_RANDOM:
        put_share(out, c->loss);
        maybe_share(out, c->loss_corr);
        break;
    case SKT_LOSS_GEMODEL:
        skt_put_str(out, " gemodel");
        put_shares(out, (double[]){ c->ge.p, c->ge.r, c->ge.bad, c->ge.good }, 4);
        break;
    case SKT_LOSS_STATE:
        skt_put_str(out, " state");
        put_shares(out, (double[]){ c->state.p13, c->state.p31, c->state.p32, c->state.p23, c->state.p14 }, 5);
        break;
    }
    if (c->ecn)
        skt_put_str(out, " ecn");
}

static void put_chance(struct skt_room *out, const char *word, double share, double corr)
{
    if (share <= 0)
        return;
    skt_put_str(out, word);
    put_share(out, share);
    maybe_share(out, corr);
}

/* Whole bits, in the largest unit that is exact: a rate in bytes/s is at most 2^61. */
static void put_exact_rate(struct skt_room *out, uint64_t bytes)
{
    static const struct {
        unsigned long long bits;
        const char *name;
    } units[] = { { 1000000000, "gbit" }, { 1000000, "mbit" }, { 1000, "kbit" }, { 1, "bit" } };
    unsigned long long bits = bytes <= UINT64_MAX / 8 ? 8 * bytes : UINT64_MAX & ~7ull;
    size_t i = 0;

    while (bits % units[i].bits)
        i++;
    skt_put_fmt(out, " %llu%s", bits / units[i].bits, units[i].name);
}

static void put_rate(struct skt_room *out, const struct skt_path_conf *c)
{
    if (!c->rate_bytes)
        return;
    skt_put_str(out, " rate");
    put_exact_rate(out, c->rate_bytes);
    if (c->overhead || c->cell_size)
        skt_put_fmt(out, " %d", c->overhead);
    if (c->cell_size)
        skt_put_fmt(out, " %u %d", c->cell_size, c->cell_overhead);
    if (c->burst_bytes)
        skt_put_fmt(out, " burst %lluB", (unsigned long long)c->burst_bytes);
}

static void put_limit(struct skt_room *out, const struct skt_path_conf *c)
{
    if (c->queue_packets)
        skt_put_fmt(out, " limit %u", c->queue_packets);
    else if (c->queue_bytes)
        skt_put_fmt(out, " limit %lluB", (unsigned long long)c->queue_bytes);
}

static void put_slot(struct skt_room *out, const struct skt_path_conf *c)
{
    if (!c->slot.max && !c->slot.delay && !c->slot.jitter)
        return;
    skt_put_str(out, " slot");
    if (c->slot.dist == SKT_UNIFORM) {
        put_exact_time(out, c->slot.min);
        put_exact_time(out, c->slot.max);
    } else {
        skt_put_fmt(out, " distribution %s", dist_name(c->slot.dist));
        put_exact_time(out, c->slot.delay);
        put_exact_time(out, c->slot.jitter);
    }
    if (c->slot.packets)
        skt_put_fmt(out, " packets %u", c->slot.packets);
    if (c->slot.bytes)
        skt_put_fmt(out, " bytes %uB", c->slot.bytes);
}

void skt_put_netem(struct skt_room *out, const struct skt_path_conf *conf)
{
    uint8_t text[SKT_NETEM_TEXT];
    struct skt_room room = skt_room_of(text, sizeof text);

    put_delay(&room, conf);
    put_loss(&room, conf);
    put_chance(&room, " duplicate", conf->dup, conf->dup_corr);
    put_chance(&room, " corrupt", conf->corrupt, conf->corrupt_corr);
    put_chance(&room, " reorder", conf->reorder, conf->reorder_corr);
    if (conf->reorder > 0 && conf->reorder_gap)
        skt_put_fmt(&room, " gap %u", conf->reorder_gap);
    put_rate(&room, conf);
    put_limit(&room, conf);
    put_slot(&room, conf);
    if (room.p == text)
        skt_put_str(&room, " clear");
    skt_put(out, skt_span_of(text + 1, (size_t)(room.p - text) - 1)); /* without the first blank */
}
