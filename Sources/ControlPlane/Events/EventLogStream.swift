// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD
import Locking

/// The body of `GET /events`: what a cursor on a host's log reads, with a greeting before it, marks
/// in between, and a farewell at the end.
final class EventLogStream: StreamSource {
  /// Nanoseconds after which a reader is told, with a mark, how far the log has been sent.
  static let markInterval: UInt64 = 10_000_000_000

  private enum Phase {
    case hello
    /// The objects as they are. Those behind this key have not been written yet.
    case snapshot(after: ObjectKey?)
    case events
    case over
  }

  private struct State {
    var phase = Phase.hello
    var cursor: EventLog.Cursor
    var lastMark: UInt64 = 0
    var finish: StreamEnd?
  }

  private let log: EventLog
  private let format: EventLog.Format
  private let isFollowing: Bool
  private let extent: EventLog.Extent
  /// Writes the next objects of a snapshot; nil for a stream without one.
  private let snapshot: (any SnapshotSource)?
  private let state: Locked<State>

  /// - Parameter snapshot: writes the host's objects, for a stream that begins with them.
  init(
    log: EventLog, cursor: EventLog.Cursor, extent: EventLog.Extent, format: EventLog.Format,
    isFollowing: Bool, snapshot: (any SnapshotSource)?
  ) {
    self.log = log
    self.format = format
    self.isFollowing = isFollowing
    self.extent = extent
    self.snapshot = snapshot
    state = Locked(State(cursor: cursor))
  }

  var topic: Topic { log.topic }

  func isReady(now: UInt64) -> Bool {
    state.withLock { state in
      guard case .events = state.phase else { return true }
      return state.finish != nil || isMarkDue(state, now) || log.hasNews(for: state.cursor)
    }
  }

  private func isMarkDue(_ state: State, _ now: UInt64) -> Bool {
    now >= state.lastMark &+ EventLogStream.markInterval
  }

  func finish(reason: StreamEnd) { state.withLock { $0.finish = reason } }

  func closed() {}

  /// Has a mark be written at once. Writing it shows whether the reader is still there.
  func prompt() { state.withLock { $0.lastMark = 0 } }

  func produce(into chunk: inout [UInt8], limit: Int, now: UInt64) -> StreamState {
    state.withLock { state in
      switch state.phase {
      case .hello:
        state.lastMark = now
        state.phase = snapshot == nil ? .events : .snapshot(after: nil)
        writeHello(to: &chunk)
        return .ready
      case .snapshot(let after):
        return writeSnapshot(after, &state, &chunk, limit)
      case .events:
        return writeEvents(&state, &chunk, limit, now)
      case .over:
        return .ended
      }
    }
  }

  private func writeSnapshot(
    _ after: ObjectKey?, _ state: inout State, _ chunk: inout [UInt8], _ limit: Int
  ) -> StreamState {
    guard let snapshot else { return .ended }
    var next = after
    let isWhole = snapshot.write(after: &next, limit: limit) { line in
      append("snapshot", nil, to: &chunk) { writer in
        writer.key("object")
        writer.raw(line)
      }
    }
    if isWhole {
      state.phase = .events
      // A page needs none here, because it ends with a mark in any case.
      if isFollowing { writeMark(state.cursor.position, to: &chunk) }
    } else {
      state.phase = .snapshot(after: next)
    }
    return .ready
  }

  private func writeEvents(
    _ state: inout State, _ chunk: inout [UInt8], _ limit: Int, _ now: UInt64
  ) -> StreamState {
    if let reason = state.finish { return end(reason, &state, &chunk) }
    switch log.read(&state.cursor, as: format, into: &chunk, limit: limit) {
    case .more:
      return .ready
    case .over(let reason):
      return end(reason, &state, &chunk)
    case .lagged:
      writeLagged(state.cursor.position, to: &chunk)
      state.phase = .over
      return .ended
    case .caughtUp where isFollowing:
      guard isMarkDue(state, now) else { return .caughtUp }
      state.lastMark = now
      writeMark(state.cursor.position, to: &chunk)
      return .caughtUp
    case .end, .caughtUp:
      writeMark(state.cursor.position, to: &chunk)
      state.phase = .over
      return .ended
    }
  }

  private func end(
    _ reason: StreamEnd, _ state: inout State, _ chunk: inout [UInt8]
  ) -> StreamState {
    let position = state.cursor.position
    append("bye", nil, to: &chunk) { writer in
      writer.field("reason", text: reason.rawValue)
      writer.field("resume", int: Int(position))
    }
    state.phase = .over
    return .ended
  }

  // MARK: Lines that are no events

  private func writeHello(to chunk: inout [UInt8]) {
    append("hello", nil, to: &chunk) { writer in
      writer.field("epoch", text: "e\(extent.epoch)")
      writer.field("oldest", int: Int(extent.oldest))
      writer.field("latest", int: Int(extent.latest))
    }
  }

  private func writeMark(_ seq: UInt64, to chunk: inout [UInt8]) {
    // A reader can resume from this number, so the mark bears it as its event ID too.
    append("mark", seq, to: &chunk) { $0.field("seq", int: Int(seq)) }
  }

  private func writeLagged(_ position: UInt64, to chunk: inout [UInt8]) {
    let extent = log.extent
    append("lagged", nil, to: &chunk) { writer in
      writer.field("seq", int: Int(position))
      writer.field("oldest", int: Int(extent.oldest))
      writer.field("latest", int: Int(extent.latest))
    }
  }

  private func append(
    _ type: String, _ id: UInt64?, to chunk: inout [UInt8],
    _ members: (inout JSONWriter) -> Void
  ) {
    StreamLine.append(type, id: id, as: format, to: &chunk, members)
  }
}

/// Writes the objects of a host, some at a time, in the order of their kinds and names.
protocol SnapshotSource: Sendable {
  /// - Parameters:
  ///   - key: the last object that was written; it is set to the last one that is written now.
  ///   - limit: the number of bytes after which to stop.
  ///   - emit: is given the JSON of each object.
  /// - Returns: whether all objects have been written.
  func write(after key: inout ObjectKey?, limit: Int, _ emit: ([UInt8]) -> Void) -> Bool
}
