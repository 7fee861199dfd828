// SPDX-License-Identifier: Apache-2.0
import Dispatch
import HTTPCore
import Locking

/// Lines that any number of streams follow, each with its own cursor.
final class LineLog: Sendable {
  let topic = Topic()
  private let lines = Locked<[[UInt8]]>([])
  /// Signalled whenever a stream is closed.
  let closings = DispatchSemaphore(value: 0)
  private let closed = Locked(0)

  func append(_ line: String) {
    appendSilently(line)
    topic.publish()
  }

  /// Without telling anybody.
  func appendSilently(_ line: String) {
    lines.withLock { $0.append(Array((line + "\n").utf8)) }
  }

  var count: Int { lines.withLock { $0.count } }

  func lines(from cursor: Int, atMost limit: Int) -> ArraySlice<[UInt8]> {
    lines.withLock { $0[min(cursor, $0.count)..<min($0.count, cursor + limit)] }
  }

  func noteClosed() {
    closed.withLock { $0 += 1 }
    closings.signal()
  }

  var closedCount: Int { closed.withLock { $0 } }

  /// Waits for the next stream to be closed.
  func waitForClosing(seconds: Int = 20) -> Bool {
    closings.wait(timeout: .now() + .seconds(seconds)) == .success
  }

  func response() -> Response {
    Response(
      status: 200, headers: [(.contentType, MediaType.ndjson)], body: .stream(LineStream(self)))
  }
}

/// One reader of a log.
final class LineStream: StreamSource {
  private struct State {
    var cursor = 0
    var isPrompted = false
    var end: StreamEnd?
  }

  private let log: LineLog
  private let state = Locked(State())

  init(_ log: LineLog) { self.log = log }

  var topic: Topic { log.topic }

  func isReady(now: UInt64) -> Bool {
    let count = log.count
    return state.withLock { $0.isPrompted || $0.end != nil || $0.cursor < count }
  }

  func produce(into chunk: inout [UInt8], limit: Int, now: UInt64) -> StreamState {
    state.withLock { state in
      while chunk.count < limit {
        let lines = log.lines(from: state.cursor, atMost: 64)
        if lines.isEmpty { break }
        for line in lines {
          chunk += line
          state.cursor += 1
          if chunk.count >= limit { return .ready }
        }
      }
      if state.isPrompted {
        state.isPrompted = false
        chunk += "mark\n".utf8
      }
      guard let end = state.end else { return .caughtUp }
      chunk += "bye \(end.rawValue)\n".utf8
      return .ended
    }
  }

  func prompt() { state.withLock { $0.isPrompted = true } }

  func finish(reason: StreamEnd) {
    state.withLock { $0.end = reason }
    topic.publish()
  }

  func closed() { log.noteClosed() }
}
