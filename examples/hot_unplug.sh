#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise removal: the device goes whatever pins it, its vdev becomes a tombstone (gone, but its
# iommufd ID is never given out again), and the rest of the VM's stack stays.
. "$(dirname "$0")/lib.sh"
use_server

title "A device in a guest's hands, two of them"
new_host '{"devices":[{"id":"gpu0","smmu":"smmu0","stream_id":16},{"id":"gpu1","smmu":"smmu0","stream_id":17}],"ioas":[{"id":"ram"}]}'
expect 201 -c '{id, object_id}' PUT "$base/domains/s2" \
  '{"type":"paging","device":"gpu0","ioas":"ram","nest_parent":true}'
expect 201 -c '{id, object_id}' PUT "$base/viommus/v0" \
  '{"type":"arm-smmuv3","device":"gpu0","domain":"s2"}'
expect 201 -c '{id, object_id}' PUT "$base/veventqs/eq0" '{"viommu":"v0","type":"arm-smmuv3","depth":16}'
expect 201 -c '{id, object_id}' PUT "$base/vdevs/vd0" '{"viommu":"v0","device":"gpu0","virt_id":"0x1f00"}'
tombstone=$(field .object_id)
expect 201 -c '{id, object_id}' PUT "$base/domains/n0" \
  '{"type":"nested","device":"gpu0","viommu":"v0","ste":["0xb","0x0"]}'
expect 200 -c '{id, attachment}' PUT "$base/devices/gpu0/attachment" '{"domain":"n0"}'
expect 200 -c '{disposition, viommu, virt_id}' POST "$base/devices/gpu0/hardware-events" \
  '{"record":["0x10","0x0","0x80001000","0x0"]}'

title "Its user may not delete it"
expect 409 -c '{code, errno, detail}' DELETE "$base/devices/gpu0"
expect 200 -c '{seq}' GET "$base"
before=$(field .seq)

title "A bus does not ask: first what would go, then for real"
expect 200 -c . POST "$base/devices/gpu0/unplug?dry_run=true"
expect 200 -c . POST "$base/devices/gpu0/unplug"
check "the vdev and the device went" '[.deleted[].id] == ["vd0", "gpu0"]'
expect 200 GET "$base/events?after=$before"
printf '%s\n' "$body" | jq -c 'select(.txn) | {type, txn, id: .object.id, data}'
body=$(jq -s '[.[] | select(.txn)]' <<<"$body")
check "in one transaction: detached, tombstoned, unplugged" '
  ([.[].type] | contains(["device.detached", "vdev.tombstoned"])) and ([.[].txn] | unique | length) == 1'
expect 404 -c '{code, errno, detail}' GET "$base/vdevs/vd0"

title "The rest stays, and so does what the guest has not read"
expect 200 -c '{items: [.items[] | .id]}' GET "$base/domains"
check "the nested domain is still there" '[.items[].id] == ["n0", "s2"]'
expect 200 -c . GET "$base/veventqs/eq0/events"
check "the event from before" '.items[0].data[0] == "0x1f0000000010"'

title "The tombstone keeps its ID; the virtual ID is free again"
expect 200 -c '{id, tombstones}' GET "$base/contexts/default"
check "it is listed" '.tombstones == [$id]' --argjson id "$tombstone"
expect 201 -c '{id, object_id, virt_id}' PUT "$base/vdevs/vd1" '{"viommu":"v0","device":"gpu1","virt_id":"0x1f00"}'
check "the new vdev has another ID under the same virtual ID" \
  '.object_id != $id and .virt_id == "0x1f00"' --argjson id "$tombstone"

title "The device comes back, and may be attached again"
expect 201 -c '{id, attachment, vdev}' PUT "$base/devices/gpu0" '{"smmu":"smmu0","stream_id":16}'
expect 422 -c '{code, errno, detail}' PUT "$base/devices/gpu0/attachment" '{"domain":"n0"}'
expect 201 -c '{id, virt_id}' PUT "$base/vdevs/vd2" '{"viommu":"v0","device":"gpu0","virt_id":"0x1f08"}'
expect 200 -c '{id, attachment, vdev}' PUT "$base/devices/gpu0/attachment" '{"domain":"n0"}'
expect 200 -c '{disposition, viommu, virt_id}' POST "$base/devices/gpu0/hardware-events" \
  '{"record":["0x10","0x0","0x80001000","0x0"]}'
check "its events go by the new virtual ID" '.virt_id == "0x1f08"'
