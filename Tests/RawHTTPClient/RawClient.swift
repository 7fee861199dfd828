// SPDX-License-Identifier: Apache-2.0
import Glibc

/// A client that sends the bytes it is given and reads what comes, without any idea of its own of
/// what a request is. Reads give up after a while, so that a test fails instead of hanging.
package final class RawClient {
  package enum Failure: Error {
    case cannotConnect(Int32)
    case timedOut
    case closed
    case malformed(String)
  }

  package static let patienceSeconds = 20

  package let descriptor: Int32
  private var received: [UInt8] = []
  private var position = 0

  package init(port: UInt16) throws {
    var name = sockaddr_in()
    name.sin_family = sa_family_t(AF_INET)
    name.sin_port = port.bigEndian
    name.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    descriptor = try RawClient.connect(AF_INET, name)
  }

  package init(port6: UInt16) throws {
    var name = sockaddr_in6()
    name.sin6_family = sa_family_t(AF_INET6)
    name.sin6_port = port6.bigEndian
    name.sin6_addr = in6addr_loopback
    descriptor = try RawClient.connect(AF_INET6, name)
  }

  package init(path: String) throws {
    var name = sockaddr_un()
    name.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &name.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
    descriptor = try RawClient.connect(AF_UNIX, name)
  }

  deinit { close(descriptor) }

  private static func connect<Name>(_ family: Int32, _ name: Name) throws -> Int32 {
    let descriptor = socket(family, Int32(SOCK_STREAM.rawValue), 0)
    var limit = timeval(tv_sec: patienceSeconds, tv_usec: 0)
    setsockopt(
      descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    setsockopt(
      descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    var name = name
    let result = withUnsafeMutablePointer(to: &name) { name in
      name.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<Name>.size))
      }
    }
    guard result == 0 else {
      let code = errno
      close(descriptor)
      throw Failure.cannotConnect(code)
    }
    return descriptor
  }

  /// Makes the kernel keep little for this client, so that it stalls early.
  package func limitReceiveBuffer(to bytes: Int32) {
    var bytes = bytes
    setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &bytes, socklen_t(MemoryLayout<Int32>.size))
  }

  /// Sends everything, or as much as the server takes before it closes.
  @discardableResult
  package func send(_ bytes: [UInt8]) -> Bool {
    var sent = 0
    while sent < bytes.count {
      let count = bytes[sent...].withUnsafeBytes {
        Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
      }
      if count <= 0 { return false }
      sent += count
    }
    return true
  }

  @discardableResult
  package func send(_ text: String) -> Bool { send(Array(text.utf8)) }

  /// Sends no more, but goes on reading.
  package func finishSending() { shutdown(descriptor, Int32(SHUT_WR)) }

  /// Closes so that the server gets a reset instead of an end.
  package func reset() {
    var linger = linger(l_onoff: 1, l_linger: 0)
    setsockopt(
      descriptor, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<Glibc.linger>.size))
    shutdown(descriptor, Int32(SHUT_RDWR))
  }

  /// Waits until there is something to read or the server has closed.
  package func waitReadable(milliseconds: Int32) -> Bool {
    var event = pollfd(descriptor: descriptor)
    return position < received.count || poll(&event, 1, milliseconds) > 0
  }

  /// All that comes until the server closes, however it does.
  package func readToEnd() throws -> [UInt8] {
    while try fill() {}
    defer { position = received.count }
    return Array(received[position...])
  }

  /// The text up to and without the next `separator`.
  package func readUntil(_ separator: String) throws -> String {
    let pattern = Array(separator.utf8)
    var start = position
    while true {
      while start + pattern.count <= received.count {
        if received[start..<(start + pattern.count)].elementsEqual(pattern) {
          defer { position = start + pattern.count }
          return String(decoding: received[position..<start], as: UTF8.self)
        }
        start += 1
      }
      guard try fill() else { throw Failure.closed }
    }
  }

  package func read(count: Int) throws -> [UInt8] {
    while received.count - position < count {
      guard try fill() else { throw Failure.closed }
    }
    defer { position += count }
    return Array(received[position..<(position + count)])
  }

  /// Whether the server has closed and everything was read.
  package func isAtEnd() throws -> Bool {
    if position < received.count { return false }
    return try !fill()
  }

  /// - Returns: false at the end.
  private func fill() throws -> Bool {
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    let count = Glibc.read(descriptor, &buffer, buffer.count)
    if count > 0 {
      received += buffer[..<count]
      return true
    }
    if count == 0 || errno == ECONNRESET || errno == EPIPE { return false }
    throw Failure.timedOut
  }
}

extension pollfd {
  package init(descriptor: Int32) {
    self.init(fd: descriptor, events: Int16(POLLIN), revents: 0)
  }
}
