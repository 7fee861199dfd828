// SPDX-License-Identifier: Apache-2.0

/// A request to the API.
public struct APIRequest: Sendable, Equatable {
  /// The method, `GET` for example.
  public var method: String
  /// The path and, if there is one, the query.
  public var path: String
  /// The JSON document that is sent; nil for none.
  public var body: [UInt8]?

  /// Makes a request. It has no body unless one is given.
  public init(_ method: String, _ path: String, body: [UInt8]? = nil) {
    self.method = method
    self.path = path
    self.body = body
  }
}

/// The answer to a request.
public struct APIAnswer: Sendable, Equatable {
  /// The HTTP status.
  public var status: Int
  /// The whole body; empty if there is none.
  public var body: [UInt8]

  /// Makes an answer from a status code and a whole body.
  public init(status: Int, body: [UInt8]) {
    self.status = status
    self.body = body
  }
}

/// Why there is no answer to a request.
public struct TransportFailure: Error, CustomStringConvertible {
  /// The reason, in words.
  public var description: String

  /// Makes a failure from its reason.
  public init(_ description: String) { self.description = description }
}

/// A way to reach the API: over a socket, or directly when the control plane is in the same
/// process.
public protocol Transport: AnyObject {
  /// Sends a request and waits for the answer, whatever its status.
  ///
  /// - Throws: `TransportFailure` if no answer came.
  func send(_ request: APIRequest) throws(TransportFailure) -> APIAnswer
}
