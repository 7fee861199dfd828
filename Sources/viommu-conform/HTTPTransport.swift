// SPDX-License-Identifier: Apache-2.0
import Conformance

/// A connection to the server, which stays open from one request to the next.
final class HTTPTransport: Transport {
  private let address: ServerAddress
  private var socket: Socket?

  init(_ address: ServerAddress) { self.address = address }

  func send(_ request: APIRequest) throws(TransportFailure) -> APIAnswer {
    let bytes = HTTPMessage.encode(request, authority: address.authority)
    // The server may have closed the connection while it was idle. Then no byte comes back on it,
    // and the request is sent again on a new one.
    if let socket {
      if let answer = try exchange(bytes, socket) { return answer }
      self.socket = nil
    }
    let fresh = try Socket(address)
    socket = fresh
    guard let answer = try exchange(bytes, fresh) else {
      throw TransportFailure("the server closed the connection instead of answering")
    }
    return answer
  }

  /// Sends a request and waits for the whole answer.
  ///
  /// - Returns: nil if the server closed the connection before the first byte of an answer.
  private func exchange(
    _ request: [UInt8], _ socket: Socket
  ) throws(TransportFailure) -> APIAnswer? {
    guard socket.write(request) else { return nil }
    var received: [UInt8] = []
    while true {
      let bytes = socket.read()
      if bytes.isEmpty {
        if received.isEmpty { return nil }
        throw TransportFailure("the server closed the connection within an answer")
      }
      received += bytes
      if let response = try HTTPMessage.decode(received) {
        if response.closes { self.socket = nil }
        return response.answer
      }
    }
  }
}
