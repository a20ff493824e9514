/* doctor: what this kernel and this user may do, tried; and what to do about what they may not. */
#include "verb/verbs.h"

#include "cli/json.h"
#include "drive/probe.h"

/* One word, and its color. What is lacking but nothing needs is only absent. */
static const char *word_of(const struct skt_probed *p, enum skt_style *ret_style)
{
    if (p->state == SKT_PROBED_YES) {
        *ret_style = SKT_GREEN;
        return "ok";
    }
    *ret_style = p->state == SKT_PROBED_UNKNOWN || p->weight == SKT_PROBED_EXTRA ? SKT_PLAIN
                 : p->weight == SKT_PROBED_VITAL                                 ? SKT_RED
                                                                                 : SKT_YELLOW;
    if (p->state == SKT_PROBED_UNKNOWN)
        return "unknown";
    return p->weight == SKT_PROBED_VITAL ? "broken" : p->weight == SKT_PROBED_USED ? "lacking" : "absent";
}

static void show_json(struct skt_cli *cli, const struct skt_probed *p, const char *word)
{
    struct skt_json j;

    skt_json_begin(&j, &cli->out);
    skt_json_str(&j, "check", p->name);
    skt_json_str(&j, "state", word);
    skt_json_str(&j, "found", p->found);
    skt_json_str(&j, "for", p->what_for);
    skt_json_str(&j, "do", p->advice);
    skt_json_end(&j);
}

static void show(struct skt_cli *cli, const struct skt_probed *p)
{
    enum skt_style style;
    const char *word = word_of(p, &style);

    if (cli->json) {
        show_json(cli, p, word);
        return;
    }
    skt_sink_fmt(&cli->out, "%s%-8s%s %-12s %s\n", skt_cli_style(cli, 1, style), word, skt_cli_style(cli, 1, SKT_PLAIN),
        p->name, p->found);
    if (p->state == SKT_PROBED_YES)
        return;
    skt_sink_fmt(&cli->out, "%22sfor: %s\n", "", p->what_for);
    if (p->advice)
        skt_sink_fmt(&cli->out, "%22sdo:  %s\n", "", p->advice);
}

static int doctor(struct skt_cli *cli)
{
    const struct skt_opt opts[] = { SKT_OPT_END };
    int r = skt_cli_parse(cli, opts), lacking = 0;

    if (r)
        return r;
    for (size_t i = 0; i < skt_probes(); i++) {
        struct skt_probed p;

        skt_probe(i, &p);
        show(cli, &p);
        if (p.state != SKT_PROBED_NO)
            continue;
        lacking += p.weight != SKT_PROBED_EXTRA;
        if (p.weight == SKT_PROBED_VITAL)
            r = SKT_EXIT_FAILED;
    }
    if (lacking)
        skt_cli_say(cli, "%d of %zu are lacking; all else works without them", lacking, skt_probes());
    return r;
}

const struct skt_verb skt_verb_doctor = {
    "doctor",
    "Try what this machine allows, and say what to do about it",
    doctor,
    .about = "Everything is tried, not guessed: sockets on the loopback, options of the kernel, rights of this user. "
             "Nothing is changed, and nothing leaves the machine. The exit code is 1 if TCP itself does not work.",
    .examples = SKT_EXAMPLES(
        { "sockit doctor", "what works here" }, { "sockit doctor --json", "the same, one JSON object a line" }),
    .see_also = "config",
};
