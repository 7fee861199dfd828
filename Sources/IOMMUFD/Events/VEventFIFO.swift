// SPDX-License-Identifier: Apache-2.0
import DequeModule
import Locking

/// The data of one event: up to four 64-bit words, as the hardware wrote them.
public struct VEventData: Sendable, Equatable {
  /// The words, which a reader of the event file gets in little-endian form.
  public let words: [UInt64]
  /// The length of the data in bytes; the last word may have fewer than eight of them.
  public let byteCount: Int

  /// Takes whole words.
  public init(_ words: [UInt64]) { self.init(words, byteCount: words.count * 8) }

  /// Takes words of which only the first bytes count.
  public init(_ words: [UInt64], byteCount: Int) {
    self.words = words
    self.byteCount = byteCount
  }
}

/// An entry of an event file: a header (`struct iommufd_vevent_header`), and behind it the data of
/// an event. An entry without data says that events were lost (`IOMMU_VEVENTQ_FLAG_LOST_EVENTS`).
public struct VEventRecord: Sendable, Equatable {
  /// The number of the event, from 0 to 2^31 - 1, after which numbers begin again. Lost events
  /// count as well, so that a gap shows how many there were.
  public let sequence: UInt32
  /// The data; nil for the entry that says that events were lost.
  public let data: VEventData?

  /// Whether the entry says that events were lost.
  public var isLost: Bool { data == nil }
  /// How many bytes of a reader's buffer the entry takes, its header of 8 bytes included.
  public var byteCount: Int { 8 + (data?.byteCount ?? 0) }
}

/// The entries of a veventq (`struct iommufd_veventq`). It holds as many as its depth says, and
/// reading takes them out.
///
/// The hardware's threads write to it and clients read from it, so it has a lock of its own. No
/// other lock is taken while that one is held.
public final class VEventFIFO: Sendable {
  /// The bits of a sequence number, which wraps around after them (`iommufd_vevent_handler`).
  static let sequenceMask: UInt32 = 0x7fff_ffff
  /// The length of an entry's header in bytes.
  static let headerBytes = 8

  private struct State {
    var records: Deque<VEventRecord> = []
    /// The number of the last event that was lost, if events were lost since the last one that was
    /// stored. The kernel keeps a header for them at the end of the queue. It is the only one of
    /// its kind, and does not count against the depth.
    var lost: UInt32?
    var sequence: UInt32 = 0
    var isClosed = false
  }

  /// What a queue holds, and how far its numbers have come.
  public struct Status: Sendable, Equatable {
    /// How many events have not been read; the entry for lost events is not counted.
    public var pending: Int
    /// Whether an entry at the end says that events were lost.
    public var hasLost: Bool
    /// The number that the next event will bear, from 0 to 2^31 - 1.
    public var nextSequence: UInt32
    /// Whether the queue has ended, after which nothing can be read any more.
    public var isClosed: Bool
  }

  /// How many events the queue holds, from 1 to 2^19.
  public let depth: Int
  private let state = Locked(State())
  private let reader = EventReader()

  /// Makes an empty queue.
  ///
  /// - Parameters:
  ///   - depth: how many events it holds.
  ///   - firstSequence: the number of the first event, of which 31 bits count.
  public init(depth: Int, firstSequence: UInt32 = 0) {
    self.depth = depth
    state.withLock { $0.sequence = firstSequence & VEventFIFO.sequenceMask }
  }

  /// Stores an event, or counts it as lost when the queue is full. The one who reports is not told
  /// of a loss (`iommufd_viommu_report_event`); a reader sees it.
  ///
  /// - Returns: false when the queue has ended.
  @discardableResult
  public func report(_ data: VEventData) -> Bool {
    state.withLock { state in
      guard !state.isClosed else { return false }
      let sequence = state.sequence
      state.sequence = (sequence &+ 1) & VEventFIFO.sequenceMask
      if state.records.count >= depth {
        state.lost = sequence
      } else {
        // The entry for lost events goes. From now on the gap in the numbers tells of the loss.
        state.lost = nil
        state.records.append(VEventRecord(sequence: sequence, data: data))
      }
      return true
    }
  }

  /// Reads as from the event file (`iommufd_veventq_fops_read`). An entry is read whole or not at
  /// all, and a read never waits: an empty queue gives an empty array.
  ///
  /// - Parameter count: the size of the reader's buffer in bytes.
  /// - Returns: the entries that fit, oldest first.
  /// - Throws: `EINVAL` when the buffer has no room for a header, or none for the first entry.
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

  /// What the queue holds at this moment.
  public var status: Status {
    state.withLock { state in
      Status(
        pending: state.records.count, hasLost: state.lost != nil, nextSequence: state.sequence,
        isClosed: state.isClosed)
    }
  }

  /// Whether a read would return an entry, as `POLLIN` says.
  public var isReadable: Bool {
    state.withLock { !$0.records.isEmpty || $0.lost != nil }
  }

  /// Ends the queue. It forgets what it holds, events that are reported later find it gone, and
  /// whoever follows it is told.
  func close() {
    state.withLock { state in
      state.isClosed = true
      state.records.removeAll()
      state.lost = nil
    }
    wakeReader()
  }

  /// Sets the function that `wakeReader` calls, on behalf of the one who follows the queue; nil for
  /// nobody.
  public func setReader(_ wake: (@Sendable () -> Void)?) { reader.set(wake) }

  /// Tells the one who follows the queue that there is something new. It is called with no lock
  /// held, because what it calls may take one.
  public func wakeReader() { reader.wake() }
}
