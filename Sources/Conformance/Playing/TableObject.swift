// SPDX-License-Identifier: Apache-2.0

/// The kinds of objects that traces name, and where the API has them.
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

/// What is known of an object that a trace names.
final class TableObject {
  enum Life {
    case alive
    case dead
    /// A vdev whose device was pulled out: dead, but its ID stays taken.
    case tombstone
  }

  /// Its name in the trace.
  let name: String
  let kind: TraceKind
  /// Its ID in the API.
  let id: String
  /// The number that the kernel gave it.
  let objectID: UInt32?
  /// The context that owns it.
  let context: String
  var life = Life.alive

  /// The number of the self-test driver's own object beside a mock device.
  var selftestID: UInt32?
  /// Whether a PASID of the device is attached.
  var hasAttachedPASID = false

  /// Whether a domain is nested.
  var isNested = false
  /// Whether the core made the domain by itself.
  var isAuto = false

  /// The device of a vdev.
  var device: TableObject?

  /// The vIOMMU of a hw-queue, and the queue's index.
  var viommu: TableObject?
  var index: UInt32?
  /// Whether a queue of index 1 of this vIOMMU was destroyed.
  var hasLostItsQueueOne = false

  /// The region that a vIOMMU offers for mapping, in bytes.
  var mmapOffset: UInt64 = 0
  var mmapLength: UInt64 = 0
  /// The numbers of the mappings that are there.
  var mmaps: [UInt64] = []

  init(_ name: String, _ kind: TraceKind, id: String, objectID: UInt32?, context: String) {
    self.name = name
    self.kind = kind
    self.id = id
    self.objectID = objectID
    self.context = context
  }

  /// Its path below the host.
  var path: String { "/\(kind.collection)/\(id)" }
}
