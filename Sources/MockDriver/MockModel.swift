// SPDX-License-Identifier: Apache-2.0
public import IOMMUFD

/// The IOMMU of the kernel's self-test (`drivers/iommu/iommufd/selftest.c`) as a kind of physical
/// IOMMU: it translates nothing, and has every feature that the object core knows of.
public struct MockModel: TablelessModel {
  /// There is one kind of it.
  public init() {}

  /// The name by which hosts ask for it.
  public let name = "mock"
  /// The self-test's stream IDs fill their word.
  public let streamIDBits = 32

  /// Makes a driver without emulated hardware.
  public func makeDriver(
    _ settings: SMMUSettings, named smmu: String, on machine: any Machine
  ) -> any IOMMUDriver {
    MockDriver(name: smmu, settings: settings, machine: machine)
  }
}

/// A kind of physical IOMMU whose hardware is not emulated: no table, no register and no queue
/// stands behind it, and so there is nothing to set but the width of its stream IDs.
public protocol TablelessModel: SMMUModel {
  /// The usual width of stream IDs, in bits.
  var streamIDBits: Int { get }

  /// Makes the driver for settings that were checked.
  func makeDriver(
    _ settings: SMMUSettings, named smmu: String, on machine: any Machine
  ) -> any IOMMUDriver
}

extension TablelessModel {
  /// No ID register stands behind it, and so it has no features.
  public var features: [SMMUFeature] { [] }

  /// The settings of an IOMMU of which nothing else is said.
  public var usualSettings: SMMUSettings {
    SMMUSettings(driver: name, streamIDBits: streamIDBits, cmdqv: nil)
  }

  /// Makes an IOMMU of this kind.
  ///
  /// - Throws: `EINVAL` when there are to be guest-owned queues.
  public func makeDriver(
    _ settings: SMMUSettings, named smmu: String, on machine: any Machine,
    in transaction: Transaction
  ) throws(Refusal) -> any IOMMUDriver {
    if settings.cmdqv != nil {
      throw Refusal(.EINVAL, field: "cmdqv", "a \(settings.driver) IOMMU has no CMDQV extension")
    }
    return makeDriver(settings, named: smmu, on: machine)
  }
}
