// SPDX-License-Identifier: Apache-2.0

/// A number of the kernel's ABI that says which driver's kind of object a request means.
///
/// The set of numbers is open: a driver may know numbers that have no name here, and some calls
/// accept numbers that no driver knows.
public protocol ABIType: RawRepresentable, Hashable, Sendable, Codable where RawValue == UInt32 {
  /// Makes a type of any number, whether or not it has a name.
  init(rawValue: UInt32)
  /// The types that have a name in the API, in the order in which they are shown.
  static var named: [(type: Self, name: String)] { get }
}

extension ABIType {
  /// The ABI's value 0 for "default", which the calls that take a type refuse with `EOPNOTSUPP`.
  public static var unspecified: Self { Self(rawValue: 0) }

  /// The name, or the number in decimal for a type that has no name.
  public var name: String {
    Self.named.first { $0.type == self }?.name ?? String(rawValue)
  }

  /// The type that has a name; nil when no type has it.
  public init?(name: String) {
    guard let found = Self.named.first(where: { $0.name == name }) else { return nil }
    self = found.type
  }

  /// The type that a text means, which is a name, or a number from 1 to 2^32 - 1 in decimal without
  /// leading zeros; nil for any other text.
  public init?(nameOrNumber text: String) {
    if let named = Self(name: text) {
      self = named
      return
    }
    guard let number = UInt32(text), number != 0, String(number) == text else { return nil }
    self.init(rawValue: number)
  }
}

/// The types of vIOMMUs (`enum iommu_viommu_type`).
public struct VIOMMUType: ABIType {
  /// The number of the ABI, from 0 to 2^32 - 1.
  public let rawValue: UInt32
  /// Makes a type of any number, whether or not it has a name.
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// A vIOMMU on an Arm SMMUv3 (`IOMMU_VIOMMU_TYPE_ARM_SMMUV3`).
  public static let armSMMUv3 = VIOMMUType(rawValue: 1)
  /// A vIOMMU on an SMMUv3 with NVIDIA's CMDQV, whose guest can own command queues of the hardware
  /// (`IOMMU_VIOMMU_TYPE_TEGRA241_CMDQV`).
  public static let tegra241CMDQV = VIOMMUType(rawValue: 2)
  /// The type that the kernel's self-test driver uses.
  public static let selftest = VIOMMUType(rawValue: 0xdead_beef)

  /// The types of vIOMMUs by their names in the API.
  public static let named: [(type: VIOMMUType, name: String)] = [
    (.armSMMUv3, "arm-smmuv3"), (.tegra241CMDQV, "tegra241-cmdqv"), (.selftest, "selftest"),
  ]
}

/// The types of hw-queues (`enum iommu_hw_queue_type`).
public struct HWQueueType: ABIType {
  /// The number of the ABI, from 0 to 2^32 - 1.
  public let rawValue: UInt32
  /// Makes a type of any number, whether or not it has a name.
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// A virtual command queue of the CMDQV (`IOMMU_HW_QUEUE_TYPE_TEGRA241_CMDQV`).
  public static let tegra241CMDQV = HWQueueType(rawValue: 1)
  /// The type that the kernel's self-test driver uses.
  public static let selftest = HWQueueType(rawValue: 0xdead_beef)

  /// The types of hw-queues by their names in the API.
  public static let named: [(type: HWQueueType, name: String)] = [
    (.tegra241CMDQV, "tegra241-cmdqv"), (.selftest, "selftest"),
  ]
}

/// The types of veventqs (`enum iommu_veventq_type`).
///
/// As in the kernel, a queue can be made of a type that no driver knows; such a queue never gets an
/// event.
public struct VEventQueueType: ABIType {
  /// The number of the ABI, from 0 to 2^32 - 1.
  public let rawValue: UInt32
  /// Makes a type of any number, whether or not it has a name.
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// Event records of an SMMUv3, 32 bytes each (`IOMMU_VEVENTQ_TYPE_ARM_SMMUV3`).
  public static let armSMMUv3 = VEventQueueType(rawValue: 1)
  /// Error maps of the CMDQV's queues, 16 bytes each (`IOMMU_VEVENTQ_TYPE_TEGRA241_CMDQV`).
  public static let tegra241CMDQV = VEventQueueType(rawValue: 2)
  /// The type that the kernel's self-test driver uses.
  public static let selftest = VEventQueueType(rawValue: 0xbeef_beef)

  /// The types of veventqs by their names in the API.
  public static let named: [(type: VEventQueueType, name: String)] = [
    (.armSMMUv3, "arm-smmuv3"), (.tegra241CMDQV, "tegra241-cmdqv"), (.selftest, "selftest"),
  ]
}
