// SPDX-License-Identifier: Apache-2.0

/// What is known of a request when its header section has been read: everything but the body.
public struct RequestHead: Sendable {
  /// The method, which says what is to be done.
  public var method: Method
  /// The path and the query.
  public var target: Target
  /// The header fields that the program reads.
  public var headers: Headers
  /// The length of the body in bytes, as Content-Length declares it; nil when there is no body or
  /// it comes in chunks.
  public var contentLength: UInt64?
  /// Whether a body follows, be its length declared or not.
  public var hasBody: Bool
  /// Whether the request came over a Unix socket, which only programs on this machine can reach.
  public var isFromUnixSocket = false

  /// Makes a header section of its parts.
  public init(
    method: Method, target: Target, headers: Headers = Headers(),
    contentLength: UInt64? = nil, hasBody: Bool = false
  ) {
    self.method = method
    self.target = target
    self.headers = headers
    self.contentLength = contentLength
    self.hasBody = hasBody
  }
}

/// A whole request.
public struct Request: Sendable {
  /// Everything that came before the body.
  public var head: RequestHead
  /// The whole body, with its transfer coding removed; empty when there is none.
  public var body: [UInt8]

  /// Makes a request of its parts.
  public init(head: RequestHead, body: [UInt8] = []) {
    self.head = head
    self.body = body
  }
}

/// Answers requests. It is all that the HTTP server knows of the rest of the program.
///
/// Both functions are called on the server's own threads, which have other connections to serve.
/// So they must not block.
public protocol RequestHandler: Sendable {
  /// Looks at a request before its body is read.
  ///
  /// A client that waits for `100 Continue` (RFC 9110, section 10.1.1), or has a large body, thus
  /// hears of a refusal before it has sent the body. A request without a body, or with a small one
  /// that the client sends unasked, is not shown here and goes to `respond` at once. So whatever
  /// is refused here must be refused there as well.
  ///
  /// - Returns: the refusal; nil to have the body read.
  func refusal(of head: RequestHead) -> Response?

  /// Answers a request that has arrived in full.
  func respond(to request: Request) -> Response
}
