// SPDX-License-Identifier: Apache-2.0

/// A request of the API.
public struct APIRequest: Sendable, Equatable {
  public var method: String
  /// The path, with the query.
  public var path: String
  /// The JSON document; nil for none.
  public var body: [UInt8]?

  public init(_ method: String, _ path: String, body: [UInt8]? = nil) {
    self.method = method
    self.path = path
    self.body = body
  }
}

/// What came back.
public struct APIAnswer: Sendable, Equatable {
  public var status: Int
  public var body: [UInt8]

  public init(status: Int, body: [UInt8]) {
    self.status = status
    self.body = body
  }
}

/// Why there is no answer.
public struct TransportFailure: Error, CustomStringConvertible {
  public var description: String

  public init(_ description: String) { self.description = description }
}

/// A way to the API, over a socket or into a control plane of the same process.
public protocol Transport: AnyObject {
  func send(_ request: APIRequest) throws(TransportFailure) -> APIAnswer
}
