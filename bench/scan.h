#pragma once
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

/* scan: what the two connect scanners share: which port is next, what was found, and the line of figures. */
enum { SCAN_WINDOW = 256, SCAN_PORTS = 1024 };

struct scan {
    uint16_t ports[SCAN_PORTS];
    uint32_t port_count;
    uint64_t begun, open, closed, failed;
    int64_t from, until, cpu; /* ns */
};

void scan_init(struct scan *s, int argc, char **argv); /* SECONDS PORT... */
bool scan_over(const struct scan *s);
struct sockaddr_in scan_next(struct scan *s);
int scan_socket(int flags); /* resets at close, as scanners do: nothing stays in TIME_WAIT */
void scan_told(struct scan *s, int error);
void scan_print(const struct scan *s);
