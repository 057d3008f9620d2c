#!/usr/bin/env bash
# Holds a server with slow clients (slowhttptest: slow heads, slow bodies, slow readers) and asks /healthz all the while.
# Says for each attack until when the server kept the last of its connections, and the 99th percentile of /healthz.
# usage: benches/load/slow_clients.sh [URL of a picture of 200 KB or more] [connections] [seconds]
# needs: a server on this machine, slowhttptest (Debian), curl, ss
set -euo pipefail
url=${1:-http://127.0.0.1:8080/i/demo/f_orig}
connections=${2:-500}
seconds=${3:-45}
health=${url%%/i/*}/healthz
port=${health%/healthz}
port=${port##*:}
results=$(mktemp -d)
trap 'rm -r "$results"' EXIT

# The server's own side of them, since a client that reads slowly learns late that it was cut off. slowhttptest has a probe
# of its own among them, which comes and goes.
held() { ss -Htn state established "( sport = :$port )" | wc -l; }

attack() {
    local name=$1 begun most=0 last=0 now open
    shift
    slowhttptest -c "$connections" -r "$connections" -l "$seconds" -p 3 -u "$url" "$@" >/dev/null 2>&1 &
    local attacker=$!
    begun=$(date +%s%3N)
    while kill -0 "$attacker" 2>/dev/null; do
        curl -s -o /dev/null -w '%{http_code} %{time_total}\n' --max-time 5 "$health" >>"$results/$name" || true
        open=$(held)
        now=$(($(date +%s%3N) - begun))
        if [ "$open" -gt "$most" ]; then most=$open; fi
        if [ "$open" -gt 2 ]; then last=$now; fi
        sleep 0.05
    done
    wait "$attacker" || true
    printf '%-6s at most %d connections, the last one for %d ms; ' "$name" "$most" "$last"
    awk '$1 == 200 { print $2 * 1000 }' "$results/$name" | sort -n | awk '
        { all[NR] = $1 }
        END { printf "/healthz %d times, p50 %.1f ms, p99 %.1f ms, ", NR, all[int(NR * 0.5) + 1], all[int(NR * 0.99) + 1] }'
    echo "$(awk '$1 != 200' "$results/$name" | wc -l) without an answer"
}

attack heads -H -i 2
attack bodies -B -i 2 -s 8192
attack reads -X -w 10 -y 20 -n 5 -z 32 -k 3
