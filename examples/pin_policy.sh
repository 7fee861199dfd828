#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Where the design that this server follows and the mainline kernel differ: whether an attached
# device pins its vdev, whether a bound device can be deleted, and what a refused unmap leaves.
. "$(dirname "$0")/lib.sh"
use_server

# vm POLICY: a host with a device that is attached through a vIOMMU.
vm() {
  new_host '{"pin_policy":"'"$1"'","devices":[{"id":"gpu0","smmu":"smmu0","stream_id":16}]}'
  expect 200 -c '[.results[].status]' POST "$base/batch" '{"operations":[
    {"method":"PUT","path":"'"$base"'/ioas/ram","body":{}},
    {"method":"PUT","path":"'"$base"'/domains/s2","body":{"type":"paging","device":"gpu0","ioas":"ram","nest_parent":true}},
    {"method":"PUT","path":"'"$base"'/viommus/v0","body":{"type":"arm-smmuv3","device":"gpu0","domain":"s2"}},
    {"method":"PUT","path":"'"$base"'/vdevs/vd0","body":{"viommu":"v0","device":"gpu0","virt_id":"0x1f00"}},
    {"method":"PUT","path":"'"$base"'/domains/n0","body":{"type":"nested","device":"gpu0","viommu":"v0","ste":["0xb","0x0"]}},
    {"method":"PUT","path":"'"$base"'/devices/gpu0/attachment","body":{"domain":"n0"}},
    {"method":"POST","path":"'"$base"'/ioas/ram/map","body":{"iova":"0x1000","length":"0x1000"}},
    {"method":"POST","path":"'"$base"'/ioas/ram/map","body":{"iova":"0x2000","length":"0x2000"}}]}'
}

# An unmap of the first mapping and of half of the second one.
split='{"iova":"0x1000","length":"0x2000"}'

title "design: the stream table entry needs the vdev, so the attachment pins it"
vm design
expect 409 -c '{code, errno, detail, plan: [.plan.steps[].path]}' DELETE "$base/vdevs/vd0"
check "detach first" '[.plan.steps[].path] == ["\($base)/devices/gpu0/attachment"]' --arg base "$base"
expect 200 -c . DELETE "$base/devices/gpu0/attachment"
expect 200 -c . DELETE "$base/vdevs/vd0"
expect 200 -c . DELETE "$base/devices/gpu0"

title "design: an unmap that would split a mapping changes nothing"
expect 422 -c '{errno, detail, unmapped}' POST "$base/ioas/ram/unmap" "$split"
expect 200 -c .mappings GET "$base/ioas/ram"
check "both mappings are there" '.mappings == 2'

title "linux: the virtual ID was copied at the attach; the vdev may go"
vm linux
expect 200 -c . DELETE "$base/vdevs/vd0"
expect 200 -c '{attachment, vdev, hardware: (.hardware | {vmaster, virtual_stream_id})}' GET "$base/devices/gpu0"
check "the stream still has the ID of the vdev that is gone" \
  '.vdev == null and .hardware.virtual_stream_id == "0x1f00"'
expect 200 -c . DELETE "$base/devices/gpu0/attachment"

title "linux: a bound device is VFIO's; it goes by being unplugged, not by a DELETE"
expect 409 -c '{code, errno, detail, plan: [.plan.steps[] | "\(.method) \(.path)"]}' DELETE "$base/devices/gpu0"
check "although nothing holds it" '.code == "busy" and .errno == "EBUSY" and .pinned_by == []'
expect 200 -c . POST "$base/devices/gpu0/unplug"

title "linux: an unmap that would split a mapping has unmapped what comes before it"
expect 422 -c '{errno, detail, unmapped}' POST "$base/ioas/ram/unmap" "$split"
check "and says how much" '.errno == "ENOENT" and .unmapped == "0x1000"'
expect 200 -c .mappings GET "$base/ioas/ram"
check "one mapping is left" '.mappings == 1'
