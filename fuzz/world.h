#pragma once
#include <sockit/engine.h>

/* world: a driver whose network is the input of a fuzzer. The bytes are steps: who, what, how much, payload. It keeps the
 * driver's half of the contract in sockit/engine.h, and asserts the engine's. */
enum { WORLD_LISTENER = 1, WORLD_DATAGRAMS = 2, WORLD_LOCAL = 3 }; /* links that begin open */

struct world_conf {
    struct skt_engine engine;
    void (*after)(void *self); /* after each step: reads the events; NULL: there are none */
    void *self;
    bool datagrams, local; /* those links are there */
};

void world_run(const struct world_conf *conf, const uint8_t *data, size_t size);

/* Reads every byte: a sanitizer sees what is not there any more. */
void world_read(struct skt_span bytes);
