#pragma once

/* The module sockit-NAME.so: its one symbol skt_plug_NAME. Looked for along the RUNPATH of the program, loaded once and
 * kept. NULL: not installed, or not ours. NAME: crypt, dns, edit, qr, sandbox, tls. */
const void *skt_plug(const char *name);
