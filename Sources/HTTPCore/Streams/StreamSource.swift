// SPDX-License-Identifier: Apache-2.0

/// What a stream source did when it was asked for bytes.
public enum StreamState: Sendable {
  /// There may be more right away.
  case ready
  /// All there is has been produced; the connection may wait for the topic or the clock.
  case caughtUp
  /// The last byte of the stream has been produced.
  case ended
}

/// The body of a streamed response: a cursor on something shared, asked for bytes when the
/// client can take some.
///
/// All functions but `finish` are called on the server thread that owns the connection.
public protocol StreamSource: AnyObject, Sendable {
  /// What wakes the connection when it has caught up.
  var topic: Topic { get }

  /// Whether `produce` has something to do: bytes to send, a heartbeat that is due, an end.
  /// Called for each waiting stream of a topic that was published, and about once a second.
  ///
  /// - Parameter now: a monotonic clock, in nanoseconds.
  func isReady(now: UInt64) -> Bool

  /// Appends what is waiting to `chunk`, about `limit` bytes; a last line may go beyond.
  func produce(into chunk: inout [UInt8], limit: Int, now: UInt64) -> StreamState

  /// Asks the stream to have something for the next `produce`, if it be a heartbeat before its
  /// time: whether the client is still there shows only when something is written. Streams
  /// without heartbeats need not do anything.
  func prompt()

  /// Asks the stream to say goodbye and end; from any thread.
  func finish(reason: StreamEnd)

  /// The connection is gone, or its response has been sent whole. Called exactly once.
  func closed()
}

extension StreamSource {
  /// Does nothing: most sources are told of news by whoever has them.
  public func prompt() {}
}

/// Why the server ends a stream.
public enum StreamEnd: String, Sendable {
  /// The server stops.
  case drain
  /// The host was reset.
  case reset
  /// What the stream reads was deleted.
  case deleted
  /// The open file that the stream reads was closed.
  case closed
}
