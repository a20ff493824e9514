#!/bin/sh
# The hub as its people meet it: somebody at a bare nc, and an irssi, talk in a room and in private.
. "${0%/*}/lib.sh"
need nc irssi script
free_port

spawn hub "$SOCKIT" hub --listen "127.0.0.1:$port" --json
hub=$pid
wait_port "$port"

mkfifo nc.in irssi.in
spawn nc nc 127.0.0.1 "$port"
nc=$pid
exec 3>nc.in
say() { printf '%s\n' "$*" >&3; }
wait_for 'NOTICE \* :.*NICK yourname' nc.out # who types nothing is told what to type
say NICK ann
say JOIN '#lobby'
wait_for "^:[^ ]* 353 ann = #lobby :@ann" nc.out

# irssi wants a terminal, and its keys one line after the other.
spawn irssi env TERM=xterm script -qfc "irssi --home=$tmp/irssi -c 127.0.0.1 -p $port -n irs" screen
irssi=$pid
exec 4>irssi.in
key() { printf '%s\r' "$*" >&4; }
wait_for '"event":"registered","nick":"irs"' hub.out
key /join '#lobby'
wait_for '^:irs!.*@localhost JOIN #lobby' nc.out
key 'hello from irssi'
wait_for '^:irs!.*@localhost PRIVMSG #lobby :hello from irssi' nc.out
say MSG '#lobby' 'hello from 小明 at nc'
wait_for 'hello from 小明 at nc' screen
key /query ann # the window that private talk goes to
say MSG irs this is for you alone
wait_for 'this is for you alone' screen
key 'and this for you'
wait_for '^:irs!.*@localhost PRIVMSG ann :and this for you' nc.out
key /quit bye
wait_for '^:irs!.*@localhost QUIT :.*bye' nc.out
wait_gone "$irssi"

say QUIT see you
wait_for '^ERROR :Closing link: localhost \(Quit: see you\)' nc.out
exec 3>&- # this nc reads on until its input ends
wait_gone "$nc"
wait_for '"event":"left","nick":"ann".*"text":"Quit: see you"' hub.out
kill "$hub"
wait_gone "$hub"
