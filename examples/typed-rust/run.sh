#!/usr/bin/env bash
# Builds the service and its client, and lets the client call the service through a platform: run.sh [TREFOIL].
set -euo pipefail
cd "$(dirname "$0")"
trefoil=$(realpath "${1:-../../target/debug/trefoil}")
target=${CARGO_TARGET_DIR:-target}
cargo build --quiet --locked

work=$(mktemp -d)
pids=()
end() {
    for pid in "${pids[@]}"; do
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    rm -rf "$work"
}
trap end EXIT

# The first line that comes.
line() {
    for _ in $(seq 200); do
        if [ -s "$1" ]; then
            head -n 1 "$1"
            return
        fi
        sleep 0.05
    done
    echo "nothing came in 10 s" >&2
    return 1
}
member() {
    python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"
}

"$target/debug/provider" >"$work/provider" &
pids+=($!)
provider=$(line "$work/provider")
"$trefoil" up --services services --data "$work/data" --http-listen 127.0.0.1:0 --thrift-listen 127.0.0.1:0 \
    --amqp-enabled=false --json >"$work/up" 2>"$work/log" &
pids+=($!)
up=$(line "$work/up") || { cat "$work/log" >&2; exit 1; }
http=$(member http <<<"$up")
thrift=$(member thrift <<<"$up")

instance=$http/v1/services/example/pricing:1.0.0/instances/a
curl -sS --fail-with-body -X PUT "$instance" -H 'Content-Type: application/json' -d "{\"address\": \"$provider\"}" >"$work/answer"
for _ in $(seq 200); do
    [ "$(curl -sS "$instance" | member state)" = healthy ] && break
    sleep 0.05
done

"$target/debug/client" "$thrift"
curl -sS --fail-with-body "$http/v1/call/example/pricing/quote" -H 'Content-Type: application/json' \
    -d '{"currency": "EUR", "lines": [{"article": "nut", "count": 3, "price": 4}]}'
echo
for _ in $(seq 200); do
    grep -q '^seen: nut$' "$work/provider" && exit
    sleep 0.05
done
echo "the one-way call did not arrive" >&2
exit 1
