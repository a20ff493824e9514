#pragma once
#include <sockit/bytes.h>

#include <sys/socket.h>

/* stamp: when the kernel received what we read, so that our own waking up is no part of a delay. */
void stamp_ask(int fd);                              /* a listener's is inherited by what it accepts */
skt_time stamp_of(struct msghdr *msg, skt_time now); /* on the clock of `now`, not after it; 0: not known */
enum { STAMP_SPACE = CMSG_SPACE(sizeof(int64_t[2])) };
