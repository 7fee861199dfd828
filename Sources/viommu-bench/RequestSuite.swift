// SPDX-License-Identifier: Apache-2.0

/// Requests a second, beside the ceiling's.
struct RequestSuite {
  let viommud: String
  let ceiling: String
  let rounds: Int
  let seconds: Double
  let connections: [Int]

  func run() throws {
    let ceiling = try Program.ceiling(self.ceiling)
    let viommud = try Program.viommud(self.viommud)
    try prepare(Client(port: viommud.port))
    Table.title("Requests a second: medians of \(rounds) interleaved rounds of \(seconds) s")
    Table.row("", "connections", "ceiling", "viommud", "ratio")
    for workload in RequestSuite.workloads {
      for count in connections {
        var ours: [Double] = []
        var theirs: [Double] = []
        let us = try LoadGenerator(port: viommud.port, connections: count, workload: workload)
        let them = try LoadGenerator(
          port: ceiling.port, connections: count, workload: workload.anyStatus)
        for _ in 0..<rounds {
          theirs.append(try them.run(seconds: seconds))
          ours.append(try us.run(seconds: seconds))
        }
        let ratio = median(zip(ours, theirs).map { $0 / $1 })
        Table.row(
          workload.name, "\(count)", Table.number(median(theirs)), Table.number(median(ours)),
          Table.fraction(ratio))
      }
    }
  }

  private static let workloads = [
    Workload(name: "GET one object") { _ in
      [.init(request: Request.text("GET", "/v1/ioas/one"), status: 200)]
    },
    Workload(name: "POST, DELETE an ioas") { index in
      [
        .init(request: Request.text("POST", "/v1/ioas", "{\"id\":\"b\(index)\"}"), status: 201),
        .init(request: Request.text("DELETE", "/v1/ioas/b\(index)"), status: 200),
      ]
    },
    Workload(name: "DELETE, 409 and chains") { _ in
      [.init(request: Request.text("DELETE", "/v1/viommus/v0"), status: 409)]
    },
  ]

  /// A chain from an attached device down to its memory, and an object that nothing pins.
  private func prepare(_ client: Client) throws {
    try client.expect(201, "POST", "/v1/ioas", "{\"id\":\"one\"}")
    let device = "{\"id\":\"gpu0\",\"smmu\":\"smmu0\",\"stream_id\":16}"
    try client.expect(201, "POST", "/v1/devices", device)
    try client.expect(201, "POST", "/v1/ioas", "{\"id\":\"ram\"}")
    let parent =
      "{\"id\":\"s2\",\"type\":\"paging\",\"device\":\"gpu0\",\"ioas\":\"ram\",\"nest_parent\":true}"
    try client.expect(201, "POST", "/v1/domains", parent)
    let viommu = "{\"id\":\"v0\",\"type\":\"arm-smmuv3\",\"device\":\"gpu0\",\"domain\":\"s2\"}"
    try client.expect(201, "POST", "/v1/viommus", viommu)
    let vdev = "{\"id\":\"vd0\",\"viommu\":\"v0\",\"device\":\"gpu0\",\"virt_id\":\"0x1f00\"}"
    try client.expect(201, "POST", "/v1/vdevs", vdev)
    let nested =
      "{\"id\":\"n0\",\"type\":\"nested\",\"device\":\"gpu0\",\"viommu\":\"v0\","
      + "\"ste\":[\"0xb\",\"0x0\"]}"
    try client.expect(201, "POST", "/v1/domains", nested)
    try client.expect(200, "PUT", "/v1/devices/gpu0/attachment", "{\"domain\":\"n0\"}")
  }
}

extension Workload {
  /// The same for a server that answers what it likes.
  var anyStatus: Workload {
    Workload(name: name) { index in
      steps(index).map { Step(request: $0.request, status: 0) }
    }
  }
}
