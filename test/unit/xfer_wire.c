/* wire/xfer.c: the cases of test/vectors/xfer.txt, read, written, cut and squeezed; and what does not fit into text. */
#include "test.h"

#include "wire/xfer.h"

#include <stdio.h>
#include <stdlib.h>

enum { TEXT_BYTES = 16 * 1024, WIRE_BYTES = 20 * 1024 };

/* --- what was read, as the vectors say it --- */

/* Each byte of them; more than 1024 times the same is said once. */
static void say_run(struct skt_room *out, struct skt_span bytes, void say(struct skt_room *out, uint8_t byte))
{
    size_t n = skt_len(bytes);

    if (n > 1024 && !memcmp(bytes.p, bytes.p + 1, n - 1)) {
        say(out, *bytes.p);
        skt_put_fmt(out, "*%zu", n);
        return;
    }
    while (n--)
        say(out, *bytes.p++);
}

static void say_hex(struct skt_room *out, uint8_t byte) { skt_put_fmt(out, "%02x", byte); }

static void say_char(struct skt_room *out, uint8_t byte)
{
    skt_put_fmt(out, ' ' < byte && byte < 0x7f && byte != '*' ? "%c" : "\\x%02x", byte);
}

static void say_text(struct skt_room *out, struct skt_span text) { say_run(out, text, say_char); }

static void say_bytes(struct skt_room *out, const char *name, const uint8_t *p, size_t n)
{
    skt_put_fmt(out, " %s=", name);
    say_run(out, skt_span_of(p, n), say_hex);
}

static void say_other_version(struct skt_room *out, const struct skt_xfer_packet *p)
{
    skt_put_fmt(out, "OTHER type=%u version=%u epoch=%u conn=%u number=%llu", p->type, p->version, p->epoch, p->conn,
        (unsigned long long)p->number);
    if (p->type == SKT_XFER_INIT) {
        skt_put_fmt(out, " mode=%u", p->mode);
        say_bytes(out, "session", p->session, 16);
    }
}

/* wire: all of it: the check is not among what a get gives. */
static void say_packet(struct skt_room *out, const struct skt_xfer_packet *p, const uint8_t *wire)
{
    switch ((enum skt_xfer_type)p->type) {
    case SKT_XFER_INIT:
        skt_put_fmt(out, "INIT conn=%u mode=%u", p->conn, p->mode);
        say_bytes(out, "session", p->session, 16);
        say_bytes(out, "share", p->share, 32);
        say_bytes(out, "cookie", p->cookie.p, skt_len(p->cookie));
        say_bytes(out, "check", wire + 66 + skt_len(p->cookie), 4);
        return;
    case SKT_XFER_RETRY:
        skt_put_fmt(out, "RETRY conn=%u", p->conn);
        say_bytes(out, "cookie", p->cookie.p, skt_len(p->cookie));
        return;
    case SKT_XFER_ACCEPT:
        skt_put_fmt(out, "ACCEPT conn=%u other=%u", p->conn, p->other);
        say_bytes(out, "share", p->share, 32);
        say_bytes(out, "check", wire + 52, 4);
        return;
    case SKT_XFER_CONFIRM:
        skt_put_fmt(out, "CONFIRM conn=%u", p->conn);
        say_bytes(out, "mac", p->mac, 32);
        say_bytes(out, "check", wire + 48, 4);
        return;
    case SKT_XFER_REJECT:
        skt_put_fmt(out, "REJECT conn=%u code=%u", p->conn, p->code);
        say_bytes(out, "session", p->session, 16);
        if (skt_len(p->versions))
            say_bytes(out, "versions", p->versions.p, skt_len(p->versions));
        return;
    case SKT_XFER_SEALED:
        skt_put_fmt(out, "SEALED epoch=%u conn=%u number=%llu", p->epoch, p->conn, (unsigned long long)p->number);
        say_bytes(out, "body", p->body.p, skt_len(p->body));
        return;
    }
}

static void say_ack(struct skt_room *out, const struct skt_xfer_ack *ack)
{
    skt_put_fmt(out, "ACK delay=%u", ack->delay);
    for (uint32_t i = 0; i < ack->n; i++)
        skt_put_fmt(
            out, " %llu-%llu", (unsigned long long)ack->range[i].from, (unsigned long long)ack->range[i].to - 1);
}

static void say_frame(struct skt_room *out, const struct skt_xfer_frame *f)
{
    switch ((enum skt_xfer_frame_kind)f->kind) {
    case SKT_XFER_PAD: skt_put_fmt(out, "PAD n=%zu", skt_len(f->bytes)); return;
    case SKT_XFER_PING: skt_put_str(out, "PING"); return;
    case SKT_XFER_ACK: say_ack(out, &f->ack); return;
    case SKT_XFER_STREAM:
        skt_put_fmt(out, "STREAM offset=%llu", (unsigned long long)f->offset);
        say_bytes(out, "bytes", f->bytes.p, skt_len(f->bytes));
        return;
    case SKT_XFER_CREDIT: skt_put_fmt(out, "CREDIT offset=%llu", (unsigned long long)f->offset); return;
    case SKT_XFER_BLOCK:
        skt_put_fmt(out, "BLOCK file=%u offset=%llu", f->file, (unsigned long long)f->offset);
        say_bytes(out, "bytes", f->bytes.p, skt_len(f->bytes));
        return;
    case SKT_XFER_CLOSE:
        skt_put_fmt(out, "CLOSE code=%u text=", f->code);
        say_text(out, f->bytes);
        return;
    }
}

static void say_entry(struct skt_room *out, uint32_t file, const struct skt_xfer_meta *e)
{
    skt_put_fmt(out, "ENTRY file=%u kind=%u mode=%u mtime=%lld size=%llu data=%llu path=", file, e->kind, e->mode,
        (long long)e->mtime, (unsigned long long)e->size, (unsigned long long)e->data);
    say_text(out, e->path);
    skt_put_str(out, " target=");
    say_text(out, e->target);
}

static void say_row(struct skt_room *out, const char *name, const struct skt_xfer_message *m)
{
    skt_put_fmt(out, "%s file=%u group=%llu count=%llu", name, m->file, (unsigned long long)m->group,
        (unsigned long long)m->count);
}

static void say_message(struct skt_room *out, const struct skt_xfer_message *m)
{
    switch ((enum skt_xfer_message_kind)m->kind) {
    case SKT_XFER_OFFER:
        skt_put_fmt(out, "OFFER files=%llu bytes=%llu", (unsigned long long)m->files, (unsigned long long)m->bytes);
        return;
    case SKT_XFER_ENTRY: say_entry(out, m->file, &m->entry); return;
    case SKT_XFER_END: skt_put_fmt(out, "END files=%u", m->file); return;
    case SKT_XFER_HASHES:
        say_row(out, "HASHES", m);
        say_bytes(out, "hash", m->hash, m->count * 32);
        return;
    case SKT_XFER_ZEROS: say_row(out, "ZEROS", m); return;
    case SKT_XFER_SKIP: skt_put_fmt(out, "SKIP file=%u error=%u", m->file, m->error); return;
    case SKT_XFER_SUM:
        skt_put_str(out, "SUM");
        say_bytes(out, "hash", m->hash, 32);
        return;
    case SKT_XFER_MORE: skt_put_fmt(out, "MORE files=%u", m->file); return;
    case SKT_XFER_CHECK: skt_put_fmt(out, "CHECK file=%u", m->file); return;
    case SKT_XFER_NEED: say_row(out, "NEED", m); return;
    case SKT_XFER_REFUSE:
        skt_put_fmt(out, "REFUSE file=%u error=%u text=", m->file, m->error);
        say_text(out, m->text);
        return;
    case SKT_XFER_STORED: skt_put_fmt(out, "STORED files=%u bytes=%llu", m->file, (unsigned long long)m->bytes); return;
    case SKT_XFER_DONE:
        skt_put_str(out, "DONE");
        say_bytes(out, "hash", m->hash, 32);
        skt_put_fmt(out, " stored=%u refused=%u", m->stored, m->refused);
        return;
    }
}

/* --- a case --- */

enum kind { PACKET, FRAME, MESSAGE };

/* One thing as it was read; the three codecs behind one face, so that each case goes through the same mill. */
struct thing {
    enum kind kind;
    const uint8_t *wire; /* of a packet */
    struct skt_xfer_packet packet;
    struct skt_xfer_frame frame;
    struct skt_xfer_message message;
};

static bool get(struct skt_span *in, struct thing *t)
{
    bool ok;

    switch (t->kind) {
    case FRAME: return skt_xfer_get_frame(in, &t->frame);
    case MESSAGE: return skt_xfer_get_message(in, &t->message);
    case PACKET: break;
    }
    ok = in->p != in->end && skt_xfer_get(*in, &t->packet);
    t->wire = in->p;
    in->bad = in->p != in->end && !ok;
    in->p = in->end;
    return ok;
}

static void say(struct skt_room *out, const struct thing *t)
{
    if (t->kind == FRAME)
        say_frame(out, &t->frame);
    else if (t->kind == MESSAGE)
        say_message(out, &t->message);
    else if (t->packet.version != SKT_XFER_VERSION)
        say_other_version(out, &t->packet);
    else
        say_packet(out, &t->packet, t->wire);
}

static void put(struct skt_room *out, const struct thing *t)
{
    if (t->kind == FRAME)
        skt_xfer_put_frame(out, &t->frame);
    else if (t->kind == MESSAGE)
        skt_xfer_put_message(out, &t->message);
    else if (t->packet.type != SKT_XFER_SEALED)
        skt_xfer_put(out, &t->packet);
    else if (skt_left(*out) < SKT_XFER_HEAD + skt_len(t->packet.body))
        out->bad = true;
    else {
        skt_xfer_put_head(out, &t->packet);
        skt_put(out, t->packet.body);
    }
}

static bool is_ack(const struct thing *t) { return t->kind == FRAME && t->frame.kind == SKT_XFER_ACK; }

/* Into much room, exactly its room, and each smaller one, which stays as it was. Only an ACK may leave out what does not
 * fit. */
static void is_written_so(const struct thing *t, struct skt_span want)
{
    static uint8_t wire[WIRE_BYTES];
    size_t n = skt_len(want), step = n > 100 ? n / 50 : 1;
    struct skt_room out;

    for (size_t more = 0; more <= 64; more += 64) {
        out = skt_room_of(wire, n + more);
        put(&out, t);
        assert_false(out.bad);
        assert_ptr_equal(out.p, wire + n);
        assert_memory_equal(wire, want.p, n);
    }
    for (size_t less = is_ack(t) ? 18 : n; less >= step; less -= step) {
        out = skt_room_of(wire, less - 1);
        put(&out, t);
        assert_true(out.bad);
        assert_ptr_equal(out.p, wire);
    }
}

/* The bytes in memory of exactly their number: a sanitizer sees what is read beyond. */
static uint8_t *alone(struct skt_span bytes, size_t n)
{
    uint8_t *p = malloc(n ? n : 1);

    assert_non_null(p);
    memcpy(p, bytes.p, n);
    return p;
}

/* Its last field goes on to the end of what contains it: cut, it is a shorter one. */
static bool has_no_end(const struct thing *t)
{
    return t->kind == FRAME    ? t->frame.kind == SKT_XFER_PAD
           : t->kind == PACKET ? t->packet.type == SKT_XFER_SEALED || t->packet.code == SKT_XFER_VERSIONS ||
                                     t->packet.version != SKT_XFER_VERSION
                               : false;
}

/* Anything else cut short is nothing; a message is awaited. */
static void is_nothing_when_cut(const struct thing *whole, struct skt_span bytes)
{
    size_t n = skt_len(bytes), step = n > 100 ? n / 50 : 1;
    struct thing t = { .kind = whole->kind };

    if (has_no_end(whole))
        return;
    for (size_t less = n; less >= step && less > 1; less -= step) {
        uint8_t *p = alone(bytes, less - 1);
        struct skt_span in = skt_span_of(p, less - 1);
        assert_false(get(&in, &t));
        assert_int_equal(in.bad, t.kind != MESSAGE);
        assert_true(t.kind != MESSAGE || in.p == p);
        free(p);
    }
}

struct one_case {
    char head[TEXT_BYTES];
    uint8_t wire[WIRE_BYTES];
    size_t n;
};

static enum kind kind_of(char **text)
{
    static const char *const names[] = { "packet ", "frame ", "message " };

    for (enum kind k = PACKET; k <= MESSAGE; k++)
        if (!strncmp(*text, names[k], strlen(names[k]))) {
            *text += strlen(names[k]);
            return k;
        }
    fail_msg("'%.40s' is no kind of case", *text);
    return PACKET;
}

/* The next of "A; B; C". NULL: that was all. */
static char *next_word(char **list)
{
    char *word = *list, *end = word ? strstr(word, "; ") : NULL;

    if (end)
        *end = 0;
    *list = end ? end + 2 : NULL;
    return word;
}

static void run_case(struct one_case *c)
{
    static char said[TEXT_BYTES];
    char *list = c->head, *word;
    struct thing t = { .kind = kind_of(&list) };
    uint8_t *p = alone(skt_span_of(c->wire, c->n), c->n);
    struct skt_span in = skt_span_of(p, c->n);

    while ((word = next_word(&list)) && strncmp(word, "!! ", 3) != 0 && strncmp(word, "?? ", 3) != 0) {
        const uint8_t *from = in.p;
        bool otherwise = *word == '~';
        struct skt_room out = skt_room_of(said, sizeof said);

        if (!get(&in, &t))
            fail_msg("'%.80s' is not read", word);
        say(&out, &t);
        skt_put_u8(&out, 0);
        assert_false(out.bad);
        assert_string_equal(said, word + otherwise);
        if (!otherwise && (t.kind != PACKET || t.packet.version == SKT_XFER_VERSION))
            is_written_so(&t, skt_span_of(from, (size_t)(in.p - from)));
        if (!otherwise)
            is_nothing_when_cut(&t, skt_span_of(from, (size_t)(in.p - from)));
    }
    if (get(&in, &t))
        fail_msg("'%.80s' is taken", word ? word : "what nobody expected");
    assert_int_equal(in.bad, word && *word == '!');
    assert_true(word ? t.kind == PACKET || in.p != in.end || in.bad : in.p == in.end);
    free(p);
}

static void add_hex(struct one_case *c, char *line)
{
    for (char *word = strtok(line, " "); word; word = strtok(NULL, " ")) {
        char *star = strchr(word, '*');
        unsigned times = star ? (unsigned)strtoul(star + 1, NULL, 10) : 1, value;
        size_t n = (star ? (size_t)(star - word) : strlen(word)) / 2;

        assert_true(n && c->n + n * times <= WIRE_BYTES);
        for (size_t i = 0; i < n * times; i++) {
            assert_int_equal(sscanf(word + i % n * 2, "%2x", &value), 1);
            c->wire[c->n++] = (uint8_t)value;
        }
    }
}

static void the_vectors_are_read_and_written(void **state)
{
    static struct one_case c;
    static char line[TEXT_BYTES];
    FILE *f = fopen(TEST_SOURCE "/vectors/xfer.txt", "r");
    bool more = true;
    int cases = 0;

    assert_non_null(f);
    do {
        more = fgets(line, sizeof line, f);
        line[more ? strcspn(line, "\n") : 0] = 0;
        if (*line == '#')
            continue;
        if (*line == ' ') {
            add_hex(&c, line);
            continue;
        }
        if (*c.head) {
            run_case(&c);
            cases++;
        }
        strcpy(c.head, line);
        c.n = 0;
    } while (more);
    fclose(f);
    assert_true(cases > 150);
}

/* --- what does not fit into text --- */

static struct skt_xfer_ack ack_of(uint32_t n)
{
    struct skt_xfer_ack ack = { .delay = 7, .n = n };

    for (uint32_t i = 0; i < n; i++)
        ack.range[i] = (struct skt_xfer_range){ 1000 - 10 * i, 1005 - 10 * i };
    return ack;
}

static void an_ack_leaves_out_the_oldest_that_do_not_fit(void **state)
{
    const struct skt_xfer_ack ack = ack_of(SKT_XFER_RANGES + 1);
    uint8_t wire[18 + 8 * SKT_XFER_RANGES];

    for (size_t n = 18; n <= sizeof wire; n++) {
        struct skt_room out = skt_room_of(wire, n);
        struct skt_xfer_frame frame;
        struct skt_span text;

        skt_xfer_put_ack(&out, &ack);
        assert_false(out.bad);
        text = skt_span_of(wire, (size_t)(out.p - wire));
        assert_true(skt_xfer_get_frame(&text, &frame) && text.p == text.end);
        assert_int_equal(frame.ack.n, 1 + (n - 18) / 8);
        assert_memory_equal(frame.ack.range, ack.range, frame.ack.n * sizeof *ack.range);
    }
}

/* A range or a gap of more than 2^32 numbers: what follows is forgotten, what is said is true. */
static void an_ack_says_nothing_that_32_bits_cannot(void **state)
{
    const uint64_t top = UINT64_C(1) << 40, most = UINT64_C(1) << 32;
    struct skt_xfer_ack wide = { .n = 2, .range = { { top, top + most + 1 }, { 1, 2 } } };
    struct skt_xfer_ack second = { .n = 3, .range = { { top, top + 1 }, { 10, top - most }, { 1, 2 } } };
    struct skt_xfer_ack apart = { .n = 2, .range = { { top, top + 1 }, { 1, 2 } } };
    const struct {
        const struct skt_xfer_ack *ack;
        struct skt_xfer_range last;
        uint32_t n;
    } cases[] = { { &wide, { top + 1, top + most + 1 }, 1 }, { &second, { top - 2 * most, top - most }, 2 },
        { &apart, { top, top + 1 }, 1 } };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t wire[100];
        struct skt_room out = skt_room_of(wire, sizeof wire);
        struct skt_xfer_frame frame;
        struct skt_span text;

        skt_xfer_put_ack(&out, cases[i].ack);
        text = skt_span_of(wire, (size_t)(out.p - wire));
        assert_true(skt_xfer_get_frame(&text, &frame) && text.p == text.end);
        assert_int_equal(frame.ack.n, cases[i].n);
        assert_memory_equal(&frame.ack.range[frame.ack.n - 1], &cases[i].last, sizeof cases[i].last);
    }
}

static void what_is_bad_stays_bad(void **state)
{
    static const uint8_t ping[] = { SKT_XFER_PING }, more[] = { SKT_XFER_MORE, 0, 4, 0, 0, 0, 1 };
    struct skt_span text = skt_span_of(ping, sizeof ping), in = skt_span_of(more, sizeof more);
    uint8_t wire[64];
    struct skt_room out = skt_room_of(wire, sizeof wire);
    struct skt_xfer_frame frame;
    struct skt_xfer_message message;

    text.bad = in.bad = out.bad = true;
    assert_false(skt_xfer_get_frame(&text, &frame) || skt_xfer_get_message(&in, &message));
    assert_true(text.p == ping && in.p == more);
    skt_xfer_put_frame(&out, &(struct skt_xfer_frame){ .kind = SKT_XFER_PING });
    skt_xfer_put_message(&out, &(struct skt_xfer_message){ .kind = SKT_XFER_MORE });
    skt_xfer_put_head(&out, &(struct skt_xfer_packet){ 0 });
    skt_xfer_put_pad(&out, 1);
    assert_true(out.bad && out.p == wire);
}

static void nothing_is_nothing(void **state)
{
    struct skt_span nothing = skt_span_of(NULL, 0);
    struct skt_xfer_packet packet = { .type = 99 };
    struct skt_xfer_frame frame;
    struct skt_xfer_message message;

    assert_false(skt_xfer_get(nothing, &packet) || skt_xfer_path_ok(nothing));
    assert_int_equal(packet.type, 99);
    assert_false(skt_xfer_get_frame(&nothing, &frame) || skt_xfer_get_message(&nothing, &message) || nothing.bad);
}

/* What a directory's entry of the disk says of size, type and target is left out, not told to the other side. */
static void an_entry_says_only_what_has_a_meaning(void **state)
{
    const struct skt_xfer_message dir = { .kind = SKT_XFER_ENTRY,
        .entry = { .kind = SKT_XFER_DIR,
            .mode = 040755,
            .size = 4096,
            .data = 4096,
            .path = skt_span_str("d"),
            .target = skt_span_str("t") } };
    struct skt_xfer_message back;
    uint8_t wire[64];
    struct skt_room out = skt_room_of(wire, sizeof wire);
    struct skt_span in;

    skt_xfer_put_message(&out, &dir);
    in = skt_span_of(wire, (size_t)(out.p - wire));
    assert_true(skt_xfer_get_message(&in, &back));
    assert_int_equal(back.entry.mode, 0755);
    assert_int_equal(back.entry.size, 0);
    assert_int_equal(back.entry.data, 0);
    assert_int_equal(skt_len(back.entry.target), 0);
}

/* Each bit in turn, of what a check covers and of itself. A packet of another version is taken as such, as far as all versions
 * share it; and one bit makes CONFIRM a SEALED, whose tag is for others to look at. */
static void no_bit_of_what_a_check_covers_may_change(void **state)
{
    const struct {
        struct skt_xfer_packet packet;
        size_t n; /* bytes up to the padding */
    } cases[] = {
        { { .type = SKT_XFER_INIT, .mode = SKT_XFER_PAIR, .cookie = skt_span_str("") }, 70 },
        { { .type = SKT_XFER_INIT, .mode = SKT_XFER_KEY, .cookie = skt_span_str("a cookie") }, 78 },
        { { .type = SKT_XFER_ACCEPT, .other = 9 }, 56 },
        { { .type = SKT_XFER_CONFIRM }, 52 },
    };
    static const uint8_t bytes[32] = { 1, 2, 3, 4, 5, 6, 7, 8 };
    uint8_t wire[SKT_XFER_MIN];

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct skt_xfer_packet p = cases[i].packet, back;
        struct skt_room out = skt_room_of(wire, sizeof wire);

        p.version = SKT_XFER_VERSION;
        p.session = p.share = p.mac = bytes;
        skt_xfer_put(&out, &p);
        for (size_t bit = 0; bit < 8 * cases[i].n; bit++) {
            bool other_version = 16 <= bit && bit < 32, sealed = p.type == SKT_XFER_CONFIRM && bit == 1;

            wire[bit / 8] ^= (uint8_t)(1U << bit % 8);
            assert_int_equal(skt_xfer_get(skt_span_of(wire, (size_t)(out.p - wire)), &back), other_version || sealed);
            assert_true(!other_version || back.version != SKT_XFER_VERSION);
            assert_true(!sealed || back.type == SKT_XFER_SEALED);
            wire[bit / 8] ^= (uint8_t)(1U << bit % 8);
        }
        assert_true(skt_xfer_get(skt_span_of(wire, (size_t)(out.p - wire)), &back));
    }
}

RUN(T(the_vectors_are_read_and_written), T(no_bit_of_what_a_check_covers_may_change),
    T(an_ack_leaves_out_the_oldest_that_do_not_fit), T(an_ack_says_nothing_that_32_bits_cannot),
    T(what_is_bad_stays_bad), T(nothing_is_nothing), T(an_entry_says_only_what_has_a_meaning))
