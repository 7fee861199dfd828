// SPDX-License-Identifier: Apache-2.0
public import HTTPCore

/// A value in an answer. Numbers are equal however they are spelled, `153` or `"0x99"`, because the
/// traces and the API spell them differently.
public enum TraceValue: Sendable, Equatable {
  case null
  case bool(Bool)
  case number(UInt64)
  case text(String)
  case list([TraceValue])
  case record([String: TraceValue])

  /// Makes a value of one in a JSON document.
  public init(_ value: JSONValue) {
    switch value.kind {
    case .null: self = .null
    case .bool: self = .bool(value.bool ?? false)
    case .number, .string:
      if let number = value.quantity {
        self = .number(number)
      } else {
        self = .text(value.string ?? String(decoding: value.rawScalar, as: UTF8.self))
      }
    case .array: self = .list(value.elements.map { TraceValue($0) })
    case .object:
      var members: [String: TraceValue] = [:]
      for (name, value) in value.members { members[name] = TraceValue(value) }
      self = .record(members)
    }
  }

  /// Makes a list of names, sorted.
  static func names(_ names: [String]) -> TraceValue {
    .list(names.sorted().map { .text($0) })
  }

  /// The same value; if it is a list, with its elements sorted by how they are spelled.
  var sorted: TraceValue {
    guard case .list(let elements) = self else { return self }
    return .list(elements.sorted { $0.description < $1.description })
  }

  var isTrue: Bool { self == .bool(true) }
}

extension TraceValue: CustomStringConvertible {
  /// Numbers below this are shown in decimal, and others in hex.
  private static let decimalLimit: UInt64 = 1 << 16

  /// The value as reports spell it.
  public var description: String {
    switch self {
    case .null: "null"
    case .bool(let value): "\(value)"
    case .number(let value):
      value < TraceValue.decimalLimit ? "\(value)" : HexText.of(value)
    case .text(let text): text
    case .list(let elements): "[" + elements.map(\.description).joined(separator: " ") + "]"
    case .record(let members):
      "{"
        + members.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
        .joined(separator: " ") + "}"
    }
  }
}
