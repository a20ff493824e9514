/* topics: the languages of files that verbs read, for help and manual. */
#include "verb/topics.h"

/* What has no capital letter in it is a line as it may stand in a profile: test/cli/impair.sh gives them all to impair. */
const struct skt_topic topic_profile = {
    "profile",
    "impair: the lines of a profile",
    "A profile is a file of changes in time. Each line says from when on (TIME with a unit, from the start of impair) and which "
    "way its words hold; what is not named stays as it was, first of all what the options said. SIGHUP reads the file anew.",
    SKT_EXAMPLES({ "# a bad afternoon", "a comment; empty lines mean nothing either" },
        { "delay 20ms 5ms", "from the start, both ways" },
        { "up: rate 2mbit", "one way: up is to the target (bridge: to IF_B), down is back" },
        { "at 5s: loss 100%", "from then on, both ways" },
        { "at 8s down: delay 200ms loss 0%", "from then on, one way; several words" },
        { "at 9s: clear", "nothing bad any more" },
        { "loop 10s", "begin anew every 10 s, with what held at the start" },
        { "delay TIME [JITTER [CORR]] [distribution D] [ordered]",
            "the words, as tc-netem has them; CORR is a PCT, "
            "D is uniform, normal, pareto or paretonormal; ordered: nothing overtakes" },
        { "loss PCT [CORR]", "at random" },
        { "loss gemodel P [R [1-H [1-K]]]", "in bursts (Gilbert-Elliott): all four are PCT" },
        { "loss state P13 [P31 [P32 [P23 [P14]]]]", "by a chain of four states" }, { "duplicate PCT [CORR]", "twice" },
        { "corrupt PCT [CORR]", "a bit is flipped; a stream's segment is lost by that" },
        { "reorder PCT [CORR] [gap N]", "at once, past the delayed" },
        { "rate RATE [OVERHEAD [CELL [CELLOVERHEAD]]] [burst SIZE]", "so much a second" },
        { "limit N|SIZE", "of the queue before the rate, in packets or bytes" },
        { "slot MIN [MAX] [packets N] [bytes SIZE]", "packets gather, and go together" },
        { "slot distribution D DELAY JITTER [packets N] [bytes SIZE]", "the same, with times by a distribution" },
        { "seed N", "the same seed hits the same packets" }),
};
