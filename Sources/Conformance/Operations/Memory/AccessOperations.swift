// SPDX-License-Identifier: Apache-2.0
import HTTPCore

/// Operations on accesses, by which drivers of devices that have no IOMMU reach and pin the memory
/// of an I/O address space.
enum AccessOperations {
  static let all: [OperationDefinition] = [
    .init("access_create", ["name", "ioas", "pin"], create),
    .init("access_replace", ["name", "ioas"], replace),
    .init("access_pages", ["name", "iova", "length"], pin),
    .init("access_unpin", ["name", "item"], unpin),
  ]

  @Sendable private static func create(
    _ stage: Stage, _ arguments: Arguments
  ) throws(PlayFailure) -> Outcome {
    let ioas = try stage.table.id(arguments.required("ioas"), as: .ioas)
    let pins = try arguments.isOn("pin")
    return try stage.create(.access, arguments.name) { writer in
      writer.field("ioas", text: ioas)
      writer.field("pin", bool: pins)
    }.outcome
  }

  private static func path(_ stage: Stage, _ arguments: Arguments) throws(PlayFailure) -> String {
    "/accesses/" + (try stage.table.id(arguments.name, as: .access))
  }

  @Sendable private static func replace(
    _ stage: Stage, _ arguments: Arguments
  ) throws(PlayFailure) -> Outcome {
    let ioas = try stage.table.id(arguments.required("ioas"), as: .ioas)
    return Outcome(
      try stage.client.put(path(stage, arguments) + "/ioas") { $0.field("ioas", text: ioas) })
  }

  @Sendable private static func pin(
    _ stage: Stage, _ arguments: Arguments
  ) throws(PlayFailure) -> Outcome {
    let iova = try arguments.number("iova", default: 0)
    let length = try arguments.number("length", default: MappingOperations.usualLength)
    let reply = try stage.client.post(path(stage, arguments) + "/pins") { writer in
      writer.field("iova", hex: iova)
      writer.field("length", hex: length)
    }
    if let refusal = reply.refusal { return refusal }
    return .success(["item": .number(try reply.quantity("pin"))])
  }

  @Sendable private static func unpin(
    _ stage: Stage, _ arguments: Arguments
  ) throws(PlayFailure) -> Outcome {
    let item = try arguments.number("item", default: 0)
    return Outcome(try stage.client.delete(path(stage, arguments) + "/pins/\(item)"))
  }
}
