// SPDX-License-Identifier: Apache-2.0

/// What a stream source says after it was asked for bytes.
public enum StreamState: Sendable {
  /// There may be more bytes right away.
  case ready
  /// There is nothing more for now. The connection may wait until the topic is published or a
  /// heartbeat is due.
  case caughtUp
  /// The last byte of the stream has been produced.
  case ended
}

/// The body of a streamed response. It is a cursor on something that its readers share, such as the
/// event log, and it is asked for bytes when the client can take some.
///
/// All functions but `finish` are called on the server's thread that owns the connection.
public protocol StreamSource: AnyObject, Sendable {
  /// What the connection waits for when the source has caught up.
  var topic: Topic { get }

  /// Whether `produce` has something to do: bytes to send, a heartbeat that is due, or an end.
  ///
  /// It is called for every waiting stream of a topic when the topic is published, and about once
  /// a second.
  ///
  /// - Parameter now: the time of a monotonic clock, in nanoseconds.
  func isReady(now: UInt64) -> Bool

  /// Appends bytes for the client to `chunk`.
  ///
  /// - Parameters:
  ///   - limit: about how many bytes to append; the last line may go beyond it.
  ///   - now: the time of a monotonic clock, in nanoseconds.
  func produce(into chunk: inout [UInt8], limit: Int, now: UInt64) -> StreamState

  /// Asks the stream to have bytes for the next `produce`, if necessary a heartbeat before it is
  /// due. Whether the client is still there shows only when something is sent to it. A stream
  /// without heartbeats need not do anything.
  func prompt()

  /// Asks the stream to tell the client why it ends, and then to end. Any thread may call it.
  func finish(reason: StreamEnd)

  /// Is called exactly once, when the connection is gone or the whole response has been sent.
  func closed()
}

extension StreamSource {
  /// Does nothing, for sources that have no heartbeats.
  public func prompt() {}
}

/// Why the server ends a stream. The raw value is what the client is told.
public enum StreamEnd: String, Sendable {
  /// The server is about to stop.
  case drain
  /// The host was reset.
  case reset
  /// The object that the stream reads was deleted.
  case deleted
  /// The open file that the stream reads was closed.
  case closed
  /// The token of whoever reads the stream no longer allows it.
  case unauthorized
}
