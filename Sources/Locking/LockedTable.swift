// SPDX-License-Identifier: Apache-2.0
#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

/// A fixed number of values, each behind a lock of its own, for tables that many threads use at
/// once.
///
/// In an array of `Locked`, every thread that looks a lock up would change its reference count, and
/// the threads would slow each other down. Here no reference is counted.
///
/// As with `Locked`, no lock is recursive.
@safe public final class LockedTable<Value>: @unchecked Sendable {
  /// How many values there are.
  public let count: Int
  /// Only every second one is used, so that no two locks share a cache line.
  private let mutexes: UnsafeMutablePointer<pthread_mutex_t>
  @usableFromInline let values: UnsafeMutablePointer<Value>

  /// Makes the values and their locks.
  ///
  /// - Parameters:
  ///   - count: how many values there are to be.
  ///   - make: makes a value; it is called once for each.
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

  /// Runs `body` while no other thread can reach one of the values, and returns or throws what
  /// `body` does.
  ///
  /// - Parameter index: which value; at least 0 and less than `count`, or else the program stops.
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
