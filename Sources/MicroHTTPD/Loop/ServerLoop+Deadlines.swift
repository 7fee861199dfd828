// SPDX-License-Identifier: Apache-2.0
import HTTPCore

/// Deadlines for the arrival of a request.
///
/// The library only knows a time-out for connections on which nothing moves: a byte now and then
/// keeps one open for ever.
extension ServerLoop {
  /// Bytes of a new request are told from late ones of the last by this much, in nanoseconds.
  private static let settling: UInt64 = 50_000_000

  func cutOffSlowRequests() {
    let headerTime = nanoseconds(limits.headerSeconds)
    let bodyTime = nanoseconds(limits.bodySeconds)
    // Shutting a socket down does not change the list; the library finds out when it is run.
    for connection in connections {
      switch connection.phase {
      case .idle: noticeFirstByte(of: connection, headerTime)
      case .head where now - connection.phaseStart > headerTime:
        cutOff(connection, "the header section took more than \(limits.headerSeconds) s")
      case .body where now - connection.phaseStart > bodyTime,
        .answered where now - connection.phaseStart > bodyTime:
        cutOff(connection, "the body took more than \(limits.bodySeconds) s")
      case .body where isStuck(connection): refuseChunk(of: connection)
      case .condemned: connection.shutDown()
      default: break
      }
    }
  }

  /// The library says nothing before it has a whole request line. That one has begun is seen
  /// from the time at which the socket's last byte came, where the kernel tells it; a Unix socket
  /// gets the idle time on top.
  private func noticeFirstByte(of connection: Connection, _ headerTime: UInt64) {
    if let seen = connection.firstByteSeen {
      if now - seen > headerTime { cutOff(connection, "the request line took too long") }
      return
    }
    let waited = now - connection.phaseStart
    guard waited > ServerLoop.settling else { return }
    guard let peer = SystemCall.peer(of: connection.socket) else {
      if waited > headerTime + nanoseconds(limits.idleSeconds) {
        cutOff(connection, "the request line took too long")
      }
      return
    }
    if peer.hasFinished {
      // The library misses an end that arrives together with bytes.
      connection.shutDown()
    } else if peer.sinceLastByte + ServerLoop.settling < waited {
      connection.firstByteSeen = now
    }
  }

  /// Whether the library has stopped reading a body: bytes wait for it from one look to the next,
  /// and none came out in between. It is fed all that it wants, so its buffer is full of something
  /// that is no data.
  private func isStuck(_ connection: Connection) -> Bool {
    guard SystemCall.hasUnreadBytes(connection.socket) else {
      connection.bodySizeWhenUnread = nil
      return false
    }
    defer { connection.bodySizeWhenUnread = connection.body.count }
    return connection.bodySizeWhenUnread == connection.body.count
  }

  /// The line with a chunk's size has to fit into the library's buffer with its extensions. The
  /// library waits for the end of a longer one for ever, without reading.
  private func refuseChunk(of connection: Connection) {
    counters.add(to: .requestsRefused)
    connection.needsLinger = true
    connection.condemn(
      Problem(.payloadTooLarge, "the line with the size of a chunk is too long"),
      phrase: "Content Too Large")
    connection.shutDown()
  }

  private func cutOff(_ connection: Connection, _ detail: String) {
    counters.add(to: .requestsTimedOut)
    connection.condemn(Problem(.requestTimeout, detail), phrase: "Request Timeout")
    connection.shutDown()
  }

  private func nanoseconds(_ seconds: Int) -> UInt64 {
    UInt64(clamping: seconds).multipliedReportingOverflow(by: 1_000_000_000).partialValue
  }
}
