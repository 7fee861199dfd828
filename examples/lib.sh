# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# What the examples share; to be sourced. It finds a server (or starts one), makes a host for the
# example alone, sends requests and checks the answers. Whatever it starts or makes is gone at
# the end, however the example ends.
#
#   VIOMMUD_URL   the server to use. Without it: one on port 8137 of this machine, or else one
#                 that is started for the example.
#   VIOMMUD       the program to start; otherwise the one that `swift build` made.
set -euo pipefail

examples=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
declare -A started=()
hosts=()
server=
# What the helpers leave for the example.
export status='' body='' host='' base='' follower=''

# --- the end ------------------------------------------------------------------------------------

trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

finish() {
  local code=$? host
  trap - EXIT
  set +e
  for host in "${hosts[@]}"; do
    curl -sS -o "$work/null" -X DELETE "$VIOMMUD_URL/v1/hosts/$host?allow_missing=true"
  done
  stop "${!started[@]}"
  [[ -n $server ]] && stop "$server"
  rm -rf "$work"
  if [[ $code -eq 0 ]]; then
    printf '\n%s: every answer was as expected\n' "$(basename "$0")"
  else
    printf '\n%s: FAILED\n' "$(basename "$0")" >&2
  fi
  exit "$code"
}

# stop PID...: ends processes that the example started.
stop() {
  local pid
  for pid in "$@"; do
    kill "$pid" 2>"$work/null" || true
    wait "$pid" 2>"$work/null" || true
    # Its number may be another process's from here on.
    unset "started[$pid]"
  done
}

die() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

# --- the server ---------------------------------------------------------------------------------

need() {
  local program
  for program in "$@"; do
    command -v "$program" >"$work/null" || die "$program is missing: sudo apt-get install $program"
  done
  curl --help all >"$work/help" 2>&1
  grep -q -e '--json' "$work/help" || die "curl is too old: --json came with 7.82"
}

# find_program: prints the path of viommud.
find_program() {
  local candidate
  for candidate in "${VIOMMUD:-}" "$examples"/../.build/{release,debug}/viommud; do
    if [[ -n $candidate && -x $candidate ]]; then
      printf '%s\n' "$candidate"
      return
    fi
  done
  die "there is no viommud; run: swift build -c release --product viommud"
}

# start_server [OPTION...]: starts one on a free port; sets VIOMMUD_URL and server.
start_server() {
  local program
  program=$(find_program)
  rm -f "$work/port"
  "$program" --listen 127.0.0.1:0 --port-file "$work/port" \
    "$@" 2>"$work/server.log" &
  server=$!
  local tries=0
  until [[ -s $work/port ]]; do
    kill -0 "$server" 2>"$work/null" || die "the server ended: $(cat "$work/server.log")"
    ((++tries < 300)) || die "the server does not answer"
    sleep 0.1
  done
  VIOMMUD_URL=http://127.0.0.1:$(<"$work/port")
}

# use_server: what VIOMMUD_URL says, what is there already, or one of our own.
use_server() {
  need curl jq
  if [[ -n ${VIOMMUD_URL:-} ]]; then
    curl -sf -o "$work/null" "$VIOMMUD_URL/livez" || die "nothing answers at $VIOMMUD_URL"
  elif curl -sf -o "$work/version" http://127.0.0.1:8137/version &&
    grep -q '"name":"viommud"' "$work/version"; then
    VIOMMUD_URL=http://127.0.0.1:8137
  else
    start_server --log-level warning
  fi
  printf 'VIOMMUD_URL=%s\n' "$VIOMMUD_URL"
}

# new_host JSON: makes a host under a name that the server makes up; sets host and base.
new_host() {
  expect 201 -c '{id, pin_policy, objects}' POST /v1/hosts "$1"
  host=$(field .id)
  hosts+=("$host")
  base=/v1/hosts/$host
}

# --- requests -----------------------------------------------------------------------------------

title() { printf '\n# %s\n' "$*"; }

# expect STATUS [-j FILTER | -c FILTER] METHOD PATH [JSON [CURL-OPTION...]]
#
# Prints the request as one would type it, sends it, and ends the example if the answer has
# another status. The answer is in $status and $body, its header section in $work/head. With -j
# the answer is shown through that jq filter, with -c on one line.
expect() {
  local wanted=$1 filter='' compact=()
  shift
  case $1 in
    -j) filter=$2 && shift 2 ;;
    -c) filter=$2 && compact=(-c) && shift 2 ;;
  esac
  local method=$1 path=$2 json=${3-}
  shift $(($# < 3 ? $# : 3))
  printf '\n$ curl -s'
  if [[ $method = HEAD ]]; then
    printf ' --head'
  elif [[ ! ($method = GET || $method = POST && -n $json) ]]; then
    printf ' -X %s' "$method"
  fi
  [[ -n $json ]] && printf " --json '%s'" "$json"
  local option
  for option in "$@"; do
    if [[ $option = -* ]]; then printf ' %s' "$option"; else printf " '%s'" "$option"; fi
  done
  printf ' "$VIOMMUD_URL%s"' "$path"
  [[ -n $filter ]] && printf " | jq %s'%s'" "${compact:+-c }" "$filter"
  printf '\n'

  local arguments=(-sS -o "$work/body" -D "$work/head" -w '%{http_code}')
  if [[ $method = HEAD ]]; then arguments+=(--head); else arguments+=(-X "$method"); fi
  [[ -n $json ]] && arguments+=(--json "$json")
  : >"$work/body"
  status=$(curl "${arguments[@]}" "$@" "$VIOMMUD_URL$path")
  body=$(<"$work/body")
  if [[ $status != "$wanted" ]]; then
    printf '%s\n' "$body"
    die "the answer was $status, not $wanted"
  fi
  printf '  %s' "$status"
  if [[ -n $filter ]]; then
    printf ' '
    jq "${compact[@]}" "$filter" <<<"$body" | sed '2,$s/^/  /'
  else
    printf '\n'
  fi
}

# field FILTER: prints a part of the last answer.
field() { jq -r "$1" <<<"$body"; }

# check WHAT FILTER [JQ-OPTION...]: ends the example unless the filter is true of the last answer.
check() {
  local what=$1 filter=$2
  shift 2
  if ! jq -e "$@" "$filter" <<<"$body" >"$work/null"; then
    printf '%s\n' "$body"
    die "not so: $what ($filter)"
  fi
  printf '  ok: %s\n' "$what"
}

# same WHAT LEFT RIGHT
same() {
  [[ $2 = "$3" ]] || die "not so: $1 ($2 is not $3)"
  printf '  ok: %s\n' "$1"
}

# --- bytes --------------------------------------------------------------------------------------

# le32 NUMBER..., le64 NUMBER...: prints numbers as bytes in hex digits, little-endian.
le32() {
  local number digits
  for number in "$@"; do
    printf -v digits '%08x' $((number & 0xffffffff))
    printf '%s' "${digits:6:2}${digits:4:2}${digits:2:2}${digits:0:2}"
  done
}
le64() {
  local number
  for number in "$@"; do le32 $((number)) $((number >> 32)); done
}

# read32 BYTES OFFSET: prints the number that is there.
read32() {
  local digits=${1:$(($2 * 2)):8}
  printf '%d' $((16#${digits:6:2}${digits:4:2}${digits:2:2}${digits:0:2}))
}

# --- streams ------------------------------------------------------------------------------------

# follow FILE PATH [CURL-OPTION...]: reads a stream into a file, in the background, until it
# ends or is cut; sets follower.
follow() {
  local file=$1 path=$2
  shift 2
  local option
  printf '\n$ curl -sN'
  for option in "$@"; do
    if [[ $option = -* ]]; then printf ' %s' "$option"; else printf " '%s'" "$option"; fi
  done
  printf ' "$VIOMMUD_URL%s" &\n' "$path"
  : >"$file"
  curl -sSN "$@" "$VIOMMUD_URL$path" >"$file" 2>"$file.errors" &
  follower=$!
  started[$follower]=follower
  await "$file" '"type":"hello"'
}

# await FILE TEXT: waits until the text is in a stream's file.
await() {
  local tries=0
  until grep -qF -e "$2" "$1"; do
    if ((++tries >= 150)); then
      cat "$1"
      die "the stream did not bring $2"
    fi
    sleep 0.1
  done
}

# await_end: waits until the last stream that was followed has ended by itself.
await_end() {
  wait "$follower" || die "the stream was cut short: curl exit code $?"
  unset "started[$follower]"
}

# events FILE: the lines of a stream's file without the server's own (hello, mark, bye).
events() { jq -c 'select(.seq and .type != "mark")' "$1"; }
