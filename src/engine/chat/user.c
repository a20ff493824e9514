/* chat/user: the life of a user, from OPEN to CLOSE: registration, time-outs, the end. */
#include "engine/chat/inside.h"

#include "base/random.h"
#include "base/text.h"

#include <errno.h>
#include <stdlib.h>

#define GREET_AFTER (1 * SKT_SEC) /* of silence: a person at nc, who does not know what to type */
#define BARE_AFTER  (2 * SKT_SEC) /* NICK without USER for that long: the same */

struct user *skt_chat_user(const struct skt_chat *c, skt_link link)
{
    uint32_t slot = skt_slot(link);
    struct user *u = slot < c->slots ? c->users[slot] : NULL;

    return u && u->link == link ? u : NULL;
}

static struct skt_span folded(struct skt_span name, uint8_t *room, size_t n)
{
    struct skt_room out = skt_room_of(room, n);

    skt_irc_put_folded(&out, name);
    return skt_span_of(room, (size_t)(out.p - room));
}

struct user *skt_chat_nick(const struct skt_chat *c, struct skt_span nick)
{
    uint8_t key[NICK_MAX];
    skt_link link;
    struct user *u;

    if (skt_len(nick) > NICK_MAX || !skt_names_get(&c->nicks, folded(nick, key, sizeof key), &link))
        return NULL;
    u = skt_chat_user(c, link);
    return u && u->state == REGISTERED ? u : NULL;
}

static void set_mask(struct user *u, struct skt_span nick, struct skt_span name, struct skt_span host)
{
    uint8_t mask[sizeof u->mask];
    struct skt_room out = skt_room_of(mask, sizeof mask);

    name = cut_to(name, USER_MAX);
    skt_put(&out, nick);
    skt_put(&out, skt_span_of("!", 1));
    skt_put(&out, name);
    skt_put(&out, skt_span_of("@", 1));
    skt_put(&out, host);
    u->nick_n = (uint32_t)skt_len(nick);
    u->user_n = (uint32_t)skt_len(name);
    u->host_n = (uint32_t)skt_len(host);
    memcpy(u->mask, mask, (size_t)(out.p - mask));
}

static bool is_loopback(const struct skt_addr *a)
{
    static const uint8_t one[16] = { [15] = 1 };

    switch (a->family) {
    case SKT_IP4: return a->ip[0] == 127;
    case SKT_IP6: return !memcmp(a->ip, one, sizeof one);
    default: return true; /* a Unix socket, or a link that was handed over */
    }
}

/* What the caps count as one: an IPv4 address or an IPv6 /64. */
static struct skt_span net_of(const struct skt_addr *a) { return skt_span_of(a->ip, a->family == SKT_IP4 ? 4 : 8); }

/* IPv4-mapped IPv6 (RFC 4291 2.5.5.2) counts as IPv4. */
static struct skt_addr plain_addr(const struct skt_addr *peer)
{
    static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
    struct skt_addr a = peer ? *peer : (struct skt_addr){ 0 };

    if (a.family == SKT_IP6 && !memcmp(a.ip, mapped, sizeof mapped)) {
        a.family = SKT_IP4;
        memmove(a.ip, a.ip + 12, 4);
    }
    return a;
}

/* What others see of an address. The hash keeps bans by host useful without telling where people are. */
static struct skt_span host_of(const struct skt_chat *c, const struct skt_addr *a, uint8_t *room, size_t n)
{
    struct skt_room out = skt_room_of(room, n);

    if (is_loopback(a)) {
        skt_put_str(&out, "localhost");
    } else if (c->conf.show_ip) {
        if (a->family == SKT_IP6 && !a->ip[0] && !a->ip[1])
            skt_put_str(&out, "0"); /* "::1" would begin the last parameter */
        skt_put_ip(&out, a);
    } else {
        uint64_t hash = skt_siphash(c->conf.seed, ~c->conf.seed, net_of(a));

        skt_put_fmt(&out, "%012llx.ip", (unsigned long long)(hash >> 16));
    }
    return skt_span_of(room, (size_t)(out.p - room));
}

/* One more, or one less, link from there. -EUSERS: too many; -ENOMEM. */
static int count_ip(struct skt_chat *c, struct user *u, bool more)
{
    uint32_t n = 0;
    int r = 0;

    if (is_loopback(&u->addr) || (!more && !u->counted))
        return 0;
    (void)skt_names_get(&c->by_ip, net_of(&u->addr), &n); /* not there: 0 */
    if (more && n >= c->conf.max_per_ip)
        return -EUSERS;
    n = more ? n + 1 : n - 1;
    if (n)
        r = skt_names_put(&c->by_ip, net_of(&u->addr), n);
    else
        skt_names_del(&c->by_ip, net_of(&u->addr));
    u->counted = more && !r;
    return r;
}

void skt_chat_user_free(struct user *u)
{
    if (!u)
        return;
    skt_buf_put(u->real);
    skt_buf_put(u->away);
    skt_buf_put(u->job_mask);
    free(u->joined);
    free(u);
}

static int reserve_slot(struct skt_chat *c, uint32_t slot)
{
    uint32_t n = c->slots ? c->slots : 64;
    struct user **users;

    if (slot < c->slots)
        return 0;
    while (n <= slot)
        n *= 2;
    users = realloc(c->users, n * sizeof(struct user *));
    if (!users)
        return -ENOMEM;
    memset(users + c->slots, 0, (n - c->slots) * sizeof(struct user *));
    c->users = users;
    c->slots = n;
    return 0;
}

/* One who gets no further than the door. */
static void refuse(struct skt_chat *c, skt_link link, const char *why)
{
    struct line line;

    skt_put_fmt(skt_chat_begin(c, false), "ERROR :%s", why);
    line = skt_chat_end(c);
    (void)skt_outbox_to(&c->out, link, line.plain); /* the close says the same */
    if (!skt_outbox_close(&c->out, link, 0))
        c->stats.lost_memory++;
}

static int enter(struct skt_chat *c, struct user *u, const struct skt_in *in)
{
    uint8_t host[HOST_MAX];
    int r;

    u->link = in->link;
    u->addr = plain_addr(in->peer);
    u->since = u->heard = u->talked = u->credit = c->now;
    set_mask(u, (struct skt_span){ 0 }, (struct skt_span){ 0 }, host_of(c, &u->addr, host, sizeof host));
    if ((r = reserve_slot(c, skt_slot(u->link))) || (r = count_ip(c, u, true)))
        return r;
    skt_chat_closed(c, c->users[skt_slot(u->link)], 0); /* a driver that forgot to say CLOSE */
    c->users[skt_slot(u->link)] = u;
    if ((r = skt_chat_timer(c, u, c->now + GREET_AFTER))) {
        c->users[skt_slot(u->link)] = NULL;
        count_ip(c, u, false);
    }
    return r;
}

void skt_chat_open(struct skt_chat *c, const struct skt_in *in)
{
    struct user *u;
    int r;

    c->stats.connects++;
    if (c->stopping || c->stats.links >= c->conf.max_users) {
        c->stats.refused_full++;
        refuse(c, in->link, c->stopping ? "The server is stopping" : "The server is full: try again later");
        return;
    }
    u = calloc(1, sizeof *u);
    r = u ? enter(c, u, in) : -ENOMEM;
    if (r) {
        *(r == -EUSERS ? &c->stats.refused_ip : &c->stats.lost_memory) += 1;
        refuse(c, in->link, r == -EUSERS ? "Too many connections from your address" : "Out of memory");
        skt_chat_user_free(u);
        return;
    }
    if (++c->stats.links > c->stats.peak_links)
        c->stats.peak_links = c->stats.links;
    skt_chat_tell(c, SKT_CHAT_CONNECTED, u, skt_span_of(NULL, 0), skt_span_of(NULL, 0));
}

/* Out of every list; its peers are told. It stays in its slot until the driver says CLOSE. */
static void depart(struct skt_chat *c, struct user *u, struct skt_span why)
{
    uint8_t key[NICK_MAX];

    skt_chat_tell(c, SKT_CHAT_LEFT, u, skt_span_of(NULL, 0), why);
    if (u->state == REGISTERED && !c->stopping) /* else they all go, and need not be told of each other */
        skt_chat_cast_peers(c, u, skt_chat_from(c, u, true, "QUIT :%.*s", S(why)), 0);
    c->stats.users -= u->state == REGISTERED;
    u->state = GONE;
    while (u->n)
        (void)skt_chat_leave(c, u, c->channels[u->joined[u->n - 1].channel]);
    if (u->has_nick)
        skt_names_del(&c->nicks, folded(user_nick(u), key, sizeof key));
    skt_chat_job_end(c, u);
    skt_chat_timer_off(c, u);
    if (u->doomed)
        c->doomed--;
    u->doomed = false;
}

void skt_chat_kill(struct skt_chat *c, struct user *u, const char *why, struct skt_span more)
{
    uint8_t text[REASON_MAX];
    struct skt_room out = skt_room_of(text, sizeof text);
    struct skt_span reason;

    if (u->state == GONE)
        return;
    skt_put_str(&out, why);
    skt_chat_put_cut(&out, more);
    reason = skt_span_of(text, (size_t)(out.p - text));
    if (!u->doomed)
        skt_chat_say(c, u, "ERROR :Closing link: %.*s (%.*s)", S(user_host(u)), S(reason));
    depart(c, u, reason);
    /* One who does not read would keep a close that waits for the queue waiting for ever. */
    if (!skt_outbox_close(&c->out, u->link, u->full ? -ECONNABORTED : 0)) {
        u->unclosed = true;
        c->unclosed++;
    }
}

void skt_chat_closed(struct skt_chat *c, struct user *u, int why)
{
    if (!u)
        return;
    if (u->state != GONE)
        depart(c, u,
            skt_span_str(why == -ETIMEDOUT    ? "Connection timed out"
                         : why == -ECONNRESET ? "Connection reset by peer"
                         : why == -ENOBUFS    ? "Too slow to read what was sent"
                                              : "Connection closed"));
    c->unclosed -= u->unclosed;
    count_ip(c, u, false);
    c->users[skt_slot(u->link)] = NULL;
    c->stats.links--;
    skt_chat_user_free(u);
}

void skt_chat_doom(struct skt_chat *c, struct user *u)
{
    if (u->state == GONE || u->doomed)
        return;
    u->doomed = true;
    c->doomed++;
}

/* Never inside a fan-out: a QUIT that goes out in the midst of another line's way would reach some before it and some
 * after it. */
void skt_chat_reap(struct skt_chat *c)
{
    while (c->doomed)
        for (uint32_t i = 0; i < c->slots; i++)
            if (c->users[i] && c->users[i]->doomed) {
                c->stats.lost_memory++;
                skt_chat_kill(c, c->users[i], "Out of memory for what waits for you", (struct skt_span){ 0 });
            }
    for (uint32_t i = 0; c->unclosed && i < c->slots; i++) {
        struct user *u = c->users[i];

        if (u && u->unclosed && skt_outbox_close(&c->out, u->link, -ENOMEM)) {
            u->unclosed = false;
            c->unclosed--;
        }
    }
}

bool skt_chat_peers(const struct user *a, const struct user *b)
{
    for (uint32_t i = 0; i < a->n; i++)
        for (uint32_t j = 0; j < b->n; j++)
            if (a->joined[i].channel == b->joined[j].channel)
                return true;
    return false;
}

void skt_chat_take_user(struct user *u, struct skt_span name)
{
    uint8_t text[USER_MAX], nick[NICK_MAX], host[HOST_MAX];
    size_t n = 0;

    /* The name is not proven, so it is only made harmless: what could be read as another part of the mask goes. */
    for (; name.p < name.end && n < sizeof text; name.p++)
        if (*name.p > ' ' && *name.p < 0x7f && !strchr("!@*?:,", *name.p))
            text[n++] = *name.p;
    if (!n)
        text[n++] = 'u';
    memcpy(nick, u->mask, u->nick_n);
    memcpy(host, user_host(u).p, u->host_n);
    set_mask(u, skt_span_of(nick, u->nick_n), skt_span_of(text, n), skt_span_of(host, u->host_n));
}

void skt_chat_take_nick(struct skt_chat *c, struct user *u, struct skt_span nick)
{
    uint8_t key[NICK_MAX], old[NICK_MAX], name[USER_MAX], host[HOST_MAX];
    struct skt_span old_nick = user_nick(u), shown = cut_to(nick, NICK_MAX);
    skt_link link = 0;

    if (!skt_irc_nick_ok(nick, NICK_MAX, !c->conf.ascii_nicks)) {
        skt_chat_num(c, u, 432,
            "%.*s :This is no nickname: it has 1 to %d letters, digits or []\\`_^{|}-, and begins with no digit",
            S(shown), NICK_MAX);
        return;
    }
    if (skt_names_get(&c->nicks, folded(nick, key, sizeof key), &link) && link != u->link) {
        skt_chat_num(c, u, 433, "%.*s :Nickname is already in use: choose another", S(nick));
        return;
    }
    if (u->has_nick && skt_span_eq(nick, old_nick))
        return;
    if (link != u->link) {
        if (skt_names_put(&c->nicks, folded(nick, key, sizeof key), u->link)) {
            skt_chat_doom(c, u);
            return;
        }
        if (u->has_nick)
            skt_names_del(&c->nicks, folded(old_nick, old, sizeof old));
    }
    if (u->state == REGISTERED) {
        struct line line = skt_chat_from(c, u, true, "NICK :%.*s", S(nick));

        skt_chat_give(c, u, line);
        skt_chat_cast_peers(c, u, line, 0);
        skt_chat_note(
            c, &(struct skt_chat_event){
                   .what = SKT_CHAT_NICK, .link = u->link, .nick = old_nick, .host = user_host(u), .text = nick });
    }
    if (!u->has_nick)
        u->named = c->now;
    u->has_nick = true;
    memcpy(name, user_name(u).p, u->user_n);
    memcpy(host, user_host(u).p, u->host_n);
    set_mask(u, nick, skt_span_of(name, u->user_n), skt_span_of(host, u->host_n));
}

/* Registers who has said enough. bare: who has not said USER gets by without. */
void skt_chat_try_register(struct skt_chat *c, struct user *u, bool bare)
{
    if (u->state != FRESH || !u->has_nick || u->capping || !(u->has_user || bare))
        return;
    if (c->password && !u->has_pass) {
        skt_chat_num(c, u, 464, ":Password incorrect: say PASS before NICK");
        skt_chat_kill(c, u, "Bad password", (struct skt_span){ 0 });
        return;
    }
    if (!u->has_user) {
        u->bare = true;
        skt_chat_take_user(u, user_nick(u));
    }
    if (!u->real && !(u->real = skt_chat_text(user_nick(u), REAL_MAX))) {
        skt_chat_doom(c, u);
        return;
    }
    u->state = REGISTERED;
    c->stats.registered++;
    if (++c->stats.users > c->stats.peak_users)
        c->stats.peak_users = c->stats.users;
    skt_chat_welcome(c, u);
    skt_chat_tell(c, SKT_CHAT_REGISTERED, u, skt_span_of(NULL, 0), skt_span_of(NULL, 0));
    skt_chat_retime(c, u);
}

static skt_time earlier(skt_time a, skt_time b) { return a < b ? a : b; }

/* When something is to be done about u, should nothing be heard from it. */
static skt_time deadline(const struct skt_chat *c, const struct user *u)
{
    skt_time due;

    if (u->state == FRESH) {
        due = u->since + c->conf.register_timeout;
        if (!u->greeted && !u->spoke)
            due = earlier(due, u->since + GREET_AFTER);
        if (u->has_nick && !u->has_user && !u->capping)
            due = earlier(due, u->named + BARE_AFTER);
        return due;
    }
    if (u->bare)
        return SKT_NEVER; /* people do not answer PING; the driver's keep-alive finds the dead */
    return u->pinged ? u->asked + c->conf.ping_wait : u->heard + c->conf.ping_after;
}

void skt_chat_retime(struct skt_chat *c, struct user *u)
{
    skt_time due = deadline(c, u);

    if (u->state == GONE)
        return;
    if (u->held)
        due = earlier(due, u->held);
    if (due == SKT_NEVER)
        skt_chat_timer_off(c, u);
    else if (skt_chat_timer(c, u, due))
        skt_chat_doom(c, u);
}

static void greet(struct skt_chat *c, struct user *u)
{
    u->greeted = true;
    skt_chat_notice(c, u, "Welcome to %s. Typing by hand? Say:", c->network);
    skt_chat_notice(c, u, "    NICK yourname");
    skt_chat_notice(c, u, "    JOIN #lobby");
    skt_chat_notice(c, u, "    MSG #lobby hello everyone        (HELP tells more, QUIT ends)");
}

static void due_fresh(struct skt_chat *c, struct user *u)
{
    if (c->now >= u->since + c->conf.register_timeout) {
        c->stats.lost_unregistered++;
        skt_chat_kill(c, u, "Registration timed out: say NICK and USER sooner", (struct skt_span){ 0 });
    } else if (u->has_nick && !u->has_user && !u->capping && c->now >= u->named + BARE_AFTER) {
        skt_chat_try_register(c, u, true);
    } else if (!u->greeted && !u->spoke && c->now >= u->since + GREET_AFTER) {
        greet(c, u);
    }
}

static void due_registered(struct skt_chat *c, struct user *u)
{
    if (u->pinged && c->now >= u->asked + c->conf.ping_wait) {
        c->stats.lost_silent++;
        skt_chat_kill(c, u, "Ping timeout", (struct skt_span){ 0 });
    } else if (!u->pinged && c->now >= u->heard + c->conf.ping_after) {
        u->pinged = true;
        u->asked = c->now;
        skt_chat_say(c, u, "PING :%s", c->name);
    }
}

void skt_chat_due(struct skt_chat *c, struct user *u)
{
    if (u->held && c->now >= u->held)
        u->held = 0; /* the turn that this wake makes brings its input again */
    if (u->state == FRESH)
        due_fresh(c, u);
    else if (!u->bare)
        due_registered(c, u);
    skt_chat_retime(c, u);
}
