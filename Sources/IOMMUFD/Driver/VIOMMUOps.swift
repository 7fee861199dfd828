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

  /// Carries out the invalidations of a guest on its vIOMMU, in order, up to the first that is
  /// refused (`cache_invalidate`). What came before it stands.
  func invalidate(
    _ viommu: VIOMMU, _ request: InvalidationArray, in transaction: Transaction
  ) -> InvalidationOutcome

  /// Gives back what a vIOMMU has taken (`destroy`).
  func destroy(_ viommu: VIOMMU, in transaction: Transaction)

  // MARK: vdevs

  /// A vdev comes: hardware that keeps a table of virtual IDs learns it (`vdevice_init`).
  func initialize(_ vdev: VDevice, in transaction: Transaction) throws(Refusal)

  /// A vdev goes (`vdevice_destroy`).
  func destroy(_ vdev: VDevice, in transaction: Transaction)

  // MARK: hw-queues

  /// Whether a hw-queue of the type can be made on the vIOMMU (`get_hw_queue_size` is not 0).
  func supports(_ type: HWQueueType, on viommu: VIOMMU) -> Bool

  /// Takes a guest's queue over (`hw_queue_init_phys`).
  ///
  /// - Returns: the queue that must outlive it, if there is one.
  func initialize(_ queue: HWQueue, in transaction: Transaction) throws(Refusal) -> HWQueue?

  /// Gives a guest's queue back (`hw_queue_destroy`).
  func destroy(_ queue: HWQueue, in transaction: Transaction)

  /// Puts commands of two words into a guest's ring and rings the doorbell, as the guest does, at
  /// commit.
  ///
  /// - Throws: `ENOSPC` when the ring has no room for all of them.
  func submit(
    _ commands: [[UInt64]], to queue: HWQueue, in transaction: Transaction
  ) throws(Refusal) -> Submission

  // MARK: The window

  /// Reads what user space sees in the window of a vIOMMU (`VIOMMU.window`).
  ///
  /// - Parameters:
  ///   - offset: in bytes from the beginning of the window.
  ///   - width: 4 or 8 bytes.
  /// - Throws: `EOPNOTSUPP` where there is no window, `EINVAL` for an access that the window does
  ///   not take.
  func readWindow(of viommu: VIOMMU, at offset: UInt64, width: Int) throws(Refusal) -> UInt64

  /// Checks a write to a window, which is carried out at commit.
  ///
  /// - Parameters:
  ///   - offset: in bytes from the beginning of the window.
  ///   - width: 4 or 8 bytes.
  /// - Throws: `EOPNOTSUPP` where there is no window, `EINVAL` for an access that the window does
  ///   not take.
  func writeWindow(
    of viommu: VIOMMU, at offset: UInt64, _ value: UInt64, width: Int,
    in transaction: Transaction) throws(Refusal)
}

/// The operations of a driver that makes no vIOMMUs.
public struct NoVIOMMUs: VIOMMUOps {
  /// There is nothing to choose.
  public init() {}
}

/// What a driver that leaves an operation out answers, as the kernel does in its place.
extension VIOMMUOps {
  /// Refuses with `EOPNOTSUPP`.
  public func allocateNested(
    _ domain: Domain, for device: Device, in transaction: Transaction
  ) throws(Refusal) {
    throw Refusal(.EOPNOTSUPP, field: "viommu", "\(device.smmu.name) nests nothing on vIOMMUs")
  }

  /// Refuses with `EOPNOTSUPP`.
  public func invalidate(
    _ viommu: VIOMMU, _ request: InvalidationArray, in transaction: Transaction
  ) -> InvalidationOutcome { .unsupported }

  /// A vIOMMU that has taken nothing gives nothing back.
  public func destroy(_ viommu: VIOMMU, in transaction: Transaction) {}

  /// No table has to learn the virtual ID.
  public func initialize(_ vdev: VDevice, in transaction: Transaction) throws(Refusal) {}

  /// No table has to forget the virtual ID.
  public func destroy(_ vdev: VDevice, in transaction: Transaction) {}

  /// There is no type of hw-queue.
  public func supports(_ type: HWQueueType, on viommu: VIOMMU) -> Bool { false }

  /// A queue takes nothing, and needs no other queue to outlive it.
  public func initialize(
    _ queue: HWQueue, in transaction: Transaction
  ) throws(Refusal) -> HWQueue? { nil }

  /// A queue that has taken nothing gives nothing back.
  public func destroy(_ queue: HWQueue, in transaction: Transaction) {}

  /// Refuses with `EOPNOTSUPP`.
  public func submit(
    _ commands: [[UInt64]], to queue: HWQueue, in transaction: Transaction
  ) throws(Refusal) -> Submission {
    throw Refusal(.EOPNOTSUPP, "hw-queue \(queue.name) carries out no commands")
  }

  /// Refuses with `EOPNOTSUPP`.
  public func readWindow(
    of viommu: VIOMMU, at offset: UInt64, width: Int
  ) throws(Refusal) -> UInt64 { throw noWindow(viommu) }

  /// Refuses with `EOPNOTSUPP`.
  public func writeWindow(
    of viommu: VIOMMU, at offset: UInt64, _ value: UInt64, width: Int,
    in transaction: Transaction
  ) throws(Refusal) { throw noWindow(viommu) }

  private func noWindow(_ viommu: VIOMMU) -> Refusal {
    Refusal(.EOPNOTSUPP, "vIOMMU \(viommu.name) of type \(viommu.type.name) has no window")
  }
}
