/* bridge: frames from one interface to the other, late or never. Start reading at skt_bridge_step(). */
#include "drive/raw/bridge.h"

#include "base/text.h"
#include "drive/raw/packet.h"
#include "drive/rt/spin.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>

#define LOOK (200 * SKT_MS)

enum { FRAMES_A_TURN = SKT_PACKET_BATCH, BYTES_DEFAULT = 256 << 20, AWAKE_TURNS = 256 };
static const skt_time spin_default = 300 * SKT_US;
static const skt_time stamp_oldest = SKT_SEC; /* an older stamp is one of a clock that was set meanwhile */

/* A direction: from the port with its number to the other one. */
struct way {
    struct skt_line *line;
    skt_time last; /* of the frames that entered: they do so in order */
    struct skt_line_out out[SKT_PACKET_BATCH];
    uint32_t first, n; /* of out: n from first on are still to be sent; only a full interface leaves some */
    uint64_t refused;
};

struct skt_bridge {
    struct skt_packet *port[2];
    bool down[2], told_down[2];
    struct way way[2]; /* SKT_UP: from A to B */
    int gone;          /* 1 + number of the port; 0: none */
    struct spin spin;
    bool realtime;
    uint32_t awake; /* turns without a wait */
    uint8_t segment[SKT_FRAME_MAX];
};

static skt_time clock_of(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return t.tv_sec * SKT_SEC + t.tv_nsec;
}

skt_time skt_bridge_now(void) { return clock_of(CLOCK_MONOTONIC); }

/* ---- birth and death ---- */

static int check_pair(const struct skt_bridge *b, struct skt_room *why)
{
    const struct skt_packet *a = b->port[0], *z = b->port[1];
    struct skt_span name = skt_span_str(skt_packet_name(z));

    if (skt_packet_index(a) == skt_packet_index(z))
        return skt_refuse(why, -EINVAL, "interface", name, "is given twice: a bridge needs two");
    if (skt_packet_peer(a) == skt_packet_index(z) || skt_packet_peer(z) == skt_packet_index(a))
        return skt_refuse(why, -EINVAL, "interface", name,
            "and '%s' are two ends of one cable, or one stands on the other: frames would go round for ever",
            skt_packet_name(a));
    return 0;
}

static int make_lines(struct skt_bridge *b, const struct skt_bridge_conf *conf, const struct skt_netem *network)
{
    uint32_t mtu[2] = { skt_packet_mtu(b->port[0]), skt_packet_mtu(b->port[1]) };
    uint32_t longest = mtu[0] > mtu[1] ? mtu[0] : mtu[1];
    int r = 0;

    if (longest > SKT_FRAME_MAX - SKT_FRAME_HEAD - 4 * SKT_FRAME_VLANS)
        longest = SKT_FRAME_MAX - SKT_FRAME_HEAD - 4 * SKT_FRAME_VLANS;
    for (int i = 0; i < 2 && !r; i++) {
        struct skt_line_conf line = { .path = network->way[i],
            .seed = network->seed,
            .direction = (uint32_t)i,
            .frame_max = longest + SKT_FRAME_HEAD + 4 * SKT_FRAME_VLANS,
            .bytes = (conf->bytes ? conf->bytes : BYTES_DEFAULT) / 2,
            .mtu = conf->mtu };
        r = skt_line_new(&line, &b->way[i].line);
    }
    return r;
}

/* Locks what is in use, and what will be when it is used: the cells are not all touched now. */
static void be_punctual(struct skt_bridge *b, bool realtime)
{
    const struct sched_param first = { .sched_priority = 1 };

    (void)prctl(PR_SET_TIMERSLACK, 1UL); /* else sleeps last up to 50 us longer */
    if (!realtime)
        return;
    (void)mlockall(MCL_CURRENT | MCL_ONFAULT);
    b->realtime = !sched_setscheduler(0, SCHED_FIFO, &first);
}

int skt_bridge_new(const struct skt_bridge_conf *conf, const struct skt_netem *network, struct skt_bridge **ret_bridge,
    struct skt_room *why)
{
    struct skt_bridge *b = calloc(1, sizeof *b);
    int r = b ? 0 : -ENOMEM;

    for (int i = 0; i < 2 && !r; i++)
        r = skt_packet_open(conf->interfaces[i], 0, &b->port[i], why);
    if (!r)
        r = check_pair(b, why);
    if (!r && (r = make_lines(b, conf, network)) && why)
        skt_put_str(why, r == -EINVAL ? "the memory for frames is too small: give more" : strerror(-r));
    if (r) {
        skt_bridge_free(b);
        return r;
    }
    b->spin = spin_of(conf->spin == SKT_NEVER ? spin_default : conf->spin);
    be_punctual(b, conf->realtime);
    *ret_bridge = b;
    return 0;
}

void skt_bridge_free(struct skt_bridge *bridge)
{
    if (!bridge)
        return;
    for (int i = 0; i < 2; i++) {
        skt_line_free(bridge->way[i].line);
        skt_packet_free(bridge->port[i]);
    }
    free(bridge);
}

void skt_bridge_set(struct skt_bridge *bridge, const struct skt_netem *network)
{
    for (int i = 0; i < 2; i++)
        skt_line_set(bridge->way[i].line, &network->way[i]);
}

/* ---- in ---- */

static void enter_train(struct skt_bridge *b, struct way *way, const struct skt_packet_in *in)
{
    struct skt_cut cut;

    if (skt_cut_init(&cut, in->frame, in->train, in->seg, in->debt)) {
        skt_line_put(way->line, way->last, in->frame, in->debt);
        return;
    }
    for (uint32_t i = 0; i < cut.n; i++) {
        struct skt_room room = skt_room_of(b->segment, sizeof b->segment);
        struct skt_frame_debt debt = { 0 };

        skt_cut_put(&cut, i, &room, &debt);
        skt_line_put(way->line, way->last, skt_span_of(b->segment, (size_t)(room.p - b->segment)), debt);
    }
}

/* wall: what the wall clock is ahead of ours, now. */
static void enter(struct skt_bridge *b, struct way *way, const struct skt_packet_in *in, skt_time now, skt_time wall)
{
    skt_time came = in->came - wall;

    if (came > now || came < now - stamp_oldest)
        came = now;
    if (way->last < came)
        way->last = came;
    if (in->train == SKT_TRAIN_NONE)
        skt_line_put(way->line, way->last, in->frame, in->debt);
    else
        enter_train(b, way, in);
}

static uint32_t take_in(struct skt_bridge *b, int port)
{
    struct skt_packet_in in;
    uint32_t n = 0;
    skt_time now, wall;

    if (!skt_packet_ready(b->port[port]))
        return 0;
    now = skt_bridge_now();
    wall = clock_of(CLOCK_REALTIME) - now;
    for (; n < FRAMES_A_TURN && skt_packet_next(b->port[port], &in); n++)
        enter(b, &b->way[port], &in, now, wall);
    b->down[port] = false;
    return n;
}

/* ---- out ---- */

static void ask_alive(struct skt_bridge *b, int port)
{
    int r = skt_packet_alive(b->port[port]);

    if (r == -ENODEV)
        b->gone = port + 1;
    else if (r)
        b->down[port] = true;
}

/* What the interface does not take now waits; what it will never take is lost, as on a cable that is not plugged in. */
static void sent(struct skt_bridge *b, struct way *way, int port, int r)
{
    uint32_t n = r > 0 ? (uint32_t)r : 1;
    skt_time now;

    if (r == -EAGAIN || r == -EWOULDBLOCK)
        return;
    now = skt_bridge_now();
    for (uint32_t i = 0; i < n; i++)
        skt_line_done(way->line, &way->out[way->first + i], now, r > 0);
    way->first += n;
    way->n -= n;
    if (r > 0)
        return;
    way->refused++;
    if (r == -ENETDOWN || r == -ENXIO || r == -ENODEV) {
        b->down[port] = true;
        ask_alive(b, port);
    }
}

static bool send_out(struct skt_bridge *b, struct way *way, int port)
{
    struct skt_packet_out out[SKT_PACKET_BATCH];
    int r;

    if (!way->n) {
        way->first = 0;
        way->n = skt_line_take(way->line, skt_bridge_now(), way->out, SKT_PACKET_BATCH);
    }
    if (!way->n)
        return false;
    for (uint32_t i = 0; i < way->n; i++)
        out[i] =
            (struct skt_packet_out){ .frame = way->out[way->first + i].frame, .debt = way->out[way->first + i].debt };
    r = skt_packet_send(b->port[port], out, way->n);
    sent(b, way, port, r);
    return r != -EAGAIN && r != -EWOULDBLOCK;
}

/* ---- waiting ---- */

/* True: do not sleep, for something is due so soon that we would oversleep. */
static bool is_soon(const struct skt_bridge *b, skt_time now, skt_time *until)
{
    skt_time spin = spin_time(&b->spin);

    for (int i = 0; i < 2; i++) {
        skt_time at = b->way[i].n ? SKT_NEVER : skt_line_wake(b->way[i].line); /* those that stand before it go first */

        if (at == SKT_NEVER)
            continue;
        at = at > INT64_MIN + spin ? at - spin : at;
        if (at < *until)
            *until = at;
    }
    return *until <= now;
}

/* The kernel tells of an interface that goes down, but not of one that is taken away after that: it is looked for. */
static int wait(struct skt_bridge *b, skt_time now, skt_time until, const sigset_t *mask)
{
    bool down = b->down[0] || b->down[1];
    struct timespec t;
    struct pollfd fds[2];
    int n;

    if (down && until - now > LOOK)
        until = now + LOOK;
    t = (struct timespec){ .tv_sec = (until - now) / SKT_SEC, .tv_nsec = (until - now) % SKT_SEC };
    for (int i = 0; i < 2; i++)
        fds[i] = (struct pollfd){ .fd = skt_packet_fd(b->port[i]),
            .events = (short)(POLLIN | (b->way[!i].n ? POLLOUT : 0)) };
    n = ppoll(fds, 2, &t, mask);
    if (n < 0)
        return -errno;
    if (n == 0 && now < until)
        spin_slept(&b->spin, skt_bridge_now() - until);
    for (int i = 0; i < 2; i++)
        if (b->down[i] || fds[i].revents & (POLLERR | POLLHUP | POLLNVAL))
            ask_alive(b, i);
    return b->gone ? -ENODEV : 1;
}

int skt_bridge_step(struct skt_bridge *bridge, skt_time until, const sigset_t *mask)
{
    bool busy = false;
    skt_time now;

    for (int i = 0; i < 2; i++) {
        busy |= take_in(bridge, i) > 0;
        busy |= send_out(bridge, &bridge->way[i], !i);
    }
    if (bridge->gone)
        return -ENODEV;
    now = skt_bridge_now();
    if (!busy && !is_soon(bridge, now, &until)) {
        bridge->awake = 0;
        return wait(bridge, now, until, mask);
    }
    /* Who never sleeps asks for signals and errors all the same. */
    if (++bridge->awake % AWAKE_TURNS)
        return 1;
    return wait(bridge, now, now, mask);
}

/* ---- news and figures ---- */

const char *skt_bridge_gone(const struct skt_bridge *bridge)
{
    return bridge->gone ? skt_packet_name(bridge->port[bridge->gone - 1]) : NULL;
}

bool skt_bridge_news(struct skt_bridge *bridge, const char **ret_name, bool *ret_up)
{
    for (int i = 0; i < 2; i++) {
        if (bridge->down[i] == bridge->told_down[i])
            continue;
        bridge->told_down[i] = bridge->down[i];
        *ret_name = skt_packet_name(bridge->port[i]);
        *ret_up = !bridge->down[i];
        return true;
    }
    return false;
}

void skt_bridge_stats(struct skt_bridge *bridge, enum skt_way way, struct skt_bridge_way *ret_way)
{
    struct skt_packet_stats in;
    struct skt_bridge_way w = { .refused = bridge->way[way].refused };

    skt_packet_stats(bridge->port[way], &in);
    w.missed = in.missed;
    w.cut = in.cut;
    w.trains = in.trains;
    skt_line_stats(bridge->way[way].line, skt_bridge_now(), &w.line);
    *ret_way = w;
}

const struct skt_lag *skt_bridge_lag(const struct skt_bridge *bridge, enum skt_way way)
{
    return skt_line_lag(bridge->way[way].line);
}

bool skt_bridge_realtime(const struct skt_bridge *bridge) { return bridge->realtime; }

bool skt_bridge_cramped(const struct skt_bridge *bridge)
{
    return skt_packet_cramped(bridge->port[0]) || skt_packet_cramped(bridge->port[1]);
}

const char *skt_bridge_hosted(const struct skt_bridge *bridge)
{
    for (int i = 0; i < 2; i++)
        if (skt_packet_hosted(bridge->port[i]))
            return skt_packet_name(bridge->port[i]);
    return NULL;
}
