/* acks: what arrived. The same set answers replays and makes ACK frames. */
#include "engine/xfer/acks.h"

#include <errno.h>

void skt_acks_init(struct skt_acks *acks)
{
    *acks = (struct skt_acks){ .due = SKT_NEVER };
    (void)skt_ranges_init(&acks->seen, SKT_ACKS_KEPT); /* allocates nothing */
}

void skt_acks_done(struct skt_acks *acks) { skt_ranges_done(&acks->seen); }

bool skt_acks_fresh(const struct skt_acks *acks, uint64_t number)
{
    if (number < acks->floor || number == UINT64_MAX)
        return false;
    return !acks->seen.n || number > acks->largest || !skt_ranges_has(&acks->seen, number);
}

/* Forgets the oldest eighth at once, so that the array is not moved down for each new gap. */
static void forget(struct skt_acks *acks)
{
    acks->floor = acks->seen.items[acks->seen.n / 8].from;
    (void)skt_ranges_drop(&acks->seen, 0, acks->floor, NULL); /* only makes it smaller */
}

int skt_acks_got(struct skt_acks *acks, skt_time now, uint64_t number)
{
    bool first = !acks->seen.n;
    int r = skt_ranges_take(&acks->seen, number, number + 1, NULL);

    if (r == -ENOSPC) {
        forget(acks);
        r = skt_ranges_take(&acks->seen, number, number + 1, NULL);
    }
    if (r)
        return r;
    acks->gap = first ? number > 0 : number > acks->largest + 1;
    if (first || number > acks->largest) {
        acks->largest = number;
        acks->largest_at = now;
    }
    if (number < acks->report_from)
        acks->report_from = number;
    return 0;
}

void skt_acks_owe(struct skt_acks *acks, skt_time now, skt_time delay, size_t bytes, bool at_once)
{
    if (!acks->owed++)
        acks->due = now + delay;
    acks->owed_bytes += (uint32_t)bytes;
    uint32_t most = acks->largest < SKT_ACKS_YOUNG ? SKT_ACKS_FEW : SKT_ACKS_PACKETS;

    if (at_once || acks->gap || acks->owed >= most || acks->owed_bytes >= SKT_ACKS_BYTES)
        acks->due = now;
}

uint64_t skt_acks_put(struct skt_acks *acks, skt_time now, struct skt_room *out)
{
    struct skt_xfer_ack ack;
    skt_time late = (now - acks->largest_at) / SKT_US;

    if (!acks->seen.n)
        return 0;
    ack.delay = late < UINT32_MAX ? (uint32_t)late : UINT32_MAX;
    ack.n = 0;
    for (uint32_t i = acks->seen.n; i-- > 0 && ack.n <= SKT_XFER_RANGES;) {
        const struct skt_range *piece = &acks->seen.items[i];
        uint64_t from = piece->from < acks->report_from ? acks->report_from : piece->from;

        if (piece->to <= acks->report_from)
            break;
        ack.range[ack.n++] = (struct skt_xfer_range){ from, piece->to };
    }
    if (!ack.n) /* all of it is known: say the last again */
        ack.range[ack.n++] = (struct skt_xfer_range){ acks->largest, acks->largest + 1 };
    skt_xfer_put_ack(out, &ack);
    if (out->bad)
        return 0;
    acks->owed = acks->owed_bytes = 0;
    acks->due = SKT_NEVER;
    return acks->largest + 1;
}

void skt_acks_known(struct skt_acks *acks, uint64_t below)
{
    if (acks->report_from < below)
        acks->report_from = below;
}
