// SPDX-License-Identifier: Apache-2.0
import IOMMUFDABI

/// Malformed ioctls: commands whose argument has the wrong size, and numbers that are no commands.
enum RawOperations {
  static let all: [OperationDefinition] = [
    .init("raw_destroy", ["name", "size", "extra"], destroy),
    .init("raw_ioctl", ["nr", "size"], unknownCommand),
  ]

  /// The size of `struct iommu_destroy`, in bytes.
  private static let destroySize: UInt32 = 8

  /// Sends `IOMMU_DESTROY` with an argument whose `size` may be wrong.
  ///
  /// The members of the structure are sent in any case, even if `size` is too small for them.
  /// `extra` is one more word behind them, which a kernel that does not know it refuses unless it
  /// is zero.
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
