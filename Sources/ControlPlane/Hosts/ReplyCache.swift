// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD

/// The answers to the last GETs of objects, so that an object that is read again and again is
/// written only once for each of its revisions.
///
/// Each object has one place in which its answer can be, and the place belongs to the object that
/// took it last. So the cache has a fixed size, and is searched with one look.
struct ReplyCache {
  private static let size = 1024

  private struct Slot {
    /// The cache holds the object itself. Otherwise a later one could get the same address, and be
    /// taken for this one.
    let object: Object
    let revision: UInt64
    let response: Response
  }

  /// Empty until something is kept, so that a host that nobody reads takes no memory for it.
  private var slots: [Slot?] = []

  private static func place(of object: Object) -> Int {
    // Objects are aligned to 16 bytes, so that the low bits of their addresses are all the same.
    Int(bitPattern: ObjectIdentifier(object)) >> 4 & (size - 1)
  }

  /// The answer for an object as it is now; nil when the object has changed since, or when another
  /// one has taken its place.
  func response(for object: Object) -> Response? {
    guard !slots.isEmpty, let slot = slots[ReplyCache.place(of: object)], slot.object === object,
      slot.revision == object.revision
    else { return nil }
    return slot.response
  }

  mutating func keep(_ response: Response, for object: Object) {
    if slots.isEmpty { slots = Array(repeating: nil, count: ReplyCache.size) }
    slots[ReplyCache.place(of: object)] = Slot(
      object: object, revision: object.revision, response: response)
  }
}
