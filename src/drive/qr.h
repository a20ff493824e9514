#pragma once
#include <sockit/bytes.h>

/* qr: a text as a QR code for a terminal: half blocks in UTF-8, two modules a character, lines that end in LF. Light is drawn
 * and dark is left out, as `qrencode -t UTF8` does for terminals with a dark background; the quiet zone of 4 modules is part
 * of it. 0; -ENOSPC: `out` is too small (then unchanged but for bad); -EMSGSIZE: no QR code has that many bytes; -EINVAL: an
 * empty text; -ENOMEM; -ENOSYS: sockit-qr.so, which needs libqrencode, is not installed, or
 * a sandbox is closed already: draw before. */
int skt_qr(const char *text, struct skt_room *out);

/* A text of SKT_QR_TEXT bytes fits into SKT_QR_ROOM: version 6, 49 columns, 25 lines. */
enum { SKT_QR_TEXT = 134, SKT_QR_ROOM = 4096 };

/* What the module exports as skt_plug_qr. */
struct skt_qr_ops {
    int (*draw)(const char *text, struct skt_room *out);
};
