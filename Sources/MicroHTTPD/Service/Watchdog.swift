// SPDX-License-Identifier: Apache-2.0
#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

/// Tells a service manager that a server is alive, as often as the manager wants to hear it.
///
/// The server is alive when each of its threads has taken its turn since the last time: one that
/// hangs keeps the message back, and then the manager does what it is configured to do.
public enum Watchdog {
  /// Starts to tell, on a thread of its own, until the server has stopped.
  ///
  /// Nothing is done if the manager does not watch.
  ///
  /// - Throws: `ServerError.system` if there is no thread to be had.
  public static func start(
    on server: HTTPServer, for manager: ServiceManager
  ) throws(ServerError) {
    guard let interval = manager.watchdogInterval else { return }
    // Twice as often as needed, as sd_watchdog_enabled(3) advises.
    let pause = interval / 2
    try LoopThread.start(named: "watchdog") {
      while server.awaitTurns() {
        // A message that is lost is noticed by the manager, and by nobody else.
        try? manager.tell(.alive)
        sleep(pause)
      }
    }
  }

  private static func sleep(_ duration: Duration) {
    let (seconds, attoseconds) = duration.components
    var wanted = timespec(tv_sec: Int(seconds), tv_nsec: Int(attoseconds / 1_000_000_000))
    // No signal comes to this thread, so it sleeps to the end.
    unsafe nanosleep(&wanted, nil)
  }
}
