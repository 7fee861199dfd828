// SPDX-License-Identifier: Apache-2.0

/// A response: a status, header fields and a body, which may be still to come.
public struct Response: Sendable {
  /// The header fields that responses can have. The raw value is the name as it is sent.
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
    case authenticate = "WWW-Authenticate"

    /// The name's position in `allCases`, for tables by name that are arrays.
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
      case .authenticate: 15
      }
    }
  }

  /// What is sent behind the header section.
  public enum Body: Sendable {
    /// The whole body, which is sent with its length; empty for none.
    case bytes([UInt8])
    /// A body without an end that is known, which is sent in chunks as the source produces them.
    case stream(any StreamSource)
    /// No response yet. The connection waits for it, without holding a thread, and then sends the
    /// other response in place of this one.
    case deferred(DeferredResponse)
  }

  /// The HTTP status, 200 to 599.
  public var status: Int
  /// The header fields, in the order in which they are sent. The server adds those that frame the
  /// response.
  public var headers: [(name: HeaderName, value: String)]
  /// What is sent behind the header section.
  public var body: Body
  /// Whether the connection is closed after this response.
  public var closesConnection = false
  /// What the client is called by whom it is known, for the log; nil where it is not known. It is
  /// not sent.
  public var client: String?

  /// Makes a response. Unless a body is given it is empty.
  public init(
    status: Int, headers: [(name: HeaderName, value: String)] = [], body: Body = .bytes([])
  ) {
    self.status = status
    self.headers = headers
    self.body = body
  }

  /// Makes a response whose body is a JSON document.
  public init(status: Int, json: [UInt8]) {
    self.init(
      status: status, headers: [(.contentType, MediaType.json)], body: .bytes(json))
  }

  /// The value of the first field with this name; nil when there is none.
  public subscript(name: HeaderName) -> String? {
    headers.first { $0.name == name }?.value
  }
}

/// The media types of requests and responses.
public enum MediaType {
  /// JSON (RFC 8259).
  public static let json = "application/json"
  /// A problem document (RFC 9457).
  public static let problem = "application/problem+json"
  /// Lines of JSON, one value in each, as the event log is streamed.
  public static let ndjson = "application/x-ndjson"
  /// Server-sent events, as a browser's `EventSource` reads them.
  public static let eventStream = "text/event-stream"
  /// YAML (RFC 9512).
  public static let yaml = "application/yaml"
  /// Plain bytes, such as the memory behind an address.
  public static let octets = "application/octet-stream"
  /// A graph in the DOT language of Graphviz.
  public static let dot = "text/vnd.graphviz"
  /// Plain text in UTF-8.
  public static let text = "text/plain; charset=utf-8"

  /// The media type in a Content-Type field, in lower case and without its parameters.
  public static func essence(of value: String) -> String {
    value.prefix { $0 != ";" && $0 != " " }.lowercased()
  }

  /// The `charset` parameter of a Content-Type field, in lower case and without quotation marks;
  /// nil when it has none.
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
