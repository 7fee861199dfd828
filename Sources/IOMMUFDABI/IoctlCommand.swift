// SPDX-License-Identifier: Apache-2.0

/// The commands of an iommufd by their whole command words, as `include/uapi/linux/iommufd.h` has
/// them: the type byte 0x3b, and a number from 0x80 on.
public enum IoctlCommand: UInt32, CaseIterable, Sendable {
  /// The upper byte of every command word of iommufd.
  public static let type: UInt32 = 0x3b00

  /// `IOMMU_DESTROY`
  case destroy = 0x3b80
  /// `IOMMU_IOAS_ALLOC`
  case ioasAlloc = 0x3b81
  /// `IOMMU_IOAS_ALLOW_IOVAS`
  case ioasAllowIOVAs = 0x3b82
  /// `IOMMU_IOAS_COPY`
  case ioasCopy = 0x3b83
  /// `IOMMU_IOAS_IOVA_RANGES`
  case ioasIOVARanges = 0x3b84
  /// `IOMMU_IOAS_MAP`
  case ioasMap = 0x3b85
  /// `IOMMU_IOAS_UNMAP`
  case ioasUnmap = 0x3b86
  /// `IOMMU_OPTION`
  case option = 0x3b87
  /// `IOMMU_VFIO_IOAS`
  case vfioIOAS = 0x3b88
  /// `IOMMU_HWPT_ALLOC`
  case hwptAlloc = 0x3b89
  /// `IOMMU_GET_HW_INFO`
  case getHWInfo = 0x3b8a
  /// `IOMMU_HWPT_SET_DIRTY_TRACKING`
  case hwptSetDirtyTracking = 0x3b8b
  /// `IOMMU_HWPT_GET_DIRTY_BITMAP`
  case hwptGetDirtyBitmap = 0x3b8c
  /// `IOMMU_HWPT_INVALIDATE`
  case hwptInvalidate = 0x3b8d
  /// `IOMMU_FAULT_QUEUE_ALLOC`
  case faultQueueAlloc = 0x3b8e
  /// `IOMMU_IOAS_MAP_FILE`
  case ioasMapFile = 0x3b8f
  /// `IOMMU_VIOMMU_ALLOC`
  case viommuAlloc = 0x3b90
  /// `IOMMU_VDEVICE_ALLOC`
  case vdeviceAlloc = 0x3b91
  /// `IOMMU_IOAS_CHANGE_PROCESS`
  case ioasChangeProcess = 0x3b92
  /// `IOMMU_VEVENTQ_ALLOC`
  case veventqAlloc = 0x3b93
  /// `IOMMU_HW_QUEUE_ALLOC`
  case hwQueueAlloc = 0x3b94
  /// `IOMMU_IOAS_NOIOMMU_GET_PA`
  case ioasNoIOMMUGetPA = 0x3b95

  /// Bytes of the argument in the ABI's first version, which callers of any age have.
  public var minimumSize: Int {
    switch self {
    case .hwptAlloc, .viommuAlloc: 24
    case .getHWInfo: 32
    case .veventqAlloc: 28
    default: size
    }
  }

  /// Bytes of the argument today.
  public var size: Int {
    switch self {
    case .destroy, .ioasChangeProcess: 8
    case .ioasAlloc, .vfioIOAS: 12
    case .hwptSetDirtyTracking, .faultQueueAlloc: 16
    case .ioasAllowIOVAs, .ioasUnmap, .option, .vdeviceAlloc: 24
    case .ioasIOVARanges, .hwptInvalidate, .veventqAlloc: 32
    case .ioasCopy, .ioasMap, .getHWInfo, .ioasMapFile, .viommuAlloc, .hwQueueAlloc,
      .ioasNoIOMMUGetPA:
      40
    case .hwptAlloc, .hwptGetDirtyBitmap: 48
    }
  }

  /// Where the argument has the ID of the object that the command has made, in bytes; nil for a
  /// command that makes none.
  public var createdIDOffset: Int? {
    switch self {
    case .ioasAlloc, .faultQueueAlloc: 8
    case .vdeviceAlloc: 12
    case .hwptAlloc: 16
    case .viommuAlloc, .veventqAlloc, .hwQueueAlloc: 20
    default: nil
    }
  }
}
