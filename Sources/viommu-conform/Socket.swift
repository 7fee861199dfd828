// SPDX-License-Identifier: Apache-2.0
import Conformance

#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

/// A connected stream socket, which is closed when the last reference to it goes.
final class Socket {
  /// How many seconds the socket waits for the server at a time, to read or to write.
  private static let patienceSeconds = 60
  private static let bufferSize = 1 << 16

  private let descriptor: Int32
  private var buffer = [UInt8](repeating: 0, count: bufferSize)

  init(_ address: ServerAddress) throws(TransportFailure) {
    switch address {
    case .tcp(let host, let port): descriptor = try Socket.connect(host, port)
    case .unix(let path): descriptor = try Socket.connect(path: path)
    }
    var limit = timeval(tv_sec: Socket.patienceSeconds, tv_usec: 0)
    for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
      _ = unsafe setsockopt(
        descriptor, SOL_SOCKET, option, &limit, socklen_t(MemoryLayout<timeval>.size))
    }
  }

  deinit { close(descriptor) }

  private static func connect(
    _ host: String, _ port: UInt16
  ) throws(TransportFailure) -> Int32 {
    var hints = unsafe addrinfo()
    unsafe hints.ai_socktype = streamType
    var found: UnsafeMutablePointer<addrinfo>?
    guard unsafe getaddrinfo(host, "\(port)", &hints, &found) == 0 else {
      throw TransportFailure("there is no host \(host)")
    }
    defer { unsafe freeaddrinfo(found) }
    var next = unsafe found
    while let candidate = unsafe next {
      let descriptor = unsafe socket(
        candidate.pointee.ai_family, candidate.pointee.ai_socktype, candidate.pointee.ai_protocol)
      let result = unsafe connect(
        descriptor, candidate.pointee.ai_addr, candidate.pointee.ai_addrlen)
      if descriptor >= 0, result == 0 {
        var on: Int32 = 1
        _ = unsafe setsockopt(
          descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
        return descriptor
      }
      close(descriptor)
      unsafe next = candidate.pointee.ai_next
    }
    throw TransportFailure("nobody listens at \(host), port \(port)")
  }

  private static func connect(path: String) throws(TransportFailure) -> Int32 {
    var name = sockaddr_un()
    name.sun_family = sa_family_t(AF_UNIX)
    let bytes = Array(path.utf8)
    let room = MemoryLayout.size(ofValue: name.sun_path)
    guard bytes.count < room else { throw TransportFailure("the path \(path) is too long") }
    unsafe withUnsafeMutableBytes(of: &name.sun_path) { unsafe $0.copyBytes(from: bytes) }
    let descriptor = socket(AF_UNIX, streamType, 0)
    let result = unsafe withUnsafePointer(to: name) { name in
      // Every kind of socket address begins with the members of `sockaddr`.
      unsafe name.withMemoryRebound(to: sockaddr.self, capacity: 1) { name in
        unsafe connect(descriptor, name, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    guard result == 0 else {
      close(descriptor)
      throw TransportFailure("nobody listens at \(path)")
    }
    return descriptor
  }

  private static var streamType: Int32 {
    #if canImport(Glibc)
      Int32(SOCK_STREAM.rawValue)
    #else
      SOCK_STREAM
    #endif
  }

  private static func connect(
    _ descriptor: Int32, _ name: UnsafePointer<sockaddr>, _ length: socklen_t
  ) -> Int32 {
    #if canImport(Glibc)
      unsafe Glibc.connect(descriptor, name, length)
    #else
      unsafe Musl.connect(descriptor, name, length)
    #endif
  }

  /// Sends all bytes.
  ///
  /// - Returns: false if the server has closed the connection or does not read.
  func write(_ bytes: [UInt8]) -> Bool {
    var sent = 0
    while sent < bytes.count {
      let count = unsafe bytes[sent...].withUnsafeBytes { rest in
        unsafe send(descriptor, rest.baseAddress, rest.count, Int32(MSG_NOSIGNAL))
      }
      if count <= 0 { return false }
      sent += count
    }
    return true
  }

  /// Waits for bytes and returns those that have come; none if the server has closed the connection
  /// or nothing came within `patienceSeconds`.
  func read() -> [UInt8] {
    let count = unsafe buffer.withUnsafeMutableBytes { buffer in
      unsafe recv(descriptor, buffer.baseAddress, buffer.count, 0)
    }
    return Array(buffer[..<max(0, count)])
  }
}
