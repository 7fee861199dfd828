// SPDX-License-Identifier: Apache-2.0

/// What a driver does with the devices behind its IOMMU, and what it allocates for them
/// (`struct iommu_ops`).
public protocol IOMMUOps {
  // MARK: Devices

  /// Whether the bus has an object of its own beside each device, which takes an ID before the
  /// device does. Destroying it unplugs the device.
  var keepsBusObjects: Bool { get }

  /// Whether the hardware can note which pages a device has written
  /// (`IOMMU_CAP_DIRTY_TRACKING`).
  func tracksDirtyPages(of device: Device) -> Bool

  /// What `IOMMU_GET_HW_INFO` says of the hardware behind a device (`hw_info`).
  ///
  /// - Parameter type: the type that is asked for; 0 is the driver's own.
  /// - Throws: `EOPNOTSUPP` for a type that the driver does not have.
  func hardwareInfo(of device: Device, type: UInt32) throws(Refusal) -> HardwareInfo

  /// Address ranges that a device cannot send to memory, because something else answers there,
  /// as message signalled interrupts do (`get_resv_regions`).
  func reservedRanges(of device: Device) -> [ClosedRange<UInt64>]

  /// Makes a device's streams known (`probe_device`).
  ///
  /// - Throws: `ERANGE` or `ENODEV` for a stream ID that the device cannot have.
  func bind(_ device: Device, in transaction: Transaction) throws(Refusal)

  /// Forgets a device's streams (`release_device`).
  func unbind(_ device: Device, in transaction: Transaction)

  /// The hardware's end of a device, for DMA from any thread; nil where there is none.
  func port(of device: Device) -> (any DevicePort)?

  /// Tells a device that a group of its page faults is answered (`page_response`). Called at
  /// commit, whether somebody has answered or the attachment that the faults came through ends.
  func respond(to group: FaultGroup, _ code: PageResponseCode)

  // MARK: Allocating

  /// Checks the flags and takes what a paging domain needs (`domain_alloc_paging_flags`).
  func allocatePaging(
    _ domain: Domain, for device: Device, in transaction: Transaction
  ) throws(Refusal)

  /// Whether a nested domain can be made directly on its parent, without a vIOMMU.
  var nestsOnParents: Bool { get }

  /// Checks the guest's configuration for a domain that is nested directly on its parent
  /// (`domain_alloc_nested`). Only asked of a driver that nests on parents.
  func allocateNested(
    _ domain: Domain, for device: Device, in transaction: Transaction
  ) throws(Refusal)

  /// Whether a vIOMMU of the type can be made for the device (`get_viommu_size` is not 0).
  func supports(_ type: VIOMMUType, for device: Device) -> Bool

  /// Takes what a vIOMMU needs (`viommu_init`).
  ///
  /// - Parameter data: what the caller hands over, if anything.
  /// - Returns: the data as the caller gets it back.
  func initialize(
    _ viommu: VIOMMU, for device: Device, data: UserData?, in transaction: Transaction
  ) throws(Refusal) -> [UInt8]?
}

/// What a driver that leaves an operation out answers, as the kernel does in its place.
extension IOMMUOps {
  /// Only the bus of the kernel's self-test has objects of its own.
  public var keepsBusObjects: Bool { false }

  /// Nothing but memory answers a device's accesses.
  public func reservedRanges(of device: Device) -> [ClosedRange<UInt64>] { [] }

  /// A device without emulated hardware makes no accesses.
  public func port(of device: Device) -> (any DevicePort)? { nil }

  /// A device without emulated hardware waits for no answer.
  public func respond(to group: FaultGroup, _ code: PageResponseCode) {}

  /// Nested domains stand on vIOMMUs.
  public var nestsOnParents: Bool { false }

  /// Refuses with `EOPNOTSUPP`: nested domains stand on vIOMMUs.
  public func allocateNested(
    _ domain: Domain, for device: Device, in transaction: Transaction
  ) throws(Refusal) {
    throw Refusal(
      .EOPNOTSUPP, field: "domain", "\(device.smmu.name) nests on vIOMMUs, not on their parents")
  }

  /// There is no type of vIOMMU.
  public func supports(_ type: VIOMMUType, for device: Device) -> Bool { false }

  /// A vIOMMU takes nothing and answers nothing.
  public func initialize(
    _ viommu: VIOMMU, for device: Device, data: UserData?, in transaction: Transaction
  ) throws(Refusal) -> [UInt8]? { nil }
}

/// What `IOMMU_GET_HW_INFO` answers (`struct iommu_hw_info`).
public struct HardwareInfo: Sendable, Equatable {
  /// What may be asked of the hardware behind a device (`enum iommufd_hw_capabilities`).
  public struct Capabilities: OptionSet, Sendable {
    /// The bits as the kernel numbers them.
    public let rawValue: UInt64
    /// Makes a set of the kernel's bits.
    public init(rawValue: UInt64) { self.rawValue = rawValue }

    /// Written pages can be noted (`IOMMU_HW_CAP_DIRTY_TRACKING`).
    public static let dirtyTracking = Capabilities(rawValue: 1)
    /// PASIDs can have the right to execute (`IOMMU_HW_CAP_PCI_PASID_EXEC`).
    public static let pasidExecute = Capabilities(rawValue: 2)
    /// PASIDs can be privileged (`IOMMU_HW_CAP_PCI_PASID_PRIV`).
    public static let pasidPrivileged = Capabilities(rawValue: 4)
    /// The device cannot use ATS (`IOMMU_HW_CAP_PCI_ATS_NOT_SUPPORTED`).
    public static let noATS = Capabilities(rawValue: 8)
  }

  /// What the data is (`enum iommu_hw_info_type`).
  public var type: UInt32
  /// The bytes of the struct that belongs to the type.
  public var data: [UInt8]
  /// What may be asked of the hardware behind the device.
  public var capabilities: Capabilities
  /// The width of the PASIDs that the device can use, in bits; 0 without them.
  public var pasidBits: Int

  /// Puts an answer together.
  public init(type: UInt32, data: [UInt8], capabilities: Capabilities, pasidBits: Int) {
    self.type = type
    self.data = data
    self.capabilities = capabilities
    self.pasidBits = pasidBits
  }
}
