// SPDX-License-Identifier: Apache-2.0
internal import CMicroHTTPD
internal import Logging
import Locking
import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

/// The one place that accepts: it takes connections from all listeners and hands each to the loop
/// that has the fewest.
///
/// The kernel could spread connections by itself, over sockets that share a port, but with few
/// connections it spreads them badly, and Unix sockets not at all. The acceptor has a thread of
/// its own, so that no loop's work delays a new connection of another.
///
/// While there are as many connections as there may be, or the process has no descriptor left, it
/// does not look at the listeners: clients wait in the kernel's queue. It looks again as soon as
/// anything has come free, anywhere. Nothing that a client does can end that.
final class Acceptor: @unchecked Sendable {
  /// How often the listeners are tried again while the process has no descriptor left: another
  /// process may be the one that gives some back, and nobody tells of that.
  private static let retryMilliseconds: Int32 = 100
  /// How often at most the log says that there is no descriptor left, in nanoseconds. A server at
  /// the edge of what it may have pauses whenever a connection has gone and another has come.
  private static let warningInterval: UInt64 = 10_000_000_000
  /// Connections that are taken from one listener before the others get their turn.
  private static let burst = 64

  private enum Pause {
    /// There are as many connections as there may be.
    case full
    /// The process, or the system, has no descriptor or no memory left.
    case exhausted(errno: Int32)
  }

  private struct Orders {
    var hasRoom = false
    var isToStop = false
    /// Nobody takes orders any more.
    var hasEnded = false
    /// Those who wait for the thread to take a turn.
    var turns: [ThreadCount] = []
  }

  private let loops: [ServerLoop]
  private let limit: Int
  private let logger: Logger
  /// Wakes the thread out of its wait.
  private let wakeup: Int32
  private let orders = Locked(Orders())
  private let isPausedFlag = Atomic<Bool>(false)
  let counters = CounterCells()

  // Touched by the acceptor's thread only, and before that by the one that starts the server.
  private var epoll: Epoll
  private var listeners: [ListeningSocket] = []
  private var pause: Pause?
  private var nextWarning: UInt64 = 0

  /// - Parameters:
  ///   - loops: who gets the connections; at least one.
  ///   - limit: how many connections there may be in all of them together.
  init(loops: [ServerLoop], limit: Int, logger: Logger) throws(ServerError) {
    self.loops = loops
    self.limit = limit
    self.logger = logger
    epoll = try Epoll()
    wakeup = try SystemCall.check("eventfd", eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK)))
    try epoll.require(wakeup, [.readable, .edge], .mail)
  }

  deinit { closeDescriptor(wakeup) }

  /// Takes the listeners over, and closes them if it cannot watch them. Before `run`.
  func listen(on listeners: [ListeningSocket]) throws(ServerError) {
    self.listeners = listeners
    do throws(ServerError) {
      for (index, listener) in listeners.enumerated() {
        try epoll.require(listener.descriptor, .readable, .listener(index))
      }
    } catch {
      closeListeners()
      throw error
    }
  }

  /// Accepts until it is told to stop; then closes the listeners and tells the loops.
  func run() {
    while !takeOrders().isToStop {
      let count = epoll.wait(timeout: timeout)
      if case .exhausted = pause, count == 0 { endPause() }
      for index in 0..<count {
        guard case .listener(let position) = epoll.event(index).source else { continue }
        accept(from: listeners[position])
      }
    }
    closeListeners()
    let left = orders.withLock { orders in
      orders.hasEnded = true
      return orders.turns
    }
    for turn in left { turn.end() }
    for loop in loops { loop.mailbox.listenersAreClosed() }
  }

  private var timeout: Int32 {
    if case .exhausted = pause { Acceptor.retryMilliseconds } else { -1 }
  }

  // MARK: What others tell

  /// A connection has ended, or another descriptor came free. From any thread.
  func somethingCameFree() {
    // Without a pause nobody waits for it, which is nearly always so.
    guard isPausedFlag.load(ordering: .sequentiallyConsistent) else { return }
    orders.withLock { $0.hasRoom = true }
    wake()
  }

  /// Has the acceptor close the listeners and tell the loops. From any thread.
  func stop() {
    orders.withLock { $0.isToStop = true }
    wake()
  }

  /// Has the thread count itself down at its next turn; one that has ended has none to take. From
  /// any thread.
  func put(_ turn: ThreadCount) {
    let isTaken = orders.withLock { orders in
      if !orders.hasEnded { orders.turns.append(turn) }
      return !orders.hasEnded
    }
    if isTaken { wake() } else { turn.end() }
  }

  private func wake() {
    var one: UInt64 = 1
    // The counter cannot overflow in a program's life, so this cannot fail.
    _ = unsafe write(wakeup, &one, MemoryLayout<UInt64>.size)
  }

  private func takeOrders() -> Orders {
    let taken = orders.withLock { orders in
      defer {
        orders.hasRoom = false
        orders.turns = []
      }
      return orders
    }
    for turn in taken.turns { turn.end() }
    if taken.hasRoom { endPause() }
    return taken
  }

  // MARK: Accepting

  private func accept(from listener: ListeningSocket) {
    for _ in 0..<Acceptor.burst {
      guard pause == nil else { return }
      guard connectionCount < limit else { return begin(.full) }
      let socket = accept4(listener.descriptor, nil, nil, ListeningSocket.flags)
      guard socket >= 0 else { return handle(errno) }
      handOver(socket, isUnix: listener.address.isUnixSocket)
    }
  }

  private var connectionCount: Int { loops.reduce(0) { $0 + $1.load.current } }

  /// The first of those that have the fewest connections.
  private func handOver(_ socket: Int32, isUnix: Bool) {
    guard let loop = loops.min(by: { $0.load.current < $1.load.current }) else { return }
    loop.load.add()
    if !loop.mailbox.put(AcceptedSocket(descriptor: socket, isUnix: isUnix)) {
      loop.load.remove()
      closeDescriptor(socket)
    }
  }

  private func handle(_ errno: Int32) {
    switch errno {
    case EMFILE, ENFILE, ENOBUFS, ENOMEM: begin(.exhausted(errno: errno))
    // There is nothing left to accept, or a client has gone before it was accepted: accept(2)
    // reports the errors of a connection that failed meanwhile, and they are not the listener's.
    default: break
    }
  }

  // MARK: Pausing

  private func begin(_ new: Pause) {
    pause = new
    counters.add(to: .acceptPauses)
    watchListeners([])
    switch new {
    case .full:
      logger.debug("not accepting: there are as many connections as there may be")
    case .exhausted(let errno):
      let now = SystemCall.monotonicNanoseconds()
      if now >= nextWarning {
        nextWarning = now + Acceptor.warningInterval
        logger.warning("not accepting: \(SystemCall.text(of: errno))")
      }
    }
    isPausedFlag.store(true, ordering: .sequentiallyConsistent)
    // What ended before the flag was up has told nobody.
    if case .full = new, connectionCount < limit { endPause() }
  }

  private func endPause() {
    guard pause != nil else { return }
    isPausedFlag.store(false, ordering: .sequentiallyConsistent)
    pause = nil
    watchListeners(.readable)
  }

  /// Has the listeners watched, or left alone.
  private func watchListeners(_ flags: EventFlags) {
    for (index, listener) in listeners.enumerated() {
      epoll.change(listener.descriptor, to: flags, .listener(index))
    }
  }

  private func closeListeners() {
    for listener in listeners { listener.close() }
    listeners = []
  }
}

/// A connection that was accepted and is on its way to its loop, which owns the descriptor once
/// it has taken it.
struct AcceptedSocket {
  let descriptor: Int32
  /// Whether it came over a Unix socket.
  let isUnix: Bool
}

/// How many connections a loop has, those that are on their way to it among them. The acceptor
/// adds and the loop takes away.
final class LoopLoad: Sendable {
  private let count = Atomic<Int>(0)

  var current: Int { count.load(ordering: .sequentiallyConsistent) }

  func add() { count.add(1, ordering: .sequentiallyConsistent) }

  func remove() { count.subtract(1, ordering: .sequentiallyConsistent) }
}
