// SPDX-License-Identifier: Apache-2.0
import HTTPCore

/// Operations that map the region of a vIOMMU into the program, as `mmap(2)` does, and unmap it.
enum RegionOperations {
  static let all: [OperationDefinition] = [
    .init("mmap", ["name", "doff", "dlen", "private", "exec"], map),
    .init("munmap", ["name"], unmap),
  ]

  private static let path = "/contexts/\(Stage.mainContext)/mmaps"

  /// Maps the region, and reads its first word.
  ///
  /// The offset and the length are those that the vIOMMU gave when it was made, plus what the
  /// script adds to them. The vIOMMU may have been destroyed since.
  @Sendable private static func map(
    _ stage: Stage, _ arguments: Arguments
  ) throws(PlayFailure) -> Outcome {
    let viommu = try viommu(stage, arguments)
    let offset = viommu.mmapOffset &+ (try arguments.number("doff", default: 0))
    let length = viommu.mmapLength &+ (try arguments.number("dlen", default: 0))
    let isPrivate = try arguments.isOn("private")
    let isExecutable = try arguments.isOn("exec")
    let reply = try stage.client.post(path) { writer in
      writer.field("offset", hex: offset)
      writer.field("length", hex: length)
      writer.field("shared", bool: !isPrivate)
      writer.field("executable", bool: isExecutable)
    }
    if let refusal = reply.refusal { return refusal }
    let number = try reply.quantity("mmap")
    viommu.mmaps.append(number)
    let word = try stage.client.get("\(path)/\(number)/0x0?width=32")
    if let refusal = word.refusal { return refusal }
    return .success(["value": .number(try word.quantity("value"))])
  }

  @Sendable private static func unmap(
    _ stage: Stage, _ arguments: Arguments
  ) throws(PlayFailure) -> Outcome {
    let viommu = try viommu(stage, arguments)
    guard let number = viommu.mmaps.popLast() else {
      throw .untranslatable("`\(viommu.name)` is not mapped")
    }
    return Outcome(try stage.client.delete("\(path)/\(number)"))
  }

  private static func viommu(
    _ stage: Stage, _ arguments: Arguments
  ) throws(PlayFailure) -> TableObject {
    guard let object = stage.table.object(try arguments.name), object.kind == .viommu else {
      throw .untranslatable("`\(try arguments.name)` never was a vIOMMU")
    }
    return object
  }
}
