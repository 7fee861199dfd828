// SPDX-License-Identifier: Apache-2.0
import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

/// Something that happens once, and that any number of threads wait for.
@safe final class Latch: @unchecked Sendable {
  // Both must keep their addresses for life, hence heap cells; all access holds the mutex.
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private let condition: UnsafeMutablePointer<pthread_cond_t>
  private var isOpen = false

  init() {
    unsafe mutex = .allocate(capacity: 1)
    unsafe mutex.initialize(to: pthread_mutex_t())
    unsafe pthread_mutex_init(mutex, nil)
    unsafe condition = .allocate(capacity: 1)
    unsafe condition.initialize(to: pthread_cond_t())
    unsafe pthread_cond_init(condition, nil)
  }

  deinit {
    unsafe pthread_cond_destroy(condition)
    unsafe condition.deallocate()
    unsafe pthread_mutex_destroy(mutex)
    unsafe mutex.deallocate()
  }

  func open() {
    unsafe pthread_mutex_lock(mutex)
    isOpen = true
    unsafe pthread_cond_broadcast(condition)
    unsafe pthread_mutex_unlock(mutex)
  }

  var isOpenNow: Bool {
    unsafe pthread_mutex_lock(mutex)
    defer { unsafe pthread_mutex_unlock(mutex) }
    return isOpen
  }

  func wait() {
    unsafe pthread_mutex_lock(mutex)
    while !isOpen { unsafe pthread_cond_wait(condition, mutex) }
    unsafe pthread_mutex_unlock(mutex)
  }
}

/// Counts the threads of a server down, and says when the last one has ended, or has taken a turn.
final class ThreadCount: Sendable {
  private let left: Atomic<Int>
  private let whenAllHaveEnded: @Sendable () -> Void

  init(_ count: Int, whenAllHaveEnded: @escaping @Sendable () -> Void) {
    left = Atomic(count)
    self.whenAllHaveEnded = whenAllHaveEnded
  }

  /// One thread has ended, or has taken its turn.
  func end() {
    if left.subtract(1, ordering: .acquiringAndReleasing).newValue == 0 { whenAllHaveEnded() }
  }
}
