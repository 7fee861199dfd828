// SPDX-License-Identifier: Apache-2.0
#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

/// A port on this machine. It cannot name another machine, which must not be fuzzed by mistake.
struct LoopbackAddress {
  let port: UInt16
  let isIPv6: Bool

  /// Reads an address such as `127.0.0.1:80`, `localhost:80` or `[::1]:80`; nil for any other text.
  init?(parsing text: String) {
    guard let colon = text.lastIndex(of: ":"),
      let port = UInt16(text[text.index(after: colon)...])
    else { return nil }
    switch text[..<colon] {
    case "127.0.0.1", "localhost": isIPv6 = false
    case "[::1]": isIPv6 = true
    default: return nil
    }
    self.port = port
  }
}

/// A connection on which any bytes can be sent.
final class LoopbackClient {
  private let descriptor: Int32

  init?(_ address: LoopbackAddress) {
    let family = address.isIPv6 ? AF_INET6 : AF_INET
    #if canImport(Glibc)
      descriptor = socket(family, Int32(SOCK_STREAM.rawValue), 0)
    #else
      descriptor = socket(family, SOCK_STREAM, 0)
    #endif
    var limit = timeval(tv_sec: 5, tv_usec: 0)
    // A server that does not read must not make this client wait for ever.
    _ = unsafe setsockopt(
      descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    let result: Int32
    if address.isIPv6 {
      var name = sockaddr_in6()
      name.sin6_family = sa_family_t(AF_INET6)
      name.sin6_port = address.port.bigEndian
      name.sin6_addr = in6addr_loopback
      result = LoopbackClient.connect(descriptor, name)
    } else {
      var name = sockaddr_in()
      name.sin_family = sa_family_t(AF_INET)
      name.sin_port = address.port.bigEndian
      name.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
      result = LoopbackClient.connect(descriptor, name)
    }
    if result != 0 { return nil }
  }

  deinit { close(descriptor) }

  private static func connect<Name>(_ descriptor: Int32, _ name: Name) -> Int32 {
    unsafe withUnsafePointer(to: name) { name in
      // Every kind of socket address begins with the members of `sockaddr`.
      unsafe name.withMemoryRebound(to: sockaddr.self, capacity: 1) { name in
        #if canImport(Glibc)
          unsafe Glibc.connect(descriptor, name, socklen_t(MemoryLayout<Name>.size))
        #else
          unsafe Musl.connect(descriptor, name, socklen_t(MemoryLayout<Name>.size))
        #endif
      }
    }
  }

  /// Sends the bytes in about `pieces` calls. It gives up when the server has closed the
  /// connection.
  func send(_ bytes: [UInt8], pieces: Int) {
    let length = max(1, (bytes.count + pieces - 1) / pieces)
    var start = 0
    while start < bytes.count {
      let piece = bytes[start..<min(bytes.count, start + length)]
      let count = unsafe piece.withUnsafeBytes { piece in
        #if canImport(Glibc)
          unsafe Glibc.send(descriptor, piece.baseAddress, piece.count, Int32(MSG_NOSIGNAL))
        #else
          unsafe Musl.send(descriptor, piece.baseAddress, piece.count, Int32(MSG_NOSIGNAL))
        #endif
      }
      if count <= 0 { return }
      start += count
    }
  }

  func finishSending() { shutdown(descriptor, Int32(SHUT_WR)) }

  /// Reads until the server closes the connection, nothing has come for `patienceMilliseconds`, or
  /// `limit` bytes are there.
  func read(atMost limit: Int, patienceMilliseconds: Int32) -> [UInt8] {
    var received: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while received.count < limit {
      var event = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      guard unsafe poll(&event, 1, patienceMilliseconds) > 0 else { break }
      let count = unsafe buffer.withUnsafeMutableBytes { buffer in
        unsafe recv(descriptor, buffer.baseAddress, buffer.count, 0)
      }
      if count <= 0 { break }
      received += buffer[..<count]
    }
    return received
  }
}
