// SPDX-License-Identifier: Apache-2.0
internal import CMicroHTTPD
import HTTPCore

/// A response body that the library asks for piece by piece.
///
/// It belongs to the library's response object, which lets go of it when the response was sent
/// whole or its connection is gone; that is when the source is told.
final class StreamedBody {
  /// How often a source may say that there is more and bring nothing, before others get a turn.
  private static let emptyTries = 16

  let source: any StreamSource
  private let connection: Connection
  private let subscription: Subscription
  private var leftover: [UInt8] = []
  private var leftoverStart = 0
  private var hasEnded = false
  private var isWatched = false
  private(set) var isSuspended = false
  /// Where the stream stands among those that wait for its topic.
  var waitingIndex: Int?

  init(source: any StreamSource, connection: Connection, subscription: Subscription) {
    self.source = source
    self.connection = connection
    self.subscription = subscription
    subscription.streamCount += 1
  }

  /// Fills the library's buffer.
  ///
  /// - Returns: how many bytes there are now, or one of the library's codes.
  @unsafe func read(into buffer: UnsafeMutableRawBufferPointer) -> Int {
    if connection.isAborted { return viommud_end_with_error }
    if leftoverStart < leftover.count { return unsafe takeLeftover(into: buffer) }
    if hasEnded { return viommud_end_of_stream }
    return unsafe produce(into: buffer)
  }

  private func produce(into buffer: UnsafeMutableRawBufferPointer) -> Int {
    let loop = connection.loop
    // One chunk buffer serves all streams, so an idle stream keeps none.
    var chunk = loop.takeScratch()
    defer { loop.putScratch(chunk) }
    var isCaughtUp = false
    for _ in 0..<StreamedBody.emptyTries where chunk.isEmpty && !hasEnded && !isCaughtUp {
      switch source.produce(into: &chunk, limit: buffer.count, now: loop.now) {
      case .ready: break
      case .caughtUp: isCaughtUp = true
      case .ended: hasEnded = true
      }
    }
    if chunk.isEmpty {
      if hasEnded { return viommud_end_of_stream }
      if isCaughtUp { suspend() }
      return 0
    }
    let count = min(chunk.count, buffer.count)
    unsafe buffer.copyBytes(from: chunk[..<count])
    leftover = count < chunk.count ? Array(chunk[count...]) : []
    leftoverStart = 0
    loop.counters.add(UInt64(count), to: .bodyBytesSent)
    return count
  }

  private func takeLeftover(into buffer: UnsafeMutableRawBufferPointer) -> Int {
    let count = min(leftover.count - leftoverStart, buffer.count)
    unsafe buffer.copyBytes(from: leftover[leftoverStart..<(leftoverStart + count)])
    leftoverStart += count
    if leftoverStart == leftover.count {
      leftover = []
      leftoverStart = 0
    }
    connection.loop.counters.add(UInt64(count), to: .bodyBytesSent)
    return count
  }

  /// Takes the connection out of the library's hands. Only from within its call for bytes.
  private func suspend() {
    if !isWatched { isWatched = connection.loop.watch(self, on: connection.socket) }
    connection.suspend()
    isSuspended = true
    subscription.addWaiting(self)
  }

  /// Gives the connection back, so that the library asks for bytes again.
  func resume() {
    guard isSuspended else { return }
    isSuspended = false
    subscription.removeWaiting(self)
    connection.resume()
  }

  /// The client sends no more. Either it has closed its socket, or it has shut down one side of
  /// it and still reads: TCP does not say which until something is written. So something is.
  func peerFinished() {
    source.prompt()
    resume()
  }

  /// Nobody reads any more.
  func peerIsGone() {
    connection.isAborted = true
    resume()
  }

  /// The library has let go of the response.
  func close() {
    if isWatched { connection.loop.unwatch(connection.socket) }
    subscription.streamCount -= 1
    connection.loop.streamClosed(self, on: connection.socket, subscription)
    source.closed()
  }
}
