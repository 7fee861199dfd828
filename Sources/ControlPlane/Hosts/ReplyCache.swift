// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD

/// The answers to the last GETs of objects, so that an object that is read again and again is
/// written once for each of its revisions.
///
/// Each object has one place where its answer can be; another that wants the place gets it. So
/// the cache has a fixed size, and finding something in it is one look.
struct ReplyCache {
  private static let size = 1024

  private struct Slot {
    /// Held, so that no later object can be taken for this one.
    let object: Object
    let revision: UInt64
    let response: Response
  }

  /// Empty until something is kept: a host that nobody reads should cost nothing.
  private var slots: [Slot?] = []

  private static func place(of object: Object) -> Int {
    // Objects are aligned to 16 bytes; the low bits of their addresses say nothing.
    Int(bitPattern: ObjectIdentifier(object)) >> 4 & (size - 1)
  }

  /// The answer for an object as it is; nil when it has changed or was not asked for lately.
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
