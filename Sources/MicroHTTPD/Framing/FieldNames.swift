// SPDX-License-Identifier: Apache-2.0
import HTTPCore

/// The names of response fields as C wants them, made once.
struct FieldNames {
  let connection = FieldNames.terminated("Connection")
  /// In the order of `Response.HeaderName.allCases`.
  private let names = Response.HeaderName.allCases.map { FieldNames.terminated($0.rawValue) }

  subscript(name: Response.HeaderName) -> [CChar] { names[name.position] }

  private static func terminated(_ text: String) -> [CChar] {
    text.utf8.map { CChar(bitPattern: $0) } + [0]
  }
}
