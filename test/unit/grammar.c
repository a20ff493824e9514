/* engine/impair/grammar.c, putnetem.c: the cases of test/vectors/netem.txt, and what does not fit into text. */
#include "test.h"

#include "engine/impair/grammar.h"

#include <errno.h>
#include <stdio.h>

enum { LINE_BYTES = 512 };

static void text_of(const struct skt_path_conf *conf, char *ret_text, size_t size)
{
    struct skt_room room = skt_room_of(ret_text, size);

    skt_put_netem(&room, conf);
    skt_put_u8(&room, 0);
    assert_false(room.bad);
}

/* "[WORD] VALUE" or a line, and what is refused of it as a whole. */
static int understand(const char *input, struct skt_netem *n, struct skt_room *why)
{
    char word[32] = "";
    int used = 0;

    if (sscanf(input, "[%31[a-z]]%n", word, &used) == 1 && used)
        return skt_netem_set(n, SKT_BOTH, word, input + used, why);
    return skt_netem_line(n, SKT_BOTH, input, why);
}

static void is_meant(const char *input, const char *want)
{
    char text[SKT_NETEM_TEXT + 1], sentence[LINE_BYTES] = "";
    struct skt_room why = skt_room_of(sentence, sizeof sentence - 1);
    struct skt_netem n = { 0 }, again = { 0 };

    if (understand(input, &n, &why) || skt_netem_check(&n, &why))
        fail_msg("'%s': %s", input, sentence);
    assert_memory_equal(&n.way[SKT_UP], &n.way[SKT_DOWN], sizeof n.way[0]);
    text_of(&n.way[SKT_UP], text, sizeof text);
    if (strcmp(text, want) != 0)
        fail_msg("'%s' is\n  '%s', not\n  '%s'", input, text, want);
    assert_int_equal(skt_netem_line(&again, SKT_BOTH, text, NULL), 0);
    assert_memory_equal(&again.way[SKT_UP], &n.way[SKT_UP], sizeof n.way[0]);
}

static void is_refused(const char *input, const char *want, bool as_a_whole)
{
    char sentence[LINE_BYTES] = "";
    struct skt_room why = skt_room_of(sentence, sizeof sentence - 1);
    struct skt_netem n = { .seed = 7 }, before = n;
    int r = understand(input, &n, &why);

    if (as_a_whole) {
        if (r)
            fail_msg("'%s': %s", input, sentence);
        r = skt_netem_check(&n, &why);
        assert_int_equal(skt_netem_check(&n, NULL), r);
    } else {
        assert_memory_equal(&n, &before, sizeof n);
        assert_int_equal(understand(input, &n, NULL), r);
    }
    assert_true(r == -EINVAL || r == -ERANGE);
    if (strcmp(sentence, want) != 0)
        fail_msg("'%s' says\n  '%s', not\n  '%s'", input, sentence, want);
}

/* Cut at the mark, and the blanks around it. NULL: there is none. */
static char *cut(char *line, const char *mark)
{
    char *p = strstr(line, mark);

    if (!p)
        return NULL;
    *(p > line ? p - 1 : p) = 0;
    return p + strlen(mark);
}

static void the_vectors_are_understood(void **state)
{
    FILE *f = fopen(TEST_SOURCE "/vectors/netem.txt", "r");
    char line[LINE_BYTES], *want;
    int cases = 0;

    assert_non_null(f);
    for (; fgets(line, sizeof line, f);) {
        line[strcspn(line, "\n")] = 0;
        if (!*line || *line == '#')
            continue;
        cases++;
        if ((want = cut(line, "=> ")))
            is_meant(line, want);
        else if ((want = cut(line, "!! ")))
            is_refused(line, want, false);
        else if ((want = cut(line, "?? ")))
            is_refused(line, want, true);
        else
            fail_msg("'%s' has no mark", line);
    }
    fclose(f);
    assert_true(cases > 120);
}

static void a_way_leaves_the_other_alone(void **state)
{
    struct skt_netem n = { 0 };

    assert_int_equal(skt_netem_line(&n, SKT_BOTH, "delay 10ms loss 1%", NULL), 0);
    assert_int_equal(skt_netem_set(&n, SKT_UP, "delay", "20ms", NULL), 0);
    assert_int_equal(skt_netem_line(&n, SKT_DOWN, "clear", NULL), 0);
    assert_true(n.way[SKT_UP].delay == 20 * SKT_MS && n.way[SKT_UP].loss == .01);
    assert_true(!n.way[SKT_DOWN].delay && n.way[SKT_DOWN].loss == 0);
}

static void the_whole_is_checked_in_both_ways(void **state)
{
    struct skt_netem n = { 0 };

    assert_int_equal(skt_netem_line(&n, SKT_DOWN, "reorder 5%", NULL), 0);
    assert_int_equal(skt_netem_check(&n, NULL), -EINVAL);
    assert_int_equal(skt_netem_line(&n, SKT_DOWN, "delay 5ms", NULL), 0);
    assert_int_equal(skt_netem_check(&n, NULL), 0);
}

static void a_seed_is_for_all(void **state)
{
    struct skt_netem n = { 0 };

    assert_int_equal(skt_netem_line(&n, SKT_BOTH, "delay 1ms", NULL), 0);
    assert_false(n.seeded);
    assert_int_equal(skt_netem_set(&n, SKT_BOTH, "seed", "18446744073709551615", NULL), 0);
    assert_true(n.seeded && n.seed == UINT64_MAX);
}

static void lines_have_an_end(void **state)
{
    char line[2000], sentence[LINE_BYTES];
    struct skt_room why = skt_room_of(sentence, sizeof sentence);
    struct skt_netem n = { 0 };

    memset(line, ' ', sizeof line);
    line[1000] = 0; /* as long as may be, and empty */
    assert_int_equal(skt_netem_line(&n, SKT_BOTH, line, &why), 0);
    line[1000] = ' ';
    line[1001] = 0;
    assert_int_equal(skt_netem_line(&n, SKT_BOTH, line, &why), -EINVAL);
    for (int i = 0; i < 400; i++)
        memcpy(line + 2 * i, "1 ", 2);
    line[800] = 0;
    assert_int_equal(skt_netem_line(&n, SKT_BOTH, line, &why), -EINVAL);
}

/* The sentence goes to a terminal. */
static void what_is_refused_is_quoted_harmlessly(void **state)
{
    char sentence[LINE_BYTES] = "";
    struct skt_room why = skt_room_of(sentence, sizeof sentence - 1);
    struct skt_netem n = { 0 };

    assert_int_equal(skt_netem_line(&n, SKT_BOTH, "loss \x1b[2J\x07", &why), -EINVAL);
    for (const char *p = sentence; *p; p++)
        assert_true(*p >= ' ');
}

RUN(T(the_vectors_are_understood), T(a_way_leaves_the_other_alone), T(the_whole_is_checked_in_both_ways),
    T(a_seed_is_for_all), T(lines_have_an_end), T(what_is_refused_is_quoted_harmlessly))
