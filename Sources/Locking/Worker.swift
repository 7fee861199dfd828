// SPDX-License-Identifier: Apache-2.0
#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

/// A thread that calls a function again and again until it is told to stop.
@safe public final class Worker: @unchecked Sendable {
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  private var isStopped = false
  private var isWoken = false
  private let body: @Sendable () -> UInt64

  /// Makes a worker, whose thread does not run until `start`.
  ///
  /// - Parameter body: what the thread calls. It returns how many nanoseconds the thread is to wait
  ///   before the next call, unless `wake` ends the wait. `UInt64.max` waits for `wake` alone.
  public init(_ body: @escaping @Sendable () -> UInt64) {
    self.body = body
    unsafe pthread_mutex_init(mutex, nil)
    unsafe pthread_cond_init(condition, nil)
  }

  deinit {
    unsafe pthread_cond_destroy(condition)
    unsafe pthread_mutex_destroy(mutex)
    unsafe condition.deallocate()
    unsafe mutex.deallocate()
  }

  /// Starts the thread, which keeps the worker alive until it ends.
  ///
  /// - Returns: whether the thread has started; false if the system allows no further one.
  public func start() -> Bool {
    let context = unsafe Unmanaged.passRetained(self)
    var thread = pthread_t()
    let result = unsafe pthread_create(
      &thread, nil,
      { argument in
        guard let argument = unsafe argument else { return nil }
        unsafe Unmanaged<Worker>.fromOpaque(argument).takeRetainedValue().run()
        return nil
      }, context.toOpaque())
    if result != 0 {
      unsafe context.release()
      return false
    }
    pthread_detach(thread)
    return true
  }

  /// Tells the thread to end when the current call of its function returns. It does not wait for
  /// that.
  public func stop() {
    unsafe pthread_mutex_lock(mutex)
    isStopped = true
    unsafe pthread_cond_signal(condition)
    unsafe pthread_mutex_unlock(mutex)
  }

  /// Ends the wait, so that the function is called at once. If a call is under way, the next one
  /// follows it without a wait.
  public func wake() {
    unsafe pthread_mutex_lock(mutex)
    isWoken = true
    unsafe pthread_cond_signal(condition)
    unsafe pthread_mutex_unlock(mutex)
  }

  private func run() {
    while true {
      let pause = body()
      unsafe pthread_mutex_lock(mutex)
      if pause > 0, !isStopped, !isWoken { wait(pause) }
      isWoken = false
      let isOver = isStopped
      unsafe pthread_mutex_unlock(mutex)
      if isOver { return }
    }
  }

  private func wait(_ nanoseconds: UInt64) {
    if nanoseconds == .max {
      unsafe pthread_cond_wait(condition, mutex)
      return
    }
    var deadline = timespec()
    unsafe clock_gettime(CLOCK_REALTIME, &deadline)
    let total = UInt64(deadline.tv_nsec) + nanoseconds
    deadline.tv_sec += Int(total / 1_000_000_000)
    deadline.tv_nsec = Int(total % 1_000_000_000)
    unsafe pthread_cond_timedwait(condition, mutex, &deadline)
  }
}
