// SPDX-License-Identifier: Apache-2.0
#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

private final class Job: Sendable {
  let number: Int
  let body: @Sendable (Int) -> Void

  init(_ number: Int, _ body: @escaping @Sendable (Int) -> Void) {
    self.number = number
    self.body = body
  }
}

/// Threads that run; each of them has to be waited for.
package struct RunningThreads {
  fileprivate var threads: [pthread_t] = []

  /// Returns when all have ended.
  package func wait() {
    for thread in threads { pthread_join(thread, nil) }
  }
}

/// Runs `body` on `count` threads at once, each with its number. Unlike those of a pool they run
/// at once even while all of them wait.
package func startThreads(
  _ count: Int, _ body: @escaping @Sendable (Int) -> Void
) -> RunningThreads {
  var running = RunningThreads()
  for number in 0..<count {
    var thread = pthread_t()
    let job = Unmanaged.passRetained(Job(number, body))
    pthread_create(
      &thread, nil,
      { argument in
        guard let argument else { return nil }
        let job = Unmanaged<Job>.fromOpaque(argument).takeRetainedValue()
        job.body(job.number)
        return nil
      }, job.toOpaque())
    running.threads.append(thread)
  }
  return running
}

/// Runs `body` on `count` threads at once, each with its number, and waits for all.
package func runThreads(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
  startThreads(count, body).wait()
}
