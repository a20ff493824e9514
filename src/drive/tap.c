/* tap: bytes that passed, written as packets of a pcapng capture. Start reading at skt_tap_stream_data(). */
#include "drive/tap.h"

#include "base/text.h"
#include "wire/ip.h"
#include "wire/pcapng.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum {
    BUFFER = 64 * 1024,
    IFACES_MAX = SKT_PCAPNG_IFACES_MAX,
    NOTE_MAX = 255,
    WINDOW = 65535,        /* without a scale option Wireshark takes it as it stands, */
    ACK_EVERY = 48 * 1024, /* so more than that is acknowledged now and then */
    STATS_ROOM = 64,       /* of the block at the end, for each interface */
    MADE_PORT = 49152,
    MADE_PORTS = 16384,
};

struct skt_tap {
    pthread_mutex_t lock;
    struct skt_tap_conf conf;
    int fd;           /* -1: in memory */
    int error;        /* the first one: nothing is written after it */
    uint64_t written; /* bytes of whole blocks in the file */
    uint8_t *bytes;
    size_t used, size;
    bool full;     /* conf.max_bytes was met */
    uint32_t made; /* made-up addresses so far */
    uint32_t n_ifaces;
    skt_time last; /* wall clock of the last packet */
    struct {
        uint64_t kept, dropped;
    } iface[IFACES_MAX];
    size_t noted;
    char note[NOTE_MAX];
    uint8_t packet[65535];
};

skt_time skt_tap_wall(void)
{
    struct timespec wall, mono;

    clock_gettime(CLOCK_REALTIME, &wall);
    clock_gettime(CLOCK_MONOTONIC, &mono);
    return (wall.tv_sec - mono.tv_sec) * SKT_SEC + wall.tv_nsec - mono.tv_nsec;
}

/* ---- the file ---- */

/* A file that ends inside a block is a broken one: what was written of the last buffer goes again. */
static void fail(struct skt_tap *t, int error)
{
    t->error = error;
    t->used = 0;
    if (t->fd >= 0 && ftruncate(t->fd, (off_t)t->written))
        return; /* not a file: nothing to be cut */
}

/* Only whole blocks are in the buffer, so after a flush the file is whole as well. */
static void flush(struct skt_tap *t)
{
    size_t done = 0;

    while (!t->error && t->fd >= 0 && done < t->used) {
        ssize_t n = write(t->fd, t->bytes + done, t->used - done);
        if (n > 0)
            done += (size_t)n;
        else if (n == 0 || errno != EINTR)
            fail(t, n ? -errno : -EIO);
    }
    if (t->error || t->fd < 0)
        return;
    t->written += t->used;
    t->used = 0;
}

/* Room for n bytes more. A buffer in front of a file is made once, a capture in memory grows by doubling. */
static bool make_room(struct skt_tap *t, size_t n, struct skt_room *ret_room)
{
    size_t size = t->size;
    uint8_t *bytes;

    if (t->fd >= 0 && t->used >= BUFFER)
        flush(t);
    if (t->error)
        return false;
    while (size < t->used + n)
        size = size ? 2 * size : 2 * BUFFER;
    if (size > t->size) {
        bytes = realloc(t->bytes, size);
        if (!bytes) {
            fail(t, -ENOMEM);
            return false;
        }
        t->bytes = bytes;
        t->size = size;
    }
    *ret_room = skt_room_of(t->bytes + t->used, t->size - t->used);
    return true;
}

static void keep(struct skt_tap *t, struct skt_room room)
{
    if (!room.bad)
        t->used = (size_t)(room.p - t->bytes);
}

/* Locked by the caller. */
static uint32_t add_interface(struct skt_tap *t, const char *name)
{
    struct skt_room room;

    if (t->n_ifaces == IFACES_MAX || !make_room(t, skt_pcapng_room(0), &room))
        return 0;
    skt_pcapng_put_interface(&room, SKT_PCAPNG_RAW, t->conf.snap, name);
    keep(t, room);
    return t->n_ifaces++;
}

int skt_tap_open(const char *path, const struct skt_tap_conf *conf, struct skt_tap **ret_tap)
{
    struct skt_tap *t = calloc(1, sizeof *t);
    struct skt_room room;
    int r;

    if (!t)
        return -ENOMEM;
    pthread_mutex_init(&t->lock, NULL);
    t->conf = *conf;
    t->fd = path ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;
    if (path && t->fd < 0) {
        r = -errno;
        skt_tap_free(t);
        return r;
    }
    if (make_room(t, skt_pcapng_room(0), &room)) {
        skt_pcapng_put_section(&room, "sockit");
        keep(t, room);
        (void)add_interface(t, conf->name ? conf->name : "sockit"); /* the first is 0, as is a failure, kept in error */
    }
    r = t->error;
    if (r)
        skt_tap_free(t);
    else
        *ret_tap = t;
    return r;
}

int skt_tap_flush(struct skt_tap *t)
{
    int r;

    pthread_mutex_lock(&t->lock);
    flush(t);
    r = t->error;
    pthread_mutex_unlock(&t->lock);
    return r;
}

/* At the end: what was kept, and what not, for each interface. */
static void put_stats(struct skt_tap *t)
{
    struct skt_room room;

    for (uint32_t i = 0; i < t->n_ifaces && make_room(t, STATS_ROOM, &room); i++) {
        skt_pcapng_put_stats(&room, i, t->last, t->iface[i].kept, t->iface[i].dropped);
        keep(t, room);
    }
}

int skt_tap_close(struct skt_tap *t)
{
    int r;

    if (!t)
        return 0;
    put_stats(t);
    flush(t);
    if (t->fd >= 0 && close(t->fd) && !t->error)
        t->error = -errno; /* some file systems find out that they are full only now */
    r = t->error;
    pthread_mutex_destroy(&t->lock);
    free(t->bytes);
    free(t);
    return r;
}

void skt_tap_free(struct skt_tap *t) { (void)skt_tap_close(t); /* by one who does not ask */ }

struct skt_span skt_tap_bytes(struct skt_tap *t) { return skt_span_of(t->bytes, t->fd < 0 ? t->used : 0); }

uint32_t skt_tap_interface(struct skt_tap *t, const char *name)
{
    uint32_t n;

    pthread_mutex_lock(&t->lock);
    n = add_interface(t, name);
    pthread_mutex_unlock(&t->lock);
    return n;
}

/* ---- packets ---- */

static void set_note(struct skt_tap *t, const char *note)
{
    struct skt_room room = skt_room_of(t->note, sizeof t->note);
    size_t n = strlen(note);

    /* Escaped it may be four times as long: what does not fit is cut at a quarter. */
    skt_put_escaped(&room, skt_span_of(note, n));
    if (room.bad) {
        room = skt_room_of(t->note, sizeof t->note);
        skt_put_escaped(&room, skt_span_of(note, n < NOTE_MAX / 4 ? n : NOTE_MAX / 4));
    }
    t->noted = (size_t)(room.p - (uint8_t *)t->note);
}

void skt_tap_note(struct skt_tap *t, const char *note)
{
    pthread_mutex_lock(&t->lock);
    set_note(t, note);
    pthread_mutex_unlock(&t->lock);
}

/* True: this packet is beyond the cap, and counted. */
/* Once full it stays full: a capture with holes would mislead. Room for the counts at the end is kept free. */
static bool too_much(struct skt_tap *t, uint32_t iface, size_t block)
{
    uint64_t end = t->written + t->used + block + (uint64_t)STATS_ROOM * t->n_ifaces;

    t->full = t->full || (t->conf.max_bytes && end > t->conf.max_bytes);
    t->iface[iface].dropped += t->full;
    return t->full;
}

/* All packets come through here: headers and checksums, then cut to conf.snap, then into a block. */
static void put_packet(struct skt_tap *t, skt_time now, uint32_t iface, enum skt_tap_dir dir, struct skt_ip_packet *ip)
{
    struct skt_room out = skt_room_of(t->packet, sizeof t->packet);
    struct skt_pcapng_packet p = { .iface = iface < t->n_ifaces ? iface : 0, .at = now + t->conf.wall };
    size_t len;

    if (t->error || skt_ip_put(&out, ip) || out.bad)
        return;
    len = (size_t)(out.p - t->packet);
    p.len = (uint32_t)len + ip->unseen;
    p.bytes = skt_span_of(t->packet, t->conf.snap && t->conf.snap < len ? t->conf.snap : len);
    p.direction = dir == SKT_TAP_OUT ? SKT_PCAPNG_OUT : SKT_PCAPNG_IN;
    p.comment = skt_span_of(t->note, t->noted);
    t->noted = 0;
    if (too_much(t, p.iface, skt_pcapng_room(skt_len(p.bytes))))
        return;
    if (!make_room(t, skt_pcapng_room(skt_len(p.bytes)), &out))
        return;
    skt_pcapng_put_packet(&out, &p);
    keep(t, out);
    t->iface[p.iface].kept++;
    t->last = p.at;
}

static enum skt_tap_dir other(enum skt_tap_dir dir) { return dir == SKT_TAP_IN ? SKT_TAP_OUT : SKT_TAP_IN; }

/* One TCP segment; the payload's bytes, unseen ones and a SYN or FIN take numbers. */
static void segment(struct skt_tap *t, skt_time now, struct skt_tap_flow *f, enum skt_tap_dir dir, uint8_t flags,
    struct skt_span payload, uint32_t unseen)
{
    struct skt_ip_packet ip = { .protocol = SKT_IP_TCP, .seq = f->next[dir], .window = WINDOW, .flags = flags };
    uint32_t len = (uint32_t)skt_len(payload) + unseen;

    ip.from = dir == SKT_TAP_OUT ? f->local : f->peer;
    ip.to = dir == SKT_TAP_OUT ? f->peer : f->local;
    ip.ack = flags & SKT_TCP_ACK ? f->next[other(dir)] : 0;
    ip.payload = payload;
    ip.unseen = unseen;
    put_packet(t, now, f->iface, dir, &ip);
    f->next[dir] += len + !!(flags & (SKT_TCP_SYN | SKT_TCP_FIN)); /* wraps, as TCP does */
    f->unacked[dir] += len;
    f->unacked[other(dir)] = 0;
}

static void bare(struct skt_tap *t, skt_time now, struct skt_tap_flow *f, enum skt_tap_dir dir, uint8_t flags)
{
    segment(t, now, f, dir, flags, skt_span_of(NULL, 0), 0);
}

static bool is_ip(const struct skt_addr *addr) { return addr->family == SKT_IP4 || addr->family == SKT_IP6; }

/* Unix sockets and pipes: 127.1.x.y for this side, 127.2.x.y with a port of its own for the peer. */
static struct skt_addr made_up(uint8_t net, uint32_t id, uint16_t port)
{
    return (struct skt_addr){ .family = SKT_IP4, .port = port, .ip = { 127, net, (uint8_t)(id >> 8), (uint8_t)id } };
}

/* RFC 4291 2.5.5.2: an IPv4 address as ::ffff:a.b.c.d. */
static void map_to_ip6(struct skt_addr *addr)
{
    if (addr->family != SKT_IP4)
        return;
    memcpy(addr->ip + 12, addr->ip, 4);
    memset(addr->ip, 0, 10);
    memset(addr->ip + 10, 0xff, 2);
    addr->family = SKT_IP6;
}

/* Two addresses of one family, whatever they were. */
static void show_as(struct skt_tap *t, struct skt_addr *local, struct skt_addr *peer)
{
    if (!is_ip(local))
        *local = made_up(1, local->id, 1);
    if (!is_ip(peer)) {
        *peer = made_up(2, t->made / MADE_PORTS, (uint16_t)(MADE_PORT + t->made % MADE_PORTS));
        t->made++;
    }
    if (local->family != peer->family) {
        map_to_ip6(local);
        map_to_ip6(peer);
    }
}

void skt_tap_stream_open(struct skt_tap *t, skt_time now, struct skt_tap_flow *f, const struct skt_addr *local,
    const struct skt_addr *peer, bool asked, const char *note)
{
    enum skt_tap_dir first = asked ? SKT_TAP_OUT : SKT_TAP_IN;

    pthread_mutex_lock(&t->lock);
    *f = (struct skt_tap_flow){ .local = *local, .peer = *peer, .iface = f->iface, .open = true };
    show_as(t, &f->local, &f->peer);
    if (note)
        set_note(t, note);
    bare(t, now, f, first, SKT_TCP_SYN);
    bare(t, now, f, other(first), SKT_TCP_SYN | SKT_TCP_ACK);
    bare(t, now, f, first, SKT_TCP_ACK);
    pthread_mutex_unlock(&t->lock);
}

/* Without it Wireshark would take a long one-way stream for one that runs over its window. */
static void acknowledge(struct skt_tap *t, skt_time now, struct skt_tap_flow *f, enum skt_tap_dir dir)
{
    if (f->unacked[dir] >= ACK_EVERY)
        bare(t, now, f, other(dir), SKT_TCP_ACK);
}

void skt_tap_stream_data(
    struct skt_tap *t, skt_time now, struct skt_tap_flow *f, enum skt_tap_dir dir, struct skt_span bytes)
{
    if (!f->open || f->ended[dir])
        return;
    pthread_mutex_lock(&t->lock);
    while (skt_len(bytes)) {
        size_t n = skt_len(bytes) < SKT_IP_BODY ? skt_len(bytes) : SKT_IP_BODY;
        struct skt_span part = skt_get_span(&bytes, n);
        segment(t, now, f, dir, skt_len(bytes) ? SKT_TCP_ACK : SKT_TCP_ACK | SKT_TCP_PSH, part, 0);
        acknowledge(t, now, f, dir);
    }
    pthread_mutex_unlock(&t->lock);
}

void skt_tap_stream_skip(struct skt_tap *t, skt_time now, struct skt_tap_flow *f, enum skt_tap_dir dir, uint64_t len)
{
    if (!f->open || f->ended[dir])
        return;
    pthread_mutex_lock(&t->lock);
    while (len) {
        uint32_t n = len < SKT_IP_BODY ? (uint32_t)len : SKT_IP_BODY;
        segment(t, now, f, dir, SKT_TCP_ACK, skt_span_of(NULL, 0), n);
        acknowledge(t, now, f, dir);
        len -= n;
    }
    pthread_mutex_unlock(&t->lock);
}

/* A FIN takes a number of its own; each direction has one. */
static void end(struct skt_tap *t, skt_time now, struct skt_tap_flow *f, enum skt_tap_dir dir)
{
    if (!f->ended[dir])
        bare(t, now, f, dir, SKT_TCP_FIN | SKT_TCP_ACK);
    f->ended[dir] = true;
}

void skt_tap_stream_eof(struct skt_tap *t, skt_time now, struct skt_tap_flow *f, enum skt_tap_dir dir)
{
    if (!f->open)
        return;
    pthread_mutex_lock(&t->lock);
    end(t, now, f, dir);
    pthread_mutex_unlock(&t->lock);
}

void skt_tap_stream_close(struct skt_tap *t, skt_time now, struct skt_tap_flow *f, enum skt_tap_dir dir, bool reset)
{
    enum skt_tap_dir last = f->ended[other(dir)] ? dir : other(dir);

    if (!f->open)
        return;
    pthread_mutex_lock(&t->lock);
    if (reset) {
        bare(t, now, f, dir, SKT_TCP_RST | SKT_TCP_ACK);
    } else {
        end(t, now, f, dir);
        end(t, now, f, other(dir));
        bare(t, now, f, other(last), SKT_TCP_ACK);
    }
    f->open = false;
    pthread_mutex_unlock(&t->lock);
}

void skt_tap_datagram(struct skt_tap *t, skt_time now, uint32_t iface, enum skt_tap_dir dir,
    const struct skt_addr *local, const struct skt_addr *peer, struct skt_span train, uint32_t seg)
{
    struct skt_ip_packet ip = { .protocol = SKT_IP_UDP };
    struct skt_addr here = *local, there = *peer;

    pthread_mutex_lock(&t->lock);
    show_as(t, &here, &there);
    ip.from = dir == SKT_TAP_OUT ? here : there;
    ip.to = dir == SKT_TAP_OUT ? there : here;
    do { /* an empty datagram is one as well */
        size_t n = seg && seg < skt_len(train) ? seg : skt_len(train);
        ip.payload = skt_get_span(&train, n);
        put_packet(t, now, iface, dir, &ip);
    } while (skt_len(train));
    pthread_mutex_unlock(&t->lock);
}
