#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A veventq as a VMM sees it: events under the guest's stream IDs, a bound, lost events, and a
# file that pins the queue while it is read.
. "$(dirname "$0")/lib.sh"
use_server

title "A device behind a vIOMMU, and a queue of two events"
new_host '{"devices":[{"id":"gpu0","smmu":"smmu0","stream_id":16}]}'
expect 200 -c '[.results[].status]' POST "$base/batch" '{"operations":[
    {"method":"PUT","path":"'"$base"'/ioas/ram","body":{}},
    {"method":"PUT","path":"'"$base"'/domains/s2","body":{"type":"paging","device":"gpu0","ioas":"ram","nest_parent":true}},
    {"method":"PUT","path":"'"$base"'/viommus/v0","body":{"type":"arm-smmuv3","device":"gpu0","domain":"s2"}},
    {"method":"PUT","path":"'"$base"'/vdevs/vd0","body":{"viommu":"v0","device":"gpu0","virt_id":"0x1f00"}},
    {"method":"PUT","path":"'"$base"'/domains/n0","body":{"type":"nested","device":"gpu0","viommu":"v0","ste":["0xb","0x0"]}}]}'
expect 201 -c '{id, depth, pending, next_sequence}' PUT "$base/veventqs/eq0" \
  '{"viommu":"v0","type":"arm-smmuv3","depth":2}'

translation='{"record":["0x10","0x800000000","0x80001000","0x0"]}'

title "Before the attach the stream is nobody's: the event is the host's"
expect 200 -c '{disposition, errno}' POST "$base/devices/gpu0/hardware-events" "$translation"
check "it was logged" '.disposition == "logged"'
expect 200 GET "$base/events?type=smmu.event"
printf '%s\n' "$body" | jq -c 'select(.type == "smmu.event") | {type, data}'

title "Attached: it comes out of the queue under the guest's stream ID"
expect 200 -c .attachment PUT "$base/devices/gpu0/attachment" '{"domain":"n0"}'
expect 200 -c . POST "$base/devices/gpu0/hardware-events" "$translation"
expect 200 -c . GET "$base/veventqs/eq0/events"
word=$(field '.items[0].data[0]')
same "bits 63:32 of the first word: the virtual stream ID" "$(printf '0x%x' $((word >> 32)))" 0x1f00
same "bits 7:0: F_TRANSLATION" "$(printf '0x%x' $((word & 0xff)))" 0x10
expect 200 -c . GET "$base/veventqs/eq0/events"
check "reading consumes" '.items == []'

title "Three events are one too many: a header without data says that some were lost"
for _ in 1 2 3; do
  expect 200 -c .disposition POST "$base/devices/gpu0/hardware-events" "$translation"
done
expect 200 -c '{pending, lost_events, next_sequence}' GET "$base/veventqs/eq0"
check "two are kept" '.pending == 2 and .lost_events and .next_sequence == 4'
expect 200 -c . GET "$base/veventqs/eq0/events"
check "the last record is the header" \
  '[.items[] | [.sequence, .lost_events, (.data | length)]] == [[1, false, 4], [2, false, 4], [3, true, 0]]'

title "Followed: events come as they happen, and the open file pins the queue"
follow "$work/queue" "$base/veventqs/eq0/events?follow=true"
expect 200 -c .disposition POST "$base/devices/gpu0/hardware-events" "$translation"
await "$work/queue" '"type":"vevent"'
cat "$work/queue"
expect 409 -c '{errno, detail, plan: [.plan.steps[] | "\(.method) \(.path)"]}' DELETE "$base/veventqs/eq0"
check "the way out is to close the file" '.pinned_by[0].why == "open file"'

title "A cascade closes it: the stream says goodbye"
expect 200 -c . DELETE "$base/veventqs/eq0?cascade=true"
await_end
tail -n 1 "$work/queue"
same "the last word" "$(jq -s -r 'last | "\(.type) \(.reason)"' "$work/queue")" 'bye deleted'
