// SPDX-License-Identifier: Apache-2.0
import HTTPCore

/// A JSON value that tests can ask without ceremony: what is not there is null.
package struct JSON: Equatable, CustomStringConvertible {
  private let value: JSONValue?

  /// Reads a document; what is none is null.
  package init(_ bytes: some Collection<UInt8>) {
    value = try? JSONParser.parse(Array(bytes)).root
  }
  private init(_ value: JSONValue?) { self.value = value }

  package subscript(name: String) -> JSON { JSON(value?.member(name)) }
  package subscript(index: Int) -> JSON {
    let elements = value?.elements ?? []
    return JSON(index < elements.count ? elements[index] : nil)
  }

  package var isNull: Bool { value == nil || value?.kind == .null }
  package var string: String? { value?.string }
  package var bool: Bool? { value?.bool }
  package var int: Int? {
    value.flatMap { $0.kind == .number ? Int(String(decoding: $0.rawScalar, as: UTF8.self)) : nil }
  }
  /// A number of 64 bits, written either way.
  package var quantity: UInt64? { value?.quantity }
  package var array: [JSON] { value?.elements.map { JSON($0) } ?? [] }
  /// The numbers of 64 bits in an array.
  package var words: [UInt64] { array.compactMap(\.quantity) }
  /// `kind/id` of a reference.
  package var key: String { (self["kind"].string ?? "?") + "/" + (self["id"].string ?? "?") }

  package var description: String {
    guard let value else { return "null" }
    var writer = JSONWriter()
    value.write(to: &writer)
    return String(decoding: writer.bytes, as: UTF8.self)
  }

  package static func == (left: JSON, right: JSON) -> Bool {
    left.description == right.description
  }
}

/// A number as requests have it.
package func hex(_ value: UInt64) -> String { "0x" + String(value, radix: 16) }

/// Words as a JSON array.
package func hexes(_ words: [UInt64]) -> String {
  "[" + words.map { "\"\(hex($0))\"" }.joined(separator: ",") + "]"
}
