/* The chat in the simulated world: 100 people in one room over bad links. `sim_town speed` measures the simulation. */
#include "world.h"

#include <sockit/chat.h>

#include <string.h>
#include <time.h>

enum { PEOPLE = 100, SEEDS = 10 };

/* Joins the room, says numbered lines, and sees that of each other the numbers come one after the other. */
struct person {
    int number;
    uint32_t lines; /* to say */
    skt_time gap;   /* on average, from one to the next */
    skt_link link;
    bool asked, open, said_hello, in_room, full, over, pong;
    uint32_t said, heard, wrong;
    uint32_t last[PEOPLE]; /* number of the last line of each */
    struct skt_random dice;
    skt_time next;
    int why;
};

static void hear(struct person *p, struct skt_span line)
{
    char text[512];
    unsigned who, number;
    size_t n = skt_len(line);

    if (n >= sizeof text)
        n = sizeof text - 1;
    if (n)
        memcpy(text, line.p, n);
    text[n] = 0;
    if (!strncmp(text, "PING", 4))
        p->pong = true;
    if (strstr(text, " 366 "))
        p->in_room = true;
    if (sscanf(text, ":%*s PRIVMSG #room :%u %u", &who, &number) != 2)
        return;
    p->heard++;
    if (who >= PEOPLE || (p->last[who] && number != p->last[who] + 1))
        p->wrong++;
    else
        p->last[who] = number;
}

static void person_recv(void *self, skt_time now, struct skt_in *in)
{
    struct person *p = self;
    struct skt_span line;

    if (in->kind == SKT_OPEN) {
        p->open = true;
        p->next = now;
    } else if (in->kind == SKT_FULL || in->kind == SKT_ROOM) {
        p->full = in->kind == SKT_FULL;
    } else if (in->kind == SKT_CLOSE) {
        p->open = false;
        p->over = true;
        p->why = in->why;
        p->next = SKT_NEVER;
    }
    while (in->kind == SKT_DATA && skt_get_line(&in->data, &line))
        hear(p, line);
}

static skt_time pause_of(struct person *p) { return (skt_time)skt_random_below(&p->dice, 2 * (uint64_t)p->gap) + 1; }

static void say(struct person *p, skt_time now, struct skt_room *out)
{
    if (p->pong)
        skt_put_str(out, "PONG :sockit.local\r\n");
    p->pong = false;
    if (now < p->next)
        return;
    p->next = now + pause_of(p);
    if (!p->said_hello)
        skt_put_fmt(out, "NICK p%d\r\nUSER u 0 * :Person\r\nJOIN #room\r\n", p->number);
    else if (p->in_room && p->said < p->lines)
        skt_put_fmt(out, "PRIVMSG #room :%d %u and some words, as people use them\r\n", p->number, ++p->said);
    p->said_hello = true;
}

static bool person_send(void *self, skt_time now, struct skt_out *out)
{
    struct person *p = self;

    if (!p->asked) {
        p->asked = true;
        p->link = out->link;
        out->kind = SKT_OPEN;
        skt_put_str(&out->data, "hub:6667");
        return true;
    }
    out->link = p->link;
    if (p->open && !p->full && (p->pong || now >= p->next)) {
        say(p, now, &out->data);
        return true;
    }
    if (now >= p->next)
        p->next = now + pause_of(p);
    return false;
}

static skt_time person_wake(const void *self)
{
    const struct person *p = self;

    return p->next;
}

struct town {
    struct person people[PEOPLE];
    struct skt_chat *chat;
    int hub;
};

static void town_init(struct town *t, struct sim *sim, uint64_t seed, uint32_t lines, skt_time gap)
{
    static const struct skt_engine_ops ops = { person_recv, person_send, person_wake };
    struct skt_chat_conf conf = { .seed = seed, .max_per_ip = 200 };

    memset(t, 0, sizeof *t);
    assert_int_equal(skt_chat_new(&conf, &t->chat), 0);
    t->hub = sim_host(sim, skt_chat_engine(t->chat), "hub");
    sim_listen(sim, t->hub, "tcp:6667");
    for (int i = 0; i < PEOPLE; i++) {
        struct person *p = &t->people[i];
        *p = (struct person){ .number = i, .lines = lines, .gap = gap, .next = SKT_NEVER };
        skt_random_init(&p->dice, seed * PEOPLE + (uint64_t)i);
        sim_host(sim, (struct skt_engine){ &ops, p }, NULL);
    }
}

static void events_drop(struct town *t)
{
    for (struct skt_chat_event ev; skt_chat_next(t->chat, &ev);) {
    }
}

static void a_room_hears_each_line_once_and_in_order(void **state)
{
    static struct town t;

    for (uint64_t seed = world_first(); world_more(seed, SEEDS); seed++) {
        struct sim *sim = world_begin(&(struct sim_conf){ .seed = seed });
        skt_time end = sim_now(sim) + 200 * SKT_SEC;
        uint64_t heard = 0;
        town_init(&t, sim, seed, 5, 4 * SKT_SEC);
        sim_wire_all(sim, (struct skt_path_conf){ .delay = 40 * SKT_MS, .jitter = 20 * SKT_MS, .loss = .02 });
        while (sim_now(sim) < end && sim_step(sim))
            events_drop(&t);
        for (int i = 0; i < PEOPLE; i++) {
            struct person *p = &t.people[i];
            assert_true(p->open && p->in_room && !p->wrong);
            assert_int_equal(p->said, 5);
            for (int j = 0; j < PEOPLE; j++)
                assert_int_equal(p->last[j], i == j ? 0 : 5);
            heard += p->heard;
        }
        assert_in_range(heard, 400 * PEOPLE, 495 * PEOPLE); /* who came late missed the first ones */
        world_end();
        skt_chat_free(t.chat);
    }
}

static void people_come_and_go_and_the_hub_keeps_no_link(void **state)
{
    static struct town t;

    for (uint64_t seed = world_first(); world_more(seed, SEEDS); seed++) {
        struct sim *sim =
            world_begin(&(struct sim_conf){ .seed = seed, .cut = .5, .cut_within = 20 * SKT_SEC, .hang = .05 });
        skt_time end = sim_now(sim) + 60 * SKT_SEC;
        uint32_t open = 0, wrong = 0;
        town_init(&t, sim, seed, 100, SKT_SEC);
        sim_wire_all(sim, (struct skt_path_conf){ .delay = 40 * SKT_MS, .loss = .05 });
        while (sim_now(sim) < end && sim_step(sim))
            events_drop(&t);
        for (int i = 0; i < PEOPLE; i++) {
            open += t.people[i].open;
            wrong += t.people[i].wrong;
        }
        assert_int_equal(wrong, 0);
        assert_in_range(open, 25, 75);
        assert_in_range(sim_links(sim, t.hub), open + 1, open + 8); /* some do not know yet that their peer is gone */
        world_end();
        skt_chat_free(t.chat);
    }
}

static double cpu(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* How many times faster than time it runs, in CPU seconds; a figure for people, no test. */
static void measure(skt_time gap, skt_time span)
{
    static struct town t;
    struct sim *sim = sim_new(1);
    skt_time begin = sim_now(sim);
    struct sim_stats stats;
    uint64_t heard = 0;
    double from = cpu(), took;

    town_init(&t, sim, 1, UINT32_MAX, gap);
    sim_wire_all(sim, (struct skt_path_conf){ .delay = 20 * SKT_MS, .jitter = 10 * SKT_MS, .loss = .001 });
    while (sim_now(sim) < begin + span && sim_step(sim))
        events_drop(&t);
    took = cpu() - from;
    sim_stats(sim, &stats);
    for (int i = 0; i < PEOPLE; i++)
        heard += t.people[i].heard;
    printf("%d people, a line each every %3.0f s: %6.0f times real time, %.2f M deliveries/s, %.2f M events/s of CPU\n",
        PEOPLE, (double)gap / 1e9, (double)span / 1e9 / took, (double)heard / took / 1e6,
        (double)stats.steps / took / 1e6);
    sim_free(sim);
    skt_chat_free(t.chat);
}

static int speed(void)
{
    measure(60 * SKT_SEC, 3600 * SKT_SEC);
    measure(30 * SKT_SEC, 3600 * SKT_SEC);
    measure(10 * SKT_SEC, 1000 * SKT_SEC);
    measure(SKT_SEC, 100 * SKT_SEC);
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = { W(a_room_hears_each_line_once_and_in_order),
        W(people_come_and_go_and_the_hub_keeps_no_link) };

    if (argc > 1 && !strcmp(argv[1], "speed"))
        return speed();
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
