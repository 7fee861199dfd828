// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD

/// One operation of the API: what it takes, and the code that carries it out.
///
/// It is a class because each request passes it around.
final class Endpoint: Sendable {
  enum Body: Sendable {
    case none
    case json
    /// Bytes as they are.
    case octets
    /// JSON, or bytes as they are. The content type says which.
    case jsonOrOctets

    /// The media types that the body may have; none where there is no body.
    var mediaTypes: [String] {
      switch self {
      case .none: []
      case .json: [MediaType.json]
      case .octets: [MediaType.octets]
      case .jsonOrOctets: [MediaType.json, MediaType.octets]
      }
    }

    /// Whether an operation of a batch can have such a body.
    var takesJSON: Bool { mediaTypes.contains(MediaType.json) }
  }

  enum Action: Sendable {
    /// Answers without changing a host's objects.
    case answer(@Sendable (Call) throws(Problem) -> Response)
    /// Decodes a change, which is then carried out, tried out, or made part of a batch.
    case change(@Sendable (Call) throws(Problem) -> Change)
  }

  /// How long an operation can take.
  enum Effort: Sendable {
    /// Never long, whatever there is on the host.
    case bounded
    /// It may go through all that is on the host.
    case growsWithHost
    /// As long as the query's `length` or `limit` says.
    case growsWithQuery
    /// It is about no host's objects, and may make or end many.
    case long
  }

  /// What a token must be for, so that it allows the operation.
  enum Reach: Sendable {
    /// The operation needs no token.
    case open
    /// It shows what is no host's, and every token will do.
    case server
    /// It is about all hosts at once.
    case everyHost
    /// It is about the host in whose part of the paths it is.
    case host
    /// It is about a host as such, which is the parameter of its path.
    case namedHost
  }

  /// The operation's name in the OpenAPI document.
  let operationID: String
  /// The query parameters that the operation knows. Any other is an error.
  let query: [String]
  let body: Body
  let effort: Effort
  let action: Action
  /// What sort of operation it is on a host.
  let operationClass: OperationClass
  /// The scope that a token must have.
  let scope: Token.Scope
  let reach: Reach

  /// - Parameter scope: what a token must allow. Without it that is `write` for a change, and
  ///   `read` for anything else.
  init(
    _ operationID: String, needs scope: Token.Scope? = nil, on reach: Reach = .host,
    query: [String] = [], body: Body = .none, effort: Effort = .growsWithHost, _ action: Action
  ) {
    self.operationID = operationID
    self.effort = effort
    operationClass = Endpoint.operationClass(of: operationID, action)
    if case .change = action {
      self.query = query + ["dry_run"]
      self.scope = scope ?? .write
    } else {
      self.query = query
      self.scope = scope ?? .read
    }
    self.reach = reach
    self.body = body
    self.action = action
  }

  private static func operationClass(of operationID: String, _ action: Action) -> OperationClass {
    switch operationID {
    case "runBatch": return .batch
    case "createHost", "putHost", "deleteHost", "resetHost": return .host
    default:
      if case .change = action { return .change }
      return .read
    }
  }

  /// An operation that changes the object which its path names.
  ///
  /// - Parameter decode: reads from the request what is to be done with the object.
  convenience init(
    _ operationID: String, changing kind: ObjectKind, query: [String] = [], body: Body = .none,
    effort: Effort = .growsWithHost,
    _ decode: @escaping @Sendable (Call) throws(Problem) -> Operation
  ) {
    self.init(
      operationID, query: query, body: body, effort: effort,
      .change { call throws(Problem) in
        Change(operation: try decode(call), subject: .object(call.key(kind)))
      })
  }
}
