// SPDX-License-Identifier: Apache-2.0
#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

/// A value behind a mutex, which can be reached only while the mutex is held.
///
/// It is used like `Synchronization.Mutex`, and instead of it, for the sake of the thread
/// sanitizer. The slow path of `Synchronization.Mutex` lies in the standard library, which is not
/// built for the sanitizer. When threads contend for such a mutex, the sanitizer does not see that
/// one of them acquires it, and reports races that there are not. It does know
/// `pthread_mutex_lock`, so that with this type every report is a race.
///
/// The lock is not recursive: a thread that takes it twice waits for itself for ever.
@safe public final class Locked<Value>: @unchecked Sendable {
  // A mutex must not move in memory, so it has an allocation of its own.
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  @usableFromInline var value: Value

  /// Puts a value behind a new lock, which nobody holds yet.
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

  /// Runs `body` while no other thread can reach the value, and returns or throws what `body` does.
  @inlinable @inline(__always)
  public func withLock<Result, Failure: Error>(
    _ body: (inout Value) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    lock()
    defer { unlock() }
    return try body(&value)
  }
}
