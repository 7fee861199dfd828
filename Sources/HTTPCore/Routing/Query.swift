// SPDX-License-Identifier: Apache-2.0

/// The parameters of a query, in the order in which they were sent.
public struct Query: Sendable, Equatable {
  /// A name and its value, decoded.
  public struct Parameter: Sendable, Equatable {
    /// What stands before the equals sign.
    public let name: String
    /// What stands behind it; empty without one.
    public let value: String
  }

  /// All parameters, in the order in which they came.
  public private(set) var parameters: [Parameter] = []

  /// A query without parameters.
  public init() {}

  /// - Throws: `Target.Malformed` for a bad escape or text that is not UTF-8.
  public init(_ raw: [UInt8]?) throws(Target.Malformed) {
    guard let raw, !raw.isEmpty else { return }
    for part in raw.split(separator: UInt8(ascii: "&")) {
      let equals = part.firstIndex(of: UInt8(ascii: "="))
      parameters.append(
        Parameter(
          name: try PercentDecoding.text(part[..<(equals ?? part.endIndex)]),
          value: try PercentDecoding.text(equals.map { part[($0 + 1)...] } ?? [])))
    }
  }

  /// The value of the first parameter with a name; nil without one.
  public subscript(name: String) -> String? {
    parameters.first { $0.name == name }?.value
  }
}
