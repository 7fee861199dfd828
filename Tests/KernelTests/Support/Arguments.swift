// SPDX-License-Identifier: Apache-2.0

/// The flags of a domain.
enum HWPT {
  static let nestParent: UInt32 = 1
  static let dirty: UInt32 = 2
  static let faultIDValid: UInt32 = 4
  static let pasid: UInt32 = 8
}

/// Arguments that many tests make, with what a test says nothing of left 0.
extension Kernel {
  /// `IOMMU_HWPT_ALLOC`
  func allocateDomain(
    flags: UInt32 = 0, device: UInt32, on pageTable: UInt32, reserved: UInt32 = 0,
    dataType: UInt32 = 0, dataLength: UInt32? = nil, data: Memory? = nil, faultQueue: UInt32 = 0,
    reserved2: UInt32 = 0, name: String? = nil
  ) throws -> IoctlReply {
    try ioctl(
      .hwptAlloc,
      [
        .u32(flags), .u32(device), .u32(pageTable), .u32(0), .u32(reserved), .u32(dataType),
        .u32(dataLength ?? UInt32(data?.bytes.count ?? 0)), .u64(data?.address ?? 0),
        .u32(faultQueue), .u32(reserved2),
      ], data, name: name)
  }

  /// `IOMMU_HWPT_ALLOC` of a nested domain with valid data.
  func allocateNested(
    flags: UInt32 = 0, device: UInt32, on pageTable: UInt32, faultQueue: UInt32 = 0,
    name: String? = nil
  ) throws -> IoctlReply {
    try allocateDomain(
      flags: flags, device: device, on: pageTable, dataType: driver.domainDataNumber,
      data: Memory(bytes: driver.nestedBytes), faultQueue: faultQueue, name: name)
  }

  /// `IOMMU_VIOMMU_ALLOC`
  func allocateVIOMMU(
    flags: UInt32 = 0, type: UInt32, device: UInt32, on domain: UInt32,
    dataLength: UInt32? = nil, data: Memory? = nil, reserved: UInt32 = 0
  ) throws -> IoctlReply {
    try ioctl(
      .viommuAlloc,
      [
        .u32(flags), .u32(type), .u32(device), .u32(domain), .u32(0),
        .u32(dataLength ?? UInt32(data?.bytes.count ?? 0)), .u32(reserved),
        .u64(data?.address ?? 0),
      ], data)
  }

  /// `IOMMU_VDEVICE_ALLOC`
  func allocateVDevice(
    on viommu: UInt32, device: UInt32, virtualID: UInt64
  ) throws -> IoctlReply {
    try ioctl(.vdeviceAlloc, [.u32(viommu), .u32(device), .u32(0), .u64(virtualID)])
  }

  /// `IOMMU_VEVENTQ_ALLOC`
  func allocateEventQueue(
    flags: UInt32 = 0, on viommu: UInt32, type: UInt32, depth: UInt32, reserved: UInt32 = 0,
    name: String? = nil
  ) throws -> IoctlReply {
    try ioctl(
      .veventqAlloc,
      [
        .u32(flags), .u32(viommu), .u32(type), .u32(depth), .u32(0), .u32(0), .u32(reserved),
      ], name: name)
  }

  /// `IOMMU_HW_QUEUE_ALLOC`
  func allocateQueue(
    flags: UInt32 = 0, on viommu: UInt32, type: UInt32, index: UInt32 = 0, iova: UInt64,
    length: UInt64, name: String? = nil
  ) throws -> IoctlReply {
    try ioctl(
      .hwQueueAlloc,
      [
        .u32(flags), .u32(viommu), .u32(type), .u32(index), .u32(0), .u64(iova), .u64(length),
      ], name: name)
  }

  /// `IOMMU_HWPT_INVALIDATE`
  ///
  /// - Parameter pointer: where the entries are said to be.
  func invalidate(
    _ target: UInt32, type: UInt32, length: UInt32, count: UInt32, entries: [UInt8] = [],
    pointer: UInt64 = Memory.address, reserved: UInt32 = 0
  ) throws -> IoctlReply {
    try ioctl(
      .invalidate,
      [
        .u32(target), .u64(pointer), .u32(type), .u32(length), .u32(count), .u32(reserved),
      ], entries.isEmpty ? nil : Memory(bytes: entries))
  }

  /// `IOMMU_GET_HW_INFO`
  func hardwareInfo(
    flags: UInt32 = 0, of device: UInt32, room: Int, type: UInt32 = 0, reserved: UInt8 = 0
  ) throws -> IoctlReply {
    try ioctl(
      .getHWInfo,
      [
        .u32(flags), .u32(device), .u32(UInt32(room)), .u64(Memory.address), .u32(type), .u8(0),
        .u8(reserved), .u8(0), .u8(0), .u64(0),
      ], room == 0 ? nil : Memory(bytes: Array(repeating: 0xff, count: room)))
  }

  /// An object ID that nothing has.
  static let nobody: UInt32 = 0x7fff_fff0
}
