#pragma once
#include <sockit/bytes.h>

#include <stdatomic.h>

/* fileio: whole reads and writes at an offset, and holes. All go on after EINTR. */

/* How many bytes there were: fewer than asked for only at the end of the file. Or -errno. */
int64_t skt_file_read(int fd, struct skt_room to, uint64_t offset);
/* How many bytes it wrote: runs of zeros that fall on a hole are not, it stays one. Or -errno. */
int64_t skt_file_write(int fd, struct skt_span from, uint64_t offset);
int skt_file_write_zeros(int fd, uint64_t offset, uint64_t n); /* makes a hole, if the file system has any */
bool skt_file_is_hole(int fd, uint64_t offset, uint64_t n);    /* of a range behind the end: true */
/* What `from` has in its first n bytes goes to `to`, an empty file, shared where the file system can. The length of `to` is not
 * what it will be afterwards: set it. -ECANCELED: another thread has set stop. */
int skt_file_copy(int from, int to, uint64_t n, const atomic_bool *stop /* may be NULL */);
bool skt_is_zero(struct skt_span bytes);
