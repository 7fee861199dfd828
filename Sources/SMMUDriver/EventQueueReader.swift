// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware
import Locking

/// The driver's end of the event queue (`arm_smmu_evtq_thread`): takes records out one by one and
/// hands them on.
///
/// The interrupt comes on the thread whose transaction made the record. One thread at a time
/// reads the queue, so that events are handled in the order in which the hardware wrote them.
final class EventQueueReader: HardwareEventHandler {
  private let hardware: Hardware
  private let base: UInt64
  private let handler: EventHandler
  private let reading = Locked(())
  private static let recordBytes: UInt64 = 32
  private static let overflow: UInt64 = 1 << 31

  init(_ hardware: Hardware, at base: UInt64, _ handler: EventHandler) {
    self.hardware = hardware
    self.base = base
    self.handler = handler
  }

  var wordCount: Int { handler.wordCount }

  func record(_ words: [UInt64], from stream: UInt32) -> [UInt64] {
    handler.record(words, from: stream)
  }

  /// Has the hardware put a record into its queue, and handles it with what is before it.
  func handle(_ words: [UInt64]) -> EventDisposition {
    reading.withLock { _ in
      drain { _, _ in }
      hardware.smmu.record(EventRecord(words: words))
      var result = EventDisposition.logged(.EIO)
      drain { record, disposition in
        if record.words == words { result = disposition }
      }
      return result
    }
  }

  /// Handles all that is in the queue.
  func drain() { reading.withLock { _ in drain { _, _ in } } }

  private func drain(_ body: (EventRecord, EventDisposition) -> Void) {
    let mask = (UInt64(1) << (QueueMemory.eventLog2 + 1)) - 1
    var cons = hardware.read(.eventqCons)
    while true {
      let prod = hardware.read(.eventqProd)
      if (prod ^ cons) & mask == 0 {
        // What overflowed is acknowledged when the queue is empty (`queue_sync_cons_ovf`).
        if (prod ^ cons) & Self.overflow != 0 {
          hardware.write(.eventqCons, cons & ~Self.overflow | prod & Self.overflow)
          hardware.log(.eventQueueOverflow)
        }
        return
      }
      let index = cons & (mask >> 1)
      let record = EventRecord(words: hardware.read(4, at: base + index * Self.recordBytes))
      cons = cons & ~mask | (cons + 1) & mask
      // The place is free before the record is handled.
      hardware.write(.eventqCons, cons)
      body(record, handler.handle(record.words))
    }
  }
}
