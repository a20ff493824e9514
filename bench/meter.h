#pragma once
#include <stdint.h>
#include <sys/types.h>

/* meter: what a server has used. The runner starts each server as leader of a session of its own ("load run"), so the
 * session is the server with all its threads and all the children that it forks. */
int64_t meter_cpu(pid_t session);    /* ns of CPU, user and system, children that ended included */
int64_t meter_memory(pid_t session); /* bytes of anonymous memory: heap, stacks, buffers */
double meter_balance(pid_t server);  /* mean over maximum of the CPU of its threads: 1 is even */
