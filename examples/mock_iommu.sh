#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The IOMMU of the kernel's self-tests: domains nested on a parent without a vIOMMU between, events
# that say nothing but a virtual ID, and words that a guest's invalidations clear.
. "$(dirname "$0")/lib.sh"
use_server

title "A host with the mock: a device has a second object ID, for what the self-test keeps of it"
new_host '{"smmus":[{"id":"smmu0","driver":"mock"}],
  "devices":[{"id":"dut0","smmu":"smmu0","stream_id":1,"pasid_bits":20}],"ioas":[{"id":"ram"}]}'
expect 200 -c '{id, object_id, hardware}' GET "$base/devices/dut0"
check "1 is the self-test's, 2 the device's" '.hardware.selftest_id == 1 and .object_id == 2'
expect 201 -c '{id, object_id}' PUT "$base/domains/s2" \
  '{"type":"paging","device":"dut0","ioas":"ram","nest_parent":true}'

title "Nested directly on the parent: the word of the guest fills four"
expect 201 -c '{id, object_id, domain, iotlb, hardware}' PUT "$base/domains/direct" \
  '{"type":"nested","device":"dut0","domain":"s2","iotlb":"0x2a"}'
direct=$(field .object_id)
expect 200 -c .attachment PUT "$base/devices/dut0/attachment" "{\"object_id\":$direct}"
check "an object ID will do for a name" '.attachment.domain == "direct"'
expect 409 -c '{errno, detail, plan: [.plan.steps[].path]}' DELETE "$base/domains/s2"
check "the nested domain pins its parent" '.pinned_by[0].why == "domain.domain"'

# invalidate STATUS ID TYPE ENTRY-LENGTH ENTRIES: IOMMU_HWPT_INVALIDATE, whose argument is
# {u32 size, hwpt_id; u64 data_uptr; u32 data_type, entry_len, entry_num, __reserved}.
invalidate() {
  local count=$((${#5} / 2 / $4))
  expect "$1" -c '{errno, detail, argument}' POST "$base/contexts/default/ioctl" \
    "{\"number\":\"0x3b8d\",
  \"argument\":\"$(le32 32 "$2")$(le64 0x1000)$(le32 "$3" "$4" "$count" 0)\",
  \"memory\":[{\"address\":\"0x1000\",\"bytes\":\"$5\"}]}"
}

title "The guest invalidates one word, then all: entries {flags, word}"
invalidate 200 "$direct" 0xdeadbeef 8 "$(le32 0 2)"
same "entries that were handled" "$(read32 "$(field .argument)" 24)" 1
expect 200 -c .hardware GET "$base/domains/direct"
check "word 2 is cleared" '.hardware.iotlb == ["0x2a", "0x2a", "0x0", "0x2a"]'
invalidate 200 "$direct" 0xdeadbeef 8 "$(le32 1 0)"
expect 200 -c .hardware GET "$base/domains/direct"
check "all are" '.hardware.iotlb == ["0x0", "0x0", "0x0", "0x0"]'

title "Nested on a vIOMMU: no attach without a vdev"
expect 201 -c '{id, object_id, type}' PUT "$base/viommus/v0" \
  '{"type":"selftest","device":"dut0","domain":"s2"}'
viommu=$(field .object_id)
expect 201 -c '{id, viommu, iotlb}' PUT "$base/domains/inner" \
  '{"type":"nested","device":"dut0","viommu":"v0","iotlb":7}'
expect 422 -c '{errno, detail}' PUT "$base/devices/dut0/attachment" '{"domain":"inner"}'
check "there is no vdev yet" '.errno == "ENOENT"'
expect 201 -c '{id, virt_id}' PUT "$base/vdevs/vd0" '{"viommu":"v0","device":"dut0","virt_id":"0x99"}'
expect 200 -c '{attachment, hardware}' PUT "$base/devices/dut0/attachment" '{"domain":"inner"}'

title "Events bear the virtual ID, 8 bytes of header and 4 of data"
expect 200 -c '{disposition, errno}' POST "$base/devices/dut0/hardware-events" '{"record":[0]}'
check "without a queue the trigger fails" '.disposition == "logged" and .errno == "EOPNOTSUPP"'
expect 201 -c '{id, type, poll}' PUT "$base/veventqs/eq0" '{"viommu":"v0","type":"selftest","depth":2}'
expect 200 -c '{disposition, viommu, virt_id}' POST "$base/devices/dut0/hardware-events" '{"record":[0]}'
expect 200 -c '{poll, pending}' GET "$base/veventqs/eq0"
check "poll(2) says that there is something" '.poll == ["in"]'
expect 200 -c . GET "$base/veventqs/eq0/events"
check "it is of 0x99" '.items[0].data == ["0x99"] and .bytes == 12'

title "On a vIOMMU entries name a vdev too: {flags, virtual ID, word}; the second one is wrong"
invalidate 422 "$viommu" 0xdeadbeef 12 "$(le32 0 0x99 1)$(le32 0 0x99 4)"
check "there are words 0 to 3" '.errno == "EINVAL"'
same "what was done before stands" "$(read32 "$(field .argument)" 24)" 1
expect 200 -c .hardware.cache GET "$base/devices/dut0"
check "word 1 of the device is cleared" '.hardware.cache == ["0xbaddad", "0x0", "0xbaddad", "0xbaddad"]'
