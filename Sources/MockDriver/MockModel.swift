// SPDX-License-Identifier: Apache-2.0
public import IOMMUFD

/// The IOMMU of the kernel's self-test (`drivers/iommu/iommufd/selftest.c`) as a kind of physical
/// IOMMU. It translates nothing, but has every feature that the object core knows of.
public struct MockModel: TablelessModel {
  /// Makes the model, which has no options.
  public init() {}

  /// The name by which hosts ask for it.
  public let name = "mock"
  /// A stream ID may use all 32 bits of its word, because there is no table that would limit it.
  public let streamIDBits = 32

  /// Makes a driver without emulated hardware.
  public func makeDriver(
    _ settings: SMMUSettings, named smmu: String, on machine: any Machine
  ) -> any IOMMUDriver {
    MockDriver(name: smmu, settings: settings, machine: machine)
  }
}

/// A kind of physical IOMMU whose hardware is not emulated. It has no tables, registers or queues,
/// so nothing of it can be chosen except the width of its stream IDs.
public protocol TablelessModel: SMMUModel {
  /// The number of bits of a stream ID, unless the settings say otherwise.
  var streamIDBits: Int { get }

  /// Makes the driver. The settings have been checked.
  func makeDriver(
    _ settings: SMMUSettings, named smmu: String, on machine: any Machine
  ) -> any IOMMUDriver
}

extension TablelessModel {
  /// There are no features to choose, because there is no ID register.
  public var features: [SMMUFeature] { [] }

  /// The settings that are used where a request leaves them out.
  public var usualSettings: SMMUSettings {
    SMMUSettings(driver: name, streamIDBits: streamIDBits, cmdqv: nil)
  }

  /// Makes an IOMMU of this kind.
  ///
  /// - Throws: `EINVAL` if the settings ask for guest-owned command queues.
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
