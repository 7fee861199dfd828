// SPDX-License-Identifier: Apache-2.0

/// A driver's own way into an address space, past any IOMMU (`struct iommufd_access`): that of an
/// mdev, whose device is software.
public final class Access: ContextObject {
  /// A range that the driver uses at present.
  public struct PinnedRange: Sendable, Equatable {
    public let iova: UInt64
    /// In bytes.
    public let length: UInt64

    var last: UInt64 { iova &+ (length &- 1) }
  }

  /// Whether it pins whole pages, or only reads and writes.
  public let pinsPages: Bool
  /// What it reaches at present.
  public internal(set) var ioas: IOAS
  var ioasPin: Pin?
  /// Ranges in use by number, from 0.
  public internal(set) var pinned: [UInt32: PinnedRange] = [:]
  private(set) var nextNumber: UInt32 = 0

  init(name: String, ioas: IOAS, pinsPages: Bool) {
    self.ioas = ioas
    self.pinsPages = pinsPages
    super.init(.access, name, in: ioas.owner)
  }

  func takeNumber() -> UInt32 {
    defer { nextNumber &+= 1 }
    return nextNumber
  }

  func returnNumber() { nextNumber &-= 1 }
}

/// What can be done with accesses.
public struct Accesses: ObjectVerbs {
  unowned let core: ObjectCore

  /// Makes an access to an address space (`iommufd_access_create`, `iommufd_access_attach`).
  ///
  /// - Throws: `EADDRINUSE` when it pins pages and the space maps less than one.
  @discardableResult
  public func create(
    _ name: String?, ioas: String, pinsPages: Bool
  ) throws(Refusal) -> Access {
    let ioas: IOAS = try resolve(.ioas, ioas, field: "ioas")
    let access = Access(name: try claimName(.access, name), ioas: ioas, pinsPages: pinsPages)
    access.objectID = try claimID(ioas.owner)
    if pinsPages { try core.addressSpaces.requirePageAligned(ioas, field: "ioas") }
    access.ioasPin = try pin(ioas, by: access, .field("ioas"))
    try publish(access)
    return access
  }

  /// Moves an access to another address space; what it has pinned in the old one it lets go
  /// (`iommufd_access_replace`).
  public func replace(_ name: String, ioas wanted: String) throws(Refusal) {
    let access: Access = try find(.access, name)
    let ioas: IOAS = try resolve(.ioas, wanted, in: access.owner, field: "ioas")
    let previous = access.ioas
    if previous === ioas { return }
    if access.pinsPages { try core.addressSpaces.requirePageAligned(ioas, field: "ioas") }
    let previousPin = access.ioasPin
    access.ioasPin = try pin(ioas, by: access, .field("ioas"))
    if let previousPin { unpin(previousPin) }
    let ranges = access.pinned
    access.ioas = ioas
    access.pinned = [:]
    transaction.onRollback {
      access.ioas = previous
      access.ioasPin = previousPin
      access.pinned = ranges
    }
    recorder?.record(.updated(access))
  }

  /// Pins the pages of a range (`iommufd_access_pin_pages`).
  ///
  /// - Returns: the number by which they are unpinned.
  /// - Throws: `EINVAL` for an access that does not pin, `ENOENT` for a hole in the range, `EPERM`
  ///   for what may not be accessed that way.
  public func pinPages(
    _ name: String, iova: UInt64, length: UInt64, isWritten: Bool
  ) throws(Refusal) -> UInt32 {
    let access: Access = try find(.access, name)
    guard access.pinsPages else {
      throw Refusal(.EINVAL, "access \(name) was not made to pin pages")
    }
    _ = try core.addressSpaces.contiguousAreas(
      of: access.ioas, from: iova, length, for: isWritten ? .writing : .reading, field: "iova")
    try step()
    let number = access.takeNumber()
    access.pinned[number] = .init(iova: iova, length: length)
    transaction.onRollback {
      access.pinned[number] = nil
      access.returnNumber()
    }
    touch(access)
    recorder?.record(.updated(access))
    return number
  }

  /// - Throws: `ENOENT` for a number under which nothing is pinned.
  public func unpinPages(_ name: String, number: UInt32) throws(Refusal) {
    let access: Access = try find(.access, name)
    guard access.pinned[number] != nil else {
      throw Refusal(.ENOENT, .notFound, "nothing is pinned under \(number)")
    }
    try step()
    forget([number], of: access)
  }

  /// A range is about to be unmapped: whoever has pinned something of it lets go
  /// (`iommufd_access_notify_unmap`).
  func unpinPages(in range: ClosedRange<UInt64>, of ioas: IOAS) {
    // The log tells of each, in an order that does not depend on what came and went before.
    let accesses = ioas.heldBy.compactMap { $0.holder as? Access }
    for access in accesses.sorted(by: { $0.name < $1.name }) {
      let gone = access.pinned.filter { range.overlaps($0.value.iova...$0.value.last) }
      if !gone.isEmpty { forget(gone.keys.sorted(), of: access) }
    }
  }

  private func forget(_ numbers: [UInt32], of access: Access) {
    let previous = access.pinned
    for number in numbers { access.pinned[number] = nil }
    transaction.onRollback { access.pinned = previous }
    touch(access)
    recorder?.record(.updated(access))
  }
}
