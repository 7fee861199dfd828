// SPDX-License-Identifier: Apache-2.0
internal import CMicroHTTPD
import HTTPCore
internal import Logging

#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

/// The server's thread: it drives the daemons, wakes streams, delivers answers, cuts off those
/// who are too slow, and ends it all.
///
/// libmicrohttpd's own epoll thread stalls when a multiple of 128 sockets is ready at once, so
/// the daemons have none and are run from here.
///
/// Everything but the mailbox, the counters and the constants is touched by this thread only.
final class ServerLoop: @unchecked Sendable {
  /// How often streams and deadlines are looked at without being asked to.
  static let sweepInterval: UInt64 = 1_000_000_000
  /// How often in a row the library may ask to be run at once for nothing.
  private static let patience = 64

  let handler: any RequestHandler
  let limits: Limits
  let logger: Logger
  /// Looked up once: a request must not pay for a log that is off.
  let logsRequests: Bool
  let mailbox: Mailbox
  let counters = CounterCells()

  private var epoll: Epoll
  private var daemons: [Daemon] = []
  private(set) var now = SystemCall.monotonicNanoseconds()
  private var nextSweep: UInt64 = 0
  private var fruitlessRuns = 0

  var connections: [Connection] = []
  var requestIDs = RequestIDs()
  let fieldNames = FieldNames()
  /// Where a response field's value is made ready for C.
  var fieldValue: [UInt8] = []
  var subscriptions: [ObjectIdentifier: Subscription] = [:]
  /// Streams by their sockets.
  var streams: [Int32: StreamedBody] = [:]
  private var lingering = Linger()
  private var scratch: [UInt8] = []
  var drain = Drain()

  init(handler: any RequestHandler, limits: Limits, logger: Logger) throws(ServerError) {
    self.handler = handler
    self.limits = limits
    self.logger = logger
    logsRequests = logger.logLevel <= .debug
    mailbox = try Mailbox()
    epoll = try Epoll()
    _ = epoll.add(mailbox.descriptor, [.readable, .edge], .mail)
  }

  /// How often a daemon is run in a row before the rest gets its turn.
  private static let runLimit = 32

  /// Starts a daemon on each listener. Before `run`, on the thread that starts the server.
  ///
  /// - Throws: `ServerError`; those that have started are stopped by `stopDaemons`.
  func startDaemons(on listeners: [ListeningSocket]) throws(ServerError) {
    for (index, listener) in listeners.enumerated() {
      let daemon = Daemon(loop: self, listener: listener)
      do throws(ServerError) {
        try daemon.start()
      } catch {
        for unused in listeners[index...] { unused.close() }
        throw error
      }
      _ = epoll.add(daemon.epollDescriptor, .readable, .daemon(daemons.count))
      daemons.append(daemon)
    }
  }

  func stopDaemons() {
    for daemon in daemons { daemon.stop() }
    daemons = []
  }

  var allDaemons: [Daemon] { daemons }

  /// Runs until the server has stopped.
  func run() {
    mailbox.adoptCurrentThread()
    while !drain.isOver {
      wait()
      runDaemons()
      deliverMail()
      if now >= nextSweep { sweep() }
      advanceDrain()
    }
    lingering.closeAll()
    stopDaemons()
    mailbox.close()
  }

  private func wait() {
    let timeout = timeout()
    let count = epoll.wait(timeout: timeout)
    now = SystemCall.monotonicNanoseconds()
    fruitlessRuns = count == 0 && timeout == 0 ? fruitlessRuns + 1 : 0
    for index in 0..<count {
      let (source, flags) = epoll.event(index)
      switch source {
      case .mail: break
      case .daemon(let index): daemons[index].needsRun = true
      case .stream(let socket): streamEvent(socket, flags)
      case .lingering(let socket): drainLingering(socket)
      }
    }
  }

  /// Milliseconds until something is due.
  private func timeout() -> Int32 {
    var timeout = UInt64.max
    for daemon in daemons {
      if daemon.needsRun { return 0 }
      guard let wish = daemon.timeout else { continue }
      // The library asks to be run at once for as long as it holds a connection that is neither
      // to be read nor written: that of a stream which is ready and brings nothing, say.
      timeout = min(timeout, fruitlessRuns > ServerLoop.patience ? max(wish, 1) : wish)
    }
    if isAnythingOpen || drain.isUnderWay {
      let next = drain.isUnderWay ? min(nextSweep, drain.deadline) : nextSweep
      timeout = min(timeout, next > now ? (next - now) / 1_000_000 + 1 : 0)
    }
    return timeout == .max ? -1 : Int32(clamping: timeout)
  }

  private var isAnythingOpen: Bool { !connections.isEmpty || !lingering.isEmpty }

  private func runDaemons() {
    for daemon in daemons where daemon.needsRun || daemon.timeout == 0 { runWhileBusy(daemon) }
  }

  /// Runs a daemon again as long as several clients keep it busy: each run asks the daemon's own
  /// epoll, and then a look at ours, which only says that there is more, can be spared.
  private func runWhileBusy(_ daemon: Daemon) {
    for _ in 0..<ServerLoop.runLimit {
      let before = counters[.requests]
      daemon.run()
      if counters[.requests] &- before < 2 || mailbox.hasMailWaiting { return }
    }
  }

  private func deliverMail() {
    while let mail = mailbox.take() {
      for subscription in mail.published { subscription.deliver(now: now) }
      for answer in mail.answers {
        answer.connection.answer(answer.response, to: answer.request)
      }
      if let deadline = mail.stopDeadline { beginDrain(deadline: deadline) }
      // What was resumed is sent now, not after another look at epoll.
      for daemon in daemons where daemon.needsRun { daemon.run() }
    }
  }

  private func sweep() {
    nextSweep = now + ServerLoop.sweepInterval
    for subscription in subscriptions.values { subscription.wakeReady(now: now) }
    cutOffSlowRequests()
    lingering.closeExpired(now: now)
    // The library closes idle connections only when it is run.
    for daemon in daemons { daemon.needsRun = true }
  }

  // MARK: Connections

  func add(_ connection: Connection) {
    connection.index = connections.count
    connections.append(connection)
    counters.add(to: .connectionsAccepted)
    counters.add(to: .connectionsOpen)
  }

  func remove(_ connection: Connection) {
    guard let last = connections.last else { return }
    connections[connection.index] = last
    last.index = connection.index
    connections.removeLast()
    counters.subtract(from: .connectionsOpen)
    descriptorsCameFree()
  }

  /// Has every daemon look at its listener again.
  ///
  /// At its limit of connections, or when the process is out of descriptors, the library stops
  /// listening. It listens again when it is run after one of its connections has gone, and once
  /// the last one has gone nothing else would run it.
  private func descriptorsCameFree() {
    for daemon in daemons { daemon.needsRun = true }
  }

  func requestCompleted(_ connection: Connection) {
    if connection.isDrained { drain.requestsLeft -= 1 }
    if logsRequests { logRequest(connection) }
  }

  /// Keeps the socket for a while after the library has closed it.
  func linger(on socket: Int32) {
    guard let descriptor = lingering.take(socket, now: now) else { return }
    _ = epoll.add(descriptor, .readable, .lingering(descriptor))
  }

  private func drainLingering(_ descriptor: Int32) {
    var buffer = takeScratch()
    if buffer.count < 1 << 16 { buffer = [UInt8](repeating: 0, count: 1 << 16) }
    // Closing the last descriptor of a socket takes it out of epoll; the library has closed its.
    if lingering.drain(descriptor, scratch: &buffer) { descriptorsCameFree() }
    putScratch(buffer)
  }

  // MARK: Streams

  /// A buffer to fill and give back. Within, another taker gets an empty one.
  func takeScratch() -> [UInt8] {
    var taken: [UInt8] = []
    swap(&taken, &scratch)
    taken.removeAll(keepingCapacity: true)
    return taken
  }

  func putScratch(_ buffer: [UInt8]) { scratch = buffer }

  /// Tells of the client's end of a stream's connection, which the library does not look at while
  /// the stream is suspended.
  func watch(_ stream: StreamedBody, on socket: Int32) -> Bool {
    epoll.add(socket, [.peerFinished, .edge], .stream(socket))
  }

  func unwatch(_ socket: Int32) { epoll.remove(socket) }

  private func streamEvent(_ socket: Int32, _ flags: EventFlags) {
    guard let stream = streams[socket] else { return }
    if !flags.isDisjoint(with: .hungUp) {
      stream.peerIsGone()
    } else if flags.contains(.peerFinished) {
      stream.peerFinished()
    }
  }
}
