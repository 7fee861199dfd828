// SPDX-License-Identifier: Apache-2.0
import DequeModule
import Locking

/// The data of one vEVENT: up to four 64-bit words, as the hardware wrote them.
public struct VEventData: Sendable, Equatable {
  public let words: [UInt64]
  /// Bytes of the data as a reader of the event file gets them; the last word can have less than
  /// eight.
  public let byteCount: Int

  public init(_ words: [UInt64]) { self.init(words, byteCount: words.count * 8) }

  public init(_ words: [UInt64], byteCount: Int) {
    self.words = words
    self.byteCount = byteCount
  }
}

/// An entry as it is read from an event file: a header (`struct iommufd_vevent_header`), and data
/// unless it is the header that says that events were lost.
public struct VEventRecord: Sendable, Equatable {
  public let sequence: UInt32
  /// nil for the lost-events header.
  public let data: VEventData?

  public var isLost: Bool { data == nil }
  public var byteCount: Int { 8 + (data?.byteCount ?? 0) }
}

/// The queue behind a veventq (`struct iommufd_veventq`): bounded, and consumed by reading.
///
/// It is written by the hardware's threads and read by clients, so it has a lock of its own, a
/// leaf to the host's and the stream table's.
public final class VEventFIFO: Sendable {
  /// Sequence numbers have 31 bits and wrap (`iommufd_vevent_handler`).
  static let sequenceMask: UInt32 = 0x7fff_ffff
  static let headerBytes = 8

  private struct State {
    var records: Deque<VEventRecord> = []
    /// The number in the lost-events header at the tail; that header is unique and counts
    /// neither against the depth nor as a record.
    var lost: UInt32?
    var sequence: UInt32 = 0
    var isClosed = false
  }

  /// What a queue holds and what went through it.
  public struct Status: Sendable, Equatable {
    public var pending: Int
    public var hasLost: Bool
    /// The number that the next event will bear.
    public var nextSequence: UInt32
    public var isClosed: Bool
  }

  /// How many records fit.
  public let depth: Int
  private let state = Locked(State())
  private let reader = EventReader()

  public init(depth: Int, firstSequence: UInt32 = 0) {
    self.depth = depth
    state.withLock { $0.sequence = firstSequence & VEventFIFO.sequenceMask }
  }

  /// Stores an event, or counts it as lost when the queue is full; that is no error to the one
  /// who reports (`iommufd_viommu_report_event`).
  ///
  /// - Returns: whether the queue is still there.
  @discardableResult
  public func report(_ data: VEventData) -> Bool {
    state.withLock { state in
      guard !state.isClosed else { return false }
      let sequence = state.sequence
      state.sequence = (sequence &+ 1) & VEventFIFO.sequenceMask
      if state.records.count >= depth {
        state.lost = sequence
      } else {
        // The gap in the numbers tells of the loss from now on.
        state.lost = nil
        state.records.append(VEventRecord(sequence: sequence, data: data))
      }
      return true
    }
  }

  /// Reads as from the event file (`iommufd_veventq_fops_read`): whole entries, never waiting.
  ///
  /// - Parameter count: the size of the reader's buffer in bytes.
  /// - Throws: `EINVAL` when the buffer has no room for a header, or for the first entry.
  public func read(count: Int) throws(Refusal) -> [VEventRecord] {
    guard count >= VEventFIFO.headerBytes else { throw VEventFIFO.tooSmall }
    let result = state.withLock { state -> [VEventRecord]? in
      var room = count
      var taken: [VEventRecord] = []
      while let record = state.records.first {
        if record.byteCount > room { return taken.isEmpty ? nil : taken }
        room -= record.byteCount
        taken.append(record)
        state.records.removeFirst()
      }
      if let lost = state.lost, room >= VEventFIFO.headerBytes {
        taken.append(VEventRecord(sequence: lost, data: nil))
        state.lost = nil
      }
      return taken
    }
    guard let result else { throw VEventFIFO.tooSmall }
    return result
  }

  private static let tooSmall = Refusal(
    .EINVAL, field: "count", "the buffer is too small for the first entry")

  public var status: Status {
    state.withLock { state in
      Status(
        pending: state.records.count, hasLost: state.lost != nil, nextSequence: state.sequence,
        isClosed: state.isClosed)
    }
  }

  /// Whether a read would return something: `POLLIN`.
  public var isReadable: Bool {
    state.withLock { !$0.records.isEmpty || $0.lost != nil }
  }

  /// Ends the queue; what it holds is dropped and later events find it gone.
  func close() {
    state.withLock { state in
      state.isClosed = true
      state.records.removeAll()
      state.lost = nil
    }
    wakeReader()
  }

  /// Sets what is called when there is something to read: whoever follows the queue.
  public func setReader(_ wake: (@Sendable () -> Void)?) { reader.set(wake) }

  /// Tells the one who follows the queue that there is something to read. It is called with no
  /// lock held.
  public func wakeReader() { reader.wake() }
}
