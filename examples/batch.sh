#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Many operations, all or none, in one transaction: a later one says $name for what an earlier
# one made, and assertions stop the whole when the world is not as they say.
. "$(dirname "$0")/lib.sh"
use_server

title "A host with a device"
new_host '{"devices":[{"id":"gpu0","smmu":"smmu0","stream_id":16}]}'

title "A VM's stack under names that the server makes up"
expect 200 -c '{made: [.results[] | [.status, .location // .body.self]], seq}' POST "$base/batch" '{"operations":[
    {"method":"POST","path":"'"$base"'/ioas","as":"ram"},
    {"method":"POST","path":"'"$base"'/ioas/$ram/map","body":{"iova":"0x80000000","length":"0x200000"}},
    {"method":"POST","path":"'"$base"'/domains","as":"s2",
     "body":{"type":"paging","device":"gpu0","ioas":"$ram","nest_parent":true}},
    {"method":"POST","path":"'"$base"'/viommus","as":"v",
     "body":{"type":"tegra241-cmdqv","device":"gpu0","domain":"$s2"}},
    {"method":"POST","path":"'"$base"'/vdevs","as":"vd","body":{"viommu":"$v","device":"gpu0","virt_id":"0x1f00"}},
    {"method":"POST","path":"'"$base"'/domains","as":"n",
     "body":{"type":"nested","device":"gpu0","viommu":"$v","ste":["0xb","0x0"]}},
    {"assert":{"path":"'"$base"'/vdevs/$vd","fields":{"viommu":"$v","virt_id":"0x1f00"}}},
    {"method":"PUT","path":"'"$base"'/devices/gpu0/attachment","body":{"domain":"$n"}},
    {"assert":{"path":"'"$base"'/devices/gpu0","fields":{"attachment":{"domain":"$n"}}}}]}'
check "a result for each operation, assertions too" '.results | length == 9'
viommu=$(field '.results[3].body.id')
vdev=$(field '.results[4].body.id')
seq=$(field .seq)
expect 200 -c '{attachment, vdev}' GET "$base/devices/gpu0"
check "the names were filled in" '.vdev == $vdev' --arg vdev "$vdev"
expect 200 GET "$base/events?after=5"
body=$(jq -s '[.[] | select(.txn) | .txn] | unique' <<<"$body")
check "all of it was one transaction" 'length == 1'

title "One operation fails: none has happened, and the answer says which and where"
expect 422 -c '{code, operation, errors}' POST "$base/batch" '{"operations":[
    {"method":"POST","path":"'"$base"'/ioas","as":"new"},
    {"method":"DELETE","path":"'"$base"'/devices/gpu0/attachment"},
    {"method":"POST","path":"'"$base"'/vdevs","body":{"viommu":"nowhere","device":"gpu0","virt_id":"0x1"}}]}'
check "the third, in its field viommu" \
  '.operation == "/operations/2" and .errors[0].pointer == "/operations/2/body/viommu"'
expect 200 -c '{attachment}' GET "$base/devices/gpu0"
check "still attached" '.attachment != null'
expect 200 -c '{ids: [.items[].id]}' GET "$base/ioas"
check "and no new address space" '.items | length == 1'

title "An assertion does not hold"
expect 412 -c '{code, operation, detail}' POST "$base/batch" '{"operations":[
    {"assert":{"path":"'"$base"'/viommus/'"$viommu"'","exists":false}},
    {"method":"PUT","path":"'"$base"'/ioas/other","body":{}}]}'
check "412" '.code == "precondition_failed" and .operation == "/operations/0"'

title "A name that nothing was given"
expect 422 -c '{code, operation, detail}' POST "$base/batch" '{"operations":[
    {"method":"DELETE","path":"'"$base"'/ioas/$nobody"}]}'

title "Tear down and build again, without a moment in between; tried out first"
operations='{"operations":[
    {"method":"DELETE","path":"'"$base/viommus/$viommu"'?cascade=true"},
    {"assert":{"path":"'"$base/vdevs/$vdev"'","exists":false}},
    {"method":"POST","path":"'"$base"'/viommus","as":"v",
     "body":{"type":"arm-smmuv3","device":"gpu0","domain":"domain-1"}},
    {"method":"POST","path":"'"$base"'/vdevs","as":"vd","body":{"viommu":"$v","device":"gpu0","virt_id":"0x1f00"}}]}'
expect 200 -c '[.results[] | .body.deleted // .location // .status]' POST "$base/batch?dry_run=true" "$operations"
expect 200 -c '{seq}' GET "$base"
check "nothing has happened" '.seq == $seq' --argjson seq "$seq"
expect 200 -c '[.results[] | .body.deleted // .location // .status]' POST "$base/batch" "$operations"

title "Sent again with the same key, it is answered again and not carried out again"
key=nightly-$$
expect 200 -c .seq POST "$base/batch" '{"operations":[{"method":"POST","path":"'"$base"'/ioas"}]}' \
  -H "Idempotency-Key: $key"
first=$body
expect 200 -c .seq POST "$base/batch" '{"operations":[{"method":"POST","path":"'"$base"'/ioas"}]}' \
  -H "Idempotency-Key: $key"
same "the same answer" "$body" "$first"
same "which says that it is one" "$(grep -ic '^idempotent-replayed: true' "$work/head")" 1
expect 200 -c '{ids: [.items[].id]}' GET "$base/ioas"
check "there is one more address space, not two" '.items | length == 2'
