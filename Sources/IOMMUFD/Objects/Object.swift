// SPDX-License-Identifier: Apache-2.0

/// What all objects have: a name, an ID, a revision, and the pins between them.
///
/// Objects are only used under their host's lock. They change only through `ObjectCore`, which
/// notes in the transaction under way how each change is taken back.
public class Object {
  /// What kind of object it is.
  public let kind: ObjectKind
  /// The name in the API, unique among the objects of the same kind on a host.
  public let name: String
  /// The open iommufd that the object belongs to; nil for an SMMU and for a context itself.
  public var context: Context? { nil }
  /// The number that the object has in the kernel's ABI (`id` of `struct iommufd_object`): the
  /// lowest one that was free in its context. An SMMU and a context have none.
  public internal(set) var objectID: UInt32?
  /// The number of the transaction that last changed the object or its pins.
  public internal(set) var revision: UInt64 = 0
  /// The pins by which it holds other objects, in no particular order.
  public internal(set) var holds: [Pin] = []
  /// The pins by which it is held, in no particular order. While there is one, it cannot be
  /// destroyed.
  public internal(set) var heldBy: [Pin] = []
  /// Whether the object is in the table; false before it is published and after it is gone.
  public internal(set) var isLive = false

  init(_ kind: ObjectKind, _ name: String) {
    self.kind = kind
    self.name = name
  }

  /// The kind and the name, by which the object can be found again.
  public var key: ObjectKey { ObjectKey(kind, name) }
}

/// An object of an open iommufd.
public class ContextObject: Object {
  /// The open iommufd that it belongs to, for as long as it lives.
  public let owner: Context

  init(_ kind: ObjectKind, _ name: String, in owner: Context) {
    self.owner = owner
    super.init(kind, name)
  }

  /// The same as `owner`, where it is not known what kind of object it is.
  public override var context: Context? { owner }
}

/// One reference that keeps an object alive: while it stands, its target cannot be destroyed.
///
/// iommufd only counts references (`users` of `struct iommufd_object`). Here each is an edge
/// between two objects, so that a refusal can say who holds what.
public final class Pin {
  /// Why a pin stands, and with that what would end it.
  public enum Cause: Hashable, Sendable {
    /// It stands from the creation of the holder to its end, because a field of the holder names
    /// the target.
    case field(String)
    /// It stands while the device is attached at the PASID; PASID 0 stands for the RID.
    case attachment(pasid: UInt32)
    /// It stands while somebody has the queue's event file open.
    case openFile
    /// It stands while user space has the vIOMMU's window mapped; the number is that of the
    /// mapping.
    case memoryMap(UInt32)
  }

  /// The object that holds the target; nil for an event file or a memory mapping, which are no
  /// objects of their own.
  public let holder: Object?
  /// The object that is held.
  public let target: Object
  /// Why the pin stands.
  public let cause: Cause
  // The positions of the pin in `holder.holds` and `target.heldBy`, kept so that it can be taken
  // out in constant time.
  var holderIndex = 0
  var targetIndex = 0

  init(holder: Object?, target: Object, cause: Cause) {
    self.holder = holder
    self.target = target
    self.cause = cause
  }

  /// Whether the pin can end while its holder stays.
  var isFreedByItself: Bool {
    if case .field = cause { false } else { true }
  }

  /// The cause in the words of the API, as in `vdev.viommu`.
  public var why: String {
    switch cause {
    case .field(let name): (holder?.kind.rawValue ?? "") + "." + name
    case .attachment(pasid: 0): "device.attachment"
    case .attachment(let pasid): "device.attachments.\(pasid)"
    case .openFile: "open file"
    case .memoryMap(let number): "memory map \(number)"
    }
  }
}
