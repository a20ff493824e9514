#!/bin/sh
# A tree crosses a bad line while sender and receiver are killed with -9 again and again, at moments that a seed chooses,
# and started again: in the end nothing differs, and nothing but the rest was sent again. XFER_MIB, XFER_FILES: how much
# (8 MiB in 300 files; the whole of it is XFER_MIB=256 XFER_FILES=10000); XFER_SEED: which moments; XFER_KILLS: of each end;
# XFER_MBIT: of the line.
. "${0%/*}/lib.sh"
need python3
mib=${XFER_MIB:-8} many=${XFER_FILES:-300} seed=${XFER_SEED:-1} kills=${XFER_KILLS:-3} mbit=${XFER_MBIT:-20}

echo 'a secret that both ends know' >key
python3 - "$mib" "$many" "$seed" <<'END'
import os, random, sys
mib, files, seed = map(int, sys.argv[1:])
random.seed(seed)
size = mib << 20
def put(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'wb') as f: f.write(data)
    os.utime(path, ns=(random.randrange(1 << 60), random.randrange(1 << 60)))
large = [size * 3 // 10, size // 5, size // 10] # the rest is small files
for i, n in enumerate(large): put(f'tree/large/{i}', random.randbytes(n))
with open('tree/large/sparse', 'wb') as f:
    f.write(random.randbytes(100000)); f.seek(size * 4); f.write(b'end'); f.truncate(size * 4 + 12345)
rest = size - sum(large)
for i in range(files - len(large)):
    name = random.choice([f'{i}', f'two\nlines {i}', f'文件 {i} 😀', f'\x1b[3{i % 8}m{i}'])
    n = min(int(random.expovariate(files / rest)), rest)
    put(f'tree/small/{i % 17}/{i % 5}/{name}', random.randbytes(n))
    if i % 50 == 0: os.symlink(name, f'tree/small/{i % 17}/{i % 5}/link to {i}')
    if i % 60 == 0: os.link(f'tree/small/{i % 17}/{i % 5}/{name}', f'tree/hard {i}')
END

# ---- the line: the receiver has its own port, the sender knows that of the line ----
free_port
there=$port
free_port
here=$port
spawn line "$SOCKIT" impair -u --json --listen "127.0.0.1:$here" --to "127.0.0.1:$there" --delay '10ms 2ms' --loss 5% \
    --reorder 2% --duplicate 1% --corrupt 1% --rate "${mbit}mbit" --seed "$seed"
line=$pid
wait_port "udp:$here"

# ends of the same name go on in the same files
receiver() {
    "$SOCKIT" recv -k --json --listen "127.0.0.1:$there" --key-file key --timeout 5s inbox </dev/null >>recv.out 2>>recv.err &
    receiver=$!
    pids="$pids $receiver"
    wait_port "udp:$there"
}
sender() {
    "$SOCKIT" send --json --key-file key --timeout 5s tree "127.0.0.1:$here" </dev/null >>send.out 2>>send.err &
    sender=$!
    pids="$pids $sender"
}
killed() { # PID: with -9, wherever it is
    kill -9 "$1" 2>/dev/null
    wait "$1" 2>/dev/null
}

# A list of who is killed when, in ms since the last time: at random over about the time that the whole would take.
python3 -c '
import random, sys
seed, kills, ms = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
random.seed(seed)
who = ["sender"] * kills + ["receiver"] * kills
random.shuffle(who)
for w in who: print(w, "%.2f" % (0.1 + random.random() * 2 * ms / 1000 / len(who)))' "$seed" "$kills" "$((mib * 8389 / mbit))" >plan
receiver
sender
began=$(date +%s)
while read -r who after; do
    sleep "$after"
    ! gone "$sender" || sender # it was through already, or saw the receiver die
    if [ "$who" = sender ]; then
        killed "$sender"
        sender
    else
        killed "$receiver"
        receiver
    fi
done <plan
# A sender that sees its receiver die may end with an error that says so: it is started again, as a user would.
tries=0
until wait "$sender"; do
    tries=$((tries + 1))
    [ $tries -le 10 ] || fail "the sender fails again and again: $(tail -n 3 send.err)"
    sleep 0.2
    sender
done
took=$(($(date +%s) - began))

# ---- no difference ----
if command -v rsync >/dev/null; then
    rsync -nacH --delete --out-format='%i %n%L' tree/ inbox/tree/ >different 2>&1 || fail "rsync: $(cat different)"
    silent different
fi
diff -r --no-dereference tree inbox/tree >different 2>&1 || fail "diff: $(head -n 5 different)"
is '' "$(find inbox -name '*part-sockit*')"
kill "$receiver"
wait_gone "$receiver"

# What that cost: all that the senders gave to the line, beside the bytes that there are (holes are not sent).
kill "$line"
wait_gone "$line"
python3 - "$mib" "$many" "$took" "$kills" <<'END'
import json, sys
mib, many, took, kills = map(int, sys.argv[1:])
sessions, now = [], None
for text in open('send.out', 'rb'):
    try: o = json.loads(text)
    except ValueError: continue # cut by a kill
    if o['event'] == 'session': sessions.append(o)
    if 'bytes_sent' in o: sessions[-1].update(o)
last, line = sessions[-1], [json.loads(l) for l in open('line.out')][-1]['up']
assert last['event'] == 'done' and last['files_failed'] == 0, last
sent, lost = line['bytes_in'] / 2**20, line['lost'] + line['dropped']
print(f'{mib} MiB in {many} files, {2 * kills} kills, {len(sessions)} conversations, {took} s, {100 * lost / line["in"]:.1f} % lost: '
      f'{sent:.1f} MiB sent, {sent / mib:.2f} of what there is')
assert sent < mib * 2 + 3 * 2 * kills, 'what was there already is sent again'
END
