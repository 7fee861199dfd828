// SPDX-License-Identifier: Apache-2.0
import IOMMUFDABI

/// Commands with an argument of the wrong size, and words that are no commands.
enum RawOperations {
  static let all: [OperationDefinition] = [
    .init("raw_destroy", ["name", "size", "extra"], destroy),
    .init("raw_ioctl", ["nr", "size"], unknownCommand),
  ]

  /// Bytes of `struct iommu_destroy`.
  private static let destroySize: UInt32 = 8

  /// The argument has at least its own bytes, whatever it says of its size; `extra` stands behind
  /// them.
  @Sendable private static func destroy(
    _ stage: Stage, _ arguments: Arguments
  ) throws(PlayFailure) -> Outcome {
    let number = try stage.table.number(arguments.name)
    let size = try arguments.u32("size", default: destroySize)
    let extra = try arguments.u32("extra", default: 0)
    var bytes = StructBytes.pack([.u32(size), .u32(number)])
    if size > destroySize || extra != 0 { bytes += StructBytes.pack([.u32(extra)]) }
    bytes = StructBytes.padded(bytes, to: Int(min(size, 1 << 16)))
    let outcome = try stage.ioctl(.destroy, bytes).outcome
    return outcome.errno == nil ? try stage.buried(number) : outcome
  }

  @Sendable private static func unknownCommand(
    _ stage: Stage, _ arguments: Arguments
  ) throws(PlayFailure) -> Outcome {
    let number = try arguments.u32("nr", default: 0)
    let size = try arguments.u32("size", default: destroySize)
    let bytes = StructBytes.padded(
      StructBytes.pack([.u32(size)]), to: Int(min(size, 1 << 16)))
    return try stage.client.ioctl(
      IoctlCommand.type | number, bytes, context: Stage.mainContext
    ).outcome
  }
}
