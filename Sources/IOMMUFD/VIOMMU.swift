// SPDX-License-Identifier: Apache-2.0

/// The types of vIOMMUs (`enum iommu_viommu_type`).
public enum VIOMMUType: String, Sendable, CaseIterable, Codable {
  case armSMMUv3 = "arm-smmuv3"
  case tegra241CMDQV = "tegra241-cmdqv"
}

/// A slice of one physical IOMMU for one VM (`struct iommufd_viommu`).
public final class VIOMMU: ContextObject {
  public let type: VIOMMUType
  public let smmu: SMMU
  /// The device that the vIOMMU was allocated for; it is not pinned and may be gone.
  public let deviceName: String
  /// The nesting parent: the VM's stage 2.
  public let parent: Domain
  /// What the nesting parent translates by: the guest's memory.
  public let ioas: IOAS
  public internal(set) var vdevs: [UInt64: VDevice] = [:]
  /// Where the events of its devices go; used by the hardware's threads.
  public let events = VIOMMUEvents()
  /// What the driver keeps with a vIOMMU.
  public var driverData: AnyObject?

  init(name: String, type: VIOMMUType, device: Device, parent: Domain, ioas: IOAS) {
    self.type = type
    smmu = device.smmu
    deviceName = device.name
    self.parent = parent
    self.ioas = ioas
    super.init(.viommu, name, in: device.owner)
  }
}

extension ObjectCore {
  /// Allocates a vIOMMU (`iommufd_viommu_alloc_ioctl`).
  @discardableResult
  public func allocateVIOMMU(
    _ name: String?, type: VIOMMUType, device: String, domain: String
  ) throws(Refusal) -> VIOMMU {
    let device: Device = try resolve(.device, device, field: "device")
    let context = device.owner
    guard device.smmu.driver.supports(type, for: device) else {
      throw Refusal(
        .EOPNOTSUPP, field: "type",
        "\(device.smmu.name) makes no vIOMMU of type \(type.rawValue) for \(device.name)")
    }
    let parent: Domain = try resolve(.domain, domain, in: context, field: "domain")
    guard let ioas = parent.ioas else {
      throw Refusal(.ENOENT, field: "domain", "domain \(domain) is not a paging domain")
    }
    guard parent.flags.nestParent else {
      throw Refusal(.EINVAL, field: "domain", "domain \(domain) is not a nesting parent")
    }
    let viommu = VIOMMU(
      name: try claimName(.viommu, name), type: type, device: device, parent: parent, ioas: ioas)
    viommu.objectID = try claimID(context)
    try pin(parent, by: viommu, .field("domain"))
    try device.smmu.driver.initialize(viommu, for: device, in: transaction)
    try publish(viommu)
    return viommu
  }
}

extension Context {
  private static let firstWindow: UInt64 = 0x1000
  private static let windowLength: UInt64 = 0x10000

  /// Takes the lowest free window for user space to map (`iommufd_viommu_alloc_mmap`).
  ///
  /// - Returns: its offset in bytes.
  public func claimWindow(in transaction: Transaction) throws(Refusal) -> UInt64 {
    guard let number = windows.allocate() else {
      throw Refusal(.ENOSPC, "the context has no window left")
    }
    transaction.onRollback { self.windows.free(number) }
    return Context.firstWindow + UInt64(number) * Context.windowLength
  }

  public func releaseWindow(at offset: UInt64, in transaction: Transaction) {
    let number = UInt32((offset - Context.firstWindow) / Context.windowLength)
    windows.free(number)
    transaction.onRollback { self.windows.take(number) }
  }
}
