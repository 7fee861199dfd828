// SPDX-License-Identifier: Apache-2.0

/// What all objects have: a name, an ID, a revision, and the pins between them.
///
/// Objects live under their host's lock. They change only through `ObjectCore`, which notes the
/// inverse of each change in the transaction under way.
public class Object {
  public let kind: ObjectKind
  /// The name in the API; unique per host and kind.
  public let name: String
  /// The open iommufd that the object belongs to; nil for an SMMU and for a context itself.
  public var context: Context? { nil }
  /// The number the kernel would have given, lowest free first; nil for what has none there.
  public internal(set) var objectID: UInt32?
  /// The transaction that last changed the object or its pins.
  public internal(set) var revision: UInt64 = 0
  public internal(set) var holds: [Pin] = []
  public internal(set) var heldBy: [Pin] = []
  /// Whether the object is in the table; false before it is published and after it is gone.
  public internal(set) var isLive = false

  init(_ kind: ObjectKind, _ name: String) {
    self.kind = kind
    self.name = name
  }

  public var key: ObjectKey { ObjectKey(kind, name) }
}

/// An object of an open iommufd.
public class ContextObject: Object {
  public let owner: Context

  init(_ kind: ObjectKind, _ name: String, in owner: Context) {
    self.owner = owner
    super.init(kind, name)
  }

  public override var context: Context? { owner }
}

/// One reference that keeps an object alive: while it stands, its target cannot be deleted.
///
/// iommufd counts them (`users` in `struct iommufd_object`); here each is an edge that can say
/// who it is.
public final class Pin {
  public enum Cause: Hashable, Sendable {
    /// From creation to deletion, by a field of the holder.
    case field(String)
    /// While the device is attached at that PASID (0 is the RID).
    case attachment(pasid: UInt32)
    /// While a reader has the queue's event file open.
    case openFile
    /// While user space has the vIOMMU's window mapped, under that number.
    case memoryMap(UInt32)
  }

  /// nil for an event file or a memory mapping, which are no objects of their own.
  public let holder: Object?
  public let target: Object
  public let cause: Cause
  // Positions in `holder.holds` and `target.heldBy`, so that a pin goes in constant time.
  var holderIndex = 0
  var targetIndex = 0

  init(holder: Object?, target: Object, cause: Cause) {
    self.holder = holder
    self.target = target
    self.cause = cause
  }

  /// Whether the pin can go while its holder stays.
  var isFreedByItself: Bool {
    if case .field = cause { false } else { true }
  }

  /// The reason in words of the API, `vdev.viommu`.
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
