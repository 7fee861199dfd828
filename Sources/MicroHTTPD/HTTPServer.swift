// SPDX-License-Identifier: Apache-2.0
public import HTTPCore
internal import Locking
public import Logging

/// An HTTP/1.1 server over libmicrohttpd.
///
/// It knows requests, responses and streams, and nothing of what they are about. One thread
/// accepts, and each of some others, the loops, serves its share of the connections. The handler is
/// called by all loops; all calls about one connection, and about its stream, come from one.
///
/// It is no proxy and no file server, and speaks neither TLS nor HTTP/2.
public final class HTTPServer: Sendable {
  /// What a server is made with.
  public struct Configuration: Sendable {
    /// Where the server is to listen; more than one place is possible.
    public var listeners: [ListenAddress]
    /// Sockets that listen already and are the server's from now on.
    public var inherited: [InheritedSocket] = []
    /// What clients may send, and how many of them there may be.
    public var limits: Limits
    /// How many loops serve the connections, each on a thread of its own; at least one.
    public var threads = 1
    /// Whether each request is logged at the level `info`; else it is logged at `debug`.
    public var logsRequests = false
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
    var loops: [ServerLoop] = []
    var acceptor: Acceptor?
    var addresses: [ListenAddress] = []
  }

  private let configuration: Configuration
  private let handler: any RequestHandler
  private let logger: Logger
  private let state = Locked(State())
  /// Open once no thread of the server is left.
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
    if configuration.listeners.isEmpty, configuration.inherited.isEmpty { throw .noListener }
    let shared = SharedState()
    let loops = try makeLoops(shared)
    let acceptor = try Acceptor(
      loops: loops, limit: configuration.limits.connections, logger: logger)
    let isFirst = state.withLock { state in
      guard state.loops.isEmpty else { return false }
      state.loops = loops
      state.acceptor = acceptor
      return true
    }
    guard isFirst else { throw .startedTwice }
    do throws(ServerError) {
      for loop in loops { try loop.startDaemon() }
      let listeners = try openListeners()
      try acceptor.listen(on: listeners)
      state.withLock { $0.addresses = listeners.map(\.address) }
    } catch {
      for loop in loops { loop.stopDaemon() }
      finished.open()
      throw error
    }
    try startThreads(loops, acceptor, shared)
  }

  private func makeLoops(_ shared: SharedState) throws(ServerError) -> [ServerLoop] {
    var loops: [ServerLoop] = []
    for _ in 0..<max(1, configuration.threads) {
      loops.append(
        try ServerLoop(
          handler: handler, limits: configuration.limits, logger: logger,
          logsRequests: configuration.logsRequests, shared: shared))
    }
    return loops
  }

  private func startThreads(
    _ loops: [ServerLoop], _ acceptor: Acceptor, _ shared: SharedState
  ) throws(ServerError) {
    let coordinator = StopCoordinator(loops: loops.count) { acceptor.stop() }
    shared.connect(
      somethingCameFree: { acceptor.somethingCameFree() },
      loopIsDone: { coordinator.loopIsDone() })
    // The acceptor holds the loops, and the loops what tells the acceptor.
    let left = ThreadCount(loops.count + 1) { [finished] in
      shared.disconnect()
      finished.open()
    }
    var started = 0
    do throws(ServerError) {
      for (index, loop) in loops.enumerated() {
        try LoopThread.start(named: "http-\(index)") {
          loop.run()
          left.end()
        }
        started += 1
      }
      try LoopThread.start(named: "accept") {
        acceptor.run()
        left.end()
      }
    } catch {
      // Those that run are stopped; for those that do not run nobody else would.
      state.withLock { $0.addresses = [] }
      for loop in loops[started...] {
        loop.stopDaemon()
        coordinator.loopIsDone()
        left.end()
      }
      for loop in loops[..<started] { loop.mailbox.stop(by: 0) }
      acceptor.stop()
      acceptor.run()
      left.end()
      finished.wait()
      throw error
    }
  }

  /// Where the server listens, with the ports it was given: what it has opened, in the order of the
  /// configuration, and then what it has inherited.
  /// Empty before it was started.
  public var boundAddresses: [ListenAddress] { state.withLock { $0.addresses } }

  /// What the server has done so far. From any thread.
  public var counters: ServerCounters {
    let (loops, acceptor) = state.withLock { ($0.loops, $0.acceptor) }
    var sum = acceptor?.counters.snapshot ?? ServerCounters()
    for loop in loops { sum += loop.counters.snapshot }
    return sum
  }

  /// How many connections each of the loops has. From any thread.
  public var connectionsByLoop: [Int] { state.withLock { $0.loops.map(\.load.current) } }

  /// Waits until each thread of the server has taken a turn since the call. One that hangs takes
  /// none, and then this does not return. From any thread but the server's.
  ///
  /// - Returns: false once the server has stopped, or if it has never started.
  public func awaitTurns() -> Bool {
    let (loops, acceptor) = state.withLock { ($0.loops, $0.acceptor) }
    guard let acceptor, !finished.isOpenNow else { return false }
    let all = Latch()
    let missing = ThreadCount(loops.count + 1) { all.open() }
    for loop in loops { loop.mailbox.put(missing) }
    acceptor.put(missing)
    all.wait()
    return !finished.isOpenNow
  }

  /// Stops, and returns when everything is closed. From any thread but the server's.
  ///
  /// Streams end with their goodbye and requests that are there are answered; requests that come
  /// meanwhile are answered as well, and their connections closed. Then the listeners are closed
  /// and the last connections end. What is still open after the grace period is cut off.
  public func stop(gracePeriod: Duration) {
    let loops = state.withLock { $0.loops }
    guard !loops.isEmpty else { return }
    let nanoseconds = max(.zero, gracePeriod) / .nanoseconds(1)
    let deadline = Double(SystemCall.monotonicNanoseconds()) + min(nanoseconds, 1e18)
    for loop in loops { loop.mailbox.stop(by: UInt64(deadline)) }
    if !loops.contains(where: \.mailbox.isOnLoopThread) { finished.wait() }
  }

  private func openListeners() throws(ServerError) -> [ListeningSocket] {
    let inherited = configuration.inherited.map { ListeningSocket($0) }
    var sockets: [ListeningSocket] = []
    do throws(ServerError) {
      for address in configuration.listeners {
        sockets.append(try ListeningSocket.open(address, unixMode: configuration.unixMode))
      }
    } catch {
      for socket in sockets + inherited { socket.close() }
      throw error
    }
    return sockets + inherited
  }
}
