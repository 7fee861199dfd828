// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD
import IOMMUHardware
import Locking

/// The machine that a host's drivers run on: its memory and its log.
final class HostMachine: Machine {
  private let memory: Locked<PhysicalMemoryMap>
  private let log: EventLog
  private let clock: @Sendable () -> Timestamp

  init(log: EventLog, clock: @escaping @Sendable () -> Timestamp, memoryBytes: UInt64) {
    self.log = log
    self.clock = clock
    memory = Locked(PhysicalMemoryMap(size: memoryBytes))
  }

  func allocateMemory(_ length: UInt64, alignment: UInt64) -> UInt64? {
    memory.withLock { $0.allocate(length, alignment: alignment) }
  }

  func freeMemory(_ address: UInt64, _ length: UInt64) {
    memory.withLock { $0.free(address, length) }
  }

  func logHardwareEvent(_ event: UnclaimedEvent) {
    var writer = JSONWriter(capacity: 160)
    writer.object { writer in
      writer.key("record")
      writer.array(of: event.words) { $0.hex($1) }
      writer.field("errno", text: event.errno.rawValue)
    }
    let draft = EventLog.Draft(
      type: .smmuEvent, object: ObjectKey(.smmu, event.smmu), data: writer.bytes)
    log.append([draft], transaction: nil, time: clock())
  }
}
