// SPDX-License-Identifier: Apache-2.0
#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

/// A value behind a reader-writer lock: any number of threads can read it at once, or one thread
/// can change it.
///
/// The lock is not recursive. A thread that holds it, even to read, must not take it again, since a
/// writer may have begun to wait in between, and then each waits for the other.
@safe public final class ReaderWriterLocked<Value>: @unchecked Sendable {
  private let lock: UnsafeMutablePointer<pthread_rwlock_t>
  @usableFromInline var value: Value

  /// Puts a value behind a new lock, which nobody holds yet.
  public init(_ value: sending Value) {
    unsafe lock = .allocate(capacity: 1)
    unsafe lock.initialize(to: pthread_rwlock_t())
    unsafe pthread_rwlock_init(lock, nil)
    self.value = value
  }

  deinit {
    unsafe pthread_rwlock_destroy(lock)
    unsafe lock.deallocate()
  }

  @usableFromInline func lockShared() { unsafe pthread_rwlock_rdlock(lock) }
  @usableFromInline func lockAlone() { unsafe pthread_rwlock_wrlock(lock) }
  @usableFromInline func unlock() { unsafe pthread_rwlock_unlock(lock) }

  /// Runs `body`, perhaps at the same time as other readers, while nobody changes the value.
  @inlinable @inline(__always)
  public func withReadLock<Result, Failure: Error>(
    _ body: (borrowing Value) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    lockShared()
    defer { unlock() }
    return try body(value)
  }

  /// Runs `body` while no other thread can read or change the value.
  @inlinable @inline(__always)
  public func withWriteLock<Result, Failure: Error>(
    _ body: (inout Value) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    lockAlone()
    defer { unlock() }
    return try body(&value)
  }
}
