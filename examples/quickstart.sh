#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# From a fresh Debian machine with Swift to a server and a tour of it: installs what is missing,
# builds, starts a server on a free port, plays the story of one virtual machine by curl, and
# stops the server.
#
# Set VIOMMUD to the path of a program to play without building.
. "$(dirname "$0")/lib.sh"

# --- what is needed -----------------------------------------------------------------------------

has() { command -v "$1" >"$work/null" 2>&1; }

missing=()
has curl || missing+=(curl)
has jq || missing+=(jq)
if [[ -z ${VIOMMUD:-} ]]; then
  has swift || die "there is no swift in the PATH; see https://www.swift.org/install/linux/"
  has git || missing+=(git)
  has pkg-config || missing+=(pkg-config)
  has pkg-config && pkg-config --exists libmicrohttpd || missing+=(libmicrohttpd-dev)
  has pkg-config && pkg-config --exists nettle || missing+=(nettle-dev)
fi
if [[ ${#missing[@]} -gt 0 ]]; then
  echo "missing: ${missing[*]}"
  has apt-get || die "there is no apt-get here; install the above by hand"
  privileged=()
  if [[ $(id -u) -ne 0 ]]; then
    has sudo || die "neither root nor sudo; as root run: apt-get install ${missing[*]}"
    privileged=(sudo)
  fi
  # Lists may be too old or not there at all; the installation tells if that matters.
  "${privileged[@]}" apt-get -qq update || true
  "${privileged[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get -qq install -y --no-install-recommends "${missing[@]}" ||
    die "that did not install; run: apt-get install ${missing[*]}"
fi
need curl jq

if [[ -z ${VIOMMUD:-} ]]; then
  echo '$ swift build -c release --product viommud'
  (cd "$examples/.." && swift build -c release --product viommud)
  VIOMMUD=$examples/../.build/release/viommud
  shown_as=.build/release/viommud
fi

# --- the tour -----------------------------------------------------------------------------------

# said: shows the events that the stream has brought since the last time, in short.
shown=0
said() {
  local seq
  seq=$(curl -sS "$VIOMMUD_URL/v1/hosts/default" | jq .seq)
  [[ $seq -eq 0 ]] || await "$work/stream" "\"seq\":$seq,"
  events "$work/stream" | tail -n "+$((shown + 1))" |
    jq -r '"  stream> \(.seq) \(.type) \(.object.id)" +
      if .type == "device.attached" then " \(.data | tojson)" else "" end'
  shown=$(events "$work/stream" | wc -l)
}

title "Start a server on a free port of this machine"
echo '$ viommud --listen 127.0.0.1:0 --port-file port &'
start_server --log-level warning
printf '$ VIOMMUD_URL=%s\n' "$VIOMMUD_URL"
expect 200 -c '{name, version, drivers}' GET /version
expect 200 -j '.items[] | {id, driver, stream_id_bits, cmdqv, hardware}' GET /v1/smmus
check "a fresh machine has one SMMU" '.items | length == 1'

title "Watch all that happens from here on, live: chunked NDJSON, in the background"
follow "$work/stream" "/v1/events?follow=true&after=latest"
cat "$work/stream"

title "Two devices behind the SMMU, each with its stream ID"
expect 201 -j '{kind, id, self, object_id, smmu, stream_id, attachment}' POST /v1/devices \
  '{"id":"gpu0","smmu":"smmu0","stream_id":16}'
expect 201 -c '{id, self, stream_id}' POST /v1/devices '{"id":"nic0","smmu":"smmu0","stream_id":32}'
said

title "The VM's memory: an address space, and the domain that is the second stage"
expect 201 -c '{id, object_id}' POST /v1/ioas '{"id":"ram"}'
expect 200 -c . POST /v1/ioas/ram/map '{"iova":"0x80000000","length":"0x200000"}'
expect 201 -j '{id, type, ioas, nest_parent, hardware, pins}' POST /v1/domains \
  '{"id":"s2","type":"paging","device":"gpu0","ioas":"ram","nest_parent":true}'
check "the domain holds the address space" '.pins.holds[0].id == "ram"'
said

title "A vIOMMU: the slice of the SMMU that the VM gets; and its devices under the guest's stream IDs"
expect 201 -j '{id, type, domain, hardware, pins}' POST /v1/viommus \
  '{"id":"v0","type":"arm-smmuv3","device":"gpu0","domain":"s2"}'
expect 201 -c '{id, viommu, device, virt_id}' POST /v1/vdevs \
  '{"id":"vgpu","viommu":"v0","device":"gpu0","virt_id":"0x1f00"}'
expect 201 -c '{id, viommu, device, virt_id}' POST /v1/vdevs \
  '{"id":"vnic","viommu":"v0","device":"nic0","virt_id":"0x1f08"}'
expect 201 -c '{id, viommu, depth, pending}' POST /v1/veventqs \
  '{"id":"events","viommu":"v0","type":"arm-smmuv3","depth":64}'
said

title "The guest writes a stream table entry (valid, stage 1): that is a nested domain for each device"
expect 201 -j '{id, type, viommu, ste, pins}' POST /v1/domains \
  '{"id":"ngpu","type":"nested","device":"gpu0","viommu":"v0","ste":["0xb","0x0"]}'
expect 201 -c '{id, ste}' POST /v1/domains \
  '{"id":"nnic","type":"nested","device":"nic0","viommu":"v0","ste":["0xb","0x0"]}'

title "Not every entry will do: the hardware would refuse this one"
expect 422 -j '{title, code, errno, errors}' POST /v1/domains \
  '{"type":"nested","device":"gpu0","viommu":"v0","ste":["0xd","0x0"]}'
check "EIO, at the first word" '.errno == "EIO" and .errors[0].pointer == "/ste/0"'
said

title "Attach: the SMMU's entry becomes nested, and the stream belongs to the vIOMMU"
expect 200 -j '{id, attachment, vdev, hardware, pins}' PUT /v1/devices/gpu0/attachment '{"domain":"ngpu"}'
check "stage 1 of the guest, stage 2 of the host" '.hardware.ste[0] == "0xf"'
expect 200 -c '{id, attachment}' PUT /v1/devices/nic0/attachment '{"domain":"nnic"}'
said

title "The GPU's stream raises F_TRANSLATION (0x10): the guest hears of it under its own stream ID"
expect 200 -c . POST /v1/devices/gpu0/hardware-events '{"record":["0x10","0x800000000","0x80001000","0x0"]}'
check "forwarded" '.disposition == "forwarded" and .virt_id == "0x1f00"'
expect 200 -j . GET /v1/veventqs/events/events
word=$(field '.items[0].data[0]')
same "the event's stream ID is the virtual one" "$(printf '0x%x' $((word >> 32)))" 0x1f00

title "Delete the vIOMMU under the running VM: refused, with the reasons and the way out"
expect 409 -j . DELETE /v1/viommus/v0
check "it is pinned" '.code == "pinned" and .errno == "EBUSY" and (.chains | length) == 5'
plan=$(field '.plan.steps[] | "\(.method) \(.path)"')

title "Follow the plan, step by step"
while read -r method path; do
  expect 200 -c . "$method" "$path"
done <<<"$plan"
said
expect 200 -c . DELETE /v1/viommus/v0
check "now it goes" '.deleted == [{kind: "viommu", id: "v0"}]'
said

title "Or let the server do it: the plan's digest says which plan is meant"
expect 409 -c '{detail, plan}' DELETE /v1/ioas/ram
digest=$(field .plan.digest)
expect 200 -c . DELETE "/v1/ioas/ram?cascade=true&plan=$digest&dry_run=true"
expect 200 -c . DELETE "/v1/ioas/ram?cascade=true&plan=$digest"
check "both went, in one step of the log" '[.deleted[].id] == ["s2", "ram"]'
said

title "What is left: the devices"
expect 200 -c '{seq, objects}' GET /v1/hosts/default
seq=$(field .seq)
same "the stream brought every event, without a hole" \
  "$(events "$work/stream" | jq -c .seq | paste -sd ' ')" "$(seq -s ' ' 3 "$seq")"

title "Stop the server: SIGTERM, and the stream says where to resume"
stop "$server"
server=
await_end
tail -n 1 "$work/stream"
same "the last word" "$(tail -n 1 "$work/stream" | jq -c '[.type, .resume]')" "[\"bye\",$seq]"

cat <<END

That was the tour. Next:

  ${shown_as:-$VIOMMUD}     a server on http://127.0.0.1:8137
  examples/run_all.sh        every example
END
