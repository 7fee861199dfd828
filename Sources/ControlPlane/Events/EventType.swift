// SPDX-License-Identifier: Apache-2.0
import IOMMUFD

/// The types of the events in a host's log.
///
/// What happens to objects of every kind is named after the kind: `vdev.created`, `vdev.updated`,
/// `vdev.deleted`. Whatever else happens has a name of its own.
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
  /// The hardware recorded an event that concerns no VM.
  case smmuEvent
  /// A command has been given to the hardware.
  case smmuCommand
  /// The driver has written a stream table entry.
  case smmuSTEWritten
  /// A device has got the answer to its page request.
  case smmuPageResponse
  /// A stalled access was resumed, or was ended.
  case smmuStallAnswered
  /// A device used a translation that no longer agrees with the tables.
  case smmuStaleTranslation
  /// A global error of the SMMU became active (GERROR).
  case smmuGlobalError
  /// The SMMU's event queue was full, and event records were lost.
  case smmuEventsLost
  /// An SMMU that no driver runs has raised an interrupt.
  case smmuInterrupt
  /// Queues of one virtual interface of the CMDQV have stopped at an error.
  case smmuCMDQVError
  /// A guest's queue has carried out the commands that were in it, or has stopped at an error.
  case hwQueueRan
  /// A client has written the memory behind an address space.
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

  /// The bytes with which each event's line begins, up to its number. They are made once, because
  /// every event needs them.
  var lineStart: [UInt8] { EventType.lineStarts[self] ?? [] }

  static let all: [EventType] =
    ObjectKind.allCases.flatMap { [.created($0), .updated($0), .deleted($0)] } + [
      .deviceAttached, .deviceReplaced, .deviceDetached, .deviceUnplugged, .vdevTombstoned,
      .ioasMapped, .ioasUnmapped, .ioasWritten, .smmuEvent, .smmuCommand, .smmuSTEWritten,
      .smmuPageResponse, .smmuStallAnswered, .smmuStaleTranslation, .smmuGlobalError,
      .smmuEventsLost, .smmuInterrupt, .smmuCMDQVError, .hwQueueRan, .hostReset,
    ]

  /// All types by their names on the wire.
  static let byName: [String: EventType] = Dictionary(
    uniqueKeysWithValues: all.map { ($0.name, $0) })
}
