// SPDX-License-Identifier: Apache-2.0
import DequeModule
import HTTPCore
import IOMMUFD
import Locking

/// The ordered log of everything that has happened on a host.
///
/// An event is written as a line of NDJSON once, when it happens, and readers copy that line. The
/// log knows nothing of its readers. Each of them keeps a number, so that it costs the log no
/// memory and holds nobody up.
final class EventLog: Sendable {
  /// How much of the past is kept. Old events go when either limit is reached.
  struct Retention: Sendable, Equatable {
    var events = 100_000
    var bytes = 64 << 20
  }

  /// What is known of an event without reading its line.
  struct Entry: Sendable {
    let type: EventType
    let object: ObjectKey?
    /// The offset at which its line begins in the bytes of its segment.
    let start: Int
    /// The digits of `prev` in its line. A reader with a filter gets other digits in their place.
    let prev: Range<Int>
  }

  /// An event that has not been added to the log yet, and so has no number.
  struct Draft: Sendable {
    var type: EventType
    var object: ObjectKey?
    /// The members that are the event's own, written as a JSON object.
    var data: [UInt8]
  }

  /// Lines of events that follow each other. Only the last segment grows, and the log forgets the
  /// past in whole segments.
  fileprivate struct Segment {
    let first: UInt64
    var bytes: [UInt8] = []
    var entries: [Entry] = []

    func line(_ index: Int) -> Range<Int> {
      entries[index].start..<(index + 1 < entries.count ? entries[index + 1].start : bytes.count)
    }
  }

  private static let segmentEvents = 1024
  private static let segmentBytes = 1 << 20

  private struct State {
    var segments: Deque<Segment> = []
    var latest: UInt64 = 0
    var epoch = 1
    /// The number of the first event of the epoch.
    var epochStart: UInt64 = 1
    /// Whether the log's host has been deleted.
    var isClosed = false
    var keptEvents = 0
    var keptBytes = 0
    var clock = TimeMember()
  }

  /// Which events the log has.
  struct Extent: Sendable, Equatable {
    var epoch: Int
    /// The number of the first event that is kept; one more than `latest` when none is.
    var oldest: UInt64
    var latest: UInt64
  }

  let retention: Retention
  /// What readers wait for that have read everything.
  let topic = Topic()
  private let state = Locked(State())

  init(retention: Retention) { self.retention = retention }

  var extent: Extent { state.withLock { EventLog.extent(of: $0) } }

  private static func extent(of state: State) -> Extent {
    Extent(
      epoch: state.epoch, oldest: state.segments.first?.first ?? state.latest + 1,
      latest: state.latest)
  }

  // MARK: Writing

  /// Adds events that all belong to one transaction, or all to none.
  ///
  /// - Returns: the number of the last event in the log.
  @discardableResult
  func append(_ drafts: [Draft], transaction: UInt64?, time: Timestamp) -> UInt64 {
    guard !drafts.isEmpty else { return extent.latest }
    let latest = state.withLock { state in
      let member = state.clock.member(time)
      for draft in drafts { EventLog.add(draft, transaction, member, to: &state) }
      trim(&state)
      return state.latest
    }
    topic.publish()
    return latest
  }

  /// Forgets all events and starts a new epoch with one event. Numbers that were given are never
  /// given again.
  func restart(_ draft: Draft, time: Timestamp) {
    state.withLock { state in
      state.segments.removeAll()
      state.keptEvents = 0
      state.keptBytes = 0
      state.epoch += 1
      state.epochStart = state.latest + 1
      EventLog.add(draft, nil, state.clock.member(time), to: &state)
    }
    topic.publish()
  }

  /// Ends the log, because its host is deleted. Readers are told so.
  func close() {
    state.withLock { $0.isClosed = true }
    topic.publish()
  }

  private static func add(
    _ draft: Draft, _ transaction: UInt64?, _ time: [UInt8], to state: inout State
  ) {
    let last = state.segments.last
    let isFull =
      last.map { $0.entries.count >= segmentEvents || $0.bytes.count >= segmentBytes } ?? true
    if isFull { state.segments.append(Segment(first: state.latest + 1)) }
    state.latest += 1
    let seq = state.latest
    let index = state.segments.count - 1
    let before = state.segments[index].bytes.count
    state.segments[index].write(draft, seq: seq, transaction, time)
    state.keptEvents += 1
    state.keptBytes += state.segments[index].bytes.count - before
  }

  private func trim(_ state: inout State) {
    while state.segments.count > 1, let first = state.segments.first,
      state.keptEvents - first.entries.count >= retention.events
        || state.keptBytes - first.bytes.count >= retention.bytes
    {
      state.keptEvents -= first.entries.count
      state.keptBytes -= first.bytes.count
      state.segments.removeFirst()
    }
  }

  // MARK: Reading

  /// How far a reader has come, and what it wants.
  struct Cursor: Sendable {
    let epoch: Int
    /// The number of the last event that was looked at.
    var position: UInt64
    /// The number of the last event that matched; 0 when none has.
    var previous: UInt64
    var filter: EventFilter
    /// The number of the last event of a page; nil for a reader who follows the log.
    var end: UInt64?
    /// How many more events the page may have.
    var remaining = Int.max
  }

  /// A cursor that goes on behind an event. It is nil when some of what follows that event is no
  /// longer kept, or when there has never been such an event.
  func cursor(after: UInt64?, filter: EventFilter) -> (cursor: Cursor?, extent: Extent) {
    state.withLock { state in
      let extent = EventLog.extent(of: state)
      // A client that names an event of an earlier epoch wants what followed it then, which is
      // gone.
      if let after, state.epoch > 1, after < state.epochStart { return (nil, extent) }
      let after = after ?? extent.oldest - 1
      guard after <= extent.latest, after + 1 >= extent.oldest else { return (nil, extent) }
      let previous = EventLog.lastMatch(atOrBefore: after, filter, in: state)
      let cursor = Cursor(
        epoch: state.epoch, position: after, previous: previous, filter: filter)
      return (cursor, extent)
    }
  }

  /// A cursor behind the last event, which sees only what happens from now on.
  func cursorAtEnd(filter: EventFilter) -> (cursor: Cursor?, extent: Extent) {
    let latest = extent.latest
    return cursor(after: latest, filter: filter)
  }

  private static func lastMatch(
    atOrBefore seq: UInt64, _ filter: EventFilter, in state: State
  ) -> UInt64 {
    if filter.isEverything { return seq }
    for segment in state.segments.reversed() where segment.first <= seq {
      var index = min(Int(seq - segment.first), segment.entries.count - 1)
      while index >= 0 {
        if filter.matches(segment.entries[index]) { return segment.first + UInt64(index) }
        index -= 1
      }
    }
    return 0
  }

  /// Whether a read would find anything new for a cursor: an event, a reset, or the end of the log.
  func hasNews(for cursor: Cursor) -> Bool {
    state.withLock { state in
      state.isClosed || state.epoch != cursor.epoch || state.latest > cursor.position
    }
  }

  enum ReadResult: Equatable {
    case more
    case caughtUp
    case end
    /// The host was reset or deleted.
    case over(StreamEnd)
    /// The next events have been forgotten before the reader came to them.
    case lagged
  }

  /// The framing of lines on the wire.
  enum Format: Sendable { case ndjson, eventStream }

  /// Appends the lines that follow a cursor, and moves the cursor on. It stops once it has appended
  /// `limit` bytes, so that the last line may exceed them.
  func read(
    _ cursor: inout Cursor, as format: Format, into bytes: inout [UInt8], limit: Int
  ) -> ReadResult {
    state.withLock { state in
      if state.isClosed { return .over(.deleted) }
      if state.epoch != cursor.epoch { return .over(.reset) }
      let end = min(cursor.end ?? .max, state.latest)
      let start = bytes.count
      if cursor.position + 1 < (state.segments.first?.first ?? state.latest + 1) { return .lagged }
      var run = state.segments.firstIndex { segment in
        segment.first + UInt64(segment.entries.count) > cursor.position + 1
      }
      while let current = run, cursor.position < end, bytes.count - start < limit,
        cursor.remaining > 0
      {
        state.segments[current].copy(&cursor, through: end, format, &bytes, start + limit)
        run = current + 1 < state.segments.count ? current + 1 : nil
      }
      if cursor.position >= (cursor.end ?? .max) || cursor.remaining == 0 { return .end }
      return cursor.position < end ? .more : .caughtUp
    }
  }
}

fileprivate extension EventLog.Segment {
  mutating func write(
    _ draft: EventLog.Draft, seq: UInt64, _ transaction: UInt64?, _ time: [UInt8]
  ) {
    let start = bytes.count
    bytes.append(contentsOf: draft.type.lineStart)
    Decimal.append(UInt(seq), to: &bytes)
    bytes.append(contentsOf: ",\"prev\":".utf8)
    let prev = bytes.count
    Decimal.append(UInt(seq - 1), to: &bytes)
    let prevEnd = bytes.count
    if let transaction {
      bytes.append(contentsOf: ",\"txn\":".utf8)
      Decimal.append(UInt(transaction), to: &bytes)
    }
    bytes.append(contentsOf: time)
    if let object = draft.object {
      bytes.append(contentsOf: ",\"object\":{\"kind\":\"".utf8)
      bytes.append(contentsOf: object.kind.rawValue.utf8)
      bytes.append(contentsOf: "\",\"id\":\"".utf8)
      bytes.append(contentsOf: object.id.utf8)
      bytes.append(contentsOf: "\"},\"data\":".utf8)
    } else {
      bytes.append(contentsOf: ",\"data\":".utf8)
    }
    bytes.append(contentsOf: draft.data)
    bytes.append(contentsOf: "}\n".utf8)
    entries.append(
      EventLog.Entry(
        type: draft.type, object: draft.object, start: start, prev: prev..<prevEnd))
  }

  /// Copies the lines that follow the cursor, until the segment ends, the page ends, or there is no
  /// room.
  func copy(
    _ cursor: inout EventLog.Cursor, through end: UInt64, _ format: EventLog.Format,
    _ output: inout [UInt8], _ room: Int
  ) {
    var index = Int(cursor.position + 1 - first)
    while index < entries.count, cursor.position < end, output.count < room, cursor.remaining > 0 {
      cursor.position += 1
      if cursor.filter.matches(entries[index]) {
        append(index, previous: cursor.previous, format, to: &output)
        cursor.previous = cursor.position
        cursor.remaining -= 1
      }
      index += 1
    }
  }

  private func append(
    _ index: Int, previous: UInt64, _ format: EventLog.Format, to output: inout [UInt8]
  ) {
    let line = line(index)
    let prev = entries[index].prev
    if format == .eventStream {
      EventFraming.begin(entries[index].type.name, id: first + UInt64(index), in: &output)
    }
    if previous + 1 == first + UInt64(index) {
      output.append(contentsOf: bytes[line])
    } else {
      output.append(contentsOf: bytes[line.lowerBound..<prev.lowerBound])
      Decimal.append(UInt(previous), to: &output)
      output.append(contentsOf: bytes[prev.upperBound..<line.upperBound])
    }
    if format == .eventStream { EventFraming.end(in: &output) }
  }
}
