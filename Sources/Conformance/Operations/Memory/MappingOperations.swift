// SPDX-License-Identifier: Apache-2.0
import IOMMUFDABI
import HTTPCore

/// Operations that map memory into I/O address spaces, unmap it, and copy mappings.
enum MappingOperations {
  static let all: [OperationDefinition] = [
    .init("ioas_map", ["name", "iova", "length", "off", "flags"], map),
    .init("ioas_unmap", ["name", "iova", "length"], unmap),
    .init("ioas_unmap_all", ["name"], unmapAll),
    .init("ioas_copy", ["dst", "src", "src_iova", "dst_iova", "length", "flags"], copy),
  ]

  /// The length, in bytes, of a mapping or a queue for which the script gives none.
  static let usualLength: UInt64 = 4096

  /// The physical address that stands for the buffer from which the scripts map. An argument `off`
  /// is an offset into the buffer.
  static let buffer: UInt64 = 0x1_0000_0000

  /// The values of `enum iommufd_ioas_map_flags`, and the names that scripts have for them.
  private enum MapFlag {
    static let fixed: UInt64 = 1
    static let writable: UInt64 = 2
    static let readable: UInt64 = 4
    static let all: UInt64 = 7
    static let names: [String: UInt64] = [
      "fixed": fixed, "w": writable, "r": readable, "rw": readable | writable,
    ]
  }

  /// Maps memory.
  ///
  /// For an address space that is there this is a request to its resource, in which the flags are
  /// members. Otherwise the errno depends on what the kernel checks before it looks the object up,
  /// which only the ABI shows, and so the request is an ioctl.
  @Sendable private static func map(
    _ stage: Stage, _ arguments: Arguments
  ) throws(PlayFailure) -> Outcome {
    let flags = try arguments.flags("flags", MapFlag.names) ?? MapFlag.all
    let iova = try arguments.number("iova", default: 0)
    let length = try arguments.number("length", default: usualLength)
    let address = buffer &+ (try arguments.number("off", default: 0))
    let reference = try stage.table.resolve(arguments.name)
    if let ioas = reference.object, ioas.kind == .ioas, flags & ~MapFlag.all == 0 {
      let reply = try stage.client.post(ioas.path + "/map") { writer in
        if flags & MapFlag.fixed != 0 { writer.field("iova", hex: iova) }
        writer.field("length", hex: length)
        writer.field("physical", hex: address)
        writer.field("readable", bool: flags & MapFlag.readable != 0)
        writer.field("writable", bool: flags & MapFlag.writable != 0)
      }
      if let refusal = reply.refusal { return refusal }
      return .success(["iova": .number(try reply.quantity("iova"))])
    }
    let argument = StructBytes.argument(
      .u32(UInt32(truncatingIfNeeded: flags)), .u32(try stage.table.number(reference)), .u32(0),
      .u64(address), .u64(length), .u64(iova))
    let answer = try stage.ioctl(.ioasMap, argument)
    if answer.outcome.errno != nil { return answer.outcome }
    return .success(["iova": .number(try answer.u64(at: ArgumentOffset.mapIOVA))])
  }

  @Sendable private static func unmap(
    _ stage: Stage, _ arguments: Arguments
  ) throws(PlayFailure) -> Outcome {
    try unmap(
      stage, arguments.name, iova: arguments.number("iova", default: 0),
      length: arguments.number("length", default: usualLength))
  }

  @Sendable private static func unmapAll(
    _ stage: Stage, _ arguments: Arguments
  ) throws(PlayFailure) -> Outcome {
    try unmap(stage, arguments.name, iova: 0, length: .max)
  }

  private static func unmap(
    _ stage: Stage, _ name: String, iova: UInt64, length: UInt64
  ) throws(PlayFailure) -> Outcome {
    let reference = try stage.table.resolve(name)
    if let ioas = reference.object, ioas.kind == .ioas {
      let reply = try stage.client.post(ioas.path + "/unmap") { writer in
        writer.field("iova", hex: iova)
        writer.field("length", hex: length)
      }
      if let refusal = reply.refusal { return refusal }
      return .success(["unmapped": .number(try reply.quantity("unmapped"))])
    }
    let argument = StructBytes.argument(
      .u32(try stage.table.number(reference)), .u64(iova), .u64(length))
    let answer = try stage.ioctl(.ioasUnmap, argument)
    if answer.outcome.errno != nil { return answer.outcome }
    return .success(["unmapped": .number(try answer.u64(at: ArgumentOffset.unmapLength))])
  }

  @Sendable private static func copy(
    _ stage: Stage, _ arguments: Arguments
  ) throws(PlayFailure) -> Outcome {
    let flags = try arguments.flags("flags", MapFlag.names) ?? MapFlag.all
    let argument = StructBytes.argument(
      .u32(UInt32(truncatingIfNeeded: flags)),
      .u32(try stage.table.number(arguments.required("dst"))),
      .u32(try stage.table.number(arguments.required("src"))),
      .u64(try arguments.number("length", default: usualLength)),
      .u64(try arguments.number("dst_iova", default: 0)),
      .u64(try arguments.number("src_iova", default: 0)))
    let answer = try stage.ioctl(.ioasCopy, argument)
    if answer.outcome.errno != nil { return answer.outcome }
    return .success(["iova": .number(try answer.u64(at: ArgumentOffset.copyIOVA))])
  }
}
