// SPDX-License-Identifier: Apache-2.0
import HTTPCore

/// A request that was sent, and the answer to it.
public struct Exchange: Sendable, Equatable {
  /// The request.
  public var request: APIRequest
  /// The answer.
  public var answer: APIAnswer
}

/// An answer of the API with its body parsed.
struct Reply {
  let status: Int
  /// The body; nil if it is not JSON.
  let json: JSONValue?

  init(_ answer: APIAnswer) {
    status = answer.status
    json = try? JSONParser.parse(answer.body).root
  }

  /// The refusal with the errno that the kernel would have given; nil for success.
  var refusal: Outcome? { refusal(trusting: []) }

  /// Codes of problems with the request itself and not with what it asks for. Their errno is no
  /// answer that a kernel would give, so that it must not be compared with one.
  private static let mistakes: Set = [
    "malformed_json", "malformed_request", "unknown_field", "method_not_allowed", "internal",
    "unsupported_media_type", "not_implemented", "payload_too_large",
  ]

  /// How the detail begins when no resource has such a path. It tells a mistake in the path from an
  /// object that is not there, which is `not_found` as well.
  private static let noSuchPath = "there is nothing under this path"

  /// The refusal; nil for success.
  ///
  /// - Parameter codes: codes among `mistakes` whose errno counts here all the same, because the
  ///   caller provokes them on purpose.
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

/// Sends requests to the host that a trace is played on.
final class HostClient {
  /// What the paths of the host begin with.
  let prefix: String
  private let transport: any Transport
  /// The requests of the current operation, and the answers to them.
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

  /// Gets a resource without adding the request to `exchanges`, because it is not a part of the
  /// operation.
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

  /// Writes a JSON object, as the body of a request.
  static func object(_ members: (inout JSONWriter) -> Void) -> JSONWriter {
    var writer = JSONWriter()
    writer.object(members)
    return writer
  }
}
