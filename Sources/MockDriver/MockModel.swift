// SPDX-License-Identifier: Apache-2.0
public import IOMMUFD

/// The IOMMU of the kernel's self-test (`drivers/iommu/iommufd/selftest.c`) as a kind of physical
/// IOMMU: it translates nothing, and has every feature that the object core knows of.
public struct MockModel: SMMUModel {
  public init() {}

  public let name = "mock"
  public let features: [SMMUFeature] = []

  public var usualSettings: SMMUSettings {
    SMMUSettings(driver: name, streamIDBits: 32, cmdqv: nil)
  }

  public func makeDriver(
    _ settings: SMMUSettings, named smmu: String, on machine: any Machine,
    in transaction: Transaction
  ) throws(Refusal) -> any IOMMUDriver {
    try settings.requireNoCMDQV()
    return MockDriver(name: smmu, settings: settings, machine: machine)
  }
}

extension SMMUSettings {
  /// - Throws: `EINVAL` when there are guest-owned queues.
  func requireNoCMDQV() throws(Refusal) {
    if cmdqv != nil {
      throw Refusal(.EINVAL, field: "cmdqv", "a \(driver) IOMMU has no CMDQV extension")
    }
  }
}
