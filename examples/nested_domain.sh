#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The life of a nested domain: what it is made of, what the hardware would refuse, what is in the
# stream table while a device is attached to it, and in which order it all goes again.
. "$(dirname "$0")/lib.sh"
use_server

title "A host with a device and an address space; the second stage"
new_host '{"devices":[{"id":"gpu0","smmu":"smmu0","stream_id":16}],"ioas":[{"id":"ram"}]}'
expect 200 -c . POST "$base/ioas/ram/map" '{"iova":"0x80000000","length":"0x200000"}'
expect 201 -c '{id, nest_parent, hardware}' POST "$base/domains" \
  '{"id":"s2","type":"paging","device":"gpu0","ioas":"ram","nest_parent":true}'
check "a nesting parent is a stage 2 with a VMID" '.hardware.stage == "stage2" and .hardware.vmid == 1'
expect 201 -c '{id, domain, smmu, hardware}' POST "$base/viommus" \
  '{"id":"v0","type":"arm-smmuv3","device":"gpu0","domain":"s2"}'
check "the vIOMMU translates under its parent's VMID" '.hardware.vmid == 1'

title "The guest's stream table entry is checked when the domain is made"
expect 422 -c '{code, errno, errors}' POST "$base/domains" \
  '{"type":"nested","device":"gpu0","viommu":"v0","ste":["0xd","0x0"]}'
check "Config 6 (stage 2) is not a guest's to set" \
  '.code == "hardware_rejected" and .errno == "EIO" and .errors[0].pointer == "/ste/0"'
expect 422 -c '{code, errno, errors}' POST "$base/domains" \
  '{"type":"nested","device":"gpu0","viommu":"v0","ste":["0xb","0x100"]}'
check "nor is a bit outside the nesting mask" '.errors[0].pointer == "/ste/1"'

title "dw0 = 0xb: valid, Config 5, the guest's stage 1; dw0 = 0x1: valid, Config 0, abort"
expect 201 -c '{id, ste, pins}' POST "$base/domains" \
  '{"id":"stage1","type":"nested","device":"gpu0","viommu":"v0","ste":["0xb","0x0"]}'
check "it pins its vIOMMU from the start" \
  '.pins.holds == [{kind: "viommu", id: "v0", why: "domain.viommu"}]'
expect 201 -c '{id, ste}' POST "$base/domains" \
  '{"id":"abort","type":"nested","device":"gpu0","viommu":"v0","ste":["0x1","0x0"]}'

title "A translating entry needs a vdev: events must find a virtual stream ID"
expect 422 -c '{code, errno, detail}' PUT "$base/devices/gpu0/attachment" '{"domain":"stage1"}'
check "without one: ENOENT" '.code == "reference_not_found" and .errno == "ENOENT"'
expect 201 -c '{id, virt_id, device}' POST "$base/vdevs" \
  '{"id":"vd0","viommu":"v0","device":"gpu0","virt_id":"0x1f00"}'
expect 200 -c '{attachment, hardware}' PUT "$base/devices/gpu0/attachment" '{"domain":"stage1"}'
check "the entry became Config 7: both stages" '.hardware.ste[0] == "0xf"'
check "the stream belongs to the vIOMMU, under the virtual ID" \
  '.hardware.vmaster == "v0" and .hardware.virtual_stream_id == "0x1f00"'
check "the attached device pins its domain and its vdev" \
  '[.pins.holds[] | select(.why == "device.attachment") | .id] == ["stage1", "vd0"]'

title "Replacing is one step: there is no moment without a domain"
expect 200 -c '{attachment, hardware}' PUT "$base/devices/gpu0/attachment" '{"domain":"abort"}'
check "the entry aborts" '.hardware.ste[0] == "0x1"'
check "as the device has a vdev, its stream stays the vIOMMU's" '.hardware.vmaster == "v0"'
check "and so the vdev stays too: events bear its ID" \
  '[.pins.holds[] | select(.why == "device.attachment") | .id] == ["abort", "vd0"]'
expect 409 -c '{code, errno, detail}' DELETE "$base/domains/abort"
check "the attached domain cannot go" '.errno == "EBUSY"'

title "A second device, without a vdev: it may abort, but no event of it reaches the guest"
expect 201 -c '{id, stream_id}' POST "$base/devices" '{"id":"gpu1","smmu":"smmu0","stream_id":17}'
expect 200 -c '{attachment, hardware}' PUT "$base/devices/gpu1/attachment" '{"domain":"abort"}'
check "it belongs to no vIOMMU" '.hardware.ste[0] == "0x1" and .hardware.vmaster == null'
expect 200 -c . DELETE "$base/devices/gpu1/attachment"
expect 200 -c . DELETE "$base/devices/gpu1"

title "Detach, and down the chain, leaves first"
expect 200 -c . DELETE "$base/devices/gpu0/attachment"
expect 200 -c . DELETE "$base/vdevs/vd0"
expect 200 -c . DELETE "$base/domains/abort"
expect 409 -c '{code, detail}' DELETE "$base/domains/s2"
expect 200 -c . DELETE "$base/domains/stage1"
expect 200 -c . DELETE "$base/viommus/v0"
expect 200 -c . DELETE "$base/domains/s2"
expect 200 -c . DELETE "$base/ioas/ram"
expect 404 -c '{code, errno, detail}' DELETE "$base/ioas/ram"
expect 204 DELETE "$base/ioas/ram?allow_missing=true"

title "An iommufd gives the lowest free ID"
expect 201 -c '{id, object_id}' PUT "$base/ioas/again" '{}'
check "the first ID behind the device's" '.object_id == 2'
expect 200 -c '{id, object_id}' PUT "$base/ioas/again" '{}'
