// SPDX-License-Identifier: Apache-2.0
import ControlPlane
import FoundationEssentials
import Locking

#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

/// The signals that stop the program, and the one on which it reads its files again. They are
/// blocked in every thread, and one thread waits for them.
enum Signals {
  private static let stopping = [SIGTERM, SIGINT]
  private static let awaited = stopping + [SIGHUP]

  /// Blocks the signals. It must be called before any thread is started, because threads inherit
  /// what is blocked.
  static func block() {
    // The program must not end when a client goes away while it is being written to.
    signal(SIGPIPE, SIG_IGN)
    var mask = set(awaited)
    unsafe pthread_sigmask(SIG_BLOCK, &mask, nil)
  }

  /// Waits for a signal that stops the program, and returns its name.
  ///
  /// - Parameter hangUp: is called on this thread for each SIGHUP until then.
  static func wait(onHangUp hangUp: () -> Void) -> String {
    var awaited = set(awaited)
    while true {
      var number: Int32 = 0
      // sigwait fails only for invalid signal numbers, and these are valid.
      unsafe sigwait(&awaited, &number)
      switch number {
      case SIGHUP: hangUp()
      case SIGINT: return "SIGINT"
      default: return "SIGTERM"
      }
    }
  }

  /// Lets the next signal that stops the program end it at once, because whoever sends a second one
  /// means it. SIGHUP stays blocked: there is no point any more in reading files again.
  static func endOnNext() {
    for number in stopping { signal(number, SIG_DFL) }
    var mask = set(stopping)
    unsafe pthread_sigmask(SIG_UNBLOCK, &mask, nil)
  }

  private static func set(_ numbers: [Int32]) -> sigset_t {
    var set = sigset_t()
    unsafe sigemptyset(&set)
    for number in numbers { unsafe sigaddset(&set, number) }
    return set
  }
}

/// `write(2)`, under a name that hides no method.
private let systemWrite = unsafe write

/// The descriptors that the system lets the program have.
enum Descriptors {
  /// Raises the limit of open files as far as the system allows. Each connection is an open file,
  /// and the usual limit of a shell, 1024, is far below what the server can serve.
  static func raiseLimit() {
    var limit = rlimit()
    guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
    limit.rlim_cur = limit.rlim_max
    // If this is refused, the limit stays what it was.
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

/// The time of day, and a clock that only goes forward.
enum SystemClock {
  static var monotonicNanoseconds: UInt64 {
    var time = timespec()
    // The clock exists wherever this runs, so the call cannot fail.
    unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }

  static var now: Timestamp {
    var time = timespec()
    // The clock exists wherever this runs, so the call cannot fail.
    unsafe clock_gettime(CLOCK_REALTIME, &time)
    return Timestamp(microseconds: Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000)
  }
}

/// The files that the program reads and writes, besides its sockets.
enum Files {
  static func read(_ path: String) throws(Exit.Failure) -> [UInt8] {
    do {
      return Array(try Data(contentsOf: URL(filePath: path)))
    } catch {
      throw Exit.failure(.noInput, "\(path) cannot be read")
    }
  }

  /// Writes a file under another name and renames it, so that whoever sees it sees it whole.
  ///
  /// Only a regular file is replaced, because a rename would replace a device or a socket as
  /// readily.
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
    // When the error cannot be written, there is nobody left to tell.
    var text = text
    _ = text.withUTF8 { bytes in unsafe systemWrite(STDERR_FILENO, bytes.baseAddress, bytes.count) }
  }
}
