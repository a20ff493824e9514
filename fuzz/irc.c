/* wire/irc.h: lines of strangers. All that is found lies inside the line; tag values come back as they were. */
#include "wire/irc.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { VALUE_MAX = 8192 };

static void is_inside(struct skt_span line, struct skt_span part)
{
    assert(part.p == part.end || (line.p <= part.p && part.p <= part.end && part.end <= line.end));
}

static void tag_value(struct skt_span value)
{
    static uint8_t plain[VALUE_MAX], tagged[2 * VALUE_MAX], again[VALUE_MAX];
    struct skt_room p = skt_room_of(plain, sizeof plain), t = skt_room_of(tagged, sizeof tagged),
                    a = skt_room_of(again, sizeof again);

    skt_irc_untag_value(&p, value);
    assert(!p.bad && (size_t)(p.p - plain) <= skt_len(value));
    skt_irc_put_tag_value(&t, skt_span_of(plain, (size_t)(p.p - plain)));
    skt_irc_untag_value(&a, skt_span_of(tagged, (size_t)(t.p - tagged)));
    assert(!t.bad && !a.bad);
    assert(skt_span_eq(skt_span_of(plain, (size_t)(p.p - plain)), skt_span_of(again, (size_t)(a.p - again))));
}

static void one_line(struct skt_span line)
{
    struct skt_irc irc;
    struct skt_span tags, key, value, list, item;

    if (skt_irc_parse(line, &irc))
        return;
    assert(skt_len(irc.command) > 0 && irc.n <= SKT_IRC_PARAMS);
    is_inside(line, irc.command);
    is_inside(line, irc.source);
    for (uint32_t i = 0; i < irc.n; i++) {
        is_inside(line, irc.param[i]);
        (void)skt_irc_nick_ok(irc.param[i], SKT_IRC_NICK_MAX, i % 2);
        (void)skt_irc_channel_ok(irc.param[i], 64);
        for (list = irc.param[i]; skt_irc_item(&list, ',', &item);)
            is_inside(line, item);
    }
    for (tags = irc.tags; skt_irc_tag(&tags, &key, &value); tag_value(value)) {
        is_inside(line, key);
        is_inside(line, value);
    }
    (void)skt_irc_match(skt_irc_param(&irc, 0), skt_irc_param(&irc, 1));
    assert(skt_irc_same(irc.command, irc.command));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct skt_span line, in = skt_span_of(data, size);

    if (size > VALUE_MAX)
        return 0;
    while (skt_get_line(&in, &line))
        one_line(line);
    one_line(in);
    return 0;
}
