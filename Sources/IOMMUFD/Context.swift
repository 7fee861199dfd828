// SPDX-License-Identifier: Apache-2.0

/// An open iommufd: the objects of one VMM and the space of their IDs (`struct iommufd_ctx`).
public final class Context: Object {
  /// Object IDs begin at 1 and fit in 31 bits.
  var ids = LowestFreeAllocator(1...0x7fff_ffff)
  var byID = ObjectIDTable()
  /// Windows that user space can map, by number.
  var windows = LowestFreeAllocator(0...0xffff)
  /// IDs of vdevs whose devices were unplugged; never handed out again.
  public internal(set) var tombstones: Set<UInt32> = []

  init(name: String) { super.init(.context, name) }
}

extension ObjectCore {
  /// Opens an iommufd.
  @discardableResult
  public func openContext(_ name: String?) throws(Refusal) -> Context {
    let context = Context(name: try claimName(.context, name))
    try publish(context)
    return context
  }

  /// Closes an iommufd (`iommufd_fops_release`): all of its objects go, in passes of ascending
  /// ID that take whatever nobody holds at that moment.
  func close(_ context: Context) throws(Refusal) {
    try step()
    var remaining = context.byID.ids
    while !remaining.isEmpty {
      var left: [UInt32] = []
      for id in remaining {
        // A queue's hidden second ID went with the queue.
        guard let object = context.byID[id] else { continue }
        if object.heldBy.isEmpty, object.objectID == id {
          destroyUnheld(object)
        } else {
          left.append(id)
        }
      }
      // Nothing can be held in a ring, so each pass takes something.
      precondition(left.count < remaining.count, "a context's objects hold each other")
      remaining = left
    }
    retire(context)
  }
}

/// Objects by their IDs. IDs are the lowest free ones and so lie close together.
struct ObjectIDTable {
  private var objects: [Object?] = []

  subscript(id: UInt32) -> Object? {
    get { Int(id) < objects.count ? objects[Int(id)] : nil }
    set {
      while objects.count <= Int(id) { objects.append(nil) }
      objects[Int(id)] = newValue
    }
  }

  /// The IDs that are taken, ascending.
  var ids: [UInt32] { objects.indices.filter { objects[$0] != nil }.map { UInt32($0) } }
}
