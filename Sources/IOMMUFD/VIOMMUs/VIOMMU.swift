// SPDX-License-Identifier: Apache-2.0

/// A slice of one physical IOMMU for one VM (`struct iommufd_viommu`).
public final class VIOMMU: ContextObject {
  /// What kind of vIOMMU it is, which decides what its guest can do with it.
  public let type: VIOMMUType
  /// The physical IOMMU that it is a slice of.
  public let smmu: SMMU
  /// The name of the device that the vIOMMU was allocated for. The vIOMMU does not pin it, so it
  /// may be gone.
  public let deviceName: String
  /// The nesting parent, whose tables are the stage 2 of the VM.
  public let parent: Domain
  /// The address space of the nesting parent, whose addresses are the guest's physical ones.
  public let ioas: IOAS
  /// Registers of a vIOMMU that user space can map, at an offset of the iommufd
  /// (`struct iommufd_mmap`).
  public struct Window {
    /// The vIOMMU that the registers belong to.
    public let viommu: VIOMMU
    /// The offset in the iommufd in bytes, a multiple of a page.
    public let offset: UInt64
    /// The length in bytes, a multiple of a page.
    public let length: UInt64
  }

  /// The registers that user space can map; nil where the type of vIOMMU has none.
  public internal(set) var window: Window?
  /// The vdevs on the vIOMMU by their virtual IDs (`vdevs` of `struct iommufd_viommu`).
  public internal(set) var vdevs: [UInt64: VDevice] = [:]
  /// The queues that get the events of its devices. The hardware's threads report to them.
  public let events = VIOMMUEvents()
  /// What the driver keeps with the vIOMMU; nobody else looks at it.
  public var driverData: AnyObject?

  /// The driver's operations on the vIOMMU (`ops` of `struct iommufd_viommu`).
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
  /// Gives the vIOMMU a window at the lowest offset of its context's file where one of that length
  /// fits (`iommufd_viommu_alloc_mmap`). No window is in the first page of the file.
  ///
  /// - Parameters:
  ///   - length: in bytes, a multiple of a page.
  ///   - transaction: the transaction under way.
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

  /// Takes the vIOMMU's window away, whose offsets are free again. Without a window nothing
  /// happens.
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

  /// Allocates a vIOMMU (`iommufd_viommu_alloc_ioctl`). The driver is asked for the type before the
  /// domain is looked up, as in the kernel.
  ///
  /// - Parameters:
  ///   - name: the name of the new object; nil to have one made up.
  ///   - type: what kind of vIOMMU it is to be.
  ///   - device: a device behind the physical IOMMU.
  ///   - domain: the nesting parent, in the context of the device.
  ///   - data: what the caller hands to the driver; nil when it is nothing.
  /// - Returns: the vIOMMU, and the data as the driver hands it back.
  /// - Throws: `ENOENT` when there is no such device or no such paging domain, `EOPNOTSUPP` when
  ///   the driver makes no vIOMMU of the type, `EINVAL` for a domain that is no nesting parent,
  ///   `EEXIST` for a name that is taken, `EBADF` when the context's own file is closed, and the
  ///   errors of the driver's `initialize`.
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
