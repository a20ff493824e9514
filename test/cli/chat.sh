#!/bin/sh
# weechat as a guest of the hub: it registers with its capabilities, joins, and talks with somebody at a bare nc: in the
# room, in private, about a topic, under another name, until it leaves.
. "${0%/*}/lib.sh"
need nc weechat-headless
free_port

spawn hub "$SOCKIT" hub --listen "127.0.0.1:$port" --json
hub=$pid
wait_port "$port"

mkfifo nc.in
spawn nc nc 127.0.0.1 "$port"
nc=$pid
exec 3>nc.in
say() { printf '%s\n' "$*" >&3; }
say NICK ann
say USER ann 0 '*' Ann
say JOIN '#lobby'
wait_for ' 366 ann #lobby ' nc.out

# What is typed goes into a FIFO, what is seen comes out of the log of each buffer. From version 4 on two words are others.
logs=weechat/logs/irc
spawn weechat weechat-headless -d "$tmp/weechat" -r '/set irc.server_default.ssl off' -r '/set irc.server_default.tls off' \
    -r '/set irc.server_default.anti_flood_prio_high 0' -r '/set irc.server_default.anti_flood 0' \
    -r '/set logger.file.flush_delay 0' -r '/set irc.look.server_buffer independent' \
    -r "/set fifo.file.path $tmp/keys" -r "/server add hub 127.0.0.1/$port -nicks=wee -username=wee -realname=W" \
    -r '/set irc.server.hub.autojoin #lobby' -r '/connect hub'
weechat=$pid
wait_for '^:wee!.*@localhost JOIN #lobby' nc.out
until_true 10 test -p keys || fail "weechat made no FIFO: $(cat weechat.out)"
typed() { printf 'irc.%s *%s\n' "$1" "$2" >keys; } # typed BUFFER TEXT

wait_for 'ann' "$logs.hub.#lobby.weechatlog" # who is there already
typed 'hub.#lobby' 'hello from weechat'
wait_for '^:wee!.*@localhost PRIVMSG #lobby :hello from weechat' nc.out
say PRIVMSG '#lobby' ':hello from 小明 at nc'
wait_for 'ann.*hello from 小明 at nc' "$logs.hub.#lobby.weechatlog"

say PRIVMSG wee ':this is for you alone'
wait_for 'ann.*this is for you alone' "$logs.hub.ann.weechatlog"
typed hub.ann 'and this for you'
wait_for '^:wee!.*@localhost PRIVMSG ann :and this for you' nc.out

say TOPIC '#lobby' ':tea at five'
wait_for 'tea at five' "$logs.hub.#lobby.weechatlog"
typed 'hub.#lobby' '/me nods'
wait_for '^:wee!.*@localhost PRIVMSG #lobby :.ACTION nods' nc.out
typed 'server.hub' '/nick weasel'
wait_for '^:wee!.*@localhost NICK :?weasel' nc.out
typed 'server.hub' '/whois ann'
wait_for '\[ann\].*Ann' "$logs.server.hub.weechatlog"
say NICK anna
wait_for 'ann .*anna' "$logs.hub.#lobby.weechatlog"

typed 'server.hub' '/quit bye'
wait_for '^:weasel!.*@localhost QUIT :.*bye' nc.out
wait_gone "$weechat"
say QUIT
exec 3>&-
wait_gone "$nc"
wait_for '"event":"left","nick":"anna"' hub.out
kill "$hub"
wait_gone "$hub"
is 0 "$status"
