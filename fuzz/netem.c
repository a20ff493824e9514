/* engine/impair/grammar.h: what people type and what stands in profiles. The first byte chooses: a line, an option's value,
 * a profile, or packets through what the line says. What was understood is written and read again. */
#include "base/text.h"
#include "base/utf8.h"
#include "engine/impair/grammar.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TEXT_MAX = 4096, SENTENCE = 1024, PACKETS = 64 };

static void is_harmless(const uint8_t *text, struct skt_room why)
{
    assert(skt_utf8_valid(skt_span_of(text, (size_t)(why.p - text))));
    for (; text < why.p; text++)
        assert(*text >= ' ' && *text != 0x7f);
}

static void shares_are_shares(const struct skt_path_conf *c)
{
    const double all[] = { c->delay_corr, c->loss, c->loss_corr, c->ge.p, c->ge.r, c->ge.bad, c->ge.good, c->state.p13,
        c->state.p31, c->state.p32, c->state.p23, c->state.p14, c->dup, c->dup_corr, c->reorder, c->reorder_corr,
        c->corrupt, c->corrupt_corr };

    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        assert(0 <= all[i] && all[i] <= 1);
    assert(0 <= c->delay && 0 <= c->jitter && 0 <= c->slot.min && c->slot.min <= c->slot.max);
}

static void is_read_again(const struct skt_path_conf *conf)
{
    char text[SKT_NETEM_TEXT + 1], second[SKT_NETEM_TEXT + 1];
    struct skt_room room = skt_room_of(text, sizeof text), other = skt_room_of(second, sizeof second);
    struct skt_netem again = { 0 };

    skt_put_netem(&room, conf);
    skt_put_u8(&room, 0);
    assert(!room.bad && !skt_netem_line(&again, SKT_UP, text, NULL));
    skt_put_netem(&other, &again.way[SKT_UP]);
    skt_put_u8(&other, 0);
    assert(!other.bad && !strcmp(text, second));
}

static void lead_packets(const struct skt_path_conf *conf, uint64_t seed)
{
    struct skt_path path;
    struct skt_path_event event;

    skt_path_init(&path, conf, seed, 0);
    for (uint64_t i = 0; i < PACKETS; i++) {
        skt_time now = (skt_time)(i * seed % 1000) * SKT_MS;
        struct skt_path_fate fate = skt_path_pass_ecn(&path, now, i * 997 % 65536, i, seed & 1);
        assert(fate.copies <= SKT_PATH_COPIES);
        for (uint32_t k = 0; k < fate.copies; k++)
            assert(fate.at[k] >= now && fate.flip[k] <= 8 * (i * 997 % 65536));
        (void)skt_path_next(&path, now, &event);
    }
    assert(path.passed == PACKETS && path.lost + path.dropped + path.marked <= 3 * PACKETS);
    skt_path_done(&path);
}

static void line(const char *text, uint8_t choice, struct skt_room *why)
{
    static const char *const words[] = { "delay", "loss", "duplicate", "corrupt", "reorder", "rate", "limit", "slot",
        "seed" };
    struct skt_netem n = { 0 };
    int r = choice & 1 ? skt_netem_set(&n, SKT_BOTH, words[choice / 2 % 9], text, why)
                       : skt_netem_line(&n, SKT_BOTH, text, why);

    if (r)
        return;
    shares_are_shares(&n.way[SKT_UP]);
    if (skt_netem_check(&n, why))
        return;
    is_read_again(&n.way[SKT_UP]);
    lead_packets(&n.way[SKT_UP], choice);
}

static void profile(struct skt_span text, struct skt_room *why)
{
    skt_auto(skt_profile) struct skt_profile *p = NULL;
    static const struct skt_netem nothing = { 0 };
    skt_time at = 0, next;
    uint32_t steps = 0;

    if (skt_profile_new(text, "profile", &nothing, &p, why))
        return;
    do {
        const struct skt_netem *n = skt_profile_at(p, at, &next);
        shares_are_shares(&n->way[SKT_UP]);
        shares_are_shares(&n->way[SKT_DOWN]);
        assert(next > at && !skt_netem_check(n, NULL));
        at = next;
    } while (++steps < skt_profile_steps(p) && at != SKT_NEVER);
    assert(steps == skt_profile_steps(p));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[TEXT_MAX + 1];
    uint8_t sentence[SENTENCE];
    struct skt_room why = skt_room_of(sentence, sizeof sentence);

    if (!size || size > TEXT_MAX)
        return 0;
    memcpy(text, data + 1, size - 1);
    text[size - 1] = 0;
    if (*data < 128)
        line(text, *data, &why);
    else
        profile(skt_span_of(data + 1, size - 1), &why);
    is_harmless(sentence, why);
    return 0;
}
