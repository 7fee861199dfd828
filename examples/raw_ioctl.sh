#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The kernel's own ABI: the bytes of a command's argument, the errno, and what is written back.
# What is made that way is an object as any other.
. "$(dirname "$0")/lib.sh"
use_server

# ioctl STATUS NUMBER ARGUMENT [MORE]: makes a system call; MORE are further members of the body.
ioctl() {
  expect "$1" -c 'with_entries(select(.key | IN("errno", "detail", "argument", "memory", "created")))' \
    POST "$base/contexts/default/ioctl" "{\"number\":\"$2\",\"argument\":\"$3\"${4:-}}"
}

title "A device, which has the object ID 1"
new_host '{"devices":[{"id":"gpu0","smmu":"smmu0","stream_id":16}]}'
expect 200 -c '{id, object_id}' GET "$base/devices/gpu0"

title "IOMMU_IOAS_ALLOC, {u32 size, flags, out_ioas_id}: the ID is written back"
ioctl 200 0x3b81 "$(le32 12 0 0)" ',"id":"ram"'
check "the object has a name too" '.created.kind == "ioas" and .created.id == "ram"'
ioas=$(read32 "$(field .argument)" 8)
expect 200 -c '{id, object_id}' GET "$(field .created.self)"
check "and the ID that was written" ".object_id == $ioas"

title "What every command checks first"
ioctl 422 0x3b96 "$(le32 8 0)"
check "a number that is no command" '.errno == "ENOTTY"'
ioctl 422 0x3b81 "$(le32 8 0)"
check "shorter than the first version of the struct" '.errno == "EINVAL"'
ioctl 422 0x3b81 "$(le32 12 0)"
check "shorter than its size says" '.errno == "EFAULT"'
ioctl 422 0x3b81 "$(le32 16 0 0 1)"
check "something behind the end" '.errno == "E2BIG"'
ioctl 422 0x3b81 "$(le32 12 1 0)"
check "a flag that nobody knows" '.errno == "EOPNOTSUPP"'

title "IOMMU_HWPT_ALLOC, {u32 size, flags, dev_id, pt_id, out_hwpt_id, __reserved}: a nesting parent"
ioctl 200 0x3b89 "$(le32 24 1 1 "$ioas" 0 0)"
check "the server has made a name" '.created == {kind: "domain", id: "domain-1", self: "\($base)/domains/domain-1"}' \
  --arg base "$base"
hwpt=$(read32 "$(field .argument)" 16)
expect 200 -c '{id, ioas, nest_parent, object_id}' GET "$base/domains/domain-1"
ioctl 422 0x3b89 "$(le32 24 1 1 99 0 0)"
check "a page table that is not there" '.errno == "EINVAL"'
ioctl 422 0x3b89 "$(le32 24 0 99 "$ioas" 0 0)"
check "a device that is not there" '.errno == "ENOENT"'

title "IOMMU_GET_HW_INFO: a pointer leads to memory that is sent along"
info="$(le32 40 0 1 8)$(le64 0x1000)$(le32 0 0)$(le64 0)"
ioctl 200 0x3b8a "$info" ',"memory":[{"address":"0x1000","bytes":"ffffffffffffffff"}]'
check "the server has written there" '.memory[0].bytes == "0000000000000000"'
same "there would have been 40 bytes" "$(read32 "$(field .argument)" 12)" 40
ioctl 422 0x3b8a "$info"
check "without the memory" '.errno == "EFAULT"'

title "IOMMU_IOAS_IOVA_RANGES with room for none: it fails, and says how many there are"
ioctl 422 0x3b84 "$(le32 32 "$ioas" 0 0)$(le64 0 0)"
check "the refusal has the argument" '.errno == "EMSGSIZE" and .created == null'
same "one range" "$(read32 "$(field .argument)" 8)" 1

title "IOMMU_DESTROY, {u32 size, id}"
ioctl 409 0x3b80 "$(le32 8 "$ioas")"
check "the domain holds it, as a DELETE would say" '.errno == "EBUSY" and .pinned_by[0].id == "domain-1"'
ioctl 200 0x3b80 "$(le32 8 "$hwpt")"
expect 404 -c .errno GET "$base/domains/domain-1"
ioctl 200 0x3b80 "$(le32 8 "$ioas")"
ioctl 422 0x3b80 "$(le32 8 "$ioas")"
check "once is enough" '.errno == "ENOENT"'
