// SPDX-License-Identifier: Apache-2.0

/// Requests that together are answered with every member that an answer can have.
enum Script {
  /// Schemas of what clients send, and of what no request in process can bring about.
  static func isAboutRequests(_ schema: String) -> Bool {
    schema.hasSuffix("Create") || schema.hasSuffix("Request") || requestSchemas.contains(schema)
  }

  private static let requestSchemas: Set<String> = [
    "AttachTarget", "HardwareEvent", "FaultResponses", "Batch", "BatchOperation", "BatchAssertion",
    "CommandFields", "QueueBye", "QueueMark",
  ]

  private static let collections = [
    "smmus", "contexts", "devices", "ioas", "domains", "viommus", "vdevs", "hw-queues", "veventqs",
    "fault-queues", "accesses",
  ]

  /// To a host with what the examples speak of on it.
  static let requests: [(String, String, String)] =
    collections.map { ("GET", "/v1/\($0)?limit=1", "") } + [
      ("GET", "/v1/smmus/smmu0", ""), ("GET", "/v1/contexts/default", ""),
      ("GET", "/v1/devices/gpu0", ""), ("GET", "/v1/devices/nic0", ""),
      ("GET", "/v1/ioas/guest-memory", ""), ("GET", "/v1/ioas/guest-memory/mappings?limit=1", ""),
      ("GET", "/v1/domains/stage1", ""), ("GET", "/v1/domains/nested0", ""),
      ("GET", "/v1/viommus/v0", ""), ("GET", "/v1/vdevs/vd0", ""),
      ("GET", "/v1/hw-queues/vcmdq0", ""), ("GET", "/v1/fault-queues/faults0", ""),
      ("GET", "/v1/viommus/v0/explain", ""), ("GET", "/v1/graph", ""),
      ("GET", "/v1/graph?format=dot", ""), ("GET", "/v1/graph?format=mermaid", ""),
      ("GET", "/v1/veventqs/events0/events", ""), ("GET", "/v1/fault-queues/faults0/faults", ""),
      ("POST", "/v1/fault-queues/faults0/responses", responses),
      ("POST", "/v1/fault-queues/faults0/responses", #"{"bytes":""}"#),
      ("POST", "/v1/devices/gpu0/hardware-events", #"{"record":["0x10","0x0","0x0","0x0"]}"#),
      ("POST", "/v1/devices/nic0/hardware-events", #"{"record":["0x10","0x0","0x0","0x0"]}"#),
      ("POST", "/v1/devices/gpu0/page-requests", #"{"pages":[{"address":0}]}"#),
      ("GET", "/v1/veventqs/events0", ""), ("GET", "/v1/veventqs/events0/events?follow=true", ""),
      ("GET", "/v1/fault-queues/faults0/faults?follow=true", ""),
      ("POST", "/v1/ioas/host-memory/map", #"{"length":4096}"#),
      ("POST", "/v1/ioas/host-memory/unmap", #"{"iova":0,"length":"0xffffffffffffffff"}"#),
      ("PUT", "/v1/devices/nic0/attachment", #"{"domain":"stage1"}"#),
      ("DELETE", "/v1/devices/nic0/attachments/5", ""),
      ("PUT", "/v1/fault-queues/open", #"{"file":"open"}"#),
      ("DELETE", "/v1/fault-queues/open/file", ""),
      ("DELETE", "/v1/fault-queues/open", ""), ("DELETE", "/v1/fault-queues/open", ""),
      ("DELETE", "/v1/fault-queues/open?allow_missing=true", ""),
    ] + accesses + crowds + systemCalls + mock + linux + Hardware.requests + [
      ("DELETE", "/v1/viommus/v0", ""),
      ("DELETE", "/v1/viommus/v0?cascade=true&plan=\(digest)", ""),
      ("POST", "/v1/devices", #"{"stream_id":-1,"colour":"red"}"#), ("POST", "/v1/devices", "["),
      ("GET", "/v1/events?after=100000", ""), ("GET", "/v1/events?snapshot=true", ""),
      ("POST", "/v1/batch", batch),
      ("POST", "/v1/batch", #"{"operations":[{"method":"PATCH","path":"/v1"}]}"#),
      ("POST", "/v1/batch", #"{"operations":[{"method":"DELETE","path":"/v1/ioas"}]}"#),
      ("GET", "/v1/hosts", ""), ("GET", "/v1/hosts/default", ""),
      ("PUT", "/v1/hosts/t1", "{}"), ("PUT", "/v1/hosts/t1", "{}"),
      ("GET", "/v1/hosts?limit=1", ""), ("DELETE", "/v1/hosts/t1", ""),
      ("DELETE", "/v1/hosts/t1?allow_missing=true", ""), ("DELETE", "/v1/hosts/default", ""),
      ("GET", "/livez", ""), ("GET", "/readyz", ""), ("GET", "/version", ""),
      ("GET", "/metrics", ""), ("GET", "/openapi.json", ""), ("GET", "/openapi.yaml", ""),
    ]

  private static let accesses = [
    ("GET", "/v1/accesses/access0", ""), ("GET", "/v1/accesses/access0/explain", ""),
    ("POST", "/v1/accesses/access0/pins", #"{"iova":"0x100000","length":4096}"#),
    ("POST", "/v1/accesses/access0/pins", #"{"iova":"0x700000","length":4096}"#),
    ("DELETE", "/v1/accesses/access0/pins/0", ""), ("DELETE", "/v1/accesses/access0/pins/0", ""),
    ("PUT", "/v1/accesses/access0/ioas", #"{"ioas":"host-memory"}"#),
    ("PUT", "/v1/accesses/access1", #"{"ioas":"host-memory","pin":false}"#),
    ("DELETE", "/v1/accesses/access1", ""),
    ("POST", "/v1/ioas/host-memory/reserved", #"{"start":"0x8000000","length":4096}"#),
    ("POST", "/v1/ioas/host-memory/reserved", #"{"start":"0x8000000","length":0}"#),
  ]

  private static let systemCalls = [
    ("POST", "/v1/contexts/default/ioctl", ioctl("0x3b81", "0c0000000000000000000000")),
    ("POST", "/v1/contexts/default/ioctl", ioctl("0x3b80", "08000000f0ffff07")),
    ("POST", "/v1/contexts/default/ioctl", ioctl("0x3b96", "")),
    // There are more ranges than there is room for.
    (
      "POST", "/v1/contexts/default/ioctl",
      ioctl("0x3b84", "2000000003000000" + String(repeating: "0", count: 48))
    ),
    ("GET", "/v1/contexts/default/mmaps/1/0x0", ""),
    ("GET", "/v1/contexts/default/mmaps/1/0x4?width=64", ""),
    ("GET", "/v1/contexts/default/mmaps/7/0x0", ""),
    ("POST", "/v1/contexts/default/mmaps", #"{"offset":0,"length":4096}"#),
    ("POST", "/v1/contexts/default/mmaps/1/fork", ""),
    ("DELETE", "/v1/contexts/default/mmaps/2", ""), ("GET", "/v1/viommus/v0", ""),
    ("PUT", "/v1/contexts/closing", ""), ("PUT", "/v1/fault-queues/last", last),
    ("DELETE", "/v1/contexts/closing/file", ""), ("DELETE", "/v1/contexts/closing/file", ""),
    ("GET", "/v1/contexts/closing", ""), ("DELETE", "/v1/fault-queues/last/file", ""),
  ]

  private static func ioctl(_ number: String, _ argument: String) -> String {
    #"{"number":"\#(number)","argument":"\#(argument)","memory":[{"address":4096,"bytes":"2A"}]}"#
  }

  private static let last = #"{"context":"closing","file":"open"}"#

  /// The mock and the other kind of IOMMU.
  private static let mock = [
    ("PUT", "/v1/smmus/vtd0", #"{"driver":"intel-vtd"}"#), ("GET", "/v1/smmus/mock0", ""),
    ("PUT", "/v1/devices/pci0", #"{"smmu":"vtd0","stream_id":40}"#),
    ("POST", "/v1/devices/pci0/hardware-events", #"{"record":[0,0]}"#),
    ("GET", "/v1/devices/dut0", ""), ("GET", "/v1/domains/parent0", ""),
    ("GET", "/v1/domains/inner0", ""), ("GET", "/v1/domains/inner1", ""),
    ("GET", "/v1/viommus/w0", ""), ("GET", "/v1/vdevs/vdut0", ""),
    ("GET", "/v1/veventqs/signals0", ""), ("GET", "/v1/veventqs/signals0/events", ""),
    ("POST", "/v1/devices/dut0/hardware-events", #"{"record":[0]}"#),
    ("POST", "/v1/devices/dut0/hardware-events", #"{"record":[0,0]}"#),
    ("PUT", "/v1/devices/dut0/attachment", #"{"object_id":0}"#),
    ("PUT", "/v1/veventqs/silent", #"{"viommu":"w0","type":"7","depth":1}"#),
    ("GET", "/v1/veventqs?type=7", ""), ("GET", "/v1/veventqs?type=none", ""),
  ]

  /// A host on which an unmap is refused half way.
  private static let linux = [
    ("PUT", "/v1/hosts/k1", #"{"pin_policy":"linux","ioas":[{"id":"ram"}]}"#),
    ("POST", "/v1/hosts/k1/ioas/ram/map", #"{"iova":4096,"length":4096}"#),
    ("POST", "/v1/hosts/k1/ioas/ram/map", #"{"iova":8192,"length":8192}"#),
    ("POST", "/v1/hosts/k1/ioas/ram/unmap", #"{"iova":4096,"length":8192}"#),
    ("DELETE", "/v1/hosts/k1", ""),
  ]

  private static let responses = #"{"responses":[{"cookie":1,"code":"success"}]}"#
  private static let digest = "sha256:" + String(repeating: "0", count: 64)

  private static let batch = """
    {"operations":[{"assert":{"path":"/v1/devices/gpu0","exists":true}},\
    {"method":"PUT","path":"/v1/ioas/batch","body":{},"as":"new"},\
    {"method":"DELETE","path":"/v1/ioas/$new"}]}
    """

  /// What is left to be seen at the end of a host.
  static let ends: [(String, String, String)] = [
    ("DELETE", "/v1/veventqs/events0", ""), ("POST", "/v1/devices/gpu0/unplug", ""),
    ("GET", "/v1/contexts/default", ""), ("GET", "/v1/events", ""),
    ("POST", "/v1/reset", ""), ("GET", "/v1/events", ""),
  ]
}
