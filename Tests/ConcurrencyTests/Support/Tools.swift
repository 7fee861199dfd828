// SPDX-License-Identifier: Apache-2.0
import ControlPlane
import HTTPCore
import Synchronization

/// Up until somebody lowers it.
final class Flag: Sendable {
  private let value = Atomic<Bool>(true)
  var isUp: Bool { value.load(ordering: .acquiring) }
  func lower() { value.store(false, ordering: .releasing) }
}

extension ControlPlane {
  /// Sends a request past the socket.
  func answer(_ method: String, _ path: String, _ body: String? = nil) -> Response {
    guard let method = HTTPCore.Method(rawValue: method),
      let target = try? Target(Array(path.utf8))
    else { return Response(status: 0) }
    let bytes = Array((body ?? "").utf8)
    var headers = Headers()
    if body != nil { headers.add(.contentType, MediaType.json) }
    let head = RequestHead(
      method: method, target: target, headers: headers, hasBody: body != nil)
    return respond(to: Request(head: head, body: bytes))
  }

  /// The body of an answer.
  func text(_ method: String, _ path: String) -> String {
    guard case .bytes(let bytes) = answer(method, path).body else { return "" }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Sends a request past the socket; the status of the answer is all that counts.
  func send(_ method: String, _ path: String, _ body: String?) -> Int {
    answer(method, path, body).status
  }
}
