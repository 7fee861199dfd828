// SPDX-License-Identifier: Apache-2.0

/// A physical IOMMU of the host, with the driver that runs it.
public final class SMMU: Object {
  /// The driver, which also owns the emulated hardware.
  public let driver: any IOMMUDriver
  /// The features that its model of SMMU has, in the order in which they are shown.
  public let features: [SMMUFeature]

  init(name: String, driver: any IOMMUDriver, features: [SMMUFeature]) {
    self.driver = driver
    self.features = features
    super.init(.smmu, name)
  }
}

/// What can be done with physical IOMMUs.
public struct SMMUs: ObjectVerbs {
  unowned let core: ObjectCore

  /// Adds a physical IOMMU to the machine and starts its driver.
  ///
  /// - Parameters:
  ///   - name: the name of the new object; nil to have one made up.
  ///   - model: which hardware and driver it is.
  ///   - settings: how that hardware is equipped.
  ///   - machine: the machine that it is built into.
  /// - Throws: `EEXIST` for a name that is taken, and `EINVAL` for settings that no such hardware
  ///   has.
  @discardableResult
  public func add(
    _ name: String?, _ model: any SMMUModel, _ settings: SMMUSettings, on machine: any Machine
  ) throws(Refusal) -> SMMU {
    let name = try claimName(.smmu, name)
    let driver = try model.makeDriver(settings, named: name, on: machine, in: transaction)
    let smmu = SMMU(name: name, driver: driver, features: model.features)
    try publish(smmu)
    return smmu
  }
}
