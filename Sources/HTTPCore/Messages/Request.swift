// SPDX-License-Identifier: Apache-2.0

/// What is known of a request once its header section has been read.
public struct RequestHead: Sendable {
  /// What is to be done.
  public var method: Method
  /// The path and the query.
  public var target: Target
  /// The header fields that the program knows.
  public var headers: Headers
  /// The declared length of the body in bytes; nil without one or with a chunked body.
  public var contentLength: UInt64?
  /// Whether a body follows, of declared or of unknown length.
  public var hasBody: Bool
  /// Whether it came by a Unix socket, which only programs of this machine reach.
  public var isFromUnixSocket = false

  /// Puts a header section together.
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
  /// All that came before the body.
  public var head: RequestHead
  /// The body without any coding; empty without one.
  public var body: [UInt8]

  /// Puts a request together.
  public init(head: RequestHead, body: [UInt8] = []) {
    self.head = head
    self.body = body
  }
}

/// What answers requests: the only thing that a server of requests knows of the program.
///
/// Both functions are called on the server's threads and must not block.
public protocol RequestHandler: Sendable {
  /// Looks at a request before its body is read, so that one that will be refused is refused
  /// early and never asked to send (RFC 9110, section 10.1.1, `100-continue`). A request without
  /// a body, or with a small one that nobody has to be asked for, goes to `respond` at once; so
  /// what is refused here must be refused there too.
  ///
  /// - Returns: nil to go on, or the refusal.
  func refusal(of head: RequestHead) -> Response?

  func respond(to request: Request) -> Response
}
