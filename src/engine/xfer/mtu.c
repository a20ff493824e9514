/* mtu: the search for the path's size. First what Ethernet carries, then the largest that is allowed, then between. */
#include "engine/xfer/mtu.h"

#include "wire/xfer.h"

enum {
    TRIES = 3,   /* RFC 8899, 5.1.2: MAX_PROBES */
    VANISHED = 6 /* large packets in a row that are no longer bad luck */
};
#define RAISE_TIMER (600 * SKT_SEC) /* RFC 8899, 5.1.1 */
#define HOLE_TIMER  (60 * SKT_SEC)
#define HOLE_LEAST  (100 * SKT_MS) /* a socket that overflows loses a train in a moment */

/* Ethernet with tunnels or PPPoE, Ethernet over IPv6 and IPv4, FDDI's heirs, jumbo frames over IPv6 and IPv4. */
static const uint32_t sizes[] = { 1400, 1452, 1472, 4052, 8952, SKT_MTU_JUMBO };

void skt_mtu_init(struct skt_mtu *mtu, uint32_t most, skt_time now)
{
    *mtu = (struct skt_mtu){ .now = SKT_XFER_MIN, .most = most < SKT_XFER_MIN ? SKT_XFER_MIN : most, .next = now };
    mtu->bad = mtu->most + 1;
}

static bool open_size(const struct skt_mtu *mtu, uint32_t size) { return mtu->now < size && size < mtu->bad; }

/* What to try next: the likely one, then jumbo frames, then all or nothing, then the largest that remains. */
static uint32_t candidate(const struct skt_mtu *mtu)
{
    uint32_t best = 0;

    if (open_size(mtu, 1472))
        return 1472;
    if (mtu->most > SKT_MTU_JUMBO && open_size(mtu, SKT_MTU_JUMBO))
        return SKT_MTU_JUMBO;
    if (open_size(mtu, mtu->most))
        return mtu->most;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (open_size(mtu, sizes[i]))
            best = sizes[i];
    return best;
}

void skt_mtu_lower(struct skt_mtu *mtu, skt_time now, uint32_t most)
{
    if (mtu->now <= most)
        return;
    mtu->now = most;
    mtu->vanished = mtu->tries = 0;
    mtu->bad = mtu->most + 1;
    mtu->next = now + HOLE_TIMER;
}

uint32_t skt_mtu_want(const struct skt_mtu *mtu, skt_time now)
{
    return mtu->probe || now < mtu->next ? 0 : candidate(mtu);
}

skt_time skt_mtu_wake(const struct skt_mtu *mtu) { return mtu->probe || !candidate(mtu) ? SKT_NEVER : mtu->next; }

void skt_mtu_probing(struct skt_mtu *mtu, uint32_t size) { mtu->probe = size; }

/* Nothing is left to try: once more in a while, the path may change. */
static void rest(struct skt_mtu *mtu, skt_time now)
{
    if (candidate(mtu) || mtu->now == mtu->most)
        return;
    mtu->bad = mtu->most + 1;
    mtu->next = now + RAISE_TIMER;
}

void skt_mtu_probed(struct skt_mtu *mtu, skt_time now, uint64_t number, uint32_t size, bool arrived)
{
    if (size == mtu->probe)
        mtu->probe = 0;
    if (arrived) {
        if (size > mtu->now)
            mtu->now = size;
        if (mtu->bad <= size) /* it was only late, or the path has changed */
            mtu->bad = mtu->most + 1;
        mtu->tries = mtu->vanished = 0;
        mtu->large = number > mtu->large ? number : mtu->large;
    } else if (++mtu->tries >= TRIES && size > mtu->now) {
        mtu->bad = size < mtu->bad ? size : mtu->bad;
        mtu->tries = 0;
    }
    rest(mtu, now);
}

/* RFC 8899, 4.3: large packets are lost, and small ones that were sent after them arrive. A full queue, or an outage, is
 * something else: later large ones arrive, or none at all do. */
static bool black_hole(struct skt_mtu *mtu, skt_time now)
{
    if (mtu->vanished < VANISHED || now - mtu->since < HOLE_LEAST || mtu->small <= mtu->gone)
        return false;
    mtu->now = mtu->now > SKT_MTU_JUMBO ? SKT_MTU_JUMBO : SKT_XFER_MIN; /* larger ones may only be too much at once */
    mtu->vanished = mtu->tries = 0;
    mtu->bad = mtu->most + 1;
    mtu->next = now + HOLE_TIMER;
    return true;
}

bool skt_mtu_arrived(struct skt_mtu *mtu, skt_time now, uint64_t number, uint32_t size)
{
    if (size <= SKT_XFER_MIN) {
        mtu->small = number > mtu->small ? number : mtu->small;
        return black_hole(mtu, now);
    }
    if (number >= mtu->large) {
        mtu->large = number;
        mtu->vanished = 0;
    }
    return false;
}

bool skt_mtu_lost(struct skt_mtu *mtu, skt_time now, uint64_t number, uint32_t size)
{
    if (size <= SKT_XFER_MIN || size > mtu->now || number < mtu->large)
        return false; /* no sign; or of a size that is not sent any more */
    if (!mtu->vanished)
        mtu->since = now;
    if (!mtu->vanished++ || number < mtu->gone)
        mtu->gone = number;
    return black_hole(mtu, now);
}
