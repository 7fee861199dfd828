// SPDX-License-Identifier: Apache-2.0

/// The words that requests are made of. They cover enough of the API for many requests to mean
/// something.
enum Vocabulary {
  static let methods = [
    "GET", "GET", "GET", "POST", "POST", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH",
    "TRACE", "get", "BREW",
  ]

  static let versions = [
    "HTTP/1.0", "HTTP/1.2", "HTTP/2.0", "HTTP/0.9", "HTTP/1.1 ", "http/1.1", "",
  ]

  static let collections = [
    "smmus", "contexts", "devices", "ioas", "domains", "viommus", "vdevs", "hw-queues",
    "veventqs", "fault-queues", "events", "graph", "batch", "hosts", "livez", "readyz", "version",
    "metrics", "openapi.json", "reset", "", "nothing",
  ]

  static let identifiers = [
    "smmu0", "default", "dev0", "ioas-1", "domain-1", "viommu-1", "vdev-1", "x", "%2e%2e", "a%2Fb",
    String(repeating: "long", count: 40),
  ]

  static let actions = [
    "attachment", "attachments/1", "dma", "hardware-events", "page-requests", "traffic", "unplug",
    "map", "unmap", "mappings", "memory", "invalidate", "submit", "mmio/0x0", "events", "faults",
    "responses", "explain",
  ]

  static let queries = [
    "limit=1", "limit=0", "limit=-1", "limit=99999999999999999999", "cursor=x", "after=1",
    "follow=true", "after=0&follow=true", "dry_run=true", "cascade=true", "allow_missing=true",
    "iova=0x0&length=4096", "iova=0xffffffffffffffff&length=0xffffffffffffffff", "verb=delete",
    "format=dot", "width=64", "a=%00", "a=%zz", "&&&&", "=", "snapshot=true&follow=true",
  ]

  static let fields = [
    "Accept: text/event-stream", "Accept: */*", "Accept: x", "Content-Type: application/json",
    "Content-Type: text/plain", "If-Match: \"1\"", "If-None-Match: *", "Idempotency-Key: k",
    "Last-Event-ID: 1", "X-Request-ID: fuzz", "Expect: 100-continue", "Connection: close",
    "Connection: keep-alive", "Content-Length: 5", "Content-Length : 5", "Content-Length: 0",
    "Transfer-Encoding: chunked", "Transfer-Encoding: gzip", "Host: other", "Upgrade: h2c",
    "Cookie: a=b; c=d", "X: y\r\n folded", ": no name", "no colon",
    "X-Long: " + String(repeating: "v", count: 5000),
  ]

  /// Requests that make objects and remove them again, each as its method, its target and its body.
  static let plausible = [
    "POST /v1/reset", "GET /v1/graph", "GET /v1/events?after=0", "GET /v1/devices?limit=2",
    "POST /v1/devices {\"id\":\"dev0\",\"smmu\":\"smmu0\",\"stream_id\":8}",
    "POST /v1/devices {\"id\":\"dev1\",\"smmu\":\"smmu0\",\"stream_id\":9,\"ats\":true}",
    "POST /v1/ioas {\"id\":\"i0\"}", "PUT /v1/ioas/i0 {}", "DELETE /v1/ioas/i0",
    "POST /v1/domains "
      + #"{"id":"d0","type":"paging","device":"dev0","ioas":"i0","nest_parent":true}"#,
    "POST /v1/viommus "
      + "{\"id\":\"v0\",\"type\":\"tegra241-cmdqv\",\"device\":\"dev0\",\"domain\":\"d0\"}",
    "POST /v1/vdevs {\"id\":\"vd0\",\"viommu\":\"v0\",\"device\":\"dev0\",\"virt_id\":\"0x10\"}",
    "POST /v1/domains "
      + #"{"id":"n0","type":"nested","device":"dev0","viommu":"v0","ste":["0xb","0x0"]}"#,
    "POST /v1/veventqs {\"id\":\"q0\",\"viommu\":\"v0\",\"type\":\"arm-smmuv3\",\"depth\":4}",
    "PUT /v1/devices/dev0/attachment {\"domain\":\"n0\"}",
    "PUT /v1/devices/dev0/attachment {\"ioas\":\"i0\"}", "DELETE /v1/devices/dev0/attachment",
    "POST /v1/ioas/i0/map {\"iova\":\"0x10000\",\"length\":65536}",
    "POST /v1/ioas/i0/unmap {\"iova\":\"0x10000\",\"length\":65536}",
    "POST /v1/devices/dev0/dma {\"iova\":\"0x10000\",\"access\":\"read\",\"length\":8}",
    "POST /v1/devices/dev0/unplug", "DELETE /v1/viommus/v0?cascade=true",
    "DELETE /v1/devices/dev0", "GET /v1/viommus/v0/explain?verb=delete",
    "GET /v1/veventqs/q0/events", "GET /v1/smmus/smmu0/mmio/0x20?width=32",
  ]

  static let bodies = [
    "", "{}", "[]", "null", "0", "\"\"", "{\"id\":\"dev0\",\"smmu\":\"smmu0\",\"stream_id\":8}",
    "{\"id\":\"a\",\"smmu\":\"smmu0\",\"stream_id\":4294967295,\"ats\":true,\"pasid_bits\":20}",
    "{\"type\":\"paging\",\"device\":\"dev0\",\"ioas\":\"ioas-1\",\"nest_parent\":true}",
    "{\"type\":\"nested\",\"device\":\"dev0\",\"viommu\":\"viommu-1\",\"ste\":[\"0x1\",\"0x0\"]}",
    "{\"type\":\"arm-smmuv3\",\"device\":\"dev0\",\"domain\":\"domain-1\"}",
    "{\"type\":\"tegra241-cmdqv\",\"device\":\"dev0\",\"domain\":\"domain-1\"}",
    "{\"viommu\":\"viommu-1\",\"device\":\"dev0\",\"virt_id\":\"0xffffffffffffffff\"}",
    "{\"viommu\":\"viommu-1\",\"type\":\"arm-smmuv3\",\"depth\":1}",
    "{\"iova\":\"0x1000\",\"length\":\"0x1000\",\"access\":\"read\"}",
    "{\"iova\":\"0xfffffffffffff000\",\"length\":18446744073709551615,\"prot\":[\"read\"]}",
    "{\"domain\":\"domain-1\"}", "{\"ioas\":\"ioas-1\"}", "{\"unknown\":1,\"unknown\":2}",
    "{\"operations\":[{\"method\":\"POST\",\"path\":\"/v1/ioas\",\"body\":{},\"as\":\"a\"}]}",
    "{\"commands\":[{\"raw\":[\"0x0\",\"0x0\"]}]}", "{\"id\":\"t1\",\"pin_policy\":\"linux\"}",
    String(repeating: "[", count: 100) + String(repeating: "]", count: 100),
  ]
}
