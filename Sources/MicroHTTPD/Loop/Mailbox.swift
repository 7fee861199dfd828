// SPDX-License-Identifier: Apache-2.0
internal import CMicroHTTPD
import HTTPCore
import Locking
import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

/// What other threads want of the loop.
struct Mail {
  /// The answer to one deferred request of a connection.
  struct Answer {
    let connection: Connection
    let request: UInt64
    let response: Response
  }

  var answers: [Answer] = []
  /// Topics that were published since the loop looked last.
  var published: [Subscription] = []
  /// Connections that the acceptor has for the loop.
  var sockets: [AcceptedSocket] = []
  /// Those who wait for the loop to take a turn.
  var turns: [ThreadCount] = []
  /// When everything must be over, on the monotonic clock, once the server is to stop.
  var stopDeadline: UInt64?
  /// Whether no more connections will come.
  var listenersAreClosed = false
  /// Nobody will read any more.
  fileprivate var isClosed = false
}

/// The one way into the loop from other threads.
///
/// The loop sleeps in epoll; the eventfd wakes it. However much mail there is, it is written at
/// most once until the loop has looked, and not at all by the loop's own thread, which looks
/// before it sleeps.
final class Mailbox: Sendable {
  /// Registered edge-triggered, so that nobody needs to read it.
  let descriptor: Int32
  private let mail = Locked(Mail())
  private let hasMail = Atomic<Bool>(false)
  private let loopThread = Atomic<UInt>(0)

  init() throws(ServerError) {
    let flags = Int32(EFD_CLOEXEC | EFD_NONBLOCK)
    descriptor = try SystemCall.check("eventfd", eventfd(0, flags))
  }

  deinit { closeDescriptor(descriptor) }

  /// Makes the calling thread the loop's.
  func adoptCurrentThread() {
    loopThread.store(SystemCall.currentThread(), ordering: .releasing)
  }

  var isOnLoopThread: Bool {
    loopThread.load(ordering: .acquiring) == SystemCall.currentThread()
  }

  func put(_ answer: Mail.Answer) {
    mail.withLock { mail in
      if !mail.isClosed { mail.answers.append(answer) }
    }
    wake()
  }

  func put(_ subscription: Subscription) {
    mail.withLock { mail in
      if !mail.isClosed { mail.published.append(subscription) }
    }
    wake()
  }

  /// - Returns: whether the loop will take the connection; else it is the caller's to close.
  func put(_ socket: AcceptedSocket) -> Bool {
    let isTaken = mail.withLock { mail in
      if !mail.isClosed { mail.sockets.append(socket) }
      return !mail.isClosed
    }
    if isTaken { wake() }
    return isTaken
  }

  /// Has the loop count itself down at its next turn; a loop that has ended has none to take.
  func put(_ turn: ThreadCount) {
    let isTaken = mail.withLock { mail in
      if !mail.isClosed { mail.turns.append(turn) }
      return !mail.isClosed
    }
    if isTaken { wake() } else { turn.end() }
  }

  /// Says that no more connections will come.
  func listenersAreClosed() {
    mail.withLock { $0.listenersAreClosed = true }
    wake()
  }

  /// The first deadline counts.
  func stop(by deadline: UInt64) {
    mail.withLock { mail in
      if mail.stopDeadline == nil { mail.stopDeadline = deadline }
    }
    wake()
  }

  var hasMailWaiting: Bool { hasMail.load(ordering: .relaxed) }

  /// All mail since the last time; nil if there is none.
  func take() -> Mail? {
    guard hasMail.load(ordering: .relaxed),
      // Lowered before the mail is taken: what comes in between raises it again.
      hasMail.exchange(false, ordering: .acquiringAndReleasing)
    else { return nil }
    return mail.withLock { mail in
      defer { mail = Mail() }
      return mail
    }
  }

  /// Drops what comes from now on: a late answer would keep the server's objects for ever.
  func close() {
    let left = mail.withLock { mail in
      let left = mail
      mail = Mail()
      mail.isClosed = true
      return left
    }
    for socket in left.sockets { closeDescriptor(socket.descriptor) }
    for turn in left.turns { turn.end() }
  }

  private func wake() {
    guard !hasMail.exchange(true, ordering: .acquiringAndReleasing), !isOnLoopThread else {
      return
    }
    var one: UInt64 = 1
    // The counter cannot overflow in a program's life, so this cannot fail.
    _ = unsafe write(descriptor, &one, MemoryLayout<UInt64>.size)
  }
}
