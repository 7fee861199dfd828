// SPDX-License-Identifier: Apache-2.0

/// A kernel driver's own way into an address space, past any IOMMU (`struct iommufd_access`). The
/// driver of an mdev has one: its device is software and reaches memory through the driver.
public final class Access: ContextObject {
  /// A range whose pages the driver has pinned.
  public struct PinnedRange: Sendable, Equatable {
    /// The first address of the range.
    public let iova: UInt64
    /// The length in bytes.
    public let length: UInt64

    var last: UInt64 { iova &+ (length &- 1) }
  }

  /// Whether the driver pins pages, which the mappings must then consist of; false for one that
  /// only reads and writes.
  public let pinsPages: Bool
  /// The address space that it reaches.
  public internal(set) var ioas: IOAS
  var ioasPin: Pin?
  /// The ranges that are pinned, by the numbers that `pinPages` gave them, from 0 on.
  public internal(set) var pinned = PinnedRanges()
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
  /// - Parameters:
  ///   - name: the name of the new object; nil to have one made up.
  ///   - ioas: the address space.
  ///   - pinsPages: whether it is going to pin pages.
  /// - Throws: `EEXIST` for a name that is taken, `ENOENT` when there is no such address space,
  ///   `EBADF` when the context's own file is closed, `EADDRINUSE` when it pins pages and a mapping
  ///   is not of whole pages.
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

  /// Moves an access to another address space of the same context (`iommufd_access_replace`). It
  /// lets go of what it has pinned in the old one.
  ///
  /// - Throws: `ENOENT` when there is no such access or address space, `EADDRINUSE` when it pins
  ///   pages and a mapping is not of whole pages.
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
    access.pinned = PinnedRanges()
    transaction.onRollback {
      access.ioas = previous
      access.ioasPin = previousPin
      access.pinned = ranges
    }
    recorder?.record(.updated(access))
  }

  /// Pins the pages of a range (`iommufd_access_pin_pages`).
  ///
  /// - Parameters:
  ///   - name: the access.
  ///   - iova: the first address.
  ///   - length: in bytes.
  ///   - isWritten: whether the driver is going to write to the pages, or only to read.
  /// - Returns: the number by which they are unpinned.
  /// - Throws: `ENOENT` when there is no such access or a part of the range is not mapped, `EINVAL`
  ///   for an access that does not pin and for an empty range, `EOVERFLOW` for a range that wraps
  ///   around, `EPERM` for a mapping that does not allow the use.
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
    access.pinned.insert(.init(iova: iova, length: length), number)
    transaction.onRollback {
      access.pinned.remove(number)
      access.returnNumber()
    }
    touch(access)
    recorder?.record(.updated(access))
    return number
  }

  /// Lets go of a range that was pinned (`iommufd_access_unpin_pages`).
  ///
  /// - Parameters:
  ///   - name: the access.
  ///   - number: what `pinPages` returned.
  /// - Throws: `ENOENT` when there is no such access, or nothing is pinned under the number.
  public func unpinPages(_ name: String, number: UInt32) throws(Refusal) {
    let access: Access = try find(.access, name)
    guard let range = access.pinned[number] else {
      throw Refusal(.ENOENT, .notFound, "nothing is pinned under \(number)")
    }
    try step()
    forget([.init(number: number, range: range)], of: access)
  }

  /// Has every access let go of the pinned ranges that overlap one which is about to be unmapped
  /// (`iommufd_access_notify_unmap`).
  func unpinPages(in range: ClosedRange<UInt64>, of ioas: IOAS) {
    // Pins are in no particular order. The log has an entry for each access, and the same
    // operations must always give the same log.
    let accesses = ioas.heldBy.compactMap { $0.holder as? Access }
    for access in accesses.sorted(by: { $0.name < $1.name }) {
      let gone = access.pinned.entries.filter { range.overlaps($0.range.iova...$0.range.last) }
      if !gone.isEmpty { forget(gone, of: access) }
    }
  }

  private func forget(_ entries: [PinnedRanges.Entry], of access: Access) {
    for entry in entries { access.pinned.remove(entry.number) }
    transaction.onRollback {
      for entry in entries { access.pinned.insert(entry.range, entry.number) }
    }
    touch(access)
    recorder?.record(.updated(access))
  }
}
