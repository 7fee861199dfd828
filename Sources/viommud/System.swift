// SPDX-License-Identifier: Apache-2.0
import ControlPlane
import FoundationEssentials
import Locking

#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

/// The signals that stop the program. They are blocked in every thread, and one waits for them.
enum Signals {
  private static let stopping = [SIGTERM, SIGINT]

  /// To be called before the first thread is started: threads inherit what is blocked.
  static func block() {
    // A client that goes away while it is written to is no reason to end.
    signal(SIGPIPE, SIG_IGN)
    var set = stoppingSet
    unsafe pthread_sigmask(SIG_BLOCK, &set, nil)
  }

  /// Waits for one of them and returns its name.
  static func wait() -> String {
    var set = stoppingSet
    var number: Int32 = 0
    // sigwait fails only for sets that are none.
    unsafe sigwait(&set, &number)
    return number == SIGINT ? "SIGINT" : "SIGTERM"
  }

  /// Lets the next one end the program at once: whoever sends two means it.
  static func endOnNext() {
    for number in stopping { signal(number, SIG_DFL) }
    var set = stoppingSet
    unsafe pthread_sigmask(SIG_UNBLOCK, &set, nil)
  }

  private static var stoppingSet: sigset_t {
    var set = sigset_t()
    unsafe sigemptyset(&set)
    for number in stopping { unsafe sigaddset(&set, number) }
    return set
  }
}

/// `write(2)`, under a name that no method has.
private let systemWrite = unsafe write

/// What the system lets the program have.
enum Descriptors {
  /// Asks for as many open files as there may be: each connection is one, and the usual limit
  /// of a shell, 1024, is far below what the server serves.
  static func raiseLimit() {
    var limit = rlimit()
    guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
    limit.rlim_cur = limit.rlim_max
    // Refused, the limit stays what it was.
    unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
  }

  /// What each thread that serves connections has open besides them: its epoll and the library's,
  /// and an eventfd of each.
  static let perThread = 4
  /// Kept for the standard files, the listeners, the acceptor, and sockets that linger.
  private static let reserve = 16

  /// How many connections there can be while so many other descriptors are open; at least one.
  static func room(besides others: Int) -> Int {
    var limit = rlimit()
    guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else {
      return .max
    }
    return max(1, Int(clamping: limit.rlim_cur) - others - reserve)
  }
}

/// The machine's processors.
enum Processors {
  /// How many of them the process may use.
  static var count: Int { max(1, ProcessInfo.processInfo.activeProcessorCount) }
}

/// The time of day.
enum SystemClock {
  static var now: Timestamp {
    var time = timespec()
    // The clock exists wherever this runs, so the call cannot fail.
    unsafe clock_gettime(CLOCK_REALTIME, &time)
    return Timestamp(microseconds: Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000)
  }
}

/// What the program reads and writes besides its sockets.
enum Files {
  static func read(_ path: String) throws(Exit.Failure) -> [UInt8] {
    do {
      return Array(try Data(contentsOf: URL(filePath: path)))
    } catch {
      throw Exit.failure(.noInput, "\(path) cannot be read")
    }
  }

  /// Writes a file beside its place and renames it there, so that whoever sees it sees it whole.
  ///
  /// Only a regular file is replaced: a rename would put a file in the place of a device or a
  /// socket as readily.
  static func publish(_ text: String, as path: String) throws(Exit.Failure) {
    var status = stat()
    if unsafe stat(path, &status) == 0, status.st_mode & S_IFMT != S_IFREG {
      throw Exit.failure(.cantCreate, "\(path) is there and is no regular file")
    }
    do {
      try Data(text.utf8).write(to: URL(filePath: path), options: .atomic)
    } catch {
      throw Exit.failure(.cantCreate, "\(path) cannot be written")
    }
  }
}

/// Standard error as an output of `print`.
struct StandardError: TextOutputStream {
  mutating func write(_ text: String) {
    // An error that cannot be told has nobody to be told to.
    var text = text
    _ = text.withUTF8 { bytes in unsafe systemWrite(STDERR_FILENO, bytes.baseAddress, bytes.count) }
  }
}
