// SPDX-License-Identifier: Apache-2.0

/// Measures requests per second and the processor time for each request, in comparison with the
/// ceiling.
///
/// The processor time depends less than the rate on what else the machine does meanwhile.
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
    Table.title("Requests: medians of \(rounds) interleaved rounds of \(seconds) s")
    Table.row("", "connections", "ceiling/s", "viommud/s", "ratio", "ceiling us", "viommud us")
    for workload in RequestSuite.workloads {
      for count in connections {
        let us = try Contestant(viommud, connections: count, workload)
        let them = try Contestant(ceiling, connections: count, workload.anyStatus)
        for _ in 0..<rounds {
          try them.run(seconds)
          try us.run(seconds)
        }
        Table.row(
          workload.name, "\(count)", Table.number(median(them.rates)),
          Table.number(median(us.rates)),
          Table.fraction(median(zip(us.rates, them.rates).map { $0 / $1 })),
          Table.fraction(median(them.costs)), Table.fraction(median(us.costs)))
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

  /// Makes the objects that the workloads use: an attached device with all that it needs down to
  /// its memory, and one object that nothing pins.
  private func prepare(_ client: Client) throws {
    try client.expect(201, "POST", "/v1/ioas", "{\"id\":\"one\"}")
    let device = "{\"id\":\"gpu0\",\"smmu\":\"smmu0\",\"stream_id\":16}"
    try client.expect(201, "POST", "/v1/devices", device)
    try client.expect(201, "POST", "/v1/ioas", "{\"id\":\"ram\"}")
    let parent =
      #"{"id":"s2","type":"paging","device":"gpu0","ioas":"ram","nest_parent":true}"#
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

/// One of the two servers that are compared, under one workload.
private final class Contestant {
  private let program: Program
  private let generator: LoadGenerator
  /// For each round, the answers per second.
  private(set) var rates: [Double] = []
  /// For each round, the processor time for one answer, in microseconds.
  private(set) var costs: [Double] = []

  init(_ program: Program, connections: Int, _ workload: Workload) throws {
    self.program = program
    generator = try LoadGenerator(
      port: program.port, connections: connections, workload: workload)
  }

  func run(_ seconds: Double) throws {
    let before = try program.processorTime()
    let result = try generator.run(seconds: seconds)
    rates.append(result.answers / result.seconds)
    costs.append((try program.processorTime() - before) / result.answers * 1e6)
  }
}

extension Workload {
  /// The same workload with any status accepted, for the ceiling, which does not know what it is
  /// asked.
  var anyStatus: Workload {
    Workload(name: name) { index in
      steps(index).map { Step(request: $0.request, status: 0) }
    }
  }
}
