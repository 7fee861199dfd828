// SPDX-License-Identifier: Apache-2.0

/// What a driver does with its domains (`struct iommu_domain_ops`).
public protocol DomainOps {
  /// Which addresses a domain can map (`geometry` and `pgsize_bitmap` of `struct iommu_domain`).
  func constraints(of domain: Domain) -> IOVAConstraints

  /// Has a device's traffic at a PASID go through a domain from commit on (`attach_dev`,
  /// `set_dev_pasid`).
  ///
  /// - Parameters:
  ///   - device: a device of the group that is attached.
  ///   - pasid: the PASID; 0 stands for the RID.
  ///   - domain: the domain, which may belong to another IOMMU.
  ///   - transaction: gets what has to be done at commit and at rollback.
  /// - Returns: the vdev whose virtual ID the device's events carry from then on, if there is one.
  /// - Throws: `EINVAL` for a domain that the device cannot be attached to, `ENOENT` when the
  ///   device has no vdev where the domain needs one.
  func attach(
    _ device: Device, pasid: UInt32, to domain: Domain, in transaction: Transaction
  ) throws(Refusal) -> AttachOutcome

  /// Blocks a device's traffic at a PASID from commit on. It cannot fail.
  func detach(
    _ device: Device, pasid: UInt32, from domain: Domain, in transaction: Transaction)

  /// Maps an area in a domain from commit on (`map_pages`).
  ///
  /// - Throws: `ENOMEM` when there is no room for the page tables.
  func map(_ area: Area, in domain: Domain, in transaction: Transaction) throws(Refusal)

  /// Unmaps areas from a domain at commit, and has the hardware drop what it has cached of them
  /// (`unmap_pages`, `iotlb_sync`).
  func unmap(_ areas: [Area], from domain: Domain, in transaction: Transaction)

  /// Carries out a guest's invalidations in a nested domain, one after the other until one is
  /// refused (`cache_invalidate_user`). Those before it are not undone.
  func invalidate(
    _ domain: Domain, _ request: InvalidationArray, in transaction: Transaction
  ) -> InvalidationOutcome

  /// Frees at commit what a domain has taken (`free`).
  func free(_ domain: Domain, in transaction: Transaction)
}

/// What a driver does for an operation that it leaves out. It is what the kernel does in such a
/// case.
extension DomainOps {
  /// Does nothing, because a domain without page tables does not keep mappings.
  public func map(_ area: Area, in domain: Domain, in transaction: Transaction) throws(Refusal) {}

  /// Does nothing, because a domain without page tables does not keep mappings.
  public func unmap(_ areas: [Area], from domain: Domain, in transaction: Transaction) {}

  /// Refuses with `EOPNOTSUPP`, because the driver caches nothing that a guest could invalidate.
  public func invalidate(
    _ domain: Domain, _ request: InvalidationArray, in transaction: Transaction
  ) -> InvalidationOutcome { .unsupported }

  /// Does nothing, because the domain has taken nothing.
  public func free(_ domain: Domain, in transaction: Transaction) {}
}

/// Which IOVAs a domain can map.
public struct IOVAConstraints: Sendable, Equatable {
  /// The addresses that a domain can translate.
  public var aperture: ClosedRange<UInt64>
  /// The alignment that addresses and lengths must have, in bytes; a power of two.
  public var alignment: UInt64

  /// The constraints by their parts.
  public init(aperture: ClosedRange<UInt64>, alignment: UInt64) {
    self.aperture = aperture
    self.alignment = alignment
  }
}

/// What an attach has led to.
public struct AttachOutcome {
  /// The vdev whose virtual ID the device's events carry from now on; nil if there is none.
  public var vdev: VDevice?

  /// An outcome with its vdev, if there is one.
  public init(vdev: VDevice? = nil) { self.vdev = vdev }
}
