// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD
import IOMMUHardware
import Locking

/// The machine that a host's drivers run on, which has the host's memory and log.
final class HostMachine: Machine, MemoryMachine {
  /// Bytes at the end of the physical addresses that are kept for the drivers, for their tables and
  /// queues.
  static let tableBytes: UInt64 = 64 << 30

  let physicalMemory: PhysicalMemory
  private let memory: Locked<PhysicalMemoryMap>
  private let tables: Locked<PhysicalMemoryMap>
  private let tableBase: UInt64
  private let log: EventLog
  private let clock: @Sendable () -> Timestamp
  private let recordsStaleTranslations: Bool
  private let writes = Locked(TableWriteLog())
  /// Whether events are dropped. The lock is held while an event is added to the log, so that none
  /// follows once this is set.
  private let isSilent = Locked(false)

  init(log: EventLog, clock: @escaping @Sendable () -> Timestamp, settings: HostSettings) {
    self.log = log
    self.clock = clock
    recordsStaleTranslations = settings.recordsStaleTranslations
    let size = HostSettings.addressableBytes
    physicalMemory = PhysicalMemory(size: size, residentLimit: settings.memoryBytes)
    memory = Locked(PhysicalMemoryMap(size: size - HostMachine.tableBytes))
    tableBase = PhysicalMemoryMap.base + size - HostMachine.tableBytes
    tables = Locked(PhysicalMemoryMap(base: tableBase, size: HostMachine.tableBytes))
  }

  // MARK: Memory

  func allocateMemory(_ length: UInt64, alignment: UInt64) -> UInt64? {
    memory.withLock { $0.allocate(length, alignment: alignment) }
  }

  func retainMemory(_ address: UInt64, _ length: UInt64) {
    memory.withLock { $0.retain(address, length) }
  }

  func clearMemory(_ address: UInt64, _ length: UInt64) { physicalMemory.clear(address, length) }

  func freeMemory(_ address: UInt64, _ length: UInt64) {
    memory.withLock { $0.free(address, length) }
  }

  func allocateTables(_ length: UInt64, alignment: UInt64, below limit: UInt64) -> UInt64? {
    let isWithinReach = limit >= physicalMemory.range.upperBound
    let address =
      isWithinReach
      ? tables.withLock { $0.allocate(length, alignment: alignment) }
      : allocateMemory(length, alignment: alignment)
    guard let address else { return nil }
    do throws(ExternalAbort) {
      guard address < limit, length <= limit - address else { throw ExternalAbort(address: limit) }
      try physicalMemory.makeResident(address, length)
      return address
    } catch {
      freeTables(address, length)
      return nil
    }
  }

  func freeTables(_ address: UInt64, _ length: UInt64) {
    if address >= tableBase {
      tables.withLock { $0.free(address, length) }
    } else {
      freeMemory(address, length)
    }
  }

  /// Bytes that were handed out and have not been given back.
  var takenBytes: UInt64 { memory.withLock { $0.takenBytes } }
  var takenTableBytes: UInt64 { tables.withLock { $0.takenBytes } }

  // MARK: The log

  func logHardwareEvent(_ event: UnclaimedEvent) {
    append(.smmuEvent, ObjectKey(.smmu, event.smmu)) { writer in
      writer.key("record")
      writer.array(of: event.words) { $0.hex($1) }
      writer.field("errno", text: event.errno.rawValue)
    }
  }

  func logHardware(_ trace: HardwareTrace) {
    if case .staleTranslation = trace.kind, !recordsStaleTranslations { return }
    append(TraceCoding.type(of: trace.kind), TraceCoding.object(of: trace)) { writer in
      TraceCoding.writeMembers(of: trace.kind, since: { self.event(after: $0) }, to: &writer)
    }
  }

  private func append(
    _ type: EventType, _ object: ObjectKey, _ members: (inout JSONWriter) -> Void
  ) {
    var writer = JSONWriter(capacity: 160)
    writer.object(members)
    let draft = EventLog.Draft(
      type: type, object: object, data: writer.bytes)
    isSilent.withLock { isSilent in
      if isSilent { return }
      log.append([draft], transaction: nil, time: clock())
    }
  }

  /// Adds nothing more to the log: a reset has put another machine in this one's place.
  func silence() { isSilent.withLock { $0 = true } }

  /// Records how many times tables had been written when an event was logged.
  func noteTableWrites(seq: UInt64) {
    let count = physicalMemory.tableWrites
    writes.withLock { $0.note(count, seq) }
  }

  /// The event that was the first to change the tables after `count` writes; nil when that was too
  /// long ago, or when that event has not been logged yet.
  func event(after count: UInt64) -> UInt64? { writes.withLock { $0.event(after: count) } }
}

/// The events after which the number of writes to tables had grown.
private struct TableWriteLog {
  private static let limit = 4096
  private var marks: [(count: UInt64, seq: UInt64)] = []

  mutating func note(_ count: UInt64, _ seq: UInt64) {
    guard count != marks.last?.count ?? 0 else { return }
    if marks.count == TableWriteLog.limit { marks.removeFirst(TableWriteLog.limit / 2) }
    marks.append((count, seq))
  }

  func event(after count: UInt64) -> UInt64? { marks.first { $0.count > count }?.seq }
}
