// SPDX-License-Identifier: Apache-2.0
import IOMMUFDABI
import HTTPCore

/// Operations that make I/O address spaces, and that say which of their addresses may be mapped.
enum AddressSpaceOperations {
  static let all: [OperationDefinition] = [
    .init("ioas_alloc", ["name", "flags"], allocate),
    .init("ioas_allow", ["name", "start", "last", "num"], allow),
    .init("ioas_ranges", ["name", "num"], ranges),
    .init("add_reserved", ["name", "start", "length"], addReserved),
    .init("option", ["name", "opt", "set"], option),
    .init("vfio_ioas", ["name", "do"], compatibilityIOAS),
  ]

  @Sendable private static func allocate(
    _ stage: Stage, _ arguments: Arguments
  ) throws(PlayFailure) -> Outcome {
    let flags = try arguments.u32("flags", default: 0)
    if flags == 0 {
      return try stage.create(.ioas, arguments.name) {
        $0.field("context", text: Stage.mainContext)
      }.outcome
    }
    return try stage.create(
      .ioas, arguments.name, .ioasAlloc, StructBytes.argument(.u32(flags), .u32(0))
    ).answer.outcome
  }

  /// Limits the mappings of an address space to a range. A script can give one range, or none by
  /// `num=0`.
  @Sendable private static func allow(
    _ stage: Stage, _ arguments: Arguments
  ) throws(PlayFailure) -> Outcome {
    let count = try arguments.u32("num", default: 1)
    let range = StructBytes.pack([
      .u64(try arguments.number("start", default: 0)),
      .u64(try arguments.number("last", default: 0)),
    ])
    let argument = StructBytes.argument(
      .u32(try stage.table.number(arguments.name)), .u32(count), .u32(0),
      .u64(IOCTLMemory.address))
    return try stage.ioctl(.ioasAllowIOVAs, argument, memory: IOCTLMemory(bytes: range)).outcome
  }

  /// For how many ranges the buffer has room that the kernel writes them to.
  private static let rangeLimit: UInt32 = 64
  /// The size of `struct iommu_iova_range`, in bytes.
  private static let rangeSize = 16

  @Sendable private static func ranges(
    _ stage: Stage, _ arguments: Arguments
  ) throws(PlayFailure) -> Outcome {
    let limit = min(try arguments.u32("num", default: rangeLimit), rangeLimit)
    let room = [UInt8](repeating: 0, count: Int(limit) * rangeSize)
    let argument = StructBytes.argument(
      .u32(try stage.table.number(arguments.name)), .u32(limit), .u32(0),
      .u64(IOCTLMemory.address), .u64(0))
    let answer = try stage.ioctl(.ioasIOVARanges, argument, memory: IOCTLMemory(bytes: room))
    if answer.outcome.errno != nil { return answer.outcome }
    let count = try answer.u32(at: ArgumentOffset.rangeCount)
    let data = limit == 0 ? [] : try answer.data()
    var ranges: [TraceValue] = []
    for index in 0..<Int(min(count, limit)) {
      guard let start = StructBytes.u64(data, at: index * rangeSize),
        let last = StructBytes.u64(data, at: index * rangeSize + 8)
      else { throw .unexpected("the answer's `memory` is too short for \(count) ranges") }
      ranges.append(.list([.number(start), .number(last)]))
    }
    return .success([
      "num": .number(UInt64(count)), "ranges": .list(ranges),
      "align": .number(try answer.u64(at: ArgumentOffset.rangeAlignment)),
    ])
  }

  /// Reserves a range, as the self-test driver does in place of an IOMMU's driver that has reserved
  /// regions.
  @Sendable private static func addReserved(
    _ stage: Stage, _ arguments: Arguments
  ) throws(PlayFailure) -> Outcome {
    let start = try arguments.number("start", default: 0)
    let length = try arguments.number("length", default: MappingOperations.usualLength)
    let id = try stage.table.id(arguments.name, as: .ioas)
    return Outcome(
      try stage.client.post("/ioas/\(id)/reserved") { writer in
        writer.field("start", hex: start)
        writer.field("length", hex: length)
      })
  }

  /// The values of `enum iommufd_option`, by the names in the scripts.
  private static let options: [String: UInt64] = ["rlimit": 0, "huge": 1]

  @Sendable private static func option(
    _ stage: Stage, _ arguments: Arguments
  ) throws(PlayFailure) -> Outcome {
    let option = try arguments.flags("opt", options) ?? 0
    let value = try arguments.number("set")
    let object: UInt32 = if let name = arguments["name"] { try stage.table.number(name) } else { 0 }
    let argument = StructBytes.argument(
      .u32(UInt32(truncatingIfNeeded: option)), .u16(value == nil ? 1 : 0), .u16(0), .u32(object),
      .u64(value ?? 0))
    let answer = try stage.ioctl(.option, argument)
    if answer.outcome.errno != nil { return answer.outcome }
    return .success(["val": .number(try answer.u64(at: ArgumentOffset.optionValue))])
  }

  /// The values of `enum iommufd_vfio_ioas_op`, by the names in the scripts.
  private static let compatibilityVerbs: [String: UInt64] = ["get": 0, "set": 1, "clear": 2]

  @Sendable private static func compatibilityIOAS(
    _ stage: Stage, _ arguments: Arguments
  ) throws(PlayFailure) -> Outcome {
    let verb = try arguments.flags("do", compatibilityVerbs) ?? 0
    let ioas: UInt32 = if let name = arguments["name"] { try stage.table.number(name) } else { 0 }
    let argument = StructBytes.argument(
      .u32(ioas), .u16(UInt16(truncatingIfNeeded: verb)), .u16(0))
    let answer = try stage.ioctl(.vfioIOAS, argument)
    if answer.outcome.errno != nil || verb != 0 { return answer.outcome }
    let number = try answer.u32(at: ArgumentOffset.vfioIOAS)
    let object = stage.table.living(objectID: number, in: Stage.mainContext)
    return .success(["ioas": .text(object?.name ?? "#\(number)")])
  }
}

extension Stage {
  /// Sends an ioctl to the trace's own iommufd file.
  func ioctl(
    _ command: IoctlCommand, _ argument: [UInt8], memory: IOCTLMemory? = nil
  ) throws(PlayFailure) -> IOCTLAnswer {
    try client.ioctl(command.rawValue, argument, memory: memory, context: Stage.mainContext)
  }
}
