// SPDX-License-Identifier: Apache-2.0
#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

/// A few threads that carry out work for others, in the order in which it comes.
///
/// A thread is started when there is work and none is idle, up to the limit; from then on it stays.
/// The pool lives as long as the program.
@safe public final class WorkerPool: @unchecked Sendable {
  // Both must keep their addresses for life, hence heap cells. Everything below is used with the
  // mutex held.
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  private var waiting: [@Sendable () -> Void] = []
  /// The first of `waiting` that nobody has taken; what is in front of it is forgotten now and
  /// then.
  private var next = 0
  private var threads = 0
  private var idle = 0
  private let limit: Int

  /// A pool without threads yet.
  ///
  /// - Parameter limit: how many threads it has at most; at least one.
  public init(limit: Int) {
    self.limit = max(1, limit)
    unsafe pthread_mutex_init(mutex, nil)
    unsafe pthread_cond_init(condition, nil)
  }

  /// Has a thread of the pool carry something out. Where the system allows no thread at all, the
  /// calling thread does it, before this returns.
  public func run(_ work: @escaping @Sendable () -> Void) {
    unsafe pthread_mutex_lock(mutex)
    waiting.append(work)
    var needsThread = false
    if idle > 0 {
      unsafe pthread_cond_signal(condition)
    } else if threads < limit {
      threads += 1
      needsThread = true
    }
    unsafe pthread_mutex_unlock(mutex)
    guard needsThread, !Detached.run({ self.serve() }) else { return }
    if noThreadHasStarted() { drain() }
  }

  /// How much work nobody has begun yet.
  public var backlog: Int {
    unsafe pthread_mutex_lock(mutex)
    defer { unsafe pthread_mutex_unlock(mutex) }
    return waiting.count - next
  }

  /// - Returns: whether there is no other thread either, so that the work would never be done.
  private func noThreadHasStarted() -> Bool {
    unsafe pthread_mutex_lock(mutex)
    defer { unsafe pthread_mutex_unlock(mutex) }
    threads -= 1
    return threads == 0
  }

  private func serve() {
    while let work = take(waits: true) { work() }
  }

  private func drain() {
    while let work = take(waits: false) { work() }
  }

  private func take(waits: Bool) -> (@Sendable () -> Void)? {
    unsafe pthread_mutex_lock(mutex)
    defer { unsafe pthread_mutex_unlock(mutex) }
    while next == waiting.count {
      waiting.removeAll(keepingCapacity: true)
      next = 0
      guard waits else { return nil }
      idle += 1
      unsafe pthread_cond_wait(condition, mutex)
      idle -= 1
    }
    let work = waiting[next]
    // What was taken must not live on here.
    waiting[next] = {}
    next += 1
    if next == 1024 {
      waiting.removeFirst(next)
      next = 0
    }
    return work
  }
}
