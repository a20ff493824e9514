#!/bin/sh
# Options from the command line, the environment and files; what is made from the rows; stdout to its end.
. "${0%/*}/lib.sh"

# --help is as wide as the terminal, if that is narrow
if command -v script >/dev/null; then
    script -qec "stty cols 40; $SOCKIT send --help" /dev/null </dev/null >screen
    said=$(awk '{ sub(/\r$/, "") } length > 39' screen | grep -v '^sockit send - \|^  sockit send ')
    is '' "$said"
fi

# ---- mistakes: what, where, why, what to do ----
exits 2 "$SOCKIT"
silent out
says "'sockit help' lists the verbs" err
exits 2 "$SOCKIT" confg
says "no verb 'confg'; did you mean 'config'\?" err
exits 2 "$SOCKIT" config --pth
says 'no option --pth; did you mean --path\?' err
exits 2 "$SOCKIT" config --color=red
says "color: 'red' is none of auto, always, never" err
exits 2 "$SOCKIT" completion csh
says "'csh' is none of bash, zsh, fish" err
exits 2 "$SOCKIT" completion
says 'SHELL is missing' err
exits 2 "$SOCKIT" config nosuch
says "no verb 'nosuch'" err

exits 2 "$SOCKIT" chat
says "'chat' wants a second word: (.*, )?serve" err
exits 2 "$SOCKIT" chat srve
says "no verb 'chat srve'; did you mean 'chat serve'\?" err
for help in 'help chat serve' 'chat serve --help' 'chat serve -h'; do
    # shellcheck disable=SC2086 # words
    exits 0 "$SOCKIT" $help
    says '^Usage: sockit chat serve' out
done
exits 0 "$SOCKIT" help 'chat serve'
exits 0 "$SOCKIT" chat --help
says '^  chat serve ' out

# ---- where a value comes from ----
mkdir -p "$XDG_CONFIG_HOME/sockit"
conf=$XDG_CONFIG_HOME/sockit/config
exits 0 "$SOCKIT" config --path
says "^$conf  \(not there\)" out
exits 0 "$SOCKIT" config --path --json
says '^\{"from":"user","path":"'"$conf"'","there":false\}$' out
printf '[*]\ncolor = never\n[help]\n  all = yes\n' >"$conf"
exits 0 "$SOCKIT" config --path
says "^$conf$" out
exits 0 "$SOCKIT" config help
says "^all = yes +; user $conf:4$" out
says "^color = never +; user $conf:2$" out
says '^man = no +; default$' out
exits 0 env SOCKIT_COLOR=always "$SOCKIT" config help
says '^color = always +; environment SOCKIT_COLOR$' out
exits 0 env SOCKIT_COLOR=always SOCKIT_HELP_COLOR=auto "$SOCKIT" config help
says '^color = auto +; environment SOCKIT_HELP_COLOR$' out
exits 0 env SOCKIT_COLOUR=always "$SOCKIT" config
says 'warning: no option reads SOCKIT_COLOUR$' err
exits 0 "$SOCKIT" config help --json
says '^\{"verb":"help","option":"all","value":true,"from":"user","where":".*config","line":4\}$' out
exits 0 "$SOCKIT" help # [help] says all = yes
says '^Usage: sockit completion' out
exits 0 "$SOCKIT" help --no-all
grep -q '^Usage: sockit completion' out && fail "--no-all is weaker than the file"

printf '[help]\n\nal = yes\n' >"$conf"
exits 2 "$SOCKIT" help
says "$conf:3: unknown key 'al'; did you mean 'all'\?" err
exits 0 "$SOCKIT" help --help # help is there also when the file is broken
exits 0 "$SOCKIT" --version
exits 2 "$SOCKIT" config
says "$conf:3: unknown key" err
rm "$conf"
exits 0 "$SOCKIT" config
silent out
says 'everything is at its default' err

# What config shows is a configuration file.
exits 0 "$SOCKIT" config --all
cp out "$conf"
exits 0 "$SOCKIT" config --all
sed 's/ *;.*//' "$conf" >wanted
sed 's/ *;.*//' out >got
same wanted got
rm "$conf"

# ---- help, pages, JSON, completions ----
exits 0 "$SOCKIT" help exit-codes
says '^ *2  usage ' out
exits 0 "$SOCKIT" help exit-codes --json
says '^\{"code":130,"name":"interrupted",' out
exits 0 "$SOCKIT" help units
says '^  RATE  .*10mbit' out
exits 0 "$SOCKIT" help help --json
says '^\{"verb":"help",.*\}$' out
exits 0 "$SOCKIT" help chat
says '^  chat serve ' out
exits 2 "$SOCKIT" help hepl
exits 0 "$SOCKIT" help --json
cp out all.json
if command -v python3 >/dev/null; then
    python3 -c 'import json, sys
for line in open("all.json"):
    verb = json.loads(line)
    names = [o["name"] for o in verb["options"] + verb["options_of_every_verb"] if o["name"]]
    letters = [o["letter"] for o in verb["options"] + verb["options_of_every_verb"] if "letter" in o]
    assert len(set(names)) == len(names), (verb["verb"], names)
    assert len(set(letters)) == len(letters), (verb["verb"], letters)
    for o in verb["options"] + verb["arguments"]:
        assert o["help"] and not o["help"].endswith("."), (verb["verb"], o)
    for e in verb["examples"]:
        assert e["command"].startswith("sockit ") or "sockit " in e["command"], e
    assert len(verb["summary"]) <= 60, verb["summary"]
' || fail "help --json"
fi
verbs=$(sed -n 's/^{"verb":"\([^"]*\)".*/\1/p' all.json | tr ' ' +)
for verb in '' $verbs; do
    words=$(echo "$verb" | tr + ' ')
    # shellcheck disable=SC2086 # a verb of two words
    exits 0 "$SOCKIT" help --man $words
    silent err
    [ -z "$words" ] || grep -q "'$words'" "$top/man/meson.build" || fail "$words has no page in man/meson.build"
    if command -v scdoc >/dev/null; then
        scdoc <out >raw.1 || fail "scdoc of $words"
        awk -f "$top/man/tidy.awk" raw.1 >page.1
        ! command -v mandoc >/dev/null || mandoc -T lint -W warning page.1 >&2 || fail "mandoc of $words"
        grep -q 'Fl\|fB-' page.1 || fail "no options in the page of ${words:-all}"
    fi
done

exits 0 "$SOCKIT" help --man send
says '^\*SOCKIT._SEND._PAIR\*$' out

# Every example is a command line that its verb understands.
if command -v python3 >/dev/null; then
    python3 -c 'import json
for line in open("all.json"):
    for e in json.loads(line)["examples"]:
        print(e["command"])' >examples
    mkdir -p "$HOME/.zfunc" "$HOME/.config/fish/completions"
    : >file
    sockit() { "$SOCKIT" "$@" --help; } # reads all options, then does nothing
    while read -r example; do
        case $example in
        'sockit '*) (eval "$example") >out 2>err </dev/null || fail "the example '$example': $(cat err)" ;;
        esac
    done <examples
    [ "$(wc -l <examples)" -ge 10 ] || fail "where are the examples?"
fi

exits 0 "$SOCKIT" completion bash
cp out c.bash
if command -v bash >/dev/null; then
    # completes WANTED WORD...: what bash offers for the last word
    cat >try.bash <<'EOF'
source ./c.bash || exit
wanted=$1
shift
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_sockit
[[ " ${COMPREPLY[*]} " == *" $wanted "* ]] || { echo "$*: wanted $wanted, got ${COMPREPLY[*]}"; exit 1; }
EOF
    completes() {
        bash try.bash "$@" || fail "completion"
    }
    completes config sockit con
    completes --path sockit config --pa
    completes always sockit config --color ''
    completes never sockit config --color = ne
    completes zsh sockit completion ''
    completes serve sockit help ''
    : >'a name with spaces.pcapng'
    completes 'a name with spaces.pcapng' sockit serve --pcap 'a na'
fi
exits 0 "$SOCKIT" completion zsh
says '^#compdef sockit$' out
! command -v zsh >/dev/null || zsh -n out || fail "zsh does not read its completion"
exits 0 "$SOCKIT" completion fish
says '^complete -c sockit ' out
! command -v fish >/dev/null || fish -n out || fail "fish does not read its completion"

# ---- colour ----
esc=$(printf '\033')
exits 2 env TERM=xterm "$SOCKIT" --color always nosuch
says "$esc\[31merror" err
exits 2 env TERM=xterm "$SOCKIT" nosuch # no terminal
grep -q "$esc" err && fail "colour in a file"
if command -v script >/dev/null; then
    colours() { # does an error colour on a terminal?
        script -qec "env $* $SOCKIT config nosuch" /dev/null </dev/null >seen 2>&1
        grep -q "$esc\[31m" seen
    }
    colours TERM=xterm || fail "no colour on a terminal"
    colours TERM=xterm NO_COLOR=1 && fail "NO_COLOR"
    colours TERM=dumb && fail "TERM=dumb"
    colours TERM=xterm SOCKIT_COLOR=never && fail "SOCKIT_COLOR"
fi

# ---- stdout to its end ----
if [ -e /dev/full ]; then
    "$SOCKIT" help >/dev/full 2>err && status=0 || status=$?
    is 8 "$status"
    says 'stdout: No space left on device \(the disk is full\)' err
fi
"$SOCKIT" help >&- 2>err && status=0 || status=$?
is 8 "$status"
says 'stdout: Bad file descriptor' err
"$SOCKIT" config >&- 2>err || fail "nothing was written, and yet an error"
{
    until_true 10 test -e closed
    "$SOCKIT" help --json 2>err && status=0 || status=$?
    echo "$status" >status
} | {
    exec <&-
    : >closed
}
until_true 10 test -s status
is 8 "$(cat status)" # the reader is gone: no signal, no talk
silent err
"$SOCKIT" --version <&- 2>&- >out || fail "without stdin and stderr"

# ---- the log ----
exits 2 "$SOCKIT" --log log config nosuch
says "Z config\[[0-9]+\] error: there is no verb 'nosuch'$" log
exits 8 "$SOCKIT" --log nosuch/log config
says 'nosuch/log: No such file' err

# ---- start-up: what is heavy is loaded on need ----
if command -v readelf >/dev/null; then
    readelf -d "$SOCKIT" >needed || fail "readelf"
    ! grep -E 'NEEDED.*lib(ssl|crypto|cares|edit|seccomp|cap-ng|inih|sqlite)' needed || fail "linked to the program itself"
fi
