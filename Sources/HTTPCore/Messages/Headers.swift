// SPDX-License-Identifier: Apache-2.0

/// The header fields of a request that some part of the program reads.
///
/// The framing guard checks all fields of a request, and then only these are kept. Keeping the
/// others would cost time in every request, and nothing asks for them.
public struct Headers: Sendable, Equatable {
  /// The fields that are kept. The raw value is the field's name in lower case.
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

  /// Begins without any field.
  public init() {}

  /// Adds a field line. The values of several lines with one name are joined by `, ` (RFC 9110,
  /// section 5.3).
  public mutating func add(_ name: Name, _ value: String) {
    if let index = fields.firstIndex(where: { $0.name == name }) {
      fields[index].value += ", " + value
    } else {
      fields.append((name, value))
    }
  }

  /// The value of a field, in which the values of several lines are joined by `, `; nil when the
  /// request does not have the field.
  public subscript(name: Name) -> String? {
    for field in fields where field.name == name { return field.value }
    return nil
  }

  /// Whether both have the same fields with the same values, in the same order.
  public static func == (left: Headers, right: Headers) -> Bool {
    left.fields.elementsEqual(right.fields, by: ==)
  }
}
