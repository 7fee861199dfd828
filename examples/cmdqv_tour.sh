#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Tegra241's CMDQV at work: a guest posts commands to queues of its own. The hardware fetches them
# from the guest's memory, puts the VM's VMID and the physical stream ID in, and runs them, with no
# exit to the hypervisor. What a guest may not say stops its queue, and that queue alone.
. "$(dirname "$0")/lib.sh"
use_server

# The guest's CPU, in the page that its VMM has mapped for it: queue N is at 0x80 * N.
readonly cons=0x0 prod=0x4 config=0x8 status_register=0xc gerror=0x10 gerrorn=0x14

# load QUEUE REGISTER: reads one; it is in $value then.
load() {
  local offset
  printf -v offset '0x%x' $((0x80 * $1 + $2))
  expect 200 -c . GET "$base/viommus/v0/mmio/$offset"
  value=$(field .value)
}

# store QUEUE REGISTER VALUE
store() {
  local offset new
  printf -v offset '0x%x' $((0x80 * $1 + $2))
  printf -v new '0x%x' $(($3))
  expect 200 -c . PUT "$base/viommus/v0/mmio/$offset" '{"value":"'"$new"'"}'
}

# bytes WORD...: puts 64-bit words into a file, as memory has them.
bytes() { printf '%b' "$(le64 "$@" | sed 's/../\\x&/g')" >"$work/words"; }
octets=(-H 'Content-Type: application/octet-stream' --data-binary "@$work/words")

title "A device, the VM's memory, and a vIOMMU with a virtual interface (VINTF)"
new_host '{"smmus":[{"id":"smmu0","cmdqv":{"vintfs":2,"vcmdqs":4,"sids_per_vintf":4}}],
  "devices":[{"id":"gpu0","smmu":"smmu0","stream_id":66}],"ioas":[{"id":"ram"}]}'
expect 200 -c '{iova, length}' POST "$base/ioas/ram/map" '{"iova":"0x40000000","length":"0x400000"}'
expect 201 -c .hardware PUT "$base/domains/s2" '{"type":"paging","device":"gpu0","ioas":"ram","nest_parent":true}'
vmid=$(field .hardware.vmid)
expect 201 -c '.registers | {vintf_config, vmid, hyp_own, enable_ok}' PUT "$base/viommus/v0" \
  '{"type":"tegra241-cmdqv","device":"gpu0","domain":"s2"}'
check "the interface is on, has the VMID of stage 2, and is not the hypervisor's own" \
  '.registers | .enable_ok and .vmid == $vmid and (.hyp_own | not)' --argjson vmid "$vmid"
expect 201 -c '{id, type}' PUT "$base/veventqs/errors" '{"viommu":"v0","type":"tegra241-cmdqv","depth":8}'

title "The device inside, as 0x10: a SID slot, which matches that and replaces it"
expect 201 -c .hardware PUT "$base/vdevs/vd0" '{"viommu":"v0","device":"gpu0","virt_id":"0x10"}'
expect 200 -c .registers.sid_slots GET "$base/viommus/v0"
check "slot 0 makes stream 0x10 stream 0x42" \
  '.registers.sid_slots == [{"slot":0,"sid_match":"0x21","sid_replace":"0x42","enabled":true,
     "virtual_stream_id":"0x10","stream_id":"0x42"}]'

title "Two queues, whose rings of 256 commands are in the guest's memory"
for queue in 0 1; do
  expect 201 -c '{hardware, base: .registers.base, mapped: .registers.mapped}' PUT "$base/hw-queues/q$queue" \
    '{"viommu":"v0","type":"tegra241-cmdqv","index":'$queue',"iova":"0x4001'$queue'000","length":"0x1000"}'
done

title "The host has mapped them. The guest enables them, in its window; until then they keep what they get"
expect 200 -c '{outcome, enabled, prod, cons}' POST "$base/hw-queues/q0/submit" \
  '{"commands":[{"name":"TLBI_NH_ASID","fields":{"asid":5}}]}'
check "one command is waiting" '.outcome == "pending" and .pending == 1 and (.enabled | not)'
load 0 $status_register
same "EN_OK is 0" "$value" 0x0
for queue in 0 1; do
  store $queue $config 1
  load $queue $status_register
  same "EN_OK of queue $queue is 1" "$value" 0x1
done
load 0 $cons
same "what was waiting has run" "$value" 0x1

title "What the guest says, and what the hardware makes of it"
expect 200 -j '{outcome, cons, commands: [.commands[] | {guest: .guest.words, executed: .executed.words}]}' \
  POST "$base/hw-queues/q0/submit" '{"commands":[
    {"name":"TLBI_NH_VA","fields":{"vmid":99,"asid":5,"leaf":1,"address":"0x7f0000001000"}},
    {"name":"ATC_INV","fields":{"stream_id":"0x10","address":"0x7f0000001000"}},
    {"name":"SYNC"}]}'
check "the VMID is the interface's, whatever the guest says" \
  '.commands[0] | .guest.fields.vmid == "0x63" and .executed.fields.vmid == $vmid
     and .guest.fields.address == .executed.fields.address' \
  --arg vmid "$(printf '0x%x' "$vmid")"
check "the stream ID is the physical one" \
  '.commands[1] | .guest.fields.stream_id == "0x10" and .executed.fields.stream_id == "0x42"'
check "all of it has run" '.outcome == "done" and .executed == 3 and .cons == 4'

title "The same by hand: two commands in the ring at 4, and then the doorbell"
bytes 0x5000000000011 0 0x46 0
expect 200 -c .bytes PUT "$base/ioas/ram/memory?iova=0x40010040" '' "${octets[@]}"
store 0 $prod 6
load 0 $cons
same "CONS has followed" "$value" 0x6

title "A stream ID that is in no slot"
expect 200 -c '{outcome, error, prod, cons, pending, executed, refused}' POST "$base/hw-queues/q0/submit" \
  '{"commands":[["0x46","0x0"],{"name":"ATC_INV","fields":{"stream_id":"0x11"}},{"name":"TLBI_NH_ASID","fields":{"asid":5}}]}'
check "the queue stands at it" \
  '.outcome == "stopped" and .error == "unmatched_sid" and .cons == 7 and .pending == 2'
check "which was not carried out, nor was what is behind it" \
  '(.commands | length) == 2 and .commands[1].executed == null'
load 0 $cons
same "CONS_INDX: error 4 at 7" "$value" 0x4000007
load 0 $gerror
expect 200 -c '.registers | {vintf_status, lvcmdq_err_map, status}' GET "$base/viommus/v0"
check "the interface's error map has queue 0" '.registers.lvcmdq_err_map == ["0x1", "0x0"]'

title "The other queue runs on, and the guest's VMM hears of it"
expect 200 -c '{outcome, executed}' POST "$base/hw-queues/q1/submit" \
  '{"commands":[{"name":"ATC_INV","fields":{"stream_id":"0x10","size":52}},{"name":"SYNC"}]}'
check "as if nothing had been" '.outcome == "done" and .executed == 2'
expect 200 -c .items GET "$base/veventqs/errors/events"
check "one vEVENT, which is the error map" '[.items[].data] == [["0x1", "0x0"]]'
expect 200 GET "$base/events?type=smmu.cmdqv_error"
printf '%s\n' "$body" | jq -c 'select(.prev >= 0) | .data'

title "Recovery, as the guest's driver does it: GERROR and CONS read, the command overwritten, GERRORN written"
load 0 $gerror
active=$value
load 0 $cons
bytes 0x0fc00046 0
printf -v slot '0x%x' $((0x40010000 + 16 * (value & 0xff)))
expect 200 -c .bytes PUT "$base/ioas/ram/memory?iova=$slot" '' "${octets[@]}"
store 0 $gerrorn "$active"
expect 200 -c '.registers | {cons, prod, error, gerror, gerrorn, commands, errors}' GET "$base/hw-queues/q0"
check "a SYNC has taken its place, and the rest has run" '.registers | .cons == .prod and .error == null'
expect 200 -c .registers.lvcmdq_err_map GET "$base/viommus/v0"
check "the map is clear" '.registers.lvcmdq_err_map == ["0x0", "0x0"]'

title "A queue that runs by itself: the doorbell returns at once, the log tells the rest"
expect 200 -c .deleted DELETE "$base/hw-queues/q1"
expect 201 -c '{execution}' PUT "$base/hw-queues/q1" \
  '{"viommu":"v0","type":"tegra241-cmdqv","index":1,"iova":"0x40011000","length":"0x1000","execution":"async"}'
store 1 $config 1
follow "$work/ran" "$base/events?follow=true&after=latest&type=hw-queue.ran"
words=()
for ((count = 0; count < 256; count++)); do words+=(0x5000000000011 0); done
bytes "${words[@]}"
expect 200 -c '{outcome, prod, commands}' POST "$base/hw-queues/q1/submit" '' "${octets[@]}"
check "a ring full, as bytes; nobody has waited for it" '.prod == 256 and .commands == []'
await "$work/ran" '"cons":256'
stop "$follower"
events "$work/ran" | jq -c '{id: .object.id, data}'
same "all have run" "$(events "$work/ran" | jq -s 'map(.data.commands) | add')" 256
load 1 $cons
same "and CONS says so, with the ring's wrap" "$value" 0x100

title "Beyond the window there is nothing, and within it only what is the guest's"
load 2 $config
same "a queue that the interface does not have reads as 0" "$value" 0x0
expect 422 -c '{errno, detail}' GET "$base/viommus/v0/mmio/0x10000"
expect 200 -c . GET "$base/smmus/smmu0/mmio/0x201100"
printf -v wanted '0x%x' $((vmid << 1 | 1))
same "the host sees VINTF_CONFIG: EN, the VMID, no HYP_OWN" "$(field .value)" "$wanted"

title "Down in the order that the hardware needs, which pins enforce"
expect 409 -c '{errno, detail}' DELETE "$base/hw-queues/q0"
check "queue 1 pins queue 0" '[.pinned_by[].why] == ["hw-queue.index"]'
expect 409 -c '{errno, detail}' POST "$base/ioas/ram/unmap" '{"iova":"0x40000000","length":"0x400000"}'
check "their rings pin the guest's memory" '.errno == "EBUSY"'
expect 409 -c '{detail, plan: [.plan.steps[].path | split("/") | last]}' DELETE "$base/viommus/v0"
check "the plan has queue 1 before queue 0" '[.plan.steps[].path | split("/") | last] | index("q1") < index("q0")'
expect 200 -c '[.deleted[].id]' DELETE "$base/viommus/v0?cascade=true"
expect 200 -c . GET "$base/smmus/smmu0/mmio/0x201100"
same "VINTF_CONFIG is 0" "$(field .value)" 0x0
expect 200 -c . POST "$base/ioas/ram/unmap" '{"iova":"0x40000000","length":"0x400000"}'
