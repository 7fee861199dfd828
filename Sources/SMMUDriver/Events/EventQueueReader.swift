// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware
import Locking

/// The driver's end of the event queue (`arm_smmu_evtq_thread`): takes records out one by one and
/// hands them on.
///
/// The interrupt comes on the thread whose transaction made the record. One thread at a time
/// reads the queue, so that events are handled in the order in which the hardware wrote them.
/// An interrupt that comes while the queue is being read, on whatever thread, has the reader look
/// once more and waits for nobody: the reader's own writes to CONS may bring it.
final class EventQueueReader: HardwareEventHandler {
  private struct State {
    var isReading = false
    /// Whether there was an interrupt since the reader began.
    var isToRepeat = false
  }

  /// A record whose way somebody wants to know.
  private struct Expected {
    let words: [UInt64]
    var disposition: EventDisposition?
  }

  private let hardware: Hardware
  private let base: UInt64
  private let handler: EventHandler
  private let state = Locked(State())
  /// Held by the reader, so that others can wait for its end. Not of nothing: what has no bytes has
  /// the lock's own address, and the thread sanitizer takes that for a race.
  private let reading = Locked(false)
  private let expected = Locked<[Expected]>([])
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

  /// Has the hardware put a record into its queue, and waits until it is handled.
  func handle(_ words: [UInt64]) -> EventDisposition {
    expected.withLock { $0.append(Expected(words: words)) }
    hardware.smmu.record(EventRecord(words: words))
    while !drain() { reading.withLock { _ in } }
    return expected.withLock { expected in
      // Of records that are alike any will do.
      let index =
        expected.firstIndex { $0.words == words && $0.disposition != nil }
        ?? expected.firstIndex { $0.words == words }
      // A queue that is switched off or full loses what comes.
      return index.flatMap { expected.remove(at: $0).disposition } ?? .logged(.EIO)
    }
  }

  /// Records that the thread of an interrupt handles by itself. A device that raises more must not
  /// keep it: it may be one that attaches, and holds up the host.
  private static let patience = 512

  /// Handles all that is in the queue.
  ///
  /// - Returns: false when another thread is at it; what is in it will be handled.
  @discardableResult
  func drain() -> Bool {
    let isFirst = state.withLock { state in
      if state.isReading { state.isToRepeat = true }
      defer { state.isReading = true }
      return !state.isReading
    }
    guard isFirst else { return false }
    var left = EventQueueReader.patience
    let isOver = reading.withLock { _ in
      repeat {
        if !readAll(&left) { return false }
      } while isToRepeat()
      return true
    }
    if isOver { return true }
    if Detached.run({ self.drainRest() }) { return false }
    drainRest()
    return true
  }

  private func drainRest() {
    var left = Int.max
    reading.withLock { _ in
      repeat { _ = readAll(&left) } while isToRepeat()
    }
  }

  private func isToRepeat() -> Bool {
    state.withLock { state in
      state.isReading = state.isToRepeat
      state.isToRepeat = false
      return state.isReading
    }
  }

  /// - Parameter left: records that may be handled.
  /// - Returns: whether the queue is empty.
  private func readAll(_ left: inout Int) -> Bool {
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
        return true
      }
      if left == 0 { return false }
      left -= 1
      let index = cons & (mask >> 1)
      let record = EventRecord(words: hardware.read(4, at: base + index * Self.recordBytes))
      cons = cons & ~mask | (cons + 1) & mask
      // The place is free before the record is handled.
      hardware.write(.eventqCons, cons)
      note(handler.handle(record.words), of: record)
    }
  }

  private func note(_ disposition: EventDisposition, of record: EventRecord) {
    expected.withLock { expected in
      let index = expected.firstIndex { $0.words == record.words && $0.disposition == nil }
      if let index { expected[index].disposition = disposition }
    }
  }
}
