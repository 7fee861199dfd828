// SPDX-License-Identifier: Apache-2.0

/// The kinds of objects that traces name. The raw value is the name of the collection in the API.
enum TraceKind: String {
  case device = "devices"
  case ioas = "ioas"
  case domain = "domains"
  case viommu = "viommus"
  case vdev = "vdevs"
  case hwQueue = "hw-queues"
  case veventq = "veventqs"
  case faultQueue = "fault-queues"
  case access = "accesses"

  var collection: String { rawValue }
}

/// What the player knows of an object that a trace has named.
final class TableObject {
  /// Whether the object is there.
  enum Life {
    case alive
    case dead
    /// It is a vdev whose device was unplugged. It is gone, but its number stays taken.
    case tombstone
  }

  /// Its name in the trace.
  let name: String
  let kind: TraceKind
  /// Its ID in the API.
  let id: String
  /// The number that the kernel would have given it; nil if the API shows none.
  let objectID: UInt32?
  /// The name of the context that it belongs to.
  let context: String
  var life = Life.alive

  /// The number of the object that the self-test driver keeps for this mock device.
  var selftestID: UInt32?
  /// Whether any PASID of this device is attached.
  var hasAttachedPASID = false

  /// Whether this domain is nested.
  var isNested = false
  /// Whether the core made this domain by itself, for an attach to an address space.
  var isAuto = false

  /// The device that this vdev stands for.
  var device: TableObject?

  /// The vIOMMU of this hw-queue, and the index of the queue in it.
  var viommu: TableObject?
  var index: UInt32?
  /// Whether a hw-queue with index 1 of this vIOMMU was destroyed.
  var hasLostItsQueueOne = false

  /// The offset and the length, in bytes, of the region that this vIOMMU offers for mapping.
  var mmapOffset: UInt64 = 0
  var mmapLength: UInt64 = 0
  /// The numbers of the mappings that there are of that region.
  var mmaps: [UInt64] = []

  init(_ name: String, _ kind: TraceKind, id: String, objectID: UInt32?, context: String) {
    self.name = name
    self.kind = kind
    self.id = id
    self.objectID = objectID
    self.context = context
  }

  /// Its path in the API, behind that of the host.
  var path: String { "/\(kind.collection)/\(id)" }
}
