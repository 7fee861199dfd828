// SPDX-License-Identifier: Apache-2.0
import Dispatch
import Glibc
import MicroHTTPD
import Synchronization

/// A listening socket as a service manager has one: it stays open, and servers get a duplicate.
final class ListeningDescriptor {
  private let descriptor: Int32

  private init<Name>(_ family: Int32, _ name: Name) throws {
    descriptor = socket(family, Int32(SOCK_STREAM.rawValue), 0)
    guard bindSocket(descriptor, name, MemoryLayout<Name>.size), listen(descriptor, 8) == 0 else {
      throw ServerError.system(call: "bind", errno: errno)
    }
  }

  deinit { close(descriptor) }

  /// One on a free port of 127.0.0.1.
  static func tcp() throws -> ListeningDescriptor {
    var name = sockaddr_in()
    name.sin_family = sa_family_t(AF_INET)
    name.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    return try ListeningDescriptor(AF_INET, name)
  }

  static func unix(_ path: String) throws -> ListeningDescriptor {
    try ListeningDescriptor(AF_UNIX, unixName(Array(path.utf8)))
  }

  var port: UInt16 {
    var name = sockaddr_in()
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    withUnsafeMutablePointer(to: &name) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        _ = getsockname(descriptor, $0, &length)
      }
    }
    return UInt16(bigEndian: name.sin_port)
  }

  /// A descriptor that is the receiver's to close.
  func handOver() -> Int32 { dup(descriptor) }
}

/// The socket on which a service manager hears what it is told.
final class NotificationInbox {
  /// What `NOTIFY_SOCKET` is set to.
  let name: String
  private let descriptor: Int32
  private let path: String?

  init(isAbstract: Bool) throws {
    let unique = "mhd-notify-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
    path = isAbstract ? nil : "/tmp/" + unique
    name = path ?? "@" + unique
    descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
    var limit = timeval(tv_sec: 20, tv_usec: 0)
    setsockopt(
      descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    let bytes = path.map { Array($0.utf8) } ?? [0] + Array(unique.utf8)
    let length = MemoryLayout<sa_family_t>.size + bytes.count
    guard bindSocket(descriptor, unixName(bytes), length) else {
      throw ServerError.system(call: "bind", errno: errno)
    }
  }

  deinit {
    close(descriptor)
    if let path { unlink(path) }
  }

  /// The next message; nil if none comes.
  func next() -> String? {
    var buffer = [UInt8](repeating: 0, count: 4096)
    let count = recv(descriptor, &buffer, buffer.count, 0)
    return count < 0 ? nil : String(decoding: buffer.prefix(count), as: UTF8.self)
  }
}

/// Asks a server on another thread whether it is alive.
final class Asker: Sendable {
  private let mayAnswer = Atomic<Bool>(false)
  private let answeredInTime = Atomic<Bool>(false)
  private let asks = DispatchSemaphore(value: 0)
  private let done = DispatchSemaphore(value: 0)

  /// Returns when the question is about to be put.
  func ask(_ server: HTTPServer) {
    DispatchQueue.global().async {
      self.asks.signal()
      let isAlive = server.awaitTurns()
      let inTime = self.mayAnswer.load(ordering: .sequentiallyConsistent)
      self.answeredInTime.store(isAlive && inTime, ordering: .sequentiallyConsistent)
      self.done.signal()
    }
    asks.wait()
  }

  /// Says that the server can be alive from now on.
  func allowAnswer() { mayAnswer.store(true, ordering: .sequentiallyConsistent) }

  /// - Returns: whether the server was alive, and not before it could be.
  func wait() -> Bool {
    done.wait()
    return answeredInTime.load(ordering: .sequentiallyConsistent)
  }
}

private func unixName(_ path: [UInt8]) -> sockaddr_un {
  var name = sockaddr_un()
  name.sun_family = sa_family_t(AF_UNIX)
  withUnsafeMutableBytes(of: &name.sun_path) { $0.copyBytes(from: path) }
  return name
}

private func bindSocket<Name>(_ descriptor: Int32, _ name: Name, _ length: Int) -> Bool {
  withUnsafePointer(to: name) {
    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
      Glibc.bind(descriptor, $0, socklen_t(length)) == 0
    }
  }
}
