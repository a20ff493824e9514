/* qr: libqrencode's modules as half blocks. */
#include "drive/qr.h"

#include <errno.h>
#include <qrencode.h>

enum { QUIET = 4 /* modules of light around it, ISO 18004 */ };

/* Outside of the code all is light. */
static bool is_dark(const QRcode *code, int x, int y)
{
    return 0 <= x && x < code->width && 0 <= y && y < code->width && code->data[y * code->width + x] & 1;
}

/* Two rows of modules as one of characters. */
static void put_row(struct skt_room *out, const QRcode *code, int y)
{
    static const char *const cells[2][2] = { { "█", "▀" }, { "▄", " " } }; /* upper dark, lower dark */

    for (int x = -QUIET; x < code->width + QUIET; x++)
        skt_put_str(out, cells[is_dark(code, x, y)][is_dark(code, x, y + 1)]);
    skt_put_u8(out, '\n');
}

static int error_of(int error)
{
    switch (error) {
    case ERANGE: return -EMSGSIZE;
    case EINVAL: return -EINVAL;
    default: return -ENOMEM;
    }
}

static int draw(const char *text, struct skt_room *out)
{
    struct skt_room was = *out;
    QRcode *code = QRcode_encodeString(text, 0, QR_ECLEVEL_L, QR_MODE_8, 1);

    if (!code)
        return error_of(errno);
    for (int y = -QUIET; y < code->width + QUIET; y += 2)
        put_row(out, code, y);
    QRcode_free(code);
    if (!out->bad)
        return 0;
    *out = was;
    out->bad = true;
    return -ENOSPC;
}

__attribute__((visibility("default"))) const struct skt_qr_ops skt_plug_qr = { draw };
