// SPDX-License-Identifier: Apache-2.0

/// The commands of `/dev/iommu` (`include/uapi/linux/iommufd.h`), by their whole command word.
enum IOCTLCommand: UInt32 {
  case destroy = 0x3b80
  case ioasAlloc = 0x3b81
  case ioasAllowIOVAs = 0x3b82
  case ioasCopy = 0x3b83
  case ioasIOVARanges = 0x3b84
  case ioasMap = 0x3b85
  case ioasUnmap = 0x3b86
  case option = 0x3b87
  case vfioIOAS = 0x3b88
  case hwptAlloc = 0x3b89
  case getHWInfo = 0x3b8a
  case setDirtyTracking = 0x3b8b
  case hwptInvalidate = 0x3b8d
  case faultQueueAlloc = 0x3b8e
  case viommuAlloc = 0x3b90
  case vdeviceAlloc = 0x3b91
  case veventqAlloc = 0x3b93
  case hwQueueAlloc = 0x3b94

  /// The upper byte of every command word of iommufd.
  static let type: UInt32 = 0x3b00

  /// Where the argument has the ID of the object that the command has made; nil for those that
  /// make none.
  var createdIDOffset: Int? {
    switch self {
    case .ioasAlloc, .faultQueueAlloc: 8
    case .vdeviceAlloc: 12
    case .hwptAlloc: 16
    case .viommuAlloc, .veventqAlloc, .hwQueueAlloc: 20
    default: nil
    }
  }
}

/// Where the members are that a command writes.
enum ArgumentOffset {
  /// `out_iova_alignment` and `num_iovas` of IOVA_RANGES.
  static let rangeAlignment = 24
  static let rangeCount = 8
  /// `dst_iova` of IOAS_COPY, `iova` of IOAS_MAP.
  static let copyIOVA = 24
  static let mapIOVA = 32
  /// `length` of IOAS_UNMAP.
  static let unmapLength = 16
  /// `val64` of OPTION.
  static let optionValue = 16
  /// `ioas_id` of VFIO_IOAS.
  static let vfioIOAS = 4
  /// `out_data_type`, `out_max_pasid_log2` and `out_capabilities` of GET_HW_INFO.
  static let hwInfoType = 24
  static let hwInfoPASIDBits = 28
  static let hwInfoCapabilities = 32
  /// `entry_num` of HWPT_INVALIDATE.
  static let invalidateCount = 24
}

/// What is particular to the kernel's self-test driver (`drivers/iommu/iommufd/iommufd_test.h`).
enum Selftest {
  static let viommuType: UInt32 = 0xdead_beef
  static let hwptType: UInt32 = 0xdead
  static let invalidateType: UInt32 = 0xdead_beef
  static let hwQueueType: UInt32 = 0xdead_beef
  static let veventqType: UInt32 = 0xbeef_beef

  /// What a nested domain's cache holds at first, unless its maker says otherwise.
  static let iotlb: UInt32 = 0xbad_beef
  /// What a device's cache holds at first.
  static let deviceCache: UInt64 = 0xbaddad
  /// How many words either cache has.
  static let cacheWords: UInt64 = 4

  /// `struct iommu_hwpt_selftest`
  static func hwptData(iotlb: UInt32, pageTableType: UInt32) -> [UInt8] {
    StructBytes.pack([.u32(iotlb), .u32(pageTableType)])
  }

  /// `struct iommu_viommu_selftest`
  static func viommuData(in value: UInt32) -> [UInt8] {
    StructBytes.pack([.u32(value), .u32(0), .u64(0), .u64(0)])
  }

  /// Where a vIOMMU's data has what the driver gives back.
  enum VIOMMUData {
    static let outData = 4
    static let mmapOffset = 8
    static let mmapLength = 16
  }
}
