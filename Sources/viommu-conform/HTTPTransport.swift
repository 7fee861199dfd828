// SPDX-License-Identifier: Apache-2.0
import Conformance

/// One connection to the server that stays open from request to request.
final class HTTPTransport: Transport {
  private let address: ServerAddress
  private var socket: Socket?

  init(_ address: ServerAddress) { self.address = address }

  func send(_ request: APIRequest) throws(TransportFailure) -> APIAnswer {
    let bytes = HTTPMessage.encode(request, authority: address.authority)
    // A server may close a connection that was idle; then nothing came back on it.
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

  /// - Returns: nil if the server has closed before a byte of an answer came.
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
