// SPDX-License-Identifier: Apache-2.0
#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

/// A value behind a mutual-exclusion lock; the only way to the value is while holding it.
///
/// It has the shape of `Synchronization.Mutex` and is used in its stead because that one's slow
/// path lives in the uninstrumented standard library: under contention the thread sanitizer
/// does not see its acquire, and reports races that are not there. The sanitizer knows
/// `pthread_mutex_lock`, so with this lock a report means a race.
///
/// Not recursive: taking it twice on one thread is a deadlock.
@safe public final class Locked<Value>: @unchecked Sendable {
  // The mutex must keep its address for life, hence a heap cell of its own.
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  @usableFromInline var value: Value

  /// Puts `value` behind a lock of its own that nobody holds yet.
  public init(_ value: sending Value) {
    unsafe mutex = .allocate(capacity: 1)
    unsafe mutex.initialize(to: pthread_mutex_t())
    unsafe AdaptiveMutex.initialize(mutex)
    self.value = value
  }

  deinit {
    unsafe pthread_mutex_destroy(mutex)
    unsafe mutex.deallocate()
  }

  @usableFromInline func lock() { unsafe pthread_mutex_lock(mutex) }
  @usableFromInline func unlock() { unsafe pthread_mutex_unlock(mutex) }

  /// Runs `body` with exclusive access to the value and returns or throws what it does.
  @inlinable @inline(__always)
  public func withLock<Result, Failure: Error>(
    _ body: (inout Value) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    lock()
    defer { unlock() }
    return try body(&value)
  }
}
