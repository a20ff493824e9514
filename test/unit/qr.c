/* drive/qr.c and the module behind it: the drawing has the shape of a QR code, is what the program qrencode draws, and
 * can be read back, where these programs are. */
#include "test.h"

#include "drive/plug.h"
#include "drive/qr.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { SIDE_MAX = 200, DRAWN_MAX = 64 * 1024 };

/* The text of a drawing, 0-terminated. */
static char *drawn(const char *text)
{
    char *p = calloc(1, DRAWN_MAX);
    struct skt_room out = skt_room_of(p, DRAWN_MAX - 1);

    assert_int_equal(skt_qr(text, &out), 0);
    return p;
}

struct modules {
    unsigned width, height; /* height: even, two a line */
    bool light[SIDE_MAX][SIDE_MAX];
};

/* The modules of a drawing, the quiet zone too. */
static void read_modules(const char *p, struct modules *m)
{
    static const char *const cells[] = { " ", "▀", "▄", "█" }; /* bit 0: upper light, bit 1: lower */
    unsigned x = 0;

    *m = (struct modules){ 0 };
    while (*p) {
        unsigned cell = 0;

        if (*p == '\n') {
            assert_true(!m->width || x == m->width);
            m->width = x;
            m->height += 2;
            x = 0;
            p++;
            continue;
        }
        while (cell < 4 && strncmp(p, cells[cell], strlen(cells[cell])) != 0)
            cell++;
        assert_true(cell < 4 && x < SIDE_MAX && m->height + 1 < SIDE_MAX);
        m->light[m->height][x] = cell & 1;
        m->light[m->height + 1][x] = cell & 2;
        p += strlen(cells[cell]);
        x++;
    }
    assert_int_equal(x, 0); /* it ends in LF */
}

/* Seven by seven with a ring, whose corner is at (x, y). */
static bool is_finder(const struct modules *m, unsigned x, unsigned y)
{
    for (unsigned i = 0; i < 7; i++)
        for (unsigned k = 0; k < 7; k++) {
            bool ring = i == 0 || i == 6 || k == 0 || k == 6, middle = 2 <= i && i <= 4 && 2 <= k && k <= 4;

            if (m->light[y + i][x + k] == (ring || middle))
                return false;
        }
    return true;
}

static void check_shape(const char *text, unsigned version)
{
    char *p = drawn(text);
    struct modules m;
    unsigned side = 17 + 4 * version;

    read_modules(p, &m);
    assert_int_equal(m.width, side + 8);
    assert_int_equal(m.height, side + 9); /* odd, and two a line */
    for (unsigned y = 0; y < m.height; y++)
        for (unsigned x = 0; x < m.width; x++)
            if (x < 4 || x >= side + 4 || y < 4 || y >= side + 4)
                assert_true(m.light[y][x]);
    assert_true(is_finder(&m, 4, 4));
    assert_true(is_finder(&m, 4 + side - 7, 4));
    assert_true(is_finder(&m, 4, 4 + side - 7));
    for (unsigned i = 8; i < side - 8; i++) { /* the rows that count */
        assert_int_equal(m.light[4 + 6][4 + i], i & 1);
        assert_int_equal(m.light[4 + i][4 + 6], i & 1);
    }
    free(p);
}

static char *repeated(char c, size_t n)
{
    char *text = calloc(1, n + 1);

    memset(text, c, n);
    return text;
}

static void a_drawing_has_the_shape_of_a_qr_code(void **state)
{
    char *some = repeated('x', SKT_QR_TEXT), *most = repeated('x', 2953);

    check_shape("a", 1);
    check_shape("sockit recv 4821-otter", 2);
    check_shape(some, 6);
    check_shape(most, 40);
    free(some);
    free(most);
}

static void the_room_that_is_named_is_enough(void **state)
{
    char text[SKT_QR_TEXT + 1] = "", room[SKT_QR_ROOM];
    struct skt_room out = skt_room_of(room, sizeof room);

    for (unsigned i = 0; i < SKT_QR_TEXT; i++)
        text[i] = (char)('!' + i * 7 % 90);
    assert_int_equal(skt_qr(text, &out), 0);
}

static void what_does_not_fit_is_told_apart(void **state)
{
    char *most = repeated('x', 2954);
    uint8_t room[2000];
    struct skt_room out = skt_room_of(room, sizeof room);

    assert_int_equal(skt_qr(most, &out), -EMSGSIZE);
    assert_int_equal(skt_qr("", &out), -EINVAL);
    assert_true(out.p == room && !out.bad);
    out.end = room + 100;
    assert_int_equal(skt_qr("a", &out), -ENOSPC);
    assert_true(out.p == room && out.end == room + 100 && out.bad);
    free(most);
}

/* ---- other programs ---- */

static bool has(const char *program)
{
    char command[100];

    (void)snprintf(command, sizeof command, "command -v %s >/dev/null 2>&1", program);
    return !system(command);
}

/* What a command prints; false: it failed. */
static bool output_of(const char *command, char *to, size_t size)
{
    FILE *f = popen(command, "r");
    size_t n;

    assert_non_null(f);
    n = fread(to, 1, size - 1, f);
    to[n] = 0;
    return !pclose(f);
}

static const char *const texts[] = { "a", "4821-otter", "SOCKIT 0123456789",
    "sockit send --pair 4821-otter [2001:db8::1]:4242", "http://192.0.2.1:8080/drop/4821-otter?name=a%20b" };

static void it_is_what_qrencode_draws(void **state)
{
    static char theirs[DRAWN_MAX];

    if (!has("qrencode"))
        skip();
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char command[200], *ours = drawn(texts[i]);

        (void)snprintf(command, sizeof command, "qrencode -t UTF8 '%s'", texts[i]);
        assert_true(output_of(command, theirs, sizeof theirs));
        assert_string_equal(ours, theirs);
        free(ours);
    }
}

/* As a picture with 4 dots a module. */
static void write_picture(const char *path, const struct modules *m)
{
    FILE *f = fopen(path, "we");

    assert_non_null(f);
    assert_true(fprintf(f, "P5 %u %u 255\n", 4 * m->width, 4 * m->height) > 0);
    for (unsigned y = 0; y < 4 * m->height; y++)
        for (unsigned x = 0; x < 4 * m->width; x++)
            assert_int_not_equal(fputc(m->light[y / 4][x / 4] ? 255 : 0, f), EOF);
    assert_int_equal(fclose(f), 0);
}

static bool read_back(const struct modules *m, char *to, size_t size)
{
    char path[] = "/tmp/sockit-qr-XXXXXX.pgm", command[200];
    int fd = mkstemps(path, 4);
    bool ok;

    assert_true(fd >= 0);
    close(fd);
    write_picture(path, m);
    (void)snprintf(command, sizeof command, "zbarimg --quiet --raw --oneshot %s", path);
    ok = output_of(command, to, size);
    unlink(path);
    to[strcspn(to, "\n")] = 0;
    return ok;
}

static void it_can_be_read_back(void **state)
{
    if (!has("zbarimg"))
        skip();
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char *p = drawn(texts[i]), got[1000];
        struct modules m;

        read_modules(p, &m);
        assert_true(read_back(&m, got, sizeof got));
        assert_string_equal(got, texts[i]);
        free(p);
    }
}

RUN(T(a_drawing_has_the_shape_of_a_qr_code), T(the_room_that_is_named_is_enough), T(what_does_not_fit_is_told_apart),
    T(it_is_what_qrencode_draws), T(it_can_be_read_back))
