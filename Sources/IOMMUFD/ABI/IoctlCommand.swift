// SPDX-License-Identifier: Apache-2.0

/// The commands of an iommufd, by their numbers (`include/uapi/linux/iommufd.h`): the type byte
/// 0x3b and a number from 0x80 on.
enum IoctlCommand: UInt32, CaseIterable {
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
  case hwptSetDirtyTracking = 0x3b8b
  case hwptGetDirtyBitmap = 0x3b8c
  case hwptInvalidate = 0x3b8d
  case faultQueueAlloc = 0x3b8e
  case ioasMapFile = 0x3b8f
  case viommuAlloc = 0x3b90
  case vdeviceAlloc = 0x3b91
  case ioasChangeProcess = 0x3b92
  case veventqAlloc = 0x3b93
  case hwQueueAlloc = 0x3b94
  case ioasNoIOMMUGetPA = 0x3b95

  /// Bytes of the argument in the ABI's first version, which callers of any age have.
  var minimumSize: Int {
    switch self {
    case .hwptAlloc, .viommuAlloc: 24
    case .getHWInfo: 32
    case .veventqAlloc: 28
    default: size
    }
  }

  /// Bytes of the argument today.
  var size: Int {
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
}

/// A system call on an iommufd, as the kernel gets it.
public struct IoctlRequest: Sendable, Equatable, Codable {
  /// The command, type byte included.
  public var number: UInt32
  /// The bytes of the argument; nil for a pointer that leads nowhere.
  public var argument: [UInt8]?
  public var memory: UserMemory
  /// The name for the object that the call makes; nil for one of the server's.
  public var name: String?

  public init(
    number: UInt32, argument: [UInt8]?, memory: UserMemory = UserMemory(), name: String? = nil
  ) {
    self.number = number
    self.argument = argument
    self.memory = memory
    self.name = name
  }
}

/// What a system call has left behind.
public struct IoctlResult: Sendable, Equatable {
  /// The argument as the kernel wrote it back.
  public var argument: [UInt8]
  public var memory: UserMemory
  public var created: ObjectKey?
  /// Why the call failed, where it has changed something nevertheless.
  public var refusal: Refusal?
}
