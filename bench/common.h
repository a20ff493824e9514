#pragma once
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* common: what the load and the reference servers share. They are programs of one job each: a failure ends them. */

int64_t bench_now(void);                                                              /* ns, CLOCK_MONOTONIC */
_Noreturn void bench_die(const char *fmt, ...) __attribute__((format(printf, 1, 2))); /* adds errno's text if set */
void *bench_alloc(size_t bytes);                                                      /* zeroed */
uint32_t bench_number(const char *text, uint32_t lo, uint32_t hi);                    /* of a command line */

struct sockaddr_in bench_loopback(uint32_t port);
void bench_raise_files(void); /* as many descriptors as this user may have */

/* TCP_NODELAY, and a congestion control that does not pace: the runner also sets it in its network namespace. */
void bench_tune(int fd);
int bench_listen(uint32_t port);        /* TCP on 127.0.0.1, non-blocking, backlog 4096 */
int bench_udp(uint32_t port, bool gro); /* bound to 127.0.0.1, non-blocking, large buffers */
