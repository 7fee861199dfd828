#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs every example against one server and says how many held:
#
#   examples/run_all.sh [path/to/viommud]
#
# Without a path it takes what `swift build` made, release before debug. What an example printed
# is in .build/examples/.
set -euo pipefail
cd "$(dirname "$0")/.."

program=${1:-}
for candidate in .build/release/viommud .build/debug/viommud; do
  [[ -z $program && -x $candidate ]] && program=$candidate
done
if [[ -z $program || ! -x $program ]]; then
  echo "there is no viommud ${program:+at $program}; run: swift build -c release --product viommud" >&2
  exit 1
fi
program=$(realpath "$program")

logs=$PWD/.build/examples
venv=$PWD/.build/examples-venv
mkdir -p "$logs"
rm -f "$logs"/*.log "$logs/port"

server=
finish() {
  local code=$?
  trap - EXIT
  if [[ -n $server ]]; then
    kill "$server" 2>"$logs/null" || true
    wait "$server" 2>"$logs/null" || true
  fi
  exit "$code"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Python's packages, as pinned; made once.
if ! cmp -s examples/requirements.txt "$venv/requirements.txt"; then
  echo "making a Python environment in .build/examples-venv"
  rm -rf "$venv"
  python3 -m venv "$venv" || { echo "python3 -m venv fails: sudo apt-get install python3-venv" >&2; exit 1; }
  "$venv/bin/pip" install --quiet --disable-pip-version-check -r examples/requirements.txt
  cp examples/requirements.txt "$venv/requirements.txt"
fi

"$program" --listen 127.0.0.1:0 --port-file "$logs/port" --log-level warning \
  2>"$logs/server.log" &
server=$!
for _ in $(seq 300); do
  [[ -s $logs/port ]] && break
  kill -0 "$server" 2>"$logs/null" || break
  sleep 0.1
done
[[ -s $logs/port ]] || { echo "the server does not start:" >&2; cat "$logs/server.log" >&2; exit 1; }
VIOMMUD_URL=http://127.0.0.1:$(<"$logs/port")
export VIOMMUD_URL
export VIOMMUD=$program

passed=0
failed=0
run() {
  local name=$1 start=$SECONDS
  shift
  if timeout 120 "$@" >"$logs/$name.log" 2>&1; then
    passed=$((passed + 1))
    printf 'ok    %s (%d s)\n' "$name" $((SECONDS - start))
  else
    failed=$((failed + 1))
    printf 'FAIL  %s (%d s)\n' "$name" $((SECONDS - start))
    tail -n 15 "$logs/$name.log" | sed 's/^/        /'
  fi
}

for example in examples/*.sh; do
  case $(basename "$example") in
    lib.sh | run_all.sh) ;;
    *) run "$(basename "$example")" "$example" ;;
  esac
done
export PYTHONDONTWRITEBYTECODE=1
run guest_driver.py python3 examples/guest_driver.py
run isolated_hosts.py "$venv/bin/python" examples/isolated_hosts.py

if ! kill -0 "$server" 2>"$logs/null"; then
  code=0
  wait "$server" || code=$?
  server=
  failed=$((failed + 1))
  printf 'FAIL  the server ended by itself, exit code %d\n' "$code"
  tail -n 40 "$logs/server.log" | sed 's/^/        /'
else
  # What the examples made, they have taken away again.
  left=$(curl -sS "$VIOMMUD_URL/v1/hosts" | jq -r '[.items[].id] - ["default"] | join(" ")')
  if [[ -n $left ]]; then
    failed=$((failed + 1))
    printf 'FAIL  hosts are left behind: %s\n' "$left"
  fi
fi

printf '%d passed, %d failed\n' "$passed" "$failed"
[[ $failed -eq 0 ]]
