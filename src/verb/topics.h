#pragma once
#include "cli/cli.h"

/* What a verb reads from a file, explained: by `sockit help NAME` and in the verb's manual page. */
extern const struct skt_topic topic_profile; /* impair */
