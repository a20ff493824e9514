/* engine/chat in the simulated world: 100 people over bad links, some of whom leave or are cut off. The server's own events
 * are the oracle: who is in the room when it takes a message has to get it, once, and all in the same order. */
#include "world.h"

#include <sockit/chat.h>

enum { PEOPLE = 100, SAYS = 2, BURST = 30 /* of one, above what may be said at once */, HEARD_MAX = 1000, SEEDS = 200 };
#define END (1000 * SKT_SEC + 80 * SKT_SEC) /* the simulation begins at 1000 s */

/* Number of a message: who said it, and their count. */
static uint32_t number(uint32_t who, uint32_t count) { return who * 1000 + count; }

struct list {
    uint32_t n, at[HEARD_MAX];
};

static void add(struct list *list, uint32_t message)
{
    assert_true(list->n < HEARD_MAX);
    list->at[list->n++] = message;
}

/* A person: an engine of its own. */
struct person {
    uint32_t who, says, said;
    skt_link link;
    bool joined, closed, quits, quit;
    skt_time next;  /* when to say the next thing */
    char todo[256]; /* lines to send first */
    struct list heard;
    struct skt_random chance;
};

static void hear(struct person *p, skt_time now, struct skt_span line)
{
    char text[600];
    unsigned who, count;
    const char *told;

    snprintf(text, sizeof text, "%.*s", (int)skt_len(line), (const char *)line.p);
    told = strstr(text, " PRIVMSG #room :");
    if (told && sscanf(told, " PRIVMSG #room :%u.%u", &who, &count) == 2)
        add(&p->heard, number(who, count));
    else if (!strncmp(text, "PING ", 5))
        snprintf(p->todo, sizeof p->todo, "PONG %.200s\r\n", text + 5);
    else if (!p->joined && strstr(text, " 366 ")) {
        p->joined = true;
        p->next = now;
    }
}

static void person_recv(void *self, skt_time now, struct skt_in *in)
{
    struct person *p = self;
    struct skt_span line;

    switch (in->kind) {
    case SKT_OPEN:
        p->link = in->link;
        snprintf(
            p->todo, sizeof p->todo, "CAP LS 302\r\nNICK c%u\r\nUSER c 0 * :c\r\nCAP END\r\nJOIN #room\r\n", p->who);
        if (p->who % 3 == 0)
            strcat(p->todo, "CAP REQ server-time\r\n");
        break;
    case SKT_DATA:
        while (skt_get_line(&in->data, &line))
            hear(p, now, line);
        break;
    case SKT_CLOSE: p->closed = true; break;
    default: break;
    }
}

static bool person_send(void *self, skt_time now, struct skt_out *out)
{
    struct person *p = self;

    if (!p->link || p->closed || p->quit)
        return false;
    out->link = p->link;
    out->kind = SKT_DATA;
    if (*p->todo) {
        skt_put_str(&out->data, p->todo);
        *p->todo = 0;
        return true;
    }
    if (!p->joined || now < p->next || (p->said == p->says && !p->quits))
        return false;
    if (p->said == p->says) {
        p->quit = true;
        skt_put_str(&out->data, "QUIT :enough\r\n");
        return true;
    }
    skt_put_fmt(&out->data, "PRIVMSG #room :%u.%u\r\n", p->who, p->said++);
    p->next = now + (p->says == BURST ? 0 : (skt_time)skt_random_below(&p->chance, 5 * SKT_SEC));
    return true;
}

static skt_time person_wake(const void *self)
{
    const struct person *p = self;

    return p->joined && !p->closed && !p->quit && (p->said < p->says || p->quits) ? p->next : SKT_NEVER;
}

static const struct skt_engine_ops person_ops = { person_recv, person_send, person_wake };

struct evening {
    struct sim *sim;
    struct skt_chat *chat;
    struct person person[PEOPLE];
    struct list expected[PEOPLE];
    bool inside[PEOPLE];
    uint32_t taken; /* messages that the server took */
};

static uint32_t who_is(struct skt_span nick)
{
    uint32_t n = 0;

    assert_true(skt_len(nick) > 1 && *nick.p == 'c');
    for (const uint8_t *p = nick.p + 1; p < nick.end; p++)
        n = n * 10 + (uint32_t)(*p - '0');
    assert_true(n < PEOPLE);
    return n;
}

static void note(struct evening *w, const struct skt_chat_event *ev)
{
    unsigned who, count;
    char text[32];

    if (ev->what == SKT_CHAT_JOINED)
        w->inside[who_is(ev->nick)] = true;
    if (ev->what == SKT_CHAT_LEFT && skt_len(ev->nick))
        w->inside[who_is(ev->nick)] = false;
    if (ev->what != SKT_CHAT_MESSAGE)
        return;
    snprintf(text, sizeof text, "%.*s", (int)skt_len(ev->text), (const char *)ev->text.p);
    assert_int_equal(sscanf(text, "%u.%u", &who, &count), 2);
    assert_int_equal(who, who_is(ev->nick));
    for (uint32_t i = 0; i < PEOPLE; i++)
        if (w->inside[i] && i != who)
            add(&w->expected[i], number(who, count));
    w->taken++;
}

static void meet(struct evening *w, uint64_t seed)
{
    struct sim_conf conf = { .seed = seed, .cut = .1, .cut_within = 30 * SKT_SEC };
    struct skt_path_conf path = { .delay = 20 * SKT_MS, .jitter = 30 * SKT_MS, .loss = .03, .dup = .02 };
    struct skt_chat_conf chat = { .seed = seed, .log_text = true };
    struct skt_random chance;
    int hub;

    skt_random_init(&chance, seed);
    assert_int_equal(skt_chat_new(&chat, &w->chat), 0);
    w->sim = world_begin(&conf);
    sim_wire_all(w->sim, path);
    hub = sim_host(w->sim, skt_chat_engine(w->chat), "hub");
    sim_listen(w->sim, hub, "tcp:6667");
    for (uint32_t i = 0; i < PEOPLE; i++) {
        struct person *p = &w->person[i];

        *p = (struct person){ .who = i, .says = i == 7 ? BURST : SAYS, .quits = skt_random_below(&chance, 5) == 0 };
        skt_random_init(&p->chance, seed * PEOPLE + i);
        sim_open(w->sim, sim_host(w->sim, (struct skt_engine){ &person_ops, p }, NULL), "hub:6667");
    }
}

/* Everything that was to come came, in order; to one who left, up to some point. */
static void compare(const struct evening *w, uint32_t i)
{
    const struct list *heard = &w->person[i].heard, *expected = &w->expected[i];
    bool stayed = !w->person[i].closed && w->inside[i];

    if (heard->n <= expected->n && (!stayed || heard->n == expected->n) &&
        !memcmp(heard->at, expected->at, heard->n * sizeof *heard->at))
        return;
    fail_msg("person %u %s and heard %u of %u messages, or not in order", i, stayed ? "stayed" : "left", heard->n,
        expected->n);
}

static uint32_t talk(uint64_t seed)
{
    struct evening *w = calloc(1, sizeof *w);
    struct skt_chat_event ev;
    struct skt_chat_stats stats;
    uint32_t taken;

    meet(w, seed);
    while (sim_now(w->sim) < END && sim_step(w->sim))
        while (skt_chat_next(w->chat, &ev))
            note(w, &ev);
    for (uint32_t i = 0; i < PEOPLE; i++)
        compare(w, i);
    skt_chat_stats(w->chat, &stats);
    assert_int_equal(stats.events_lost, 0);
    assert_int_equal(stats.lost_memory, 0);
    assert_int_equal(stats.lost_flood, 0);
    taken = w->taken;
    world_end();
    skt_chat_free(w->chat);
    free(w);
    return taken;
}

static void each_message_reaches_each_member_once_and_in_order(void **state)
{
    for (uint64_t seed = world_first(); world_more(seed, SEEDS); seed++) {
        uint32_t taken = talk(seed);
        /* Most people are let say what they want: else this would be a test of nothing. */
        assert_true(taken > PEOPLE * SAYS * 8 / 10);
    }
}

WORLD(W(each_message_reaches_each_member_once_and_in_order))
