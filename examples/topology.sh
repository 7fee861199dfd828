#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A server that starts with hosts, SMMUs and devices from a file: topology.json. It starts a
# server of its own, whatever VIOMMUD_URL says.
. "$(dirname "$0")/lib.sh"
need curl jq

title "viommud --topology examples/topology.json"
start_server --log-level warning --topology "$examples/topology.json"
printf 'VIOMMUD_URL=%s\n' "$VIOMMUD_URL"
expect 200 -c '.items[] | {id, pin_policy, objects: (.objects | {smmus, contexts, devices, ioas})}' GET /v1/hosts
check "the three hosts of the file" '[.items[].id] == ["as-linux", "default", "two-smmus"]'
expect 200 -c '.items[] | {id, stream_id, ats, pri, pasid_bits}' GET /v1/devices
check "the devices of the default host" '[.items[].id] == ["gpu0", "nic0"]'

title "Two SMMUs: a domain of one is no parent on the other, and contexts never mix"
expect 200 -c '.items[] | {id, cmdqv, stream_id_bits, oas: .features.oas}' GET /v1/hosts/two-smmus/smmus
expect 422 -c '{errno, detail}' POST /v1/hosts/two-smmus/domains \
  '{"type":"paging","device":"disk0","ioas":"ram-a","nest_parent":true}'
check "an ID from another file is no ID: EINVAL, as the kernel has it here" '.errno == "EINVAL"'
expect 201 -c '{id, context, hardware}' POST /v1/hosts/two-smmus/domains \
  '{"id":"s2","type":"paging","device":"disk0","ioas":"ram-b","nest_parent":true}'
check "the context comes from what an object refers to" '.context == "vm-b"'
expect 422 -c '{code, errno, detail}' POST /v1/hosts/two-smmus/viommus \
  '{"type":"tegra241-cmdqv","device":"disk0","domain":"s2"}'
check "the second SMMU has no CMDQV" '.code == "unsupported" and .errno == "EOPNOTSUPP"'
expect 201 -c '{id, hardware}' POST /v1/hosts/two-smmus/viommus \
  '{"id":"v0","type":"arm-smmuv3","device":"disk0","domain":"s2"}'
expect 422 -c '{code, errno, detail}' POST /v1/hosts/two-smmus/vdevs \
  '{"viommu":"v0","device":"bridge0","virt_id":"0x4"}'
check "a device with several streams cannot be a vdev" '.errno == "EOPNOTSUPP"'

title "A reset takes the host back to the file"
expect 200 -c '{id, objects}' POST /v1/hosts/two-smmus/reset
check "devices are there, the domain is gone" '.objects.devices == 3 and .objects.domains == 0'

title "A file with mistakes: all of them at once, by JSON Pointer, and exit code 65"
cat >"$work/bad.json" <<'JSON'
{"hosts": [{"id": "a", "smmu": []},
           {"devices": [{"smmu": "smmu0", "stream_id": -1}]}]}
JSON
cat "$work/bad.json"
code=0
"$(find_program)" --listen 127.0.0.1:0 --topology "$work/bad.json" 2>"$work/errors" || code=$?
sed "s|$work/||" "$work/errors"
same "exit code" "$code" 65
same "three mistakes" "$(grep -c '^viommud: ' "$work/errors")" 3
