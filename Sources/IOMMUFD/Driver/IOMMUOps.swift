// SPDX-License-Identifier: Apache-2.0

/// What a driver does with the devices behind its IOMMU, and what it allocates for them
/// (`struct iommu_ops`).
public protocol IOMMUOps {
  // MARK: Devices

  /// Whether the bus has an object of its own for each device, which gets an object ID before the
  /// device does. When that object is destroyed, the device is unplugged.
  var keepsBusObjects: Bool { get }

  /// Whether the hardware can record which pages a device has written (`IOMMU_CAP_DIRTY_TRACKING`).
  func tracksDirtyPages(of device: Device) -> Bool

  /// The answer to `IOMMU_GET_HW_INFO` for a device (`hw_info`).
  ///
  /// - Parameters:
  ///   - device: the device behind the IOMMU that is asked about.
  ///   - type: the type of information; 0 leaves the choice to the driver.
  /// - Throws: `EOPNOTSUPP` for a type that the driver does not have.
  func hardwareInfo(of device: Device, type: UInt32) throws(Refusal) -> HardwareInfo

  /// Ranges of addresses at which a device cannot reach memory, because something else answers
  /// there, as the doorbells of message signalled interrupts do (`get_resv_regions`).
  func reservedRanges(of device: Device) -> [ClosedRange<UInt64>]

  /// Makes a device's streams known to the hardware (`probe_device`).
  ///
  /// - Throws: `ERANGE` or `ENODEV` for a stream ID that the device cannot have.
  func bind(_ device: Device, in transaction: Transaction) throws(Refusal)

  /// Removes a device's streams from the hardware (`release_device`).
  func unbind(_ device: Device, in transaction: Transaction)

  /// The device's way to memory, which may be used on any thread; nil if the hardware is not
  /// emulated.
  func port(of device: Device) -> (any DevicePort)?

  /// Gives a device the answer to a group of its page faults (`page_response`). It is called at
  /// commit, either because somebody has answered the group or because the attachment ends that the
  /// faults came through.
  func respond(to group: FaultGroup, _ code: PageResponseCode)

  // MARK: Allocating

  /// Checks the flags of a new paging domain, and takes what the domain needs
  /// (`domain_alloc_paging_flags`).
  func allocatePaging(
    _ domain: Domain, for device: Device, in transaction: Transaction
  ) throws(Refusal)

  /// Whether a nested domain can be made directly on its parent, without a vIOMMU.
  var nestsOnParents: Bool { get }

  /// Checks the guest's configuration for a domain that is nested directly on its parent
  /// (`domain_alloc_nested`). It is called only if `nestsOnParents` is true.
  func allocateNested(
    _ domain: Domain, for device: Device, in transaction: Transaction
  ) throws(Refusal)

  /// Whether a vIOMMU of the type can be made for a device (in the kernel, whether
  /// `get_viommu_size` is not 0).
  func supports(_ type: VIOMMUType, for device: Device) -> Bool

  /// Takes what a new vIOMMU needs (`viommu_init`).
  ///
  /// - Parameters:
  ///   - viommu: the vIOMMU.
  ///   - device: the device that it is made for.
  ///   - data: the user data of the request; nil if there is none.
  ///   - transaction: gets what has to be done at commit and at rollback.
  /// - Returns: the user data that the caller gets back; nil if there is none.
  /// - Throws: what is wrong with the parent or the data, or `ENOSPC` when the hardware has no
  ///   room.
  func initialize(
    _ viommu: VIOMMU, for device: Device, data: UserData?, in transaction: Transaction
  ) throws(Refusal) -> [UInt8]?
}

/// What a driver does for an operation that it leaves out. It is what the kernel does in such a
/// case.
extension IOMMUOps {
  /// The bus has no objects of its own; only that of the kernel's self-test has.
  public var keepsBusObjects: Bool { false }

  /// There are no such ranges, because nothing but memory answers a device's accesses.
  public func reservedRanges(of device: Device) -> [ClosedRange<UInt64>] { [] }

  /// There is none, because a device without emulated hardware makes no accesses.
  public func port(of device: Device) -> (any DevicePort)? { nil }

  /// Does nothing, because a device without emulated hardware waits for no answer.
  public func respond(to group: FaultGroup, _ code: PageResponseCode) {}

  /// Nested domains are made on vIOMMUs.
  public var nestsOnParents: Bool { false }

  /// Refuses with `EOPNOTSUPP`, because nested domains are made on vIOMMUs.
  public func allocateNested(
    _ domain: Domain, for device: Device, in transaction: Transaction
  ) throws(Refusal) {
    throw Refusal(
      .EOPNOTSUPP, field: "domain", "\(device.smmu.name) nests on vIOMMUs, not on their parents")
  }

  /// The driver has no type of vIOMMU.
  public func supports(_ type: VIOMMUType, for device: Device) -> Bool { false }

  /// Does nothing, because the vIOMMU needs nothing.
  public func initialize(
    _ viommu: VIOMMU, for device: Device, data: UserData?, in transaction: Transaction
  ) throws(Refusal) -> [UInt8]? { nil }
}

/// What `IOMMU_GET_HW_INFO` answers (`struct iommu_hw_info`).
public struct HardwareInfo: Sendable, Equatable {
  /// What the IOMMU can do for a device (`enum iommufd_hw_capabilities`).
  public struct Capabilities: OptionSet, Sendable {
    /// The capabilities as bits, with the kernel's numbers.
    public let rawValue: UInt64
    /// Capabilities by their bits.
    public init(rawValue: UInt64) { self.rawValue = rawValue }

    /// The hardware can record which pages the device has written (`IOMMU_HW_CAP_DIRTY_TRACKING`).
    public static let dirtyTracking = Capabilities(rawValue: 1)
    /// The device's PASIDs can be given the permission to execute (`IOMMU_HW_CAP_PCI_PASID_EXEC`).
    public static let pasidExecute = Capabilities(rawValue: 2)
    /// The device's PASIDs can be privileged (`IOMMU_HW_CAP_PCI_PASID_PRIV`).
    public static let pasidPrivileged = Capabilities(rawValue: 4)
    /// The device cannot use ATS (`IOMMU_HW_CAP_PCI_ATS_NOT_SUPPORTED`).
    public static let noATS = Capabilities(rawValue: 8)
  }

  /// The type of the data (`enum iommu_hw_info_type`).
  public var type: UInt32
  /// The bytes of the struct that the type stands for.
  public var data: [UInt8]
  /// What the IOMMU can do for the device.
  public var capabilities: Capabilities
  /// The number of bits of the PASIDs that the device can use; 0 if it can use none.
  public var pasidBits: Int

  /// An answer by its parts.
  public init(type: UInt32, data: [UInt8], capabilities: Capabilities, pasidBits: Int) {
    self.type = type
    self.data = data
    self.capabilities = capabilities
    self.pasidBits = pasidBits
  }
}
