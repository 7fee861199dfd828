// SPDX-License-Identifier: Apache-2.0

/// A number of the kernel's ABI that says which driver's kind of object is meant.
///
/// The numbers are open: a driver may know ones that have no name here, and some calls accept
/// numbers that no driver knows.
public protocol ABIType: RawRepresentable, Hashable, Sendable, Codable where RawValue == UInt32 {
  init(rawValue: UInt32)
  /// Those with a name, in the order in which they are shown.
  static var named: [(type: Self, name: String)] { get }
}

extension ABIType {
  /// The default of the ABI, 0, which no call accepts.
  public static var unspecified: Self { Self(rawValue: 0) }

  /// The name, or the number in decimal where there is none.
  public var name: String {
    Self.named.first { $0.type == self }?.name ?? String(rawValue)
  }

  /// The type of a name; nil for a text that is no name.
  public init?(name: String) {
    guard let found = Self.named.first(where: { $0.name == name }) else { return nil }
    self = found.type
  }

  /// The type of a name or of a number in decimal other than 0.
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
  public let rawValue: UInt32
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  public static let armSMMUv3 = VIOMMUType(rawValue: 1)
  public static let tegra241CMDQV = VIOMMUType(rawValue: 2)
  /// That of the kernel's self-test driver.
  public static let selftest = VIOMMUType(rawValue: 0xdead_beef)

  public static let named: [(type: VIOMMUType, name: String)] = [
    (.armSMMUv3, "arm-smmuv3"), (.tegra241CMDQV, "tegra241-cmdqv"), (.selftest, "selftest"),
  ]
}

/// The types of hw-queues (`enum iommu_hw_queue_type`).
public struct HWQueueType: ABIType {
  public let rawValue: UInt32
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  public static let tegra241CMDQV = HWQueueType(rawValue: 1)
  /// That of the kernel's self-test driver.
  public static let selftest = HWQueueType(rawValue: 0xdead_beef)

  public static let named: [(type: HWQueueType, name: String)] = [
    (.tegra241CMDQV, "tegra241-cmdqv"), (.selftest, "selftest"),
  ]
}

/// The types of veventqs (`enum iommu_veventq_type`). One that no driver knows is accepted, and
/// its queue never gets anything.
public struct VEventQueueType: ABIType {
  public let rawValue: UInt32
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  public static let armSMMUv3 = VEventQueueType(rawValue: 1)
  public static let tegra241CMDQV = VEventQueueType(rawValue: 2)
  /// That of the kernel's self-test driver.
  public static let selftest = VEventQueueType(rawValue: 0xbeef_beef)

  public static let named: [(type: VEventQueueType, name: String)] = [
    (.armSMMUv3, "arm-smmuv3"), (.tegra241CMDQV, "tegra241-cmdqv"), (.selftest, "selftest"),
  ]
}
