#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Raw bytes on the socket: starts a server, sends it seeded requests, most of them broken, and
# fails when it crashes, hangs or stops answering.
#
#   Tests/fuzz.sh VIOMMUD VIOMMU_FUZZ [REQUESTS [SEED [THREADS]]]
set -euo pipefail
server_binary=$1
fuzzer=$2
requests=${3:-100000}
seed=${4:-1}
threads=${5:-4}

scratch=$(mktemp -d)
"$server_binary" --listen 127.0.0.1:0 --port-file "$scratch/port" --log-level warning \
  --header-timeout 2 --body-timeout 2 --threads "$threads" 2>"$scratch/log" &
server=$!
finish() {
  kill "$server" 2>/dev/null || true
  wait "$server" 2>/dev/null || true
  rm -rf "$scratch"
}
trap finish EXIT

for _ in $(seq 200); do
  [ -s "$scratch/port" ] && break
  kill -0 "$server" 2>/dev/null || { cat "$scratch/log"; exit 1; }
  sleep 0.05
done

if ! "$fuzzer" "127.0.0.1:$(cat "$scratch/port")" --seed "$seed" --requests "$requests"; then
  tail -n 50 "$scratch/log"
  exit 1
fi
# The server must have lived through it, and still stop as it should.
kill -0 "$server" || { tail -n 50 "$scratch/log"; exit 1; }
kill -TERM "$server"
wait "$server"
