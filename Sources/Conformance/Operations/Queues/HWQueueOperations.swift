// SPDX-License-Identifier: Apache-2.0
import IOMMUFDABI
import HTTPCore

/// The operation that makes a hw-queue, a queue of the hardware that a guest owns.
enum HWQueueOperations {
  static let all: [OperationDefinition] = [
    .init(
      "hw_queue_alloc", ["name", "viommu", "index", "iova", "length", "flags", "type"], allocate)
  ]

  private static let typeNames: [String: UInt64] = [
    "default": 0, "selftest": UInt64(Selftest.hwQueueType),
  ]

  @Sendable private static func allocate(
    _ stage: Stage, _ arguments: Arguments
  ) throws(PlayFailure) -> Outcome {
    let name = try arguments.name
    let word = try arguments.required("viommu")
    let index = try arguments.u32("index", default: 0)
    let iova = try arguments.number("iova", default: 0)
    let length = try arguments.number("length", default: MappingOperations.usualLength)
    let reference = try stage.table.resolve(word)
    let made: TableObject?
    let outcome: Outcome
    if reference.isName, arguments.lacks("flags", "type") {
      let viommu = try stage.table.id(word, as: .viommu)
      (outcome, made) = try stage.create(.hwQueue, name) { writer in
        writer.field("viommu", text: viommu)
        writer.field("type", text: "selftest")
        writer.field("index", int: Int(index))
        writer.field("iova", hex: iova)
        writer.field("length", hex: length)
      }
    } else {
      let type = try arguments.flags("type", typeNames) ?? UInt64(Selftest.hwQueueType)
      let argument = StructBytes.argument(
        .u32(try arguments.u32("flags", default: 0)), .u32(try stage.table.number(reference)),
        .u32(UInt32(truncatingIfNeeded: type)), .u32(index), .u32(0), .u64(iova), .u64(length))
      let (answer, object) = try stage.create(.hwQueue, name, .hwQueueAlloc, argument)
      (outcome, made) = (answer.outcome, object)
    }
    let number = try stage.table.number(reference)
    made?.viommu = reference.object ?? stage.table.living(objectID: number, in: Stage.mainContext)
    made?.index = index
    return outcome
  }
}
