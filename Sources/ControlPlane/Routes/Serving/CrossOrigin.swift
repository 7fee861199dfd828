// SPDX-License-Identifier: Apache-2.0
import HTTPCore

/// What a browser must be told before it lets a page of an allowed site use an answer (the CORS
/// protocol of the Fetch standard).
enum CrossOrigin {
  /// The request header fields that a page may send.
  private static let requestFields =
    "Accept, Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, "
    + "Last-Event-ID, X-Request-ID"
  /// The response header fields that a page may read besides the usual ones.
  private static let responseFields =
    "Allow, ETag, Idempotent-Replayed, Link, Location, Retry-After, WWW-Authenticate, "
    + "X-Request-ID"
  /// Seconds for which a browser need not ask again before it sends a request.
  private static let preflightAge = "600"

  /// Whether a request is a browser's question what a page may send. It has no credentials, and
  /// must be answered all the same.
  static func isPreflight(_ head: RequestHead) -> Bool {
    head.method == .options && head.headers[.requestedMethod] != nil
  }

  /// Adds the header fields that let the page at `origin` use the response. Where the browser asks
  /// beforehand, they also say what the page may send.
  static func share(
    _ response: Response, with origin: Origin, asked head: RequestHead
  ) -> Response {
    var response = response
    response.headers += [
      (.allowedOrigin, origin.description), (.vary, "Origin"), (.exposedHeaders, responseFields),
    ]
    if isPreflight(head), let methods = response[.allow] {
      response.headers += [
        (.allowedMethods, methods), (.allowedHeaders, requestFields),
        (.preflightAge, preflightAge),
      ]
    }
    return response
  }
}
