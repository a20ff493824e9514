#!/bin/sh
# --pcap, read by tshark: addresses, directions and bytes are those of the conversation.
. "${0%/*}/lib.sh"
need tshark python3 openssl

# fields FILE FILTER FIELD...: a line for each packet
fields() {
    file=$1 filter=$2
    shift 2
    for field; do set -- "$@" -e "$field" && shift; done
    timeout 50 tshark -n -r "$file" -Y "$filter" -T fields -E separator=' ' "$@" 2>tshark.err
}

# ---- TCP: seen by who connects, and by who serves ----
free_port
spawn tcp "$SOCKIT" serve --reply 'got ' --pcap server.pcapng "$port"
server=$pid
wait_port "$port"
printf 'question\n' >in
timeout 20 "$SOCKIT" connect --pcap client.pcapng 127.0.0.1 "$port" <in >out 2>err || fail "connect: $? $(cat err)"
is 'got question' "$(cat out)"
kill "$server"
wait_gone "$server"
is 0 "$status"
for side in client server; do
    # The first with a payload goes to the server, the second comes back.
    fields $side.pcapng 'tcp.len > 0' ip.src tcp.srcport ip.dst tcp.dstport tcp.payload >packets
    read -r src sport dst dport data <packets
    is "127.0.0.1 127.0.0.1 $port" "$src $dst $dport"
    is "$(printf 'question\n' | od -An -v -tx1 | tr -d ' \n')" "$data"
    sed -n 2p packets >second
    is "127.0.0.1 $port 127.0.0.1 $sport $(printf 'got question\n' | od -An -v -tx1 | tr -d ' \n')" "$(cat second)"
    is 2 "$(wc -l <packets)"
    is '' "$(fields $side.pcapng 'tcp.analysis.flags || _ws.malformed' frame.number)"
    fields $side.pcapng 'tcp.flags.syn == 1 && tcp.flags.ack == 0' tcp.dstport >syn
    is "$port" "$(cat syn)"
done

# ---- UDP ----
free_port
spawn udp "$SOCKIT" serve -u --reply 'got ' "$port"
wait_port "udp:$port"
exits 0 timeout 20 "$SOCKIT" connect -u --linger 300ms --send ask --pcap udp.pcapng 127.0.0.1 "$port"
fields udp.pcapng udp ip.src udp.srcport ip.dst udp.dstport udp.payload >packets
read -r src sport dst dport data <packets
is "127.0.0.1 127.0.0.1 $port 61736b" "$src $dst $dport $data"
is "127.0.0.1 $port 127.0.0.1 $sport 676f742061736b" "$(sed -n 2p packets)"

# ---- TLS: cipher text, which the secrets of --keylog open ----
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
    -addext subjectAltName=DNS:localhost -keyout key.pem -out cert.pem 2>err || fail "openssl req: $(cat err)"
free_port
spawn tls "$SOCKIT" serve --reply 'got ' --tls --cert cert.pem --key key.pem "$port"
wait_port "$port"
printf 'question\n' >in
timeout 20 "$SOCKIT" connect --tls --cacert cert.pem --keylog keys --pcap tls.pcapng localhost "$port" <in >out 2>err ||
    fail "connect --tls: $? $(cat err)"
is 'got question' "$(cat out)"
fields tls.pcapng tcp tcp.dstport >packets
[ -s packets ] || fail "nothing in the capture of TLS"
is '' "$(fields tls.pcapng 'tcp.analysis.flags || _ws.malformed' frame.number)"
grep -aq question tls.pcapng && fail "plain text in a capture that nobody asked to have it"
says '^CLIENT_TRAFFIC_SECRET_0 ' keys
fields tls.pcapng 'tcp.len > 0' tcp.payload | head -n 1 >packets
says '^160301' packets # the first is a TLS record of a handshake
timeout 50 tshark -n -r tls.pcapng -o tls.keylog_file:keys -d "tcp.port==$port,tls" -q -z follow,tls,ascii,0 \
    >followed 2>tshark.err
says '^question' followed
says '^got question' followed
