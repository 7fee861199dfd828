// SPDX-License-Identifier: Apache-2.0

/// What an IOVA must be like to be mapped by a domain.
public struct IOVAConstraints: Sendable, Equatable {
  /// The addresses that a domain can translate.
  public var aperture: ClosedRange<UInt64>
  /// The alignment of addresses and lengths in bytes, a power of two.
  public var alignment: UInt64

  public init(aperture: ClosedRange<UInt64>, alignment: UInt64) {
    self.aperture = aperture
    self.alignment = alignment
  }
}

/// What `IOMMU_GET_HW_INFO` answers (`struct iommu_hw_info`).
public struct HardwareInfo: Sendable, Equatable {
  /// What may be asked of the hardware behind a device (`enum iommufd_hw_capabilities`).
  public struct Capabilities: OptionSet, Sendable {
    public let rawValue: UInt64
    public init(rawValue: UInt64) { self.rawValue = rawValue }

    public static let dirtyTracking = Capabilities(rawValue: 1)
    public static let pasidExecute = Capabilities(rawValue: 2)
    public static let pasidPrivileged = Capabilities(rawValue: 4)
    public static let noATS = Capabilities(rawValue: 8)
  }

  /// What the data is (`enum iommu_hw_info_type`).
  public var type: UInt32
  public var data: [UInt8]
  public var capabilities: Capabilities
  /// The width of the PASIDs that the device can use; 0 without them.
  public var pasidBits: Int

  public init(type: UInt32, data: [UInt8], capabilities: Capabilities, pasidBits: Int) {
    self.type = type
    self.data = data
    self.capabilities = capabilities
    self.pasidBits = pasidBits
  }
}

/// What a driver made of an attach.
public struct AttachOutcome {
  /// The vdev whose virtual ID the stream table entry now carries, if it carries one.
  public var vdev: VDevice?

  public init(vdev: VDevice? = nil) { self.vdev = vdev }
}

/// A driver of physical IOMMUs, as the object core sees it (`struct iommu_ops`,
/// `struct iommu_domain_ops` and `struct iommufd_viommu_ops` in one).
///
/// All hooks run under the host's lock. A hook either throws and has changed nothing, or notes
/// in the transaction how its change is taken back. What hardware or other threads can see it
/// leaves to the transaction's commit. A hook that ends something cannot fail.
public protocol IOMMUDriver: AnyObject {
  /// What it was made from, with every feature filled in.
  var settings: SMMUSettings { get }

  /// What the driver and its hardware make of an object: registers, table entries, numbers.
  func facts(about object: Object) -> [DriverFact]

  /// What the registers that belong to an object say at this moment; nil where there are none,
  /// or not yet.
  func registers(of object: Object) -> [DriverFact]?

  /// Handles a record of the hardware's event queue, as its interrupt thread does; from any
  /// thread, and so the handler is a value of its own.
  var eventHandler: any HardwareEventHandler { get }

  /// The IOMMU goes; nothing is behind it any more.
  func shutDown(in transaction: Transaction)

  // MARK: Devices

  /// Whether the bus has an object of its own beside each device, which takes an ID before the
  /// device's. Destroying it unplugs the device.
  var keepsBusObjects: Bool { get }

  /// Whether the pages that a device writes can be noted.
  func tracksDirtyPages(of device: Device) -> Bool

  /// What `IOMMU_GET_HW_INFO` says of the hardware behind a device.
  ///
  /// - Parameter type: the type asked for; 0 is the driver's own.
  /// - Throws: `EOPNOTSUPP` for a type that the driver does not have.
  func hardwareInfo(of device: Device, type: UInt32) throws(Refusal) -> HardwareInfo

  /// Address ranges that a device cannot send to memory: they are something else's, as message
  /// signalled interrupts are.
  func reservedRanges(of device: Device) -> [ClosedRange<UInt64>]

  /// Makes a device's streams known (`arm_smmu_insert_master`).
  func bind(_ device: Device, in transaction: Transaction) throws(Refusal)
  func unbind(_ device: Device, in transaction: Transaction)

  // MARK: Domains

  /// Whether a nested domain can be made directly on its parent.
  var nestsOnParents: Bool { get }

  /// What `domain` can map.
  func constraints(of domain: Domain) -> IOVAConstraints

  /// Checks the flags and takes what a paging domain needs (`domain_alloc_paging_flags`).
  func allocatePaging(
    _ domain: Domain, for device: Device, in transaction: Transaction
  ) throws(Refusal)

  /// Checks the guest's configuration for a nested domain (`alloc_domain_nested`).
  func allocateNested(
    _ domain: Domain, for device: Device, in transaction: Transaction
  ) throws(Refusal)

  func free(_ domain: Domain, in transaction: Transaction)

  /// Has a domain translate a mapping from commit on (`map_pages`).
  ///
  /// - Throws: `ENOMEM` when there is no room for the page tables.
  func map(_ area: Area, in domain: Domain, in transaction: Transaction) throws(Refusal)

  /// Has a domain forget mappings, and the hardware what it cached of them (`unmap_pages`,
  /// `iotlb_sync`).
  func unmap(_ areas: [Area], from domain: Domain, in transaction: Transaction)

  // MARK: vIOMMUs

  /// Whether a vIOMMU of the type can be made for the device (`get_viommu_size` is not 0).
  func supports(_ type: VIOMMUType, for device: Device) -> Bool
  /// Takes what a vIOMMU needs (`viommu_init`).
  ///
  /// - Parameter data: what the caller hands over, if anything.
  /// - Returns: the data as the caller gets it back.
  func initialize(
    _ viommu: VIOMMU, for device: Device, data: UserData?, in transaction: Transaction
  ) throws(Refusal) -> [UInt8]?

  /// What user space sees in the window of a vIOMMU (`VIOMMU.window`).
  ///
  /// - Parameters:
  ///   - offset: in bytes from the beginning of the window.
  ///   - width: 4 or 8 bytes.
  /// - Throws: `EOPNOTSUPP` where there is no window, `EINVAL` for an access that the window does
  ///   not take.
  func readWindow(of viommu: VIOMMU, at offset: UInt64, width: Int) throws(Refusal) -> UInt64
  /// Checks a write to a window, which is carried out at commit.
  func writeWindow(
    of viommu: VIOMMU, at offset: UInt64, _ value: UInt64, width: Int,
    in transaction: Transaction) throws(Refusal)
  func destroy(_ viommu: VIOMMU, in transaction: Transaction)

  /// A vdev comes (`vdevice_init`): hardware that keeps a table of virtual IDs learns it.
  func initialize(_ vdev: VDevice, in transaction: Transaction) throws(Refusal)
  /// A vdev goes (`vdevice_destroy`).
  func destroy(_ vdev: VDevice, in transaction: Transaction)

  /// Whether a hw-queue of the type can be made on the vIOMMU (`get_hw_queue_size` is not 0).
  func supports(_ type: HWQueueType, on viommu: VIOMMU) -> Bool
  /// Takes a guest's queue over; returns the queue that must outlive it, if there is one.
  func initialize(_ queue: HWQueue, in transaction: Transaction) throws(Refusal) -> HWQueue?
  func destroy(_ queue: HWQueue, in transaction: Transaction)
  /// Puts commands of two words into a guest's ring and rings the doorbell, as the guest does, at
  /// commit.
  ///
  /// - Throws: `ENOSPC` when the ring has no room for all of them.
  func submit(
    _ commands: [[UInt64]], to queue: HWQueue, in transaction: Transaction
  ) throws(Refusal) -> Submission

  // MARK: Invalidation

  /// Carries out the invalidations of a guest, in order, up to the first that is refused
  /// (`cache_invalidate`, `cache_invalidate_user`). What came before stands.
  func invalidate(
    _ target: InvalidationTarget, _ request: InvalidationArray, in transaction: Transaction
  ) -> InvalidationOutcome

  // MARK: Faults

  /// A group of page faults of a device is answered, by whoever handles them or because the
  /// attachment it came through ends (`page_response`); called at commit.
  func respond(to group: FaultGroup, _ code: PageResponseCode)

  // MARK: The hardware

  /// The hardware's end of a device, for DMA from any thread; nil where there is none.
  func port(of device: Device) -> (any DevicePort)?

  /// Reads a register of the hardware.
  ///
  /// - Parameters:
  ///   - offset: in bytes from the beginning of the registers.
  ///   - width: 4 or 8 bytes.
  /// - Throws: `EINVAL` for an offset or width that the hardware does not take.
  func readRegister(_ offset: UInt64, width: Int) throws(Refusal) -> UInt64
  /// Checks a write to a register, which is carried out at commit.
  func writeRegister(
    _ offset: UInt64, _ value: UInt64, width: Int, in transaction: Transaction) throws(Refusal)

  // MARK: Attaching

  /// Prepares to send a device's traffic at `pasid` (0: the RID) through `domain` and commits
  /// with the transaction: `attach_dev`, `set_dev_pasid`.
  func attach(
    _ device: Device, pasid: UInt32, to domain: Domain, in transaction: Transaction
  ) throws(Refusal) -> AttachOutcome

  /// Blocks the device's traffic at `pasid`, from commit on.
  func detach(
    _ device: Device, pasid: UInt32, from domain: Domain, in transaction: Transaction)
}

/// The way from a record of the hardware's event queue to the one who is to know of it.
public protocol HardwareEventHandler: Sendable {
  /// The bytes of a record are that many 64-bit words.
  var wordCount: Int { get }
  /// A record as the hardware writes it for a stream: with that stream's ID in it.
  func record(_ words: [UInt64], from stream: UInt32) -> [UInt64]
  func handle(_ words: [UInt64]) -> EventDisposition
}

/// Where a hardware event went.
public enum EventDisposition: Sendable, Equatable {
  /// To the veventq of a vIOMMU, under the virtual ID.
  case forwarded(viommu: String, virtualID: UInt64)
  /// To a fault queue, as a stalled transaction's page fault.
  case faulted
  /// Into the event queue in memory, where whoever runs the hardware finds it.
  case queued
  /// To nobody but the log.
  case logged(Errno)
}

/// What a driver that lacks a hook answers, as the kernel does in its place.
extension IOMMUDriver {
  public func registers(of object: Object) -> [DriverFact]? { nil }

  private func noWindow(_ viommu: VIOMMU) -> Refusal {
    Refusal(.EOPNOTSUPP, "vIOMMU \(viommu.name) of type \(viommu.type.name) has no window")
  }

  public var keepsBusObjects: Bool { false }
  public var nestsOnParents: Bool { false }

  public func reservedRanges(of device: Device) -> [ClosedRange<UInt64>] { [] }

  public func shutDown(in transaction: Transaction) {}

  public func map(_ area: Area, in domain: Domain, in transaction: Transaction) throws(Refusal) {}
  public func unmap(_ areas: [Area], from domain: Domain, in transaction: Transaction) {}

  public func respond(to group: FaultGroup, _ code: PageResponseCode) {}
  public func port(of device: Device) -> (any DevicePort)? { nil }

  public func readRegister(_ offset: UInt64, width: Int) throws(Refusal) -> UInt64 {
    throw Refusal(.EOPNOTSUPP, "the IOMMU has no registers that are emulated")
  }
  public func writeRegister(
    _ offset: UInt64, _ value: UInt64, width: Int, in transaction: Transaction
  ) throws(Refusal) {
    throw Refusal(.EOPNOTSUPP, "the IOMMU has no registers that are emulated")
  }

  public func supports(_ type: VIOMMUType, for device: Device) -> Bool { false }
  public func initialize(
    _ viommu: VIOMMU, for device: Device, data: UserData?, in transaction: Transaction
  ) throws(Refusal) -> [UInt8]? { nil }
  public func readWindow(
    of viommu: VIOMMU, at offset: UInt64, width: Int
  ) throws(Refusal) -> UInt64 { throw noWindow(viommu) }
  public func writeWindow(
    of viommu: VIOMMU, at offset: UInt64, _ value: UInt64, width: Int,
    in transaction: Transaction
  ) throws(Refusal) { throw noWindow(viommu) }
  public func destroy(_ viommu: VIOMMU, in transaction: Transaction) {}

  public func initialize(_ vdev: VDevice, in transaction: Transaction) throws(Refusal) {}
  public func destroy(_ vdev: VDevice, in transaction: Transaction) {}

  public func supports(_ type: HWQueueType, on viommu: VIOMMU) -> Bool { false }
  public func initialize(
    _ queue: HWQueue, in transaction: Transaction
  ) throws(Refusal) -> HWQueue? { nil }
  public func destroy(_ queue: HWQueue, in transaction: Transaction) {}
  public func submit(
    _ commands: [[UInt64]], to queue: HWQueue, in transaction: Transaction
  ) throws(Refusal) -> Submission {
    throw Refusal(.EOPNOTSUPP, "hw-queue \(queue.name) carries out no commands")
  }

  public func invalidate(
    _ target: InvalidationTarget, _ request: InvalidationArray, in transaction: Transaction
  ) -> InvalidationOutcome {
    InvalidationOutcome(
      handled: 0,
      refusal: Refusal(.EOPNOTSUPP, field: "hwpt_id", "the driver invalidates nothing there"))
  }
}
