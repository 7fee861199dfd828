// SPDX-License-Identifier: Apache-2.0
#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

/// Values behind a lock each, for tables that many threads use at once: finding a value's lock
/// counts no references, which an array of `Locked` does.
///
/// What holds for `Locked` holds for each of them.
@safe public final class LockedTable<Value>: @unchecked Sendable {
  /// How many values there are; it never changes.
  public let count: Int
  /// Every second one is used, so that no two are in one cache line.
  private let mutexes: UnsafeMutablePointer<pthread_mutex_t>
  @usableFromInline let values: UnsafeMutablePointer<Value>

  /// - Parameter make: is called once for each value.
  public init(count: Int, _ make: () -> Value) {
    self.count = count
    unsafe mutexes = .allocate(capacity: 2 * count)
    unsafe values = .allocate(capacity: count)
    unsafe mutexes.initialize(repeating: pthread_mutex_t(), count: 2 * count)
    for index in 0..<count {
      unsafe pthread_mutex_init(mutexes + 2 * index, nil)
      unsafe (values + index).initialize(to: make())
    }
  }

  deinit {
    for index in 0..<count { unsafe pthread_mutex_destroy(mutexes + 2 * index) }
    unsafe mutexes.deallocate()
    unsafe values.deinitialize(count: count)
    unsafe values.deallocate()
  }

  @usableFromInline func lock(_ index: Int) { unsafe pthread_mutex_lock(mutexes + 2 * index) }
  @usableFromInline func unlock(_ index: Int) { unsafe pthread_mutex_unlock(mutexes + 2 * index) }

  /// Runs `body` with exclusive access to one value and returns or throws what it does.
  ///
  /// - Parameter index: less than `count`.
  @inlinable @inline(__always)
  public func withLock<Result, Failure: Error>(
    at index: Int, _ body: (inout Value) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    precondition(index >= 0 && index < count)
    lock(index)
    defer { unlock(index) }
    return try unsafe body(&values[index])
  }
}
