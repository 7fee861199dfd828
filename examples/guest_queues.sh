#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Command queues that a guest owns, on Tegra241's CMDQV: a virtual interface for the vIOMMU, SID
# slots for its vdevs, queues in ascending order, and the guest memory that they pin. What they run
# is in cmdqv_tour.sh.
. "$(dirname "$0")/lib.sh"
use_server

title "An SMMU with two virtual interfaces of two queues and one SID slot each"
new_host '{"smmus":[{"id":"smmu0","cmdqv":{"vintfs":2,"vcmdqs":4,"sids_per_vintf":1}}],
  "devices":[{"id":"gpu0","smmu":"smmu0","stream_id":16},{"id":"gpu1","smmu":"smmu0","stream_id":17}],
  "ioas":[{"id":"ram"}]}'
expect 200 -c .cmdqv GET "$base/smmus/smmu0"
expect 200 -c . POST "$base/ioas/ram/map" '{"iova":"0x80000000","length":"0x200000"}'
expect 201 -c .id PUT "$base/domains/s2" '{"type":"paging","device":"gpu0","ioas":"ram","nest_parent":true}'

title "A vIOMMU takes an interface, and its window for the VMM to map"
expect 201 -c '{id, hardware}' PUT "$base/viommus/v0" '{"type":"tegra241-cmdqv","device":"gpu0","domain":"s2"}'
check "the window is 64 KiB of the context's file" '.hardware.vintf == 1 and .hardware.mmap_length == "0x10000"'
expect 409 -c '{code, errno, detail}' PUT "$base/viommus/v1" '{"type":"tegra241-cmdqv","device":"gpu0","domain":"s2"}'
check "interface 0 is the host's own, and there are no more" '.code == "exhausted" and .errno == "ENOSPC"'

title "A vdev takes a SID slot"
expect 201 -c '{id, virt_id, hardware}' PUT "$base/vdevs/vd0" '{"viommu":"v0","device":"gpu0","virt_id":"0x1f00"}'
expect 422 -c '{errno, detail}' PUT "$base/vdevs/vd1" '{"viommu":"v0","device":"gpu1","virt_id":"0x100000"}'
check "a slot matches 20 bits" '.errno == "EINVAL"'
expect 409 -c '{code, errno, detail}' PUT "$base/vdevs/vd1" '{"viommu":"v0","device":"gpu1","virt_id":"0x1f01"}'
check "and there is one slot only" '.code == "exhausted" and .errno == "ENOSPC"'

title "Queues: by ascending index, in mapped memory, aligned to their length"
expect 422 -c '{errno, detail}' PUT "$base/hw-queues/q1" \
  '{"viommu":"v0","type":"tegra241-cmdqv","index":1,"iova":"0x80001000","length":"0x1000"}'
check "not the second before the first" '.errno == "EIO"'
expect 422 -c '{errno, detail}' PUT "$base/hw-queues/q0" \
  '{"viommu":"v0","type":"tegra241-cmdqv","index":0,"iova":"0x90000000","length":"0x1000"}'
check "not where nothing is mapped" '.errno == "ENOENT"'
expect 201 -c '{id, index, hardware, holds: .pins.holds}' PUT "$base/hw-queues/q0" \
  '{"viommu":"v0","type":"tegra241-cmdqv","index":0,"iova":"0x80000000","length":"0x1000"}'
expect 201 -c '{id, index, hardware, holds: .pins.holds}' PUT "$base/hw-queues/q1" \
  '{"viommu":"v0","type":"tegra241-cmdqv","index":1,"iova":"0x80001000","length":"0x1000"}'
check "it holds the address space, the vIOMMU and the queue below" \
  '[.pins.holds[].why] == ["hw-queue.iova", "hw-queue.viommu", "hw-queue.index"]'

title "What they pin"
expect 409 -c '{code, errno, detail}' POST "$base/ioas/ram/unmap" '{"iova":"0x80000000","length":"0x200000"}'
check "their memory stays mapped" '.errno == "EBUSY"'
expect 409 -c '{detail, plan: [.plan.steps[].path]}' DELETE "$base/viommus/v0"
check "queues go in descending order" \
  '[.plan.steps[].path | select(contains("hw-queues")) | split("/") | last] == ["q1", "q0"]'
expect 200 -c . DELETE "$base/viommus/v0?cascade=true"
expect 200 -c . POST "$base/ioas/ram/unmap" '{"iova":"0x80000000","length":"0x200000"}'
expect 201 -c '{id, hardware}' PUT "$base/viommus/v1" '{"type":"tegra241-cmdqv","device":"gpu0","domain":"s2"}'
check "the interface is free again" '.hardware.vintf == 1'
