#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A DELETE that is refused says who pins the object, through whom, and which requests would free
# it. Those can be sent one by one, or carried out by the server in one step, if they are still
# the same.
. "$(dirname "$0")/lib.sh"
use_server

# The stack of one VM, in one batch; the last operation attaches the device.
stack() {
  expect 200 -c '{made: [.results[] | .location // .body.self], seq}' POST "$base/batch" '{"operations":[
    {"method":"PUT","path":"'"$base"'/ioas/ram","body":{}},
    {"method":"PUT","path":"'"$base"'/domains/s2","body":{"type":"paging","device":"gpu0","ioas":"ram","nest_parent":true}},
    {"method":"PUT","path":"'"$base"'/viommus/v0","body":{"type":"arm-smmuv3","device":"gpu0","domain":"s2"}},
    {"method":"PUT","path":"'"$base"'/vdevs/vd0","body":{"viommu":"v0","device":"gpu0","virt_id":"0x1f00"}},
    {"method":"PUT","path":"'"$base"'/domains/n0","body":{"type":"nested","device":"gpu0","viommu":"v0","ste":["0xb","0x0"]}},
    {"method":"PUT","path":"'"$base"'/devices/gpu0/attachment","body":{"domain":"n0"}}]}'
}

title "The stack of one VM"
new_host '{"devices":[{"id":"gpu0","smmu":"smmu0","stream_id":16},{"id":"gpu1","smmu":"smmu0","stream_id":17}]}'
stack

title "Refused: who pins it, through whom, and the way out"
expect 409 -j . DELETE "$base/viommus/v0"
check "the errno is the kernel's" '.code == "pinned" and .errno == "EBUSY"'
check "two objects hold it" '[.pinned_by[] | .id] == ["n0", "vd0"]'
check "every chain ends at the attached device" '[.chains[] | last.id] == ["gpu0", "gpu0"]'
check "the plan: detach, then the nested domain, then the vdev" '
  [.plan.steps[] | "\(.method) \(.path)"] == [
    "DELETE \($base)/devices/gpu0/attachment", "DELETE \($base)/domains/n0",
    "DELETE \($base)/vdevs/vd0"]' --arg base "$base"
refused=$body

title "The same without trying: explain"
expect 200 -c '{verb, allowed, digest: .plan.digest}' GET "$base/viommus/v0/explain?verb=delete"
same "explain has the plan of the refusal" \
  "$(field .plan.digest)" "$(jq -r .plan.digest <<<"$refused")"

title "The plan by hand, step by step"
while IFS=$'\t' read -r method path; do
  expect 200 -c . "$method" "$path"
done < <(jq -r '.plan.steps[] | [.method, .path] | @tsv' <<<"$refused")
expect 200 -c '{allowed, steps: .plan.steps}' GET "$base/viommus/v0/explain"
check "nothing is in the way any more" '.allowed and .plan.steps == []'
expect 200 -c . DELETE "$base/viommus/v0"

title "The plan by the server: first what it would do"
stack
expect 409 -c '{detail, digest: .plan.digest}' DELETE "$base/ioas/ram"
digest=$(field .plan.digest)
expect 200 -c . DELETE "$base/ioas/ram?cascade=true&plan=$digest&dry_run=true"
check "the receipt: what would go, in that order" \
  '[.deleted[].id] == ["n0", "vd0", "v0", "s2", "ram"]'
would=$(field '.deleted | tojson')
expect 200 -c '{id, attachment}' GET "$base/devices/gpu0"
check "a dry run changes nothing" '.attachment.domain == "n0"'

title "Meanwhile somebody adds a vdev: the plan is no longer the one that was agreed to"
expect 201 -c '{id, virt_id}' POST "$base/vdevs" \
  '{"id":"vd1","viommu":"v0","device":"gpu1","virt_id":"0x1f01"}'
expect 412 -c '{code, steps: [.plan.steps[].path]}' DELETE "$base/ioas/ram?cascade=true&plan=$digest"
check "412 with the new plan" '.code == "plan_changed" and (.plan.digest != $old)' --arg old "$digest"
digest=$(field .plan.digest)
expect 200 -c '{id}' GET "$base/ioas/ram"

title "All of the new plan, or nothing, in one transaction of the log"
expect 200 -c '{seq}' GET "$base"
before=$(field .seq)
expect 200 -c . DELETE "$base/ioas/ram?cascade=true&plan=$digest"
check "the same receipt, with the new vdev in it" \
  '(.deleted - [{kind: "vdev", id: "vd1"}]) == ($would | fromjson)' --arg would "$would"
expect 200 GET "$base/events?after=$before"
printf '%s\n' "$body" | jq -c 'select(.txn) | {seq, txn, type, id: .object.id}'
body=$(jq -s '[.[] | select(.txn)]' <<<"$body")
check "seven events, one transaction" 'length == 7 and ([.[].txn] | unique | length) == 1'
