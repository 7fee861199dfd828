// SPDX-License-Identifier: Apache-2.0

/// Commands about address spaces and their mappings.
extension IoctlCall {
  private static let isFixed: UInt32 = 1
  private static let isWritable: UInt32 = 2
  private static let isReadable: UInt32 = 4
  private static let mapFlags = isFixed | isWritable | isReadable

  /// `iommufd_ioas_allow_iovas`
  mutating func allowIOVAs() throws(Refusal) {
    try require("__reserved", argument.u32(12))
    let ioas: IOAS = try find(.ioas, 4, field: "ioas_id")
    let count = Int(argument.u32(8))
    var ranges: [ClosedRange<UInt64>] = []
    for index in 0..<count {
      let address = argument.u64(16) &+ UInt64(index) &* 16
      let entry = LittleEndian(
        try memory.read(address, 16, field: "allowed_iovas"), size: 16)
      let (start, last) = (entry.u64(0), entry.u64(8))
      guard start < last else {
        throw Refusal(.EINVAL, field: "allowed_iovas", "range \(index) ends before it begins")
      }
      ranges.append(start...last)
    }
    try core.addressSpaces.allow(ranges, in: ioas)
  }

  /// `iommufd_ioas_iova_ranges`: as many ranges as there is room for; how many there are is
  /// written in any case.
  mutating func listRanges() throws(Refusal) {
    try require("__reserved", argument.u32(12))
    let ioas: IOAS = try find(.ioas, 4, field: "ioas_id")
    let ranges = core.addressSpaces.usableRanges(of: ioas)
    let room = Int(argument.u32(8))
    for (index, range) in ranges.prefix(room).enumerated() {
      try memory.write(
        argument.u64(16) &+ UInt64(index) &* 16,
        LittleEndian.bytes(of: range.lowerBound) + LittleEndian.bytes(of: range.upperBound),
        field: "allowed_iovas")
    }
    argument.set(8, u32: UInt32(ranges.count))
    argument.set(24, u64: core.addressSpaces.constraints(of: ioas).alignment)
    if ranges.count > room {
      refusal = Refusal(
        .EMSGSIZE, field: "num_iovas", "there are \(ranges.count) ranges, and room for \(room)")
    }
  }

  /// What the commands that map check first, before they look for the address space.
  private func checkMapping(iova: Int, length: Int) throws(Refusal) {
    let flags = argument.u32(4)
    try require("flags", flags, only: IoctlCall.mapFlags)
    if argument.u64(iova) == .max || argument.u64(length) == .max {
      throw Refusal(.EOVERFLOW, field: "length", "an address or length of all ones")
    }
    if flags & (IoctlCall.isWritable | IoctlCall.isReadable) == 0 {
      throw Refusal(.EINVAL, field: "flags", "a mapping is readable, writable or both")
    }
  }

  private func has(_ flag: UInt32) -> Bool { argument.u32(4) & flag != 0 }

  /// `iommufd_ioas_map`; the process is mapped one to one, so that its addresses are physical.
  mutating func map() throws(Refusal) {
    try require("flags", argument.u32(4), only: IoctlCall.mapFlags)
    try require("__reserved", argument.u32(12))
    try checkMapping(iova: 32, length: 24)
    let ioas: IOAS = try find(.ioas, 8, field: "ioas_id")
    let area = try core.addressSpaces.map(
      ioas.name,
      MapRequest(
        iova: has(IoctlCall.isFixed) ? argument.u64(32) : nil, length: argument.u64(24),
        isReadable: has(IoctlCall.isReadable), isWritable: has(IoctlCall.isWritable),
        physical: argument.u64(16)))
    argument.set(32, u64: area.iova)
  }

  /// `iommufd_ioas_map_file`; the process has no file that could be mapped.
  mutating func mapFile() throws(Refusal) {
    try checkMapping(iova: 32, length: 24)
    let _: IOAS = try find(.ioas, 8, field: "ioas_id")
    throw Refusal(.EBADF, field: "fd", "the process has no such file")
  }

  /// `iommufd_ioas_copy`
  mutating func copy() throws(Refusal) {
    try checkMapping(iova: 24, length: 16)
    let source: IOAS = try find(.ioas, 12, field: "src_ioas_id")
    let call = self
    let iova = try core.addressSpaces.copy(
      (source, argument.u64(32)), argument.u64(16),
      to: { () throws(Refusal) in try call.find(.ioas, 8, field: "dst_ioas_id") },
      at: has(IoctlCall.isFixed) ? argument.u64(24) : nil,
      isReadable: has(IoctlCall.isReadable), isWritable: has(IoctlCall.isWritable))
    argument.set(24, u64: iova)
  }

  /// `iommufd_ioas_unmap`
  mutating func unmap() throws(Refusal) {
    let ioas: IOAS = try find(.ioas, 4, field: "ioas_id")
    let outcome = try core.addressSpaces.unmap(
      ioas.name, iova: argument.u64(8), length: argument.u64(16))
    refusal = outcome.refusal
    if outcome.refusal == nil { argument.set(16, u64: outcome.bytes) }
  }

  /// `iommufd_ioas_change_process`: only mappings of files can change hands.
  mutating func changeProcess() throws(Refusal) {
    try require("__reserved", argument.u32(4))
    for case let ioas as IOAS in context.byID.ids.map({ context.byID[$0] })
    where !ioas.areas.isEmpty {
      throw Refusal(.EINVAL, "ioas \(ioas.name) maps memory of the process, not of files")
    }
  }

  // MARK: Options

  /// `iommufd_option`
  mutating func setOption() throws(Refusal) {
    if argument.u16(10) != 0 {
      throw Refusal(.EOPNOTSUPP, field: "__reserved", "has bits that are not known")
    }
    switch argument.u32(4) {
    case 0: try setAccounting()
    case 1: try setHugePages()
    default: throw Refusal(.EOPNOTSUPP, field: "option_id", "there is no such option")
    }
  }

  private static let set: UInt16 = 0
  private static let get: UInt16 = 1

  /// `iommufd_option_rlimit_mode`
  private mutating func setAccounting() throws(Refusal) {
    if argument.u32(12) != 0 {
      throw Refusal(.EOPNOTSUPP, field: "object_id", "the option is the context's")
    }
    switch argument.u16(8) {
    case IoctlCall.get: argument.set(16, u64: context.accountsPerProcess ? 1 : 0)
    case IoctlCall.set:
      try core.options.requireEmpty(context)
      try core.options.setAccounting(try flag(), of: context)
    default: throw Refusal(.EOPNOTSUPP, field: "op", "an option is set or got")
    }
  }

  /// `iommufd_option_huge_pages`
  private mutating func setHugePages() throws(Refusal) {
    let ioas: IOAS = try find(.ioas, 12, field: "object_id")
    switch argument.u16(8) {
    case IoctlCall.get: argument.set(16, u64: ioas.usesHugePages ? 1 : 0)
    case IoctlCall.set: try core.options.setHugePages(try flag(), of: ioas)
    default: throw Refusal(.EOPNOTSUPP, field: "op", "an option is set or got")
    }
  }

  private func flag() throws(Refusal) -> Bool {
    switch argument.u64(16) {
    case 0: false
    case 1: true
    default: throw Refusal(.EINVAL, field: "val64", "must be 0 or 1")
    }
  }

  /// `iommufd_vfio_ioas`
  mutating func setCompatibleIOAS() throws(Refusal) {
    if argument.u16(10) != 0 {
      throw Refusal(.EOPNOTSUPP, field: "__reserved", "has bits that are not known")
    }
    switch argument.u16(8) {
    case 0:
      guard let ioas = context.compatibleIOAS else {
        throw Refusal(.ENODEV, field: "op", "no address space stands for a VFIO container")
      }
      argument.set(4, u32: ioas.objectID ?? 0)
    case 1:
      core.options.setCompatibleIOAS(try find(.ioas, 4, field: "ioas_id"), of: context)
    case 2: core.options.setCompatibleIOAS(nil, of: context)
    default: throw Refusal(.EOPNOTSUPP, field: "op", "is none of get, set and clear")
    }
  }
}
