// SPDX-License-Identifier: Apache-2.0
import HTTPCore

#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

/// Answers that go past the library, which takes none before a request was read whole.
///
/// Nothing else is written on the connection from then on: it is about to be closed.
enum RawReply {
  static func bytes(_ problem: Problem, phrase: String, requestID: String) -> [UInt8] {
    let body = problem.body()
    let head = """
      HTTP/1.1 \(problem.status) \(phrase)\r
      Connection: close\r
      Content-Type: \(MediaType.problem)\r
      X-Request-ID: \(requestID)\r
      Content-Length: \(body.count)\r
      \r

      """
    return Array(head.utf8) + body
  }

  static func send(_ bytes: [UInt8], on socket: Int32) {
    let flags = Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT)
    // A client that has not even read what it was sent before does not get this either.
    unsafe bytes.withUnsafeBytes { bytes in
      #if canImport(Glibc)
        _ = unsafe Glibc.send(socket, bytes.baseAddress, bytes.count, flags)
      #else
        _ = unsafe Musl.send(socket, bytes.baseAddress, bytes.count, flags)
      #endif
    }
  }
}
