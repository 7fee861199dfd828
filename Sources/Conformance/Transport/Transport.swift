// SPDX-License-Identifier: Apache-2.0

/// A request of the API.
public struct APIRequest: Sendable, Equatable {
  /// The method, `GET` for one.
  public var method: String
  /// The path, with the query.
  public var path: String
  /// The JSON document; nil for none.
  public var body: [UInt8]?

  /// Makes a request, without a body unless one is given.
  public init(_ method: String, _ path: String, body: [UInt8]? = nil) {
    self.method = method
    self.path = path
    self.body = body
  }
}

/// What came back.
public struct APIAnswer: Sendable, Equatable {
  /// The status code.
  public var status: Int
  /// The whole body; empty if there is none.
  public var body: [UInt8]

  /// Makes an answer from a status code and a whole body.
  public init(status: Int, body: [UInt8]) {
    self.status = status
    self.body = body
  }
}

/// Why there is no answer.
public struct TransportFailure: Error, CustomStringConvertible {
  /// The reason, for a person.
  public var description: String

  /// Makes a failure from its reason.
  public init(_ description: String) { self.description = description }
}

/// A way to the API, over a socket or into a control plane of the same process.
public protocol Transport: AnyObject {
  func send(_ request: APIRequest) throws(TransportFailure) -> APIAnswer
}
