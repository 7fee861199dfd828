// SPDX-License-Identifier: Apache-2.0
import HTTPCore

/// A request that was sent and what came back.
public struct Exchange: Sendable, Equatable {
  /// What was sent.
  public var request: APIRequest
  /// What came back.
  public var answer: APIAnswer
}

/// An answer of the API, read.
struct Reply {
  let status: Int
  let json: JSONValue?

  init(_ answer: APIAnswer) {
    status = answer.status
    json = try? JSONParser.parse(answer.body).root
  }

  /// What the kernel would have said; nil for success.
  var refusal: Outcome? { refusal(trusting: []) }

  /// Codes of problems that are about the request and not about what it asks for. Whatever errno
  /// they bear is no answer of a kernel.
  private static let mistakes: Set = [
    "malformed_json", "malformed_request", "unknown_field", "method_not_allowed", "internal",
    "unsupported_media_type", "not_implemented", "payload_too_large",
  ]

  /// What is said of a path that no resource has; an object that is not there has other words.
  private static let noSuchPath = "there is nothing under this path"

  /// - Parameter codes: problems that count although they are about the request.
  func refusal(trusting codes: Set<String>) -> Outcome? {
    guard status >= 400 || status < 200 else { return nil }
    let code = json?.member("code")?.string ?? "no problem document"
    let detail = json?.member("detail")?.string
    guard let errno = json?.member("errno")?.string,
      !Reply.mistakes.contains(code) || codes.contains(code),
      detail?.hasPrefix(Reply.noSuchPath) != true
    else { return Outcome(errno: "\(status) \(code)", detail: detail) }
    return Outcome(errno: errno, detail: detail)
  }

  func member(_ name: String) throws(PlayFailure) -> JSONValue {
    guard let value = json?.member(name) else {
      throw .unexpected("the answer has no member `\(name)`")
    }
    return value
  }

  func quantity(_ name: String) throws(PlayFailure) -> UInt64 {
    guard let value = try member(name).quantity else {
      throw .unexpected("the answer's `\(name)` is no number")
    }
    return value
  }
}

/// The host that a trace is played on.
final class HostClient {
  /// What stands before a collection in the paths of the host.
  let prefix: String
  private let transport: any Transport
  private(set) var exchanges: [Exchange] = []

  init(id: String, _ transport: any Transport) {
    prefix = "/v1/hosts/\(id)"
    self.transport = transport
  }

  func forgetExchanges() { exchanges = [] }

  func send(
    _ method: String, _ path: String, _ body: JSONWriter? = nil
  ) throws(PlayFailure) -> Reply {
    let request = APIRequest(method, prefix + path, body: body?.bytes)
    let answer = try answer(to: request)
    exchanges.append(Exchange(request: request, answer: answer))
    return Reply(answer)
  }

  /// Looks at something without noting it as a part of the operation.
  func look(_ path: String) throws(PlayFailure) -> Reply {
    Reply(try answer(to: APIRequest("GET", prefix + path)))
  }

  private func answer(to request: APIRequest) throws(PlayFailure) -> APIAnswer {
    do {
      return try transport.send(request)
    } catch {
      throw .transport(error)
    }
  }

  func get(_ path: String) throws(PlayFailure) -> Reply { try send("GET", path) }

  func delete(_ path: String) throws(PlayFailure) -> Reply { try send("DELETE", path) }

  func post(
    _ path: String, _ members: (inout JSONWriter) -> Void
  ) throws(PlayFailure) -> Reply {
    try send("POST", path, HostClient.object(members))
  }

  func put(
    _ path: String, _ members: (inout JSONWriter) -> Void
  ) throws(PlayFailure) -> Reply {
    try send("PUT", path, HostClient.object(members))
  }

  static func object(_ members: (inout JSONWriter) -> Void) -> JSONWriter {
    var writer = JSONWriter()
    writer.object(members)
    return writer
  }
}
