#!/bin/sh
# connect -i on a terminal, inside the sandbox: typed lines, answers above the prompt, keys, and the terminal afterwards.
. "${0%/*}/lib.sh"
need tmux

# The terminal is tmux's, on a server of this test alone; its shell is the one that is asked what is left.
terminal() { tmux -S "$tmp/tmux" -f /dev/null "$@"; }
unset TMUX
trap 'terminal kill-server 2>/dev/null; cleanup' EXIT
terminal -u new-session -d -x 70 -y 24 "env PS1='ready ' TERM=screen ENV= sh -i" || skip "tmux does not start"
screen() { terminal capture-pane -p >screen; }
on_screen() {
    screen
    grep -Fqx -e "$1" screen
}
sees() { # sees LINE: until that is a line of the screen
    until_true 20 on_screen "$1" || fail "no line '$1' on the screen: $(cat screen)"
}
keys() { terminal send-keys "$@"; }
types() { terminal send-keys -l "$1"; }
begin() { # begin COMMAND: typed into the shell, its status is told
    types "clear; stty -a >before; $1; echo status=\$?; stty -a >after"
    keys Enter
}
settled() { # settled STATUS: the command is over, and the terminal is as it was
    sees "status=$1"
    until_true 10 test -s after || fail "the shell does not answer"
    same before after
    rm -f before after
}

free_port
spawn serve "$SOCKIT" serve --reply 'Server received: ' "$port"
wait_port "$port"

# ---- a conversation ----
sees 'ready'
begin "'$SOCKIT' connect -i localhost $port"
sees "Enter message (or 'quit' to exit)"
sees '>'
types 'hello'
sees '> hello'
keys Enter
sees 'Server received: hello'
types '你好,網路'
sees '> 你好,網路'
keys BSpace Left Left X Enter
sees '> 你好X,網'
sees 'Server received: 你好X,網'
keys Up Up C-a
types 'again: '
keys Enter
sees 'Server received: again: hello'
keys Escape '[200~'
types 'pasted'
keys Escape '[201~' Enter
sees 'Server received: pasted'
types 'quit'
keys Enter
settled 0
grep -Fq '200~' screen && fail "the brackets of a paste are shown: $(cat screen)"

# ---- a peer that speaks while a line is typed, and speaks what would harm a terminal ----
free_port
mkfifo peer.in
spawn peer "$SOCKIT" listen "$port"
peer=$pid
exec 3>peer.in
wait_port "$port"
begin "'$SOCKIT' connect -i localhost $port"
sees '>'
types 'half a li'
sees '> half a li'
printf 'news\033[2J\033]0;title\007\n' >&3
sees 'news\x1b[2J\x1b]0;title\x07'
sees '> half a li'
types 'ne'
keys Enter
wait_for '^half a line$' peer.out
keys C-d
exec 3>&-
settled 0
wait_gone "$peer"

# ---- Ctrl-C and SIGTERM: the terminal comes back ----
free_port
spawn serve2 "$SOCKIT" serve --echo "$port"
server=$pid
wait_port "$port"
begin "'$SOCKIT' connect -i localhost $port"
sees '>'
types 'never sent'
sees '> never sent'
keys C-c
settled 130
begin "'$SOCKIT' connect -i localhost $port"
sees '>'
until_true 10 grep -q ' connected$' serve2.err
client=$(terminal list-panes -F '#{pane_pid}')
client=$(cat "/proc/$client/task/$client/children")
kill "${client% }"
settled 130

# ---- the peer ends ----
begin "'$SOCKIT' connect -i localhost $port"
sees '>'
types 'x'
keys Enter
sees 'x'
kill "$server"
wait_gone "$server"
sees 'ready'
until_true 10 test -s after || fail "the shell does not answer"
same before after

# ---- no terminal: lines as they come, no prompt ----
free_port
spawn serve3 "$SOCKIT" serve --reply 'got ' "$port"
wait_port "$port"
printf 'one\ntwo\nquit\nthree\n' | "$SOCKIT" connect -i localhost "$port" >out 2>err || fail "connect -i without a terminal"
printf 'got one\ngot two\n' >want
same want out
