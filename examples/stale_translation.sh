#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A guest changes a page table and forgets to invalidate: its device goes on with the translation
# that the SMMU has cached. The emulator holds what was used against the tables, and the answer to
# the DMA names the command that is missing.
. "$(dirname "$0")/lib.sh"
use_server

# put ADDRESS WORD...: the guest writes 64-bit words to its memory.
put() {
  local address=$1
  shift
  printf '%b' "$(le64 "$@" | sed 's/../\\x&/g')" >"$work/words"
  printf '\n# %s = %s' "$address" "$*"
  expect 200 -c . PUT "$base/ioas/ram/memory?iova=$address" '' \
    -H 'Content-Type: application/octet-stream' --data-binary "@$work/words"
}

title "A VM with 4 MiB of memory and a device; the log is to have stale translations"
new_host '{"record_stale_translations":true,"smmus":[{"id":"smmu0","cmdqv":null}]}'
expect 200 -c '[.results[].status]' POST "$base/batch" '{"operations":[
    {"method":"PUT","path":"'"$base"'/devices/gpu0","body":{"smmu":"smmu0","stream_id":66}},
    {"method":"PUT","path":"'"$base"'/ioas/ram","body":{}},
    {"method":"POST","path":"'"$base"'/ioas/ram/map","body":{"iova":"0x40000000","length":"0x400000"}},
    {"method":"PUT","path":"'"$base"'/domains/s2","body":{"type":"paging","device":"gpu0","ioas":"ram","nest_parent":true}},
    {"method":"PUT","path":"'"$base"'/viommus/v0","body":{"type":"arm-smmuv3","device":"gpu0","domain":"s2"}},
    {"method":"PUT","path":"'"$base"'/vdevs/vd0","body":{"viommu":"v0","device":"gpu0","virt_id":16}}]}'

title "The guest's tables: a context descriptor (ASID 5), three levels, one page"
put 0x40000000 0x5e205c0003519 0x40001000 0 0x4ff44
put 0x40001000 0x40002003
put 0x40002000 0x40003003
put 0x40003000 0x40010f47
expect 201 -c '{id, ste}' POST "$base/domains" \
  '{"id":"n0","type":"nested","device":"gpu0","viommu":"v0","ste":["0x4000000b","0xd6"]}'
expect 200 -c .attachment PUT "$base/devices/gpu0/attachment" '{"domain":"n0"}'

title "The device writes to its address 0, which is the guest's page 0x40010000"
dma='{"iova":"0x0","access":"write","data":"cafe"}'
expect 200 -c '{outcome, translation, stale}' POST "$base/devices/gpu0/dma" "$dma"
check "done, and nothing is stale" '.outcome == "done" and .stale == null'
old=$(field .translation.physical)

title "The guest moves the page to 0x40011000, and forgets the invalidation"
put 0x40003000 0x40011f47
changed=$(field .seq)
expect 200 -c '{outcome, translation, stale}' POST "$base/devices/gpu0/dma" "$dma"
same "the write has gone to the old page" "$(field .translation.physical)" "$old"
check "the answer says so: the TLB is stale since that change" \
  '.stale.cache == "tlb" and .stale.since == $seq' --argjson seq "$changed"
check "and the command that is missing" \
  '.stale.missing | .name == "TLBI_NH_VA" and .fields.asid == "0x5" and .fields.address == "0x0"'
missing=$(field '{commands: [.stale.missing.words]} | tojson')

title "Sent by the guest, by way of its VMM"
expect 200 -c . POST "$base/viommus/v0/invalidate" "$missing"
expect 200 -c '{outcome, translation, stale}' POST "$base/devices/gpu0/dma" "$dma"
check "it is gone, and the write goes where it should" \
  '.stale == null and .translation.physical != $old' --arg old "$old"

title "The log has each use of a stale translation"
expect 200 GET "$base/events?type=smmu.stale_translation_used"
printf '%s\n' "$body" | jq -c 'select(.prev >= 0) | .data | {device, iova, cache, since, missing: .missing.name}'
same "there was one" "$(jq -s 'map(select(.type | startswith("smmu."))) | length' <<<"$body")" 1
