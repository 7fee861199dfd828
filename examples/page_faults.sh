#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Page requests of a device: a fault queue hands out groups under cookies, each is answered once,
# and a detach answers what is left.
. "$(dirname "$0")/lib.sh"
use_server

title "A device with PRI, attached to a domain that reports its faults"
new_host '{"devices":[{"id":"nic0","smmu":"smmu0","stream_id":32,"pri":true}],"ioas":[{"id":"ram"}]}'
expect 201 -c '{id, pending, unanswered}' PUT "$base/fault-queues/fq0" '{}'
expect 201 -c '{id, fault_queue, pins: .pins.holds}' PUT "$base/domains/s1" \
  '{"type":"paging","device":"nic0","ioas":"ram","fault_queue":"fq0"}'
check "the domain pins its fault queue" 'any(.pins.holds[]; .id == "fq0")'
expect 200 -c .attachment PUT "$base/devices/nic0/attachment" '{"domain":"s1"}'

title "A group of two pages"
expect 200 -c . POST "$base/devices/nic0/page-requests" \
  '{"group":7,"pages":[{"address":"0x1000"},{"address":"0x2000","write":true}]}'
expect 200 -j . GET "$base/fault-queues/fq0/faults"
check "the group comes whole, under one cookie, its last page marked" \
  '(.items | length) == 1 and [.items[0].faults[].last] == [false, true]'
cookie=$(field '.items[0].cookie')
expect 200 -c '{pending, unanswered}' GET "$base/fault-queues/fq0"
check "read, but not answered" '.pending == 0 and .unanswered == 1'

title "Answered once, and not again"
expect 200 -c . POST "$base/fault-queues/fq0/responses" \
  '{"responses":[{"cookie":'"$cookie"',"code":"success"}]}'
expect 422 -c '{errno, detail}' POST "$base/fault-queues/fq0/responses" \
  '{"responses":[{"cookie":'"$cookie"',"code":"success"}]}'
check "the cookie is free" '.errno == "EINVAL"'

title "A detach answers what is left"
expect 200 -c . POST "$base/devices/nic0/page-requests" '{"pages":[{"address":"0x3000"}]}'
expect 200 -c '{pending, unanswered}' GET "$base/fault-queues/fq0"
expect 200 -c . DELETE "$base/devices/nic0/attachment"
expect 200 -c '{pending, unanswered}' GET "$base/fault-queues/fq0"
check "nothing waits any more" '.pending == 0 and .unanswered == 0'
