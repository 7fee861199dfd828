// SPDX-License-Identifier: Apache-2.0

/// The request header fields that some part of the program reads.
///
/// A request's other fields are checked by the framing guard and then forgotten: keeping them
/// would cost every request, and nothing asks for them.
public struct Headers: Sendable, Equatable {
  /// A field that is kept, by its lower-case name.
  public enum Name: String, Sendable, CaseIterable {
    case accept
    case authorization
    case contentEncoding = "content-encoding"
    case contentType = "content-type"
    case fetchSite = "sec-fetch-site"
    case host
    case ifMatch = "if-match"
    case ifNoneMatch = "if-none-match"
    case idempotencyKey = "idempotency-key"
    case lastEventID = "last-event-id"
    case origin
    case requestedMethod = "access-control-request-method"
    case requestID = "x-request-id"
  }

  private var fields: [(name: Name, value: String)] = []

  /// No field at all.
  public init() {}

  /// Adds a field line; several of one name are joined by `, ` as RFC 9110, section 5.3, says.
  public mutating func add(_ name: Name, _ value: String) {
    if let index = fields.firstIndex(where: { $0.name == name }) {
      fields[index].value += ", " + value
    } else {
      fields.append((name, value))
    }
  }

  /// The value of a field; of one that came more than once, the values behind each other with
  /// commas. nil without it.
  public subscript(name: Name) -> String? {
    for field in fields where field.name == name { return field.value }
    return nil
  }

  /// Whether both have the same fields with the same values.
  public static func == (left: Headers, right: Headers) -> Bool {
    left.fields.elementsEqual(right.fields, by: ==)
  }
}
