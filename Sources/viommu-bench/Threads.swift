// SPDX-License-Identifier: Apache-2.0
#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

/// Runs a function on several threads at the same time.
enum Threads {
  private final class Job {
    let index: Int
    let body: @Sendable (Int) -> Void

    init(_ index: Int, _ body: @escaping @Sendable (Int) -> Void) {
      self.index = index
      self.body = body
    }
  }

  /// Starts `count` threads and waits until all have ended.
  ///
  /// - Parameter body: is called on each thread, with the number of the thread, from 0.
  static func run(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
    var threads: [pthread_t] = []
    for index in 0..<count {
      var thread = pthread_t()
      let job = unsafe Unmanaged.passRetained(Job(index, body))
      let result = unsafe pthread_create(
        &thread, nil,
        { argument in
          guard let argument = unsafe argument else { return nil }
          let job = unsafe Unmanaged<Job>.fromOpaque(argument).takeRetainedValue()
          job.body(job.index)
          return nil
        }, job.toOpaque())
      precondition(result == 0, "there is no thread to be had")
      threads.append(thread)
    }
    for thread in threads { pthread_join(thread, nil) }
  }
}
