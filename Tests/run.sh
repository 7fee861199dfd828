#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Passes the tests: installs what is missing, builds, and runs every gate in the order in which
# it fails cheapest. Prints what each step took. Stops at the first that fails.
#
#   Tests/run.sh            everything
#   Tests/run.sh swift      one step, or several: format swift release examples contract fuzz sanitizer
set -euo pipefail
cd "$(dirname "$0")/.."

steps=("$@")
[ ${#steps[@]} -gt 0 ] || steps=(format swift release examples contract fuzz sanitizer)

say() { printf '\n== %s\n' "$*"; }

install_missing() {
  local missing=()
  for package in libmicrohttpd-dev nettle-dev pkg-config curl jq python3-venv; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
      missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return
  say "installing ${missing[*]}"
  local root=()
  [ "$(id -u)" -eq 0 ] || root=(sudo)
  "${root[@]}" apt-get update -qq
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${missing[@]}"
}

# The formatter of the toolchain has nothing to say.
step_format() { swift format lint --strict --recursive Sources Tests Package.swift; }

# Claims in Swift: units, source rules, the OpenAPI parity, the API in process and over a socket.
# What is claimed of the HTTP layer is claimed of one loop and of four.
step_swift() {
  swift build --build-tests
  swift test --skip-build
  VIOMMU_TEST_LOOPS=1 swift test --skip-build --filter MicroHTTPDTests
}

step_release() {
  swift build -c release --product viommud
  swift build -c release --product viommu-fuzz
  swift build -c release --product viommu-hwfuzz
}

# Every example plays against the release build and checks what it claims.
step_examples() { bash examples/run_all.sh .build/release/viommud; }

# The document is valid, and schemathesis finds nothing between it and the server.
step_contract() { bash Tests/contract/run.sh; }

# Raw bytes on the socket: 50,000 requests over one loop, and as many over four, and the server lives.
# And ten million accesses to hardware whose tables, queues and registers hold nonsense.
step_fuzz() {
  for threads in 1 4; do
    bash Tests/fuzz.sh .build/release/viommud .build/release/viommu-fuzz 50000 "$threads" "$threads"
  done
  .build/release/viommu-hwfuzz --steps 10000000
}

# The host's threads against the hardware's, under the thread sanitizer.
step_sanitizer() {
  swift build --build-tests --sanitize=thread --scratch-path .build/tsan
  swift test --skip-build --sanitize=thread --scratch-path .build/tsan --filter ConcurrencyTests
}

install_missing
for step in "${steps[@]}"; do
  say "$step"
  begin=$SECONDS
  "step_$step"
  say "$step: passed in $((SECONDS - begin)) s"
done
