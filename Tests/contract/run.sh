#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Holds a live server against its OpenAPI document.
#
#   Tests/contract/run.sh                          starts a server, a release build if there is one
#   Tests/contract/run.sh http://127.0.0.1:8080    tests that one; its hosts are reset and deleted
#
# The server that is started wants tokens. One that is named is sent CONTRACT_TOKEN, if there is one.
set -euo pipefail
cd "$(dirname "$0")"
root=$(cd ../.. && pwd)
venv=$root/.build/contract-venv
work=$(mktemp -d)
server=

finish() {
  [ -z "$server" ] || kill "$server" 2>/dev/null || true
  rm -rf "$work"
}
trap finish EXIT

if ! cmp -s requirements.txt "$venv/requirements.txt"; then
  python3 -m venv --clear "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check -r requirements.txt
  cp requirements.txt "$venv/requirements.txt"
fi

url=${1:-}
if [ -z "$url" ]; then
  binary=$root/.build/release/viommud
  if [ ! -x "$binary" ]; then
    swift build --package-path "$root" --product viommud
    binary=$root/.build/debug/viommud
  fi
  CONTRACT_TOKEN=$(od -An -tx1 -N32 /dev/urandom | tr -d ' \n')
  digest=$(printf %s "$CONTRACT_TOKEN" | sha256sum | cut -d ' ' -f 1)
  (umask 077 && printf 'contract %s admin *\n' "$digest" >"$work/tokens")
  "$binary" --listen 127.0.0.1:0 --port-file "$work/port" \
    --token-file "$work/tokens" --log-level warning --threads 4 &
  server=$!
  for _ in $(seq 100); do
    [ ! -s "$work/port" ] || break
    kill -0 "$server"
    sleep 0.1
  done
  url=http://127.0.0.1:$(cat "$work/port")
fi

authorization=()
if [ -n "${CONTRACT_TOKEN:-}" ]; then
  export CONTRACT_TOKEN
  authorization=(--header "Authorization: Bearer $CONTRACT_TOKEN")
fi

echo "== the document that is served"
for form in json yaml; do
  curl --silent --show-error --fail "${authorization[@]}" --output "$work/openapi.$form" \
    "$url/openapi.$form"
done
"$venv/bin/python" same_document.py "$work/openapi.yaml" "$work/openapi.json" "$root"/openapi/*.yaml
"$venv/bin/openapi-spec-validator" "$work/openapi.yaml"

echo "== metrics"
"$venv/bin/python" metrics.py "$url"

echo "== streams that are followed"
"$venv/bin/python" streams.py "$url" "$work/openapi.json"

echo "== schemathesis"
PYTHONPATH=. PYTHONDONTWRITEBYTECODE=1 "$venv/bin/schemathesis" --config-file schemathesis.toml \
  run "$work/openapi.json" --url "$url" --checks all "${authorization[@]}"

if [ -n "$server" ]; then
  echo "== out of descriptors"
  python3 descriptors.py "$binary"
  echo "== under a service manager"
  python3 service.py "$binary"
  echo "== the log"
  python3 log.py "$binary"
  echo "== tokens"
  "$venv/bin/python" tokens.py "$binary"
  # It must have outlived all of that.
  kill -0 "$server"
fi
curl --silent --show-error --fail --output "$work/ready" "$url/readyz"
echo "== passed"
