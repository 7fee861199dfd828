// SPDX-License-Identifier: Apache-2.0

/// A physical IOMMU of the host and the driver that runs it.
public final class SMMU: Object {
  public let driver: any IOMMUDriver

  init(name: String, driver: any IOMMUDriver) {
    self.driver = driver
    super.init(.smmu, name)
  }
}

extension ObjectCore {
  /// Adds a physical IOMMU to the machine.
  ///
  /// - Parameter makeDriver: makes the driver for the SMMU of that name.
  @discardableResult
  public func addSMMU(
    _ name: String?, makeDriver: (String) throws(Refusal) -> any IOMMUDriver
  ) throws(Refusal) -> SMMU {
    let name = try claimName(.smmu, name)
    let smmu = SMMU(name: name, driver: try makeDriver(name))
    try publish(smmu)
    return smmu
  }
}
