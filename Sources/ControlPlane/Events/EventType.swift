// SPDX-License-Identifier: Apache-2.0
import IOMMUFD

/// The types of a host's events.
///
/// Objects come, change and go under their kind's name (`vdev.created`); what else happens has
/// a name of its own.
enum EventType: Sendable, Hashable {
  case created(ObjectKind)
  case updated(ObjectKind)
  case deleted(ObjectKind)
  case deviceAttached
  case deviceReplaced
  case deviceDetached
  case deviceUnplugged
  case vdevTombstoned
  case ioasMapped
  case ioasUnmapped
  /// The hardware reported something that no VM was told of.
  case smmuEvent
  /// The driver has given the hardware a command.
  case smmuCommand
  /// The driver has written a stream table entry.
  case smmuSTEWritten
  /// A device got the answer to a page request.
  case smmuPageResponse
  /// A stalled access went on, or ended.
  case smmuStallAnswered
  /// A device used a translation that no longer agrees with the tables.
  case smmuStaleTranslation
  /// A global error became active.
  case smmuGlobalError
  /// The event queue was full, and records were lost.
  case smmuEventsLost
  /// An SMMU that no driver runs has interrupted.
  case smmuInterrupt
  /// Queues of an interface of the CMDQV stand still.
  case smmuCMDQVError
  /// A guest's queue has carried out what was in it, or stands still at an error.
  case hwQueueRan
  /// Memory behind an address space was written.
  case ioasWritten
  case hostReset

  /// The name on the wire.
  var name: String {
    switch self {
    case .created(let kind): kind.rawValue + ".created"
    case .updated(let kind): kind.rawValue + ".updated"
    case .deleted(let kind): kind.rawValue + ".deleted"
    case .deviceAttached: "device.attached"
    case .deviceReplaced: "device.replaced"
    case .deviceDetached: "device.detached"
    case .deviceUnplugged: "device.unplugged"
    case .vdevTombstoned: "vdev.tombstoned"
    case .ioasMapped: "ioas.mapped"
    case .ioasUnmapped: "ioas.unmapped"
    case .smmuEvent: "smmu.event"
    case .smmuCommand: "smmu.command"
    case .smmuSTEWritten: "smmu.ste_written"
    case .smmuPageResponse: "smmu.page_response"
    case .smmuStallAnswered: "smmu.stall_answered"
    case .smmuStaleTranslation: "smmu.stale_translation_used"
    case .smmuGlobalError: "smmu.global_error"
    case .smmuEventsLost: "smmu.events_lost"
    case .smmuInterrupt: "smmu.interrupt"
    case .smmuCMDQVError: "smmu.cmdqv_error"
    case .hwQueueRan: "hw-queue.ran"
    case .ioasWritten: "ioas.written"
    case .hostReset: "host.reset"
    }
  }

  private static let lineStarts: [EventType: [UInt8]] = Dictionary(
    uniqueKeysWithValues: all.map { ($0, Array("{\"type\":\"\($0.name)\",\"seq\":".utf8)) })

  /// What the line of an event begins with, up to its number.
  var lineStart: [UInt8] { EventType.lineStarts[self] ?? [] }

  static let all: [EventType] =
    ObjectKind.allCases.flatMap { [.created($0), .updated($0), .deleted($0)] } + [
      .deviceAttached, .deviceReplaced, .deviceDetached, .deviceUnplugged, .vdevTombstoned,
      .ioasMapped, .ioasUnmapped, .ioasWritten, .smmuEvent, .smmuCommand, .smmuSTEWritten,
      .smmuPageResponse, .smmuStallAnswered, .smmuStaleTranslation, .smmuGlobalError,
      .smmuEventsLost, .smmuInterrupt, .smmuCMDQVError, .hwQueueRan, .hostReset,
    ]

  /// All types by name.
  static let byName: [String: EventType] = Dictionary(
    uniqueKeysWithValues: all.map { ($0.name, $0) })
}
