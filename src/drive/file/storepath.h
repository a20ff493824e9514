#pragma once
#include <sockit/bytes.h>

/* storepath: names of a transfer's files. Pure: no file is looked at. */
enum {
    SKT_STOREPATH_MAX = 4096,     /* bytes of a path */
    SKT_STOREPATH_NAME_MAX = 255, /* of a part */
};

/* 0; -EINVAL: absolute, a part that is empty, "." or "..", or ends as only we name files (".part-sockit"), a NUL; -ENAMETOOLONG: the
 * path, a part, or more than max_depth parts. ret_last: where its last part begins. */
int skt_storepath_check(struct skt_span path, uint32_t max_depth, size_t *ret_last);
bool skt_storepath_is_part(const char *name); /* ends in ".part-sockit" */
/* What a file of this name is called until it is whole: NAME.part-sockit or, above max bytes (at least 48), a hash of it. */
void skt_storepath_part(const char *name, size_t max, char ret_part[SKT_STOREPATH_NAME_MAX + 1]);
