// SPDX-License-Identifier: Apache-2.0
#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

/// A client that waits for each answer, for requests whose speed is not what is measured.
final class Client {
  struct Response {
    let status: Int
    let body: [UInt8]

    var text: String { String(decoding: body, as: UTF8.self) }
  }

  let descriptor: Int32
  private var received: [UInt8] = []

  init(port: UInt16, receiveBuffer: Int32? = nil) throws {
    descriptor = Client.newSocket()
    if var receiveBuffer {
      _ = unsafe setsockopt(
        descriptor, SOL_SOCKET, SO_RCVBUF, &receiveBuffer, socklen_t(MemoryLayout<Int32>.size))
    }
    let result = unsafe Client.withLoopback(port) { name, length in
      #if canImport(Glibc)
        unsafe Glibc.connect(descriptor, name, length)
      #else
        unsafe Musl.connect(descriptor, name, length)
      #endif
    }
    guard result == 0 else {
      close(descriptor)
      throw BenchError("port \(port) takes no connection")
    }
    var one: Int32 = 1
    _ = unsafe setsockopt(
      descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
  }

  deinit { close(descriptor) }

  func get(_ path: String) throws -> Response { try exchange(Request.text("GET", path)) }

  func post(_ path: String, _ body: String) throws -> Response {
    try exchange(Request.text("POST", path, body))
  }

  /// Sends a request, whose answer must have this status.
  @discardableResult
  func expect(_ status: Int, _ method: String, _ path: String, _ body: String = "") throws
    -> Response
  {
    let response = try exchange(Request.text(method, path, body))
    guard response.status == status else {
      throw BenchError("\(method) \(path): \(response.status) \(response.text)")
    }
    return response
  }

  func send(_ request: [UInt8]) {
    _ = unsafe request.withUnsafeBytes { request in
      #if canImport(Glibc)
        unsafe Glibc.send(descriptor, request.baseAddress, request.count, Int32(MSG_NOSIGNAL))
      #else
        unsafe Musl.send(descriptor, request.baseAddress, request.count, Int32(MSG_NOSIGNAL))
      #endif
    }
  }

  func exchange(_ request: [UInt8]) throws -> Response {
    send(request)
    while true {
      if let found = ResponseParser.parse(received, count: received.count) {
        let body = Array(received[(found.length - found.bodyLength)..<found.length])
        received.removeSubrange(..<found.length)
        return Response(status: found.status, body: body)
      }
      var buffer = [UInt8](repeating: 0, count: 1 << 16)
      let count = unsafe recv(descriptor, &buffer, buffer.count, 0)
      guard count > 0 else { throw BenchError("the server has closed the connection") }
      received += buffer[..<count]
    }
  }

  /// A port that nobody listens on at the moment.
  static func freePort() throws -> UInt16 {
    let descriptor = newSocket()
    defer { close(descriptor) }
    let result = unsafe withLoopback(0) { name, length in
      #if canImport(Glibc)
        unsafe Glibc.bind(descriptor, name, length)
      #else
        unsafe Musl.bind(descriptor, name, length)
      #endif
    }
    var name = sockaddr_in()
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let named = unsafe withUnsafeMutablePointer(to: &name) { name in
      // The name of an IPv4 socket is a `sockaddr_in`, which begins with the members of `sockaddr`.
      unsafe name.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe getsockname(descriptor, $0, &length)
      }
    }
    guard result == 0, named == 0 else { throw BenchError("there is no free port") }
    return UInt16(bigEndian: name.sin_port)
  }

  private static func newSocket() -> Int32 {
    #if canImport(Glibc)
      socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    #else
      socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)
    #endif
  }

  private static func withLoopback(
    _ port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
  ) -> Int32 {
    var name = sockaddr_in()
    name.sin_family = sa_family_t(AF_INET)
    name.sin_port = port.bigEndian
    name.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    return unsafe withUnsafePointer(to: name) { name in
      // Every kind of socket address begins with the members of `sockaddr`.
      unsafe name.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
  }
}

/// Writes requests.
enum Request {
  static func text(_ method: String, _ path: String, _ body: String = "") -> [UInt8] {
    var text = "\(method) \(path) HTTP/1.1\r\nHost: localhost\r\n"
    if !body.isEmpty {
      text += "Content-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n"
    }
    return Array((text + "\r\n" + body).utf8)
  }
}
