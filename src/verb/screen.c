/* screen: a stranger's bytes as a terminal may have them. */
#include "verb/screen.h"

#include "base/text.h"
#include "base/utf8.h"

static void put_text(struct skt_room *out, struct skt_span text)
{
    while (skt_len(text)) {
        const uint8_t *q = text.p;
        while (q < text.end && *q != '\n' && *q != '\t' && *q != '\r')
            q++;
        skt_put_escaped(out, skt_get_span(&text, (size_t)(q - text.p)));
        if (skt_len(text)) {
            uint8_t c = skt_get_u8(&text);
            if (c != '\r')
                skt_put_u8(out, c);
        }
    }
}

bool screen_next(struct screen *s, struct skt_span *bytes, struct skt_room *out)
{
    uint8_t piece[SCREEN_PIECE];
    struct skt_room in = skt_room_of(piece, sizeof piece);
    size_t n, whole;

    if (!skt_len(*bytes))
        return false;
    skt_put(&in, skt_span_of(s->half, s->n_half));
    n = skt_left(in) < skt_len(*bytes) ? skt_left(in) : skt_len(*bytes);
    skt_put(&in, skt_get_span(bytes, n));
    n = (size_t)(in.p - piece);
    whole = skt_utf8_whole(skt_span_of(piece, n));
    s->n_half = (uint32_t)(n - whole);
    memcpy(s->half, piece + whole, s->n_half);
    put_text(out, skt_span_of(piece, whole));
    return true;
}
