// SPDX-License-Identifier: Apache-2.0
#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

/// A server that was started for a measurement, and that ends when the last reference to it goes.
final class Program {
  let pid: pid_t
  private(set) var port: UInt16 = 0
  /// The writing end of the program's standard input. The ceiling ends when it is closed.
  private let input: Int32

  /// Starts the ceiling, and reads the port that it prints.
  static func ceiling(_ path: String) throws -> Program {
    let (output, outputEnd) = try pipe()
    let program = try Program(path, [], output: outputEnd)
    defer { close(output) }
    var text: [UInt8] = []
    var byte: UInt8 = 0
    while unsafe read(output, &byte, 1) == 1, byte != UInt8(ascii: "\n") { text.append(byte) }
    guard let port = UInt16(String(decoding: text, as: UTF8.self)), port != 0 else {
      throw BenchError("\(path) did not start")
    }
    program.port = port
    return program
  }

  /// Starts viommud on a port that was free a moment ago, and waits until it answers.
  static func viommud(_ path: String, _ arguments: [String] = []) throws -> Program {
    let port = try Client.freePort()
    let program = try Program(
      path, ["--listen", "127.0.0.1:\(port)", "--log-level", "error"] + arguments, output: nil)
    program.port = port
    // Until the server listens, each attempt to connect is refused at once and costs next to
    // nothing.
    let deadline = Clock.now() + 10_000_000_000
    while Clock.now() < deadline {
      if let client = try? Client(port: port), try client.get("/readyz").status == 200 {
        return program
      }
      usleep(100)
    }
    throw BenchError("\(path) does not answer on port \(port)")
  }

  private init(_ path: String, _ arguments: [String], output: Int32?) throws {
    let (inputEnd, input) = try Program.pipe()
    self.input = input
    var actions = unsafe posix_spawn_file_actions_t()
    unsafe posix_spawn_file_actions_init(&actions)
    defer { unsafe posix_spawn_file_actions_destroy(&actions) }
    unsafe posix_spawn_file_actions_adddup2(&actions, inputEnd, 0)
    if let output { unsafe posix_spawn_file_actions_adddup2(&actions, output, 1) }
    var words = unsafe ([path] + arguments).map { unsafe strdup($0) }
    unsafe words.append(nil)
    defer {
      for index in unsafe words.indices { unsafe free(words[index]) }
    }
    var pid: pid_t = 0
    let result = unsafe posix_spawn(&pid, path, &actions, nil, words, environ)
    close(inputEnd)
    if let output { close(output) }
    guard result == 0 else { throw BenchError("\(path) cannot be started") }
    self.pid = pid
  }

  deinit {
    close(input)
    kill(pid, SIGTERM)
    waitpid(pid, nil, 0)
  }

  /// The memory of the program that is resident, in bytes.
  func residentMemory() throws -> Int {
    guard let file = unsafe fopen("/proc/\(pid)/status", "r") else {
      throw BenchError("the program is gone")
    }
    defer { unsafe fclose(file) }
    var line = [CChar](repeating: 0, count: 256)
    while unsafe fgets(&line, Int32(line.count), file) != nil {
      let bytes = line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
      let text = String(decoding: bytes, as: UTF8.self)
      if text.hasPrefix("VmRSS:"), let kilobytes = Int(text.filter(\.isNumber)) {
        return kilobytes << 10
      }
    }
    throw BenchError("the program's memory cannot be read")
  }

  /// The processor time that the program has used so far, in seconds.
  func processorTime() throws -> Double {
    var clock = clockid_t()
    var time = timespec()
    guard unsafe clock_getcpuclockid(pid, &clock) == 0, unsafe clock_gettime(clock, &time) == 0
    else { throw BenchError("the program's time cannot be read") }
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }

  /// The path of a program in the same directory as this one.
  static func sibling(_ name: String) -> String {
    let own = CommandLine.arguments[0]
    guard let slash = own.lastIndex(of: "/") else { return name }
    return String(own[...slash]) + name
  }

  /// Raises the number of descriptors that this process may have to as many as the system allows.
  static func raiseDescriptorLimit() throws {
    var limit = rlimit()
    #if canImport(Glibc)
      let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
    #else
      let resource = RLIMIT_NOFILE
    #endif
    unsafe getrlimit(resource, &limit)
    limit.rlim_cur = limit.rlim_max
    // The servers that are started afterwards inherit the limit.
    guard unsafe setrlimit(resource, &limit) == 0 else {
      throw BenchError("the limit of descriptors cannot be raised")
    }
  }

  private static func pipe() throws -> (Int32, Int32) {
    var ends: [Int32] = [0, 0]
    #if canImport(Glibc)
      let result = unsafe Glibc.pipe(&ends)
    #else
      let result = unsafe Musl.pipe(&ends)
    #endif
    guard result == 0 else { throw BenchError("there is no pipe") }
    // The child gets duplicates of the ends that it needs, and these do not have the flag.
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    return (ends[0], ends[1])
  }
}

/// Reads the time for measurements.
enum Clock {
  /// The time of the system's monotonic clock, in nanoseconds.
  static func now() -> UInt64 {
    var time = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }

  static func seconds(since start: UInt64) -> Double { Double(now() - start) / 1e9 }
}
