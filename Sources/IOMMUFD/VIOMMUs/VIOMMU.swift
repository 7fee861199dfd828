// SPDX-License-Identifier: Apache-2.0

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
  /// Registers that user space can map, at an offset of the iommufd (`struct iommufd_mmap`).
  public struct Window {
    public let viommu: VIOMMU
    /// Both in bytes, and multiples of a page.
    public let offset: UInt64
    public let length: UInt64
  }

  public internal(set) var window: Window?
  public internal(set) var vdevs: [UInt64: VDevice] = [:]
  /// Where the events of its devices go; used by the hardware's threads.
  public let events = VIOMMUEvents()
  /// What the driver keeps with a vIOMMU.
  public var driverData: AnyObject?

  /// What its driver does with it (`ops` of `struct iommufd_viommu`).
  public var ops: any VIOMMUOps { smmu.driver.viommuOps }

  init(name: String, type: VIOMMUType, device: Device, parent: Domain, ioas: IOAS) {
    self.type = type
    smmu = device.smmu
    deviceName = device.name
    self.parent = parent
    self.ioas = ioas
    super.init(.viommu, name, in: device.owner)
  }
}

extension VIOMMU {
  /// Takes the lowest free offsets for the vIOMMU's window (`iommufd_viommu_alloc_mmap`); the
  /// first page of the file is nobody's.
  ///
  /// - Parameter length: in bytes, a multiple of a page.
  public func openWindow(length: UInt64, in transaction: Transaction) {
    let context = owner
    var offset = ObjectCore.pageSize
    var position = 0
    while position < context.windows.count, context.windows[position].offset - offset < length {
      offset = context.windows[position].offset + context.windows[position].length
      position += 1
    }
    let window = Window(viommu: self, offset: offset, length: length)
    context.windows.insert(window, at: position)
    self.window = window
    transaction.onRollback {
      context.windows.remove(at: position)
      self.window = nil
    }
  }

  /// The window's offsets are free again.
  public func closeWindow(in transaction: Transaction) {
    let context = owner
    guard let position = context.windows.firstIndex(where: { $0.viommu === self }) else { return }
    let window = context.windows.remove(at: position)
    self.window = nil
    transaction.onRollback {
      context.windows.insert(window, at: position)
      self.window = window
    }
  }
}

/// What can be done with vIOMMUs.
public struct VIOMMUs: ObjectVerbs {
  unowned let core: ObjectCore

  /// Allocates a vIOMMU (`iommufd_viommu_alloc_ioctl`).
  ///
  /// - Parameter data: what the caller hands to the driver.
  /// - Returns: the vIOMMU, and the data as the caller gets it back.
  @discardableResult
  public func allocate(
    _ name: String?, type: VIOMMUType, device: String, domain: String, data: UserData? = nil
  ) throws(Refusal) -> (viommu: VIOMMU, data: [UInt8]?) {
    let device: Device = try resolve(.device, device, field: "device")
    let context = device.owner
    guard device.smmu.driver.ops.supports(type, for: device) else {
      throw Refusal(
        .EOPNOTSUPP, field: "type",
        "\(device.smmu.name) makes no vIOMMU of type \(type.name) for \(device.name)")
    }
    let parent: Domain = try resolve(.domain, domain, in: context, field: "domain")
    guard let ioas = parent.ioas else {
      throw Refusal(.ENOENT, field: "domain", "domain \(domain) is not a paging domain")
    }
    guard parent.flags.contains(.nestParent) else {
      throw Refusal(.EINVAL, field: "domain", "domain \(domain) is not a nesting parent")
    }
    let viommu = VIOMMU(
      name: try claimName(.viommu, name), type: type, device: device, parent: parent, ioas: ioas)
    viommu.objectID = try claimID(context)
    try pin(parent, by: viommu, .field("domain"))
    let answer = try device.smmu.driver.ops.initialize(
      viommu, for: device, data: data, in: transaction)
    try publish(viommu)
    return (viommu, answer)
  }
}
