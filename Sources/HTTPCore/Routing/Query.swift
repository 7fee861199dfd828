// SPDX-License-Identifier: Apache-2.0

/// The parameters in the query of a target, decoded.
public struct Query: Sendable, Equatable {
  /// A name and its value, with percent-escapes decoded.
  public struct Parameter: Sendable, Equatable {
    /// What stands before the first equals sign.
    public let name: String
    /// What stands behind the first equals sign; empty when there is none.
    public let value: String
  }

  /// All parameters, in the order in which they were sent. A name may occur more than once.
  public private(set) var parameters: [Parameter] = []

  /// Makes a query without parameters.
  public init() {}

  /// Takes a query apart at its `&` signs.
  ///
  /// - Parameter raw: the query without its `?`, still escaped; nil for none.
  /// - Throws: `Target.Malformed` for a bad escape, an escaped NUL, or text that is not UTF-8.
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

  /// The value of the first parameter with this name; nil when there is none.
  public subscript(name: String) -> String? {
    parameters.first { $0.name == name }?.value
  }
}
