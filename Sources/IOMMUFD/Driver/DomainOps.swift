// SPDX-License-Identifier: Apache-2.0

/// What a driver does with its domains (`struct iommu_domain_ops`).
public protocol DomainOps {
  /// Which addresses a domain can map (`geometry` and `pgsize_bitmap` of `struct iommu_domain`).
  func constraints(of domain: Domain) -> IOVAConstraints

  /// Prepares to send a device's traffic at a PASID through a domain, from commit on
  /// (`attach_dev`, `set_dev_pasid`).
  ///
  /// - Parameter pasid: 0 is the RID.
  /// - Throws: `EINVAL` for a domain that the device cannot be attached to, `ENOENT` when the
  ///   device has no vdev where the domain needs one.
  func attach(
    _ device: Device, pasid: UInt32, to domain: Domain, in transaction: Transaction
  ) throws(Refusal) -> AttachOutcome

  /// Blocks the device's traffic at a PASID, from commit on.
  func detach(
    _ device: Device, pasid: UInt32, from domain: Domain, in transaction: Transaction)

  /// Has a domain translate a mapping from commit on (`map_pages`).
  ///
  /// - Throws: `ENOMEM` when there is no room for the page tables.
  func map(_ area: Area, in domain: Domain, in transaction: Transaction) throws(Refusal)

  /// Has a domain forget mappings, and the hardware what it cached of them (`unmap_pages`,
  /// `iotlb_sync`).
  func unmap(_ areas: [Area], from domain: Domain, in transaction: Transaction)

  /// Carries out the invalidations of a guest in a nested domain, in order, up to the first that
  /// is refused (`cache_invalidate_user`). What came before it stands.
  func invalidate(
    _ domain: Domain, _ request: InvalidationArray, in transaction: Transaction
  ) -> InvalidationOutcome

  /// Gives back what a domain has taken (`free`).
  func free(_ domain: Domain, in transaction: Transaction)
}

/// What a driver that leaves an operation out answers, as the kernel does in its place.
extension DomainOps {
  /// A domain without page tables keeps nothing of a mapping.
  public func map(_ area: Area, in domain: Domain, in transaction: Transaction) throws(Refusal) {}

  /// A domain without page tables has nothing to forget.
  public func unmap(_ areas: [Area], from domain: Domain, in transaction: Transaction) {}

  /// Refuses with `EOPNOTSUPP`.
  public func invalidate(
    _ domain: Domain, _ request: InvalidationArray, in transaction: Transaction
  ) -> InvalidationOutcome { .unsupported }

  /// A domain that has taken nothing gives nothing back.
  public func free(_ domain: Domain, in transaction: Transaction) {}
}

/// What an IOVA must be like to be mapped by a domain.
public struct IOVAConstraints: Sendable, Equatable {
  /// The addresses that a domain can translate.
  public var aperture: ClosedRange<UInt64>
  /// The alignment of addresses and lengths in bytes, a power of two.
  public var alignment: UInt64

  /// Puts the two together.
  public init(aperture: ClosedRange<UInt64>, alignment: UInt64) {
    self.aperture = aperture
    self.alignment = alignment
  }
}

/// What a driver made of an attach.
public struct AttachOutcome {
  /// The vdev whose virtual ID the stream table entry now carries, if it carries one.
  public var vdev: VDevice?

  /// Says which vdev it was, if any.
  public init(vdev: VDevice? = nil) { self.vdev = vdev }
}
