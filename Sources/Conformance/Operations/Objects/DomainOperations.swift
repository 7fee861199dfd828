// SPDX-License-Identifier: Apache-2.0
import IOMMUFDABI
import HTTPCore

/// Operations that allocate hardware page tables, and that switch their dirty tracking.
enum DomainOperations {
  static let all: [OperationDefinition] = [
    .init(
      "hwpt_alloc",
      ["name", "dev", "pt", "flags", "data", "len", "iotlb", "pgt", "fault", "reserved"], allocate),
    .init("set_dirty", ["name", "enable", "flags"], setDirty),
  ]

  /// The values of `enum iommufd_hwpt_alloc_flags`, and the names that scripts have for them.
  private enum Flag {
    static let nestParent: UInt64 = 1
    static let dirtyTracking: UInt64 = 2
    static let faultIDValid: UInt64 = 4
    static let pasid: UInt64 = 8
    /// This is no flag of the ABI. By it a script gives a fault queue without the flag that the
    /// queue needs.
    static let withoutFaultFlag: UInt64 = 1 << 63
    static let names: [String: UInt64] = [
      "nest_parent": nestParent, "dirty": dirtyTracking, "fault": faultIDValid, "pasid": pasid,
      "nofaultflag": withoutFaultFlag,
    ]
  }

  /// An allocation as the script asks for it.
  private struct Request {
    var flags: UInt32
    var device: String
    var pageTable: Reference
    var fault: String?
    var dataType: UInt32
    var data: [UInt8]
    var dataLength: UInt32
    var iotlb: UInt32
    var reserved: UInt32

    /// Whether the script sets none of the members for which the resource has no field: the length
    /// of the data, the type of page table in it, and the reserved word.
    var isPlain: Bool
  }

  private static func read(_ stage: Stage, _ arguments: Arguments) throws(PlayFailure) -> Request {
    var flags = try arguments.flags("flags", Flag.names) ?? 0
    let isFlagged = flags & Flag.withoutFaultFlag == 0
    flags &= ~Flag.withoutFaultFlag
    if arguments.has("fault"), isFlagged { flags |= Flag.faultIDValid }
    let types: [String: UInt64] = ["none": 0, "selftest": UInt64(Selftest.hwptType)]
    let type = UInt32(truncatingIfNeeded: try arguments.flags("data", types) ?? 0)
    let iotlb = try arguments.u32("iotlb", default: Selftest.iotlb)
    let data = Selftest.hwptData(
      iotlb: iotlb, pageTableType: try arguments.u32("pgt", default: 0))
    let length = try arguments.u32("len", default: type == 0 ? 0 : UInt32(data.count))
    return Request(
      flags: UInt32(truncatingIfNeeded: flags), device: try arguments.required("dev"),
      pageTable: try stage.table.resolve(arguments.required("pt")), fault: arguments["fault"],
      dataType: type, data: StructBytes.padded(data, to: Int(min(length, 1 << 16))),
      dataLength: length, iotlb: iotlb, reserved: try arguments.u32("reserved", default: 0),
      isPlain: arguments.lacks("len", "pgt", "reserved"))
  }

  @Sendable private static func allocate(
    _ stage: Stage, _ arguments: Arguments
  ) throws(PlayFailure) -> Outcome {
    let name = try arguments.name
    let request = try read(stage, arguments)
    if let parent = request.pageTable.object, try isSayable(stage, request, parent) {
      return try create(stage, name, request, on: parent)
    }
    let fault: UInt32 =
      if let word = request.fault { try stage.table.number(word) } else { 0 }
    let argument = StructBytes.argument(
      .u32(request.flags), .u32(try stage.table.number(request.device)),
      .u32(try stage.table.number(request.pageTable)), .u32(0), .u32(request.reserved),
      .u32(request.dataType), .u32(request.dataLength),
      .u64(request.dataType == 0 ? 0 : IOCTLMemory.address), .u32(fault), .u32(0))
    let memory = request.dataType == 0 ? nil : IOCTLMemory(bytes: request.data)
    let made = try stage.create(.domain, name, .hwptAlloc, argument, memory: memory)
    made.object?.isNested = request.pageTable.object?.kind != .ioas
    return made.answer.outcome
  }

  /// Whether a request to the resource can express the allocation. If it cannot, the allocation is
  /// an ioctl.
  private static func isSayable(
    _ stage: Stage, _ request: Request, _ parent: TableObject
  ) throws(PlayFailure) -> Bool {
    guard request.isPlain, try stage.table.resolve(request.device).isName else { return false }
    var flags = UInt64(request.flags)
    if let fault = request.fault {
      guard flags & Flag.faultIDValid != 0, try stage.table.resolve(fault).isName else {
        return false
      }
      flags &= ~Flag.faultIDValid
    }
    switch parent.kind {
    case .ioas:
      let known = Flag.nestParent | Flag.dirtyTracking | Flag.pasid
      return flags & ~known == 0 && request.dataType == 0
    case .viommu, .domain:
      return flags & ~Flag.pasid == 0 && request.dataType == Selftest.hwptType && !parent.isNested
    default:
      return false
    }
  }

  private static func create(
    _ stage: Stage, _ name: String, _ request: Request, on parent: TableObject
  ) throws(PlayFailure) -> Outcome {
    let flags = UInt64(request.flags)
    let isNested = parent.kind != .ioas
    let device = try stage.table.id(request.device, as: .device)
    let queue: String? =
      if let fault = request.fault { try stage.table.id(fault, as: .faultQueue) } else { nil }
    let made = try stage.create(.domain, name) { writer in
      writer.field("type", text: isNested ? "nested" : "paging")
      writer.field("device", text: device)
      switch parent.kind {
      case .ioas: writer.field("ioas", text: parent.id)
      case .viommu: writer.field("viommu", text: parent.id)
      default: writer.field("domain", text: parent.id)
      }
      if isNested { writer.field("iotlb", hex: UInt64(request.iotlb)) }
      if flags & Flag.nestParent != 0 { writer.field("nest_parent", bool: true) }
      if flags & Flag.dirtyTracking != 0 { writer.field("dirty_tracking", bool: true) }
      if flags & Flag.pasid != 0 { writer.field("pasid", bool: true) }
      if let queue { writer.field("fault_queue", text: queue) }
    }
    made.object?.isNested = isNested
    return made.outcome
  }

  /// Switches dirty tracking on or off. Bit 0 of the flags is `IOMMU_HWPT_DIRTY_TRACKING_ENABLE`.
  @Sendable private static func setDirty(
    _ stage: Stage, _ arguments: Arguments
  ) throws(PlayFailure) -> Outcome {
    let flags = try arguments.u32("flags", default: 0)
    let enable: UInt32 = try arguments.isOn("enable") ? 1 : 0
    let argument = StructBytes.argument(
      .u32(flags | enable), .u32(try stage.table.number(arguments.name)), .u32(0))
    return try stage.ioctl(.hwptSetDirtyTracking, argument).outcome
  }
}
