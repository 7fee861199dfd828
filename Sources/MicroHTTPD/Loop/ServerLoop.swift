// SPDX-License-Identifier: Apache-2.0
internal import CMicroHTTPD
import HTTPCore
internal import Logging

#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

/// One of the server's threads, with its share of the connections: it drives its daemon, wakes
/// streams, delivers answers, cuts off those who are too slow, and ends it all.
///
/// libmicrohttpd's own epoll thread stalls when a multiple of 128 sockets is ready at once, so
/// the daemon has none and is run from here.
///
/// Everything but the mailbox, the load, the counters and the constants is touched by this thread
/// only.
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
  /// The level at which requests are logged.
  let requestLevel: Logger.Level
  let mailbox: Mailbox
  let counters = CounterCells()

  private var epoll: Epoll
  /// How many connections the loop has or is about to get.
  let load = LoopLoad()
  /// What all loops of the server have in common.
  let shared: SharedState
  private var daemon: Daemon?
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

  init(
    handler: any RequestHandler, limits: Limits, logger: Logger, logsRequests: Bool = false,
    shared: SharedState
  ) throws(ServerError) {
    self.handler = handler
    self.limits = limits
    self.shared = shared
    self.logger = logger
    requestLevel = logsRequests ? .info : .debug
    self.logsRequests = logger.logLevel <= requestLevel
    mailbox = try Mailbox()
    epoll = try Epoll()
    try epoll.require(mailbox.descriptor, [.readable, .edge], .mail)
  }

  /// How often the daemon is run in a row before the rest gets its turn.
  private static let runLimit = 32

  /// Starts the daemon. Before `run`, on the thread that starts the server.
  func startDaemon() throws(ServerError) {
    let daemon = Daemon(loop: self)
    try daemon.start()
    self.daemon = daemon
    try epoll.require(daemon.epollDescriptor, .readable, .daemon)
  }

  /// Stops the daemon; no connection may be suspended.
  func stopDaemon() {
    daemon?.stop()
    daemon = nil
  }

  /// Has the library look at its connections, whatever its epoll says.
  func runDaemon() { daemon?.run() }

  /// Runs until the server has stopped.
  func run() {
    mailbox.adoptCurrentThread()
    while !drain.isOver {
      wait()
      runDaemonIfNeeded()
      deliverMail()
      if now >= nextSweep { sweep() }
      noteSlowTurn()
      advanceDrain()
    }
    lingering.closeAll()
    stopDaemon()
    mailbox.close()
  }

  /// So many nanoseconds of a turn are noticed by those who wait for the next one.
  static let slowTurn: UInt64 = 10_000_000

  private func noteSlowTurn() {
    if SystemCall.monotonicNanoseconds() &- now > ServerLoop.slowTurn {
      counters.add(to: .slowTurns)
    }
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
      case .daemon: daemon?.needsRun = true
      case .stream(let socket): streamEvent(socket, flags)
      case .lingering(let socket): drainLingering(socket)
      case .listener: break
      }
    }
  }

  /// Milliseconds until something is due.
  private func timeout() -> Int32 {
    var timeout = UInt64.max
    if let daemon {
      if daemon.needsRun { return 0 }
      // The library asks to be run at once for as long as it holds a connection that is neither
      // to be read nor written: that of a stream which is ready and brings nothing, say.
      if let wish = daemon.timeout {
        timeout = fruitlessRuns > ServerLoop.patience ? max(wish, 1) : wish
      }
    }
    if isAnythingOpen || drain.isUnderWay {
      // A loop that waits for the others is woken by mail.
      let hasDeadline = drain.isUnderWay && drain.step != .waiting
      let next = hasDeadline ? min(nextSweep, drain.deadline) : nextSweep
      timeout = min(timeout, next > now ? (next - now) / 1_000_000 + 1 : 0)
    }
    return timeout == .max ? -1 : Int32(clamping: timeout)
  }

  private var isAnythingOpen: Bool { !connections.isEmpty || !lingering.isEmpty }

  private func runDaemonIfNeeded() {
    if let daemon, daemon.needsRun || daemon.timeout == 0 { runWhileBusy(daemon) }
  }

  /// Runs the daemon again as long as several clients keep it busy: each run asks the daemon's own
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
      for socket in mail.sockets { take(socket) }
      if let deadline = mail.stopDeadline { beginDrain(deadline: deadline) }
      for turn in mail.turns { turn.end() }
      if mail.listenersAreClosed { drain.listenersAreClosed = true }
      // What was resumed or has come is served now, not after another look at epoll.
      if let daemon, daemon.needsRun { daemon.run() }
    }
  }

  private func sweep() {
    nextSweep = now + ServerLoop.sweepInterval
    for subscription in subscriptions.values { subscription.wakeReady(now: now) }
    cutOffSlowRequests()
    if lingering.closeExpired(now: now) { shared.somethingCameFree() }
    // The library closes idle connections only when it is run.
    daemon?.needsRun = true
  }

  // MARK: Connections

  private func take(_ socket: AcceptedSocket) {
    // What the library cannot take it has closed, and tells of no connection.
    if daemon?.add(socket) != true { connectionIsGone() }
  }

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
    connectionIsGone()
  }

  private func connectionIsGone() {
    load.remove()
    shared.somethingCameFree()
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
    if lingering.drain(descriptor, scratch: &buffer) { shared.somethingCameFree() }
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
