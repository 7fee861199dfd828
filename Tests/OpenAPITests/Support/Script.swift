// SPDX-License-Identifier: Apache-2.0

/// Requests that together are answered with every member that an answer can have.
enum Script {
  /// Schemas of what clients send, and of what no request in process can bring about.
  static func isAboutRequests(_ schema: String) -> Bool {
    schema.hasSuffix("Create") || schema.hasSuffix("Request") || requestSchemas.contains(schema)
  }

  private static let requestSchemas: Set<String> = [
    "AttachTarget", "HardwareEvent", "FaultResponses", "Batch", "BatchOperation", "BatchAssertion",
    "QueueBye", "QueueMark",
  ]

  private static let collections = [
    "smmus", "contexts", "devices", "ioas", "domains", "viommus", "vdevs", "hw-queues", "veventqs",
    "fault-queues",
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
