// SPDX-License-Identifier: Apache-2.0

/// What a driver does with its vIOMMUs, and with the vdevs and hw-queues on them
/// (`struct iommufd_viommu_ops`).
public protocol VIOMMUOps {
  // MARK: vIOMMUs

  /// Checks the guest's configuration for a domain that is nested on a vIOMMU
  /// (`alloc_domain_nested`).
  func allocateNested(
    _ domain: Domain, for device: Device, in transaction: Transaction
  ) throws(Refusal)

  /// Carries out a guest's invalidations on its vIOMMU, one after the other until one is refused
  /// (`cache_invalidate`). Those before it are not undone.
  func invalidate(
    _ viommu: VIOMMU, _ request: InvalidationArray, in transaction: Transaction
  ) -> InvalidationOutcome

  /// Frees at commit what a vIOMMU has taken (`destroy`).
  func destroy(_ viommu: VIOMMU, in transaction: Transaction)

  // MARK: vdevs

  /// Prepares a new vdev (`vdevice_init`). Hardware that keeps a table of virtual IDs gets an entry
  /// for it at commit.
  func initialize(_ vdev: VDevice, in transaction: Transaction) throws(Refusal)

  /// Removes at commit what the hardware has of a vdev (`vdevice_destroy`).
  func destroy(_ vdev: VDevice, in transaction: Transaction)

  // MARK: hw-queues

  /// Whether a hw-queue of the type can be made on the vIOMMU (in the kernel, whether
  /// `get_hw_queue_size` is not 0).
  func supports(_ type: HWQueueType, on viommu: VIOMMU) -> Bool

  /// Takes over a guest's queue (`hw_queue_init_phys`).
  ///
  /// - Returns: the queue that must outlive this one; nil if there is none.
  func initialize(_ queue: HWQueue, in transaction: Transaction) throws(Refusal) -> HWQueue?

  /// Gives a queue back to its guest (`hw_queue_destroy`).
  func destroy(_ queue: HWQueue, in transaction: Transaction)

  /// Puts commands into a guest's ring and rings the doorbell at commit, as the guest does.
  ///
  /// - Parameters:
  ///   - commands: the commands, of two words each.
  ///   - queue: the guest's queue.
  ///   - transaction: does this at its commit.
  /// - Returns: the submission, which has its result after the commit.
  /// - Throws: `ENOSPC` when the ring has no room for all of them.
  func submit(
    _ commands: [[UInt64]], to queue: HWQueue, in transaction: Transaction
  ) throws(Refusal) -> Submission

  // MARK: The window

  /// Reads the window of a vIOMMU (`VIOMMU.window`), as user space does that has mapped it.
  ///
  /// - Parameters:
  ///   - offset: in bytes from the beginning of the window.
  ///   - width: 4 or 8 bytes.
  /// - Throws: `EOPNOTSUPP` where there is no window, `EINVAL` for an access that the window does
  ///   not take.
  func readWindow(of viommu: VIOMMU, at offset: UInt64, width: Int) throws(Refusal) -> UInt64

  /// Checks a write to the window of a vIOMMU, and has it made at commit.
  ///
  /// - Parameters:
  ///   - viommu: the vIOMMU.
  ///   - offset: in bytes from the beginning of the window.
  ///   - value: what is written; a write of 4 bytes takes its lower half.
  ///   - width: 4 or 8 bytes.
  ///   - transaction: makes the write at its commit.
  /// - Throws: `EOPNOTSUPP` if there is no window, `EINVAL` for an access that the window does not
  ///   take.
  func writeWindow(
    of viommu: VIOMMU, at offset: UInt64, _ value: UInt64, width: Int,
    in transaction: Transaction) throws(Refusal)
}

/// The operations of a driver that makes no vIOMMUs.
public struct NoVIOMMUs: VIOMMUOps {
  /// Operations that have no options.
  public init() {}
}

/// What a driver does for an operation that it leaves out. It is what the kernel does in such a
/// case.
extension VIOMMUOps {
  /// Refuses with `EOPNOTSUPP`, because the driver does not nest domains on its vIOMMUs.
  public func allocateNested(
    _ domain: Domain, for device: Device, in transaction: Transaction
  ) throws(Refusal) {
    throw Refusal(.EOPNOTSUPP, field: "viommu", "\(device.smmu.name) nests nothing on vIOMMUs")
  }

  /// Refuses with `EOPNOTSUPP`, because the driver has nothing that a guest could invalidate.
  public func invalidate(
    _ viommu: VIOMMU, _ request: InvalidationArray, in transaction: Transaction
  ) -> InvalidationOutcome { .unsupported }

  /// Does nothing, because the vIOMMU has taken nothing.
  public func destroy(_ viommu: VIOMMU, in transaction: Transaction) {}

  /// Does nothing, because the hardware has no table of virtual IDs.
  public func initialize(_ vdev: VDevice, in transaction: Transaction) throws(Refusal) {}

  /// Does nothing, because the hardware has no table of virtual IDs.
  public func destroy(_ vdev: VDevice, in transaction: Transaction) {}

  /// The driver has no type of hw-queue.
  public func supports(_ type: HWQueueType, on viommu: VIOMMU) -> Bool { false }

  /// Does nothing, and names no queue that must outlive this one.
  public func initialize(
    _ queue: HWQueue, in transaction: Transaction
  ) throws(Refusal) -> HWQueue? { nil }

  /// Does nothing, because the queue has taken nothing.
  public func destroy(_ queue: HWQueue, in transaction: Transaction) {}

  /// Refuses with `EOPNOTSUPP`, because the driver has no hw-queues.
  public func submit(
    _ commands: [[UInt64]], to queue: HWQueue, in transaction: Transaction
  ) throws(Refusal) -> Submission {
    throw Refusal(.EOPNOTSUPP, "hw-queue \(queue.name) carries out no commands")
  }

  /// Refuses with `EOPNOTSUPP`, because the vIOMMU has no window.
  public func readWindow(
    of viommu: VIOMMU, at offset: UInt64, width: Int
  ) throws(Refusal) -> UInt64 { throw noWindow(viommu) }

  /// Refuses with `EOPNOTSUPP`, because the vIOMMU has no window.
  public func writeWindow(
    of viommu: VIOMMU, at offset: UInt64, _ value: UInt64, width: Int,
    in transaction: Transaction
  ) throws(Refusal) { throw noWindow(viommu) }

  private func noWindow(_ viommu: VIOMMU) -> Refusal {
    Refusal(.EOPNOTSUPP, "vIOMMU \(viommu.name) of type \(viommu.type.name) has no window")
  }
}
