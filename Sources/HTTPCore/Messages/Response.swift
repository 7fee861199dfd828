// SPDX-License-Identifier: Apache-2.0

/// A response: status, header fields and one of three kinds of body.
public struct Response: Sendable {
  /// The header fields that responses carry. Names are spelled as they go on the wire.
  public enum HeaderName: String, Sendable, CaseIterable {
    case allow = "Allow"
    case cacheControl = "Cache-Control"
    case contentType = "Content-Type"
    case etag = "ETag"
    case idempotentReplayed = "Idempotent-Replayed"
    case link = "Link"
    case location = "Location"
    case requestID = "X-Request-ID"
    case retryAfter = "Retry-After"
    case allowedHeaders = "Access-Control-Allow-Headers"
    case allowedMethods = "Access-Control-Allow-Methods"
    case allowedOrigin = "Access-Control-Allow-Origin"
    case exposedHeaders = "Access-Control-Expose-Headers"
    case preflightAge = "Access-Control-Max-Age"
    case vary = "Vary"

    /// The position in `allCases`: tables by name are arrays.
    public var position: Int {
      switch self {
      case .allow: 0
      case .cacheControl: 1
      case .contentType: 2
      case .etag: 3
      case .idempotentReplayed: 4
      case .link: 5
      case .location: 6
      case .requestID: 7
      case .retryAfter: 8
      case .allowedHeaders: 9
      case .allowedMethods: 10
      case .allowedOrigin: 11
      case .exposedHeaders: 12
      case .preflightAge: 13
      case .vary: 14
      }
    }
  }

  /// What follows the header section.
  public enum Body: Sendable {
    case bytes([UInt8])
    /// Sent chunked, as the source produces it.
    case stream(any StreamSource)
    /// The answer is not there yet: the connection waits for it without a thread.
    case deferred(DeferredResponse)
  }

  /// The status code, 200 to 599.
  public var status: Int
  /// The header fields that the program sets, in the order in which they are sent.
  public var headers: [(name: HeaderName, value: String)]
  /// What follows the header section.
  public var body: Body
  /// Whether the connection ends with this response.
  public var closesConnection = false

  /// Puts a response together; without a body it has none.
  public init(
    status: Int, headers: [(name: HeaderName, value: String)] = [], body: Body = .bytes([])
  ) {
    self.status = status
    self.headers = headers
    self.body = body
  }

  /// A JSON document.
  public init(status: Int, json: [UInt8]) {
    self.init(
      status: status, headers: [(.contentType, MediaType.json)], body: .bytes(json))
  }

  /// The value of the first field with a name; nil without one.
  public subscript(name: HeaderName) -> String? {
    headers.first { $0.name == name }?.value
  }
}

/// The media types that are spoken here.
public enum MediaType {
  /// JSON (RFC 8259).
  public static let json = "application/json"
  /// A problem document (RFC 9457).
  public static let problem = "application/problem+json"
  /// One JSON value a line.
  public static let ndjson = "application/x-ndjson"
  /// Server-sent events, as `EventSource` reads them.
  public static let eventStream = "text/event-stream"
  /// YAML (RFC 9512).
  public static let yaml = "application/yaml"
  /// Bytes that mean nothing to HTTP.
  public static let octets = "application/octet-stream"
  /// A graph in the language of Graphviz.
  public static let dot = "text/vnd.graphviz"
  /// Plain text in UTF-8.
  public static let text = "text/plain; charset=utf-8"

  /// The type of a Content-Type field, without its parameters and in small letters.
  public static func essence(of value: String) -> String {
    value.prefix { $0 != ";" && $0 != " " }.lowercased()
  }

  /// The `charset` parameter of a Content-Type field in small letters, without quotation marks.
  public static func charset(of value: String) -> String? {
    for parameter in value.split(separator: ";").dropFirst() {
      let parts = parameter.split(separator: "=", maxSplits: 1).map { part in
        String(part.drop { $0 == " " || $0 == "\t" }).lowercased()
      }
      guard parts.count == 2, parts[0] == "charset" else { continue }
      return parts[1].filter { $0 != "\"" && $0 != " " }
    }
    return nil
  }
}
