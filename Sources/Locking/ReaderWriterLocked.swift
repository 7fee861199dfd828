// SPDX-License-Identifier: Apache-2.0
#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

/// A value behind a reader-writer lock: any number of threads read it at once, one changes it
/// alone.
///
/// Not recursive on either side: a reader that asks again while a writer waits is a deadlock.
@safe public final class ReaderWriterLocked<Value>: @unchecked Sendable {
  private let lock: UnsafeMutablePointer<pthread_rwlock_t>
  @usableFromInline var value: Value

  /// Puts `value` behind a lock of its own that nobody holds yet.
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

  /// Runs `body` beside other readers; no writer changes the value until it returns.
  @inlinable @inline(__always)
  public func withReadLock<Result, Failure: Error>(
    _ body: (borrowing Value) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    lockShared()
    defer { unlock() }
    return try body(value)
  }

  /// Runs `body` alone: no reader and no other writer has the value until it returns.
  @inlinable @inline(__always)
  public func withWriteLock<Result, Failure: Error>(
    _ body: (inout Value) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    lockAlone()
    defer { unlock() }
    return try body(&value)
  }
}
