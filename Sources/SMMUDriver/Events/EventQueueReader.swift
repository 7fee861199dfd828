// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware
import Locking

/// The driver's end of the event queue (`arm_smmu_evtq_thread`). It takes the records out one by
/// one and has each of them handled.
///
/// The interrupt comes on the thread whose transaction has caused the record. Only one thread at a
/// time reads the queue, so that records are handled in the order in which the hardware wrote them.
/// An interrupt that comes while the queue is being read only tells the reader to look once more,
/// and does not wait for it. It must not wait, because it may come on the reader's own thread, from
/// a write to CONS.
final class EventQueueReader: HardwareEventHandler {
  private struct State {
    var isReading = false
    /// Whether an interrupt has come since the reader last began with the queue.
    var isToRepeat = false
  }

  /// A record of which a caller of `handle` wants to know where it went.
  private struct Expected {
    let words: [UInt64]
    var disposition: EventDisposition?
  }

  private let hardware: Hardware
  private let base: UInt64
  private let handler: EventHandler
  private let state = Locked(State())
  /// Held by the reader, so that others can wait until it has finished. Its value means nothing.
  /// The lock protects a value that takes space, because one without would be at the lock's own
  /// address, and the thread sanitizer would report that as a race.
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

  /// Has the hardware put a record into its event queue, and waits until the record is handled.
  func handle(_ words: [UInt64]) -> EventDisposition {
    expected.withLock { $0.append(Expected(words: words)) }
    hardware.smmu.record(EventRecord(words: words))
    while !drain() { reading.withLock { _ in } }
    return expected.withLock { expected in
      // If several records have the same words, it does not matter which of them is taken.
      let index =
        expected.firstIndex { $0.words == words && $0.disposition != nil }
        ?? expected.firstIndex { $0.words == words }
      // The event queue loses the record if it is disabled or full.
      return index.flatMap { expected.remove(at: $0).disposition } ?? .logged(.EIO)
    }
  }

  /// How many records the thread of an interrupt handles. If a device causes more, another thread
  /// goes on with them. The thread of the interrupt may be attaching a device and hold the host's
  /// lock, so it must not be kept.
  private static let patience = 512

  /// Handles the records that are in the queue.
  ///
  /// - Returns: false if another thread is handling them, and will handle all that are there now.
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

  /// Handles records until the queue is empty or the limit is reached.
  ///
  /// - Parameter left: how many more records may be handled; it is counted down.
  /// - Returns: whether the queue is empty.
  private func readAll(_ left: inout Int) -> Bool {
    let mask = (UInt64(1) << (QueueMemory.eventLog2 + 1)) - 1
    var cons = hardware.read(.eventqCons)
    while true {
      let prod = hardware.read(.eventqProd)
      if (prod ^ cons) & mask == 0 {
        // An overflow is acknowledged once the queue is empty (`queue_sync_cons_ovf`).
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
      // The record's place is given back before the record is handled, because the hardware may
      // want to write more records while it is.
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
