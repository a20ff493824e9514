/* engine/chat when there is no memory: each allocation of an evening fails in turn, alone or with all that follow. Nothing
 * may break or leak, who is harmed is closed and not left with a hole, and when memory is back so is the service. The linker
 * leads the calls here (--wrap). */
#include "test.h"

#include "chatworld.h"
#include "no_memory.h"

static struct client *meet(struct world *w, const char *name)
{
    struct client *k = guest(w, name);

    if (k->open)
        say(w, k, "JOIN #a,#b");
    return k;
}

static void an_evening(struct world *w)
{
    static const char *const lines[] = { "TOPIC #a :about", "MODE #a +bk *!*@x key", "MODE #a -b+i *!*@x", "AWAY :out",
        "PRIVMSG #a :hello", "PRIVMSG bob,cat :both", "SETNAME :New Name", "INVITE cat #b", "LIST", "WHO #a", "WHO *",
        "NICK anna", "NAMES #a", "WHOIS bob", "KICK #a bob", "MODE #a +v cat", "AWAY", "PART #b :bye" };
    struct client *ann = meet(w, "ann"), *bob = meet(w, "bob"), *cat = meet(w, "cat");

    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        if (ann->open)
            say(w, ann, lines[i]);
    if (bob->open)
        say(w, bob, "QUIT :good night");
    if (cat->open)
        tell(w, cat, (struct skt_in){ .kind = SKT_EOF });
    settle(w);
}

static void service_is_back(struct world *w)
{
    struct client *dan, *eve;
    struct skt_chat_stats stats;
    uint32_t open = 0;
    char got[600];

    pass(w, SKT_SEC);
    dan = guest(w, "dan");
    eve = guest(w, "eve");
    say(w, dan, "JOIN #new");
    say(w, eve, "JOIN #new");
    forget(dan);
    say(w, eve, "PRIVMSG #new :it works");
    assert_true(hear(dan, got, sizeof got));
    assert_string_equal(got, ":eve!eve@localhost PRIVMSG #new :it works");
    for (uint32_t i = 0; i < w->n; i++)
        open += w->client[i].open;
    skt_chat_stats(w->chat, &stats);
    assert_int_equal(stats.links, open);
}

/* False: the evening passed without needing that many. */
static bool fail_at(long n)
{
    struct skt_chat_conf conf = {
        .seed = 7, .name = "hub", .motd = "m", .password = NULL, .flood_free = true, .log_text = true
    };
    struct world *w = calloc(1, sizeof *w);
    struct skt_chat_event ev;

    failed = false;
    left = n;
    if (!skt_chat_new(&conf, &w->chat)) {
        w->engine = skt_chat_engine(w->chat);
        w->now = 1000 * SKT_SEC;
        an_evening(w);
        left = -1;
        while (skt_chat_next(w->chat, &ev)) {
        }
        service_is_back(w);
    }
    left = -1;
    world_free(w);
    return failed;
}

static void any_one_allocation_may_fail(void **state)
{
    long n = 0;

    one = true;
    while (fail_at(n))
        n++;
    assert_true(n > 40);
}

static void memory_may_be_gone_for_a_while(void **state)
{
    long n = 0;

    one = false;
    while (fail_at(n))
        n++;
    assert_true(n > 40);
}

RUN(T(any_one_allocation_may_fail), T(memory_may_be_gone_for_a_while))
