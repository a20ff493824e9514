#pragma once
/* objects: what --json of each verb prints, for the manual. A row's members are those that the line has besides "event". */
#include "cli/cli.h"

extern const struct skt_object objects_serve[], objects_pipe[], objects_chat[], objects_impair[], objects_send[],
    objects_recv[];
