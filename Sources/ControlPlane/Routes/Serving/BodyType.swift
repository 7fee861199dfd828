// SPDX-License-Identifier: Apache-2.0
import HTTPCore

/// Holds what the header section says of a body against what the endpoint takes.
enum BodyType {
  /// - Throws: `unsupported_media_type` for a body that is of another type, is compressed, is text
  ///   in another encoding than UTF-8, or comes without its type.
  static func require(_ head: RequestHead, for endpoint: Endpoint) throws(Problem) {
    let wanted = endpoint.body.mediaTypes
    guard !wanted.isEmpty else { return }
    if head.hasBody, let coding = head.headers[.contentEncoding], coding != "identity" {
      throw Problem(
        .unsupportedMediaType, "the body has the Content-Encoding \(coding); send it as it is")
    }
    guard let type = head.headers[.contentType] else {
      guard head.hasBody else { return }
      throw refusal("the body has no Content-Type", endpoint)
    }
    if type == wanted[0] { return }
    let essence = MediaType.essence(of: type)
    if !wanted.contains(essence) { throw refusal("the body is \(essence)", endpoint) }
    if essence == MediaType.json, let charset = MediaType.charset(of: type), charset != "utf-8" {
      throw Problem(.unsupportedMediaType, "JSON is UTF-8, and the body says \(charset)")
    }
  }

  private static func refusal(_ what: String, _ endpoint: Endpoint) -> Problem {
    let wanted = endpoint.body.mediaTypes
    let hint =
      endpoint.body.takesJSON
      ? "say --json in place of -d" : "say -H 'Content-Type: \(wanted[0])' --data-binary"
    let all = wanted.joined(separator: " or ")
    return Problem(.unsupportedMediaType, "\(what); it must be \(all); with curl, \(hint)")
  }
}
