/* engine/chat: driven by hand. The cases of test/vectors/irc.txt, and what does not fit into text. */
#include "test.h"

#include "chatworld.h"

#include "wire/irc.h"

/* ---- the cases of irc.txt ---- */

struct script {
    struct world *w;
    struct skt_chat_conf conf;
    char motd[256], password[64];
    unsigned number;
    int faults;
};

static void fault(struct script *s, const char *line, const char *what, const char *got)
{
    fprintf(stderr, "irc.txt:%u: %s\n    %s\n    %s\n", s->number, what, line, got);
    s->faults++;
}

static void each_is_silent(struct script *s)
{
    char got[1024];

    for (uint32_t i = 0; s->w && i < s->w->n; i++)
        while (hear(&s->w->client[i], got, sizeof got))
            fault(s, s->w->client[i].name, "a line that nobody expected", got);
}

static struct world *world_of(struct script *s)
{
    if (!s->w)
        s->w = world_new(&s->conf);
    return s->w;
}

static void new_case(struct script *s)
{
    each_is_silent(s);
    if (s->w)
        world_free(s->w);
    s->w = NULL;
    s->conf =
        (struct skt_chat_conf){ .seed = 1, .name = "hub", .network = "test", .wall_offset = 1000000000 * SKT_SEC };
}

static void set_conf(struct script *s, const char *key, const char *value)
{
    const struct {
        const char *key;
        uint32_t *value;
    } numbers[] = { { "max_users", &s->conf.max_users }, { "max_channels", &s->conf.max_channels },
        { "max_joined", &s->conf.max_joined }, { "max_members", &s->conf.max_members },
        { "max_per_ip", &s->conf.max_per_ip }, { "flood_burst", &s->conf.flood_burst },
        { "flood_rate", &s->conf.flood_rate }, { "flood_bytes", &s->conf.flood_bytes } };
    bool *const bools[] = { &s->conf.flood_free, &s->conf.ascii_nicks, &s->conf.show_ip };
    static const char *const names[] = { "flood_free", "ascii_nicks", "show_ip" };
    bool known = !strcmp(key, "motd") || !strcmp(key, "password");

    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (!strcmp(numbers[i].key, key)) {
            *numbers[i].value = (uint32_t)strtoul(value, NULL, 10);
            known = true;
        }
    for (size_t i = 0; i < sizeof bools / sizeof *bools; i++)
        if (!strcmp(names[i], key))
            known = *bools[i] = true;
    if (!strcmp(key, "motd"))
        s->conf.motd = strcpy(s->motd, value);
    if (!strcmp(key, "password"))
        s->conf.password = strcpy(s->password, value);
    if (!known)
        fault(s, key, "an unknown conf", value);
}

/* '%' is any text, all else is itself. */
static bool matches(const char *pattern, const char *text)
{
    if (*pattern == '%')
        return matches(pattern + 1, text) || (*text && matches(pattern, text + 1));
    return *pattern == *text && (!*pattern || matches(pattern + 1, text + 1));
}

/* "\x1b" and the like in the text of the file. */
static void unescape(char *text)
{
    char *to = text;

    for (; *text; text++) {
        unsigned byte;
        if (text[0] == '\\' && text[1] == 'x' && sscanf(text + 2, "%2x", &byte) == 1) {
            *to++ = (char)byte;
            text += 3;
        } else {
            *to++ = *text;
        }
    }
    *to = 0;
}

static void expect(struct script *s, struct client *k, const char *pattern)
{
    char got[1024] = "(nothing)";

    if (!strcmp(pattern, "...")) {
        forget(k);
    } else if (!strcmp(pattern, "closed")) {
        if (!k->closed)
            fault(s, pattern, "not closed", k->name);
    } else if (!hear(k, got, sizeof got) || !matches(pattern, got)) {
        fault(s, pattern, "expected above, got below", got);
    }
}

/* "NAME < text", "NAME > pattern", "NAME comes [ADDRESS]", "NAME enters [#channel]", "NAME leaves", "NAME full|room". */
static void client_step(struct script *s, char *line)
{
    char name[16] = "", verb[16] = "", arg[64] = "";
    char *text = strpbrk(line, "<>");
    struct world *w = world_of(s);
    struct client *k;

    sscanf(line, "%15s %15s %63s", name, verb, arg);
    k = find(w, name);
    if (!strcmp(verb, "comes")) {
        come_from(w, name, *arg ? arg : "127.0.0.1:4000");
    } else if (!strcmp(verb, "enters")) {
        k = guest(w, name);
        if (*arg) {
            char join[80];
            snprintf(join, sizeof join, "JOIN %s", arg);
            say(w, k, join);
            forget(k);
        }
    } else if (!k) {
        fault(s, line, "who?", name);
    } else if (!strcmp(verb, "<")) {
        unescape(text);
        say(w, k, text[1] ? text + 2 : "");
    } else if (!strcmp(verb, ">")) {
        expect(s, k, text + 2);
    } else if (!strcmp(verb, "leaves")) {
        k->open = false;
        tell(w, k, (struct skt_in){ .kind = SKT_CLOSE, .why = -ECONNRESET });
        k->closed = true;
        settle(w);
    } else if (!strcmp(verb, "full") || !strcmp(verb, "room")) {
        tell(w, k, (struct skt_in){ .kind = *verb == 'f' ? SKT_FULL : SKT_ROOM });
        settle(w);
    } else {
        fault(s, line, "no such step", verb);
    }
}

static void step(struct script *s, char *line)
{
    char key[32] = "", value[200] = "";
    skt_time time;

    if (!*line || *line == '#')
        return;
    if (!strncmp(line, "== ", 3))
        new_case(s);
    else if (sscanf(line, "conf %31s %199[^\n]", key, value) >= 1)
        set_conf(s, key, value);
    else if (sscanf(line, "wait %31s", key) == 1 && !skt_time_parse(key, &time, NULL))
        pass(world_of(s), time);
    else
        client_step(s, line);
}

static void the_cases_of_irc_txt_hold(void **state)
{
    struct script s = { 0 };
    char line[2048];
    FILE *f = fopen(TEST_SOURCE "/vectors/irc.txt", "r");

    assert_non_null(f);
    new_case(&s);
    while (fgets(line, sizeof line, f)) {
        s.number++;
        line[strcspn(line, "\n")] = 0;
        step(&s, line);
    }
    fclose(f);
    new_case(&s);
    assert_true(s.number > 100);
    assert_int_equal(s.faults, 0);
}

/* ---- what does not fit into text ---- */

static struct skt_chat_conf free_conf(void)
{
    return (struct skt_chat_conf){ .seed = 7, .name = "hub", .network = "test", .flood_free = true };
}

static void a_line_may_come_in_any_pieces(void **state)
{
    struct skt_chat_conf conf = free_conf();
    struct world *w = world_new(&conf);
    struct client *ann = guest(w, "ann"), *bob = guest(w, "bob");
    static const char text[] = "PRIVMSG ann :\xe5\xb0\x8f\xe6\x98\x8e\nPRIVMSG ann :two\r\n";
    char got[600];

    for (size_t i = 0; text[i]; i++)
        send_bytes(w, bob, text + i, 1);
    assert_true(hear(ann, got, sizeof got));
    assert_string_equal(got, ":bob!bob@localhost PRIVMSG ann :\xe5\xb0\x8f\xe6\x98\x8e");
    assert_true(hear(ann, got, sizeof got));
    assert_string_equal(got, ":bob!bob@localhost PRIVMSG ann :two");
    world_free(w);
}

static void a_line_without_end_is_skipped_and_told_once(void **state)
{
    struct skt_chat_conf conf = free_conf();
    struct world *w = world_new(&conf);
    struct client *ann = guest(w, "ann");
    struct skt_chat_stats stats;
    char junk[5000], got[600];

    memset(junk, 'x', sizeof junk);
    for (int i = 0; i < 20; i++)
        send_bytes(w, ann, junk, sizeof junk);
    assert_true(ann->in_n <= 8192);
    say(w, ann, "end of it");
    say(w, ann, "PING :still here");
    assert_true(hear(ann, got, sizeof got));
    assert_string_equal(got, ":hub 417 ann :Input line was too long");
    assert_true(hear(ann, got, sizeof got));
    assert_string_equal(got, ":hub PONG hub :still here");
    assert_false(hear(ann, got, sizeof got));
    skt_chat_stats(w->chat, &stats);
    assert_int_equal(stats.long_lines, 1);
    world_free(w);
}

static void no_line_is_longer_than_512_bytes(void **state)
{
    struct skt_chat_conf conf = free_conf();
    struct world *w = world_new(&conf);
    struct client *ann = guest(w, "ann"), *bob = guest(w, "bob");
    char text[500], line[600];

    memset(text, 'y', sizeof text);
    text[sizeof text - 1] = 0;
    snprintf(line, sizeof line, "PRIVMSG ann :%.480s", text);
    say(w, bob, line);
    assert_int_equal(ann->out_n, SKT_IRC_LINE);
    assert_memory_equal(ann->out + 510, "\r\n", 2);
    say(w, bob, "JOIN #a");
    snprintf(line, sizeof line, "TOPIC #a :%.480s", text);
    say(w, bob, line);
    snprintf(line, sizeof line, "AWAY :%.480s", text);
    say(w, bob, line);
    snprintf(line, sizeof line, "PING %.480s", text);
    say(w, bob, line);
    snprintf(line, sizeof line, "%.480s", text);
    say(w, bob, line);
    snprintf(line, sizeof line, "QUIT :%.480s", text);
    say(w, bob, line);
    for (char got[2000]; hear(bob, got, sizeof got);)
        assert_true(strlen(got) <= 510);
    world_free(w);
}

static bool next(struct world *w, enum skt_chat_what what, const char *nick, const char *target, const char *text)
{
    struct skt_chat_event ev;

    return skt_chat_next(w->chat, &ev) && ev.what == what && skt_span_is(ev.nick, nick) &&
           skt_span_is(ev.target, target) && skt_span_is(ev.text, text);
}

static void the_verb_is_told_what_happens(void **state)
{
    struct skt_chat_conf conf = free_conf();
    struct skt_chat_event ev;
    struct world *w;
    struct client *ann, *bob;

    conf.log_text = true;
    w = world_new(&conf);
    ann = guest(w, "ann");
    assert_true(next(w, SKT_CHAT_CONNECTED, "", "", "") && next(w, SKT_CHAT_REGISTERED, "ann", "", ""));
    assert_false(skt_chat_next(w->chat, &ev));
    bob = guest(w, "bob");
    say(w, ann, "JOIN #a");
    say(w, bob, "JOIN #a");
    say(w, bob, "PRIVMSG #A :hello");
    say(w, ann, "NICK anna");
    say(w, ann, "TOPIC #a :t");
    say(w, ann, "KICK #a bob");
    say(w, ann, "PART #a :done");
    say(w, ann, "QUIT :bye");
    assert_true(next(w, SKT_CHAT_CONNECTED, "", "", "") && next(w, SKT_CHAT_REGISTERED, "bob", "", ""));
    assert_true(next(w, SKT_CHAT_JOINED, "ann", "#a", "") && next(w, SKT_CHAT_JOINED, "bob", "#a", ""));
    assert_true(skt_chat_next(w->chat, &ev) && ev.what == SKT_CHAT_MESSAGE && ev.deliveries == 1);
    assert_true(skt_span_is(ev.text, "hello") && skt_span_is(ev.target, "#a") && skt_span_is(ev.nick, "bob"));
    assert_true(next(w, SKT_CHAT_NICK, "ann", "", "anna") && next(w, SKT_CHAT_TOPIC, "anna", "#a", "t"));
    assert_true(next(w, SKT_CHAT_KICKED, "bob", "#a", "anna") && next(w, SKT_CHAT_PARTED, "anna", "#a", "done"));
    assert_true(next(w, SKT_CHAT_LEFT, "anna", "", "Quit: bye"));
    assert_false(skt_chat_next(w->chat, &ev));
    world_free(w);
}

static void unread_events_are_bounded_and_with_a_log_input_waits_for_them(void **state)
{
    struct skt_chat_conf conf = free_conf();
    struct skt_chat_event ev;
    struct skt_chat_stats stats;
    struct world *w;
    struct client *ann;
    int n = 0;

    conf.max_events = 8;
    w = world_new(&conf);
    ann = guest(w, "ann");
    for (int i = 0; i < 20; i++)
        say(w, ann, "NOTICE ann :x");
    skt_chat_stats(w->chat, &stats);
    assert_int_equal(stats.events_lost, 14);
    world_free(w);

    conf.log_text = true;
    w = world_new(&conf);
    ann = guest(w, "ann");
    for (int i = 0; i < 20; i++)
        say(w, ann, "NOTICE ann :x");
    assert_true(ann->hold && ann->in_n > 0);
    do {
        while (skt_chat_next(w->chat, &ev))
            n++;
        offer(w, ann);
        settle(w);
    } while (ann->in_n);
    while (skt_chat_next(w->chat, &ev))
        n++;
    assert_int_equal(n, 22);
    skt_chat_stats(w->chat, &stats);
    assert_int_equal(stats.events_lost, 0);
    world_free(w);
}

/* Long answers go out in shares, none while the socket is full, and come whole. */
static void a_long_list_comes_in_shares(void **state)
{
    struct skt_chat_conf conf = free_conf();
    struct world *w;
    struct client *ann, *bob;
    char line[700];
    uint32_t lines = 0;

    conf.max_joined = 500;
    w = world_new(&conf);
    ann = guest(w, "ann");
    bob = guest(w, "bob");
    for (int i = 0; i < 500; i++) {
        snprintf(line, sizeof line, "JOIN #channel%d", i);
        say(w, ann, line);
        forget(ann);
    }
    send_bytes(w, bob, "LIST\r\nPING :after\r\n", 19);
    while (hear(bob, line, sizeof line))
        lines++;
    assert_int_equal(lines, 503);
    assert_string_equal(line, ":hub PONG hub :after");

    tell(w, bob, (struct skt_in){ .kind = SKT_FULL });
    send_bytes(w, bob, "LIST\r\n", 6);
    assert_false(hear(bob, line, sizeof line)); /* not even taken */
    tell(w, bob, (struct skt_in){ .kind = SKT_ROOM });
    settle(w);
    for (lines = 0; hear(bob, line, sizeof line);)
        lines++;
    assert_int_equal(lines, 502);
    world_free(w);
}

static void stop_says_good_bye_to_everyone(void **state)
{
    struct skt_chat_conf conf = free_conf();
    struct world *w = world_new(&conf);
    struct client *ann = guest(w, "ann"), *bob = come(w, "bob"), *cat;
    struct skt_chat_stats stats;
    char got[600];

    skt_chat_stop(w->chat, w->now, "Server going down");
    settle(w);
    assert_true(ann->closed && bob->closed);
    assert_true(hear(ann, got, sizeof got));
    assert_string_equal(got, "ERROR :Closing link: localhost (Server going down)");
    cat = come(w, "cat");
    assert_true(cat->closed);
    skt_chat_stats(w->chat, &stats);
    assert_int_equal(stats.links, 0);
    assert_int_equal(stats.users, 0);
    world_free(w);
}

static void bad_names_are_refused_at_birth(void **state)
{
    struct skt_chat *chat = NULL;

    assert_int_equal(skt_chat_new(&(struct skt_chat_conf){ .name = "no blanks" }, &chat), -EINVAL);
    assert_int_equal(skt_chat_new(&(struct skt_chat_conf){ .network = "" }, &chat), -EINVAL);
    assert_null(chat);
    skt_chat_free(NULL);
}

/* Fills a channel, lets people come and go in a seeded order, and compares NAMES with what must be. */
static void members_are_right_after_any_coming_and_going(void **state)
{
    struct skt_chat_conf conf = free_conf();
    struct world *w = world_new(&conf);
    struct client *who[40];
    bool inside[40] = { 0 };
    uint32_t chance = 4711;
    char line[600], name[16];

    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof name, "user%d", i);
        who[i] = guest(w, name);
    }
    for (int round = 0; round < 3000; round++) {
        int i = (int)((chance = chance * 1103515245 + 12345) >> 16) % 40;

        say(w, who[i], inside[i] ? "PART #a" : "JOIN #a,#b");
        inside[i] = !inside[i];
        for (int k = 0; k < 40; k++)
            forget(who[k]);
        if (round % 100)
            continue;
        say(w, who[0], "WHO #a");
        int expected = 0, got = 0;
        for (int k = 0; k < 40; k++)
            expected += inside[k];
        while (hear(who[0], line, sizeof line))
            got += !!strstr(line, " 352 ");
        assert_int_equal(got, expected);
    }
    world_free(w);
}

RUN(T(the_cases_of_irc_txt_hold), T(a_line_may_come_in_any_pieces), T(a_line_without_end_is_skipped_and_told_once),
    T(no_line_is_longer_than_512_bytes), T(the_verb_is_told_what_happens),
    T(unread_events_are_bounded_and_with_a_log_input_waits_for_them), T(a_long_list_comes_in_shares),
    T(stop_says_good_bye_to_everyone), T(bad_names_are_refused_at_birth),
    T(members_are_right_after_any_coming_and_going))
