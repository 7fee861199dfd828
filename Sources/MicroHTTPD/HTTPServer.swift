// SPDX-License-Identifier: Apache-2.0
public import HTTPCore
internal import Locking
public import Logging

/// An HTTP/1.1 server over libmicrohttpd.
///
/// It knows requests, responses and streams, and nothing of what they are about. All calls of the
/// handler and of stream sources come from one thread, the server's own.
///
/// It is no proxy and no file server, and speaks neither TLS nor HTTP/2.
public final class HTTPServer: Sendable {
  /// What a server is made with.
  public struct Configuration: Sendable {
    /// Where the server is to listen; more than one place is possible.
    public var listeners: [ListenAddress]
    /// The limit of connections counts for each listener by itself.
    public var limits: Limits
    /// The mode of the files of Unix sockets, whatever the process's umask: usually only the
    /// owner may connect.
    public var unixMode: UInt32 = 0o600

    /// A configuration with the usual limits, unless others are given.
    public init(listeners: [ListenAddress], limits: Limits = Limits()) {
      self.listeners = listeners
      self.limits = limits
    }
  }

  /// The libmicrohttpd that is loaded, `0.9.75` for example.
  public static var libraryVersion: String { LibraryVersion.text }

  private struct State {
    var loop: ServerLoop?
    var addresses: [ListenAddress] = []
  }

  private let configuration: Configuration
  private let handler: any RequestHandler
  private let logger: Logger
  private let state = Locked(State())
  private let finished = Latch()

  /// A server that is not started yet.
  public init(configuration: Configuration, handler: any RequestHandler, logger: Logger) {
    self.configuration = configuration
    self.handler = handler
    self.logger = logger
  }

  /// Opens the listeners and starts to answer; returns once clients can connect.
  ///
  /// - Throws: `ServerError`; nothing is left open then. A server starts once.
  public func start() throws(ServerError) {
    guard !configuration.listeners.isEmpty else { throw .noListener }
    let loop = try ServerLoop(handler: handler, limits: configuration.limits, logger: logger)
    let isFirst = state.withLock { state in
      guard state.loop == nil else { return false }
      state.loop = loop
      return true
    }
    guard isFirst else { throw .startedTwice }
    do throws(ServerError) {
      let listeners = try openListeners()
      try loop.startDaemons(on: listeners)
      state.withLock { $0.addresses = listeners.map(\.address) }
      try LoopThread.start { [finished] in
        loop.run()
        finished.open()
      }
    } catch {
      loop.stopDaemons()
      state.withLock { $0.addresses = [] }
      finished.open()
      throw error
    }
  }

  /// Where the server listens, in the order of the configuration, with the ports it was given.
  /// Empty before it was started.
  public var boundAddresses: [ListenAddress] { state.withLock { $0.addresses } }

  /// What the server has done so far. From any thread.
  public var counters: ServerCounters {
    state.withLock { $0.loop }?.counters.snapshot ?? ServerCounters()
  }

  /// Stops, and returns when everything is closed. From any thread but the server's.
  ///
  /// Streams end with their goodbye and requests that are there are answered; requests that come
  /// meanwhile are answered as well, and their connections closed. Then the listeners are closed
  /// and the last connections end. What is still open after the grace period is cut off.
  public func stop(gracePeriod: Duration) {
    guard let loop = state.withLock({ $0.loop }) else { return }
    let nanoseconds = max(.zero, gracePeriod) / .nanoseconds(1)
    let deadline = Double(SystemCall.monotonicNanoseconds()) + min(nanoseconds, 1e18)
    loop.mailbox.stop(by: UInt64(deadline))
    if !loop.mailbox.isOnLoopThread { finished.wait() }
  }

  private func openListeners() throws(ServerError) -> [ListeningSocket] {
    var sockets: [ListeningSocket] = []
    do throws(ServerError) {
      for address in configuration.listeners {
        sockets.append(try ListeningSocket.open(address, unixMode: configuration.unixMode))
      }
    } catch {
      for socket in sockets { socket.close() }
      throw error
    }
    return sockets
  }
}
