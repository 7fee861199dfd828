// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD

/// One operation of the API: what it takes, and what carries it out.
///
/// A class, because every request passes it around.
final class Endpoint: Sendable {
  enum Body: Sendable {
    case none
    case json
    /// Bytes as they are.
    case octets
    /// JSON, or bytes as they are: the content type says which.
    case jsonOrOctets

    /// The media types of a body; none where there is none.
    var mediaTypes: [String] {
      switch self {
      case .none: []
      case .json: [MediaType.json]
      case .octets: [MediaType.octets]
      case .jsonOrOctets: [MediaType.json, MediaType.octets]
      }
    }

    /// Whether a batch can have such a body.
    var takesJSON: Bool { mediaTypes.contains(MediaType.json) }
  }

  enum Action: Sendable {
    /// Answers without changing a host's objects.
    case answer(@Sendable (Call) throws(Problem) -> Response)
    /// Decodes a change, which is then carried out, tried out, or made part of a batch.
    case change(@Sendable (Call) throws(Problem) -> Change)
  }

  /// The operation's name in the OpenAPI document.
  let operationID: String
  /// The query parameters that it knows; any other is an error.
  let query: [String]
  let body: Body
  let action: Action

  init(_ operationID: String, query: [String] = [], body: Body = .none, _ action: Action) {
    self.operationID = operationID
    if case .change = action {
      self.query = query + ["dry_run"]
    } else {
      self.query = query
    }
    self.body = body
    self.action = action
  }
}

/// A request that has found its endpoint.
struct Call: Sendable {
  let api: ControlPlane
  let endpoint: Endpoint
  let request: Request
  let host: Host
  /// What fills the parameters of the route's pattern, in order.
  let parameters: [String]
  let query: QueryReader

  /// The body as an object's reader; no body is an empty object.
  func reader() throws(Problem) -> ObjectReader {
    try ObjectReader.body(
      request.body.isEmpty ? Array("{}".utf8) : request.body,
      depthLimit: api.configuration.limits.jsonDepth)
  }

  /// Whether the body is bytes as they are, where it may be JSON too.
  var hasOctets: Bool {
    request.head.headers[.contentType].map { MediaType.essence(of: $0) } == MediaType.octets
  }

  func key(_ kind: ObjectKind) -> ObjectKey { ObjectKey(kind, parameters[0]) }
}

/// Reads query parameters and collects all that is wrong with them.
struct QueryReader: Sendable {
  private let query: Query

  /// - Throws: a problem with names that the endpoint does not know, that come twice, or with a
  ///   query that cannot be decoded.
  init(_ raw: [UInt8]?, known: [String]) throws(Problem) {
    do throws(Target.Malformed) {
      query = try Query(raw)
    } catch {
      throw Problem(.malformedRequest, "the query has a bad escape or is not UTF-8")
    }
    var faults: [Problem.Fault] = []
    var seen: Set<String> = []
    for parameter in query.parameters where faults.count < ObjectReader.faultLimit {
      if !known.contains(parameter.name) {
        faults.append(.init(.unknownField, at: "?\(parameter.name)", "unknown parameter"))
      } else if !seen.insert(parameter.name).inserted {
        faults.append(
          .init(.invalidField, at: "?\(parameter.name)", "the parameter is there twice"))
      }
    }
    if !faults.isEmpty { throw Problem(faults: faults) }
  }

  func text(_ name: String) -> String? { query[name] }

  func bool(_ name: String) throws(Problem) -> Bool {
    switch query[name] {
    case nil, "false": false
    case "true": true
    default: throw QueryReader.invalid(name, "must be true or false")
    }
  }

  func int(_ name: String, in range: ClosedRange<Int>) throws(Problem) -> Int? {
    guard let text = query[name] else { return nil }
    guard let value = Decimal.parse(text.utf8), range.contains(value) else {
      throw QueryReader.invalid(
        name, "must be an integer of \(range.lowerBound) to \(range.upperBound)")
    }
    return value
  }

  func choice<Choice: RawRepresentable & CaseIterable>(
    _ name: String, of type: Choice.Type
  ) throws(Problem) -> Choice? where Choice.RawValue == String {
    guard let text = query[name] else { return nil }
    guard let choice = Choice(rawValue: text) else {
      let all = Choice.allCases.map(\.rawValue).joined(separator: ", ")
      throw QueryReader.invalid(name, "must be one of \(all)")
    }
    return choice
  }

  static func invalid(_ name: String, _ detail: String) -> Problem {
    Problem(faults: [.init(.invalidField, at: "?\(name)", detail)])
  }
}
