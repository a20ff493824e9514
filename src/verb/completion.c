/* completion: scripts for the shells. */
#include "verb/verbs.h"

#include "cli/rows.h"

static int completion(struct skt_cli *cli)
{
    static const char *const names[] = { [SKT_BASH] = "bash", [SKT_ZSH] = "zsh", [SKT_FISH] = "fish", NULL };
    const char *shell = NULL;
    const struct skt_opt opts[] = {
        SKT_ARG(&shell, "SHELL", "bash, zsh or fish", .names = names),
        SKT_OPT_END,
    };
    int r = skt_cli_parse(cli, opts);

    if (r)
        return r;
    for (uint32_t i = 0; shell && names[i]; i++)
        if (!strcmp(names[i], shell))
            return skt_completion(cli, (enum skt_shell)i, &cli->out);
    return SKT_EXIT_USAGE; /* never: parse lets no other name pass */
}

const struct skt_verb skt_verb_completion = {
    "completion",
    "Print a completion script for a shell",
    completion,
    .examples = SKT_EXAMPLES({ "eval \"$(sockit completion bash)\"", "in ~/.bashrc" },
        { "sockit completion zsh > ~/.zfunc/_sockit", "in a directory of zsh's fpath" },
        { "sockit completion fish > ~/.config/fish/completions/sockit.fish", "for fish" }),
    .see_also = "help",
};
