// SPDX-License-Identifier: Apache-2.0
import IOMMUFDABI
import HTTPCore

/// Operations on veventqs, the queues of a vIOMMU's events.
enum VEventQueueOperations {
  static let all: [OperationDefinition] = [
    .init("veventq_alloc", ["name", "viommu", "depth", "flags", "reserved", "type"], allocate),
    .init("read_veventq", ["name", "count"], read),
  ]

  private static let typeNames: [String: UInt64] = [
    "default": 0, "selftest": UInt64(Selftest.veventqType),
  ]
  private static let usualDepth: UInt64 = 2
  /// Types that the API does not take as numbers: it has names for 1 and 2, and 0 is no type. A
  /// queue of such a type is made by an ioctl.
  private static let typesByName: ClosedRange<UInt64> = 0...2
  /// How many bytes are read if the script does not say it: enough for the whole queue.
  private static let wholeQueue: UInt64 = 1 << 16

  @Sendable private static func allocate(
    _ stage: Stage, _ arguments: Arguments
  ) throws(PlayFailure) -> Outcome {
    let name = try arguments.name
    let word = try arguments.required("viommu")
    let depth = try arguments.number("depth", default: usualDepth)
    let type = try arguments.flags("type", typeNames) ?? UInt64(Selftest.veventqType)
    let isNamed = try stage.table.resolve(word).isName
    if isNamed, arguments.lacks("flags", "reserved"), !typesByName.contains(type) {
      let viommu = try stage.table.id(word, as: .viommu)
      return try stage.create(.veventq, name) { writer in
        writer.field("viommu", text: viommu)
        writer.field("type", text: type == UInt64(Selftest.veventqType) ? "selftest" : "\(type)")
        writer.field("depth", int: Int(truncatingIfNeeded: depth))
        writer.field("file", text: "open")
      }.outcome
    }
    let argument = StructBytes.argument(
      .u32(try arguments.u32("flags", default: 0)), .u32(try stage.table.number(word)),
      .u32(UInt32(truncatingIfNeeded: type)), .u32(UInt32(truncatingIfNeeded: depth)), .u32(0),
      .u32(0), .u32(try arguments.u32("reserved", default: 0)))
    return try stage.create(.veventq, name, .veventqAlloc, argument).answer.outcome
  }

  @Sendable private static func read(
    _ stage: Stage, _ arguments: Arguments
  ) throws(PlayFailure) -> Outcome {
    let id = try stage.table.id(arguments.name, as: .veventq)
    let count = try arguments.number("count", default: wholeQueue)
    let reply = try stage.client.get("/veventqs/\(id)/events?count=\(count)")
    if let refusal = reply.refusal { return refusal }
    var events: [TraceValue] = []
    for item in try reply.member("items").elements { events.append(try event(item)) }
    return .success(["bytes": .number(try reply.quantity("bytes")), "events": .list(events)])
  }

  private static func event(_ item: JSONValue) throws(PlayFailure) -> TraceValue {
    guard let sequence = item.member("sequence")?.quantity,
      let isLost = item.member("lost_events")?.bool
    else { throw .unexpected("an event lacks its `sequence` or `lost_events`") }
    var record: [String: TraceValue] = [
      "seq": .number(sequence), "flags": .number(isLost ? 1 : 0),
    ]
    if isLost {
      record["lost"] = .bool(true)
    } else if let data = item.member("data")?.elements, data.count == 1,
      let virtualID = data[0].quantity
    {
      record["virt_id"] = .number(virtualID)
    } else {
      throw .unexpected("an event's `data` is not one word")
    }
    return .record(record)
  }
}
