/* json: lines of JSON, written as they come. */
#include "cli/json.h"

#include "base/text.h"
#include "base/utf8.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { PIECE = 4096 }; /* of a string, escaped at once */

static bool in_array(const struct skt_json *j) { return j->arrays >> j->depth & 1; }

/* One piece, at most PIECE bytes; the quotes that base puts around it are taken off again. */
static void put_piece(struct skt_sink *sink, struct skt_span piece)
{
    struct skt_room room = skt_sink_room(sink, 6 * PIECE + 2);
    uint8_t *from = room.p;

    skt_put_json_str(&room, piece);
    if (room.bad || room.p == from)
        return;
    room.p -= 2;
    memmove(from, from + 1, (size_t)(room.p - from));
    skt_sink_took(sink, room);
}

static void put_string(struct skt_sink *sink, struct skt_span text)
{
    if (skt_len(text) <= PIECE) { /* nearly always */
        struct skt_room room = skt_sink_room(sink, 6 * skt_len(text) + 2);

        skt_put_json_str(&room, text);
        skt_sink_took(sink, room);
        return;
    }
    skt_sink_str(sink, "\"");
    while (skt_len(text)) {
        struct skt_span piece = { .p = text.p, .end = skt_len(text) > PIECE ? text.p + PIECE : text.end };

        if (piece.end != text.end)
            piece.end = piece.p + skt_utf8_whole(piece);
        put_piece(sink, piece);
        text.p = piece.end;
    }
    skt_sink_str(sink, "\"");
}

/* What stands before a value: the comma, and in an object the name, which is ours and needs no escape. */
static void before(struct skt_json *j, const char *key)
{
    struct skt_room room = skt_sink_room(j->sink, (key ? strlen(key) : 0) + 4);

    assert(j->depth && in_array(j) == !key);
    if (j->comma)
        skt_put_str(&room, ",");
    j->comma = true;
    if (key) {
        skt_put_str(&room, "\"");
        skt_put_str(&room, key);
        skt_put_str(&room, "\":");
    }
    skt_sink_took(j->sink, room);
}

static void enter(struct skt_json *j, bool array)
{
    assert(j->depth < SKT_JSON_DEPTH);
    j->depth++;
    j->arrays = (j->arrays & ~(UINT32_C(1) << j->depth)) | (uint32_t)array << j->depth;
    j->comma = false;
    skt_sink_str(j->sink, array ? "[" : "{");
}

void skt_json_begin(struct skt_json *j, struct skt_sink *sink)
{
    *j = (struct skt_json){ .sink = sink };
    enter(j, false);
}

void skt_json_end(struct skt_json *j)
{
    while (j->depth)
        skt_json_close(j);
    skt_sink_str(j->sink, "\n");
}

void skt_json_close(struct skt_json *j)
{
    assert(j->depth);
    skt_sink_str(j->sink, in_array(j) ? "]" : "}");
    j->depth--;
    j->comma = true;
}

void skt_json_object(struct skt_json *j, const char *key)
{
    before(j, key);
    enter(j, false);
}

void skt_json_array(struct skt_json *j, const char *key)
{
    before(j, key);
    enter(j, true);
}

void skt_json_span(struct skt_json *j, const char *key, struct skt_span value)
{
    before(j, key);
    put_string(j->sink, value);
}

void skt_json_str(struct skt_json *j, const char *key, const char *value)
{
    if (value)
        skt_json_span(j, key, skt_span_str(value));
    else
        skt_json_null(j, key);
}

void skt_json_u64(struct skt_json *j, const char *key, uint64_t value)
{
    before(j, key);
    skt_sink_fmt(j->sink, "%" PRIu64, value);
}

void skt_json_i64(struct skt_json *j, const char *key, int64_t value)
{
    before(j, key);
    skt_sink_fmt(j->sink, "%" PRIi64, value);
}

void skt_json_double(struct skt_json *j, const char *key, double value)
{
    char text[32];

    if (!isfinite(value)) { /* RFC 8259 6: Infinity and NaN are not permitted. */
        skt_json_null(j, key);
        return;
    }
    before(j, key);
    for (int digits = 15; digits <= 17; digits++) { /* as short as it can be, and exact */
        (void)snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    skt_sink_str(j->sink, text);
}

void skt_json_bool(struct skt_json *j, const char *key, bool value)
{
    before(j, key);
    skt_sink_str(j->sink, value ? "true" : "false");
}

void skt_json_null(struct skt_json *j, const char *key)
{
    before(j, key);
    skt_sink_str(j->sink, "null");
}
