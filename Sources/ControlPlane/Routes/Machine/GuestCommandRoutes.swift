// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD

/// The commands of guests: those that a VMM hands to the kernel, and those in a guest's own ring.
enum GuestCommandRoutes {
  static let all: [RouteTable.Route] = [
    .init(.post, "/viommus/{id}/invalidate", invalidate),
    .init(.post, "/hw-queues/{id}/submit", submit),
  ]

  /// The number of commands in one request. The kernel would take more, but they would not fit into
  /// a body.
  private static let commandLimit = 65_536
  /// The number of commands that the answer to a submission can describe.
  private static let descriptionLimit = 65_536
  private static let usualDescriptions = 1000

  private static let invalidate = Endpoint("invalidate", changing: .viommu, body: .json) {
    call throws(Problem) in
    .invalidate(viommu: call.id, commands: try decode(call, count: 0...commandLimit))
  }

  private static let submit = Endpoint(
    "submitCommands", changing: .hwQueue, query: ["describe"], body: .jsonOrOctets
  ) { call throws(Problem) in
    let described =
      try call.query.int("describe", in: 0...descriptionLimit) ?? usualDescriptions
    let commands =
      try call.hasOctets
      ? SubmissionCoding.decode(call.request.body) : decode(call, count: 1...commandLimit)
    return .submit(queue: call.id, commands: commands, described: described)
  }

  private static func decode(
    _ call: Call, count: ClosedRange<Int>
  ) throws(Problem) -> [[UInt64]] {
    try call.decode { reader in
      let elements = reader.array("commands", required: true, count: count)
      return elements?.enumerated().compactMap { position, element in
        CommandCoding.decode(element, reader, "commands", position)
      }
    }
  }
}
